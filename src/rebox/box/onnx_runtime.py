"""What runs an ONNX file: ONNX Runtime in the file's own types, or OpenVINO in a precision."""

import re
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, Protocol, cast

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from rebox.box.outputs import one_line
from rebox.errors import BoxError, InvalidOption, extra

CPU = ("CPUExecutionProvider",)
DTYPES: dict[str, np.dtype[Any]] = {
    "tensor(float)": np.dtype(np.float32),
    "tensor(float16)": np.dtype(np.float16),
    "tensor(double)": np.dtype(np.float64),
    **{f"tensor({name})": np.dtype(name) for name in ("uint8", "int8", "int16", "int32", "int64")},
}

_importing = threading.Lock()  # what another thread hides is not there to be hidden, or shown again

RuntimeName = Literal["onnxruntime", "openvino"]
Precision = Literal["f32", "bf16"]


@dataclass(frozen=True)
class ValueInfo:
    """An input or output as the file declares it.

    Parameters
    ----------
    kind : str
        Its type in ONNX's words, such as ``tensor(float)``.
    shape : tuple
        Whole numbers, and names or None for axes of any length.
    """

    name: str
    kind: str
    shape: tuple[int | str | None, ...]

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """Its type if that is one of images, else None."""
        return DTYPES.get(self.kind)

    @property
    def floats(self) -> bool:
        """Whether it holds floats, as scores and features do."""
        return self.dtype is not None and self.dtype.kind == "f"

    @property
    def maps(self) -> bool:
        """Whether it holds a map for each image, of a score for each class."""
        return "map(" in self.kind

    @property
    def quantised(self) -> bool:
        """Whether it holds numbers of 8 bits, as the scores of a quantised network may be."""
        return self.dtype is not None and self.dtype.itemsize == 1

    @property
    def labels(self) -> bool:
        """Whether it may hold the best class of each image: its index or its name."""
        return self.kind in ("tensor(int64)", "tensor(int32)", "tensor(string)")

    def __str__(self) -> str:
        return f"{self.name}: {self.kind} {[*self.shape]}"


class Runtime(Protocol):
    """An opened ONNX file that several threads may run at a time."""

    inputs: tuple[ValueInfo, ...]
    outputs: tuple[ValueInfo, ...]
    metadata: Mapping[str, str]

    def run(self, ready: NDArray[Any], outputs: Sequence[str]) -> list[Any]:
        """Return the ``outputs`` for ``ready``, the only input: arrays, or maps."""


class OnnxRuntime:
    """ONNX Runtime, which computes in the types that the file declares."""

    def __init__(self, path: Path, providers: Sequence[str], threads: int) -> None:
        _check_providers(providers)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # errors are raised: said once more, or warned of, they would break into a progress bar
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=list(providers)
            )
        except Exception as error:  # ONNX Runtime has an error class for each of its status codes
            raise BoxError(_refusal(path, one_line(error))) from error
        self.inputs = _values(self._session.get_inputs())
        self.outputs = _values(self._session.get_outputs())
        self.metadata = self._session.get_modelmeta().custom_metadata_map

    def run(self, ready: NDArray[Any], outputs: Sequence[str]) -> list[Any]:
        """Return the ``outputs`` for ``ready``."""
        answers: list[Any] = self._session.run(outputs, {self.inputs[0].name: ready})
        return answers


def _refusal(path: Path, why: str) -> str:
    newer = re.search(r"\bopset|\bIR version", why, re.IGNORECASE)
    advice = "; upgrade onnxruntime, or export the file anew for an older opset" if newer else ""
    return f"{path.name} is not an ONNX file that ONNX Runtime can open: {why.rstrip('.')}{advice}."


def _check_providers(providers: Sequence[str]) -> None:
    available = onnxruntime.get_available_providers()
    unknown = [name for name in providers if name not in available]
    if unknown:
        raise InvalidOption(
            f"ONNX Runtime has no provider {', '.join(unknown)} here; "
            f"it has {', '.join(available)}."
        )


def _values(nodes: Sequence[Any]) -> tuple[ValueInfo, ...]:
    return tuple(ValueInfo(node.name, node.type, tuple(node.shape)) for node in nodes)


class OpenVino:
    """OpenVINO on the processor, in float32 or bfloat16; answers keep the file's type."""

    def __init__(self, path: Path, precision: Precision, threads: int) -> None:
        core = import_openvino().Core()
        _check_precision(core, precision)
        # OpenVINO gives a tensor that several nodes share any one of their names: the file's own
        # are those that ONNX Runtime reads, and the order of outputs is the same.
        declared = OnnxRuntime(path, CPU, threads)
        self.inputs, self.outputs = declared.inputs, declared.outputs
        self.metadata = declared.metadata
        self._place = {value.name: place for place, value in enumerate(self.outputs)}
        try:
            self._model = core.compile_model(str(path), "CPU", _settings(precision, threads))
        except RuntimeError as error:
            raise BoxError(
                f"OpenVINO cannot run {path.name}: {one_line(error)}; "
                "open it with runtime=onnxruntime."
            ) from error
        self._of_thread = threading.local()

    def run(self, ready: NDArray[Any], outputs: Sequence[str]) -> list[Any]:
        """Return the ``outputs`` for ``ready``."""
        request = self._request()
        request.infer([ready], share_inputs=True, share_outputs=True)
        # copied: the next run writes into the same memory
        return [request.get_output_tensor(self._place[name]).data.copy() for name in outputs]

    def _request(self) -> Any:
        """Return this thread's request: one serves a single run at a time."""
        if not hasattr(self._of_thread, "request"):
            self._of_thread.request = self._model.create_infer_request()
        return self._of_thread.request


def import_openvino() -> ModuleType:
    """Return OpenVINO, imported without its telemetry.

    That would write to the user's home, and tell a server of Google's, from a fork of this process,
    that it was imported. OpenVINO goes without where the package is not to be had; what a program
    has imported by itself stays as it is.

    Raises
    ------
    MissingExtra
    """
    telemetry = "openvino_telemetry"
    with _importing:
        hidden = "openvino" not in sys.modules and telemetry not in sys.modules
        if hidden:
            sys.modules[telemetry] = cast("ModuleType", None)  # which is how an import is refused
        try:
            with extra("openvino", "runtime=openvino"):
                return import_module("openvino")
        finally:
            if hidden:
                del sys.modules[telemetry]


def _check_precision(core: Any, precision: Precision) -> None:
    able = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    if precision == "bf16" and "BF16" not in able:
        raise InvalidOption(
            f"this processor has no bfloat16 (it has {', '.join(able)}): open the file with "
            "precision=f32, or on a processor that has it."
        )


def _settings(precision: Precision, threads: int) -> dict[str, Any]:
    settings = {
        "PERFORMANCE_HINT": "LATENCY",  # all threads work on one batch
        "INFERENCE_PRECISION_HINT": precision,
        # nothing is rounded further, as weights of 8 bits would have it
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        # several processes would be pinned to the same cores
        "ENABLE_CPU_PINNING": False,
    }
    return settings | ({"INFERENCE_NUM_THREADS": threads} if threads else {})
