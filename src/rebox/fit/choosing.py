"""Which views to ask about: screened on a few images, chosen by what they add on all of them.

Everything is judged by the leave-one-out log loss of training answers. A view pays if it lowers
that loss; what does not pay is not asked at prediction time.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebox.box import BoxSpec
from rebox.reading import block_distances, leave_one_out_loss
from rebox.reading.features import AnswerFeatures, features_of
from rebox.reading.targets import Targets

Features = NDArray[np.floating]
Scores = NDArray[np.float32]

SAMPLES = 500  # most images that a choice is made on: the cost grows with their cube
DECIMALS = 6  # of a loss: what stands behind them differs from processor to processor
PAYS = 0.002  # share of the loss that one more query for each prediction has to save
REPLACES = 0.02  # share of the loss by which another view has to beat the plain one
PRUDENCE = (
    0.5  # over the number of subjects: what is added to both, for the fewer the more by chance
)


@dataclass(frozen=True)
class Chooser:
    """Judges views by their answers to the first images.

    Parameters
    ----------
    targets : (n,) intp
        Classes of the first images, in the order of the answers; no others are looked at.
    n_targets : int
    spec : BoxSpec
        Of the box. Where it tells labels only, and there is nothing else to look at, every view's
        vote is worth its query: a few votes tell little, and a loss falls slowly with each.
    local : sequence of (n, d)
        What can be seen of them without asking; a view has to add to that.
    groups : (n,) or None
        Subjects of the images: the loss is that of leaving out all images of one at a time.
    """

    targets: NDArray[np.intp]
    n_targets: int
    spec: BoxSpec
    local: Sequence[Features] = ()
    groups: NDArray[np.intp] | None = None

    def ranked(self, plain: Scores, candidates: dict[int, Scores]) -> list[int]:
        """Return candidates by their loss beside the plain view, best first.

        Parameters
        ----------
        plain : (n, source classes)
        candidates : dict
            Number to answers (m, source classes) about the first m images.
        """
        few = min((len(scores) for scores in candidates.values()), default=0)
        judge = self._judge(plain, few)
        return judge.ranked(judge.apart(plain), judge.all_apart(candidates))

    def chosen(self, plain: Scores, candidates: dict[int, Scores], most: int) -> list[int]:
        """Return up to ``most`` views to ask about, 0 for the plain one, by what each adds.

        One pass in the order of `ranked`: a view is taken if it pays beside those taken already.
        """
        if most == 1:
            return [self._only(plain, candidates)]
        judge = self._judge(plain, len(plain))
        apart = judge.all_apart(candidates)
        base = judge.apart(plain)
        ranked = judge.ranked(base, apart)
        if self.spec.labels_only and not self.local:
            return [0, *ranked[: most - 1]]
        taken, numbers, least = [base], [0], judge.loss([base])
        for number in ranked:
            if len(numbers) == most:
                break
            trial = [*taken, apart[number]]
            loss = judge.loss(trial)
            if loss < (1 - judge.share(PAYS)) * least:
                taken, least = trial, loss
                numbers.append(number)
        return numbers

    def _only(self, plain: Scores, candidates: dict[int, Scores]) -> int:
        judge = self._judge(plain, len(plain))
        best, least = 0, (1 - judge.share(REPLACES)) * judge.loss([judge.apart(plain)])
        for number, scores in candidates.items():
            loss = judge.loss([judge.apart(scores)])
            if loss < least:
                best, least = number, loss
        return best

    def _judge(self, plain: Scores, few: int) -> "_Judge":
        n = min(few, SAMPLES, len(self.targets))
        local = [block_distances(x[:n], local=True) for x in self.local]
        groups = None if self.groups is None else self.groups[:n]
        targets = Targets.dealt(self.targets[:n], self.n_targets, 0, groups)
        return _Judge(targets, features_of(self.spec, plain), local)


@dataclass(frozen=True)
class _Judge:
    targets: Targets
    features: AnswerFeatures
    local: Sequence[NDArray[np.float64]]

    def share(self, least: float) -> float:
        return least + PRUDENCE / self.targets.subjects

    def apart(self, scores: Scores) -> NDArray[np.float64]:
        return block_distances(self.features(scores[: len(self.targets)]).astype(np.float32))

    def all_apart(self, answers: dict[int, Scores]) -> dict[int, NDArray[np.float64]]:
        return {number: self.apart(scores) for number, scores in answers.items()}

    def ranked(self, base: NDArray[np.float64], apart: dict[int, NDArray[np.float64]]) -> list[int]:
        losses = {number: self.loss([base, distance]) for number, distance in apart.items()}
        return sorted(losses, key=lambda number: (losses[number], number))

    def loss(self, answers: Sequence[NDArray[np.float64]]) -> float:
        return round(leave_one_out_loss(answers, self.local, self.targets), DECIMALS)
