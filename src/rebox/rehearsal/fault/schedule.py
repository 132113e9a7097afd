"""When a fault is played, and how both are named in a text: ``429:every=10,retry_after=2``."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from rebox.errors import InvalidOption
from rebox.option import read_options, split_options, unknown
from rebox.rehearsal.fault.connection import HangUp, ResetBefore, ResetMidBody, SlowDrip
from rebox.rehearsal.fault.content import EmptyBody, GzipBomb, InvalidUtf8, Truncated, WrongType
from rebox.rehearsal.fault.contract import Fault
from rebox.rehearsal.fault.replies import RateReset, Redirect, RefusedFault, Status
from rebox.rehearsal.fault.scores import (
    BadScore,
    DuplicateClass,
    ExtraClass,
    MissingClass,
    MixedStatus,
    PartialBatch,
    ShuffledClasses,
)
from rebox.rehearsal.fault.spoken import (
    MissingUsage,
    NoChoices,
    NoLogprobs,
    OtherModel,
    Says,
    WrongUsage,
)
from rebox.rehearsal.format import Format

Faults = Sequence[Fault | None] | Callable[[int], Fault | None]
"""A fault for each question in turn, or what says the fault of the k-th, from 1."""

YEAR_S = 365 * 24 * 3600
TIMEOUT_S = 120.0
FILTERED = (  # as Azure's filter says of a prompt
    b'{"error": {"message": "The response was filtered due to the prompt triggering the content '
    b'management policy.", "type": null, "param": "prompt", "code": "content_filter"}}'
)

NAMES: Mapping[str, Callable[..., Fault]] = {
    "retry-after-huge": partial(Status, status=429, retry_after_s=YEAR_S),
    "expired-key": partial(RefusedFault, kind="expired_key"),
    "hour-limit": partial(RefusedFault, kind="quota"),
    "redirect": Redirect,
    "close": HangUp,
    "timeout": partial(HangUp, after_s=TIMEOUT_S),
    "timeout-after": partial(HangUp, after_s=TIMEOUT_S, billed=True),
    "reset": ResetBefore,
    "reset-mid-body": ResetMidBody,
    "drip": SlowDrip,
    "truncated": Truncated,
    "wrong-type": WrongType,
    "gzip-bomb": GzipBomb,
    "invalid-utf8": InvalidUtf8,
    "empty": EmptyBody,
    "nan": BadScore,
    "negative": partial(BadScore, value=-0.1),
    "not-a-number": partial(BadScore, value="high"),
    "missing-class": MissingClass,
    "extra-class": ExtraClass,
    "duplicate-class": DuplicateClass,
    "shuffled-classes": ShuffledClasses,
    "partial-batch": PartialBatch,
    "mixed": MixedStatus,
    "rate-reset": RateReset,
    "insufficient-quota": partial(RefusedFault, kind="quota"),
    "filtered-prompt": partial(Status, status=400, body=FILTERED, content_type="application/json"),
    "refusal": partial(Says, kind="refusal"),
    "prose": partial(Says, kind="prose"),
    "unknown-letter": partial(Says, kind="unknown"),
    "silence": partial(Says, kind="nothing"),
    "cut": partial(Says, kind="cut"),
    "content-filter": partial(Says, kind="filtered"),
    "wrong-usage": WrongUsage,
    "missing-usage": MissingUsage,
    "other-model": OtherModel,
    "no-choices": NoChoices,
    "no-logprobs": NoLogprobs,
}
"""Faults by name; a status stands for itself: ``503``."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """When a fault is played; without any of these, at every question.

    Parameters
    ----------
    every : int or None
        At every so many questions: 10 is the 10th, the 20th, ...
    at : int or None
        At this question alone, counted from 1.
    first : int or None
        At the first so many.
    """

    fault: Fault
    every: int | None = None
    at: int | None = None
    first: int | None = None

    def __post_init__(self) -> None:
        for name in ("every", "at", "first"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidOption(f"{name} of a fault must be at least 1, found {value}.")

    def applies(self, k: int) -> bool:
        """Return whether it is played at the k-th question."""
        return (
            (self.every is None or k % self.every == 0)
            and (self.at is None or k == self.at)
            and (self.first is None or k <= self.first)
        )


@dataclass(frozen=True)
class Schedule:
    """The first rule that applies counts."""

    rules: Sequence[Rule]

    def __call__(self, k: int) -> Fault | None:
        """Return the fault of the k-th question."""
        return next((rule.fault for rule in self.rules if rule.applies(k)), None)


def scheduled(faults: Faults, form: Format) -> Callable[[int], Fault | None]:
    """Return ``faults`` as a function of the question's number.

    Raises
    ------
    InvalidOption
        One of them cannot occur in the format.
    """
    if callable(faults):
        known = [rule.fault for rule in faults.rules] if isinstance(faults, Schedule) else []
        by_number = faults
    else:
        script = tuple(faults)
        known = [fault for fault in script if fault is not None]

        def by_number(k: int) -> Fault | None:
            return script[k - 1] if k <= len(script) else None

    for fault in known:
        fault.check(form)
    return by_number


def read_faults(texts: Sequence[str]) -> Schedule:
    """Return the schedule that ``texts`` describe: ``NAME`` or ``NAME:option=value,...``.

    ``NAME`` is a status or one of `NAMES`. The options ``every``, ``at`` and ``first`` say when,
    the others are those of the fault: ``429:every=10,retry_after=2``, ``timeout:at=3,after_s=5``.

    Raises
    ------
    InvalidOption
        There is no such fault or option, or an option's value cannot be read.
    """
    return Schedule([_read_rule(text) for text in texts])


def _read_rule(text: str) -> Rule:
    name, _, rest = re.sub(r"\s*([:=,])\s*", r"\1", text.strip()).partition(":")
    given = split_options(rest, between=",")
    if "retry_after" in given:  # as the header is called
        given["retry_after_s"] = given.pop("retry_after")
    make = _fault_named(name)
    options, when = read_options(f"fault {name!r}", given, make, Rule, but="fault")
    return Rule(fault=make(**options), **when)


def _fault_named(name: str) -> Callable[..., Fault]:
    if name.isascii() and name.isdigit():
        return partial(Status, status=int(name))
    if name not in NAMES:
        raise unknown("fault", name, ("a status such as 503", *NAMES))
    return NAMES[name]
