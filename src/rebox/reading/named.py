"""What is looked at of answers to one question where classes have names in common with the user's.

Two kinds of features. *Shared* ones say of each target class how far the answer speaks for it, and
one weight serves all classes: few labels tell it. *Free* ones have a weight for each target class:
they tell what a box means that calls things by other names, or confuses two, and take more labels.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from rebox.box import BoxSpec
from rebox.reading.calibration import log_prior
from rebox.reading.contract import Arrays, Matrix, Scores
from rebox.reading.features import FLOOR
from rebox.reading.stacking import BIAS, HELD, Beliefs

Kind = Literal["best", "label", "scores"]

CERTAIN = 0.01  # a confidence of 0 or 1 is read as if this were left to doubt
KNOTS = 64  # of the distribution of confidences
REACH = 1.7  # ranks from -1 to 1 are scaled by it, to about the spread of the logits: √3
RIGHT, BELIEF = 0.7, 4.0  # so often is an answer right, beforehand, as if seen so many times
TOGETHER = 0.6  # of a vote's weight by itself, beside other opinions: they err together
DOUBT = 3.0  # answers, beforehand, that tell nothing of what one means that bears no name
# Training answers that are all as sure say nothing of how much confidences vary: without a least
# deviation, one that is a little less sure later would outweigh all else. Probabilities that differ
# by a tenth, about the middle, have logits that differ by nearly this.
LEAST_SPREAD = 0.5
FAR = 3.0  # deviations: an answer that is less sure yet speaks for its class as much as that one
SURER = 0.3  # how far a vote's weight grows with a confidence that is a deviation higher


@dataclass(frozen=True, eq=False)
class NamedAnswers:
    """How answers of a box are looked at, class by class.

    Attributes
    ----------
    kind : {"best", "label", "scores"}
        The best class with its confidence, the best class alone, or scores of all classes.
    places : (K,) intp
        Which source class has the name of each target class; -1: none.
    seen : (c,) intp
        Source classes that were answered in training: what others mean is not known.
    scale : (2,) float64
        Mean and deviation of the logit of the confidences, the latter `LEAST_SPREAD` at least.
    knots, ranks : (m,) float64
        Confidences, and the share of them that is lower, less that which is higher.
    """

    kinds: ClassVar[tuple[Kind, ...]] = ("best", "label", "scores")
    kind: Kind
    places: NDArray[np.intp]
    seen: NDArray[np.intp]
    scale: NDArray[np.float64]
    knots: NDArray[np.float64]
    ranks: NDArray[np.float64]

    @classmethod
    def fit(cls, spec: BoxSpec, places: NDArray[np.intp], scores: Scores) -> Self:
        """Return how to look at answers of a box, after ``scores`` (n, source classes) of it."""
        kind: Kind = "best" if spec.best_only else "label" if spec.labels_only else "scores"
        answered = scores.max(axis=1, initial=0.0) > 0
        confidences = scores.max(axis=1, initial=0.0)[answered].astype(np.float64)
        seen = np.unique(scores[answered].argmax(axis=1)).astype(np.intp)
        logits = _logits(confidences) if len(confidences) else np.zeros(1)
        knots, ranks = _ranks(confidences) if len(confidences) else (np.zeros(1), np.zeros(1))
        scale = np.array([logits.mean(), max(float(logits.std()), LEAST_SPREAD)])
        return cls(kind, places, seen if kind != "scores" else seen[:0], scale, knots, ranks)

    @property
    def width(self) -> int:
        """How many shared features there are."""
        if (self.places < 0).all():
            return 0
        return {"best": 3, "label": 1, "scores": 1}[self.kind]

    def shared(self, scores: Scores) -> NDArray[np.float64]:
        """Return (n, K, width): how far each answer speaks for each target class."""
        if not self.width:
            return np.empty((len(scores), len(self.places), 0))
        named = self.places >= 0
        if self.kind == "scores":
            logs = np.log(scores[:, self.places[named]].astype(np.float64) + FLOOR)
            said = np.zeros((len(scores), len(self.places), 1))
            said[:, named, 0] = logs - logs.mean(axis=1, keepdims=True)
            return said
        best, how = self._votes(scores)
        votes = (best[:, None] == self.places[None, :]) & named
        by_class: NDArray[np.float64] = votes[:, :, None] * how[:, None, :]
        return by_class

    def free(self, scores: Scores) -> Matrix:
        """Return (n, features): which class was answered, and how surely."""
        if self.kind == "scores":
            return np.empty((len(scores), 0))
        best, how = self._votes(scores)
        votes = best[:, None] == self.seen[None, :]
        product: Matrix = (votes[:, :, None] * how[:, None, :]).reshape(len(scores), -1)
        return product

    def best(self, scores: Scores) -> NDArray[np.intp]:
        """Return the class (n,) that each answer names; -2: none."""
        named: NDArray[np.intp] = np.where(
            scores.max(axis=1, initial=0.0) > 0, scores.argmax(axis=1), -2
        )
        return named

    def beliefs(
        self, best: NDArray[np.intp], targets: NDArray[np.intp], *, alone: bool = False
    ) -> Beliefs:
        """Return the weights that features have before anything is fitted.

        A vote's is the log-odds of being right, over all other classes alike (the weight of
        evidence of Good 1950; Dawid and Skene 1979 with one coin), by how often it was right.
        Where a box has no names in common with the user, an answer speaks for the classes that it
        was given about: for each by log P(class | answer) / P(class), smoothed to nothing.

        Parameters
        ----------
        best : (n,)
            Classes that were answered, as `best` has them, about samples of classes ``targets``.
        alone : bool
            Whether no opinion stands beside it.
        """
        weight, bias = (1.0, HELD) if alone else (TOGETHER, BIAS)
        if self.kind == "scores":
            return Beliefs(np.full(self.width, weight), np.empty((0, len(self.places))), bias)
        names, counts = self._of_names(best, targets), self._of_counts(best, targets)
        return Beliefs(weight * names, weight * counts, bias)

    def _of_names(self, best: NDArray[np.intp], targets: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the weights (width,) of votes for classes by name."""
        right = (self.places[targets] == best) & (best >= 0)
        share = (right.sum() + BELIEF * RIGHT) / (len(right) + BELIEF)
        others = max(len(self.places) - 1, 1)
        weight = max(0.0, float(np.log(share * others / (1 - share))))
        return weight * np.array([1.0, SURER, 0.0])[: self.width]

    def _of_counts(self, best: NDArray[np.intp], targets: NDArray[np.intp]) -> Matrix:
        """Return weights (free features, K), those of an answer by itself, however sure it was."""
        prior = np.exp(log_prior(targets, len(self.places)))
        by_column = np.zeros((len(self.seen), 1 if self.kind == "label" else 3, len(prior)))
        if not self.width:
            votes = (best[:, None] == self.seen[None, :]).astype(np.float64)
            counts = votes.T @ np.eye(len(prior))[targets]
            said = (counts + DOUBT * prior) / (counts.sum(axis=1, keepdims=True) + DOUBT)
            by_column[:, 0] = np.log(said / prior)
        return by_column.reshape(-1, len(prior))

    def _votes(self, scores: Scores) -> tuple[NDArray[np.intp], Matrix]:
        """Return the best class (n,) of each answer, -2 for none, and how it was said (n, g)."""
        confidence = scores.max(axis=1, initial=0.0).astype(np.float64)
        best = self.best(scores)
        one = np.ones((len(scores), 1))
        if self.kind == "label":
            return best, one
        mean, deviation = self.scale
        sure = np.clip((_logits(confidence) - mean) / deviation, -FAR, FAR)
        rank = REACH * np.interp(confidence, self.knots, self.ranks)
        return best, np.column_stack([one, sure, rank])

    def arrays(self) -> Arrays:
        """Return the arrays that make it up."""
        return {
            "places": self.places.astype(np.int64),
            "seen": self.seen.astype(np.int64),
            "scale": self.scale,
            "knots": self.knots,
            "ranks": self.ranks,
        }

    @classmethod
    def restore(cls, kind: Any, arrays: Arrays) -> Self:
        """Return what `arrays` and its kind described."""
        return cls(
            kind,
            arrays["places"].astype(np.intp),
            arrays["seen"].astype(np.intp),
            arrays["scale"],
            arrays["knots"],
            arrays["ranks"],
        )


def _logits(confidences: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped: NDArray[np.float64] = logit(np.clip(confidences, CERTAIN, 1 - CERTAIN))
    return clipped


def _ranks(confidences: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a few confidences and their ranks from -1 to 1, those of equal ones the same."""
    ordered = np.sort(confidences)
    knots = np.unique(ordered)
    if len(knots) > KNOTS:
        knots = np.unique(np.quantile(ordered, np.linspace(0, 1, KNOTS)))
    below, upto = (np.searchsorted(ordered, knots, side=side) for side in ("left", "right"))
    return knots, (below + upto) / len(ordered) - 1.0
