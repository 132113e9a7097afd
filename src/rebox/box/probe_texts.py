"""What a few questions tell of a box that takes texts."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rebox.box.canary import canary_texts
from rebox.box.probe import REPEAT_TOLERANCE, add_up, decimals_of
from rebox.box.spec import BoxSpec, Queries, Scores
from rebox.sample.texts import text_array

DISTINCT, REPEATED = 5, 4  # texts, and how many of them again, with a blank more, and in capitals
TEXT_QUESTIONS = DISTINCT + 3 * REPEATED


@dataclass(frozen=True, kw_only=True)
class TextProbeReport:
    """What `probe_texts` saw.

    Attributes
    ----------
    spec : BoxSpec
        What the box says of itself.
    questions : int
        Texts asked.
    fewest_scores, most_scores : int
        Fewest and most scores above 0 in an answer.
    sums_to_one : bool
        Whether every answer adds up to 1 within 0.001, rounding allowed for.
    decimals : int or None
        Decimals that all scores are rounded to; None: no rounding seen.
    repeat_change, blank_change, capitals_change : float
        Largest change of a score when a text is asked again, with a blank at its end, and in
        capitals.
    texts_per_second : float
        Over all questions.
    """

    spec: BoxSpec
    questions: int
    fewest_scores: int
    most_scores: int
    sums_to_one: bool
    decimals: int | None
    repeat_change: float
    blank_change: float
    capitals_change: float
    texts_per_second: float

    @property
    def deterministic(self) -> bool:
        """Whether the same text got the same scores again, within 1e-6."""
        return self.repeat_change <= REPEAT_TOLERANCE

    def lines(self) -> list[str]:
        """Return the report as lines of text."""
        few, most = self.fewest_scores, self.most_scores
        named = f"{most}" if few == most else f"{few} to {most}"
        again = f"scores change by up to {self.repeat_change:.2g}"
        rounding = "not rounded" if self.decimals is None else f"{self.decimals} decimals"
        price = self.spec.price_usd
        return [
            f"box              {self.spec.identity}",
            "takes            texts",
            f"price            {'not known' if price is None else f'${price:g}'} per query",
            f"questions        {self.questions}",
            f"classes          {len(self.spec.classes)}",
            f"scores           {self.spec.answers}: {named} above 0",
            f"rows sum to one  {'yes' if self.sums_to_one else 'no'}",
            f"rounding         {rounding}",
            f"asked again      {'same answer' if self.deterministic else again}",
            f"a blank more     changes a score by up to {self.blank_change:.2g}",
            f"in capitals      changes a score by up to {self.capitals_change:.2g}",
            f"speed            {self.texts_per_second:.3g} texts/s",
        ]


def probe_texts(ask: Callable[[Queries], Scores], spec: BoxSpec) -> TextProbeReport:
    """Ask 17 questions and tell what the answers look like.

    Parameters
    ----------
    ask : callable
        Takes texts (n,), returns (n, classes) scores: a box's ``ask``, or a meter's, which counts.
    spec : BoxSpec
        What the box says of itself.
    """
    texts = canary_texts(DISTINCT)
    again = texts[:REPEATED]
    rounds = (
        texts,
        again,
        text_array([f"{one} " for one in again]),
        text_array([one.upper() for one in again]),
    )
    start = time.perf_counter()
    answers = [np.asarray(ask(part), dtype=np.float64) for part in rounds]
    seconds = time.perf_counter() - start
    first = answers[0]
    above_zero, decimals = (first > 0).sum(axis=1), decimals_of(first)
    changes = [float(np.abs(other - first[:REPEATED]).max()) for other in answers[1:]]
    return TextProbeReport(
        spec=spec,
        questions=TEXT_QUESTIONS,
        fewest_scores=int(above_zero.min()),
        most_scores=int(above_zero.max()),
        sums_to_one=add_up(first, decimals),
        decimals=decimals,
        repeat_change=changes[0],
        blank_change=changes[1],
        capitals_change=changes[2],
        texts_per_second=TEXT_QUESTIONS / max(seconds, 1e-9),
    )
