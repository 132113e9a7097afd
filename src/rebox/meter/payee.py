"""A box as whoever pays for its answers sees it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from rebox.box import BlackBox
from rebox.box.spec import Queries
from rebox.money import nano_usd


def _as_it_is(queries: Queries) -> Queries:
    """Return ``queries``: most boxes send what they are asked."""
    return queries


@dataclass(frozen=True)
class Payee:
    """Whom an answer is paid to, and at what price.

    Attributes
    ----------
    box : str
        Identity of the box that is really asked, whatever a box around it hides of its answers.
    price_usd : float or None
        US dollars for a query; None: not known, which is not 0.
    as_sent : callable
        Makes of questions what leaves: those of which that is the same are one question.
    """

    box: str
    price_usd: float | None = 0.0
    as_sent: Callable[[Queries], Queries] = field(default=_as_it_is, compare=False, repr=False)

    @classmethod
    def of(cls, box: BlackBox) -> Self:
        """Return the payee of the questions that ``box`` is asked."""
        return cls(box.source.spec.identity, box.spec.price_usd, box.source.as_sent)

    @property
    def nano_usd_each(self) -> int:
        """The price in 1e-9 US dollars; 0 where it is not known."""
        return nano_usd(self.price_usd or 0.0)
