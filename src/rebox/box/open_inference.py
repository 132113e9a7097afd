"""The Open Inference Protocol v2: Triton, KServe, MLServer, OpenVINO Model Server, Seldon.

``oip:http://host:8000/MODEL?classes=a,b,c``. The model takes a tensor of images, as the same model
in a local file would: see the options of ``onnx:`` for preprocess, mean, std, scale, layout and
pixels; or of texts, where its input is of BYTES. What it takes is asked of the server when the box
is opened; that is no query. A key, if the server wants one, is taken from ``OIP_TOKEN``.
"""

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from rebox.box.onnx_input import axes_of, shaped
from rebox.box.open_inference_model import ModelServer, ServedModel, read_model
from rebox.box.preprocess import Preprocess, PreprocessOptions
from rebox.box.service import (
    Answer,
    HeaderKey,
    HttpTransport,
    Refusal,
    Reply,
    Request,
    Service,
    ServiceOptions,
    Terms,
    host_of,
    place_of,
    unreadable,
)
from rebox.box.service.labels import UNKNOWN, nameless
from rebox.box.service.naming import array_of
from rebox.box.service.tensor import Tensor, TensorOptions, TextTensor
from rebox.box.spec import BoxSpec, Queries
from rebox.box.wire import JSON_LENGTH, NUMBERS, packed
from rebox.errors import InvalidOption

KEY = HeaderKey(service="oip", variables=("OIP_TOKEN",), required=False)
OWN = ServiceOptions(price_usd=0.0)  # somebody runs it for themselves: nobody is paid by the image
ID = "rebox"  # KServe wants one with bytes; it says nothing, so that the same question is the same


class OpenInferenceBox(Service):
    """A model behind a server of the Open Inference Protocol.

    Parameters
    ----------
    model : ServedModel
        What it takes.
    tensor : Tensor or TextTensor
        How images, or texts, become that, and its answers scores.
    **settings
        As for every `Service`.
    """

    def __init__(self, *, model: ServedModel, tensor: Tensor | TextTensor, **settings: Any) -> None:
        super().__init__(**settings)
        self._model, self._tensor = model, tensor

    def request(self, images: Queries) -> Request:
        """Return a request with one tensor for all, as JSON or as bytes behind it."""
        tensor = self._given(images)
        given: dict[str, Any] = {
            "name": self._model.input,
            "shape": list(tensor.shape),
            "datatype": self._model.datatype,
        }
        body: dict[str, Any] = {"id": ID, "inputs": [given]}
        if self._model.output is not None:
            body["outputs"] = [{"name": self._model.output}]
        if not self._model.binary:
            given["data"] = tensor.ravel().tolist()
            return Request.of_json(self.url, body)
        content = packed(tensor)
        given["parameters"] = {"binary_data_size": len(content)}
        if self._model.output is None:
            body["parameters"] = {"binary_data_output": True}
        else:
            body["outputs"][0]["parameters"] = {"binary_data": True}
        head = json.dumps(body).encode()
        headers = {"Content-Type": "application/octet-stream", JSON_LENGTH: str(len(head))}
        return Request(url=self.url, content=head + content, headers=headers)

    def _given(self, images: Any) -> NDArray[Any]:
        """Return images, or texts, as the model takes them."""
        model = self._model
        if isinstance(self._tensor, TextTensor):
            return images.reshape(-1, 1) if model.form == "n1" else images  # type: ignore[no-any-return]
        shape = (model.height, model.width, model.channels)
        return shaped(self._filled(self._tensor.of(images)), model.form, shape)

    def read(self, reply: Reply, n: int) -> Sequence[Answer]:
        """Return the rows of the output."""
        raw = _output(reply, self._model.output)
        if "n" not in self._model.form:  # one image, whose answer may have no axis for it
            raw = raw.reshape(1, -1)
        if raw.ndim < 2 or len(raw) < n:
            raise _unreadable(f"answered a tensor of shape {raw.shape} to {n} {self.spec.takes}")
        if not self._model.padded and len(raw) != n:
            raise _unreadable(f"answered {len(raw)} rows to {n} {self.spec.takes}")
        return self._tensor.rows(raw.reshape(len(raw), -1)[:n], self.spec)

    def _filled(self, tensor: NDArray[Any]) -> NDArray[Any]:
        """Return ``tensor`` with its last image again and again, where a batch has to be full."""
        short = self._model.batch_size - len(tensor)
        if not self._model.padded or short <= 0:
            return tensor
        return np.concatenate([tensor, np.repeat(tensor[-1:], short, axis=0)])


def _output(reply: Reply, name: str | None) -> NDArray[Any]:
    """Return the tensor called ``name``, or the first."""
    head, rest = _parts(reply)
    outputs = head.get("outputs") if isinstance(head, dict) else None
    if not isinstance(outputs, list) or not all(isinstance(one, dict) for one in outputs):
        raise _unreadable("answered without outputs")
    start = 0
    for output in outputs:
        size = _binary_size(output)
        if name is None or output.get("name") == name:
            return _tensor(output, None if size is None else rest[start : start + size])
        start += size or 0
    raise _unreadable(f"answered without the output {name or ''}".rstrip())


