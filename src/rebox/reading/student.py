"""A student: it learns to imitate a box, and reads its own imitations where the box is not asked.

After AReS (CVPR 2026): a model of what can be seen of an image learns the box's answers, and the
label is read off the imitated answers. No label has a part in the imitation, so that nothing of a
sample's own label can leak into what is said of it when it is held out; distilling a teacher that
has learnt from labels would let that happen.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rebox.reading.axes import PrincipalAxes
from rebox.reading.contract import Floats, Matrix
from rebox.reading.expert import Expert, OutOfFold, kernel_features, logistic_head
from rebox.reading.ridge import Ridge, on_axes
from rebox.reading.targets import Targets

AXES = 100  # of each view's answers that are imitated
WHITENING = 0.5


def student_expert(
    expert: Expert, z: Floats, landmarks: Floats, answers: Sequence[Floats], targets: Targets
) -> OutOfFold:
    """Return an expert that reads imitated answers.

    Imitations are linear in the components of a kernel, and so is the reading of them: the student
    is an expert on the same kernel.

    Parameters
    ----------
    expert : Expert
        One on what can be seen without asking, whose kernel is taken.
    z, landmarks : (n, R), (m, R)
        Coordinates of the samples.
    answers : sequence of (a, d)
        Features of the answers about the first a samples, for each view.
    targets : Targets
        A sample's answers are imitated by those about other subjects.
    """
    components, features = kernel_features(z, expert.stretch, landmarks)
    wanted = _wanted(answers)
    imitate, offset, imitated = _imitation(features, wanted, targets)
    fitted = logistic_head(imitated, targets)
    weights, bias = components.back(imitate @ fitted.weights, fitted.bias + offset @ fitted.weights)
    student = replace(expert, name="student", weights=weights, bias=bias)
    return OutOfFold(student, _read_by_others(features, wanted, targets) + targets.prior_shift)


def _read_by_others(features: Matrix, wanted: Matrix, targets: Targets) -> Matrix:
    """Return logits (n, classes) by students that know nothing of a sample's fold.

    Where answers tell the class, others are imitated by answers about a subject, too, and how these
    imitations are read would tell of its label.
    """
    logits = np.empty((len(targets), targets.count))
    for fold in range(int(targets.folds.max()) + 1):
        kept = targets.folds != fold
        others, answers = targets.take(kept), wanted[kept[: len(wanted)]]
        asked = others.take(slice(len(answers)))
        if min(asked.subjects, int(others.folds.max(initial=0)) + 1) < 2:
            logits[~kept] = others.log_prior
            continue
        imitate, offset, imitated = _imitation(features[kept], answers, others)
        fitted = logistic_head(imitated, others)
        logits[~kept] = (features[~kept] @ imitate + offset) @ fitted.weights + fitted.bias
    return logits


def _wanted(answers: Sequence[Floats]) -> Matrix:
    """Return what is imitated, (a, r): whitened coordinates of the answers to all views."""
    parts = []
    for features in answers:
        axes = PrincipalAxes.block(features, most=AXES, standardise=False)
        parts.append(axes.coordinates(features) * axes.whitening(WHITENING)[:-1])
    return np.concatenate(parts, axis=1).astype(np.float64)


def _imitation(
    features: Matrix, wanted: Matrix, targets: Targets
) -> tuple[Matrix, NDArray[np.float64], Matrix]:
    """Return ridge weights (components, r) and offset (r,), and imitations (n, r).

    Those of samples whose answers are ``wanted``, the first of all, are by the other samples alone:
    as good as they will be for an image not seen before.
    """
    asked = len(wanted)
    axes, left, scale = on_axes(features[:asked])
    groups = None if targets.groups is None else targets.groups[:asked]
    ridge = Ridge(left, scale, wanted, groups)
    penalty, held_out = ridge.best(lambda outputs: float(((outputs - wanted) ** 2).sum()))
    weights, offset = axes.back(ridge.weights(penalty), ridge.mean)
    imitated = features @ weights + offset
    imitated[:asked] = held_out
    return weights, offset, imitated
