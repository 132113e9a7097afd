"""A fitted model as a value, and as a file: safetensors and JSON, never pickle."""

from rebox.artefact.contract import Artefact, BoxRecord, advice_for
from rebox.artefact.deciding import restore_deciding
from rebox.artefact.describe import restore_boxes, restore_policy, restore_verdict
from rebox.artefact.file import content_of, digest_of, is_model, load, peek, save, uris_in
from rebox.artefact.soundness import check_box

__all__ = [
    "Artefact",
    "BoxRecord",
    "advice_for",
    "check_box",
    "content_of",
    "digest_of",
    "is_model",
    "load",
    "peek",
    "restore_boxes",
    "restore_deciding",
    "restore_policy",
    "restore_verdict",
    "save",
    "uris_in",
]
