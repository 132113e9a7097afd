"""How a reading of the answers is judged."""

import abc
from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace

from rebox.errors import InvalidOption

Array = Any
"""A NumPy array or a torch tensor: whichever comes in goes out."""

FLOOR = 1e-12  # keeps the logarithm of a probability that a service rounded to 0 finite


class Loss(abc.ABC):
    """A loss for each sample, from probabilities over the target classes."""

    @abc.abstractmethod
    def __call__(self, probabilities: Array, targets: Array, weights: Array) -> Array:
        """Return losses of shape (n,).

        Parameters
        ----------
        probabilities : (n, classes)
            Rows that sum to one.
        targets : (n,) integers
            Index of the true class.
        weights : (classes,)
            Weight omega of each class.
        """


@dataclass(frozen=True)
class Focal(Loss):
    """-omega_y (1 - p_y)^gamma log p_y (Lin et al., ICCV 2017, eq. 5), BAR's loss.

    Parameters
    ----------
    gamma : float
        Focusing parameter, 0 or more; 0 gives the cross-entropy.
    """

    gamma: float = 2.0

    def __post_init__(self) -> None:
        if not self.gamma >= 0:
            raise InvalidOption(f"gamma must be 0 or more, found {self.gamma}.")

    def __call__(self, probabilities: Array, targets: Array, weights: Array) -> Array:
        """Return losses of shape (n,)."""
        xp = array_namespace(probabilities)
        truth = xp.take_along_axis(probabilities, targets[:, None], axis=1)[:, 0]
        p = xp.clip(truth, FLOOR, 1.0)
        return -weights[targets] * (1.0 - p) ** self.gamma * xp.log(p)


@dataclass(frozen=True)
class CrossEntropy(Focal):
    """-omega_y log p_y: the focal loss with gamma = 0."""

    gamma: float = 0.0
