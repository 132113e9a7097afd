"""What can be seen of training images without asking, and how far that gets by itself."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.box import BoxSpec, Encoder
from rebox.fit.model import Sight
from rebox.fit.showing import CHUNK
from rebox.fit.verdict import ANSWERS, LOCAL, Verdict, give_verdict
from rebox.local import PlainFeatures
from rebox.reading import TrainingSet, fit_reader
from rebox.sample.inputs import LaidOut

Scores = NDArray[np.float32]


def look(
    images: LaidOut, order: NDArray[np.intp], encoder: Encoder | None = None
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


def compare(
    images: LaidOut,
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
    images : LaidOut
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
    n_targets = int(targets.max()) + 1

    def held_out(rows: NDArray[np.intp], **seen: Any) -> NDArray[np.float64]:
        known = TrainingSet(
            targets=targets[rows],
            n_targets=n_targets,
            spec=spec,
            seed=seed,
            groups=None if groups is None else groups[rows],
            **seen,
        )
        return fit_reader(known).out_of_fold[: len(asked)]

    readings = {
        LOCAL: (0, held_out(order, local=seen)),
        ANSWERS: (1, held_out(asked, answers=[scores])),
    }
    subjects = None if groups is None else groups[asked]
    return give_verdict(targets[asked], readings, n_targets, seed, subjects)
