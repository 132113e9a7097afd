"""A question: one query about a sample."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rebox.program import Dressing, Template


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """One query about a sample: who is asked, how it is dressed, and what that costs.

    Attributes
    ----------
    program : Program, Template or None
        A program is moved over images, a template stands around texts. None: the box is asked by
        the sample's id, as it is.
    z : (dimension,) float32
        Where the program stands.
    box : int
        Which of a model's boxes is asked.
    price_usd : float or None
        US dollars for the answer when the model was fitted; None: not known.
    """

    program: Dressing | None
    z: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, dtype=np.float32))
    box: int = 0
    price_usd: float | None = 0.0

    def __repr__(self) -> str:
        asked = "an id" if self.program is None else f"{self.dimension} numbers of a program"
        if isinstance(self.program, Template):
            asked = f"a text as {self.program.described}"
        return f"<Question to box {self.box}: {asked}>"

    @property
    def dimension(self) -> int:
        """How many numbers its program has."""
        return 0 if self.program is None else self.program.dimension

    @property
    def point(self) -> NDArray[np.float32] | None:
        """Z as it is asked at."""
        return self.z[None, :] if self.dimension else None
