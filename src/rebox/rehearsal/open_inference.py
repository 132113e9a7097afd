"""The Open Inference Protocol v2 by HTTP: Triton, KServe, MLServer, OpenVINO Model Server.

JSON and the binary tensor extension, as the protocol's and Triton's pages describe them.
"""

import gzip
import json
import re
from collections.abc import Sequence
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
    dig,
    waiting,
)
from rebox.rehearsal.message import Incoming, Outgoing, json_reply
from rebox.rehearsal.picture import BadPicture, as_pixels, images_of

MODEL = r"/v2/models/(?P<model>[^/]+)(/versions/[^/]+)?"
INFER = re.compile(MODEL + "/infer")
ABOUT = re.compile(MODEL + "(?P<ready>/ready)?")
HEALTH = ("/v2/health/live", "/v2/health/ready")
JSON_LENGTH = "Inference-Header-Content-Length"
DTYPES = {"FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "UINT8": "u1"}
TEXTS = "BYTES"
INPUT, OUTPUT = "input", "scores"


class OpenInference(Format):
    """``POST /v2/models/M/infer`` and what tells of the model and its health.

    One input of shape (n, height, width, channels) or (n, channels, height, width), FP32 in [0, 1]
    or UINT8; one output ``scores`` of shape (n, classes). A column has no name. A model of texts
    takes BYTES of shape (n, 1).
    """

    service = "oip"
    names_classes = False
    takes = ("images", "texts")

    def asks(self, request: Incoming) -> bool:
        """Return whether it is a POST to a model's ``infer``."""
        return request.method == "POST" and INFER.fullmatch(request.route) is not None

    def read(self, request: Incoming) -> Parsed:
        """Return the images of the only input, and how the output is wanted."""
        self._look_for_model(INFER.fullmatch(request.route))
        head, rest = _parts(request)
        inputs = head.get("inputs")
        if not isinstance(inputs, list) or len(inputs) != 1:
            raise Refused("request", f"expected 1 input {INPUT!r}")
        items = self._items(inputs[0], rest)
        binary = bool(dig(head, "parameters", "binary_data_output"))
        for output in head.get("outputs") or []:
            binary = bool((output.get("parameters") or {}).get("binary_data", binary))
        packed = self.served.gzip and "gzip" in request.header("Accept-Encoding")
        return Parsed(items, {"id": head.get("id"), "binary": binary, "packed": packed})

    def _items(self, given: Any, rest: bytes) -> list[Any]:
        """Return the images, or the texts, in the only input."""
        spec = self.served.spec
        if spec.takes == "texts":
            return _texts(given, rest)
        try:
            images = images_of(_tensor(given, rest), spec, self.served.layout)
            return [as_pixels(image, spec) for image in images]
        except BadPicture as error:
            raise Refused("request", str(error)) from error

    def write(self, outcomes: Sequence[Outcome], question: Parsed) -> Outgoing:
        """Return the tensor of scores, as JSON or as bytes behind it."""
        rows = [[score for _, score in o.scores] for o in outcomes if isinstance(o, Scored)]
        about: dict[str, Any] = {"model_name": self.model, "model_version": "1"}
        if question.wishes["id"] is not None:
            about["id"] = question.wishes["id"]
        shape = [len(rows), len(rows[0]) if rows else 0]
        output: dict[str, Any] = {"name": OUTPUT, "datatype": "FP32", "shape": shape}
        numbers = all(not isinstance(score, str) for row in rows for score in row)
        if question.wishes["binary"] and numbers:
            reply = _binary(about, output, np.array(rows, dtype="<f4"))
        else:
            output["data"] = [score for row in rows for score in row]
            reply = json_reply(about | {"outputs": [output]})
        return _packed(reply) if question.wishes["packed"] else reply

    def error(self, kind: Kind, words: str = "", retry_after_s: float | None = None) -> Outgoing:
        """Return ``{"error": words}``."""
        said = words or f"the request was refused: {kind}"
        return json_reply({"error": said}, STATUS.get(kind, 400), **waiting(retry_after_s))

    def free(self, request: Incoming) -> Outgoing:
        """Return the server's or the model's metadata, or that it is ready."""
        if request.method != "GET":
            return super().free(request)
        if request.route in HEALTH:
            return Outgoing()
        if request.route == "/v2":
            extensions = ["binary_tensor_data"]
            return json_reply({"name": "rebox", "version": "2.0.0", "extensions": extensions})
        match = ABOUT.fullmatch(request.route)
        if match is None:
            return super().free(request)
        self._look_for_model(match)
        return Outgoing() if match["ready"] else json_reply(self._metadata())

    def uri(self, url: str) -> str:
        """Return ``oip:URL/MODEL?classes=...``; the rest is told by the metadata."""
        return self._uri(f"{url}/{self.model}")

    def _metadata(self) -> dict[str, Any]:
        spec = self.served.spec
        shape = [spec.height, spec.width, spec.channels]
        if self.served.layout == "nchw":
            shape = [spec.channels, spec.height, spec.width]
        kind = "UINT8" if spec.pixels == "uint8" else "FP32"
        if spec.takes == "texts":
            kind, shape = TEXTS, [1]
        classes = len(self.served.classes)
        return {
            "name": self.model,
            "versions": ["1"],
            "platform": "rebox_rehearsal",
            "inputs": [{"name": INPUT, "datatype": kind, "shape": [-1, *shape]}],
            "outputs": [{"name": OUTPUT, "datatype": "FP32", "shape": [-1, classes]}],
        }

    def _look_for_model(self, match: re.Match[str] | None) -> None:
        if match is None or match["model"] != self.model:
            raise Refused("no_model", "Request for unknown model")


def _parts(request: Incoming) -> tuple[dict[str, Any], bytes]:
    """Return the JSON of a request and the bytes behind it."""
    text = request.header(JSON_LENGTH)
    length = int(text) if text.isascii() and text.isdigit() else len(request.body)
    try:
        head = json.loads(request.body[:length])
    except ValueError as error:
        raise Refused("request", "failed to parse the request JSON buffer") from error
    if not isinstance(head, dict):
        raise Refused("request", "the request's JSON is no object")
    return head, request.body[length:]


def _tensor(given: Any, rest: bytes) -> NDArray[np.generic]:
    kind = dig(given, "datatype")
    if kind not in DTYPES:
        raise BadPicture(f"expected an input of {', '.join(DTYPES)}, found {kind}")
    size = dig(given, "parameters", "binary_data_size")
    try:
        if size is None:
            flat = np.array(given["data"], dtype=DTYPES[kind])
        else:
            flat = np.frombuffer(rest[:size], dtype=DTYPES[kind])
        return flat.reshape(given["shape"])
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise BadPicture(f"the input cannot be read: {error}") from error


def _texts(given: Any, rest: bytes) -> list[str]:
    """Return the texts of an input of BYTES: in JSON, or each behind its length in 4 bytes."""
    size = dig(given, "parameters", "binary_data_size")
    texts: Any = given.get("data") if size is None else _unpacked(rest[:size])
    good = isinstance(texts, list) and all(isinstance(text, str) for text in texts)
    if not good or given.get("datatype") != TEXTS or given.get("shape") != [len(texts), 1]:
        raise Refused("request", f"expected an input of {TEXTS} and shape [n, 1], a text in each")
    own: list[str] = texts
    return own


def _unpacked(content: bytes) -> list[str] | None:
    texts, start = [], 0
    while start < len(content):
        end = start + 4 + int.from_bytes(content[start : start + 4], "little")
        if end > len(content):
            return None
        texts.append(content[start + 4 : end].decode(errors="replace"))
        start = end
    return texts


def _binary(about: dict[str, Any], output: dict[str, Any], scores: NDArray[np.float32]) -> Outgoing:
    tensor = scores.tobytes()
    output = output | {"parameters": {"binary_data_size": len(tensor)}}
    head = json.dumps(about | {"outputs": [output]}).encode()
    headers = {"Content-Type": "application/octet-stream", JSON_LENGTH: str(len(head))}
    return Outgoing(body=head + tensor, headers=headers)


def _packed(reply: Outgoing) -> Outgoing:
    # as Triton does: the length of the JSON stays that of the unpacked body
    headers = dict(reply.headers) | {"Content-Encoding": "gzip"}
    return Outgoing(status=reply.status, body=gzip.compress(reply.body, 1), headers=headers)
