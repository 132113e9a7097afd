"""Hugging Face: an image classification model, hosted there or at an endpoint of one's own.

``huggingface:ORG/MODEL`` asks the hosted inference, with the token in ``HF_TOKEN``;
``base_url=...`` an endpoint that serves the same task. Classes are the labels of the model's
configuration, in ``classes=a,b,c`` or ``labels=FILE``. ``top_k=5`` asks for the best 5 alone.
"""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote, urlsplit

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
from rebox.box.spec import Images
from rebox.errors import InvalidOption

ROUTER = "https://router.huggingface.co/hf-inference/models"
THEIRS = (".huggingface.co", ".huggingface.cloud")

KEY = HeaderKey(  # anybody can have an endpoint at huggingface.cloud
    service="huggingface", variables=("HF_TOKEN",), hosts=("router.huggingface.co",)
)


class HuggingFaceBox(BestService):
    """An image classification model.

    Classes are the labels of the model's configuration; one image in a request.
    """

    most = 100_000  # it is cut to those that there are

    def request(self, images: Images) -> Request:
        """Return a request about the only image that asks for all classes: 5 are usual."""
        body = {"inputs": png_base64(images[0]), "parameters": {"top_k": self.wanted}}
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
            labels = labels[0]  # some endpoints answer a list for each image
        if not isinstance(labels, list) or n != 1:
            raise Refusal(unreadable("the service answered without a list of labels and scores"))
        return [pairs_in(labels, "label", "score")]


def open_huggingface(
    target: str,
    *,
    base_url: str | None = None,
    top_k: int | None = None,
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
        top_k=top_k,
    )
    return HuggingFaceBox(
        spec=spec,
        url=url,
        top_k=top_k,
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
