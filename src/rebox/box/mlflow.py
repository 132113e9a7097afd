"""MLflow's scoring server, and what speaks like it: ``mlflow models serve``, Databricks.

``mlflow:http://host:5000?size=224&classes=a,b,c``; the model takes a tensor of images, as a local
model would: see the options of ``onnx:`` for preprocess, mean, std, scale and pixels. With
``takes=texts`` it takes texts, in the column that ``input=NAME`` names, if it has a name. A key, if
the server wants one, is taken from ``MLFLOW_TOKEN``.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rebox.box.preprocess import Preprocess, PreprocessOptions
from rebox.box.service import (
    Answer,
    Failure,
    HeaderKey,
    Refusal,
    Reply,
    Request,
    ServiceOptions,
    Terms,
    place_of,
    unreadable,
)
from rebox.box.service.labels import NamedService, Pairs
from rebox.box.service.naming import array_of
from rebox.box.service.tensor import Tensor, TensorOptions, TextTensor
from rebox.box.spec import Queries
from rebox.errors import InvalidOption
from rebox.option import Size

BATCH = 32
KEY = HeaderKey(service="mlflow", variables=("MLFLOW_TOKEN",), required=False)
OWN = ServiceOptions(price_usd=0.0)  # somebody runs it for themselves: nobody is paid by the image


class MlflowBox(NamedService):
    """A model behind MLflow's scoring server.

    Parameters
    ----------
    tensor : Tensor or TextTensor
        What the model takes and answers.
    input : str or None
        Name of the input; None: it has none.
    output : str or None
        Which output to read where the model has several; None: the only one.
    **settings
        As for every `Service`.
    """

    def __init__(
        self,
        *,
        tensor: Tensor | TextTensor,
        input: str | None,  # noqa: A002 - the option's name
        output: str | None,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self._tensor, self._input, self._output = tensor, input, output

    def request(self, images: Queries) -> Request:
        """Return a request with one tensor for all images, or with a column of texts."""
        if isinstance(self._tensor, TextTensor):
            return Request.of_json(self.url, self._column(images.tolist()))
        values = self._tensor.of(images).tolist()  # type: ignore[arg-type] # as the spec says
        body = {"inputs": values if self._input is None else {self._input: values}}
        return Request.of_json(self.url, body)

    def _column(self, texts: list[str]) -> dict[str, Any]:
        """Return the only input, or a data frame where its column has a name."""
        if self._input is None:
            return {"inputs": texts}
        return {"dataframe_split": {"columns": [self._input], "data": [[text] for text in texts]}}

    def read(self, reply: Reply, n: int) -> Sequence[Answer]:
        """Return the rows: by name where the answer names its columns, else by place."""
        predictions = self._predictions(reply)
        if predictions and isinstance(predictions[0], dict):
            return super().read(reply, n)
        raw = array_of(predictions)
        if raw is None or raw.ndim < 2:
            words = "the service answered predictions that are no rows of numbers"
            raise Refusal(unreadable(words))
        return self._tensor.rows(_narrowed(raw.reshape(len(raw), -1)), self.spec)

    def named(self, reply: Reply, n: int) -> Sequence[Pairs | Failure]:  # noqa: ARG002 - counted by `exchange`
        """Return the columns' names with their scores."""
        return [self._pairs(entry) for entry in self._predictions(reply)]

    def _pairs(self, entry: Any) -> Pairs | Failure:
        if not isinstance(entry, dict):
            return unreadable("the service does not name the classes it answers")
        if entry.keys() == {"label", "score"}:  # as pipelines of transformers answer: the best
            return [(entry["label"], entry["score"])]
        raw = array_of([list(entry.values())])
        if raw is None or not np.isfinite(raw).all():
            return list(entry.items())  # what is wrong with them is said by name
        scores = self._tensor.scores(raw)
        if isinstance(scores, Failure):
            return scores
        return list(zip(entry, scores[0].tolist(), strict=True))

    def _predictions(self, reply: Reply) -> list[Any]:
        answer = reply.json()
        predictions = answer.get("predictions") if isinstance(answer, dict) else None
        if isinstance(predictions, dict):  # a model of named outputs, as those of ONNX files are
            predictions = self._chosen(predictions)
        if not isinstance(predictions, list):
            raise Refusal(unreadable("the service answered without predictions"))
        return predictions

    def _chosen(self, outputs: dict[str, Any]) -> Any:
        if self._output in outputs:
            return outputs[self._output]
        if self._output is None and len(outputs) == 1:
            return next(iter(outputs.values()))
        words = f"the service answered the outputs {', '.join(outputs)}: choose one by output="
        raise Refusal(unreadable(words))


def _narrowed(raw: NDArray[Any]) -> NDArray[Any]:
    """Return numbers that all came from float32 as such: JSON does not tell what they were.

    So a softmax is taken as for the same model in a local file.
    """
    with np.errstate(over="ignore"):  # infinite then, and not the same
        narrow = raw.astype(np.float32)
    return narrow if np.array_equal(narrow, raw, equal_nan=True) else raw


def open_mlflow(
    target: str,
    *,
    takes: Literal["images", "texts"] = "images",
    figures: PreprocessOptions,
    tensor: TensorOptions,
    service: ServiceOptions = OWN,
    terms: Terms,
) -> MlflowBox:
    """Open ``mlflow:http://host:5000?size=224&classes=a,b,c``.

    Parameters
    ----------
    target : str
        The server's address.
    takes : {"images", "texts"}
        What the model takes.
    figures, tensor, service, terms
        The model takes FP32 in the layout nchw, as ONNX and PyTorch models do, unless they say
        otherwise; ``size`` is needed where no preset tells it.
    """
    taken, size, of_images = _taken(takes, figures, tensor, service)
    spec = service.spec(
        scheme="mlflow",
        target="model",
        host=place_of(target),
        classes=service.names(),
        size=size,
        takes=takes,
        batch_size=BATCH if service.batch_size is None else service.batch_size,
        sums_to_one=taken.kind == "logits",
        **of_images,
    )
    return MlflowBox(
        spec=taken.marked(spec, tensor.input, tensor.output),
        url=f"{target.rstrip('/')}/invocations",
        tensor=taken,
        input=tensor.input,
        output=tensor.output,
        terms=terms,
        key=service.key(KEY),
        verify=service.ca,
    )


def _taken(
    takes: str, figures: PreprocessOptions, tensor: TensorOptions, service: ServiceOptions
) -> tuple[Tensor | TextTensor, Size, dict[str, Any]]:
    """Return what the model takes, its images' size, and what else is known of them."""
    if takes == "texts":
        return tensor.texts(figures), (0, 0), {}
    preprocess = figures.chosen() or Preprocess()
    size = service.size or preprocess.size
    if size is None:
        raise InvalidOption(
            "the size of the model's images is not known: pass size=, such as 224, or takes=texts "
            "for a model of texts."
        )
    taken = tensor.tensor(
        preprocess,
        datatype=tensor.datatype or "FP32",
        layout=tensor.layout or "nchw",
        channels=service.channels or 3,
    )
    return taken, size, {"pixels": taken.pixels}
