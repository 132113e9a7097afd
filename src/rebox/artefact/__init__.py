"""A fitted model as a value, and as a file: safetensors and JSON, never pickle."""

from rebox.artefact.contract import Artefact, BoxRecord
from rebox.artefact.file import check_writable, digest_of, load, save, write_atomically
from rebox.artefact.soundness import check_box

__all__ = [
    "Artefact",
    "BoxRecord",
    "check_box",
    "check_writable",
    "digest_of",
    "load",
    "save",
    "write_atomically",
]
