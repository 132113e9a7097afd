"""What a model is asked, and in which form, whatever the protocol."""

from dataclasses import dataclass

from rebox.box.chat.picture import USUAL, PictureForm
from rebox.box.chat.tokens import TokenPrice
from rebox.box.chat.wording import Wording


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
