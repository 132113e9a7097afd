"""A fitted model as a value, and as a file: safetensors and JSON, never pickle."""

from rebox.artefact.contract import Artefact, BoxRecord
from rebox.artefact.file import content_of, digest_of, is_model, load, peek, save

__all__ = [
    "Artefact",
    "BoxRecord",
    "content_of",
    "digest_of",
    "is_model",
    "load",
    "peek",
    "save",
]
