"""Where commands write: ``-`` is standard output, no file is written twice, none that is read."""

import sys
import tempfile
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

from rebox import output
from rebox.artefact import is_model
from rebox.cli.console import out
from rebox.cli.standard import is_standard, standard_output
from rebox.errors import InvalidOption, MissingExtra, OutputError
from rebox.meter import default_path, is_server
from rebox.output import check_writable, is_stream, marks_of
from rebox.sample import ImageFiles, Samples

Given = str | Path | None
"""A path, what has one in it, as ``onnx:model.onnx?size=224``, or nothing."""


def check_outputs(
    *outputs: Path | None, inputs: Iterable[Given] = (), replaced: Iterable[Path] = ()
) -> None:
    """Refuse what cannot be written, before a query is spent.

    From then on what is for people goes to stderr where a file goes to standard output.

    Parameters
    ----------
    outputs : Path or None
        What will be written.
    inputs : iterable
        What is read, and must stay as it is.
    replaced : iterable of Path
        Outputs that may take the place of a model; no other may.

    Raises
    ------
    OutputError, InvalidOption
    """
    paths = [path for path in outputs if path is not None]
    for path in paths:
        if not is_standard(path):
            check_writable(path)
        elif sys.stdout is None:
            raise OutputError("standard output is closed: name a file.")
        if path not in replaced and is_model(path):
            raise OutputError(f"cannot write {path}: it is a model; name another file.")
    for one, other in combinations(paths, 2):
        if _same(one, other) and not _takes_all(one):
            both = one if one == other else f"{one} and {other}, which are one file"
            raise InvalidOption(f"two outputs are both {both}: name two files.")
    refuse_inputs(paths, inputs)
    out.stderr = any(map(is_standard, paths))


def check_model_output(path: Path, *, force: bool) -> None:
    """Refuse to replace a file without ``--force``, and to show a model on a terminal."""
    if is_standard(path) and sys.stdout.isatty():
        raise OutputError("a model is not for reading: send standard output to a file.")
    if not force and path.is_file() and path.stat().st_size and not is_standard(path):
        raise OutputError(f"{path} is there already: pass --force to replace it, or name another.")


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[Given]) -> None:
    """Raise `OutputError` where a file that is read would be written over."""
    written = {key: path for path in outputs for key in marks_of(path)}
    for path in (path for given in inputs for path in _paths(given)):
        for key in marks_of(path):
            if key in written:
                raise OutputError(
                    f"cannot write {written[key]}: it is what is read as {path}; name another file."
                )


def refuse_pictures(outputs: Iterable[Path | None], images: Any) -> None:
    """Raise `OutputError` where one of the pictures that are read would be written over."""
    if isinstance(images, Samples):
        images = images.images
    if isinstance(images, ImageFiles):
        refuse_inputs([path for path in outputs if path is not None], images.paths)


def journal_files(journal: str | None) -> list[Path]:
    """Return the files of the journal that ``--journal`` names.

    Where nobody names one, and what finds the user's own is not installed, there is none to lose.
    """
    if journal == "none":
        return []
    try:
        place = default_path() if journal is None else journal
    except MissingExtra:
        return []
    if is_server(place):
        return []
    return [Path(f"{place}{end}") for end in ("", "-wal", "-shm")]


def write(path: Path, content: bytes) -> None:
    """Write ``content`` to a file, a device or standard output, as `rebox.output.write` does."""
    if not is_standard(path):
        output.write(path, content)
        return
    with standard_output():
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()


def write_model(path: Path, content: bytes, *, force: bool) -> None:
    """Write a model; where it cannot be written any more, keep it elsewhere, as it is paid for.

    Raises
    ------
    OutputError
        It is not where it should be; the message says where it is.
    """
    try:
        check_model_output(path, force=force)  # another fit may have ended there meanwhile
        write(path, content)
    except OSError as error:  # of ours, or of a pipe that nobody reads
        spare = _kept_elsewhere(content)
        if spare is None:
            raise
        raise OutputError(f"{str(error).rstrip('.')}; the model is kept as {spare}.") from error


def _kept_elsewhere(content: bytes) -> str | None:
    try:
        with tempfile.NamedTemporaryFile(suffix=".rebox", delete=False) as spare:
            spare.write(content)
    except OSError:
        return None
    return spare.name


def _same(one: Path, other: Path) -> bool:
    return (is_standard(one) and is_standard(other)) or bool(marks_of(one) & marks_of(other))


def _takes_all(path: Path) -> bool:
    """Return whether outputs do not get into each other's way there, as on /dev/null."""
    return not is_standard(path) and is_stream(path) and not path.is_fifo()


def _paths(given: Given) -> Iterator[Path]:
    """Yield the paths that an option may mean: all of it, or what stands in a URI."""
    if given is None:
        return
    yield Path(given)
    inner = str(given).partition(":")[2].partition("?")[0]
    if inner:
        yield Path(inner)
