"""Plain features of texts: which runs of characters they share with training texts.

Nothing is downloaded, and no language is known: words have no boundaries in many, and where few
texts are labelled, runs of one to four characters tell as much as words do. A text is a row of
counts, hashed to `SPACE` places; what a reader is given are its coordinates on the principal axes
of training texts. Folded to a few thousand places instead, as many as a reader could hold, those of
short Chinese reviews lost a hundredth of accuracy and more to runs that share a place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import hadamard
from scipy.sparse import csr_array, hstack, vstack
from sklearn.feature_extraction.text import HashingVectorizer
from threadpoolctl import threadpool_limits

from rebox.errors import InvalidData

KIND = "texts"
BLOCKS = ("characters",)
SPACE = 2**18  # places for runs of each length
RUNS = {1: 1.0, 2: 1.0, 3: 0.5, 4: 0.25}  # characters of a run, and what it counts beside others
READ = 8_192  # characters of a long text that are looked at, from its beginning and its end each
LANDMARKS = 1500  # most training texts that axes are found from
HELD = 2_000_000  # most counts of all of them: of long texts there are fewer
FEWEST = 100  # landmarks, however long they are
MOST_AXES = 1000
NEGLIGIBLE = 1e-7  # variances that are rounding, as a share of the largest

Counts = Any
"""Rows of counts, sparse (n, places): SciPy's arrays have no types."""


@dataclass(frozen=True, eq=False)
class TextFeatures:
    """Turns texts into their coordinates on the principal axes of training texts.

    Coordinates are turned so that all features vary alike: a reader divides each by its own
    deviation, which would make the faintest axis as loud as the first. What of a text lies outside
    of the axes, as most of a new one does, is one more coordinate: it is no nearer to all training
    texts than they are to each other.

    Attributes
    ----------
    starts : (m + 1,) int64
    places, counts : (c,) int64, float32
        The m training texts that axes were found from, row by row: ``starts`` of each in the other
        two, where it has counts, and which.
    axes : (m, d) float32
        What makes coordinates of a text's products with those.
    outside : (d,) float32
        Which way what lies outside is added.
    """

    starts: NDArray[np.int64]
    places: NDArray[np.int64]
    counts: NDArray[np.float32]
    axes: NDArray[np.float32]
    outside: NDArray[np.float32]

    kind = KIND
    names = BLOCKS

    @classmethod
    def fit(cls, texts: Sequence[str]) -> Self:
        """Return the features for texts like these; raises `InvalidData` where there are none."""
        if len(texts) == 0:
            raise InvalidData("found no samples: hand over at least one.")
        rows = _few_enough(texts[:LANDMARKS])
        # One thread adds up in the same order always.
        with threadpool_limits(limits=1, user_api="blas"):
            products = (rows @ rows.T).toarray().astype(np.float64)
            values, vectors = _largest(products)
            d = 1 << len(values).bit_length()  # more than there are axes
            turn = hadamard(d)[: len(values) + 1] / np.sqrt(d)
            axes = vectors / np.sqrt(values) @ turn[:-1]
        return cls(
            rows.indptr.astype(np.int64),
            rows.indices.astype(np.int64),
            rows.data.astype(np.float32),
            axes.astype(np.float32),
            turn[-1].astype(np.float32),
        )

    def transform(self, texts: Any) -> tuple[NDArray[np.float32], ...]:
        """Return features (n, d) of n texts, for each of ``names``.

        Each is worked out alone, so that it does not change with those beside it. Raises
        `InvalidData` where they are no texts.
        """
        if len(texts) == 0:
            raise InvalidData("found no samples: hand over at least one.")
        if not isinstance(texts[0], str):
            raise InvalidData("found no texts; expected texts, as in training.")
        counts = counts_of(texts)
        products, lengths = counts @ self._landmarks, counts.power(2).sum(axis=1)
        with threadpool_limits(limits=1, user_api="blas"):
            each = zip(products.toarray(), lengths, strict=True)
            return (np.stack([self._features(row, length) for row, length in each]),)

    def _features(self, products: NDArray[np.float32], length: float) -> NDArray[np.float32]:
        inside = products @ self.axes
        beyond = max(length - float((inside.astype(np.float64) ** 2).sum()), 0.0)
        features: NDArray[np.float32] = inside + np.float32(np.sqrt(beyond)) * self.outside
        return features

    @cached_property
    def _landmarks(self) -> Counts:
        """The training texts as columns (places, m)."""
        shape = (len(self.starts) - 1, len(RUNS) * SPACE)
        return csr_array((self.counts, self.places, self.starts), shape=shape).T.tocsr()

    def describe(self) -> dict[str, Any]:
        """Return what JSON can hold of what `restore` needs."""
        return {"kind": self.kind}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that `restore` needs."""
        names = ("starts", "places", "counts", "axes", "outside")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def restore(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Return the features of these `arrays`, or raise `InvalidData` if they are no such."""
        features = cls(**arrays)
        starts, places = features.starts, features.places
        shapes = (
            (starts.ndim, places.ndim, features.axes.ndim, features.outside.ndim) == (1, 1, 2, 1)
            and features.counts.shape == places.shape
            and features.axes.shape == (len(starts) - 1, len(features.outside))
        )
        sound = (
            shapes
            and len(starts) > 1
            and (starts[0], starts[-1]) == (0, len(places))
            and bool((np.diff(starts) >= 0).all())
            and bool(((places >= 0) & (places < len(RUNS) * SPACE)).all())
        )
        if not sound:
            raise InvalidData("found arrays that are no features of texts: fit again.")
        return features


