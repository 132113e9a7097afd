"""An ONNX file on disk, opened by ONNX Runtime: run by the box, and by the encoder."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from rebox.box.onnx_input import ModelInput
from rebox.box.outputs import one_line
from rebox.errors import BoxError, BoxMismatch, InvalidOption
from rebox.option import Size

CPU = ("CPUExecutionProvider",)


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """The options that every ONNX file takes, whatever its answers are used for.

    They are what `OnnxBox` and `OnnxEncoder` take by the same names.
    """

    size: Size | None = None
    channels: int | None = None
    layout: str | None = None
    output: str | None = None
    batch_size: int = 32
    providers: tuple[str, ...] = CPU
    threads: int = 0


class OnnxFile:
    """An opened ONNX file; a copy or a pickle opens it again.

    Parameters
    ----------
    path : str or path-like
        The file.
    providers : sequence of str
        ONNX Runtime's execution providers, in order of preference.
    threads : int
        Threads of a run; 0: as many as there are cores.

    Attributes
    ----------
    name : str
        The file's name, without its folder.
    digest : str
        SHA-256 of its content and of the weights beside it.
    session : onnxruntime.InferenceSession

    Raises
    ------
    BoxError
        The file is missing or broken.
    InvalidOption
        ONNX Runtime has no such provider.
    """

    def __init__(self, path: str | Path, providers: Sequence[str] = CPU, threads: int = 0) -> None:
        if threads < 0:
            raise InvalidOption(f"threads must be 0 (all cores) or more, found {threads}.")
        self._path = Path(path).absolute()
        self._providers = tuple(providers)
        self._threads = threads
        self.name = self._path.name
        self.digest = _digest(self._path)
        self.session = _open_session(self._path, self._providers, self._threads)

    def run(self, given: ModelInput, ready: NDArray[Any], outputs: list[str]) -> list[NDArray[Any]]:
        """Return the ``outputs`` for a batch in the file's layout, of any number of images.

        Raises
        ------
        BoxError
            ONNX Runtime could not run the file.
        """
        step = given.batch or len(ready)
        runs = [
            self._run_once(given, ready[i : i + step], outputs) for i in range(0, len(ready), step)
        ]
        return [
            np.concatenate(parts) if len(runs) > 1 else parts[0]
            for parts in zip(*runs, strict=True)
        ]

    def _run_once(
        self, given: ModelInput, ready: NDArray[Any], outputs: list[str]
    ) -> list[NDArray[Any]]:
        n = len(ready)
        missing = (given.batch or n) - n
        if missing:
            ready = np.concatenate([ready, np.repeat(ready[-1:], missing, axis=0)])
        try:
            answers = self.session.run(outputs, {given.name: ready})
        except Exception as error:  # ONNX Runtime has an error class for each of its status codes
            raise BoxError(
                f"the ONNX file {self.name} cannot run on images {ready.shape}: {one_line(error)}"
            ) from error
        return [answer[:n] if answer.ndim else answer for answer in answers]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "session"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if _digest(self._path) != self.digest:
            raise BoxMismatch(
                f"the ONNX file {self.name} has changed since it was opened; open it again."
            )
        self.session = _open_session(self._path, self._providers, self._threads)


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


def _open_session(path: Path, providers: tuple[str, ...], threads: int) -> Any:
    available = onnxruntime.get_available_providers()
    unknown = [name for name in providers if name not in available]
    if unknown:
        raise InvalidOption(
            f"ONNX Runtime has no provider {', '.join(unknown)} here; "
            f"it has {', '.join(available)}."
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors are raised: warnings would break into a progress bar
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=list(providers))
    except Exception as error:  # ONNX Runtime has an error class for each of its status codes
        raise BoxError(
            f"{path.name} is not an ONNX file that ONNX Runtime can open: {one_line(error)}"
        ) from error
