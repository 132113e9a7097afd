"""Noisy waves, made when they are asked for: a task for rehearsals, which needs no files."""

from pathlib import Path

import numpy as np

from rebox.errors import InvalidOption
from rebox.sample.dataset import Card, Dataset
from rebox.sample.pixels import as_levels
from rebox.sample.task import Task

CARD = Card(
    title="Noisy waves",
    source="rebox",
    licence="none needed: made when it is asked for",
    citation="rebox",
    get="it needs no files.",
)


def synthetic(folder: Path | None = None, *, subjects: int = 120, size: int = 24) -> Dataset:  # noqa: ARG001 - every task takes a folder
    """Return noisy waves of three directions, two images of each subject; no folder is looked at.

    Parameters
    ----------
    subjects, size : int
        3 or more, and pixels on a side, 4 or more.

    Returns
    -------
    Dataset
        Images of shape (2 * subjects, size, size, 3), uint8; labels 0, 1, 2.

    Raises
    ------
    InvalidOption
        A number is out of range.
    """
    if subjects < 3 or size < 4:
        raise InvalidOption(
            f"subjects must be at least 3 and size at least 4, found {subjects} and {size}."
        )
    labels = np.repeat(np.arange(subjects) % 3, 2)
    down, across = np.mgrid[0:size, 0:size] * (2 * np.pi / size)
    waves = np.stack([np.sin(down), np.sin(across), np.sin(down + across)])[labels]
    noise = np.random.default_rng(0).normal(0, 0.15, (len(labels), size, size, 3))
    images = np.clip(0.5 + 0.25 * waves[..., None] + noise, 0.0, 1.0)
    return Dataset(
        as_levels(images), labels, "synthetic", groups=np.repeat(np.arange(subjects), 2), card=CARD
    )


TASK = Task(load=synthetic, card=CARD)
