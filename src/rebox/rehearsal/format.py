"""What a format is: how one service is asked, how it answers and how it refuses."""

import abc
import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal
from urllib.parse import quote, urlencode

import numpy as np
from numpy.typing import NDArray

from rebox.box import BoxSpec
from rebox.box.spec import Kind as Taken
from rebox.rehearsal.limits import Limits
from rebox.rehearsal.message import Incoming, Outgoing

Kind = Literal[
    "no_key",
    "key",
    "expired_key",
    "rate",
    "quota",
    "batch",
    "image_size",
    "request_size",
    "request",
    "picture",
    "no_model",
    "not_found",
    "server",
    "busy",
    "parameter",
]
"""Why a service refuses."""

STATUS: Mapping[Kind, int] = {
    "no_key": 401,
    "key": 401,
    "expired_key": 401,
    "rate": 429,
    "quota": 429,
    "image_size": 413,
    "request_size": 413,
    "no_model": 404,
    "not_found": 404,
    "server": 500,
    "busy": 503,
}
"""The status of HTTP for a refusal, where a service has none of its own; 400 for all others."""

Item = bytes | NDArray[np.generic] | str
"""What was sent: the file of an image, (height, width, channels) numbers, or a text."""

Saying = Literal["refusal", "prose", "unknown", "nothing", "cut", "filtered"]
"""What a model that answers in words may say instead of an answer."""