def _parts(reply: Reply) -> tuple[Any, bytes]:
    """Return the JSON of a reply and the bytes behind it."""
    told = reply.headers.get(JSON_LENGTH.lower())
    if told is None:
        return reply.json(), b""
    if not (told.isascii() and told.isdigit() and len(told) < 20):
        raise _unreadable(f"answered with a {JSON_LENGTH} of {told[:20]!r}")
    # Triton packs replies: the length is that of the JSON when unpacked
    length = int(told)
    head = Reply(status=reply.status, headers=reply.headers, content=reply.content[:length])
    return head.json(), reply.content[length:]


def _binary_size(output: Mapping[str, Any]) -> int | None:
    parameters = output.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    if size is not None and (not isinstance(size, int) or size < 0):
        raise _unreadable("answered with a binary_data_size that is no size")
    return size


def _tensor(output: Mapping[str, Any], content: bytes | None) -> NDArray[Any]:
    kind = output.get("datatype")
    if not isinstance(kind, str) or kind not in NUMBERS:
        raise _unreadable(f"answered an output of type {kind}; expected numbers")
    flat = array_of(output.get("data")) if content is None else _numbers(content, kind)
    wide = NUMBERS[kind] if NUMBERS[kind].kind == "f" else np.dtype(np.float64)
    try:
        if flat is not None:
            with np.errstate(over="ignore"):  # infinite then, and said so with its row
                return flat.astype(wide).reshape(output["shape"])
    except (KeyError, OverflowError, TypeError, ValueError):
        pass
    raise _unreadable("answered an output whose data are no numbers, or do not fit its shape")


def _numbers(content: bytes, kind: str) -> NDArray[Any] | None:
    dtype = NUMBERS[kind]
    if len(content) % dtype.itemsize:
        return None
    return np.frombuffer(content, dtype=dtype)


def _unreadable(what: str) -> Refusal:
    return Refusal(unreadable(f"the service {what}"))


def open_oip(
    target: str,
    *,
    version: str | None = None,
    binary: bool | None = None,
    figures: PreprocessOptions,
    tensor: TensorOptions,
    service: ServiceOptions = OWN,
    terms: Terms,
) -> OpenInferenceBox:
    """Open ``oip:http://host:8000/MODEL?classes=a,b,c``.

    A server that tells no metadata needs input, datatype, layout and size.

    Parameters
    ----------
    target : str
        The server's address with the model's name behind it.
    version : str or None
        Of the model; None: the latest.
    binary : bool or None
        Whether tensors are sent as bytes, else as JSON; None: as the server says.
    """
    url, name = _read_target(target)
    classes = service.names()
    if classes == UNKNOWN:
        raise nameless("oip")
    preprocess = figures.chosen() or Preprocess()
    key = service.key(KEY)
    path = f"/v2/models/{quote(name)}" + (f"/versions/{quote(version)}" if version else "")
    with contextlib.closing(HttpTransport(terms, service.ca)) as transport:
        model = read_model(
            ModelServer(url, path, transport, key, terms),
            tensor,
            service,
            binary=binary,
            classes=len(classes),
            preset=preprocess.size,
        )
    spec = service.spec(
        scheme="oip",
        target=f"{name}/{version or 'latest'}",
        host=place_of(url),
        classes=classes,
        size=(model.height, model.width),
        takes="texts" if model.of_texts else "images",
        channels=model.channels,
        batch_size=model.batch_size,
        pixels=tensor.pixels_of(model.datatype),
        sums_to_one=tensor.outputs == "logits",
    )
    taken, spec = _taken(model, figures, tensor, spec)
    return OpenInferenceBox(
        spec=spec,
        url=f"{url}{path}/infer",
        model=model,
        tensor=taken,
        terms=terms,
        key=key,
        verify=service.ca,
    )


def _taken(
    model: ServedModel, figures: PreprocessOptions, tensor: TensorOptions, spec: BoxSpec
) -> tuple[Tensor | TextTensor, BoxSpec]:
    """Return how images, or texts, become what a model takes, and the spec that tells this."""
    if model.of_texts:
        texts = tensor.texts(figures)
        return texts, texts.marked(spec, model.input, model.output)
    taken = tensor.tensor(
        figures.chosen() or Preprocess(),
        datatype=model.datatype,
        layout=model.layout,
        channels=model.channels,
    )
    axes = axes_of(model.form, model.layout, model.channels)
    return taken, taken.marked(spec, model.input, model.output, axes)


def _read_target(target: str) -> tuple[str, str]:
    """Return the server's address and the model's name."""
    url, _, name = target.rpartition("/")
    if not name or url.endswith(("/", ":")) or not url:
        raise InvalidOption(f"expected oip:http://host:8000/MODEL, found oip:{target}.")
    host_of(url)  # checked before it is asked for its metadata
    return url, name
