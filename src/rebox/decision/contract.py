"""A decision: which class is said, given how probable each is."""

import abc
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Places = NDArray[np.intp]
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Decision(abc.ABC):
    """Makes a class of probabilities (n, K); subclasses are registered by their ``kind``.

    What they are made of are arrays, so that a model's file holds them.
    """

    kind: ClassVar[str]
    kinds: ClassVar[dict[str, type["Decision"]]] = {}

    def __init_subclass__(cls) -> None:
        Decision.kinds[cls.kind] = cls

    @abc.abstractmethod
    def decide(self, probabilities: Matrix) -> Places:
        """Return the place (n,) of the class that is said of each sample."""

    @abc.abstractmethod
    def utility(self, probabilities: Matrix) -> NDArray[np.float64]:
        """Return what the best decision on each sample (n,) is expected to bring."""

    def sureness(self, probabilities: Matrix) -> NDArray[np.float64]:
        """Return how sure the decision on each sample (n,) is, in an order that samples share."""
        return self.utility(probabilities)

    def arrays(self) -> Arrays:
        """Return what it is made of."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    @classmethod
    def restore(cls, arrays: Arrays) -> Self:
        """Return the decision that `arrays` described."""
        return cls(**{one.name: arrays[one.name] for one in fields(cls)})


@dataclass(frozen=True, eq=False)
class ByOffsets(Decision):
    """Says the class whose log-probability and offset are the greatest together.

    That is what maximises the expected sum of weights exp(offset) over the right decisions: for no
    offsets accuracy, for -log(K · share) balanced accuracy.

    Attributes
    ----------
    offsets : (K,) float64
    """

    kind: ClassVar[str] = "offsets"
    offsets: NDArray[np.float64]

    def _weighed(self, probabilities: Matrix) -> Matrix:
        weighed: Matrix = probabilities * np.exp(self.offsets)
        return weighed

    def decide(self, probabilities: Matrix) -> Places:
        """Return the place (n,) of the class of the greatest weighed probability."""
        return np.asarray(self._weighed(probabilities).argmax(axis=1), dtype=np.intp)

    def utility(self, probabilities: Matrix) -> NDArray[np.float64]:
        """Return the weight (n,) of the decision times the probability that it is right."""
        return np.asarray(self._weighed(probabilities).max(axis=1))

    def sureness(self, probabilities: Matrix) -> NDArray[np.float64]:
        """Return the probability (n,) of the decision, were classes as frequent as their weights.

        The utility of a common class is small however sure it is.
        """
        weighed = self._weighed(probabilities)
        return np.asarray(weighed.max(axis=1) / weighed.sum(axis=1))


@dataclass(frozen=True, eq=False)
class ByCosts(Decision):
    """Says what is expected to cost least (Elkan, IJCAI 2001).

    Attributes
    ----------
    costs : (K, K) float64
        The true class in rows, what is said in columns.
    """

    kind: ClassVar[str] = "costs"
    costs: Matrix

    def decide(self, probabilities: Matrix) -> Places:
        """Return the place (n,) of the class of the least expected cost."""
        return np.asarray((probabilities @ self.costs).argmin(axis=1), dtype=np.intp)

    def utility(self, probabilities: Matrix) -> NDArray[np.float64]:
        """Return minus the least expected cost (n,)."""
        return np.asarray(-(probabilities @ self.costs).min(axis=1))


@dataclass(frozen=True, eq=False)
class ByGrade(Decision):
    """Says the grade in whose stretch of the scale the expected grade lies.

    Attributes
    ----------
    grades : (K,) int64
        The grade of each class, from 0.
    thresholds : (K - 1,) float64
        Rising; an expected grade above g of them is grade g.
    """

    kind: ClassVar[str] = "grades"
    grades: NDArray[np.int64]
    thresholds: NDArray[np.float64]

    def decide(self, probabilities: Matrix) -> Places:
        """Return the place (n,) of the class of that grade."""
        said = np.searchsorted(self.thresholds, probabilities @ self.grades)
        return np.argsort(self.grades)[said].astype(np.intp)

    def utility(self, probabilities: Matrix) -> NDArray[np.float64]:
        """Return minus the expected square (n,) of how many grades the decision is off."""
        said = self.grades[self.decide(probabilities)]
        off = (self.grades[None, :] - said[:, None]) ** 2
        return np.asarray(-(probabilities * off).sum(axis=1))


def most_probable(count: int) -> ByOffsets:
    """Return the decision for the most probable of ``count`` classes."""
    return ByOffsets(np.zeros(count))
