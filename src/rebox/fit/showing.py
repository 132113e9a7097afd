"""Showing dressed images to a box, a few at a time, so that memory never grows with the data."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox, Images, Scratch
from rebox.errors import InvalidData
from rebox.program import Placement, Program
from rebox.sample.pixels import as_levels

AS_BYTES = 2  # times as many images held at once, where each takes a quarter of the memory
AHEAD = 2  # batches that are made ready while the box works on another
CHUNK = 32  # images looked at at once: 20 MB at 224 x 224

Batch = TypeVar("Batch")


def place_views(
    placements: Mapping[int, Placement], taken: Iterable[Sequence[NDArray[np.generic]]]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield a view's number and images as it shows them: some images under all views, then others.

    Parameters
    ----------
    placements : mapping of int to Placement
        One for each view, by its number.
    taken : iterable of lists of images
    """
    alike = Counter(placement.geometric for placement in placements.values())
    for images in taken:
        shared: dict[Placement, NDArray[np.float32]] = {}
        for k, placement in placements.items():
            geometric = placement.geometric
            if alike[geometric] == 1:
                yield k, placement.place(images)
                continue
            if geometric not in shared:
                shared[geometric] = geometric.place(images)
            yield k, placement.adjusted(shared[geometric], images)


def ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Yield ``batches``, the next of which are made in a thread while one is worked on."""
    with ThreadPoolExecutor(1) as helper:
        waiting = deque(helper.submit(next, batches, None) for _ in range(AHEAD + 1))
        while (batch := waiting.popleft().result()) is not None:
            yield batch
            waiting.append(helper.submit(next, batches, None))


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
        self._chunk = box.at_once
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
            shared = self._added(point) if len(point) == 1 else None  # once for all chunks
            answers = []
            for i in starts:
                rows = slice(i, i + self._chunk)
                added = self._added(point[rows]) if shared is None else shared
                images = self._room(len(placed[rows]), placed)
                self._sum(placed[rows], added, images)
                answers.append(self._ask(images))
        return np.concatenate(answers)

    def show_each(
        self, placed: NDArray[np.float32], points: Sequence[NDArray[np.floating]]
    ) -> Iterator[NDArray[np.float32]]:
        """Yield what `show` returns for each of ``points``, several asked at once where it pays.

        A service is asked in parallel, and a batch of a search alone may not keep it busy.
        """
        most = self._chunk * (AS_BYTES if self._box.spec.pixels == "uint8" else 1)
        together = max(1, most // len(placed))
        if together == 1 or self._program.dimension == 0:
            yield from (self.show(placed, point) for point in points)
            return
        for start in range(0, len(points), together):
            some = [points[k] for k in range(start, min(start + together, len(points)))]
            images = np.concatenate([self._sent(placed, point) for point in some])
            yield from np.split(self._box.reply(images), len(some))

    def _sent(self, placed: NDArray[np.float32], point: NDArray[np.floating]) -> Images:
        """Return ``placed`` images under the program at ``point`` as they are sent: a copy."""
        dressed = self._room(len(placed), placed)
        self._sum(placed, self._added(point), dressed)
        sent = self._levels(dressed)
        return sent.copy(order="K") if sent is dressed else sent

    def _added(self, point: NDArray[np.floating]) -> NDArray[np.float32]:
        z = np.asarray(point, dtype=np.float32)
        if not np.isfinite(z).all():  # all else that is shown has been checked
            raise InvalidData("the search asked for a program of NaN or infinity.")
        added: NDArray[np.float32] = self._program.added(z)
        return added

    def _room(self, n: int, placed: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return memory for n images like those ``placed``, used again with the next call."""
        height, width, channels = placed.shape[1:]
        planar = self._dressed.empty((n, channels, height, width), np.float32)
        images: NDArray[np.float32] = np.moveaxis(planar, 1, 3)
        return images

    def _sum(
        self,
        placed: NDArray[np.float32],
        added: NDArray[np.float32],
        dressed: NDArray[np.float32],
    ) -> None:
        """Do what `Program.sum` does, into ``dressed``."""
        for i in range(len(placed)):  # image by image, so that the clip finds the sum in the cache
            np.add(placed[i], added[i % len(added)], out=dressed[i])
            if self._program.placement.overlay:  # a frame of mid-grey takes ±0.5 without a clip
                np.clip(dressed[i], 0.0, 1.0, out=dressed[i])

    def _ask(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._box.reply(self._levels(images))

    def _levels(self, images: NDArray[np.float32]) -> Images:
        """Return ``images`` as the box takes them, in 8 bits where a service would have them so."""
        if self._box.spec.pixels != "uint8":
            return images
        return as_levels(images)
