"""The reader: answers to several questions, and what can be seen without asking, read together.

Blocks of features go in, the answers to one view in each and plain features of the images in
others; experts judge; a pool of their opinions comes out. `rebox.reading.fitting` makes one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from rebox.reading.block import Block
from rebox.reading.expert import Expert
from rebox.reading.pool import pool

Floats = NDArray[np.floating]
Matrix = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reader:
    """Reads features (one array (n, d) for each block) as target-class probabilities.

    Attributes
    ----------
    blocks : tuple of Block
    landmarks : (M, R) float32
        Coordinates of training samples.
    experts : tuple of Expert
    weights : (experts,) float64
        Of the pool.
    prior : (classes,) float64
        Log-probabilities where there is no expert.
    offset : (classes,) float64
        Added to the log-probabilities in the end.
    """

    blocks: tuple[Block, ...]
    landmarks: NDArray[np.float32]
    experts: tuple[Expert, ...]
    weights: NDArray[np.float64]
    prior: NDArray[np.float64]
    offset: NDArray[np.float64]

    def balanced(self) -> Self:
        """Return a reader that reads the classes as if they had been equally frequent."""
        return replace(self, offset=-self.prior)

    def log_probabilities(self, features: Sequence[Floats]) -> Matrix:
        """Return (n, classes) log-probabilities of samples."""
        if self.experts:
            parts = zip(self.blocks, features, strict=True)
            z = np.concatenate([block.exact_coordinates(x) for block, x in parts], axis=1)
            opinions = [expert.logits(z, self.landmarks) for expert in self.experts]
            found = pool(opinions, self.weights)
        else:
            found = np.tile(self.prior, (len(features[0]), 1))
        shifted: Matrix = log_softmax(found + self.offset, axis=1)
        return shifted

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that make it up, for the artefact."""
        found: dict[str, NDArray[Any]] = {
            "landmarks": self.landmarks,
            "weights": self.weights,
            "prior": self.prior,
            "offset": self.offset,
        }
        for number, block in enumerate(self.blocks):
            found |= {f"block.{number}.{name}": array for name, array in block.arrays().items()}
        for number, expert in enumerate(self.experts):
            at = f"expert.{number}."
            found[at + "stretch"] = expert.stretch
            found[at + "weights"] = expert.weights
            found[at + "bias"] = expert.bias
        return found

    def describe(self) -> list[dict[str, Any]]:
        """Return what the arrays do not say of its experts, as JSON can hold it."""
        return [{"name": expert.name, "kernel": expert.kernel} for expert in self.experts]

    @classmethod
    def restore(cls, described: list[dict[str, Any]], arrays: dict[str, NDArray[Any]]) -> Self:
        """Return the reader that `describe` and `arrays` described."""
        count = len({name.split(".")[1] for name in arrays if name.startswith("block.")})
        blocks = tuple(
            Block(**{field.name: arrays[f"block.{i}.{field.name}"] for field in fields(Block)})
            for i in range(count)
        )
        experts = tuple(
            Expert(
                name=one["name"],
                kernel=one["kernel"],
                stretch=arrays[f"expert.{i}.stretch"],
                weights=arrays[f"expert.{i}.weights"],
                bias=arrays[f"expert.{i}.bias"],
            )
            for i, one in enumerate(described)
        )
        rest = (arrays[name] for name in ("weights", "prior", "offset"))
        return cls(blocks, arrays["landmarks"], experts, *rest)


def coordinates(blocks: Sequence[Block], features: Sequence[Floats]) -> NDArray[np.float32]:
    """Return (n, R): the coordinates of all blocks of features side by side."""
    parts = [block.coordinates(x) for block, x in zip(blocks, features, strict=True)]
    if parts:
        return np.concatenate(parts, axis=1)
    return np.empty((0, 0), dtype=np.float32)
