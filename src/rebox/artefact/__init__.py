"""A fitted model as a value, and as a file: safetensors and JSON, never pickle."""

from rebox.artefact.contract import Artefact
from rebox.artefact.file import check_writable, digest_of, load, save, write_atomically

__all__ = ["Artefact", "check_writable", "digest_of", "load", "save", "write_atomically"]
