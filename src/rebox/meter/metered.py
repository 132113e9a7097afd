"""A black box around a black box: nothing reaches the inner one that was not reserved first."""

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox, Images, Scores
from rebox.meter.budget import Purpose
from rebox.meter.meter import Meter
from rebox.meter.packing import rounded


class MeteredBox(BlackBox):
    """Charges a meter for every image before the box sees it.

    Where the meter has a book, what the book remembers is not asked again, and every send is
    entered there before it leaves.

    Parameters
    ----------
    box : BlackBox
        The box that answers.
    meter : Meter
        What is charged.
    purpose : str
        What the images are asked for.
    afresh : bool
        Whether to ask even what the book remembers.
    """

    def __init__(
        self, box: BlackBox, meter: Meter, purpose: Purpose, *, afresh: bool = False
    ) -> None:
        self.spec = box.spec
        self._box = box
        self._meter = meter
        self._purpose: Purpose = purpose
        self._afresh = afresh

    @property
    def at_once(self) -> int:
        """How many images it is worth handing over at once."""
        return self._box.at_once

    def answer(self, images: Images) -> Scores:
        """Reserve, then let the inner box answer."""
        if self._meter.book is not None:
            return self.reply(images)
        self._meter.reserve(len(images), self._purpose)
        return self._box.answer(images)

    def reply(self, images: Images) -> NDArray[np.float32]:
        """Reserve all ``images``; recall what the book knows and let the box answer the rest."""
        book = self._meter.book
        if book is None and not self._box.source.remote:
            return super().reply(images)
        self._meter.reserve(len(images), self._purpose)
        if book is None:
            return self._box.reply(images)
        known, toll = book.recall(images, self._purpose, afresh=self._afresh)
        left = [place for place in range(len(images)) if place not in known]
        rows = dict(known)
        if left:
            asked = images if len(left) == len(images) else images[left]
            rows |= zip(left, rounded(self._box.source.reply_for(asked, toll)), strict=True)
        return self._box.shown(np.stack([rows[place] for place in range(len(images))]))
