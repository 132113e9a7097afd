"""What goes wrong between a question and its answer, and what to do about it."""

from dataclasses import dataclass, field

from rebox.box.reservation import Row
from rebox.errors import BoxError, InvalidAnswer, ServiceError


@dataclass(frozen=True)
class Failure:
    """Why a question was not answered.

    Parameters
    ----------
    words : str
        For the user, without a full stop.
    retry : bool
        Whether asking again may help.
    charged : bool
        Whether the service may have billed the question. What is not known counts as billed.
    after_s : float or None
        How long the service wants to be left alone; all questions wait, not only this one.
    attempts : int or None
        Most sends of one question for faults of this kind; None: as many as the terms allow.
    anew : bool
        Whether another question is asked next: that is no second attempt at this one.
    error : type of BoxError
        What ends the run if asking again is no use.
    instead : (classes,) float32 or None
        What stands as the answer if asking again is no use; None: the run ends.
    """

    words: str
    retry: bool = False
    charged: bool = True
    after_s: float | None = None
    attempts: int | None = None
    anew: bool = False
    error: type[BoxError] = ServiceError
    instead: Row | None = field(default=None, compare=False, repr=False)


def check_size(taken: int, most: int, form: str, taker: str) -> None:
    """Refuse to send an image that takes more bytes than the service allows.

    Raises
    ------
    Refusal
        It takes ``taken`` bytes in its ``form``, and ``taker`` takes ``most``.
    """
    if taken > most:
        words = (
            f"an image takes {taken / 1e6:.1f} MB as {form} and {taker} takes {most / 1e6:g} MB: "
            "open the box with a smaller size"
        )
        raise Refusal(Failure(words, charged=False))


def unreadable(words: str) -> Failure:
    """Return the fault of an answer that is not as the service's answers are: it is billed."""
    return Failure(words, error=InvalidAnswer)


class Refusal(Exception):
    """A whole request failed, for the reason ``fault``; it never leaves `rebox.box.service`."""

    def __init__(self, fault: Failure) -> None:
        super().__init__(fault.words)
        self.fault = fault
