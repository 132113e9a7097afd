"""A question: one query about a sample."""

from dataclasses import dataclass, field
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox
from rebox.meter import Account
from rebox.program import Dressing, Template

Basis = Literal["told", "estimated", "paid"]
BASES: dict[Basis, str] = {
    "told": "",
    "estimated": ", by an estimate of its tokens",
    "paid": ", by the tokens that answers took",
}


@dataclass(frozen=True, kw_only=True)
class QueryPrice:
    """What an answer costs, and how that is known.

    Attributes
    ----------
    usd : float or None
        US dollars; None: not known.
    basis : {"told", "estimated", "paid"}
        Whether somebody has stated it, or it is that of tokens: of a rule of thumb for them, or of
        those that answers to the fit have taken.
    tokens : (float, float) or None
        Those, read and written for an answer in the mean; None: it is not by them.
    """

    usd: float | None = 0.0
    basis: Basis = "told"
    tokens: tuple[float, float] | None = None

    @classmethod
    def of(cls, box: BlackBox, account: Account) -> Self:
        """Return the price of ``box``, by what its answers took where ``account`` knows that."""
        usd, source = box.spec.price_usd, box.source
        if not usd or source.usd_by_tokens(0, 0) is None:
            return cls(usd=usd)
        tokens = account.tokens_each(source.spec.identity)
        if tokens is None:
            return cls(usd=usd, basis="estimated")
        return cls(usd=source.usd_by_tokens(*tokens), basis="paid", tokens=tokens)

    @property
    def words(self) -> str:
        """How it is known, in words that stand behind it."""
        return BASES[self.basis]


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
    tokens : (float, float) or None
        As in `QueryPrice`.
    """

    program: Dressing | None
    z: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, dtype=np.float32))
    box: int = 0
    price_usd: float | None = 0.0
    tokens: tuple[float, float] | None = None

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
