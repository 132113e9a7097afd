"""Opinions on training samples by fits that did not know their subjects."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from rebox.subject import stratified_folds

Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Out-of-fold opinions on n training samples; no fit knew the subject that it judged.

    Attributes
    ----------
    log_probabilities : (n, K) float64
        Logarithms, up to a constant for each sample.
    targets : (n,) intp
        True classes.
    groups : (n,) intp or None
        Subject of each; None: each sample shows its own.
    assumed : (K,) float64 or None
        Shares of the classes that the opinions go by; None: those of the targets.
    fresh : (n,) bool or None
        Which samples had no part in any choice, as that of views: what is promised is measured on
        them. None: all.
    """

    log_probabilities: Matrix
    targets: NDArray[np.intp]
    groups: NDArray[np.intp] | None = None
    assumed: NDArray[np.float64] | None = None
    fresh: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def count(self) -> int:
        """How many classes there are, K."""
        return int(self.log_probabilities.shape[1])

    @cached_property
    def logs(self) -> Matrix:
        """Log-probabilities (n, K) whose rows are those of distributions."""
        logs: Matrix = log_softmax(self.log_probabilities, axis=1)
        return logs

    @cached_property
    def probabilities(self) -> Matrix:
        """Rows (n, K) that sum to 1."""
        return np.exp(self.logs)

    @cached_property
    def subjects(self) -> NDArray[np.intp]:
        """Subject (n,) of each sample, counted from 0."""
        if self.groups is None:
            return np.arange(len(self))
        return np.unique(self.groups, return_inverse=True)[1].astype(np.intp)

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Shares (K,) of the classes that the opinions go by, none of them 0."""
        counts = np.bincount(self.targets, minlength=self.count) + 0.5
        shares: NDArray[np.float64] = counts / counts.sum()
        return shares if self.assumed is None else self.assumed

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Self:
        """Return the opinions on some of the samples."""
        groups = None if self.groups is None else self.groups[rows]
        fresh = None if self.fresh is None else self.fresh[rows]
        logs, targets = self.log_probabilities[rows], self.targets[rows]
        return replace(self, log_probabilities=logs, targets=targets, groups=groups, fresh=fresh)

    def folds(self, seed: int) -> NDArray[np.intp]:
        """Return the fold (n,) of each sample; no subject is torn apart."""
        return stratified_folds(self.targets, seed, self.groups)

    def each_subject_once(self, among: NDArray[np.bool_] | slice = slice(None)) -> Matrix:
        """Return weights of the samples ``among`` all: those of one subject sum to 1."""
        _, place, count = np.unique(self.subjects[among], return_inverse=True, return_counts=True)
        weights: Matrix = 1.0 / count[place]
        return weights
