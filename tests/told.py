"""Answers as a mapping rule is given them, of a box with any habits."""

import numpy as np

from rebox.box import BoxSpec
from rebox.reading import Answered, Answers, TrainingSet

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
    answers, imitated = ([answered(x) for x in blocks] for blocks in (answers, imitated))
    return TrainingSet(answers=answers, local=local, imitated=imitated, **known)


def answered(features):
    """Return what a box answered whose scores have ``features`` for logarithms."""
    scores = scored(features)
    return Answered(spec_of(scores.shape[1], sums_to_one=False), scores)
