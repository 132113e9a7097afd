"""What was measured: JSON lines, a finished trial each, written once and never changed.

A row says what was fitted (``key``, ``task``, ``box``, ``method``, ``budget``, ``seed``, ``fold``),
what it asked, its figures, and the answers to the test images, so that folds can be pooled and
methods compared image by image. A trial that could not run leaves a row of status ``unavailable``
with the reason, and is tried again by the next run. Everything but ``seconds`` is the same when a
plan is run again on the same device without a cache of answers, whose last bits depend on who asked
first.
"""

import base64
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidData, OutputError
from rebox.output import check_writable, is_stream
from rebox.subject import encode_groups

Row = dict[str, Any]
FLOOR = 1e-300  # of a probability, before its logarithm


def check_ledger(ledger: Path) -> None:
    """Refuse what rows cannot be written to, and read from by the next run, before any is measured.

    Raises
    ------
    OutputError
        It cannot be written, is a pipe or a device, or a file of something else.
    """
    if is_stream(ledger):
        raise OutputError(f"{ledger} cannot be read again, as a ledger is: name a file.")
    check_writable(ledger)
    if ledger.exists():
        with ledger.open("rb") as file:
            begins = file.read(1)
        if begins not in {b"", b"{"}:
            raise OutputError(
                f"{ledger} is no ledger, and rows would follow it: name another file."
            )


def append(ledger: Path, row: Row) -> None:
    """Write ``row`` behind the others, whole and on the disk before it returns."""
    line = json.dumps(row, sort_keys=True) + "\n"
    with ledger.open("ab+") as file:
        file.seek(0, os.SEEK_END)
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # an interrupted line: it stays apart from this one
                line = "\n" + line
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def read_ledger(ledger: Path) -> Iterator[Row]:
    """Yield a row for each trial: the finished one, or the last that says why there is none.

    Lines that an interruption cut short are no rows. A ledger that is not there has none.
    """
    if not ledger.exists():
        return
    yield from merged(_lines(ledger.read_text(encoding="utf-8")))


def _lines(text: str) -> Iterator[Row]:
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and "key" in row:
            yield row


def merged(rows: Iterable[Row]) -> list[Row]:
    """Return a row for each trial: of those of one key the first finished, or else the last."""
    latest: dict[str, Row] = {}
    for row in rows:
        key = str(row["key"])
        if not is_done(latest.get(key, {})):
            latest[key] = row
    return list(latest.values())


def is_done(row: Mapping[str, Any]) -> bool:
    """Return whether a trial was measured; rows of the first ledgers do not say, and were."""
    return bool(row) and row.get("status", "done") == "done"


class Tested(NamedTuple):
    """Answers to test images, by class.

    Attributes
    ----------
    truth : (n,) ints
        Places among the K classes.
    probabilities : (n, K) float64
    subjects : (n,) ints or None
        Whom each image shows; None where no two show one, or an older ledger does not say.
    """

    truth: NDArray[np.intp]
    probabilities: NDArray[np.float64]
    subjects: NDArray[np.int64] | None


def pack_answers(
    truth: NDArray[np.intp],
    probabilities: NDArray[np.float64],
    k: int,
    groups: NDArray[Any] | None = None,
) -> Row:
    """Return the answers to test images as JSON takes them, by class, then in the given order.

    In that order the truth is told by how many images each of the ``k`` classes has: a ledger holds
    no list of anybody's diagnoses. Subjects (n,) become numbers in order of appearance.
    """
    order = np.argsort(truth, kind="stable")
    # Logarithms, so that a sure model's answers stay apart: AUC lives on their order.
    logs = np.log(np.maximum(probabilities[order], FLOOR)).astype("<f4")
    kept = {
        "counts": np.bincount(truth, minlength=k).tolist(),
        "log_probabilities": base64.b64encode(zlib.compress(logs.tobytes(), 9)).decode(),
    }
    subjects = None if groups is None else encode_groups(np.asarray(groups)[order], len(order))
    return kept if subjects is None else {**kept, "subjects": subjects.tolist()}


def answers_of(row: Mapping[str, Any]) -> Tested:
    """Return the answers to test images that a row holds.

    Raises
    ------
    InvalidData
        The row has no answers, or they are damaged.
    """
    try:
        counts: Sequence[int] = row["answers"]["counts"]
        raw = zlib.decompress(base64.b64decode(row["answers"]["log_probabilities"]))
        logs = np.frombuffer(raw, dtype="<f4").reshape(sum(counts), len(counts))
        subjects = row["answers"].get("subjects")
        if subjects is not None:
            subjects = np.array(subjects, dtype=np.int64).reshape(len(logs))
    except (KeyError, TypeError, ValueError, OverflowError, zlib.error) as error:
        raise InvalidData(
            f"the ledger's row {row.get('key')!r} has no readable answers to test images: run its "
            "trial again into a new ledger."
        ) from error
    truth = np.repeat(np.arange(len(counts)), counts)
    return Tested(truth, np.exp(logs.astype(np.float64)), subjects)
