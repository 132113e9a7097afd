"""What the rehearsed model thinks: how it takes the box's scores for the options of a question."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidOption
from rebox.rehearsal.chat.prompt import Option
from rebox.rehearsal.format import Scored

LEAST = 1e-6  # of a probability: what the box rules out is unlikely, and not impossible
SURE = 0.98  # of the answer, where log-probabilities are faked

Logits = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a model differs from the box that thinks for it.

    Parameters
    ----------
    noise : float
        Scale of the Gumbel noise on the log-probabilities of a question, the same whenever it is
        asked; at 1 the answer is drawn by the box's probabilities.
    wobble : float
        The same, and other noise each time: it is asked again and answers otherwise.
    bias : float
        What the first option has on the last, in units of log-probability.
    """

    noise: float = 0.0
    wobble: float = 0.0
    bias: float = 0.0

    def __post_init__(self) -> None:
        for name in ("noise", "wobble"):
            value = getattr(self, name)
            if not 0 <= value < math.inf:
                raise InvalidOption(f"{name} of a rehearsal must be 0 or more, found {value}.")

    def opinion(
        self, scored: Scored, options: Sequence[Option], question: int, time: int
    ) -> Logits:
        """Return the log-probabilities (options,) of an item.

        Parameters
        ----------
        question, time : int
            A number of the question's own, and how many were answered before.
        """
        found = {str(name).casefold(): score for name, score in scored.scores}
        shares = np.array([_share(found.get(one.word.casefold())) for one in options])
        logits = np.log(np.maximum(shares / max(shares.sum(), LEAST), LEAST))
        logits -= self.bias * np.linspace(0, 1, len(options))
        for scale, address in ((self.noise, [0, question]), (self.wobble, [1, question, time])):
            if scale:
                logits += scale * np.random.default_rng(address).gumbel(size=len(options))
        return normal(logits)


def _share(score: object) -> float:
    """Return a score as a share; a fault may have made it anything."""
    if isinstance(score, int | float) and math.isfinite(score):
        return max(float(score), 0.0)
    return 0.0


def normal(logits: Logits) -> Logits:
    """Return logits whose probabilities sum to one."""
    shifted = logits - logits.max()
    normalised: Logits = shifted - math.log(np.exp(shifted).sum())
    return normalised


def chosen(logits: Logits, temperature: float, rng: np.random.Generator) -> int:
    """Return which option is answered: the best, or one drawn at a temperature."""
    if temperature > 0:
        logits = logits + temperature * rng.gumbel(size=len(logits))
    return int(np.argmax(logits))


def faked(best: int, count: int, rng: np.random.Generator) -> Logits:
    """Return log-probabilities (count,) that say nothing but which is the best."""
    shares = rng.dirichlet(np.ones(count)) * (1 - SURE)
    shares[best] += SURE
    return normal(np.log(np.maximum(shares, LEAST)))
