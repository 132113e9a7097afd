"""What a server says of itself as OpenAPI 3.1: for one model, by what that takes."""

from collections.abc import Sequence
from typing import Any

from rebox.artefact.form import SampleForm
from rebox.serve.contract import ServeLimits
from rebox.serve.declined import STATUS

REFUSED = {
    400: "It cannot be read, or is not what the model takes.",
    413: "It is too long, or holds too many samples.",
    415: "It is of a type that is not read here.",
    429: "The day's budget is spent: nothing was asked. Retry-After says when it begins anew.",
    500: "The server failed; its log says why.",
    502: "The box behind the model failed.",
    503: "Too many requests are inside, or the quota of the service behind the model is spent.",
    504: "There was no answer in time.",
}
Schema = dict[str, Any]


def describe(
    name: str, form: SampleForm, classes: Sequence[str], limits: ServeLimits, version: str
) -> dict[str, Any]:
    """Return the description of a server of one model."""
    model = f"/v2/models/{name}"
    infer = {"post": _infer(form)}
    paths = {
        "/predict": {"post": _predict(form)},
        f"{model}/infer": infer,
        model: _get("What the model takes and answers.", "model"),
        f"{model}/ready": _get("Whether the model is ready."),
        "/v2": _get("What the server is."),
        "/v2/health/live": _get("Whether the server is alive."),
        "/v2/health/ready": _get("Whether the server is ready."),
        "/health": _get("Whether the server is well, and what the day has cost.", "health"),
        "/metrics": {"get": _metrics()},
    }
    words = (
        f"Says which of {', '.join(classes)} {form.words} is. A body may have "
        f"{limits.body_bytes:,} bytes, a request {limits.samples:,} samples."
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": f"rebox: {name}", "version": version, "description": words},
        "paths": paths,
        "components": {"schemas": _schemas(form, classes)},
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _refusals() -> dict[str, Any]:
    return {
        str(status): {"description": words, "content": _json(_ref("refusal"))}
        for status, words in REFUSED.items()
    }


def _predict(form: SampleForm) -> Schema:
    binary: Schema = {"schema": {}}
    taken = _json(_ref("sample"))
    if form.names == ("pictures",):
        taken = {"image/png": binary, "image/jpeg": binary, "image/*": binary, **taken}
    if form.names in {("texts",), ("ids",)}:
        taken = {"text/plain": {"schema": {"type": "string"}}, **taken}
    answered = {"description": "What was said.", "content": _json(_ref("prediction"))}
    return {
        "summary": f"Label {form.words}.",
        "operationId": "predict",
        "requestBody": {"required": True, "content": taken},
        "responses": {"200": answered, **_refusals()},
    }


def _infer(form: SampleForm) -> Schema:
    answered = {"description": "The model's outputs.", "content": _json(_ref("inferred"))}
    return {
        "summary": "The Open Inference Protocol v2, JSON or its binary tensor extension.",
        "description": f"Inputs: {', '.join(form.names)}.",
        "operationId": "infer",
        "requestBody": {"required": True, "content": _json(_ref("inference"))},
        "responses": {"200": answered, **_refusals()},
    }


def _get(summary: str, schema: str | None = None) -> Schema:
    content = _json(_ref(schema) if schema else {"type": "object"})
    answered = {"description": summary, "content": content}
    return {"get": {"summary": summary, "responses": {"200": answered}}}


def _metrics() -> Schema:
    text = {"text/plain": {"schema": {"type": "string"}}}
    words = "Queries, dollars, latency, drift and queue, for Prometheus."
    return {"summary": words, "responses": {"200": {"description": words, "content": text}}}


def _object(required: Sequence[str] = (), **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required)}


def _sample(form: SampleForm) -> Schema:
    """Return the schema of one sample as JSON."""
    figures: Schema = {"type": "array", "items": {"type": "number"}}
    named: Schema = {"type": "object", "additionalProperties": {"type": "number"}}
    row = {"oneOf": [figures, named]} if form.features else figures
    known: dict[str, tuple[str, Schema]] = {
        "pictures": ("picture", {"type": "string", "contentEncoding": "base64"}),
        "rows": ("row", row),
        "texts": ("text", {"type": "string"}),
        "ids": ("id", {"type": ["string", "integer"]}),
    }
    properties = dict(known[name] for name in form.names)
    return _object([*properties], **properties) | {"additionalProperties": False}


def _schemas(form: SampleForm, classes: Sequence[str]) -> dict[str, Schema]:
    text, share = {"type": "string"}, {"type": "number", "minimum": 0, "maximum": 1}
    shape = {"type": "array", "items": {"type": "integer"}}
    tensor = _object(
        ["name", "datatype", "shape"], name=text, datatype=text, shape=shape, data={}
    ) | {"additionalProperties": True}
    tensors = {"type": "array", "items": _ref("tensor")}
    said = _object(classes, **dict.fromkeys(classes, share))
    reasons = {"type": "string", "enum": list(STATUS)}
    day = _object(queries={"type": "integer"}, usd={"type": "number"})
    return {
        "sample": _sample(form),
        "prediction": _object(
            ["label", "probabilities"],
            label={"type": "string", "enum": list(classes)},
            probabilities=said,
        ),
        "refusal": _object(["error", "reason"], error=text, reason=reasons),
        "tensor": tensor,
        "inference": _object(["inputs"], id=text, inputs=tensors, outputs={"type": "array"}),
        "inferred": _object(["model_name", "outputs"], model_name=text, outputs=tensors),
        "model": _object(["name"], name=text, inputs=tensors, outputs=tensors),
        "health": _object(["status", "model"], status=text, model=text, day=day),
    }
