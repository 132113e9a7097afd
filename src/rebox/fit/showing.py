"""Showing dressed images to a box, a few at a time, so that memory never grows with the data."""

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox
from rebox.program import Program

CHUNK = 32  # images dressed at once: enough to keep a box busy, 20 MB at 224 x 224


def show(
    box: BlackBox,
    program: Program,
    placed: NDArray[np.float32],
    point: NDArray[np.floating] | None = None,
) -> NDArray[np.float32]:
    """Return the box's scores of ``placed`` images under a program.

    Parameters
    ----------
    box : BlackBox
        Who answers; a metered one counts.
    program : Program
        How the images are dressed.
    placed : (n, height, width, channels) float32 in [0, 1]
        Images on their canvas.
    point : (1, d) or (n, d), or None
        Where the program stands; None adds nothing.

    Returns
    -------
    (n, source classes) float32.
    """
    z = None if point is None else np.asarray(point, dtype=np.float32)
    # A program for all is dressed into P once, not once for each chunk.
    added = None if z is None or len(z) != 1 or program.dimension == 0 else program.added(z)
    step = min(CHUNK, box.spec.batch_size)
    answers = []
    for start in range(0, len(placed), step):
        part = placed[start : start + step]
        if added is not None:
            part = program.sum(part, added)
        elif z is not None and program.dimension:
            part = program.dress(part, z[start : start + step])
        answers.append(box.ask(pixels(part, box)))
    return np.concatenate(answers)


def pixels(images: NDArray[np.float32], box: BlackBox) -> NDArray[np.float32] | NDArray[np.uint8]:
    """Return ``images`` as the box takes them: rounded to 8 bits where a service would do so."""
    if box.spec.pixels == "uint8":
        levels: NDArray[np.uint8] = np.rint(images * np.float32(255)).astype(np.uint8)
        return levels
    return images
