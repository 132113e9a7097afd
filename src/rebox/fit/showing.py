"""Showing dressed images to a box, a few at a time, so that memory never grows with the data."""

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox, Scratch
from rebox.errors import InvalidData
from rebox.program import Program

CHUNK = 32  # images dressed at once: enough to keep a box busy, 20 MB at 224 x 224


class Stage:
    """Where dressed images are shown to a box.

    Parameters
    ----------
    box : BlackBox
        Who answers; a metered one counts.
    program : Program
        How the images are dressed.
    """

    def __init__(self, box: BlackBox, program: Program) -> None:
        self._box = box
        self._program = program
        self._chunk = min(CHUNK, box.spec.batch_size)
        self._dressed = Scratch()

    def show(
        self, placed: NDArray[np.float32], point: NDArray[np.floating] | None = None
    ) -> NDArray[np.float32]:
        """Return the box's scores of ``placed`` images under the program at ``point``.

        Parameters
        ----------
        placed : (n, height, width, channels) float32 in [0, 1]
            Images on their canvas.
        point : (1, d) or (n, d), or None
            Where the program stands; None adds nothing.

        Returns
        -------
        (n, source classes) float32.
        """
        starts = range(0, len(placed), self._chunk)
        if point is None or self._program.dimension == 0:
            answers = [self._ask(placed[i : i + self._chunk]) for i in starts]
        else:
            z = np.asarray(point, dtype=np.float32)
            if not np.isfinite(z).all():  # all else that is shown has been checked
                raise InvalidData("the search asked for a program of NaN or infinity.")
            shared = self._program.added(z) if len(z) == 1 else None  # once for all chunks
            answers = []
            for i in starts:
                rows = slice(i, i + self._chunk)
                added = self._program.added(z[rows]) if shared is None else shared
                answers.append(self._ask(self._sum(placed[rows], added)))
        return np.concatenate(answers)

    def _sum(self, placed: NDArray[np.float32], added: NDArray[np.float32]) -> NDArray[np.float32]:
        """Do what `Program.sum` does, in memory that is used again."""
        n, height, width, channels = placed.shape
        planar = self._dressed.empty((n, channels, height, width), np.float32)
        dressed: NDArray[np.float32] = np.moveaxis(planar, 1, 3)
        for i in range(n):  # image by image, so that the clip finds the sum in the cache
            np.add(placed[i], added[i % len(added)], out=dressed[i])
            if self._program.placement.overlay:  # a frame of mid-grey takes ±0.5 without a clip
                np.clip(dressed[i], 0.0, 1.0, out=dressed[i])
        return dressed

    def _ask(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Ask, rounding to 8 bits where a service would do so."""
        if self._box.spec.pixels != "uint8":
            return self._box.reply(images)
        levels = np.rint(images * np.float32(255)).astype(np.uint8)
        return self._box.reply(levels)
