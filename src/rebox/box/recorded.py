"""Real answers of paid services, recorded in a file: played by the ids of samples, at their price.

``recorded:FILE.npz?service=NAME`` holds the arrays ``ids`` (n), ``truth`` (n), ``services`` (s),
``usd_per_10k`` (s), ``labels`` (n, s) and ``confidence`` (n, s), as FrugalML's data has them (Chen,
Zaharia, Zou: FrugalML, NeurIPS 2020): what each service took each sample for, and how sure it was.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.box.contract import BlackBox
from rebox.box.spec import BoxSpec, Scores
from rebox.errors import BoxError, InvalidData, InvalidOption
from rebox.option import meant
from rebox.sample.arrays import ids_of, read_arrays

ARRAYS = ("ids", "truth", "services", "usd_per_10k", "labels", "confidence")
PRICED = 10_000  # queries that a price in the file is for
LEAST_SURE = 1e-3  # a class that was named with a confidence of 0 is named all the same
MOST_CLASSES = 10_000
AT_ONCE = 256  # an answer takes no time, and each send of a paid box is a transaction

Array = NDArray[Any]


class RecordedBox(BlackBox):
    """One service's recorded answers, asked by the ids of samples.

    An answer is the confidence at the class that was named, and 0 elsewhere; a row of zeros where
    the service named none, by a label below 0 or a confidence that is NaN.

    Parameters
    ----------
    target : str
        The ``.npz`` file.
    service : str or None
        Which of the file's services; None: its only one.
    labels : tuple of str or None
        What its classes are called, from class 0 on; None: ``0``, ``1``, ...

    Raises
    ------
    BoxError
        The file cannot be read, or its arrays do not belong together.
    InvalidOption
        The file has no such service, several and none was named, or more classes than names.
    """

    def __init__(
        self,
        target: str,
        /,
        *,
        service: str | None = None,
        labels: tuple[str, ...] | None = None,
    ) -> None:
        arrays = _read(Path(target))
        column = _column(target, arrays["services"].tolist(), service)
        self._named = _whole(target, arrays["labels"][:, column])
        sure = np.nan_to_num(arrays["confidence"][:, column].astype(np.float64), nan=-np.inf)
        self._named[np.isneginf(sure)] = -1
        self._sure = np.clip(sure, LEAST_SURE, 1.0).astype(np.float32)
        count = 1 + max(1, int(self._named.max()), int(_whole(target, arrays["truth"]).max()))
        classes = _classes(target, count, labels)
        self._rows = {name: row for row, name in enumerate(arrays["ids"].tolist())}
        self._file = Path(target).name
        self.spec = BoxSpec(
            identity=f"recorded:{arrays['services'][column]}@{self._digest(len(classes))}",
            classes=classes,
            height=0,
            width=0,
            channels=0,
            takes="ids",
            complete=False,
            sums_to_one=False,
            best_only=True,
            price_usd=float(arrays["usd_per_10k"][column]) / PRICED,
            batch_size=AT_ONCE,
        )

    def answer(self, images: Any) -> Scores:
        """Return what was recorded of the samples with these ids, (n,) texts."""
        self.check_ids(images)
        rows = np.array([self._rows[name] for name in images.tolist()], dtype=np.intp)
        named = self._named[rows]
        told = np.flatnonzero(named >= 0)
        scores = np.zeros((len(rows), len(self.spec.classes)), dtype=np.float32)
        scores[told, named[told]] = self._sure[rows[told]]
        return scores

    def check_ids(self, ids: NDArray[np.str_]) -> None:
        """Raise `InvalidData` where the file has no answer for one of ``ids`` (n,)."""
        absent = [name for name in ids.tolist() if name not in self._rows]
        if absent:
            raise InvalidData(
                f"{self._file} has no answer to {len(absent):,} of {len(ids):,} ids, {absent[0]!r} "
                f"the first; expected ids as {next(iter(self._rows))!r}: leave those out, "
                "or name the file that has them."
            )

    @property
    def ids(self) -> NDArray[np.str_]:
        """Every id (n,) that there is an answer for."""
        return np.array(list(self._rows), dtype=np.str_)

    @property
    def at_once(self) -> int:
        """How many ids it is worth handing over at once."""
        return AT_ONCE

    @property
    def journalled(self) -> bool:
        """Whether its answers are worth keeping: where they cost money, as a service's are."""
        return bool(self.spec.price_usd)

    def _digest(self, classes: int) -> str:
        """Return what changes with any of the answers; not with the file's name or its prices."""
        digest = hashlib.sha256(repr((classes, list(self._rows))).encode())
        digest.update(self._named.astype("<i8").tobytes() + self._sure.astype("<f4").tobytes())
        return digest.hexdigest()[:16]


