"""What a fault is: where it may meddle between a question and its reply."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from rebox.rehearsal.format import Format, Outcome
from rebox.rehearsal.message import Outgoing
from rebox.rehearsal.server import Line


@dataclass(frozen=True)
class Fault:
    """Nothing goes wrong; subclasses say what does.

    Parameters
    ----------
    billed : bool
        Whether the images of the request are billed all the same.

    Attributes
    ----------
    reads : bool
        Whether the body of the request is read at all.
    replaces : bool
        Whether the reply is the fault's own: the box is asked only if the request is billed.
    whole : bool
        Whether the client gets a whole reply.
    """

    _: KW_ONLY
    billed: bool = True
    reads: ClassVar[bool] = True
    replaces: ClassVar[bool] = False
    whole: ClassVar[bool] = True

    def check(self, form: Format) -> None:
        """Raise `InvalidOption` if the fault cannot occur in a format."""

    def outcomes(self, outcomes: Sequence[Outcome], k: int) -> Sequence[Outcome]:  # noqa: ARG002
        """Return what becomes of the outcomes of the k-th question."""
        return outcomes

    def reply(self, reply: Outgoing, form: Format) -> Outgoing:  # noqa: ARG002 - most leave it
        """Return what becomes of the reply; an empty one if nobody was asked."""
        return reply

    def send(self, line: Line, reply: Outgoing) -> None:
        """Send the reply; an empty one if the request was not read."""
        line.send(reply)


@dataclass(frozen=True)
class OwnReply(Fault):
    """The service does not come to answer: what it does instead is free, unless it is billed."""

    _: KW_ONLY
    billed: bool = False
    replaces: ClassVar[bool] = True
