"""Google Vertex AI's ``:predict`` for AutoML image classification, v1.

Fields are those of the package google-cloud-aiplatform (``ClassificationPredictionResult``); errors
are ``google.rpc.Status`` in JSON.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from rebox.rehearsal.format import (
    Endpoint,
    Format,
    Kind,
    Outcome,
    Parsed,
    Refused,
    dig,
    from_base64,
    only_scored,
    read_json,
    waiting,
)
from rebox.rehearsal.limits import Limits
from rebox.rehearsal.message import Incoming, Outgoing, json_reply

PLACE = ("rehearsal-project", "us-central1")
USUAL_MOST = 10  # classes in an answer unless a request asks for more
AUTHENTICATION = (
    "Expected OAuth 2 access token, login cookie or other valid authentication credential. See "
    "https://developers.google.com/identity/sign-in/web/devconsole-project."
)
MISSING = f"Request is missing required authentication credential. {AUTHENTICATION}"
INVALID = f"Request had invalid authentication credentials. {AUTHENTICATION}"
OFTEN = (
    "Quota exceeded for quota metric 'Online prediction requests' and limit 'Online prediction "
    "requests per minute per region' of service 'aiplatform.googleapis.com'."
)
# kind: HTTP status, google.rpc.Code, message
ERRORS: Mapping[Kind, tuple[int, str, str]] = {
    "no_key": (401, "UNAUTHENTICATED", MISSING),
    "key": (401, "UNAUTHENTICATED", INVALID),
    "expired_key": (401, "UNAUTHENTICATED", INVALID),
    "rate": (429, "RESOURCE_EXHAUSTED", OFTEN),
    "quota": (429, "RESOURCE_EXHAUSTED", OFTEN.replace("per minute", "per day")),
    "batch": (400, "INVALID_ARGUMENT", "The number of instances exceeds the limit of 1."),
    "image_size": (400, "INVALID_ARGUMENT", "The image exceeds the limit of 1.5 MB."),
    "request_size": (400, "INVALID_ARGUMENT", "The request size exceeds the limit of 1.5 MB."),
    "request": (400, "INVALID_ARGUMENT", "Invalid instance."),
    "picture": (400, "INVALID_ARGUMENT", "Unable to decode the image."),
    "no_model": (404, "NOT_FOUND", "Endpoint was not found."),
    "not_found": (404, "NOT_FOUND", "Not found."),
    "server": (500, "INTERNAL", "Internal error encountered."),
    "busy": (503, "UNAVAILABLE", "The service is currently unavailable."),
}


class Vertex(Format):
    """``POST /v1/projects/P/locations/L/endpoints/E:predict``."""

    service = "vertex"
    needs_key = True
    limits: ClassVar[Limits] = Limits(batch_size=1, request_bytes=1_500_000, usd_per_hour=1.375)

    def __init__(self, served: Endpoint) -> None:
        super().__init__(served)
        named = self.model.split("/")
        self.place = (*PLACE[: max(0, 3 - len(named))], *named)

    def asks(self, request: Incoming) -> bool:
        """Return whether it is a POST to a ``:predict`` below a project."""
        route = request.route
        return (
            request.method == "POST"
            and route.startswith("/v1/projects/")
            and route.endswith(":predict")
        )

    def read(self, request: Incoming) -> Parsed:
        """Return the pictures, and how many classes are wanted and from which confidence."""
        project, location, endpoint = self.place
        path = f"/v1/projects/{project}/locations/{location}/endpoints/{endpoint}:predict"
        if request.route != path:
            raise Refused("no_model")
        body = read_json(request)
        instances = body.get("instances")
        if not isinstance(instances, list) or not instances:
            raise Refused("request", "instances must be a list of images.")
        wishes = {
            "most": _number(body, "maxPredictions", USUAL_MOST),
            "least": _number(body, "confidenceThreshold", 0.0),
        }
        return Parsed([_picture(one) for one in instances], wishes)

    def write(self, outcomes: Sequence[Outcome], question: Parsed) -> Outgoing:
        """Return names and confidences in two lists, the best first."""
        kept = only_scored(outcomes).ranked()[: int(question.wishes["most"])]
        if least := question.wishes["least"]:
            kept = [(name, score) for name, score in kept if score >= least]
        prediction = {
            "ids": [_number_of(name) for name, _ in kept],
            "displayNames": [name for name, _ in kept],
            "confidences": [score for _, score in kept],
        }
        project, location, endpoint = self.place
        model = _number_of(endpoint)
        return json_reply(
            {
                "predictions": [prediction],
                "deployedModelId": model,
                "model": f"projects/{project}/locations/{location}/models/{model}",
                "modelDisplayName": endpoint,
                "modelVersionId": "1",
            }
        )

    def error(self, kind: Kind, words: str = "", retry_after_s: float | None = None) -> Outgoing:
        """Return ``{"error": {"code", "message", "status"}}``."""
        status, code, message = ERRORS[kind]
        error: dict[str, Any] = {"code": status, "message": words or message, "status": code}
        if kind == "rate" and retry_after_s is not None:
            info = "type.googleapis.com/google.rpc.RetryInfo"
            error["details"] = [{"@type": info, "retryDelay": f"{retry_after_s:.3f}s"}]
        return json_reply({"error": error}, status, **waiting(retry_after_s))

    def uri(self, url: str) -> str:
        """Return ``vertex:PROJECT/LOCATION/ENDPOINT?base_url=...&classes=...``."""
        return self._uri("/".join(self.place), base_url=url)


def _picture(instance: Any) -> bytes:
    content = instance.get("content") if isinstance(instance, dict) else None
    if not isinstance(content, str):
        raise Refused("request", "content must be a picture in base64.")
    return from_base64(content, "content is no base64.")


def _number(body: Mapping[str, Any], name: str, usual: float) -> float:
    value = dig(body, "parameters", name)
    if value is None:
        return usual
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise Refused("request", f"{name} must be a number, 0 or more.")
    return value


def _number_of(name: str) -> str:
    """Return a number of 19 digits, as Google names things."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name).int % 10**19).zfill(19)
