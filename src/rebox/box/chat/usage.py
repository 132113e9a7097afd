"""What a question to a chat model can cost, and what it did, by the tokens that are told."""

import abc
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rebox.box.chat.dialect import Dialect
from rebox.box.chat.question import Chat
from rebox.box.chat.redaction import Redaction
from rebox.box.chat.tokens import AROUND, MILLION, Seen, is_usage, most_of_picture
from rebox.box.reservation import Used
from rebox.box.service import Reply, Scout, Service, place_of


class TokenService(Service):
    """A service that is paid by the token.

    Parameters
    ----------
    chat : Chat
        What it is asked.
    **settings
        As for every `Service`.

    Attributes
    ----------
    older : mapping of str to str
        The names that some fields of a request have at older servers: of one that limits an
        answer, first.
    """

    older: ClassVar[Mapping[str, str]] = {}

    def __init__(self, *, chat: Chat, **settings: Any) -> None:
        super().__init__(**settings)
        self.chat, self.dialect, self._seen = chat, Dialect(), Seen()
        self.redact: Redaction | None = None

    @abc.abstractmethod
    def tokens(self, body: Mapping[str, Any]) -> tuple[int, int] | None:
        """Return how many tokens were read and written; None: the ``body`` does not say."""

    def usd_by_tokens(self, read: float, written: float) -> float | None:
        """Return what so many tokens cost in US dollars; None: nobody has told their price."""
        price = self.chat.price
        return None if price is None else (read * price.usd_in + written * price.usd_out) / MILLION

    def version(self, body: Mapping[str, Any]) -> str:
        """Return which version of the model has answered; empty: it does not say."""
        told = (body.get("model"), body.get("system_fingerprint"))
        return " ".join(one for one in told if isinstance(one, str))

    def words(self, queries: Sequence[str] = ()) -> str:
        """Return the words of a question, about texts as they may be sent."""
        redact = self.redact
        return self.chat.wording.said(list(queries) if redact is None else redact.each(queries))

    @property
    def scout(self) -> Scout:
        """Whether it is known what its questions cost."""
        return self._seen.scout

    def used(self, reply: Reply, n: int) -> Used:
        """Return the tokens that a reply says, and what they cost."""
        self._seen.scout.known = True  # where a server tells nothing, no more will be known
        body = reply.json()
        told = self.tokens(body) if isinstance(body, Mapping) else None
        version = self.version(body) if isinstance(body, Mapping) else ""
        if told is None or not is_usage(told):
            return Used(version=version)
        price = self.chat.price
        nano = None if price is None else price.nano_usd(*told)
        used = Used(tokens_in=told[0], tokens_out=told[1], nano_usd=nano, version=version)
        if self.spec.takes == "images":
            self._seen.note_pictures(used, n, self._words)
        if self._seen.note_answer(used, self.chat.limit):
            self._note_longer(used)
        return used

    def _note_longer(self, used: Used) -> None:
        """Ask for shorter answers by another name, if there is one, and say so once."""
        name, limit = next(iter(self.older), ""), self.chat.limit
        before = self.dialect.named(name, self.older)
        if not self.dialect.disregard(name):
            return
        if self.dialect.named(name, self.older) != before:
            self._seen.doubt()
        words = (
            f"{self.chat.model} at {place_of(self.url)} has written {used.tokens_out:,} tokens "
            f"where it may write {limit:,}: the server does not heed the limit. All that it says "
            "it has used is counted, and more is set aside for a question from now on."
        )
        warnings.warn(words, UserWarning, stacklevel=2)

    def most_tokens_in(self, queries: Sequence[Any]) -> int:
        """Return the most tokens that a question about ``queries`` can be."""
        if self.spec.takes == "texts":
            return self._seen.bound_of_texts(self._bytes_of(queries))
        height, width, _ = self.spec.shape
        each = most_of_picture(height, width, self.chat.picture.detail)
        return self._seen.bound(self._words, len(queries), each)

    def _bytes_of(self, texts: Sequence[str]) -> int:
        """Return the most tokens that a question about texts is by its bytes."""
        return len(self.words(texts).encode()) + AROUND

    @property
    def _words(self) -> int:
        """How many bytes of words stand beside pictures."""
        return len(self.chat.wording.said().encode()) + AROUND

    def most_nano_usd(self, images: Any) -> int | None:
        """Return the most that each sample of a question can cost."""
        price = self.chat.price
        if price is None:
            return None
        nano = price.nano_usd(
            self.most_tokens_in(images), self._seen.bound_of_answer(self.chat.limit)
        )
        return -(-nano // len(images))
