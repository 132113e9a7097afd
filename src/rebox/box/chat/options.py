"""The options of every chat box's URI, and what becomes of them."""

import hashlib
import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from rebox.box.chat.contract import ChatService
from rebox.box.chat.finding import WAYS, ReadFinder, pinned
from rebox.box.chat.picture import USUAL, PictureForm
from rebox.box.chat.prices import token_price
from rebox.box.chat.question import Chat
from rebox.box.chat.schema import most_tokens, schema_of
from rebox.box.chat.tokens import TokenPrice, tokens_of
from rebox.box.chat.wording import TEXT, Wording, read_prompt
from rebox.box.service import HeaderKey, Key, NoKey, ServiceOptions, Terms, is_here, place_of
from rebox.box.spec import BoxSpec
from rebox.errors import InvalidOption

SIZE = (512, 512)
USUAL_TEXT = 200  # tokens of a text, where nobody tells
PIXELS_EACH = 750  # of a token, as Anthropic has it; others are near it


@dataclass(frozen=True, kw_only=True)
class ChatOptions:
    """The options of a chat box, besides those of every service.

    Parameters
    ----------
    read : {"auto", "logprobs", "label", "enum", "scores"}
        What is read of an answer. ``logprobs``: how probable each letter is; ``label``: a letter;
        ``enum``: a name, by a JSON schema; ``scores``: a number for each class, by a schema, as
        the model says them: they are not calibrated. ``auto``: found out by one question, which
        counts, before a fit's own.
    takes : {"images", "texts"} or None
        What samples are; None: texts where the prompt has a place for one, else images, until a
        model is fitted, which finds it out by what is handed over.
    prompt : Path or None
        A file with the question's words (`rebox.box.chat.wording`); None: the usual ones.
    order : int
        Which order of the options: 0 as they are, others drawn by this number.
    per_call : int
        Most samples in one question.
    retries : int
        How often a question is asked again that the model did not answer; each is billed.
    max_tokens : int or None
        Most tokens in an answer, with those of thinking; None: as many as an answer needs.
    temperature : float
    seed : int
    reasoning_effort : str or None
        As ``none`` or ``low``, for models that think first.
    picture : PictureForm
    usd_per_m_in, usd_per_m_out : float or None
        US dollars for a million tokens read and written; None: as the table has it.
    tokens_in, tokens_out : int or None
        Tokens that a question is expected to take, for estimates; None: by a rule of thumb.
    """

    read: Literal["auto", "logprobs", "label", "enum", "scores"] = "auto"
    takes: Literal["images", "texts"] | None = None
    prompt: Path | None = None
    order: int = 0
    per_call: int = 1
    retries: int = 0
    max_tokens: int | None = None
    temperature: float = 0.0
    seed: int = 0
    reasoning_effort: str | None = None
    picture: PictureForm = USUAL
    usd_per_m_in: float | None = None
    usd_per_m_out: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None

    def __post_init__(self) -> None:
        least = {"order": 0, "per_call": 1, "retries": 0, "max_tokens": 1, "seed": 0}
        for name, low in {**least, "tokens_in": 0, "tokens_out": 0}.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise InvalidOption(f"{name} must be at least {low}, found {value}.")
        if not 0 <= self.temperature <= 2:
            raise InvalidOption(f"temperature must lie in 0 to 2, found {self.temperature:g}.")
        if (self.usd_per_m_in is None) != (self.usd_per_m_out is None):
            raise InvalidOption(
                "usd_per_m_in and usd_per_m_out go together: name both, 0 for what is free."
            )
        if self.read == "logprobs" and self.per_call > 1:
            raise InvalidOption(
                "read=logprobs reads one sample in a question: leave per_call out, or pass "
                "read=label."
            )

    def wording(self, classes: tuple[str, ...]) -> Wording:
        """Return how samples are put to the model."""
        prompt = None if self.prompt is None else read_prompt(self.prompt)
        usual: Literal["images", "texts"] = "texts" if TEXT in (prompt or "") else "images"
        wording = Wording(
            classes=classes,
            kind=self.takes or usual,
            read="label" if self.read == "auto" else self.read,
            prompt=prompt,
            order=self.order,
            per_call=self.per_call,
        )
        if self.read == "logprobs" and not wording.lettered:
            raise InvalidOption(
                f"read=logprobs takes up to 26 classes, one letter each that is none of their "
                f"names, found {len(classes)}: pass read=label."
            )
        return wording

    def price(self, model: str, url: str) -> TokenPrice | None:
        """Return the price of the model's tokens; None: nobody knows it."""
        if self.usd_per_m_in is not None and self.usd_per_m_out is not None:
            return TokenPrice(usd_in=self.usd_per_m_in, usd_out=self.usd_per_m_out)
        return token_price(model, url)


def key_at(url: str, usual: HeaderKey, service: ServiceOptions) -> Key:
    """Return the key: needed at the vendor's, sent elsewhere if there is one, never in the clear.

    A server in one's own network that is asked by plain HTTP gets no key that was not meant for
    it: one that ``key_env`` names is refused there, as it would be read on the way.
    """
    host = urlsplit(url).hostname or ""
    named = service.key(replace(usual, required=usual.is_at(host)))
    plain = urlsplit(url).scheme != "https" and not is_here(url)
    return NoKey() if plain and service.key_env is None else named


