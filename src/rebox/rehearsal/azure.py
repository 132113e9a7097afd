"""Azure Custom Vision's prediction API, v3.0 and v3.1.

Fields and codes are those of the package azure-cognitiveservices-vision-customvision; errors of the
gateway before it have a shape of their own.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from rebox.rehearsal.format import (
    Endpoint,
    Format,
    Kind,
    Outcome,
    Parsed,
    Refused,
    form_part,
    only_scored,
    waiting,
)
from rebox.rehearsal.limits import Limits
from rebox.rehearsal.message import Incoming, Outgoing, json_reply

PATH = re.compile(
    r"/customvision/v3\.[01]/prediction/(?P<project>[^/]+)/classify/iterations/(?P<name>[^/]+)"
    r"/(?P<source>image|url)(/nostore)?",
    re.IGNORECASE,
)
PROJECT = "6f5b1a52-0000-4000-8000-7265626f7830"
DENIED = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a "
    "valid key for an active subscription and use a correct regional API endpoint for your "
    "resource."
)
OFTEN = (
    "Requests to the ClassifyImageWithNoStore Operation under Custom Vision Prediction API have "
    "exceeded rate limit of your current pricing tier. Please retry after {seconds} second."
)
# The gateway's errors, {"error": {"code", "message"}}: kind: HTTP status, message
GATEWAY: Mapping[Kind, tuple[int, str]] = {
    "no_key": (401, DENIED),
    "key": (401, DENIED),
    "expired_key": (401, DENIED),
    "rate": (429, OFTEN),
    "quota": (429, "Out of call volume quota. Quota will be replenished in 01:00:00."),
    "not_found": (404, "Resource not found"),
    "busy": (503, "Service Unavailable"),
}
# The service's own, {"code", "message"}: kind: HTTP status, code, message
OWN: Mapping[Kind, tuple[int, str, str]] = {
    "batch": (400, "BadRequestImageBatch", "Invalid image batch"),
    "image_size": (400, "BadRequestImageSizeBytes", "Invalid image size: 4 MB are allowed"),
    "request_size": (413, "BadRequestImageSizeBytes", "Invalid request size"),
    "request": (400, "BadRequestImageStream", "Invalid image stream"),
    "picture": (400, "BadRequestImageFormat", "Invalid image format"),
    "no_model": (404, "NotFoundIteration", "Invalid publish name"),
    "server": (500, "ErrorPrediction", "The prediction failed"),
}


class Azure(Format):
    """Azure's ``classify/iterations/{published}/image`` and ``image/nostore``.

    The picture is the body, or the part ``imageData`` of a form, as the official client sends it.
    Pictures by URL are not downloaded.
    """

    service = "azure-custom-vision"
    limits: ClassVar[Limits] = Limits(
        requests_per_second=20, batch_size=1, image_bytes=4_000_000, price_usd=0.002
    )
    needs_key = True

    def __init__(self, served: Endpoint) -> None:
        super().__init__(served)
        self.project, _, name = self.model.rpartition("/")
        self.project, self.model = self.project or PROJECT, name

    def key_of(self, request: Incoming) -> str | None:
        """Return the header ``Prediction-Key``."""
        return request.header("Prediction-Key").strip() or None

    def asks(self, request: Incoming) -> bool:
        """Return whether it is a POST to one of the classify calls."""
        return request.method == "POST" and PATH.fullmatch(request.route) is not None

    def read(self, request: Incoming) -> Parsed:
        """Return the picture."""
        match = PATH.fullmatch(request.route)
        if match is None or match["project"].lower() != self.project.lower():
            raise Refused("no_model", "Invalid project id")
        if match["name"] != self.model:
            raise Refused("no_model")
        if match["source"].lower() == "url":
            raise Refused("request", "a rehearsal downloads no pictures: send the picture itself")
        kind = request.header("Content-Type")
        if not kind.lower().startswith("multipart/form-data"):
            return Parsed([request.body])
        return Parsed([form_part(request.body, kind, "imageData")])

    def write(self, outcomes: Sequence[Outcome], question: Parsed) -> Outgoing:  # noqa: ARG002 - it has no wishes
        """Return the predictions, the best first."""
        ranked = only_scored(outcomes).ranked()
        return json_reply(
            {
                "id": str(uuid.uuid4()),
                "project": self.project,
                "iteration": str(uuid.uuid5(uuid.NAMESPACE_OID, self.model)),
                "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
                "predictions": [_prediction(name, score) for name, score in ranked],
            }
        )

    def error(self, kind: Kind, words: str = "", retry_after_s: float | None = None) -> Outgoing:
        """Return an error in the shape of the gateway or of the service."""
        headers = waiting(retry_after_s)
        if kind in GATEWAY:
            status, message = GATEWAY[kind]
            said = (words or message).format(seconds=headers.get("Retry-After", "1"))
            return json_reply({"error": {"code": str(status), "message": said}}, status, **headers)
        status, code, message = OWN[kind]
        return json_reply({"code": code, "message": words or message}, status, **headers)

    def uri(self, url: str) -> str:
        """Return ``azure-custom-vision:PROJECT/PUBLISHED?base_url=...&classes=...``."""
        return self._uri(f"{self.project}/{self.model}", base_url=url)


def _prediction(name: str, score: Any) -> dict[str, Any]:
    tag = str(uuid.uuid5(uuid.NAMESPACE_OID, name))
    return {"probability": score, "tagId": tag, "tagName": name, "tagType": "Regular"}
