"""The user's samples, one batch after another."""

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rebox.errors import InvalidData, InvalidOption
from rebox.output import encoded
from rebox.sample.images import ImageFiles
from rebox.sample.inputs import Inputs, is_rows
from rebox.sample.picture import from_pillow
from rebox.sample.pixels import Pixels
from rebox.sample.samples import Samples
from rebox.sample.stored import StoredImages

FAR_BELOW = 1 / 4  # 12 or 14 bits in 16, 6 bits in 8
WHITES = {
    0: (1, "in [0, 1]"),
    8: (255, "of 8 bits"),
    16: (65535, "of 16 bits"),
    32: (65535, "of 32 bits"),  # as `picture.decode` reads them
}
LOOKED_AT = 8  # images that show whether there is colour


def chunks(n: int, size: int) -> Iterator[range]:
    """Yield the places of n samples, ``size`` at a time."""
    return (range(start, min(start + size, n)) for start in range(0, n, size))


class ImageLoader:
    """Images made from the user's input ``x`` when they are taken, never all at once.

    ``x`` is as in `Inputs.fit`; ``inputs`` say how they are made. Raises `InvalidData` where ``x``
    is not what training was, or holds no images.
    """

    def __init__(self, inputs: Inputs, x: Any) -> None:
        self.inputs = inputs
        self._x: Any = x.in_range(inputs.value_range) if isinstance(x, ImageFiles) else x
        # What is seen of a batch and what is asked about it are two looks at the same images.
        self._last: tuple[tuple[int, ...], list[Pixels]] = (), []
        self._largest: dict[int, float] = {}  # value seen, by the bits of a pixel; 0: floats
        if is_rows(x) != (inputs.rows is not None):
            kinds = ("images", "rows of features")
            hint = " One image alone is X[None]." if inputs.rows is None else ""
            raise InvalidData(
                f"found {kinds[is_rows(x)]}, but the model was fitted on "
                f"{kinds[inputs.rows is not None]}.{hint}"
            )
        if len(x) == 0:
            raise InvalidData("found no images: hand over at least one.")
        self._refuse_one()

    def __len__(self) -> int:
        return len(self._x)

    def _refuse_one(self) -> None:
        """Refuse one picture in colour: its lines are no images, each of which would be asked."""
        several = isinstance(self._x, np.ndarray | list | StoredImages)
        first: Any = self._x[0] if several else ()
        shape: tuple[int, ...] = () if isinstance(first, Image.Image) else np.shape(first)
        if len(shape) == 2 and shape[1] in {1, 3} and shape != self.inputs.size:
            height, width = self.inputs.size
            raise InvalidData(
                f"found {len(self)} images of {shape[0]} x {shape[1]}, but the model was fitted on "
                f"images of {height} x {width}: one image of {shape[1]} channels alone is X[None]."
            )

    def check(self) -> None:
        """Look at every image once, so that a bad one is found before a query is paid for.

        Raises
        ------
        InvalidData
            A file is damaged, or an image has a wrong shape, type or range.
        """
        if isinstance(self._x, ImageFiles):
            self._x.check()
            self._largest = self._x.store.largest
        elif self.inputs.rows is None:
            for index in range(len(self)):
                (image,) = self.take([index])
                bits = 8 if image.dtype == np.uint8 else 0
                self._largest[bits] = max(float(image.max()), self._largest.get(bits, 0.0))

    def faults(self) -> dict[int, str]:
        """Return what is wrong with files that cannot be read, by their places: `check` refuses."""
        return self._x.faults() if isinstance(self._x, ImageFiles) else {}

    def warn_of_range(self) -> None:
        """Warn where what was checked is far darker than its type allows: it may mean another."""
        if self.inputs.value_range is not None:
            return
        for bits, largest in self._largest.items():
            white, what = WHITES[bits]
            if 0 < largest <= FAR_BELOW * white:
                end = largest if bits == 0 else 2 ** int(largest).bit_length() - 1
                warnings.warn(
                    f"the images {what} reach {largest:g} of {white} at most, and read nearly "
                    f"black: if {end:g} is their white, pass value_range=(0, {end:g}).",
                    UserWarning,
                    stacklevel=3,
                )

    @property
    def coloured(self) -> bool:
        """Whether any of a few images from all over has colour."""
        few = np.linspace(0, len(self) - 1, min(LOOKED_AT, len(self))).astype(np.intp)
        return any(image.shape[2] == 3 for image in self.take(few))

    def take(self, indices: Sequence[int] | NDArray[np.integer]) -> list[Pixels]:
        """Return the images at ``indices``: uint8, or floats in [0, 1]."""
        wanted = tuple(map(int, indices))
        taken, pictures = self._last  # in one step: a thread may make the next batch
        if taken != wanted:
            pictures = self._pictures(wanted)
            self._last = wanted, pictures
        return list(pictures)

    def samples(self, indices: Sequence[int] | NDArray[np.integer]) -> Any:
        """Return what a model without a box looks at: rows of features as they are, or images."""
        if self.inputs.rows is not None:
            return np.asarray(self._x[np.asarray(indices)], dtype=np.float64)
        return self.take(indices)

    def digest(self) -> bytes:
        """Return a SHA-256 that changes with any of the images, and with how they are read.

        Raises `InvalidData` where a file cannot be read.
        """
        digest = hashlib.sha256(repr(self.inputs.value_range).encode())
        if isinstance(self._x, ImageFiles):
            digest.update(self._x.digest())
            return digest.digest()
        for index in range(len(self)):
            image = self._x[index]
            if isinstance(image, Image.Image):
                image = from_pillow(image, f"image {index}", self.inputs.value_range)
            values = np.ascontiguousarray(image)
            digest.update(f"{values.dtype.str}{values.shape}".encode())
            digest.update(values.data)
        return digest.digest()

    def _pictures(self, indices: tuple[int, ...]) -> list[Pixels]:
        if self.inputs.rows is not None:
            return list(self.inputs.rows.images(self._x[np.asarray(indices, dtype=np.intp)]))
        return self.inputs.pictures(self._x, indices)


