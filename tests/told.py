"""Answers as a mapping rule is given them, of a box with any habits."""

import numpy as np

from rebox.box import BoxSpec
from rebox.reading import Answers, TrainingSet

HABITS = ("complete", "sums_to_one", "decimals", "labels_only")


def spec_of(n_classes, **habits):
    names = tuple(f"source {k}" for k in range(max(2, n_classes)))
    return BoxSpec(identity="told", classes=names, height=1, width=1, **habits)


def told(*, scores, **known):
    """Return `Answers` with the spec that the habits among ``known`` describe."""
    habits = {name: known.pop(name) for name in HABITS if name in known}
    return Answers(scores=scores, spec=spec_of(scores.shape[1], **habits), **known)


def scored(features):
    """Return scores whose logarithms are ``features``, as a box answers whose sum is not one."""
    return np.exp(np.asarray(features, dtype=np.float32))


def training_set(answers=(), local=(), imitated=(), **known):
    """Return a `TrainingSet` with answers whose logarithms are given."""
    answers, imitated = ([scored(x) for x in blocks] for blocks in (answers, imitated))
    width = next((x.shape[1] for x in [*answers, *imitated]), 2)
    spec = spec_of(width, sums_to_one=False)
    return TrainingSet(answers=answers, local=local, imitated=imitated, spec=spec, **known)
