"""Clarifai: any concept model, asked by its REST API v2.

``clarifai:moderation-recognition``, ``clarifai:nsfw-recognition``, or any model with
``classes=a,b,c`` or ``labels=FILE``; of another user by ``user=...&app=...``. The key is a personal
access token in ``CLARIFAI_PAT``. Versions are pinned: a model without a version changes when its
owner pleases.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rebox.box.contract import BoxSpec, Images
from rebox.box.service import (
    Failure,
    HeaderKey,
    Key,
    Price,
    Refusal,
    Reply,
    Request,
    ServiceOptions,
    Terms,
    place_of,
    png_base64,
)
from rebox.box.service.labels import NamedService, Pairs
from rebox.errors import InvalidAnswer, KeyRefused, QuotaSpent, ServiceError

URL = "https://api.clarifai.com"
KEY = HeaderKey(
    service="clarifai",
    variables=("CLARIFAI_PAT",),
    prefix="Key ",
    hosts=("api.clarifai.com",),
)
PRICE = Price(
    usd=0.0012, source="Clarifai's price list, $1.20 per 1000; plans differ", as_of="2018"
)
TERMS = Terms(in_flight=4, per_second=15.0)
BATCH = 128  # images in a request, as documented
MOST_CONCEPTS = 200  # that an answer lists
SUCCESS, MIXED, FAILURE = 10000, 10010, 10020


@dataclass(frozen=True)
class Known:
    """A public model: its pinned version and its concepts, by id."""

    version: str
    concepts: tuple[str, ...]


KNOWN = {
    "moderation-recognition": Known(
        "aa8be956dbaa4b7a858826a84253cab9", ("safe", "suggestive", "explicit", "drug", "gore")
    ),
    "nsfw-recognition": Known("aa47919c9a8d4d94bfa283121281bcc4", ("nsfw", "sfw")),
}

KEYS = {11001, 11002, 11004, 11008, 11009, 11000}
QUOTAS = {11003, 11006, 11007, 11200, 69000}
AGAIN = {10030, 11005, 21351, 21352, 21354, 40030, 40031, 40032, 41000}
THROTTLED = 11005


class ClarifaiBox(NamedService):
    """A Clarifai model.

    Parameters
    ----------
    spec : BoxSpec
        Classes are the ids of the concepts.
    model : str
    version : str or None
    user, app : str
        Whose model it is.
    url : str
        The service's address.
    terms : Terms
    key : Key
    """

    def __init__(
        self,
        *,
        spec: BoxSpec,
        model: str,
        version: str | None,
        user: str = "clarifai",
        app: str = "main",
        url: str = URL,
        terms: Terms,
        key: Key,
    ) -> None:
        self.spec, self.terms, self.key = spec, terms, key
        pinned = f"/versions/{version}" if version else ""
        self._url = f"{url.rstrip('/')}/v2/users/{user}/apps/{app}/models/{model}{pinned}/outputs"

    def request(self, images: Images) -> Request:
        """Return a request with one input for each image."""
        inputs = [{"data": {"image": {"base64": png_base64(image)}}} for image in images]
        config = {"max_concepts": MOST_CONCEPTS}
        info = {"output_info": {"output_config": config}}
        body = {"inputs": inputs, "model": {"model_version": info}}
        return Request(
            url=self._url,
            content=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )

    def refusal(self, reply: Reply) -> Failure | None:
        """Return what the status in the body says: HTTP's status is coarser."""
        if not reply.content.lstrip().startswith(b"{"):
            return None
        try:
            found = reply.json()
        except Refusal:
            return None
        by_http = reply.fault()
        # an image that was not answered in a reply that was counts as billed: nobody says it is not
        charged = by_http is None or by_http.charged
        return _fault_in(_telling(found), charged=charged, after_s=reply.retry_after_s)

    def named(self, reply: Reply, n: int) -> Sequence[Pairs | Failure]:
        """Return the concepts of each output, or the fault that its own status tells."""
        found = reply.json()
        outputs = found.get("outputs") if isinstance(found, dict) else None
        if not isinstance(outputs, list):
            raise Refusal(Failure("the service answered without outputs", error=InvalidAnswer))
        if len(outputs) > n:
            words = f"the service answered {len(outputs)} images to {n}"
            raise Refusal(Failure(words, error=InvalidAnswer))
        answers = [_concepts(output) for output in outputs]
        # outputs come in the order of the inputs; of those that are not there nothing is known
        lost = Failure(f"the service answered {len(outputs)} of {n} images", retry=True)
        return answers + [lost] * (n - len(answers))


def _concepts(output: Any) -> Pairs | Failure:
    if not isinstance(output, dict):
        return Failure("the service answered an output that is no object", error=InvalidAnswer)
    fault = _fault_in(output.get("status"), charged=True)
    if fault is not None:
        return fault
    data = output.get("data") or {}
    concepts = data.get("concepts", []) if isinstance(data, dict) else []
    if not isinstance(concepts, list):
        return []
    # a value of exactly 0 is left out by the service's JSON
    return [(c.get("id"), c.get("value", 0.0)) for c in concepts if isinstance(c, dict)]


def _telling(found: dict[str, Any]) -> Any:
    """Return the status that says why: where every image failed, that of the first."""
    status, outputs = found.get("status"), found.get("outputs")
    failed = isinstance(status, dict) and status.get("code") == FAILURE
    if failed and isinstance(outputs, list) and outputs and isinstance(outputs[0], dict):
        return outputs[0].get("status") or status
    return status


def _fault_in(status: Any, *, charged: bool, after_s: float | None = None) -> Failure | None:
    """Return what a status object says; None for success, mixed success and no status at all."""
    if not isinstance(status, dict) or status.get("code") in (SUCCESS, MIXED, None):
        return None
    code = _number(status["code"])
    said = f"{status.get('description', '')} {status.get('details', '')}".strip()
    words = f"Clarifai says {status['code']}" + (f": {said}" if said else "")
    if code in AGAIN or 98000 <= code < 99000:
        charged = charged and code != THROTTLED
        return Failure(words, retry=True, charged=charged, after_s=after_s)
    error = KeyRefused if code in KEYS else QuotaSpent if code in QUOTAS else ServiceError
    return Failure(words, charged=charged and error is ServiceError, error=error)


def _number(code: Any) -> int:
    if code == "CONN_THROTTLED":
        return THROTTLED
    return code if isinstance(code, int) else -1


def open_clarifai(
    target: str,
    *,
    version: str | None = None,
    user: str = "clarifai",
    app: str = "main",
    base_url: str = URL,
    service: ServiceOptions,
    terms: Terms = TERMS,
) -> ClarifaiBox:
    """Open ``clarifai:MODEL``, whose ``version`` is pinned where the model is a known one."""
    known = KNOWN.get(target)
    version = version or (None if known is None else known.version)
    classes = service.names(None if known is None else known.concepts)
    box = ClarifaiBox(
        spec=service.spec(
            scheme="clarifai",
            target=f"{user}/{app}/{target}/{version or 'latest'}",
            host=place_of(base_url),
            classes=classes,
            size=(224, 224),
            batch_size=BATCH,
            complete=len(classes) <= MOST_CONCEPTS,
            sums_to_one=known is not None,
        ),
        model=target,
        version=version,
        user=user,
        app=app,
        url=base_url,
        terms=terms,
        key=service.key(KEY),
    )
    box.verify = service.ca
    return box
