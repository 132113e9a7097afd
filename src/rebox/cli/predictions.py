"""The CSV that ``rebox predict`` writes, a few rows at a time."""

import csv
import hashlib
import io
import os
import shutil
import sys
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from rebox.cli.console import err
from rebox.cli.saying import Saying
from rebox.cli.standard import is_standard, standard_output
from rebox.errors import OutputError
from rebox.fit import Batch
from rebox.output import encoded, is_stream, place_of, refusals, replacing, write

MARK, KEPT = "#rebox predict, partial: ", ", answers kept in "


def partial_of(path: Path) -> Path | None:
    """Return where rows stand until all are there; None: they go where they cannot be kept.

    Raises
    ------
    OutputError
        A pipe or a device stands there.
    """
    if is_standard(path) or is_stream(path):
        return None
    partial = Path(f"{place_of(path)}.partial")
    if is_stream(partial):
        raise OutputError(
            f"rows would stand in {partial} until all are there, and that is no file: remove it, "
            "or name another --out."
        )
    return partial


def fingerprint(model: str, images: bytes, names: Iterable[str], bad: Iterable[int]) -> str:
    """Return what tells one prediction from all others: the model, the images, what is asked."""
    digest = hashlib.sha256(model.encode() + images)
    for part in (*map(encoded, names), repr(sorted(bad)).encode()):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


