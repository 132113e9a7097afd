"""MLflow's scoring server: ``/invocations`` of a model of a tensor of images, or of texts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.rehearsal.format import (
    STATUS,
    Format,
    Kind,
    Outcome,
    Parsed,
    Refused,
    Scored,
    read_json,
    waiting,
)
from rebox.rehearsal.message import Incoming, Outgoing, json_reply
from rebox.rehearsal.picture import BadPicture, as_pixels, images_of

FREE = ("/ping", "/health")
CODES: Mapping[Kind, str] = {
    "no_key": "UNAUTHENTICATED",
    "key": "UNAUTHENTICATED",
    "expired_key": "UNAUTHENTICATED",
    "rate": "REQUEST_LIMIT_EXCEEDED",
    "quota": "RESOURCE_EXHAUSTED",
    "no_model": "RESOURCE_DOES_NOT_EXIST",
    "not_found": "ENDPOINT_NOT_FOUND",
    "server": "INTERNAL_ERROR",
    "busy": "TEMPORARILY_UNAVAILABLE",
}


class MLflow(Format):
    """``POST /invocations`` with ``inputs`` or ``instances``: one row of scores for each image.

    The images are nested lists of shape (n, height, width, channels) or (n, channels, height,
    width), alone or as the only named input: floats in [0, 1], or whole numbers to 255 where the
    model takes ``uint8``. A column has no name. Texts are a list, alone or as the only column of
    ``dataframe_split``.
    """

    service = "mlflow"
    names_classes = False
    takes = ("images", "texts")

    def asks(self, request: Incoming) -> bool:
        """Return whether it is a POST to ``/invocations``."""
        return request.method == "POST" and request.route == "/invocations"

    def read(self, request: Incoming) -> Parsed:
        """Return the images, or the texts."""
        body = read_json(request)
        if self.served.spec.takes == "texts":
            return Parsed(_texts_in(body))
        given = body.get("inputs", body.get("instances"))
        if given is None:
            raise Refused("request", "expected one of the keys inputs, instances")
        if isinstance(given, dict) and len(given) == 1:
            given = next(iter(given.values()))
        try:
            images = images_of(_tensor(given), self.served.spec, self.served.layout)
            return Parsed([self._pixels(image) for image in images])
        except BadPicture as error:
            raise Refused("request", str(error)) from error

    def write(self, outcomes: Sequence[Outcome], question: Parsed) -> Outgoing:  # noqa: ARG002 - it has no wishes
        """Return ``{"predictions": rows}``."""
        scored = [outcome for outcome in outcomes if isinstance(outcome, Scored)]
        return json_reply({"predictions": [[score for _, score in o.scores] for o in scored]})

    def error(self, kind: Kind, words: str = "", retry_after_s: float | None = None) -> Outgoing:
        """Return ``{"error_code", "message"}``."""
        said = words or f"the request was refused: {kind}"
        value = {"error_code": CODES.get(kind, "BAD_REQUEST"), "message": said}
        return json_reply(value, STATUS.get(kind, 400), **waiting(retry_after_s))

    def free(self, request: Incoming) -> Outgoing:
        """Return that the server is up, or its version."""
        if request.method == "GET" and request.route in FREE:
            return Outgoing(body=b"\n", headers={"Content-Type": "application/json"})
        if request.method == "GET" and request.route == "/version":
            return Outgoing(body=b"3.0.0", headers={"Content-Type": "text/plain"})
        return super().free(request)

    def uri(self, url: str) -> str:
        """Return ``mlflow:URL?classes=...`` with what the server does not tell of the tensor."""
        spec = self.served.spec
        if spec.takes == "texts":
            return self._uri(url, takes="texts")
        size = f"{spec.height}x{spec.width}"
        kind = "UINT8" if spec.pixels == "uint8" else "FP32"
        return self._uri(url, size=size, channels=str(spec.channels), datatype=kind)

    def _pixels(self, image: NDArray[np.generic]) -> NDArray[np.generic]:
        # JSON has no types: a model of uint8 takes the numbers as levels
        spec = self.served.spec
        if spec.pixels == "float32":
            return as_pixels(image, spec)
        levels = image.astype(np.float64)
        if not ((levels == np.rint(levels)).all() and levels.min() >= 0 and levels.max() <= 255):
            raise BadPicture("expected whole numbers from 0 to 255")
        return levels.astype(np.uint8)


def _texts_in(body: dict[str, Any]) -> list[str]:
    frame = body.get("dataframe_split")
    given = body.get("inputs", body.get("instances"))
    if isinstance(frame, dict) and isinstance(rows := frame.get("data"), list):
        given = [row[0] if isinstance(row, list) and len(row) == 1 else row for row in rows]
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise Refused("request", "expected a list of texts as inputs, or one column of them")
    return given


def _tensor(given: Any) -> NDArray[np.generic]:
    try:
        return np.array(given, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise BadPicture("the images are no tensor of numbers") from error
