"""The reader: answers to several questions, and what can be seen without asking, read together.

Blocks of features go in, the answers to one view in each and plain features of the images in
others; experts judge; a pool of their opinions comes out. `rebox.reading.fitting` makes one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from rebox.reading.axes import PrincipalAxes
from rebox.reading.contract import Arrays, Floats, Matrix, Reader, Scores
from rebox.reading.expert import Expert
from rebox.reading.features import AnswerBlock, AnswerFeatures
from rebox.reading.pool import pool


@dataclass(frozen=True, eq=False)
class PooledReader(Reader):
    """Reads answers and local features by a pool of experts.

    Attributes
    ----------
    answers : tuple of AnswerBlock
        What is looked at of the answers.
    blocks : tuple of PrincipalAxes
        Of each of those, and of what can be seen without asking.
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

    kind: ClassVar[str] = "pool"
    answers: tuple[AnswerBlock, ...]
    blocks: tuple[PrincipalAxes, ...]
    landmarks: NDArray[np.float32]
    experts: tuple[Expert, ...]
    weights: NDArray[np.float64]
    prior: NDArray[np.float64]
    offset: NDArray[np.float64]

    def balanced(self) -> Self:
        """Return a reader that reads the classes as if they had been equally frequent."""
        return replace(self, offset=-self.prior)

    def probabilities(self, answers: Sequence[Scores], local: Sequence[Floats], n: int) -> Matrix:
        """Return (n, classes) probabilities of samples."""
        return np.exp(self.log_probabilities(answers, local, n))

    def log_probabilities(
        self, answers: Sequence[Scores], local: Sequence[Floats], n: int
    ) -> Matrix:
        """Return (n, classes) log-probabilities of samples."""
        pooled = self._pooled(answers, local) if self.experts else np.tile(self.prior, (n, 1))
        shifted: Matrix = log_softmax(pooled + self.offset, axis=1)
        return shifted

    def _pooled(self, answers: Sequence[Scores], local: Sequence[Floats]) -> Matrix:
        features = [*(block(answers) for block in self.answers), *local]
        parts = zip(self.blocks, features, strict=True)
        z = np.concatenate([block.exact_coordinates(x) for block, x in parts], axis=1)
        return pool([expert.logits(z, self.landmarks) for expert in self.experts], self.weights)

    def arrays(self) -> Arrays:
        """Return the arrays that make it up."""
        arrays: Arrays = {
            "landmarks": self.landmarks,
            "weights": self.weights,
            "prior": self.prior,
            "offset": self.offset,
        }
        for number, looked_at in enumerate(self.answers):
            own = looked_at.features.arrays().items()
            arrays |= {f"answers.{number}.{name}": array for name, array in own}
        for number, block in enumerate(self.blocks):
            arrays |= {f"block.{number}.{name}": array for name, array in block.arrays().items()}
        for number, expert in enumerate(self.experts):
            at = f"expert.{number}."
            arrays[at + "stretch"] = expert.stretch
            arrays[at + "weights"] = expert.weights
            arrays[at + "bias"] = expert.bias
        return arrays

    def describe(self) -> dict[str, Any]:
        """Return what the arrays do not say, in JSON's types."""
        experts = [{"name": expert.name, "kernel": expert.kernel} for expert in self.experts]
        answers = [{"questions": list(x.questions), "counted": x.counted} for x in self.answers]
        return {"answers": answers, "experts": experts}

    @classmethod
    def restore(cls, described: dict[str, Any], arrays: Arrays) -> Self:
        """Return the reader that `describe` and `arrays` described."""
        count = len({name.split(".")[1] for name in arrays if name.startswith("block.")})
        blocks = tuple(
            PrincipalAxes(*(arrays[f"block.{i}.{one.name}"] for one in fields(PrincipalAxes)))
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
            for i, one in enumerate(described["experts"])
        )
        answers = tuple(
            AnswerBlock(
                tuple(one["questions"]),
                AnswerFeatures.from_arrays(
                    {name: arrays[f"answers.{i}.{name}"] for name in ("floor", "features")}
                ),
                one["counted"],
            )
            for i, one in enumerate(described["answers"])
        )
        return cls(
            answers=answers,
            blocks=blocks,
            landmarks=arrays["landmarks"],
            experts=experts,
            weights=arrays["weights"],
            prior=arrays["prior"],
            offset=arrays["offset"],
        )


def coordinates(blocks: Sequence[PrincipalAxes], features: Sequence[Floats]) -> NDArray[np.float32]:
    """Return (n, R): coordinates of training samples by all blocks; none lies outside its axes."""
    if not blocks:
        return np.empty((0, 0), dtype=np.float32)
    parts = [axes.coordinates(x) for axes, x in zip(blocks, features, strict=True)]
    return np.concatenate([np.pad(z, ((0, 0), (0, 1))) for z in parts], axis=1).astype(np.float32)
