"""Hugging Face: a model that classifies images or texts, hosted there or at one's own endpoint.

``huggingface:ORG/MODEL`` asks the hosted inference, with the token in ``HF_TOKEN``;
``base_url=...`` an endpoint that serves the same task; ``takes=texts`` a model of texts. Classes
are the labels of the model's configuration, in ``classes=a,b,c`` or ``labels=FILE``. ``top_k=5``
asks for the best 5 alone.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal
from urllib.parse import quote, urlsplit

from rebox.box.contract import BlackBox
from rebox.box.service import (
    LOOPBACK,
    Failure,
    HeaderKey,
    Key,
    NoKey,
    Refusal,
    Reply,
    Request,
    ServiceOptions,
    Terms,
    place_of,
    png_base64,
    unreadable,
)
from rebox.box.service.labels import BestService, Pairs, pairs_in
from rebox.box.service.message import wait_s
from rebox.box.spec import Kind, Queries
from rebox.errors import InvalidOption
from rebox.option import with_options

ROUTER = "https://router.huggingface.co/hf-inference/models"
THEIRS = (".huggingface.co", ".huggingface.cloud")

KEY = HeaderKey(  # anybody can have an endpoint at huggingface.cloud
    service="huggingface", variables=("HF_TOKEN",), hosts=("router.huggingface.co",)
)


class HuggingFaceBox(BestService):
    """A model of image classification, or of text classification.

    Classes are the labels of the model's configuration; one image, or text, in a request.

    Parameters
    ----------
    reopen : callable or None
        Opens the same model as it ``takes`` texts; None: it was said what it takes.
    **settings
        As for every `BestService`.
    """

    most = 100_000  # it is cut to those that there are

    def __init__(self, *, reopen: "partial[HuggingFaceBox] | None" = None, **settings: Any) -> None:
        super().__init__(**settings)
        self._reopen = reopen

    def taking(self, kind: Kind) -> BlackBox:
        """Return the box that is shown samples of a ``kind``, unless its URI says what it takes."""
        if kind != "texts" or self._reopen is None:
            return self
        box = self._reopen(takes=kind)
        box.uri = None if self.uri is None else with_options(self.uri, takes=kind)
        box.transport = self.transport
        return box

    def request(self, images: Queries) -> Request:
        """Return a request about the only one that asks for all classes: 5 are usual."""
        shown = images[0] if self.spec.takes == "texts" else png_base64(images[0])
        body = {"inputs": shown, "parameters": {"top_k": self.wanted}}
        return Request.of_json(self.url, body)

    def refusal(self, reply: Reply) -> Failure | None:
        """Return how long a model takes to load; None: something else is wrong, or nothing."""
        if reply.status != 503:
            return None
        try:
            answer = reply.json()
        except Refusal:
            return None
        after_s = wait_s(answer.get("estimated_time")) if isinstance(answer, dict) else None
        if after_s is None:
            return None
        words = f"the model is being loaded ({reply.said})"
        return Failure(words, retry=True, charged=False, after_s=after_s)

    def named(self, reply: Reply, n: int) -> Sequence[Pairs | Failure]:
        """Return the labels with their scores."""
        labels = reply.json()
        if isinstance(labels, list) and len(labels) == 1 and isinstance(labels[0], list):
            labels = labels[0]  # some endpoints answer a list for each image, and all for each text
        if not isinstance(labels, list) or n != 1:
            raise Refusal(unreadable("the service answered without a list of labels and scores"))
        return [pairs_in(labels, "label", "score")]


def open_huggingface(
    target: str,
    *,
    base_url: str | None = None,
    top_k: int | None = None,
    takes: Literal["images", "texts"] | None = None,
    service: ServiceOptions,
    terms: Terms,
) -> HuggingFaceBox:
    """Open ``huggingface:ORG/MODEL``.

    Its price is not known: ``price_usd`` tells it, 0 where it is free.

    Parameters
    ----------
    target : str
        The model's name at Hugging Face.
    base_url : str or None
        Where it is served; None: by the hosted inference.
    top_k : int or None
        Classes in an answer; None: all.
    takes : {"images", "texts"} or None
        What the model takes; None: images, unless it is given texts.
    """
    if not target:
        raise InvalidOption("expected huggingface:ORG/MODEL, found no model.")
    url = base_url or f"{ROUTER}/{quote(target)}"
    spec = service.spec(
        scheme="huggingface",
        target=target,
        host=place_of(url),
        classes=service.names(),
        size=(224, 224),
        takes=takes or "images",
        top_k=top_k,
    )
    reopen = partial(
        open_huggingface, target, base_url=base_url, top_k=top_k, service=service, terms=terms
    )
    return HuggingFaceBox(
        spec=spec,
        url=url,
        top_k=top_k,
        reopen=reopen if takes is None else None,
        terms=terms,
        key=_key(service, url),
        verify=service.ca,
    )


def _key(service: ServiceOptions, url: str) -> Key:
    """Return the token for Hugging Face itself; others get the key that the URI names, or none."""
    host = urlsplit(url).hostname or ""
    theirs = f".{host}".endswith(THEIRS)
    named = service.key(replace(KEY, required=theirs))
    return named if theirs or named.required or host in LOOPBACK else NoKey()