class Refused(Exception):
    """The service refuses a request."""

    def __init__(self, kind: Kind, words: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(words or kind)
        self.kind, self.words, self.retry_after_s = kind, words, retry_after_s


@dataclass(frozen=True)
class Scored:
    """The scores of an image by name, in the order of the classes.

    Attributes
    ----------
    as_is : bool
        Whether the service keeps their order, where it would put the best first.
    """

    scores: tuple[tuple[str, Any], ...]
    as_is: bool = False

    def ranked(self) -> list[tuple[str, Any]]:
        """Return them with the best first; what is no number counts as the best."""
        if self.as_is:
            return list(self.scores)
        return sorted(self.scores, key=_rank)


def _rank(scored: tuple[str, Any]) -> float:
    score = scored[1]
    return -score if isinstance(score, int | float) and not math.isnan(score) else -math.inf


@dataclass(frozen=True)
class Failed:
    """An image that could not be answered.

    Attributes
    ----------
    code : int or None
        As the service numbers it; None: its code for pictures that cannot be decoded.
    """

    words: str
    code: int | None = None


@dataclass(frozen=True)
class Utterance:
    """Words that are no answer, from a model that speaks; they are billed as one."""

    kind: Saying


Outcome = Scored | Failed | Utterance


@dataclass(frozen=True)
class Parsed:
    """What a request asks.

    Attributes
    ----------
    items : sequence of Item
    wishes : mapping
        What it asks for besides: how many classes, which encoding.
    """

    items: Sequence[Item] = field(repr=False)
    wishes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """The model behind a format.

    Attributes
    ----------
    spec : BoxSpec
        Of the box that answers.
    classes : tuple of str
        As the service calls them.
    model : str or None
        Its name at the service; None: the format's usual one.
    layout, gzip
        As in `Rehearsal`.
    limits : Limits or None
        None: those that the service documents.
    """

    spec: BoxSpec
    classes: tuple[str, ...]
    model: str | None = None
    layout: Literal["nhwc", "nchw"] = "nhwc"
    gzip: bool = False
    limits: Limits | None = None


def only_scored(outcomes: Sequence[Outcome]) -> Scored:
    """Return the scores of the only image; none, if a fault has lost it."""
    return next((one for one in outcomes if isinstance(one, Scored)), Scored(()))


class Format(abc.ABC):
    """How one service is asked, how it answers and how it refuses.

    Attributes
    ----------
    service : str
        What a box's URI begins with.
    limits : Limits
        As documented.
    needs_key : bool
        Whether it refuses requests without a key; otherwise only a rehearsal that was given one
        looks for it.
    names_classes, names_items : bool
        Whether answers name their classes; whether each image has a status of its own.
    speaks : bool
        Whether it answers in words.
    takes : tuple of Kind
        What can be asked about: images, texts.
    """

    service: ClassVar[str]
    limits: ClassVar[Limits] = Limits()
    needs_key: ClassVar[bool] = False
    names_classes: ClassVar[bool] = True
    names_items: ClassVar[bool] = False
    speaks: ClassVar[bool] = False
    takes: ClassVar[tuple[Taken, ...]] = ("images",)
    usual_model: ClassVar[str] = "rehearsal"

    def __init__(self, served: Endpoint) -> None:
        self.served = served
        self.model = served.model or self.usual_model

    @abc.abstractmethod
    def asks(self, request: Incoming) -> bool:
        """Return whether ``request`` is a question, by its method and path."""

    @abc.abstractmethod
    def read(self, request: Incoming) -> Parsed:
        """Return what ``request`` asks.

        Raises
        ------
        Refused
            It is no proper question.
        """

    @abc.abstractmethod
    def write(self, outcomes: Sequence[Outcome], question: Parsed) -> Outgoing:
        """Return the reply; ``outcomes`` are `Scored` alone where items have no status."""

    @abc.abstractmethod
    def error(self, kind: Kind, words: str = "", retry_after_s: float | None = None) -> Outgoing:
        """Return how the service refuses."""

    def free(self, request: Incoming) -> Outgoing:
        """Return the reply to a request that costs nothing.

        Raises
        ------
        Refused
            There is nothing at its path.
        """
        raise Refused("not_found", f"there is nothing at {request.route}")

    def attend(self, ask: Callable[[Incoming], Outgoing]) -> None:  # noqa: B027 - most answer at once
        """Take what answers a question later, at the price of a batch."""

    def look(self) -> None:  # noqa: B027 - as above
        """Let happen what was due by now."""

    def key_of(self, request: Incoming) -> str | None:
        """Return the key that came with ``request``; None: none did."""
        kind, _, key = request.header("Authorization").partition(" ")
        return key.strip() or None if kind == "Bearer" else None

    @classmethod
    def public_classes(cls, model: str) -> tuple[str, ...]:  # noqa: ARG003 - most have none
        """Return the classes of a public model of the service; nothing for any other."""
        return ()

    def uri(self, url: str) -> str:
        """Return the URI by which `rebox.open_box` opens the service at ``url``."""
        return self._uri(self.model, base_url=url)

    def _uri(self, target: str, *, named: bool = True, **options: str) -> str:
        if named:
            options |= {"classes": ",".join(self.served.classes)}
        return f"{self.service}:{target}?{urlencode(options, safe=':/,', quote_via=quote)}"


def waiting(retry_after_s: float | None) -> dict[str, str]:
    """Return the header that tells when to try again; None: no header."""
    return {} if retry_after_s is None else {"Retry-After": f"{max(1, math.ceil(retry_after_s))}"}


def read_json(request: Incoming) -> dict[str, Any]:
    """Return the object in a request's body.

    Raises
    ------
    Refused
        There is none.
    """
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise Refused("request", "the body is no JSON") from error
    if not isinstance(body, dict):
        raise Refused("request", "the body is no JSON object")
    return body


def from_base64(text: str, otherwise: str) -> bytes:
    """Return what a text in base64 holds.

    Raises
    ------
    Refused
        It is none, in the words of ``otherwise``.
    """
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Refused("request", otherwise) from error


def form_part(body: bytes, content_type: str, name: str) -> bytes:
    """Return the content of a form's part; its bytes are not touched, as e-mail parsers would.

    Raises
    ------
    Refused
        There is none of this name.
    """
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    if boundary is None:
        raise Refused("request", "the form has no boundary")
    for part in body.split(b"--" + boundary[1].encode()):
        head, separator, content = part.partition(b"\r\n\r\n")
        if separator and f'name="{name}"'.encode() in head:
            return content.removesuffix(b"\r\n")
    raise Refused("request", f"the form has no part {name}")


def dig(value: Any, *path: str) -> Any:
    """Return what lies at ``path`` in nested objects; None: nothing does."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