class SampleLoader:
    """Samples by what they are known by: images that are made when they are taken, and ids.

    Parameters
    ----------
    inputs : Inputs or None
        How what the samples show becomes images; None: it is not looked at.
    x : Samples, or whatever `Samples.of` takes

    Attributes
    ----------
    images : ImageLoader or None
        None: the samples show nothing.
    texts : (n,) object or None
        What they say; None: they are no texts.
    ids : (n,) str or None
        None: they have no names.

    Raises
    ------
    InvalidData
        What they show is not what training samples were, or there are none.
    """

    def __init__(self, inputs: Inputs | None, x: Any) -> None:
        self._samples = samples = Samples.of(x)
        if not len(samples):
            raise InvalidData("found no samples: hand over at least one.")
        shown = samples.images
        self.images = None if inputs is None or shown is None else ImageLoader(inputs, shown)
        self.texts = samples.texts
        self.ids = samples.ids

    @classmethod
    def of_training(
        cls, x: Any, value_range: tuple[float, float] | None = None, features: Sequence[str] = ()
    ) -> Self:
        """Return training samples, which say how they become images; `Inputs.fit` has the rest."""
        samples = Samples.of(x)
        if samples.images is not None:
            return cls(Inputs.fit(samples.images, value_range, features), samples)
        if value_range is not None:
            there = "ids alone" if samples.texts is None else "texts"
            raise InvalidOption(f"value_range is for images, and there are {there}: leave it out.")
        return cls(None, samples)

    @property
    def inputs(self) -> Inputs | None:
        """How they become images; None: they show nothing."""
        return None if self.images is None else self.images.inputs

    @property
    def shows(self) -> bool:
        """Whether there is anything to look at: images, rows of features or texts."""
        return self.images is not None or self.texts is not None

    def seen(self, indices: Sequence[int] | NDArray[np.integer]) -> Any:
        """Return what a model without a box looks at: texts, rows of features, or images."""
        if self.texts is not None:
            return self.texts[np.asarray(indices, dtype=np.intp)]
        if self.images is None:
            raise InvalidData("the samples are known by their ids alone: they show nothing.")
        return self.images.samples(indices)

    def __len__(self) -> int:
        return len(self._samples)

    def but_first(self, n: int) -> Self:
        """Return the samples without the first ``n``, of which some are left."""
        return type(self)(self.inputs, self._samples[n:]) if n else self

    def check(self) -> None:
        """Look at every image once, if there are some; raises as `ImageLoader.check` does."""
        if self.images is not None:
            self.images.check()

    def digest(self) -> bytes:
        """Return a SHA-256 that changes with any image or id; of images alone, that of them."""
        shown = b"" if self.images is None else self.images.digest()
        if self.texts is not None:
            shown = _digest_of(self.texts, hashlib.sha256(b"texts"))
        if self.ids is None:
            return shown
        return _digest_of(self.ids, hashlib.sha256(shown))


def _digest_of(words: NDArray[Any], digest: "hashlib._Hash") -> bytes:
    for one in words.tolist():
        digest.update(hashlib.sha256(encoded(one)).digest())
    return digest.digest()
