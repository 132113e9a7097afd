"""How a position moves along an estimated gradient."""

import abc
from dataclasses import dataclass

import numpy as np

from rebox.errors import InvalidOption
from rebox.search.contract import Vector, check_fraction, check_positive

Memory = tuple[Vector, ...]
"""What an optimiser remembers between steps: vectors of shape (d,), never changed in place."""

Move = tuple[Vector, Memory]
"""The next position, and what is remembered of the step to it."""


class Optimiser(abc.ABC):
    """One step of descent. Its options are its fields, what it remembers is handed in and out."""

    def init(self, dimension: int) -> Memory:
        """Return what is remembered before the first step in ``dimension`` dimensions."""
        del dimension  # plain descent remembers nothing
        return ()

    def look_ahead(self, position: Vector, memory: Memory) -> Vector:
        """Return where the gradient of the next step is wanted, of shape (d,)."""
        del memory  # only Nesterov's momentum looks ahead
        return position

    @abc.abstractmethod
    def update(self, position: Vector, gradient: Vector, memory: Memory, step: int) -> Move:
        """Return the next position (d,) and what is remembered of this step, counted from 0.

        The search stands at ``position`` (d,); ``gradient`` (d,) is that at
        ``look_ahead(position, memory)``.
        """


@dataclass(frozen=True, kw_only=True)
class SGD(Optimiser):
    """w - η g, with η = η₀ * rate^(step / every).

    The defaults are those of adversarial reprogramming (Elsayed et al., ICLR 2019, appendix: 0.05,
    decayed by 0.96), of which BAR keeps η₀.

    Parameters
    ----------
    learning_rate : float
        η₀, greater than 0.
    rate : float
        Factor of the decay, in (0, 1]; 1: none.
    every : float
        Number of steps that the learning rate takes to shrink by ``rate``, greater than 0.
    """

    learning_rate: float = 0.05
    rate: float = 0.96
    every: float = 100.0

    def __post_init__(self) -> None:
        check_positive(learning_rate=self.learning_rate, every=self.every)
        if not 0 < self.rate <= 1:
            raise InvalidOption(f"rate must be in (0, 1], found {self.rate}.")

    def update(self, position: Vector, gradient: Vector, memory: Memory, step: int) -> Move:
        """Return the next position (d,); nothing is remembered."""
        learning_rate = self.learning_rate * self.rate ** (step / self.every)
        return position - learning_rate * gradient, memory


@dataclass(frozen=True, kw_only=True)
class Adam(Optimiser):
    """Adam with bias correction (Kingma and Ba, ICLR 2015, algorithm 1).

    Parameters
    ----------
    learning_rate : float
        α, greater than 0.
    beta1, beta2 : float
        Decay of the first and the second moment, in [0, 1).
    epsilon : float
        Added to the root of the second moment, greater than 0.
    """

    learning_rate: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        check_positive(learning_rate=self.learning_rate, epsilon=self.epsilon)
        check_fraction(beta1=self.beta1, beta2=self.beta2)

    def init(self, dimension: int) -> Memory:
        """Return the first and the second moment, zeros of shape (d,)."""
        return np.zeros(dimension), np.zeros(dimension)

    def update(self, position: Vector, gradient: Vector, memory: Memory, step: int) -> Move:
        """Return the next position (d,) and the two moments."""
        first, second = memory
        first = self.beta1 * first + (1 - self.beta1) * gradient
        second = self.beta2 * second + (1 - self.beta2) * gradient**2
        mean = first / (1 - self.beta1 ** (step + 1))
        spread = np.sqrt(second / (1 - self.beta2 ** (step + 1)))
        return position - self.learning_rate * mean / (spread + self.epsilon), (first, second)


@dataclass(frozen=True, kw_only=True)
class SPSAGC(Optimiser):
    """SPSA with gradient correction: m ← β m - aᵢ ĝ(w + β m), w ← w + m, aᵢ = a / (i + o)^α.

    BlackVIP (Oh et al., CVPR 2023); i counts steps from 1. Its shrinking difference
    cᵢ = c / i^γ is the estimator's `smoothing` and `decay` (c = 0.01, γ = 0.1 in its released
    settings, with five directions of the kind `SegmentedUniform`). The defaults here are those of
    the same settings.

    Parameters
    ----------
    a : float
        Size of the steps, greater than 0.
    offset : float
        o, 0 or more: damps the first steps.
    alpha : float
        Decay of the steps, 0 or more.
    beta : float
        Momentum, in [0, 1).
    """

    a: float = 0.01
    offset: float = 1.0
    alpha: float = 0.4
    beta: float = 0.9

    def __post_init__(self) -> None:
        check_positive(a=self.a)
        check_fraction(beta=self.beta)
        if not (0 <= self.offset < float("inf") and 0 <= self.alpha < float("inf")):
            raise InvalidOption(
                f"offset and alpha must be 0 or more, found {self.offset} and {self.alpha}."
            )

    def init(self, dimension: int) -> Memory:
        """Return the momentum, zeros of shape (d,)."""
        return (np.zeros(dimension),)

    def look_ahead(self, position: Vector, memory: Memory) -> Vector:
        """Return w + β m of shape (d,)."""
        return position + self.beta * memory[0]

    def update(self, position: Vector, gradient: Vector, memory: Memory, step: int) -> Move:
        """Return the next position (d,) and the momentum."""
        size = self.a / (step + 1 + self.offset) ** self.alpha
        momentum = self.beta * memory[0] - size * gradient
        return position + momentum, (momentum,)


def clip_norm(gradient: Vector, limit: float) -> Vector:
    """Return ``gradient`` (d,), shortened to a norm of ``limit`` where it is longer."""
    norm = float(np.sqrt((gradient**2).sum()))  # as `np.linalg.norm`, but without BLAS
    return gradient if norm <= limit else gradient * (limit / norm)
