"""What samples under fit are, and which of them are held out together."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rebox.reading.calibration import log_loss, log_prior
from rebox.reading.contract import Matrix
from rebox.subject import stratified_folds

Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Targets:
    """Classes of n samples, and how the samples are held out.

    Attributes
    ----------
    index : (n,) intp
        Class of each.
    count : int
        Classes, those that no sample has among them.
    folds : (n,) intp
        The fold that each is held out in; no fold tears a subject apart.
    groups : (n,) intp or None
        Subject of each; None: every sample shows its own.
    """

    index: Indices
    count: int
    folds: Indices
    groups: NDArray[np.intp] | None = None

    @classmethod
    def dealt(
        cls, index: Indices, count: int, seed: int, groups: NDArray[np.intp] | None = None
    ) -> Self:
        """Return targets whose folds are stratified, as ``seed`` says."""
        return cls(index, count, stratified_folds(index, seed, groups), groups)

    def __len__(self) -> int:
        return len(self.index)

    def take(self, rows: slice | NDArray[np.bool_]) -> "Targets":
        """Return those of some samples; the folds that are left are numbered without gaps."""
        dense = np.unique(self.folds[rows], return_inverse=True)[1].astype(np.intp)
        groups = None if self.groups is None else self.groups[rows]
        return Targets(self.index[rows], self.count, dense, groups)

    @property
    def one_hot(self) -> Matrix:
        """1 for the class of each, (n, classes)."""
        hot: Matrix = np.eye(self.count)[self.index]
        return hot

    @property
    def log_prior(self) -> NDArray[np.float64]:
        """Log share (classes,) of each class."""
        return log_prior(self.index, self.count)

    @property
    def subjects(self) -> int:
        """How many there are."""
        return len(self.index) if self.groups is None else len(np.unique(self.groups))

    def splits(self) -> list[tuple[Indices, Indices]]:
        """Return (rows kept, rows held out) of each fold."""
        numbers = range(int(self.folds.max()) + 1)
        return [(np.flatnonzero(self.folds != k), np.flatnonzero(self.folds == k)) for k in numbers]

    def loss(self, logits: Matrix) -> float:
        """Return the mean log loss of (n, classes) logits."""
        return log_loss(logits, self.index)

    @property
    def prior_shift(self) -> Matrix:
        """Log shares of all samples, less those of the samples not in one's fold, (n, classes).

        A fold that holds more of a class leaves less of it to learn the prior from. Where features
        tell nothing, the order of held-out samples would be that of such accidents, upside down.
        """
        of_fold = np.zeros((int(self.folds.max()) + 1, self.count))
        np.add.at(of_fold, (self.folds, self.index), 1.0)
        others = np.maximum(of_fold.sum(axis=0) - of_fold, 0.5)
        whole = np.maximum(of_fold.sum(axis=0), 0.5)
        shift = np.log(whole / whole.sum()) - np.log(others / others.sum(axis=1, keepdims=True))
        shift_of_each: Matrix = shift[self.folds]
        return shift_of_each


@dataclass(frozen=True, eq=False)
class LinearFit:
    """softmax(x W + b) for features x, as a fit has chosen it.

    Attributes
    ----------
    weights : (features, classes) float64
        W.
    bias : (classes,) float64
    logits : (n, classes) float64
        Out of fold: of each training sample by a fit that did not have it.
    """

    weights: Matrix
    bias: NDArray[np.float64]
    logits: Matrix
