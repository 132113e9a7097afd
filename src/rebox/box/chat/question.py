"""What a model is asked, and in which form, whatever the protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rebox.box.chat.picture import USUAL, PictureForm
from rebox.box.chat.tokens import TokenPrice
from rebox.box.chat.wording import Wording
from rebox.box.contract import Finder


@dataclass(frozen=True, kw_only=True)
class Chat:
    """What a model is asked, and in which form.

    Attributes
    ----------
    model : str
    wording : Wording
    limit : int
        Most tokens in an answer.
    retries : int
        How often a question is asked again that the model did not answer.
    temperature : float
    seed : int
    effort : str or None
        How much it may think first; None: not said.
    picture : PictureForm
    price : TokenPrice or None
        None: a query has one price, or none that is known.
    """

    model: str
    wording: Wording
    limit: int
    retries: int = 0
    temperature: float = 0.0
    seed: int = 0
    effort: str | None = None
    picture: PictureForm = USUAL
    price: TokenPrice | None = None


class Opens(Protocol):
    """What a chat box was made of, and others can be made of."""

    def finder(self, box: Any) -> Finder | None:
        """Return who finds out how the answers of ``box`` are read; None: that is known."""

    def expected(self, wording: Wording) -> tuple[int, int]:
        """Return how many tokens a sample is expected to be, and its answer."""

    @property
    def tokens_if_it_thinks(self) -> int | None:
        """The most tokens of an answer that is thought about first; None: that is as known."""

    def tokens_for(self, texts: Any) -> int | None:
        """Return about how many tokens a question about a text is; None: it was told, or free."""

    def variants(self) -> Sequence[Mapping[str, Any]]:
        """Return what makes of it all the boxes that it may turn out to be."""

    def otherwise(self, **changes: Any) -> "Opens":
        """Return an opening with other options."""

    def box(self) -> Any:
        """Return the box."""
