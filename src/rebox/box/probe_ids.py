"""What a few questions tell of a box that is asked by ids."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebox.box.contract import BlackBox
from rebox.box.spec import BoxSpec, Queries, Scores
from rebox.errors import InvalidOption

ID_QUESTIONS = 5


@dataclass(frozen=True, kw_only=True)
class IdProbeReport:
    """What `probe_ids` saw.

    Attributes
    ----------
    spec : BoxSpec
        What the box says of itself.
    known : int
        How many ids it can be asked about.
    questions : int
        Ids asked.
    fewest_scores, most_scores : int
        Fewest and most scores above 0 in an answer.
    ids_per_second : float
    """

    spec: BoxSpec
    known: int
    questions: int
    fewest_scores: int
    most_scores: int
    ids_per_second: float

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        few, most = self.fewest_scores, self.most_scores
        named = f"{most}" if few == most else f"{few} to {most}"
        price = self.spec.price_usd
        return [
            f"box              {self.spec.identity}",
            f"ids              {self.known:,}",
            f"price            {'not known' if price is None else f'${price:g}'} per query",
            f"questions        {self.questions}",
            f"classes          {len(self.spec.classes)}",
            f"scores           {self.spec.answers}: {named} above 0",
            f"speed            {self.ids_per_second:.3g} ids/s",
        ]


def probe_ids(ask: Callable[[Queries], Scores], box: BlackBox) -> IdProbeReport:
    """Ask about the first few ids that a box knows, and tell what the answers look like.

    Parameters
    ----------
    ask : callable
        Takes ids (n,), returns (n, classes) scores: a box's ``ask``, or a meter's, which counts.
    box : BlackBox

    Raises
    ------
    InvalidOption
        The box does not say which ids it knows.
    """
    known: NDArray[np.str_] | None = box.source.ids
    if known is None:
        raise InvalidOption(
            f"{box.spec.identity} is asked by ids, and does not say which it knows."
        )
    start = time.perf_counter()
    scores = np.asarray(ask(known[:ID_QUESTIONS]))
    seconds = time.perf_counter() - start
    above_zero = (scores > 0).sum(axis=1)
    return IdProbeReport(
        spec=box.spec,
        known=len(known),
        questions=len(scores),
        fewest_scores=int(above_zero.min()),
        most_scores=int(above_zero.max()),
        ids_per_second=len(scores) / max(seconds, 1e-9),
    )