def counts_of(texts: Sequence[str]) -> Counts:
    """Return counts (n, places) of runs of characters, sparse and by their logarithm.

    Runs of each length have a length in common, that of `RUNS`, however long the text is. Of one
    longer than twice `READ`, the middle is not looked at, which bounds time and memory.
    """
    read = [_read(text) for text in texts]
    return csr_array(hstack([_runs(read, n) for n in RUNS], format="csr"))


def _read(text: str) -> str:
    return text if len(text) <= 2 * READ else f"{text[:READ]} {text[-READ:]}"


def _runs(texts: Sequence[str], n: int) -> Counts:
    counts = csr_array(_counter(n).transform(texts), dtype=np.float64)
    counts.data = 1.0 + np.log(counts.data)
    squares = np.maximum(counts.power(2).sum(axis=1), 1.0)
    counts.data *= np.repeat(RUNS[n] / np.sqrt(squares), np.diff(counts.indptr))
    return counts.astype(np.float32)


@cache
def _counter(n: int) -> Any:
    return HashingVectorizer(
        analyzer="char", ngram_range=(n, n), n_features=SPACE, alternate_sign=False, norm=None
    )


def _few_enough(texts: Sequence[str]) -> Counts:
    """Return counts of the first texts, as many as have `HELD`, and of `FEWEST` at least."""
    parts, held = [], 0
    for start in range(0, len(texts), FEWEST):
        parts.append(counts_of(texts[start : start + FEWEST]))
        held += parts[-1].nnz
        if held > HELD:  # of the others none would be kept
            break
    rows = csr_array(vstack(parts, format="csr"))
    enough = int(np.searchsorted(rows.indptr, HELD, side="right")) - 1
    return rows[: max(enough, FEWEST)]


def _largest(products: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the largest eigenvalues (r,) of products (m, m), and vectors (m, r)."""
    values, vectors = np.linalg.eigh(products)
    values, vectors = values[::-1][:MOST_AXES], vectors[:, ::-1][:, :MOST_AXES]
    kept = values > NEGLIGIBLE * max(float(values[0]), 1e-30)
    return values[kept], vectors[:, kept]
