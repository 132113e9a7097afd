"""Plain features: what a sample shows by itself, before any box is asked.

Nothing here learns: a fit only sees what kind of samples it has. The features come in named blocks,
because a reader standardises and weighs each block apart. Texts have features of their own.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from rebox.errors import InvalidData
from rebox.local.matrix import SMALLEST, is_covariance, is_symmetric, logarithm
from rebox.local.picture import BLOCKS, picture_blocks
from rebox.sample.inputs import is_rows
from rebox.sample.pixels import as_floats, as_picture

KINDS = ("rows", "matrix", "covariance", "picture")
LOOKED_AT = 8  # images that show their kind; more of them would not change it


@dataclass(frozen=True, kw_only=True)
class PlainFeatures:
    """Turns samples of one kind into blocks of features.

    Parameters
    ----------
    kind : {"rows", "matrix", "covariance", "picture"}
        ``rows`` are features already. A ``matrix`` is a symmetric one: it says everything twice,
        and its places mean the same in all samples. A ``covariance`` is such a matrix without
        negative eigenvalues, as correlations are, and is seen by its logarithm. All else is a
        ``picture``, of any size.
    size : int
        Features of a row, or rows of a matrix; 0 for pictures, which may differ in size.
    channels : {1, 3}
        Of pictures: 1 if all are grey.
    """

    kind: str
    size: int = 0
    channels: int = 1

    def __post_init__(self) -> None:
        sizes = self.size == 0 if self.kind == "picture" else self.size > 0
        if self.kind not in KINDS or self.channels not in (1, 3) or not sizes:
            raise InvalidData(
                f"found kind {self.kind!r} of size {self.size} with {self.channels} channels; "
                f"expected one of {', '.join(KINDS)}, 1 or 3 channels, and a size for all but "
                "pictures: describe plain features with describe()."
            )

    @classmethod
    def fit(cls, samples: Any) -> Self:
        """Return the features for samples like these: rows (n, d), or images (h, w[, 1 or 3]).

        Of images, the first 8 are looked at. Raises `InvalidData` where there are no samples, or
        they cannot be used.
        """
        if len(samples) == 0:
            raise InvalidData("found no samples: hand over at least one.")
        if is_rows(samples):
            return cls(kind="rows", size=_rows(samples).shape[1])
        seen = [as_picture(samples[i], f"image {i}") for i in range(min(len(samples), LOOKED_AT))]
        sizes = {image.shape for image in seen}
        if len(sizes) == 1 and all(map(_is_matrix, seen)):
            covariances = all(is_covariance(image[:, :, 0]) for image in seen)
            return cls(kind="covariance" if covariances else "matrix", size=seen[0].shape[0])
        return cls(kind="picture", channels=max(image.shape[2] for image in seen))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the blocks, in the order of `transform`."""
        names = {"rows": ("values",), "matrix": ("triangle",), "covariance": ("logarithm",)}
        return names.get(self.kind, BLOCKS)

    def transform(self, samples: Any) -> tuple[NDArray[np.float32], ...]:
        """Return the features of a small batch of samples, (n, features) for each of `names`.

        They are rows (n, d), or n images (h, w[, 1 or 3]), ``uint8`` or floats in [0, 1]; loop over
        a large batch. Raises `InvalidData` where they are not of the kind that was fitted, or
        cannot be used.
        """
        if is_rows(samples) != (self.kind == "rows"):
            kinds = ("images", "rows of features")
            raise InvalidData(
                f"found {kinds[is_rows(samples)]}; expected {kinds[self.kind == 'rows']}, as in "
                "training."
            )
        if len(samples) == 0:
            raise InvalidData("found no samples: hand over at least one.")
        if self.kind == "rows":
            rows = _rows(samples)
            if rows.shape[1] != self.size:
                raise InvalidData(
                    f"found rows of {rows.shape[1]} features; expected {self.size}, as in training."
                )
            return (rows,)
        images = [as_picture(samples[i], f"image {i}") for i in range(len(samples))]
        # Small products: threads cost more than they bring, and one always adds up alike.
        with threadpool_limits(limits=1, user_api="blas"):
            if self.kind != "picture":
                return (self._triangles(images),)
            blocks = [picture_blocks(image, self.channels) for image in images]
        return tuple(np.stack(block) for block in zip(*blocks, strict=True))

    def describe(self) -> dict[str, Any]:
        """Return what `restore` needs, as JSON can hold it."""
        return asdict(self)

    @classmethod
    def restore(cls, described: dict[str, Any]) -> Self:
        """Return the features that `describe` described, or raise `InvalidData` if it did not."""
        try:
            return cls(**described)
        except TypeError as error:
            raise InvalidData(
                f"found {described!r}; expected kind, size and channels, as describe() gives them."
            ) from error

    def _triangles(self, images: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        expected = (self.size, self.size, 1)
        upper = np.triu_indices(self.size)
        triangles = np.empty((len(images), len(upper[0])), dtype=np.float32)
        for index, image in enumerate(images):
            if image.shape != expected:
                raise InvalidData(
                    f"image {index} has shape {image.shape}; expected {expected}, as the "
                    "symmetric matrices in training."
                )
            matrix = image[:, :, 0]
            if image.dtype == np.uint8:
                matrix = as_floats(matrix)
            triangles[index] = (logarithm(matrix) if self.kind == "covariance" else matrix)[upper]
        return triangles


def _rows(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Return rows in float32, held within its range."""
    if samples.dtype.kind not in "fiub" or samples.shape[1] == 0 or not np.isfinite(samples).all():
        raise InvalidData(
            f"rows of shape {samples.shape} hold {samples.dtype}; expected finite numbers: fill in "
            "or leave out what is missing."
        )
    limit = np.finfo(np.float32).max
    rows: NDArray[np.float32] = np.clip(samples, -limit, limit).astype(np.float32)
    return rows


def _is_matrix(image: NDArray[Any]) -> bool:
    """Return whether an image (h, w, channels) is a matrix: one in 8 bits is a picture."""
    height, width, channels = image.shape
    square = height == width >= SMALLEST and channels == 1
    return square and image.dtype != np.uint8 and is_symmetric(image[:, :, 0])
