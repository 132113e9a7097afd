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

from rebox.reading.block import Block
from rebox.reading.calibration import log_prior
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
from rebox.reading.left_out import left_out, members, pull_of_mean
from rebox.reading.logistic import fit_logistic

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
        Subjects: a sample's answers are imitated by those about other subjects. None: every sample
        is a subject of its own.
    """
    groups = np.arange(len(targets)) if groups is None else groups  # each sample is its own
    features, turn, centre = kernel_features(z, expert.stretch, landmarks)
    wanted = _wanted(answers)
    imitate, offset, imitated = _imitation(features, wanted, groups)
    fitted = fit_logistic(imitated, targets, n_targets, folds, (0.0,), PENALTIES)
    logits = _read_by_others(features, wanted, targets, n_targets, folds, groups)
    on_kernel = turn @ (imitate @ fitted.weights)
    bias = fitted.bias + offset @ fitted.weights - centre @ on_kernel
    student = replace(expert, name="student", weights=on_kernel, bias=bias)
    return Judged(student, logits + prior_shift(targets, n_targets, folds))


def _read_by_others(
    features: Matrix,
    wanted: Matrix,
    targets: NDArray[np.intp],
    n_targets: int,
    folds: NDArray[np.intp],
    groups: NDArray[np.intp],
) -> Matrix:
    """Return logits (n, classes) by students that know nothing of a sample's fold.

    Where answers tell the class, others are imitated by answers about a subject, too, and how these
    imitations are read would tell of its label.
    """
    logits = np.empty((len(targets), n_targets))
    for fold in range(int(folds.max()) + 1):
        kept = folds != fold
        answers = wanted[kept[: len(wanted)]]
        dense = np.unique(folds[kept], return_inverse=True)[1].astype(np.intp)
        about = groups[kept][: len(answers)]
        if min(len(np.unique(about)), len(np.unique(dense))) < 2:
            logits[~kept] = log_prior(targets[kept], n_targets)
            continue
        imitate, offset, imitated = _imitation(features[kept], answers, groups[kept])
        fitted = fit_logistic(imitated, targets[kept], n_targets, dense, (0.0,), PENALTIES)
        logits[~kept] = (features[~kept] @ imitate + offset) @ fitted.weights + fitted.bias
    return logits


def _wanted(answers: Sequence[Floats]) -> Matrix:
    """Return what is imitated, (a, r): whitened coordinates of the answers to all views."""
    parts = []
    for features in answers:
        block = Block.fit(features, most=AXES, standardise=False)
        parts.append(block.coordinates(features) * block.whitening(WHITENING))
    return np.concatenate(parts, axis=1).astype(np.float64)


def _imitation(
    features: Matrix, wanted: Matrix, groups: NDArray[np.intp]
) -> tuple[Matrix, NDArray[np.float64], Matrix]:
    """Return ridge weights (components, r) and offset (r,), and imitations (n, r).

    Those of samples whose answers are ``wanted``, the first of all, are by the other samples alone:
    as good as they will be for an image not seen before.
    """
    asked = features[: len(wanted)]
    rows = members(groups[: len(wanted)])
    middle, mean = asked.mean(axis=0), wanted.mean(axis=0)
    left, scale, right = np.linalg.svd(asked - middle, full_matrices=False)
    wanted = wanted - mean
    values, turned = scale**2, left.T @ wanted
    tries = []
    for penalty in RIDGES * max(float(values.mean()) if len(values) else 0.0, 1e-30):
        shrunk = values / (values + penalty)
        guess = left @ (shrunk[:, None] * turned)
        # Answers about others lie on the other side of the mean of all. Where features tell
        # nothing, that alone would be imitated, and give a subject's own answers away.
        others = left_out(guess, wanted, left, shrunk, 1 / len(wanted), rows)
        tries.append((others + pull_of_mean(wanted, rows), penalty))
    held_out, penalty = min(tries, key=lambda one: float(((one[0] - wanted) ** 2).sum()))
    weights = right.T @ ((scale / (values + penalty))[:, None] * turned)
    offset = mean - middle @ weights
    imitated = features @ weights + offset
    imitated[: len(wanted)] = held_out + mean
    return weights, offset, imitated
