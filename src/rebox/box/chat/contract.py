"""What chat models have in common: a question about a sample, and what is read of what is said.

A protocol is a class with a few methods: ``body`` writes a question as its JSON, ``said`` finds in
a reply what the model has said, ``used`` how many tokens that took.
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
from rebox.box.chat.dialect import Dialect, FieldRefused
from rebox.box.chat.question import Chat, Opens
from rebox.box.chat.redaction import Redaction
from rebox.box.chat.refusing import fault_of
from rebox.box.chat.said import Said, why_none
from rebox.box.chat.silence import Silence
from rebox.box.chat.tokens import AROUND, Seen
from rebox.box.chat.wording import TEXT
from rebox.box.contract import BlackBox, Finder
from rebox.box.registry import with_options
from rebox.box.reservation import Beside, Reserve, Row, Used
from rebox.box.service import Answer, Failure, Refusal, Reply, Request, Service, is_here, unreadable
from rebox.box.spec import Kind, Queries
from rebox.errors import InvalidOption

LOG = logging.getLogger(__name__)

UNBELIEVABLE = 10  # times what can have been used: a usage that is more is no usage
LONGEST_TEXT = 10**7  # tokens that any model takes


class ChatService(Service):
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
    older : mapping of str to str
        The names that some of them have at older servers.
    tells_logprobs : bool
        Whether the protocol has log-probabilities.
    """

    fields: ClassVar[tuple[str, ...]] = ()
    older: ClassVar[Mapping[str, str]] = {}
    tells_logprobs: ClassVar[bool] = False

    def __init__(self, *, chat: Chat, opening: Opens, **settings: Any) -> None:
        super().__init__(**settings)
        self.chat, self.opening = chat, opening
        self.dialect = Dialect()
        self._seen, self._silence = Seen(), Silence()
        self.redact: Redaction | None = None
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

    @abc.abstractmethod
    def tokens(self, body: Mapping[str, Any]) -> tuple[int, int] | None:
        """Return how many tokens were read and written; None: the ``body`` does not say."""

    def version(self, body: Mapping[str, Any]) -> str:
        """Return which version of the model has answered; empty: it does not say."""
        told = (body.get("model"), body.get("system_fingerprint"))
        return " ".join(one for one in told if isinstance(one, str))

    def as_sent(self, queries: Queries) -> Queries:
        """Return texts (n,) as they leave, by which a journal knows its questions again."""
        if self.redact is None:
            return queries
        left = np.empty(len(queries), dtype=object)
        left[:] = self.redact.each(cast("Sequence[str]", queries))
        return left

    def words(self, queries: Sequence[str] = ()) -> str:
        """Return the words of a question, about texts as they may be sent."""
        redact = self.redact
        return self.chat.wording.said(list(queries) if redact is None else redact.each(queries))

    def body(self, query: Any) -> dict[str, Any]:
        """Return the question about one picture (height, width, channels) or text, as JSON."""
        return self.bodies([query] if isinstance(query, str) else query[None])

    def answer_of(self, body: Any) -> Answer:
        """Return the row of scores in the ``body`` of a reply about one sample, or why not."""
        try:
            return self._answers(body, 1)[0]
        except Refusal as refusal:
            return refusal.fault

    def used_of(self, body: Any, queries: int = 1) -> Used:
        """Return what the ``body`` of a reply about so many samples says that it has used."""
        told = self.tokens(body) if isinstance(body, Mapping) else None
        version = self.version(body) if isinstance(body, Mapping) else ""
        if told is None or not self._believable(told, queries):
            return Used(version=version)
        price = self.chat.price
        nano = None if price is None else price.nano_usd(*told)
        used = Used(tokens_in=told[0], tokens_out=told[1], nano_usd=nano, version=version)
        if self.spec.takes == "images":
            self._seen.note(used, queries)
        return used

    def _believable(self, told: tuple[int, int], queries: int) -> bool:
        """Return whether a usage can be: what is absurd is taken for none."""
        texts = self.spec.takes == "texts"  # how long they were is not known here
        most_in = LONGEST_TEXT if texts else self.most_tokens_in([None] * queries)
        return told[0] <= UNBELIEVABLE * most_in and told[1] <= UNBELIEVABLE * self.chat.limit

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

    def used(self, reply: Reply, n: int) -> Used:
        """Return the tokens that a reply says, and what they cost."""
        return self.used_of(reply.json(), n)

    def most_tokens_in(self, queries: Sequence[Any]) -> int:
        """Return the most tokens that a question about ``queries`` can be."""
        n = len(queries)
        if self.spec.takes == "texts":
            words = self.words(queries)
            return len(words.encode()) + AROUND
        return self._seen.bound(len(self.chat.wording.said().encode()) + AROUND, n)

    def most_nano_usd(self, images: Any) -> int | None:
        """Return the most that each sample of a question can cost."""
        price = self.chat.price
        if price is None:
            return None
        nano = price.nano_usd(self.most_tokens_in(images), self.chat.limit)
        return -(-nano // len(images))

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
        for _ in self.fields:
            try:
                return super()._exchanged(images)
            except FieldRefused as refusal:
                LOG.info("%s: asked without %s from now on", refusal, refusal.name)
                self.dialect.learn(refusal.name)
        return super()._exchanged(images)

    def refusal(self, reply: Reply) -> Failure | None:
        """Return what an error means beyond its status."""
        sent = [name for name in self.fields if self._sends(name)]
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
        box.spec = replace(self.spec, identity=f"{self.spec.identity}|redacted={box.redact.mark}")
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
