"""Asking about dressed samples, a few at a time, so that memory never grows with the data.

The next samples are dressed in a thread while the box answers.
"""

from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import get_ident
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from rebox.box import Images, Queries
from rebox.errors import InvalidData
from rebox.meter import Asker
from rebox.meter.meter import Heard, Later
from rebox.program import Dressing, Placement, Program, Template
from rebox.sample import Ids, SampleLoader, Texts
from rebox.sample.pixels import as_levels

AS_BYTES = 2  # times as many images held at once, where each takes a quarter of the memory
AHEAD = 2  # batches that are made ready while the box works on another
WAVE = 20_000  # samples that are put together before a batch leaves
CHUNK = 32  # images looked at at once: 20 MB at 224 x 224

Batch = TypeVar("Batch")
_LAST: Any = object()  # what follows the last batch
Floats = NDArray[np.float32]
Point = NDArray[np.floating]
Shown = Floats | Texts | Ids
"""Samples as a question shows them before they are dressed."""
Rows = Sequence[int] | NDArray[np.integer]


def chunk_of(at_once: int) -> int:
    """Return how many samples are taken at once to be asked about."""
    return max(CHUNK, at_once)


def place_views(
    placements: Mapping[int, Placement], taken: Iterable[Sequence[NDArray[np.generic]]]
) -> Iterator[tuple[int, Floats]]:
    """Yield a view's number and images as it shows them: some images under all views, then others.

    Parameters
    ----------
    placements : mapping of int to Placement
        One for each view, by its number.
    taken : iterable of lists of images
    """
    alike = Counter(placement.geometric for placement in placements.values())
    for images in taken:
        shared: dict[Placement, Floats] = {}
        for k, placement in placements.items():
            geometric = placement.geometric
            if alike[geometric] == 1:
                yield k, placement.place(images)
                continue
            if geometric not in shared:
                shared[geometric] = geometric.place(images)
            yield k, placement.adjusted(shared[geometric], images)


def shown_as(
    programs: Mapping[int, Dressing | None], samples: SampleLoader, batches: Iterable[Rows]
) -> Iterator[tuple[int, Shown]]:
    """Yield a question's number and some samples for it: images placed, texts as they are, or ids.

    Parameters
    ----------
    programs : mapping of int to Program, Template or None
        One for each question, by its number; None: samples are asked about by their ids.
    samples : SampleLoader
        Which have what the questions take (`rebox.fit.suited`).
    batches : iterable of indices
        Samples that are taken together: all questions about some, then about others.
    """
    placements = {k: one.placement for k, one in programs.items() if isinstance(one, Program)}
    for rows in batches:
        if samples.ids is not None:
            names = samples.ids[np.asarray(rows, dtype=np.intp)]
            yield from ((k, names) for k, one in programs.items() if one is None)
        if samples.texts is not None:
            texts = samples.texts[np.asarray(rows, dtype=np.intp)]
            yield from ((k, texts) for k, one in programs.items() if isinstance(one, Template))
        if placements and samples.images is not None:
            yield from place_views(placements, [samples.images.take(rows)])


def ahead(batches: Iterator[Batch]) -> Generator[Batch, None, None]:
    """Yield ``batches``, the next of which are made in a thread while one is worked on."""
    makers: list[int] = []
    helper = ThreadPoolExecutor(1, initializer=lambda: makers.append(get_ident()))
    try:
        waiting = deque(helper.submit(next, batches, _LAST) for _ in range(AHEAD + 1))
        while (batch := waiting.popleft().result()) is not _LAST:
            yield batch
            waiting.append(helper.submit(next, batches, _LAST))
    finally:
        # Whoever interrupts need not wait for what nobody wants. Garbage may be found by the
        # helper, which cannot wait for itself.
        helper.shutdown(wait=get_ident() not in makers, cancel_futures=True)


def answered(
    askings: Mapping[int, "Asking"], placed: Iterator[tuple[int, Shown]]
) -> Iterator[tuple[int, Floats]]:
    """Yield the number of an asking and the scores (n, source classes) of samples shown for it.

    Images are placed and dressed while the box answers those before. Those to a box of batches are
    put together first, all that there are.
    """
    dressed = ((k, askings[k].dress(images)) for k, images in placed)
    try:
        with closing(ahead(dressed)) as batches:
            yield from _in_waves(askings, batches)
    except BaseException:  # who leaves off, too
        for asking in askings.values():
            asking.abandon()
        raise


def _in_waves(
    askings: Mapping[int, "Asking"], batches: Iterator[tuple[int, Queries]]
) -> Iterator[tuple[int, Floats]]:
    waiting: deque[tuple[int, Later]] = deque()
    held, put_off = 0, any(one.puts_off for one in askings.values())
    for k, images in batches:
        waiting.append((k, askings[k].put(images)))
        held += len(images)
        if held >= WAVE or not put_off:
            yield from _all_of(askings, waiting)
            held = 0
    yield from _all_of(askings, waiting)


def _all_of(
    askings: Mapping[int, "Asking"], waiting: deque[tuple[int, Later]]
) -> Iterator[tuple[int, Floats]]:
    """Yield the scores of all that waits; the batches of all boxes leave before one is awaited."""
    if waiting:
        for asking in askings.values():
            asking.depart()
    while waiting:
        k, scores = waiting.popleft()
        yield k, scores()


