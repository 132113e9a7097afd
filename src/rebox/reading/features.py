"""What of an answer a mapping looks at: its logarithms, its square roots, or the scores themselves.

What a box knows about an image is in the ratios between its scores, so the first choice are centred
log-ratios, log(p + floor) minus their mean over the classes (Aitchison 1982): for a softmax, its
logits up to a constant. Independent sigmoids have no such constant, so that they keep their
log-odds. Square roots make Euclidean distance the Hellinger distance, which needs no floor.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from rebox.box import BoxSpec
from rebox.errors import InvalidOption
from rebox.reading.contract import Array, Arrays, Scores

UNSEEN = 0.3  # votes that every class has before a label-only box is asked
FLOOR = 1e-7  # about the rounding of a float32 score near 1
# In the order of their codes in saved mappings: append, never reorder.
KINDS = ("log-ratios", "log-odds", "logs", "roots", "roots-of-odds", "plain")
VIEWS = ("logs", "roots", "plain")


@dataclass(frozen=True)
class AnswerFeatures:
    """A fixed function from scores to features.

    Parameters
    ----------
    kind : str
        ``log-ratios``: centred log(p + floor). ``log-odds``: log(p + floor) - log(1 - p + floor).
        ``logs``: log(p + floor), for scores that are no probabilities at all. ``roots``: √p.
        ``roots-of-odds``: √p and √(1 - p). ``plain``: p.
    floor : float
        Added to scores before the logarithm.
    censored : bool
        Whether a score of 0 only says "less than the smallest shown", as in top-k answers.
    """

    kind: str = "log-ratios"
    floor: float = FLOOR
    censored: bool = False

    def __call__(self, scores: Array) -> Array:
        """Return float64 features (n, features) of (n, source classes) scores."""
        xp = array_namespace(scores)
        p = xp.astype(scores, xp.float64)
        if self.kind == "plain":
            return p
        if self.kind in ("log-odds", "roots-of-odds"):
            p = xp.clip(p, 0.0, 1.0)
        if self.kind == "log-odds":
            return xp.log(self._floored(p)) - xp.log(1.0 - p + self.floor)
        if self.kind == "roots-of-odds":
            return _roots(xp.concat([p, 1.0 - p], axis=1))
        if self.kind == "roots":
            return _roots(p)
        logs = xp.log(self._floored(p))
        return logs if self.kind == "logs" else logs - xp.mean(logs, axis=1, keepdims=True)

    def _floored(self, p: Array) -> Array:
        if not self.censored:
            return p + self.floor
        # A class that is left out of a top-k answer scored less than the least that is shown, but
        # not 0: the constant floor would place it many nats too low, by an amount that depends
        # only on how sure the box was of the others. Half of the least shown is nearer the truth.
        xp = array_namespace(p)
        shown = p > 0
        least = xp.min(xp.where(shown, p, xp.inf), axis=1, keepdims=True)
        half = xp.where(xp.isfinite(least), 0.5 * least, 1.0)  # an empty row tells nothing
        return xp.where(shown, p + self.floor, xp.clip(half, self.floor, None))

    def arrays(self) -> Arrays:
        """Return kind, floor and censoring as arrays, for the artefact."""
        code = [KINDS.index(self.kind), int(self.censored)]
        return {"floor": np.array([self.floor]), "features": np.array(code, dtype=np.int64)}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Return the features that `arrays` described; log-ratios where only a floor is given."""
        code, censored = arrays.get("features", np.zeros(2, dtype=np.int64))
        return cls(KINDS[int(code)], arrays["floor"].item(), bool(censored))


def _roots(p: Array) -> Array:
    xp = array_namespace(p)
    shown = p > 0  # the slope of a root is infinite at 0, and a gradient through it NaN
    return xp.where(shown, xp.sqrt(xp.where(shown, p, 1.0)), 0.0)


def features_of(spec: BoxSpec, scores: Scores, view: str = "logs") -> AnswerFeatures:
    """Return the features that suit the habits of a box.

    Parameters
    ----------
    spec : BoxSpec
        Decides by what is declared of the box.
    scores : (n, source classes)
        Answers of it: they only tell whether any exceeds 1.
    view : {"logs", "roots", "plain"}
        What is wanted. One-hot rows stay what they are: no view makes more of them.
    """
    floor = FLOOR if spec.decimals is None else 0.5 * 10.0**-spec.decimals
    if spec.labels_only or view == "plain":
        return AnswerFeatures("plain", floor)
    independent = spec.complete and not spec.sums_to_one
    odds = independent and float(scores.max(initial=0.0)) <= 1.0
    if view == "roots":
        return AnswerFeatures("roots-of-odds" if odds else "roots", floor)
    if independent:
        return AnswerFeatures("log-odds" if odds else "logs", floor)
    return AnswerFeatures("log-ratios", floor, censored=not spec.complete)


@dataclass(frozen=True, eq=False)
class Answered:
    """What one question brought: a box, and its scores (a, source classes) of samples."""

    spec: BoxSpec
    scores: Scores


@dataclass(frozen=True)
class AnswerBlock:
    """What is looked at of the answers to one question, or to all that are counted together.

    Attributes
    ----------
    questions : tuple of int
        Which questions: one, or all those to a box that tells labels only.
    features : AnswerFeatures
    counted : bool
        Whether votes are counted: the block is of log-votes then.
    """

    questions: tuple[int, ...]
    features: AnswerFeatures
    counted: bool = False

    def __call__(self, answers: Sequence[Scores]) -> NDArray[np.float32]:
        """Return features (n, d) of the answers to all questions, (n, source classes) each."""
        if not self.counted:
            plain: NDArray[np.float32] = self.features(answers[self.questions[0]]).astype(
                np.float32
            )
            return plain
        votes = np.zeros(answers[self.questions[0]].shape)
        for number in self.questions:  # whole numbers: the sum is exact in any order
            votes += answers[number]
        return np.log(votes + UNSEEN).astype(np.float32)


def blocks_of(answered: Sequence[Answered]) -> tuple[AnswerBlock, ...]:
    """Return what is looked at of the answers to some questions; all to one box in one way."""
    features: dict[str, AnswerFeatures] = {}
    counted: dict[str, list[int]] = {}
    for number, one in enumerate(answered):
        box = one.spec.identity
        features.setdefault(box, features_of(one.spec, one.scores))
        counted.setdefault(box if one.spec.labels_only else f"{number}|{box}", []).append(number)
    return tuple(
        AnswerBlock(
            tuple(numbers),
            features[answered[numbers[0]].spec.identity],
            answered[numbers[0]].spec.labels_only,
        )
        for numbers in counted.values()
    )


def check_view(view: str) -> None:
    """Raise `InvalidOption` unless ``view`` is one that `features_of` knows."""
    if view not in VIEWS:
        raise InvalidOption(f"features must be one of {', '.join(VIEWS)}, found {view!r}.")
