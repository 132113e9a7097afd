"""Batches: questions that a service answers within a day, for half the price.

What is here knows of no account. Whoever pays (`rebox.meter`) writes every question down before
a batch leaves, and what is said about a batch here is what a process has to know that finds one
which another has left behind.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from rebox.box.reservation import Row, Used
from rebox.box.spec import Queries
from rebox.errors import BoxError, ServiceError

BATCH_SHARE = 0.5  # of the price of a question that is answered at once


class Unreachable(Exception):
    """A service cannot be asked now, and has done nothing; it may be asked again.

    Parameters
    ----------
    words : str
        For the user, without a full stop.
    after_s : float or None
        How long it wants to be left alone.
    """

    def __init__(self, words: str, after_s: float | None = None) -> None:
        super().__init__(words)
        self.words, self.after_s = words, after_s


class Uncertain(Exception):
    """Nobody knows whether a batch was made: its service may have heard, and did not say so."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


class Undecided(Exception):
    """A batch may be the one that is looked for, which its service does not say yet."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


@dataclass(frozen=True, kw_only=True)
class Flight:
    """A batch as it is written down.

    Attributes
    ----------
    token : str
        Its own name, which no other batch has.
    lines : int
        How many it has.
    file : str or None
        What its service calls the file that was uploaded.
    creating_s : float or None
        When the call that makes the batch was last about to leave, in seconds since 1970; None: it
        never was.
    remote : str or None
        What its service calls it; None: nobody has heard that.
    ended : bool
        Whether nothing of it is open any more.
    """

    token: str
    lines: int
    file: str | None = None
    creating_s: float | None = None
    remote: str | None = None
    ended: bool = False


@dataclass(frozen=True, kw_only=True)
class BatchState:
    """How far a batch has come.

    Attributes
    ----------
    ended : bool
        Whether its service will answer no more of it, and what it has answered can be read.
    done : int
        Lines that it has dealt with.
    words : str
        How it ended, or what it is about, in its service's own word.
    charged : bool
        Whether a line that has no result may have been billed.
    """

    ended: bool
    done: int = 0
    words: str = ""
    charged: bool = False


@dataclass(frozen=True, kw_only=True)
class Unanswered:
    """Why a question of a batch has no answer.

    Attributes
    ----------
    words : str
        For the user, without a full stop.
    retry : bool
        Whether asking again may help.
    error : type of BoxError
        What ends the run if asking again is no use.
    """

    words: str
    retry: bool = False
    error: type[BoxError] = ServiceError


@dataclass(frozen=True, kw_only=True, eq=False)
class LineResult:
    """What came of a line.

    Attributes
    ----------
    name : str
        The line's.
    answers : sequence of (classes,) float32 or Unanswered
        One for each of its questions.
    billed : int
        How many of them may have been billed.
    used : Used or None
        What the service says that it has used; None: it does not say, and what was set aside for it
        counts.
    """

    name: str
    answers: Sequence[Row | Unanswered]
    billed: int
    used: Used | None = None


class Batches(Protocol):
    """A service's batches.

    Every method may raise `Unreachable`, or `BoxError` where asking again is no use.

    Attributes
    ----------
    most_lines, most_bytes : int
        Largest batch.
    settles_s : float
        How long after a call it may take until a batch that the call has made is listed.
    """

    @property
    def most_lines(self) -> int: ...  # noqa: D102 - said above

    @property
    def most_bytes(self) -> int: ...  # noqa: D102

    @property
    def settles_s(self) -> float: ...  # noqa: D102

    def line(self, name: str, queries: Queries) -> bytes:
        """Return the line, without its end, that asks one request's ``queries``."""

    def again(self, line: bytes) -> bytes:
        """Return a ``line`` that has failed as it is sent once more."""

    def most_nano(self, queries: Queries) -> int | None:
        """Return the most that each may cost, in 1e-9 US dollars; None: the price of a query."""

    def upload(self, token: str, lines: bytes) -> str:
        """Hand over ``lines``, which costs nothing; return what the service calls them, or ''."""

    def create(self, token: str, file: str, lines: bytes) -> str:
        """Make a batch of an uploaded ``file``, or of ``lines``; return what it is called.

        Raises
        ------
        Uncertain
            It may have been made.
        """

    def find(self, flight: Flight, names: Collection[str], others: Collection[str]) -> str | None:
        """Return what the service calls the batch of a ``flight``; None: there is none.

        Parameters
        ----------
        flight : Flight
        names : collection of str
            Of its lines.
        others : collection of str
            Batches that are known to be others.

        Raises
        ------
        Undecided
            That can only be told later.
        """

    def state(self, remote: str) -> BatchState:
        """Return how far a batch has come."""

    def results(self, remote: str, sizes: Mapping[str, int]) -> Iterator[LineResult]:
        """Yield what came of lines of a batch that has ended, in any order.

        ``sizes`` says which are asked for, by name, and how many questions each has.
        """

    def discard(self, file: str) -> None:
        """Delete an uploaded file that became no batch; what fails at that is nobody's concern."""