class Asking:
    """Asks a box about samples that a program has dressed.

    Parameters
    ----------
    asker : Asker
        Who asks the box, and counts.
    program : Program, Template or None
        How the samples are dressed; None: they are asked about by their ids.
    point : (1, d) or None
        Where the program stands; None adds nothing.
    heard : callable or None
        Told of every answer as soon as it is there, by its place among all that was asked.
    """

    def __init__(
        self,
        asker: Asker,
        program: Dressing | None,
        point: Point | None = None,
        heard: Heard | None = None,
    ) -> None:
        self._asker = asker
        self._heard = heard
        self._asked = 0
        self._words = program.dress if isinstance(program, Template) else None
        self._by_id = program is None
        self._program = cast("Program", program)  # which ids and texts do without
        self._point = point if program is not None and program.dimension else None
        # Memory that is used again: for those that wait, the one asked about, and the one made;
        # levels are copies.
        rooms = 1 if asker.spec.pixels == "uint8" else AHEAD + 3
        self._rooms: deque[Floats] = deque(np.empty(0, np.float32) for _ in range(rooms))

    def dress(self, placed: Any) -> Queries:
        """Return ``placed`` images, or texts, as they are sent; ids as they are.

        Parameters
        ----------
        placed : (n, height, width, channels) float32 in [0, 1], or (n,) texts or ids
            Images on their canvas.
        """
        if self._words is not None:
            return self._words(placed)
        if self._by_id:
            return cast("Ids", placed)
        if self._point is None:
            return self._levels(placed)
        return self._sums(placed, [self._added(self._point)])

    @property
    def puts_off(self) -> bool:
        """Whether questions are answered by batches, later."""
        return self._asker.puts_off

    def put(self, images: Queries) -> Later:
        """Return what returns the scores of ``images``, which may leave with others."""
        chunk = self._asker.at_once
        parts = [images[start : start + chunk] for start in range(0, len(images), chunk)]
        later = [self._asker.put(part, self._placed_hearing(len(part))) for part in parts]
        return lambda: np.concatenate([scores() for scores in later])

    def depart(self) -> None:
        """Send what was put together."""
        self._asker.depart()

    def abandon(self) -> None:
        """Forget what was put together, and has not left."""
        self._asker.abandon()

    def ask_each(self, placed: Floats, points: Sequence[Point]) -> Iterator[Floats]:
        """Yield the scores of ``placed`` images (n, ...) at each of ``points``, (1, d) or (n, d).

        A service is asked in parallel, and a batch of a search alone may not keep it busy: several
        points are asked about together where they fit. Places are told from 0 at each call, all
        samples at the first point, then at the next.
        """
        self._asked = 0
        n = len(placed)
        most = self._asker.at_once * (AS_BYTES if self._asker.spec.pixels == "uint8" else 1)
        answers = np.empty((0, len(self._asker.spec.classes)), dtype=np.float32)
        dressed = self._dressed(placed, points, max(1, most // n))
        with closing(ahead(dressed)) as batches:
            for images in batches:
                answers = np.concatenate([answers, self._ask(images)])
                while len(answers) >= n:
                    yield answers[:n]
                    answers = answers[n:]

    def _ask(self, images: Queries) -> Floats:
        """Return the box's scores of ``images``, and tell of each as soon as it is there."""
        return self._asker.ask(images, self._placed_hearing(len(images)))

    def _placed_hearing(self, n: int) -> Heard | None:
        """Return who is told of the next n answers, by their places among all; None: nobody."""
        begin, heard = self._asked, self._heard
        self._asked += n
        return None if heard is None else lambda places, scores: heard(places + begin, scores)

    def _dressed(self, placed: Floats, points: Sequence[Point], together: int) -> Iterator[Images]:
        """Yield ``placed`` images at each point as they are sent: at several, or a chunk at one."""
        if together > 1:
            for start in range(0, len(points), together):
                some = range(start, min(start + together, len(points)))
                yield self._sums(placed, [self._added(points[k]) for k in some])
            return
        chunk = self._asker.at_once
        for k in range(len(points)):
            point = points[k]
            shared = self._added(point) if len(point) == 1 else None  # once for all chunks
            for start in range(0, len(placed), chunk):
                rows = slice(start, start + chunk)
                added = self._added(point[rows]) if shared is None else shared
                yield self._sums(placed[rows], [added])

    def _added(self, point: Point) -> Floats:
        z = np.asarray(point, dtype=np.float32)
        if not np.isfinite(z).all():  # all else that is shown has been checked
            raise InvalidData("the search asked for a program of NaN or infinity.")
        # In 64 bits, and rounded last: tanh and sums of waves differ from processor to processor in
        # the last of 32, which is enough to send another grey level here and there.
        added: Floats = self._program.added(z.astype(np.float64)).astype(np.float32)
        return added

    def _sums(self, placed: Floats, each: Sequence[Floats]) -> Images:
        """Return what `Program.sum` does to ``placed`` images with each of several programs."""
        n = len(placed)
        dressed = self._room(len(each) * n, placed)
        for k in range(len(dressed)):  # image by image: the clip finds the sum in the cache
            np.add(placed[k % n], each[k // n][(k % n) % len(each[k // n])], out=dressed[k])
            if self._program.placement.overlay:  # a frame of mid-grey takes ±0.5 without a clip
                np.clip(dressed[k], 0.0, 1.0, out=dressed[k])
        return self._levels(dressed)

    def _room(self, n: int, placed: Floats) -> Floats:
        """Return memory for n images like those ``placed``: a fresh array costs page faults."""
        height, width, channels = placed.shape[1:]
        size = n * height * width * channels
        self._rooms.rotate()
        if len(self._rooms[0]) < size:
            self._rooms[0] = np.empty(size, dtype=np.float32)
        planar = self._rooms[0][:size].reshape(n, channels, height, width)
        images: Floats = np.moveaxis(planar, 1, 3)
        return images

    def _levels(self, images: Floats) -> Images:
        """Return ``images`` as the box takes them, in 8 bits where a service would have them so."""
        if self._asker.spec.pixels != "uint8":
            return images
        return as_levels(images)