def _read(archive: Path) -> dict[str, Array]:
    """Return the arrays of a file of answers, checked; ids and services are texts."""
    if not os.path.isfile(archive):  # noqa: PTH113 - Path.is_file raises for a long name
        raise BoxError(f"the answers {archive} cannot be read: no such file; check its path.")
    try:
        arrays = read_arrays(archive, ARRAYS)
        _check_shapes(archive, arrays)
        for name in ("ids", "services"):
            arrays[name] = ids_of(archive, name, arrays[name])
        _check_values(archive, arrays)
    except InvalidData as error:
        raise BoxError(str(error)) from error
    return arrays


def _check_shapes(archive: Path, arrays: dict[str, Array]) -> None:
    """Raise `InvalidData` unless there is an answer of each service to each id."""
    n, s = np.size(arrays["ids"]), np.size(arrays["services"])
    expected = {"services": (s,), "usd_per_10k": (s,), "labels": (n, s), "confidence": (n, s)}
    for name, shape in {"ids": (n,), "truth": (n,), **expected}.items():
        if arrays[name].shape != shape or 0 in shape:
            raise InvalidData(
                f"{archive}: {name} has shape {arrays[name].shape}; expected {shape}, for {n} ids "
                f"and {s} services: save as many of each."
            )


def _check_values(archive: Path, arrays: dict[str, Array]) -> None:
    for name in ("usd_per_10k", "confidence"):
        if arrays[name].dtype.kind not in "iuf":
            raise InvalidData(
                f"{archive}: {name} holds {arrays[name].dtype}; expected numbers: convert it."
            )
    for name in ("ids", "services"):
        values, counts = np.unique(arrays[name], return_counts=True)
        if (counts > 1).any():
            raise InvalidData(
                f"{archive}: {name} has {str(values[counts > 1][0])!r} twice; expected each once: "
                "remove the others."
            )
    prices = arrays["usd_per_10k"]
    if not (np.isfinite(prices) & (prices >= 0)).all():
        raise InvalidData(
            f"{archive}: usd_per_10k holds {prices.tolist()}; expected US dollars for 10,000 "
            "queries, 0 or more: correct it."
        )


def _whole(archive: str, labels: Array) -> NDArray[np.int64]:
    """Return the numbers of classes; a label that is missing is below 0."""
    values = labels.astype(np.float64) if labels.dtype.kind in "iuf" else np.array([np.inf])
    values = np.nan_to_num(values, nan=-1.0)
    if (values != np.rint(values)).any() or values.max() >= MOST_CLASSES:
        raise BoxError(
            f"{archive}: labels and truth hold {labels.dtype} as {labels[:3].tolist()}; expected "
            f"whole numbers of classes, from 0 to {MOST_CLASSES - 1:,}: number the classes."
        )
    numbers: NDArray[np.int64] = np.maximum(values, -1).astype(np.int64)
    return numbers


def _column(archive: str, services: list[str], service: str | None) -> int:
    if service is None and len(services) == 1:
        return 0
    if service not in services:
        asked = "none was named" if service is None else f"{service!r} is none of them"
        raise InvalidOption(
            f"{archive} has answers of {', '.join(services)}, and {asked}"
            f"{meant(service or '', services)}: choose one by service=."
        )
    return services.index(service)


def _classes(archive: str, count: int, labels: tuple[str, ...] | None) -> tuple[str, ...]:
    if labels is None:
        return tuple(map(str, range(count)))
    if len(labels) < count:
        raise InvalidOption(
            f"labels names {len(labels)} classes, and {archive} has {count}: name each, from class "
            "0 on."
        )
    return labels
