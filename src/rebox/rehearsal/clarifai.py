"""Clarifai's REST API v2.

Statuses and fields are those of its protocol (the package clarifai-grpc) and of its pages "API
outputs" and "Status codes" at docs.clarifai.com. Its JSON goes through the protocol's gateway, so
that names are in snake case and scores have the digits of a float32.
"""

import base64
import binascii
import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from rebox.rehearsal.format import (
    Endpoint,
    Failed,
    Format,
    Item,
    Kind,
    Outcome,
    Parsed,
    Refused,
    Scored,
    dig,
    read_json,
    waiting,
)
from rebox.rehearsal.limits import Limits
from rebox.rehearsal.message import Incoming, Outgoing, json_reply

PATH = re.compile(
    r"/v2(?:/users/[^/]+/apps/[^/]+)?/models/(?P<model>[^/]+)"
    r"(?:/versions/(?P<version>[^/]+))?(?:/(?P<what>outputs|output_info))?"
)
PUBLIC = {
    "moderation-recognition": (
        "aa8be956dbaa4b7a858826a84253cab9",
        ("safe", "suggestive", "explicit", "drug", "gore"),
    ),
    "nsfw-recognition": ("aa47919c9a8d4d94bfa283121281bcc4", ("nsfw", "sfw")),
}
USUAL_CONCEPTS, MOST_CONCEPTS = 20, 200
OK, MIXED, FAILURE = 10000, 10010, 10020
TRAINED = {"code": 21100, "description": "Model is trained and ready"}
BAD_PICTURE = 30002
HEARD = "dHJ1ZQ=="  # base64 of "true": what stands for an image that was sent as bytes
CREATED = "2016-03-09T17:11:39.608845Z"

# kind: HTTP status, Clarifai's code, its description, usual details
ERRORS: Mapping[Kind, tuple[int, int, str, str]] = {
    "no_key": (
        401,
        11102,
        "Invalid request",
        "Empty or malformed authorization header. Please provide an API key or session token.",
    ),
    "key": (401, 11009, "API key not found", "invalid key"),
    "expired_key": (401, 11000, "Account or plan issue", "The credentials have expired."),
    "rate": (429, 11005, "Too many requests", "The request rate of the plan was exceeded."),
    "quota": (402, 11006, "Account limits exceeded", "The plan's limit of operations was reached."),
    "batch": (400, 11102, "Invalid request", "Too many inputs in a request."),
    "image_size": (400, 30105, "Input image is larger than the allowed limit", ""),
    "request_size": (413, 40033, "Maximum message size exceeded", ""),
    "request": (400, 11100, "Bad request format", "Malformed or invalid request"),
    "picture": (400, BAD_PICTURE, "Download failed; check URL", ""),
    "no_model": (404, 21200, "Model does not exist", ""),
    "not_found": (404, 11101, "Resource does not exist", ""),
    "server": (500, 98001, "Internal error", "Sorry, something went wrong."),
    "busy": (503, 40031, "Sorry, the server is unavailable at the moment", ""),
}


