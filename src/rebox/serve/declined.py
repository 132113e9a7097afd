"""What a request is told that is not answered: a status, a word for programs, a sentence."""

import math
from collections.abc import Mapping
from typing import Any

from rebox.errors import (
    BoxError,
    BudgetExhausted,
    Error,
    InvalidInput,
    JournalError,
    KeyRefused,
    QuotaSpent,
)

STATUS: Mapping[str, int] = {
    "unreadable": 400,
    "unknown": 404,
    "method": 405,
    "slow": 408,
    "too_large": 413,
    "media_type": 415,
    "budget_spent": 429,
    "failed": 500,
    "box_failed": 502,
    "busy": 503,
    "quota_spent": 503,
    "late": 504,
}
"""The HTTP status of each reason."""

SOON_S = 1.0
"""When a queue that is full may have room."""


FAILURES: Mapping[type[Error], tuple[str, str, float | None]] = {
    BudgetExhausted: ("budget_spent", "the budget is spent: nothing was asked.", None),
    QuotaSpent: (
        "quota_spent",
        "the service behind the model answers no more for now: its quota is spent.",
        60.0,
    ),
    KeyRefused: (
        "box_failed",
        "the service behind the model refused the server's key.",
        None,
    ),
    BoxError: ("box_failed", "the box behind the model failed to answer.", SOON_S),
}
"""What is told of an error, the narrower kinds first: a reason, a sentence, when to try again."""


class Declined(Exception):
    """A request that is not answered.

    Parameters
    ----------
    reason : str
        One of `STATUS`.
    words : str
        A sentence, which shows nothing of the server's inside.
    retry_after_s : float or None
        When it may be worth asking again; None: not as it is.
    """

    def __init__(self, reason: str, words: str, retry_after_s: float | None = None) -> None:
        super().__init__(words)
        self.reason, self.words, self.retry_after_s = reason, words, retry_after_s

    @property
    def status(self) -> int:
        """Its HTTP status."""
        return STATUS[self.reason]

    @property
    def body(self) -> dict[str, Any]:
        """What is sent; ``error`` is a text, as the Open Inference Protocol has it."""
        return {"error": self.words, "reason": self.reason}

    @property
    def headers(self) -> dict[str, str]:
        """``Retry-After``, where there is a time to name."""
        if self.retry_after_s is None:
            return {}
        return {"Retry-After": str(max(1, math.ceil(self.retry_after_s)))}


def unreadable(words: str) -> Declined:
    """Return the answer to what cannot be read."""
    return Declined("unreadable", words)


def declined_by(error: BaseException) -> Declined:
    """Return what a client is told of ``error``; what it says of hosts, files and keys stays here.

    That a day's budget is spent is told by whoever knows the day.
    """
    if isinstance(error, Declined):
        return error
    if isinstance(error, InvalidInput):
        return unreadable(str(error))
    for kind, (reason, words, retry_after_s) in FAILURES.items():
        if isinstance(error, kind):
            return Declined(reason, words, retry_after_s)
    what = "keep its journal" if isinstance(error, JournalError) else "answer"
    known = " The server's log says why." if isinstance(error, Error) else ""
    return Declined("failed", f"the server failed to {what}.{known}")
