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

from rebox.mapping.logistic import fit_logistic
from rebox.reading.block import Block
from rebox.reading.expert import (
    PENALTIES,
    RIDGES,
    Coordinates,
    Expert,
    Judged,
    Matrix,
    kernel_features,
    prior_shift,
)
from rebox.reading.left_out import left_out, members

Floats = NDArray[np.floating]

AXES = 100  # of each view's answers that are imitated
WHITENING = 0.5


def student_expert(
    expert: Expert,
    z: Coordinates,
    landmarks: Coordinates,
    answers: Sequence[Floats],
    targets: NDArray[np.intp],
    n_targets: int,
    folds: NDArray[np.intp],
    groups: NDArray[np.intp] | None = None,
) -> Judged:
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
    targets, folds : (n,)
    n_targets : int
    groups : (n,) or None
        Subjects: a sample's answers are imitated by those about other subjects.
    """
    features, turn, centre = kernel_features(z, expert.stretch, landmarks)
    wanted = _wanted(answers)
    asked = None if groups is None else groups[: len(wanted)]
    imitate, held_out = _imitation(features[: len(wanted)], wanted, asked)
    imitated = features @ imitate
    imitated[: len(wanted)] = held_out  # as good as they will be for an image not seen before
    fitted = fit_logistic(imitated, targets, n_targets, folds, (0.0,), PENALTIES)
    logits = fitted.logits + prior_shift(targets, n_targets, folds)
    on_kernel = turn @ (imitate @ fitted.weights)
    student = replace(
        expert, name="student", weights=on_kernel, bias=fitted.bias - centre @ on_kernel
    )
    return Judged(student, logits)


def _wanted(answers: Sequence[Floats]) -> Matrix:
    """Return what is imitated, (a, r): whitened coordinates of the answers to all views."""
    parts = []
    for features in answers:
        block = Block.fit(features, most=AXES, standardise=False)
        parts.append(block.coordinates(features) * block.whitening(WHITENING))
    return np.concatenate(parts, axis=1).astype(np.float64)


def _imitation(
    features: Matrix, wanted: Matrix, groups: NDArray[np.intp] | None
) -> tuple[Matrix, Matrix]:
    """Return ridge weights (components, r), and imitations (a, r) of each sample left out."""
    left, scale, right = np.linalg.svd(features, full_matrices=False)
    values, turned = scale**2, left.T @ wanted
    rows = None if groups is None else members(groups)
    tries = []
    for penalty in RIDGES * max(float(values.mean()) if len(values) else 0.0, 1e-30):
        shrunk = values / (values + penalty)
        guess = left @ (shrunk[:, None] * turned)
        if rows is None:
            leverage = np.minimum((left**2 * shrunk).sum(axis=1), 1 - 1e-6)[:, None]
            tries.append(((guess - leverage * wanted) / (1 - leverage), penalty))
        else:
            tries.append((left_out(guess, wanted, left, shrunk, 0.0, rows), penalty))
    held_out, penalty = min(tries, key=lambda one: float(((one[0] - wanted) ** 2).sum()))
    weights = right.T @ ((scale / (values + penalty))[:, None] * turned)
    return weights, held_out
