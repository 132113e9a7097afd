"""Faults of the reply's bytes."""

import gzip
import zlib
from dataclasses import dataclass, replace
from functools import lru_cache

from rebox.rehearsal.fault.contract import Fault
from rebox.rehearsal.format import Format
from rebox.rehearsal.message import Outgoing

MEBIBYTE = 2**20


@dataclass(frozen=True)
class Truncated(Fault):
    """The body ends in the middle, though the reply is whole by HTTP's rules."""

    def reply(self, reply: Outgoing, form: Format) -> Outgoing:  # noqa: ARG002 - any format's
        """Return the first half."""
        return replace(reply, body=reply.body[: len(reply.body) // 2])


@dataclass(frozen=True)
class WrongType(Fault):
    """The body is right and its content type is not."""

    content_type: str = "text/html"

    def reply(self, reply: Outgoing, form: Format) -> Outgoing:  # noqa: ARG002 - any format's
        """Return it under the other type."""
        return replace(reply, headers=dict(reply.headers) | {"Content-Type": self.content_type})


@dataclass(frozen=True)
class GzipBomb(Fault):
    """A small body that unpacks to an enormous one: a list of blanks.

    Parameters
    ----------
    mebibytes : int
        Unpacked.
    """

    mebibytes: int = 2048

    def reply(self, reply: Outgoing, form: Format) -> Outgoing:  # noqa: ARG002 - any format's
        """Return the bomb in place of the body."""
        headers = dict(reply.headers) | {"Content-Encoding": "gzip"}
        return replace(reply, body=_blanks(self.mebibytes), headers=headers)


@lru_cache(maxsize=2)
def _blanks(mebibytes: int) -> bytes:
    """Return a gzip file of blanks, which takes a second for gigabytes."""
    blanks = b" " * MEBIBYTE
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    # a block that is flushed in full refers to nothing before it, so it may be repeated
    block = packer.compress(blanks) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(mebibytes):
        checksum = zlib.crc32(blanks, checksum)
    size = mebibytes * MEBIBYTE % 2**32
    tail = packer.flush() + checksum.to_bytes(4, "little") + size.to_bytes(4, "little")
    return gzip.compress(b"", mtime=0)[:10] + block * mebibytes + tail


@dataclass(frozen=True)
class InvalidUtf8(Fault):
    """A byte in a name that is no UTF-8."""

    def reply(self, reply: Outgoing, form: Format) -> Outgoing:  # noqa: ARG002 - any format's
        """Return the body with the byte after its first quotation mark."""
        return replace(reply, body=reply.body.replace(b'"', b'"\xff', 1))


@dataclass(frozen=True)
class EmptyBody(Fault):
    """A status of 200 and nothing."""

    def reply(self, reply: Outgoing, form: Format) -> Outgoing:  # noqa: ARG002 - any format's
        """Return no body."""
        return replace(reply, body=b"")
