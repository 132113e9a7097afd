"""The canaries of a model's boxes: asked at the end of its fit, and again when it is checked."""

import contextlib
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox, Drift, Queries, canaries, drift_between
from rebox.errors import Error
from rebox.meter import Meter, Payee

MOST_CANARIES = 100

Answers = NDArray[np.float32]


def ask_canaries(
    boxes: Mapping[int, BlackBox], meter: Meter, wanted: int | None, usual: int
) -> dict[int, Answers]:
    """Return what ``boxes`` say to their canaries, by place, as far as the budget pays for them.

    A canary that is not answered must not cost the model that has just been paid for.

    Parameters
    ----------
    boxes : mapping of int to BlackBox
        Those that a model asks, by their places.
    meter : Meter
    wanted : int or None
        How many; None: ``usual`` for a service, none for a box that runs here.
    usual : int
    """
    answers = {}
    for place, box in boxes.items():
        k = wanted if wanted is not None else usual if box.source.remote else 0
        if box.spec.takes == "ids":
            continue
        left = meter.left("probe", box)
        if k and (left is None or left >= k):
            with contextlib.suppress(Error):
                answers[place] = meter.asker(box, "probe").ask(canaries(box.spec, k))
    return answers


def warn_of_none(
    boxes: Mapping[int, BlackBox], answers: Mapping[int, Answers], meter: Meter, wanted: int
) -> None:
    """Say that canaries were wanted, and are missing: a later check would be refused."""
    if not boxes:
        _warn(wanted, "the model asks no box that could change")
    for place, box in boxes.items():
        if place in answers:
            continue
        if box.spec.takes == "ids":
            why = "the box is asked by ids, and is shown nothing"
        elif meter.spent_by_box[place].probe:
            why = "the box failed to answer them"
        else:
            left = meter.left("probe", box) or 0
            why = f"the budget had {left} queries left for them: raise it by {wanted - left}"
        _warn(wanted, why, "" if len(boxes) == 1 else f" of {box.uri or box.spec.identity}")


def _warn(wanted: int, why: str, which: str = "") -> None:
    words = f"canaries={wanted} were wanted{which}, and there are none: {why}."
    warnings.warn(words, UserWarning, stacklevel=4)


def drift_of(box: BlackBox, before: Answers, meter: Meter) -> Drift:
    """Ask ``box`` its canaries again, and return how it differs from what it said ``before``."""
    images = canaries(box.spec, len(before))
    stale = _remembers(box, images, before, meter)
    # under the budget of predictions: a fit may have spent its own to the last query
    asked = meter.asker(box, "predict", afresh=True).ask(images)
    drift = drift_between(before, asked, box.spec)
    if drift.change == "changed" and stale:
        # or else a new fit would be given the answers of the old box
        meter.account.forget(Payee.of(box).box)
    return drift


def _remembers(box: BlackBox, images: Queries, before: Answers, meter: Meter) -> bool:
    """Return whether the journal answers as the box did when the model was fitted."""
    payee = Payee.of(box)
    known = meter.account.peek(payee.as_sent(images), payee.box)
    if len(known) < len(before):
        return False
    rows: Sequence[NDArray[np.float32]] = [known[place] for place in range(len(before))]
    return drift_between(before, box.shown(np.stack(rows)), box.spec).change != "changed"
