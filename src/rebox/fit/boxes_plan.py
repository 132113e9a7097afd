"""What a budget allows where several boxes are asked, or one beside a policy."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox
from rebox.fit.plan import FEWEST_SCREENED, MOST_SCREENED, Plan
from rebox.fit.question import QueryPrice
from rebox.fit.session import Session


@dataclass(frozen=True, kw_only=True)
class BoxesPlan(Plan):
    """All boxes are asked about the same samples; those that pay about more of them.

    Attributes
    ----------
    boxes : tuple of str
        What they are called.
    each : int
        Samples that every box is asked about.
    more : int
        Samples beyond those that a box that pays might be asked about.
    further : tuple of int
        As many of them as the budget lets each box be asked about, if it is the only one; empty
        where there are none.
    left : int or None
        Queries that the budget pays for, at most; None: no end.
    """

    boxes: tuple[str, ...]
    each: int
    more: int = 0
    further: tuple[int, ...] = ()
    left: int | None = None

    @property
    def total(self) -> int:
        """Most queries of the whole fit."""
        most = sum(self.by_box)
        return most if self.left is None else min(most, self.left)

    @property
    def by_box(self) -> tuple[int, ...]:
        """Each is asked about the same samples, and any may be one that pays."""
        further = self.further or (0,) * len(self.boxes)
        return tuple(self.each + more for more in further)

    @property
    def most_per_prediction(self) -> int:
        """One of each box."""
        return len(self.boxes)

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """Each box, and the samples that it is asked about."""
        asked = f"{self.each:,} of {self.images:,} training samples"
        lines = [(box, asked) for box in self.boxes]
        if self.more:
            lines.append(("boxes that pay", f"up to {self.more:,} samples more"))
        return tuple(lines)


def plan_boxes(session: Session) -> BoxesPlan:
    """Return how a fit asks the boxes of ``session``.

    If the budget does not pay for asking each about every sample, all are asked about a few, and
    those that pay about more.
    """
    images, boxes = len(session.targets), session.boxes
    each = min(images, affordable(session, range(len(boxes)), images))
    more = 0
    if each < images and len(boxes) > 1 and each >= 2 * FEWEST_SCREENED:
        each = max(FEWEST_SCREENED, min(MOST_SCREENED, each // 2))
        more = images - each
    left = [session.left("map", place) for place in range(len(boxes))]
    return BoxesPlan(
        images=images,
        boxes=names_of(boxes),
        each=each,
        more=more,
        further=_further(session, each, more),
        left=None if None in left else max(most for most in left if most is not None),
    )


def _further(session: Session, each: int, more: int) -> tuple[int, ...]:
    """Return of how many samples ``more`` each box can be asked once all saw ``each``."""
    boxes = session.boxes
    # as the budget counts them, which is before anything was answered
    costs = costs_of([QueryPrice(usd=box.spec.price_usd) for box in boxes])
    queries = session.meter.left("map")  # at no price
    further = []
    for place, price in enumerate(costs):
        count, left = more, session.left("map", place)
        if queries is not None:
            count = min(count, queries - each * len(boxes))
        if left is not None and left != queries:  # dollars end before queries do
            count = min(count, math.ceil(left - each * costs.sum() / price - 1e-9))
        further.append(max(0, count))
    return tuple(further)


def affordable(session: Session, boxes: Sequence[int], most: int) -> int:
    """Return how many samples, of ``most``, what is left of a budget lets all ``boxes`` see."""
    left = session.meter.left_each("map", [session.boxes[box] for box in boxes])
    return most if left is None else min(most, left)


def names_of(boxes: Sequence[BlackBox]) -> tuple[str, ...]:
    """Return what each of several boxes is called: no two are called alike."""
    return distinct_names([(box.uri, box.spec.identity) for box in boxes])


def distinct_names(boxes: Sequence[tuple[str | None, str]]) -> tuple[str, ...]:
    """Return what each of several boxes, by URI and identity, is called among them.

    The service or the file, without its folder; where two are called alike, with those options of
    their URIs in which they differ, or else by their place.
    """
    names = [_short_name(uri, identity) for uri, identity in boxes]
    options = [_options(uri) for uri, _ in boxes]
    for name in {name for name in names if names.count(name) > 1}:
        alike = [place for place, one in enumerate(names) if one == name]
        shared = set.intersection(*(options[place] for place in alike))
        for place in alike:
            own = sorted(options[place] - shared)
            names[place] = " ".join([name, *own]) if own else name
    return tuple(
        name if names.count(name) == 1 else f"{name} ({place + 1})"
        for place, name in enumerate(names)
    )


def _short_name(uri: str | None, identity: str) -> str:
    named = identity.partition("@")[0] if uri is None else uri
    scheme, _, rest = named.partition(":")
    target, _, options = rest.partition("?")
    for option in options.split("&"):
        if option.startswith("service="):
            return option.removeprefix("service=")
    short = target.rstrip("/").rpartition("/")[2] or target
    return f"{scheme}:{short}" if short else named


def _options(uri: str | None) -> set[str]:
    """Return the options of a URI as they are written."""
    return {one for one in (uri or "").partition("?")[2].split("&") if one}


def costs_of(prices: Sequence[QueryPrice]) -> NDArray[np.float64]:
    """Return US dollars (boxes,) of each; what is not known counts as nothing."""
    return np.array([price.usd or 0.0 for price in prices], dtype=np.float64)