class Clarifai(Format):
    """Clarifai's predict calls, and those that list a model's concepts.

    A model of another name than the rehearsal's does not exist; every version of it does. Pictures
    by URL are not downloaded.
    """

    service = "clarifai"
    limits: ClassVar[Limits] = Limits(
        requests_per_second=15,
        batch_size=128,
        image_bytes=20_000_000,
        request_bytes=128_000_000,
        price_usd=0.0012,
    )
    needs_key = True
    names_items = True

    def __init__(self, served: Endpoint) -> None:
        super().__init__(served)
        known = (name for name, (_, concepts) in PUBLIC.items() if concepts == served.classes)
        self.model = served.model or next(known, self.usual_model)
        unknown: tuple[str, tuple[str, ...]] = (uuid.uuid4().hex, ())
        self.version, self._known = PUBLIC.get(self.model, unknown)

    def key_of(self, request: Incoming) -> str | None:
        """Return the key of ``Authorization: Key ...``, or a session's token."""
        kind, _, key = request.header("Authorization").partition(" ")
        return key.strip() or None if kind in ("Key", "Bearer") else None

    def asks(self, request: Incoming) -> bool:
        """Return whether it is a POST to a model's ``outputs``."""
        match = PATH.fullmatch(request.route)
        return request.method == "POST" and match is not None and match["what"] == "outputs"

    def read(self, request: Incoming) -> Parsed:
        """Return the inputs and the output's configuration."""
        match = self._look_for_model(request)
        body = read_json(request)
        inputs = body.get("inputs")
        if not isinstance(inputs, list) or not inputs:
            raise Refused("request", "Empty inputs")
        config = dig(body, "model", "model_version", "output_info", "output_config")
        config = config or dig(body, "model", "output_info", "output_config") or {}
        most = config.get("max_concepts") or USUAL_CONCEPTS
        if not isinstance(most, int) or not 1 <= most <= MOST_CONCEPTS:
            raise Refused("request", f"max_concepts must be in the range 1 to {MOST_CONCEPTS}")
        wishes = {"most": most, "least": config.get("min_value") or 0.0}
        wishes["version"] = match["version"]
        return Parsed([_item(entry) for entry in inputs], wishes)

    def write(self, outcomes: Sequence[Outcome], question: Parsed) -> Outgoing:
        """Return one output for each input, each with a status of its own."""
        failed = sum(isinstance(outcome, Failed) for outcome in outcomes)
        code, said = (OK, "Ok") if not failed else (MIXED, "Mixed Success")
        if failed and failed == len(outcomes):
            code, said = FAILURE, "Failure"
        outputs = [self._output(outcome, question.wishes) for outcome in outcomes]
        value = {"status": _status(code, said), "outputs": outputs}
        return json_reply(value, 400 if code == FAILURE else 200)

    def error(self, kind: Kind, words: str = "", retry_after_s: float | None = None) -> Outgoing:
        """Return a status object with no outputs."""
        http, code, description, details = ERRORS[kind]
        value = {"status": _status(code, description, words or details), "outputs": []}
        return json_reply(value, http, **waiting(retry_after_s))

    def free(self, request: Incoming) -> Outgoing:
        """Return a model, a version of it or its concepts, as the path asks."""
        if PATH.fullmatch(request.route) is None or request.method != "GET":
            return super().free(request)
        match = self._look_for_model(request)
        version = self._version(match["version"], concepts=True)
        value = {"status": _status(OK, "Ok")}
        if match["version"] and match["what"] is None:
            return json_reply(value | {"model_version": version})
        model = self._model(match["version"]) | {"model_version": version}
        return json_reply(value | {"model": model | {"output_info": version["output_info"]}})

    @classmethod
    def public_classes(cls, model: str) -> tuple[str, ...]:
        """Return the concepts of one of Clarifai's own models; nothing for any other."""
        return PUBLIC[model][1] if model in PUBLIC else ()

    def uri(self, url: str) -> str:
        """Return ``clarifai:MODEL?base_url=...``; classes that are not the public model's go in."""
        return self._uri(self.model, named=self._known != self.served.classes, base_url=url)

    def _look_for_model(self, request: Incoming) -> re.Match[str]:
        match = PATH.fullmatch(request.route)
        if match is None or match["model"] != self.model:
            raise Refused("no_model")
        return match

    def _output(self, outcome: Outcome, wishes: Mapping[str, Any]) -> Any:
        status = {"code": OK, "description": "Ok"}
        concepts = None
        if isinstance(outcome, Failed):
            code = BAD_PICTURE if outcome.code is None else outcome.code
            status = {"code": code, "description": outcome.words}
        elif isinstance(outcome, Scored):
            concepts = {"concepts": _concepts(outcome, wishes)}
        return {
            "id": uuid.uuid4().hex,
            "status": status,
            "created_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "model": self._model(wishes["version"]),
            "input": {"id": uuid.uuid4().hex, "data": {"image": {"base64": HEARD}}},
            "data": concepts,
        }

    def _model(self, version: str | None) -> dict[str, Any]:
        return {
            "id": self.model,
            "name": self.model,
            "created_at": CREATED,
            "app_id": "main",
            "user_id": "clarifai",
            "model_type_id": "visual-classifier",
            "model_version": self._version(version),
        }

    def _version(self, version: str | None, *, concepts: bool = False) -> dict[str, Any]:
        about = {"id": version or self.version, "created_at": CREATED, "status": TRAINED}
        about |= {"app_id": "main", "user_id": "clarifai"}
        if not concepts:
            return about
        listed = [
            {"id": name, "name": name, "value": 1, "app_id": "main"} for name in self.served.classes
        ]
        info = {"data": {"concepts": listed}, "type": "concept", "type_ext": "concept"}
        return about | {"active_concept_count": len(listed), "output_info": info}


def _concepts(scored: Scored, wishes: Mapping[str, Any]) -> list[dict[str, Any]]:
    shown = [
        {"id": name, "name": name, "value": score, "app_id": "main"}
        for name, score in scored.ranked()
        if not (isinstance(score, float) and score < wishes["least"] and wishes["least"] > 0)
    ]
    return shown[: wishes["most"]]


def _item(entry: Any) -> Item:
    text = dig(entry, "data", "image", "base64")
    try:
        return base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except binascii.Error:
        return b""


def _status(code: int, description: str, details: str = "") -> dict[str, Any]:
    status: dict[str, Any] = {"code": code, "description": description}
    if details:
        status["details"] = details
    return status | {"req_id": uuid.uuid4().hex}
