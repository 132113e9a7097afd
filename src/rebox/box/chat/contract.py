"""What chat models have in common: a question about a sample, and what is read of what is said.

A protocol is a class with a few methods: ``bodies`` writes a question as its JSON, ``said`` finds
in a reply what the model has said, ``tokens`` how many that took.
"""

import abc
import copy
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray

from rebox.box.batch import BATCH_SHARE
from rebox.box.chat import reading
from rebox.box.chat.dialect import FieldRefused
from rebox.box.chat.question import Chat, Opens
from rebox.box.chat.redaction import Redaction
from rebox.box.chat.refusing import fault_of
from rebox.box.chat.said import Said, why_none
from rebox.box.chat.silence import Silence
from rebox.box.chat.usage import TokenService
from rebox.box.chat.wording import TEXT
from rebox.box.contract import BlackBox, Finder
from rebox.box.reservation import Beside, Reserve, Row, Used
from rebox.box.service import Answer, Failure, Refusal, Reply, Request, is_here, unreadable
from rebox.box.spec import REDACTED, Kind, Queries
from rebox.errors import InvalidOption
from rebox.option import with_options
from rebox.sample.texts import text_array

LOG = logging.getLogger(__name__)


class ChatService(TokenService):
    """A chat model behind HTTP.

    Parameters
    ----------
    chat : Chat
        What it is asked.
    opening : Opens
        What it was made of.
    **settings
        As for every `Service`.

    Attributes
    ----------
    fields : tuple of str
        Of a request, those that a server may refuse and is asked without then.
    tells_logprobs : bool
        Whether the protocol has log-probabilities.
    """

    fields: ClassVar[tuple[str, ...]] = ()
    tells_logprobs: ClassVar[bool] = False

    def __init__(self, *, chat: Chat, opening: Opens, **settings: Any) -> None:
        super().__init__(chat=chat, **settings)
        self.opening, self._silence = opening, Silence()
        self._known: BlackBox | None = None  # found out by whoever asked it as it is

    @abc.abstractmethod
    def bodies(self, queries: Any) -> dict[str, Any]:
        """Return a question about ``queries`` (n, height, width, channels) or (n,) texts."""

    @abc.abstractmethod
    def said(self, body: Mapping[str, Any]) -> Said:
        """Return what the model has said, by the ``body`` of a reply.

        Raises
        ------
        Refusal
            It is no reply of this protocol.
        """

    def as_sent(self, queries: Queries) -> Queries:
        """Return texts (n,) as they leave, by which a journal knows its questions again."""
        if self.redact is None:
            return queries
        return text_array(self.redact.each(cast("Sequence[str]", queries)))

    def batched(self) -> BlackBox:
        """Return the model whose questions leave in batches, at their price."""
        again = super().batched()
        if again is not self and isinstance(again, ChatService) and self.chat.price is not None:
            again.chat = replace(self.chat, price=self.chat.price.times(BATCH_SHARE))
        return again

    def request(self, images: Any) -> Request:
        """Return the request about pictures or texts."""
        return Request.of_json(self.url, self.bodies(images))

    def read(self, reply: Reply, n: int) -> Sequence[Answer]:
        """Return the rows, and why those are missing that are."""
        return self._answers(reply.json(), n)

    def _answers(self, body: Any, n: int) -> list[Answer]:
        if not isinstance(body, Mapping):
            raise Refusal(unreadable("the service answered without an object"))
        said = self.said(body)
        rows = [None] * n if said.refused else self._rows(said, n)
        return [self._answer(row, said) for row in rows]

    def _answer(self, row: Row | None, said: Said) -> Answer:
        if row is not None:
            self._silence.end()
            return row
        return self._nothing(why_none(said))

    def _nothing(self, words: str, *, charged: bool = True) -> Failure:
        """Return the fault of a question that the model did not answer: zeros stand for it."""
        if self._silence.lasts():
            advice = "look at what it says, and open it with another prompt=, read= or max_tokens="
            return unreadable(f"the model has answered nothing so far: {words}; {advice}")
        attempts = min(self.chat.retries + 1, self.terms.attempts)
        zeros = np.zeros(len(self.spec.classes), dtype=np.float32)
        retry = attempts > 1 and charged
        return Failure(words, retry=retry, charged=charged, attempts=attempts, instead=zeros)

    def _rows(self, said: Said, n: int) -> Sequence[Row | None]:
        wording = self.chat.wording
        if wording.read == "logprobs":
            return [self._probabilities(said)]
        if wording.per_call == 1 and wording.read == "scores":
            return [reading.scores_of(reading.as_json(said.text), wording)]
        if wording.per_call == 1:
            return [reading.label_in(said.text, wording)]
        of = reading.scores_of if wording.read == "scores" else reading.label_of
        return [of(one, wording) for one in reading.each_in(said.text, n)]

    def _probabilities(self, said: Said) -> Row | None:
        if said.top is None:
            words = "the service answered without log-probabilities: open it with read=label"
            raise Refusal(unreadable(words))
        return reading.probabilities_in(said, self.chat.wording, self.chat.limit)

    def _exchanged(self, images: Any) -> tuple[Sequence[Answer], Used | None]:
        """Ask again at once where a field was refused, without it: that is no query."""
        for _ in (*self.fields, *self.older):
            try:
                return self._noted(images)
            except FieldRefused as refusal:
                LOG.info("%s: asked without %s from now on", refusal, refusal.name)
                self.dialect.learn(refusal.name)
        return self._noted(images)

    def _noted(self, images: Any) -> tuple[Sequence[Answer], Used | None]:
        """Ask, and learn whether texts are more tokens here than they have bytes."""
        answers, used = super()._exchanged(images)
        if used is not None and self.spec.takes == "texts":
            self._seen.note_texts(used, self._bytes_of(images))
        return answers, used

    def refusal(self, reply: Reply) -> Failure | None:
        """Return what an error means beyond its status."""
        sent = [name for name in self.fields if self._sends(name)]
        for name, other in self.older.items():
            if name not in self.dialect and self.dialect.named(name, self.older) == other:
                sent.append(other)  # it was this side's idea, and can be taken back
        return fault_of(reply, sent, self._nothing) or self._later(reply)

    def _sends(self, name: str) -> bool:
        """Return whether a field can be left out, or named otherwise."""
        return name not in self.dialect

    def _later(self, reply: Reply) -> Failure | None:
        """Return how long to wait where the service says so in its own way; None: by HTTP."""
        if reply.status == 529:
            words = f"the service is overloaded ({reply.said})"
            return Failure(words, retry=True, charged=False, after_s=reply.retry_after_s)
        return None

    def otherwise(self, **changes: Any) -> Self:
        """Return the box with other options, which learns with this one what a server refuses."""
        box = self.opening.otherwise(**changes).box()
        box.transport, box.dialect = self.transport, self.dialect
        box.join(self)
        if self.redact is not None:
            box = box.redacting(self.redact.function)
        if box.spec.takes == self.spec.takes:  # a picture is as many tokens, whatever is asked
            box._seen = self._seen
        box.uri = None if self.uri is None else with_options(self.uri, **changes)
        return cast("Self", box if self._live is None else box.batched())

    def taking(self, kind: Kind) -> Self:
        """Return the box that is shown samples of a ``kind``; itself for ids: it takes none."""
        if kind in ("ids", self.spec.takes):
            return self
        return self.otherwise(takes=kind)

    def expecting(self, texts: Any) -> Self:
        """Return the box as it is priced for texts (n,) like these, unless it was told."""
        tokens = self.opening.tokens_for(texts)
        return self if tokens is None else self.otherwise(tokens_in=tokens)

    @property
    def usd_if_it_thinks(self) -> float | None:
        """What a query costs at most if the model turns out to think first; None: as known."""
        tokens, price = self.opening.tokens_if_it_thinks, self.chat.price
        if tokens is None or price is None:
            return None
        return price.usd(self.opening.expected(self.chat.wording)[0], tokens) or None

    @property
    def prompt(self) -> str:
        """The words that stand around a sample in a question."""
        return self.chat.wording.said([TEXT] if self.spec.takes == "texts" else [])

    @property
    def assumptions(self) -> list[str]:
        """What the price of a query goes by, in sentences."""
        said = []
        if self.finder is not None:
            said.append(
                "how answers are read is found out by a question of its own first; until then a "
                "label is assumed."
            )
        if self.chat.price is not None and not is_here(self.url):
            tokens = self.opening.expected(self.chat.wording)
            said.append(self.chat.price.words(*tokens))
        return said

    @property
    def remarks(self) -> list[str]:
        """What is worth knowing once it has been asked, in sentences."""
        read = self.chat.wording.read
        said = [f"answers are read by {read} (read={read})."]
        if read == "scores":
            said.append("scores are as the model says them: they are not calibrated.")
        if refused := self.dialect.refused:
            fewer = ", or for fewer" if "top_logprobs" in refused else ""
            said.append(f"the server refuses {', '.join(refused)}, and is asked without{fewer}.")
        return said

    @property
    def leaves(self) -> str:
        """What of a sample is sent, in words."""
        sent = super().leaves if self.redact is None else f"its text, as {self.redact} leaves it"
        return f"{sent}; beside it, the names of the classes"

    def redacting(self, redact: Callable[[str], str]) -> Self:
        """Return the box that is sent texts as ``redact`` leaves them, as without names.

        It has no URI, since none could say what is left out: a model that is fitted for it is
        loaded with such a box, and refuses one that would be sent its texts as they are.

        Parameters
        ----------
        redact : callable
            Takes a text and returns another; it is called for every text of a send. What it leaves
            of a text is part of what the box is known by: another function makes another box.

        Raises
        ------
        InvalidOption
            The box takes no texts, or it is no function.
        """
        if self.spec.takes != "texts":
            raise InvalidOption("redacting is for texts: open the box with takes=texts.")
        box = copy.copy(self)
        box.join(self)
        box.redact, box.uri = Redaction(redact), None
        box.spec = replace(self.spec, identity=f"{self.spec.identity}{REDACTED}{box.redact.mark}")
        return box

    @property
    def connection(self) -> tuple[Any, ...]:
        """What is the same for all boxes that share a connection, whatever they ask."""
        return (type(self), self.url, self.chat.model, self.terms, self.key, self.verify)

    def share(self, others: Iterable[BlackBox]) -> None:
        """Share the connection of one of the ``others`` that asks the same model."""
        for other in others:
            if isinstance(other, ChatService) and other.connection == self.connection:
                self.join(other)
                self.dialect = other.dialect
                return

    @property
    def finder(self) -> Finder | None:
        """Who finds out how answers are read; None: that is known."""
        return self.opening.finder(self)

    def known_as(self, identity: str) -> "BlackBox":
        """Return the box that has an ``identity``, whatever it takes and however it is read."""
        for changes in self.opening.variants():
            try:
                box = self.otherwise(**changes)
            except InvalidOption:  # a prompt for texts says nothing of pictures
                continue
            if box.spec.identity == identity:
                return box
        return self

    def _send(self, images: Any, reserve: Reserve) -> NDArray[np.float32]:
        finder = self.finder
        if finder is None:
            return super()._send(images, reserve)
        if self._known is None:  # whoever asks it as it is pays for the question beside their own
            self._known = finder.found(finder.ask(finder.question, Beside(reserve))[0])
        return self._known.ask(images, reserve)

    @classmethod
    def check(cls, options: Any) -> None:
        """Raise `InvalidOption` where this protocol has no such options."""