class Predictions:
    """A row for each sample: its path or id, and what `Saying` says of it.

    A file gets its name when all rows are there, so that nobody takes a part for the whole. Until
    then they stand in ``NAME.partial``, behind a line that says what they belong to, and stay there
    when the prediction ends early. Names that are not UTF-8 are written as the bytes that they are.

    Parameters
    ----------
    path : Path
        A file, a stream, or ``-``.
    names : sequence of str
        Of all images.
    saying : Saying
        What is said of samples.
    known_by : {"path", "id"}
        What the names are.
    bad : collection of int
        Places of images that nobody is asked about: their labels and probabilities stay empty.
    mark : str
        The `fingerprint` of the prediction.
    journal : Path, str or None
        Where answers are kept.
    """

    def __init__(
        self,
        path: Path,
        names: Sequence[str],
        saying: Saying,
        *,
        known_by: str = "path",
        bad: Collection[int],
        mark: str,
        journal: Path | str | None,
    ) -> None:
        self.path, self.partial = path, partial_of(path)
        self._names, self._saying, self._bad = names, saying, frozenset(bad)
        self._marks = f"{MARK}{mark}", f"{KEPT}{journal}" if journal is not None else ""
        self._journalled = journal is not None
        self._header = [known_by, *saying.columns]
        self._done = 0  # rows
        self._file: BinaryIO | None = None
        self._open = ExitStack()

    @property
    def answered(self) -> int:
        """How many of the images that are asked about have a row."""
        return sum(place not in self._bad for place in range(self._done))

    def take_over(self, *, resume: bool, paid: bool) -> None:
        """Take over the rows that the same prediction left when it ended early.

        Where its journal answers them at no cost, they are asked for again: how often an image was
        asked counts from the first, and a box may answer it otherwise the second time.

        Parameters
        ----------
        resume : bool
            Whether to go on behind the rows that no journal answers.
        paid : bool
            Whether somebody may be paid for an answer: such rows are not asked for again.

        Raises
        ------
        OutputError
            What is there belongs to another prediction, or one is at work there, or it was paid for
            and would be again.
        """
        if self.partial is None:
            if resume:
                raise OutputError(f"--resume goes on from a file, and {self.path} is none.")
            return
        if not self.partial.exists():
            return
        _refuse_at_work(self.partial)
        mark, rows = self._left(self.partial)
        if not mark.startswith(self._marks[0]):
            self._refuse(self.partial, mark, resume=resume)
        elif self._journalled and mark == "".join(self._marks):
            return
        elif resume:
            self._file = self._begun(self.partial, rows)
        elif rows:
            self._ask_again(len(rows), paid=paid)

    def _ask_again(self, rows: int, *, paid: bool) -> None:
        """Say that rows that are there are asked for again, or refuse it where that costs."""
        there = f"{self.partial} holds {rows:,} rows of this very prediction"
        if paid:
            raise OutputError(
                f"{there}, which would be paid for again: pass --resume to go on from them, or "
                "remove it."
            )
        warnings.warn(
            f"{there}, which are asked for again: --resume goes on from them.",
            UserWarning,
            stacklevel=3,
        )

    def _refuse(self, partial: Path, mark: str, *, resume: bool) -> None:
        """Refuse to write over what another prediction has left, unless a journal has it, too."""
        if resume or not mark.startswith(MARK) or KEPT not in mark:
            raise OutputError(
                f"{partial} was left by another prediction, of other samples or with another "
                "model: move or remove it, or name another --out."
            )

    def _left(self, partial: Path) -> tuple[str, list[list[str]]]:
        """Return the mark of a partial file, and those of its rows that are whole."""
        with refusals(partial):
            text = partial.read_bytes().decode(errors="surrogateescape")
        mark, _, rest = text.partition("\n")
        rows = list(csv.reader(io.StringIO(rest, newline="")))
        if not rest.endswith("\n"):
            rows = rows[:-1]
        names = [encoded(name) for name in self._names]
        whole = 0
        for row, name in zip(rows[1:], names, strict=False):
            if len(row) != len(self._header) or encoded(row[0]) != name:
                break
            whole += 1
        return mark, rows[1 : whole + 1]

    def __enter__(self) -> Self:
        """Open a stream, and wait where it opens only when somebody reads it."""
        if self.partial is None:
            self._write([self._header])
        return self

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._file = self._stream() if self.partial is None else self._begun(self.partial, [])
        return self._file

    def _stream(self) -> BinaryIO:
        if is_standard(self.path):
            return sys.stdout.buffer
        with refusals(self.path):
            return self._open.enter_context(self.path.open("wb"))

    def _begun(self, partial: Path, rows: list[list[str]]) -> BinaryIO:
        """Return the partial file, begun with ``rows``, to go on behind them."""
        lines = ["".join(self._marks) + "\n", *map(_line, [self._header, *rows])]
        write(partial, encoded("".join(lines)))
        self._done = len(rows)
        with refusals(partial):
            file = self._open.enter_context(partial.open("a+b"))
        _lock(file)
        return file

    def add(self, batch: Batch) -> None:
        """Write the rows of the next images."""
        rows: list[list[str]] = []
        for said in self._saying.rows(batch):
            rows += self._empty_rows(self._done + len(rows))
            rows.append([self._names[self._done + len(rows)], *said])
        self._write(rows)
        self._done += len(rows)

    def _empty_rows(self, start: int) -> Iterator[list[str]]:
        """Yield a row for each bad image from ``start`` on, up to the next good one."""
        while start in self._bad:
            yield [self._names[start], *[""] * (len(self._header) - 1)]
            start += 1

    def _write(self, rows: list[list[str]]) -> None:
        file = self._opened()
        with standard_output() if is_standard(self.path) else refusals(self.path):
            file.write(encoded("".join(map(_line, rows))))
            file.flush()
            if self.partial is not None:
                os.fsync(file.fileno())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the file its name, or say what is there of it."""
        if error is None:
            self._write(list(self._empty_rows(self._done)))  # of those behind the last good one
        with refusals(self.path), self._open:
            if error is None and self.partial is not None:
                self._copy_rows(self._opened())
        if error is not None:
            err.print(self._left_words(), highlight=False, soft_wrap=True)
        elif self.partial is not None:
            self.partial.unlink(missing_ok=True)

    def _copy_rows(self, rows: BinaryIO) -> None:
        """Copy what was written here, whatever has the partial file's name by now."""
        with replacing(self.path) as whole:
            rows.seek(0)
            rows.readline()  # the mark
            shutil.copyfileobj(rows, whole)

    def _left_words(self) -> str:
        of = f"{self._done:,} of {len(self._names):,} rows"
        if self.partial is None:
            return f"{'standard output' if is_standard(self.path) else self.path} has {of}."
        if not self._done:
            return f"nothing was written to {self.path}."
        way = "the same command" if self._journalled else "the same command with --resume"
        return f"{self.partial} has {of}: {way} goes on from there."


def _refuse_at_work(partial: Path) -> None:
    """Refuse a file that another prediction writes to: both would pay for the same rows."""
    with refusals(partial), partial.open("rb") as file:
        free = _lock(file)
    if not free:
        raise OutputError(
            f"another prediction is writing to {partial}: wait for its end, or name another --out."
        )


def _lock(file: BinaryIO) -> bool:
    """Keep ``file`` to this process until it is closed; return False where another has it."""
    try:
        import fcntl  # noqa: PLC0415 - Windows has none, and lets nobody replace an open file
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system that knows no locks
        return True
    return True


def _line(row: Sequence[str]) -> str:
    """Return a row as a line of CSV; a carriage return in a name is quoted, as a newline is."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(row)
    return f"{text.getvalue()[:-2]}\n"
