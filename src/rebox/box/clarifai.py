"""Clarifai: any concept model, asked by its REST API v2.

``clarifai:moderation-recognition``, ``clarifai:nsfw-recognition``, or any model with
``classes=a,b,c`` or ``labels=FILE``; of another user by ``user=...&app=...``. The key is a personal
access token in ``CLARIFAI_PAT``. Versions are pinned: a model without a version changes when its
owner pleases.
"""

from collections.abc import Sequence
from typing import Any

from rebox.box.service import (
    Failure,
    HeaderKey,
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
from rebox.box.service.labels import NamedService, Pairs
from rebox.box.spec import Images
from rebox.errors import KeyRefused, QuotaSpent, ServiceError

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


KNOWN = {
    "moderation-recognition": (
        "aa8be956dbaa4b7a858826a84253cab9",
        ("safe", "suggestive", "explicit", "drug", "gore"),
    ),
    "nsfw-recognition": ("aa47919c9a8d4d94bfa283121281bcc4", ("nsfw", "sfw")),
}
"""Public models: the version that is pinned, and the concepts by id."""

KEYS = {11001, 11002, 11004, 11008, 11009, 11000}
QUOTAS = {11003, 11006, 11007, 11200, 69000}
AGAIN = {10030, 11005, 21351, 21352, 21354, 40030, 40031, 40032, 41000}
THROTTLED = 11005


class ClarifaiBox(NamedService):
    """A Clarifai model: classes are the ids of its concepts."""

    def request(self, images: Images) -> Request:
        """Return a request with one input for each image."""
        inputs = [{"data": {"image": {"base64": png_base64(image)}}} for image in images]
        config = {"max_concepts": MOST_CONCEPTS}
        info = {"output_info": {"output_config": config}}
        body = {"inputs": inputs, "model": {"model_version": info}}
        return Request.of_json(self.url, body)

    def refusal(self, reply: Reply) -> Failure | None:
        """Return what the status in the body says: HTTP's status is coarser."""
        if not reply.content.lstrip().startswith(b"{"):
            return None
        try:
            answer = reply.json()
        except Refusal:
            return None
        by_http = reply.fault()
        # an image that was not answered in a reply that was counts as billed: nobody says it is not
        charged = by_http is None or by_http.charged
        return _fault_in(_telling(answer), charged=charged, after_s=reply.retry_after_s)

    def named(self, reply: Reply, n: int) -> Sequence[Pairs | Failure]:
        """Return the concepts of each output, or the fault that its own status tells."""
        answer = reply.json()
        outputs = answer.get("outputs") if isinstance(answer, dict) else None
        if not isinstance(outputs, list):
            raise Refusal(unreadable("the service answered without outputs"))
        if len(outputs) > n:
            raise Refusal(unreadable(f"the service answered {len(outputs)} images to {n}"))
        answers = [_concepts(output) for output in outputs]
        # outputs come in the order of the inputs; of those that are not there nothing is known
        lost = Failure(f"the service answered {len(outputs)} of {n} images", retry=True)
        return answers + [lost] * (n - len(answers))


def _concepts(output: Any) -> Pairs | Failure:
    if not isinstance(output, dict):
        return unreadable("the service answered an output that is no object")
    fault = _fault_in(output.get("status"), charged=True)
    if fault is not None:
        return fault
    data = output.get("data") or {}
    concepts = data.get("concepts", []) if isinstance(data, dict) else []
    if not isinstance(concepts, list):
        return []
    # a value of exactly 0 is left out by the service's JSON
    return [(c.get("id"), c.get("value", 0.0)) for c in concepts if isinstance(c, dict)]


def _telling(answer: dict[str, Any]) -> Any:
    """Return the status that says why: where every image failed, that of the first."""
    status, outputs = answer.get("status"), answer.get("outputs")
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
    pinned, concepts = KNOWN.get(target, (None, None))
    version = version or pinned
    classes = service.names(concepts)
    model = f"models/{target}" + (f"/versions/{version}" if version else "")
    return ClarifaiBox(
        spec=service.spec(
            scheme="clarifai",
            target=f"{user}/{app}/{target}/{version or 'latest'}",
            host=place_of(base_url),
            classes=classes,
            size=(224, 224),
            batch_size=BATCH,
            complete=len(classes) <= MOST_CONCEPTS,
            sums_to_one=concepts is not None,
        ),
        url=f"{base_url.rstrip('/')}/v2/users/{user}/apps/{app}/{model}/outputs",
        terms=terms,
        key=service.key(KEY),
        verify=service.ca,
    )