@dataclass(frozen=True, kw_only=True)
class Opening:
    """All that a chat box is made of: with another option, it makes another box.

    Attributes
    ----------
    protocol : type of ChatService
    scheme, target, url : str
    options : ChatOptions
    service : ServiceOptions
    terms : Terms
    key : Key
    """

    protocol: type[ChatService]
    scheme: str
    target: str
    url: str
    options: ChatOptions
    service: ServiceOptions
    terms: Terms
    key: Key

    def box(self) -> ChatService:
        """Return the box.

        Raises
        ------
        InvalidOption
            Options do not go together.
        """
        _check(self.service)
        self.protocol.check(self.options)
        chat = self._chat()
        return self.protocol(
            chat=chat,
            opening=self,
            spec=self._spec(chat),
            url=self.url,
            terms=self.terms,
            key=self.key,
            verify=self.service.ca,
        )

    def otherwise(self, **changes: Any) -> "Opening":
        """Return an opening with other options."""
        return replace(self, options=replace(self.options, **changes))

    def finder(self, box: ChatService) -> ReadFinder | None:
        """Return who finds out how the answers of ``box`` are read; None: that is known."""
        return ReadFinder(box) if self.options.read == "auto" else None

    def variants(self) -> list[dict[str, Any]]:
        """Return what makes of it all the boxes that it may turn out to be."""
        ways = [pinned(way) for way in WAYS] if self.options.read == "auto" else [{}]
        kinds = ("images", "texts")
        return [way | {"takes": kind} for kind in kinds for way in ways]

    def _chat(self) -> Chat:
        options = self.options
        wording = options.wording(self.service.names())
        if options.usd_per_m_in is not None and self.service.price_usd is not None:
            raise InvalidOption(
                "price_usd is the price of a query, usd_per_m_in and usd_per_m_out are that of its "
                "tokens: keep one of them."
            )
        priced = self.service.price_usd is None and not self.service.usd_per_hour
        return Chat(
            model=self.target,
            wording=wording,
            limit=options.max_tokens or most_tokens(wording),
            retries=options.retries,
            temperature=options.temperature,
            seed=options.seed,
            effort=options.reasoning_effort,
            picture=options.picture,
            price=options.price(self.target, self.url) if priced else None,
        )

    def _spec(self, chat: Chat) -> BoxSpec:
        options, read = self.options, chat.wording.read
        spec = self.service.spec(
            scheme=self.scheme,
            target=self.target,
            host=place_of(self.url),
            classes=chat.wording.classes,
            size=SIZE,
            batch_size=options.per_call,
            complete=False,
        )
        label = read in ("label", "enum")
        identity = f"{spec.identity}&read={options.read}&asked={_mark(chat)}"
        if chat.wording.kind == "texts":
            size = f"size={spec.height}x{spec.width}"
            identity = identity.replace(size, "takes=texts", 1)
            spec = replace(spec, takes="texts", height=0, width=0, channels=0)
        return replace(
            spec,
            identity=identity,
            labels_only=label,
            complete=False,
            sums_to_one=label or read == "logprobs",
            batch_size=options.per_call,
            price_usd=self._usd(chat, spec.price_usd),
        )

    def _usd(self, chat: Chat, usual: float | None) -> float | None:
        """Return what a sample is expected to cost; None: nobody knows."""
        if chat.price is None:
            return usual
        return chat.price.usd(*self.expected(chat.wording))

    @property
    def tokens_if_it_thinks(self) -> int | None:
        """The most tokens of an answer that is thought about first; None: that is as known."""
        options = self.options
        told = options.max_tokens is not None or options.tokens_out is not None
        return None if told or options.read != "auto" else int(pinned("thought")["max_tokens"])

    def tokens_for(self, texts: Any) -> int | None:
        """Return about how many tokens a question about a text is; None: it was told, or free."""
        chat = self._chat()
        if self.options.tokens_in is not None or chat.price is None or not len(texts):
            return None
        each = sum(map(tokens_of, texts)) / len(texts)
        return math.ceil(self._around(chat.wording) + each)

    def _around(self, wording: Wording) -> int:
        """Return about how many tokens of a question are a sample's share of all but samples."""
        return -(-tokens_of(wording.said()) // self.options.per_call)

    def expected(self, wording: Wording) -> tuple[int, int]:
        """Return how many tokens a sample is expected to be, and its answer."""
        options = self.options
        height, width = self.service.size or SIZE
        sample = 85 if options.picture.detail == "low" else -(-height * width // PIXELS_EACH)
        if wording.kind == "texts":
            sample = USUAL_TEXT
        answer = {"logprobs": 1, "label": 2, "enum": 12, "scores": 8 * len(wording.classes)}
        usual = (self._around(wording) + sample, answer[wording.read])
        told = (options.tokens_in, options.tokens_out)
        return tuple(u if t is None else t for t, u in zip(told, usual, strict=True))  # type: ignore[return-value] # two


def _mark(chat: Chat) -> str:
    """Return what tells a question from others: a digest of all that is sent but the sample."""
    wording, picture = chat.wording, chat.picture
    form = {} if wording.kind == "texts" else vars(picture)
    facts = (chat.limit, chat.temperature, chat.seed, chat.effort, wording.per_call)
    asked = [wording.said(), schema_of(wording), form, *facts]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]


def _check(service: ServiceOptions) -> None:
    """Refuse options that would say what a chat box knows by itself."""
    told = {
        "batch_size": service.batch_size,
        "complete": service.complete,
        "sums_to_one": service.sums_to_one,
        "decimals": service.decimals,
        "others": None if service.others == "refuse" else service.others,
    }
    for name, value in told.items():
        if value is not None:
            raise InvalidOption(f"a chat box has no option {name!r}: leave it out.")
