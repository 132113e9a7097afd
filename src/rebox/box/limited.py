"""A box that shows less than it knows: what a service would hide, rehearsed with any box."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.box.contract import BlackBox
from rebox.box.reservation import Reserve
from rebox.box.spec import BoxSpec, Images, Kind, Queries, Scores
from rebox.errors import InvalidOption
from rebox.option import whole, with_options


class LimitedBox(BlackBox):
    """Asks another box and passes on a part of its answer.

    Scores are rounded first, then cut to the best; of scores that tie, the class named first
    counts as better.

    Parameters
    ----------
    box : BlackBox
        The box that answers. Its price, image size and classes are kept.
    top_k : int or None
        Scores in an answer, the others read 0; None: all.
    decimals : int or None
        Decimals that scores are rounded to, 1 to 15; None: as the box gives them.
    labels_only : bool
        Whether an answer is 1 at the best class and 0 elsewhere. A label has no other scores to
        cut and none to round.

    Attributes
    ----------
    uri : str or None
        Set by `rebox.open_box`, which knows these options; None for a limit put on in Python,
        because the inner box's URI would open it without.

    Raises
    ------
    InvalidOption
        An option is out of range, or ``labels_only`` is joined with another.
    """

    def __init__(
        self,
        box: BlackBox,
        *,
        top_k: int | None = None,
        decimals: int | None = None,
        labels_only: bool = False,
    ) -> None:
        _check(box.spec, top_k, decimals, labels_only)
        limits = {"top_k": top_k, "decimals": decimals, "labels_only": labels_only or None}
        named = "&".join(f"{k}={v}" for k, v in limits.items() if v is not None)
        spec = box.spec
        if top_k is not None and top_k < len(spec.classes):
            spec = replace(spec, complete=False, sums_to_one=False)
        if decimals is not None:
            spec = replace(spec, decimals=min(decimals, spec.decimals or decimals))
        if labels_only:
            spec = replace(
                spec,
                complete=False,
                sums_to_one=True,
                decimals=None,
                labels_only=True,
                best_only=False,
            )
        identity = f"{spec.identity}|{named}" if named else spec.identity
        self.spec = replace(spec, identity=identity)
        self._box = box
        self._limits: dict[str, Any] = {**limits, "labels_only": labels_only}
        self._top_k = 1 if labels_only else top_k
        self._decimals = decimals

    def taking(self, kind: Kind) -> BlackBox:
        """Return the same limits around the box within as it takes samples of a ``kind``."""
        within = self._box.taking(kind)
        if within is self._box:
            return self
        limited = LimitedBox(within, **self._limits)
        limited.uri = None if self.uri is None else with_options(self.uri, takes=kind)
        return limited

    @property
    def answered(self) -> int:
        """Images that the inner box was asked, where it counts them."""
        counted: int = self._box.answered  # type: ignore[attr-defined] # not every box counts
        return counted

    @property
    def at_once(self) -> int:
        """How many images it is worth handing over at once."""
        return self._box.at_once

    @property
    def source(self) -> BlackBox:
        """The box that is really asked."""
        return self._box.source

    def batched(self) -> "LimitedBox":
        """Return the same limits on the batches of the inner box."""
        return self._on(self._box.batched())

    @property
    def live(self) -> "LimitedBox":
        """The same limits on the inner box that answers at once."""
        return self if self._box.live is self._box else self._on(self._box.live)

    def _on(self, box: BlackBox) -> "LimitedBox":
        again = copy.copy(self)
        again._box, again.spec = box, replace(self.spec, price_usd=box.spec.price_usd)
        return again

    def answer(self, images: Images) -> Scores:
        """Return what is left of the inner box's answer."""
        return self.ask(images)

    def ask(self, images: Queries, reserve: Reserve | None = None) -> NDArray[np.float32]:
        """Return what is left of the source's answer; an account keeps it whole."""
        return self.shown(self.source.ask(images, reserve))

    def shown(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what is left of ``scores`` (n, classes) of the source."""
        scores = self._box.shown(scores)
        if self._decimals is not None:
            scores = np.round(scores.astype(np.float64), self._decimals).astype(np.float32)
        if self._top_k is None:
            return scores
        best = np.argsort(-scores, axis=1, kind="stable")[:, : self._top_k]
        shown = np.zeros_like(scores)
        kept = 1.0 if self.spec.labels_only else np.take_along_axis(scores, best, axis=1)
        np.put_along_axis(shown, best, kept, axis=1)
        return shown


def check_limits(classes: int, top_k: int | None, decimals: int | None) -> None:
    """Raise `InvalidOption` if a box of so many classes cannot cut or round to these."""
    if top_k is not None and not 1 <= whole("top_k", top_k) <= classes:
        raise InvalidOption(f"top_k must lie in 1 to {classes} (classes), found {top_k}.")
    if decimals is not None and not 1 <= whole("decimals", decimals) <= 15:
        raise InvalidOption(f"decimals must lie in 1 to 15, found {decimals}.")


def _check(spec: BoxSpec, top_k: int | None, decimals: int | None, labels_only: bool) -> None:
    if labels_only and (top_k, decimals) != (None, None):
        raise InvalidOption(
            "labels_only leaves no scores to cut or round: leave top_k and decimals out."
        )
    if spec.labels_only and (top_k, decimals) != (None, None):
        raise InvalidOption(
            "the box answers with labels only: there are no scores to cut or round."
        )
    check_limits(len(spec.classes), top_k, decimals)
