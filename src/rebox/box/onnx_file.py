"""An ONNX file on disk, opened by a runtime: run by the box, and by the encoder."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from rebox.box.contract import Images
from rebox.box.onnx_input import read_input
from rebox.box.onnx_runtime import CPU, OnnxRuntime, OpenVino, Precision, Runtime, RuntimeName
from rebox.box.outputs import one_line
from rebox.box.preprocess import Affine, Scratch, model_input
from rebox.errors import BoxError, BoxMismatch, InvalidOption
from rebox.option import Size


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """The options that every ONNX file takes, whatever its answers are used for.

    Parameters
    ----------
    size : int, (height, width) or None
        For files that take any size; None: the preset's.
    channels : int or None
        For files that do not fix it; None: 3.
    layout : {"nchw", "nhwc"} or None
        Order of the input's axes; None: seen from where the 1 or 3 channels stand.
    output : str or None
        Which output to read; None: the first that fits.
    batch_size : int
        Most images in one run.
    runtime : {"onnxruntime", "openvino"}
        What runs the file. OpenVINO takes the extra ``openvino``, and is part of the identity.
    precision : {"f32", "bf16"} or None
        What OpenVINO computes in; None: float32. ONNX Runtime keeps to the file's own types.
    providers : sequence of str
        ONNX Runtime's execution providers, in order of preference.
    threads : int
        Threads of a run; 0: as many as there are cores.
    """

    size: Size | int | None = None
    channels: int | None = None
    layout: str | None = None
    output: str | None = None
    batch_size: int = 32
    runtime: RuntimeName = "onnxruntime"
    precision: Precision | None = None
    providers: tuple[str, ...] = CPU
    threads: int = 0


class OnnxFile:
    """An opened ONNX file; a copy or a pickle opens it again.

    Parameters
    ----------
    path : str or path-like
        The file.
    preset : (height, width) or None
        Size that the preprocessing's models were trained on.

    Attributes
    ----------
    input : ModelInput
        What it takes.

    Raises
    ------
    BoxError
        The file is missing, broken or takes no images, or the runtime cannot run it.
    InvalidOption
        An option is unknown, or the file, the runtime or the processor does not have it.
    MissingExtra
        The runtime is not installed.
    """

    def __init__(self, path: str | Path, options: FileOptions, preset: Size | None) -> None:
        if options.threads < 0:
            raise InvalidOption(f"threads must be 0 (all cores) or more, found {options.threads}.")
        _check_runtime(options.runtime, options.precision, options.providers)
        self._path = Path(path).absolute()
        self._options = options
        self._digest = _digest(self._path)
        self._scratch = Scratch()
        self._runtime = self._open()
        size = options.size
        self.input = read_input(
            self._runtime.inputs,
            layout=options.layout,
            channels=options.channels,
            size=(size, size) if isinstance(size, int) else size,
            preset=preset,
        )

    def _open(self) -> Runtime:
        options = self._options
        if options.runtime == "onnxruntime":
            return OnnxRuntime(self._path, options.providers, options.threads)
        return OpenVino(self._path, options.precision or "f32", options.threads)

    def identity(self, steps: str, output: str, more: str = "") -> str:
        """Return what names the file with its weights, its preprocessing and its arithmetic."""
        given, options = self.input, self._options
        arithmetic = ""  # ONNX Runtime's is the file's own
        if options.runtime != "onnxruntime":
            arithmetic = f"&runtime={options.runtime}&precision={options.precision or 'f32'}"
        return (
            f"onnx:{self._digest[:16]}?preprocess={steps}&size={given.height}x{given.width}"
            f"&layout={given.layout}&output={output}{more}{arithmetic}"
        )

    def ready(self, images: Images, affine: Affine) -> NDArray[Any]:
        """Return gain * ``images`` + shift as the file takes them; see `model_input`."""
        return model_input(
            images, *affine, planar=self.input.planar, dtype=self.input.dtype, scratch=self._scratch
        )

    def output(
        self, ready: NDArray[Any], *, fits: Callable[[NDArray[Any]], bool], expected: str
    ) -> tuple[str, NDArray[Any]]:
        """Return the name of the output to read, and what it holds for ``ready``.

        It is the one that the options name, or the first of floats that ``fits``.

        Parameters
        ----------
        expected : str
            What fits, to end the error's sentence with.

        Raises
        ------
        InvalidOption
            No output of floats has the name.
        BoxError
            Nothing fits, or the file cannot run.
        """
        name = self._options.output
        floats = [value.name for value in self._runtime.outputs if value.floats]
        if name is not None and name not in floats:
            raise InvalidOption(
                f"the ONNX file has no output of floats called {name!r}; it has "
                f"{', '.join(floats) or 'none'}. To use an inner layer, export it as an output."
            )
        names = floats if name is None else [name]
        answers = self.run(ready, names) if names else []
        for candidate, answer in zip(names, answers, strict=True):
            if fits(answer):
                return candidate, answer
        raise BoxError(
            f"no output of the ONNX file {self._path.name} ({', '.join(names)}) has {expected}."
        )

    def run(self, ready: NDArray[Any], outputs: list[str]) -> list[NDArray[Any]]:
        """Return the ``outputs`` for a batch in the file's layout, of any number of images.

        Raises
        ------
        BoxError
            The file cannot run on them.
        """
        step = self.input.batch or len(ready)
        runs = [self._run_once(ready[i : i + step], outputs) for i in range(0, len(ready), step)]
        return [
            np.concatenate(parts) if len(runs) > 1 else parts[0]
            for parts in zip(*runs, strict=True)
        ]

    def _run_once(self, ready: NDArray[Any], outputs: list[str]) -> list[NDArray[Any]]:
        n = len(ready)
        missing = (self.input.batch or n) - n
        if missing:
            ready = np.concatenate([ready, np.repeat(ready[-1:], missing, axis=0)])
        try:
            answers = self._runtime.run(ready, outputs)
        except Exception as error:  # each runtime has error classes of its own
            raise BoxError(
                f"the ONNX file {self._path.name} cannot run on images {ready.shape}: "
                f"{one_line(error)}"
            ) from error
        return [answer[:n] if answer.ndim else answer for answer in answers]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_runtime"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if _digest(self._path) != self._digest:
            raise BoxMismatch(
                f"the ONNX file {self._path.name} has changed since it was opened; open it again."
            )
        self._runtime = self._open()


def _check_runtime(
    runtime: RuntimeName, precision: Precision | None, providers: Sequence[str]
) -> None:
    _check_one_of("runtime", runtime, get_args(RuntimeName))
    _check_one_of("precision", precision, (None, *get_args(Precision)))
    if runtime == "onnxruntime" and precision is not None:
        raise InvalidOption(
            f"precision={precision} goes with runtime=openvino: ONNX Runtime computes in the "
            "types that the file declares; leave precision= out or name the runtime."
        )
    if runtime == "openvino" and tuple(providers) != CPU:
        raise InvalidOption("providers= goes with runtime=onnxruntime: leave one of them out.")


def _check_one_of(name: str, value: str | None, known: Sequence[str | None]) -> None:
    if value not in known:
        raise InvalidOption(
            f"{name} must be one of {', '.join(filter(None, known))}, found {value!r}."
        )


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        # PyTorch's exporter puts large weights into a file of this name beside the model
        for part in (path, path.with_name(f"{path.name}.data")):
            if part == path or part.is_file():
                with part.open("rb") as file:
                    hashlib.file_digest(file, lambda: digest)
    except OSError as error:
        raise BoxError(
            f"the ONNX file {path} cannot be read: {error.strerror or error}; check its path."
        ) from error
    return digest.hexdigest()
