"""Google Vertex AI: an AutoML image classification model at an endpoint of one's own.

``vertex:PROJECT/LOCATION/ENDPOINT`` with the names of the classes in ``classes=a,b,c`` or
``labels=FILE``. Where the token comes from, and how it is had anew: `rebox.box.google`. The
endpoint is paid for by the hour, asked or not: ``usd_per_hour=`` names what all its nodes cost
together. ``top_k=5`` asks for the best 5 alone.
"""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from rebox.box.google import COMMAND, GoogleKey
from rebox.box.service import (
    LOOPBACK,
    Failure,
    HeaderKey,
    Key,
    NoKey,
    Price,
    Refusal,
    Reply,
    Request,
    ServiceOptions,
    Terms,
    place_of,
    png_base64,
    unreadable,
)
from rebox.box.service.fault import check_size
from rebox.box.service.labels import BestService, Pairs
from rebox.box.service.message import ONCE_MORE, wait_s
from rebox.box.spec import Images
from rebox.errors import InvalidOption, KeyRefused, QuotaSpent

TARGET = re.compile(
    r"(?P<project>[\w.:-]+)/(?P<location>[a-z0-9-]+)/(?P<endpoint>[\w-]+)", re.ASCII
)
LARGEST = 1_500_000  # bytes of a request
SIZE = (224, 224)
SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")  # as protobuf writes a duration
DAILY = re.compile(r"per ?day|daily", re.IGNORECASE)  # what does not come back within the minute
UNPAID = ("BILLING_DISABLED", "BILLING_NOT_ENABLED")

PRICE = Price(
    usd=1.375,
    source="Google's price list: AutoML image classification, deployment and online prediction, "
    "for each node, https://cloud.google.com/vertex-ai/pricing",
    as_of="2022 or later",
    per="hour",
)
KEY = GoogleKey(
    service="vertex",
    variables=("GOOGLE_OAUTH_ACCESS_TOKEN", "CLOUDSDK_AUTH_ACCESS_TOKEN"),
    hosts=("-aiplatform.googleapis.com", ".prediction.vertexai.goog"),
)


class VertexBox(BestService):
    """An AutoML image classification model: such an endpoint takes one image in a request."""

    most = 10_000

    def request(self, images: Images) -> Request:
        """Return a request about the only image that asks for all classes: 10 are usual."""
        body = {
            "instances": [{"content": png_base64(images[0])}],
            "parameters": {"confidenceThreshold": 0.0, "maxPredictions": self.wanted},
        }
        request = Request.of_json(self.url, body)
        check_size(len(request.content), LARGEST, "PNG in base64", "Vertex")
        return request

    def refusal(self, reply: Reply) -> Failure | None:
        """Return what the error of Google's says beyond its status."""
        if reply.status == 401:
            return self._expired(reply)
        if reply.status not in (403, 429):
            return None
        details = _details(reply)
        if any(one.get("reason") in UNPAID for one in details):
            words = f"the project has to be paid for first ({reply.said})"
            return Failure(words, charged=False, error=QuotaSpent)
        if reply.status == 403:
            return None
        if DAILY.search(f"{reply.said} {details}"):
            words = f"Google says that a quota is spent ({reply.said})"
            return Failure(words, charged=False, error=QuotaSpent)
        after_s = next(filter(None, map(_delay, details)), reply.retry_after_s)
        words = f"Google is asked too often ({reply.said})"
        return Failure(words, retry=True, charged=False, after_s=after_s)

    def _expired(self, reply: Reply) -> Failure:
        """Return what to do about a token that is refused: get another one, once."""
        words = f"the service answered 401 ({reply.said}): the token is wrong or expired"
        if isinstance(self.key, GoogleKey) and self.key.renewable:
            self.key.store.forget(reply.secret)
            return Failure(words, retry=True, charged=False, attempts=ONCE_MORE, error=KeyRefused)
        words = f"{words}, as all are within the hour: {COMMAND} may name what prints a new one"
        return Failure(words, charged=False, error=KeyRefused)

    def named(self, reply: Reply, n: int) -> Sequence[Pairs | Failure]:
        """Return the names with their confidences, which come in two lists."""
        answer = reply.json()
        predictions = answer.get("predictions") if isinstance(answer, dict) else None
        if not isinstance(predictions, list) or not (len(predictions) == n == 1):
            raise Refusal(unreadable("the service answered without one prediction for the image"))
        return [_pairs(predictions[0])]


def _pairs(prediction: Any) -> Pairs | Failure:
    lists = prediction if isinstance(prediction, dict) else {}
    names, scores = lists.get("displayNames"), lists.get("confidences")
    if not (isinstance(names, list) and isinstance(scores, list)):
        return unreadable("the service answered without displayNames and confidences")
    if len(names) != len(scores):
        return unreadable(f"the service answered {len(names)} names with {len(scores)} confidences")
    return list(zip(names, scores, strict=True))


def _details(reply: Reply) -> list[dict[str, Any]]:
    """Return the details of an error of Google's: objects of several kinds."""
    try:
        answer = reply.json()
    except Refusal:
        return []
    error = answer.get("error") if isinstance(answer, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    return [one for one in details if isinstance(one, dict)] if isinstance(details, list) else []


def _delay(detail: dict[str, Any]) -> float | None:
    """Return how long a detail says to wait; None: it does not."""
    match = SECONDS.fullmatch(str(detail.get("retryDelay", "")))
    return wait_s(float(match[1])) if match else None


def open_vertex(
    target: str,
    *,
    base_url: str | None = None,
    top_k: int | None = None,
    multilabel: bool = False,
    service: ServiceOptions,
    terms: Terms,
) -> VertexBox:
    """Open ``vertex:PROJECT/LOCATION/ENDPOINT``.

    Parameters
    ----------
    target : str
        The project's name, the region and the number of the endpoint.
    base_url : str or None
        Where it is served; None: in its region. A token goes nowhere but to Google, unless
        ``key_env`` names the variable that holds one.
    top_k : int or None
        Classes in an answer; None: all.
    multilabel : bool
        Whether an image may have several labels, so that scores do not add up to 1.
    """
    parts = TARGET.fullmatch(target)
    if parts is None:
        raise InvalidOption(f"expected vertex:PROJECT/LOCATION/ENDPOINT, found {target!r}.")
    url = base_url or f"https://{parts['location']}-aiplatform.googleapis.com"
    spec = service.spec(
        scheme="vertex",
        target=target,
        host=place_of(url),
        classes=service.names(),
        size=SIZE,
        sums_to_one=not multilabel,
        top_k=top_k,
    )
    path = "projects/{project}/locations/{location}/endpoints/{endpoint}".format(
        **parts.groupdict()
    )
    return VertexBox(
        spec=spec,
        url=f"{url.rstrip('/')}/v1/{path}:predict",
        top_k=top_k,
        terms=terms,
        key=_key(service, url),
        verify=service.ca,
    )


def _key(service: ServiceOptions, url: str) -> Key:
    """Return the token for Google itself; others get the key that the URI names, or none."""
    if service.key_env is not None:
        return HeaderKey(service=KEY.service, variables=(service.key_env,))
    host = urlsplit(url).hostname or ""
    return KEY if KEY.is_at(host) or host in LOOPBACK else NoKey()
