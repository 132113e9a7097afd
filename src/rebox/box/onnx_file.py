"""An ONNX file on disk, opened by a runtime: run by the box, and by the encoder."""

import hashlib
import os
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from rebox.box.onnx_external import external_files
from rebox.box.onnx_input import read_input
from rebox.box.onnx_runtime import CPU, OnnxRuntime, OpenVino, Precision, Runtime, RuntimeName
from rebox.box.outputs import one_line
from rebox.box.preprocess import Affine, Scratch, model_input
from rebox.box.spec import Images
from rebox.errors import BoxError, BoxMismatch, InvalidOption
from rebox.option import Size, size_of, whole

_OPEN: WeakValueDictionary[tuple[Hashable, ...], Runtime] = WeakValueDictionary()
_OPENING = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """The options that every ONNX file takes, whatever its answers are used for.

    Parameters
    ----------
    size : int, (height, width) or None
        For files that take any size; None: the preset's.
    channels : int or None
        For files that do not fix it; None: 3.
    layout : str or None
        Order of the input's axes: nchw, nhwc, nhw (grey), chw, hwc or hw (one image at a time), nd
        or d (all numbers of an image in a row, as nchw or nhwc lay them). None: seen from where the
        1 or 3 channels stand.
    output : str or None
        Which output to read; None: one that fits.
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


def next_name(answers: Mapping[str, NDArray[Any]]) -> str:
    """Return the first of the names."""
    return next(iter(answers))


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
    classes : dict of str to tuple of str
        Of each output of maps that was run, its classes.
    named : tuple of str or None
        Names of all classes, of which an output of labels names the best.

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
        self.classes: dict[str, tuple[str, ...]] = {}
        self.named: tuple[str, ...] | None = None
        self._runtime = self._open()
        self.input = read_input(
            self._runtime.inputs,
            layout=options.layout,
            channels=options.channels,
            size=None if options.size is None else size_of(options.size),
            preset=preset,
        )

    def _open(self) -> Runtime:
        """Return what runs the file: the same for all who have opened the same bytes alike.

        Each has weights and threads of its own, which hundreds of models of one file would exhaust.
        """
        # a forked process has none of its parent's threads
        key = (os.getpid(), self._path, self._digest, repr(self._options))
        with _OPENING:
            runtime = _OPEN.get(key)
            if runtime is None:
                runtime = _OPEN[key] = self._opened()
            return runtime

    def _opened(self) -> Runtime:
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
            f"&layout={given.axes}&output={output}{more}{arithmetic}"
        )

    def ready(self, images: Images, affine: Affine) -> NDArray[Any]:
        """Return gain * ``images`` + shift as the file takes them; see `model_input`."""
        return model_input(
            images, *affine, planar=self.input.planar, dtype=self.input.dtype, scratch=self._scratch
        )

    def output(
        self,
        ready: NDArray[Any],
        *,
        fits: Callable[[NDArray[Any]], bool],
        expected: str,
        choose: Callable[[Mapping[str, NDArray[Any]]], str] = next_name,
    ) -> tuple[str, NDArray[Any]]:
        """Return the name of the output to read, and what it holds for ``ready``.

        It is the one that the options name, or one that ``fits``.

        Parameters
        ----------
        expected : str
            What fits, to end the error's sentence with.
        choose : callable
            Which of several that fit; the first, unless it says otherwise.

        Raises
        ------
        InvalidOption
            No output of numbers is called ``name``, or which one is to be read has to be told.
        BoxError
            Nothing fits, or the file cannot run.
        """
        name, step = self._options.output, whole("batch_size", self._options.batch_size, at_least=1)
        declared = self._runtime.outputs
        readable = [value.name for value in declared if value.floats or value.maps]
        readable = readable or [value.name for value in declared if value.quantised]
        if not readable and self.named:
            readable = [value.name for value in declared if value.labels]
        if name is not None and name not in readable:
            raise InvalidOption(
                f"the ONNX file has no output of floats called {name!r}; it has "
                f"{', '.join(readable) or 'none'}. To use an inner layer, export it as an output."
            )
        names = readable if name is None else [name]
        starts = range(0, len(ready), step) if names else ()
        runs = [self.run(ready[i : i + step], names) for i in starts]
        answers = {
            own: np.concatenate(parts) if parts[0].ndim else parts[0]
            for own, *parts in zip(names, *runs, strict=True)
        }
        fitting = {own: answer for own, answer in answers.items() if fits(answer)}
        if fitting:
            chosen = choose(fitting)
            return chosen, fitting[chosen]
        raise BoxError(
            f"no output of the ONNX file {self._path.name} ({'; '.join(map(str, declared))}) has "
            f"{expected}."
        )

    def run(self, ready: NDArray[Any], outputs: list[str]) -> list[NDArray[Any]]:
        """Return the ``outputs`` for a batch in the file's layout, of any number of images.

        Maps of class to score become rows, in the alphabetical order of the classes.

        Raises
        ------
        BoxError
            The file cannot run on them.
        """
        step = self.input.batch or len(ready)
        runs = [self._run_once(ready[i : i + step], outputs) for i in range(0, len(ready), step)]
        return [
            np.concatenate(parts) if len(runs) > 1 and parts[0].ndim else parts[0]
            for parts in zip(*runs, strict=True)
        ]

    def _run_once(self, ready: NDArray[Any], outputs: list[str]) -> list[NDArray[Any]]:
        n = len(ready)
        missing = (self.input.batch or n) - n
        if missing:
            ready = np.concatenate([ready, np.repeat(ready[-1:], missing, axis=0)])
        ready = self.input.shaped(ready)
        try:
            answers = self._runtime.run(ready, outputs)
        except Exception as error:  # each runtime has error classes of its own
            raise BoxError(
                f"the ONNX file {self._path.name} cannot run on images {ready.shape}: "
                f"{one_line(error)}"
            ) from error
        arrays = [self._array(own, answer) for own, answer in zip(outputs, answers, strict=True)]
        if self.input.batch == 1:  # some answer one image without an axis for it
            arrays = [a[None] if a.ndim == 0 or len(a) != 1 else a for a in arrays]
        return [answer[:n] if answer.ndim else answer for answer in arrays]

    def _array(self, output: str, answer: Any) -> NDArray[Any]:
        if isinstance(answer, dict | list):
            return self._table(output, [answer] if isinstance(answer, dict) else answer)
        array: NDArray[Any] = answer
        if array.dtype.kind in "OUi" and array.dtype.itemsize > 1:
            return self._one_hot(output, array)
        if array.dtype.kind in "iu":  # the usual quantisation of a probability
            array = (array.astype(np.float32) - np.iinfo(answer.dtype).min) / np.float32(256)
        return array

    def _one_hot(self, output: str, labels: NDArray[Any]) -> NDArray[np.float32]:
        names = self.named or ()
        keys = {name if labels.dtype.kind in "OU" else i: i for i, name in enumerate(names)}
        told = labels.ravel().tolist()
        places = [keys.get(label, -1) for label in told]
        if -1 in places:
            raise BoxError(
                f"the output {output} of {self._path.name} answered the class "
                f"{told[places.index(-1)]!r}, which is none of the {len(names)} class names: give "
                "all of them."
            )
        rows: NDArray[np.float32] = np.eye(len(names), dtype=np.float32)[places]
        return rows

    def labelled(self, output: str) -> bool:
        """Return whether an output holds labels, and no scores."""
        return any(value.name == output and value.labels for value in self._runtime.outputs)

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._path

    def why_alone(self, output: str) -> str:
        """Return why it cannot be part of another graph, in words; nothing: it can."""
        if self._options.runtime != "onnxruntime":
            return "whose arithmetic is another runtime's"
        if self.input.batch is not None or "n" not in self.input.form:
            return f"whose file takes {self.input.batch or 1} images at a time"
        if not any(value.name == output and value.floats for value in self._runtime.outputs):
            return "whose file answers with labels, maps or whole numbers"
        return ""

    def _table(self, output: str, maps: Sequence[Mapping[Any, float]]) -> NDArray[np.float32]:
        keys = sorted(maps[0])
        if any(sorted(one) != keys for one in maps):
            raise BoxError(
                f"the output {output} of {self._path.name} holds other classes for some images "
                "than for others; expected the same for all."
            )
        self.classes[output] = tuple(map(str, keys))
        return np.array([[one[key] for key in keys] for one in maps], dtype=np.float32)

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the file says of itself."""
        return self._runtime.metadata

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
    """Return SHA-256 of a file and of every file beside it that holds its weights."""
    digest = hashlib.sha256()
    # PyTorch's exporter puts large weights into a file of this name beside the model
    usual = path.with_name(f"{path.name}.data")
    try:
        _add(digest, path)
        if usual.is_file():
            _add(digest, usual)
        for name in external_files(path):
            beside = path.parent / name
            if beside != usual and beside.is_file():
                # with its size, so that no byte can move from one file to the next unseen
                size = beside.stat().st_size
                digest.update(f"\0{name}\0{size}\0".encode(errors="surrogateescape"))
                _add(digest, beside)
    except OSError as error:
        raise BoxError(
            f"the ONNX file {path} cannot be read: {error.strerror or error}; check its path."
        ) from error
    return digest.hexdigest()


def _add(digest: "hashlib._Hash", path: Path) -> None:
    with path.open("rb") as file:
        hashlib.file_digest(file, lambda: digest)
