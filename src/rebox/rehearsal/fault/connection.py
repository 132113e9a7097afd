"""Faults of the connection: it ends early, late or slowly."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from rebox.errors import InvalidOption
from rebox.rehearsal.fault.contract import Fault, OwnReply
from rebox.rehearsal.message import Outgoing
from rebox.rehearsal.server import Line, wire

SETTLE_S = 0.05  # until what was sent has been read; a reset may overtake it


@dataclass(frozen=True)
class HangUp(OwnReply):
    """The connection is closed without a reply.

    Parameters
    ----------
    after_s : float
        How long the client waits in vain. With ``billed`` the service has counted the question.
    """

    after_s: float = 0.0
    whole: ClassVar[bool] = False

    def send(self, line: Line, reply: Outgoing) -> None:  # noqa: ARG002 - none is sent
        """Wait, and hang up."""
        line.wait(self.after_s)
        line.close()


@dataclass(frozen=True)
class ResetBefore(Fault):
    """The connection is reset before the body has been read."""

    _: KW_ONLY
    billed: bool = False
    reads: ClassVar[bool] = False
    whole: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.billed:
            raise InvalidOption("what was not read is not billed: play HangUp(billed=True).")

    def send(self, line: Line, reply: Outgoing) -> None:  # noqa: ARG002 - none is sent
        """Reset."""
        line.reset()


@dataclass(frozen=True)
class ResetMidBody(Fault):
    """The connection is reset after half of the reply's body."""

    whole: ClassVar[bool] = False

    def send(self, line: Line, reply: Outgoing) -> None:
        """Send a half, and reset."""
        data = wire(reply)
        line.write(data[: len(data) - (len(reply.body) + 1) // 2])
        line.wait(SETTLE_S)
        line.reset()


@dataclass(frozen=True)
class SlowDrip(Fault):
    """The body trickles.

    Parameters
    ----------
    pause_s : float
        Before each piece.
    piece : int
        Bytes.
    """

    _: KW_ONLY
    pause_s: float = 0.2
    piece: int = 1

    def send(self, line: Line, reply: Outgoing) -> None:
        """Send the headers, then the body bit by bit."""
        data = wire(reply)
        start = len(data) - len(reply.body)
        line.write(data[:start])
        for at in range(start, len(data), self.piece):
            line.wait(self.pause_s)
            line.write(data[at : at + self.piece])
