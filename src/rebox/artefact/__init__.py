"""A fitted model as a value, and as a file: safetensors and JSON, never pickle."""

from rebox.artefact.contract import Artefact, BoxRecord
from rebox.artefact.file import check_writable, digest_of, load, peek, save, write_atomically

__all__ = [
    "Artefact",
    "BoxRecord",
    "check_writable",
    "digest_of",
    "load",
    "peek",
    "save",
    "write_atomically",
]
