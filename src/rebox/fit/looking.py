"""What can be seen of training images without asking, and how far that gets by itself."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.box import BoxSpec, Encoder
from rebox.fit.model import Sight, answer_blocks
from rebox.fit.showing import CHUNK
from rebox.fit.verdict import ANSWERS, LOCAL, Verdict, give_verdict
from rebox.local import PlainFeatures
from rebox.reading import Evidence, fit_reader
from rebox.reading.contract import Answers
from rebox.reading.features import AnswerFeatures, features_of
from rebox.sample import ImageLoader

Scores = NDArray[np.float32]


def look(
    images: ImageLoader, order: NDArray[np.intp], encoder: Encoder | None = None
) -> tuple[Sight, list[NDArray[np.float32]]]:
    """Return how to look at images, and what is seen of those in ``order``: blocks (n, d)."""
    sight = Sight(PlainFeatures.fit(images.samples(order[:CHUNK])), encoder)
    seen: list[NDArray[np.float32]] = []
    for start in range(0, len(order), CHUNK):
        rows = slice(start, min(start + CHUNK, len(order)))
        blocks = sight.blocks(images.samples(order[rows]))
        # Into its place at once: of matrices, both the parts and the whole would be gigabytes.
        seen = seen or [np.empty((len(order), block.shape[1]), np.float32) for block in blocks]
        for whole, block in zip(seen, blocks, strict=True):
            whole[rows] = block
    return sight, seen


def features_for(spec: BoxSpec, scores: Scores) -> AnswerFeatures:
    """Return what of a box's answers is looked at, by its habits."""
    answers = Answers(
        scores=scores,
        targets=np.zeros(len(scores), dtype=np.intp),
        prior=np.ones(1),
        decimals=spec.decimals,
        complete=spec.complete,
        sums_to_one=spec.sums_to_one,
        labels_only=spec.labels_only,
    )
    return features_of(answers)


def compare(
    images: ImageLoader,
    targets: NDArray[np.intp],
    asked: NDArray[np.intp],
    scores: Scores,
    spec: BoxSpec,
    seed: int,
    groups: NDArray[np.intp] | None = None,
) -> Verdict | None:
    """Return how a local model and a map of the answers do, each on samples held out from it.

    Parameters
    ----------
    images : ImageLoader
        n training images.
    targets : (n,) intp
    asked : (a,) intp
        Which of them were asked about.
    scores : (a, source classes)
        The answers.
    spec : BoxSpec
    seed : int
    groups : (n,) intp or None
        Subject of each image.
    """
    order = np.concatenate([asked, np.setdiff1d(np.arange(len(targets)), asked)])
    _, seen = look(images, order)
    blocks = answer_blocks([scores], features_for(spec, scores), counted=spec.labels_only)
    n_targets = int(targets.max()) + 1

    def held_out(rows: NDArray[np.intp], **blocks: Any) -> NDArray[np.float64]:
        subjects = None if groups is None else groups[rows]
        known = Evidence(
            targets=targets[rows], n_targets=n_targets, seed=seed, groups=subjects, **blocks
        )
        return fit_reader(known).held_out[: len(asked)]

    readings = {
        LOCAL: (0, held_out(order, local=seen)),
        ANSWERS: (1, held_out(asked, answers=blocks)),
    }
    subjects = None if groups is None else groups[asked]
    return give_verdict(targets[asked], readings, n_targets, seed, subjects)
