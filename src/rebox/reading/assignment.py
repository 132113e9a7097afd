"""Many-to-one label mappings: m source classes speak for each target class.

BAR (Tsai et al., ICML 2020, sec. 3): the score of a target class is the mean score of
the source classes assigned to it. Each source class is used once; where there are fewer source
classes than m for each target, m shrinks, and where there are fewer than targets, some are shared.
"""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from rebox.errors import InvalidOption
from rebox.reading.contract import Answers, Array, Arrays, Mapping, MappingRule

DECIMALS = 12  # of a mean score: equal ones are summed up in another order on another processor


@dataclass(frozen=True)
class Assignment(Mapping):
    """The mean of the assigned source scores.

    Attributes
    ----------
    sources : (target classes, m) intp
        Source classes of each target class.
    """

    kind: ClassVar[str] = "assignment"
    sources: NDArray[np.intp]

    def read(self, scores: Array) -> Array:
        """Return the mean source score of each target class."""
        xp = array_namespace(scores)
        columns = [
            xp.mean(scores[:, row], axis=1) for row in self.sources
        ]  # a gather: K may be thousands, m is a handful
        return xp.stack(columns, axis=1)

    def source_weights(self, n_sources: int) -> NDArray[np.float64]:
        """Return 1 / m for each of the m source classes of a target class."""
        targets, m = self.sources.shape
        weights = np.zeros((n_sources, targets))
        for target, row in enumerate(self.sources):
            weights[row, target] = 1 / m
        return weights

    def arrays(self) -> Arrays:
        """Return the table of sources."""
        return {"sources": self.sources.astype(np.int64)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Return the assignment from its table."""
        return cls(arrays["sources"].astype(np.intp))


@dataclass(frozen=True)
class _ManyToOne(MappingRule):
    """m source classes for each target class.

    Parameters
    ----------
    m : int
        Source classes per target class.
    """

    m: int = 10

    def __post_init__(self) -> None:
        if self.m < 1:
            raise InvalidOption(f"m must be at least 1 source class, found {self.m}.")

    def _assign(
        self, first: NDArray[np.float64], second: NDArray[np.float64], seed: int
    ) -> Assignment:
        """Give out source classes, each once, by ``first`` (source, target), then by ``second``."""
        n_sources, n_targets = first.shape
        m = max(1, min(self.m, n_sources // n_targets))
        ties = np.random.default_rng([seed, n_sources, n_targets]).random(first.shape)
        order = np.lexsort((ties.ravel(), -second.ravel(), -first.ravel()))
        uses = max(1, -(-n_targets // n_sources))  # above 1 only where targets outnumber sources
        left = np.full(n_sources, uses)
        chosen: list[list[int]] = [[] for _ in range(n_targets)]
        for source, target in zip(*np.unravel_index(order, first.shape), strict=True):
            if left[source] and len(chosen[target]) < m and source not in chosen[target]:
                chosen[target].append(int(source))
                left[source] -= 1
        return Assignment(np.array(chosen, dtype=np.intp))


@dataclass(frozen=True)
class RandomMapping(_ManyToOne):
    """Source classes drawn at random: costs no query (BAR's choice for paid services)."""

    needs_answers: ClassVar[bool] = False

    def fit(self, answers: Answers) -> Assignment:
        """Return a random assignment, fixed by the seed."""
        shape = (answers.scores.shape[1], len(answers.prior))
        return self._assign(np.zeros(shape), np.zeros(shape), answers.seed)


@dataclass(frozen=True)
class FrequencyMapping(_ManyToOne):
    """Source classes by how often they are answered for each target class, before reprogramming.

    Frequencies are rates within a target class, so that a large class does not take every source
    class; ties, source classes that are never on top among them, go by mean score. A target class
    that was never asked about takes what is left.

    Parameters
    ----------
    m : int
        Source classes per target class; 1 is a one-to-one mapping.
    iterative : bool
        Whether a search fits it anew at the start of every epoch, to answers to the program as it
        stands then (ILM-VP: Chen et al., CVPR 2023).
    """

    needs_answers: ClassVar[bool] = True
    iterative: bool = False

    def fit(self, answers: Answers) -> Assignment:
        """Return the assignment by frequency."""
        n_sources = answers.scores.shape[1]
        member = np.eye(len(answers.prior))[answers.targets]
        top = np.eye(n_sources)[answers.scores.argmax(axis=1)]
        top[~answers.scores.any(axis=1)] = 0  # an answer of zeros votes for nobody
        asked = np.maximum(member.sum(axis=0), 1.0)
        rate = top.T @ member / asked
        mean_score = answers.scores.astype(np.float64).T @ member / asked
        mean_score = mean_score.round(DECIMALS)
        return self._assign(rate, mean_score, answers.seed)
