"""One trial after another, each a line of the ledger as soon as it is finished."""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import rebox
from frontier.plan import Box, Trial
from frontier.remember import RememberingBox
from frontier.tasks import Pool, Split, load, split
from rebox.box import BlackBox
from rebox.errors import Error, InvalidOption
from rebox.metric import evaluate

Row = dict[str, Any]


class Bench:
    """Opens data sets and boxes when a trial needs them, and keeps what the next one needs too.

    Parameters
    ----------
    data, models, cache : Path or None
        Folders of the data, of the ONNX files, and of remembered answers; None where a plan
        needs none.
    """

    def __init__(
        self, data: Path | None = None, models: Path | None = None, cache: Path | None = None
    ) -> None:
        self._data, self._models, self._cache = data, models, cache
        self._pool: tuple[str, Pool] | None = None  # one at a time: ABIDE takes 165 MB
        self._boxes: dict[str, RememberingBox] = {}

    def pool(self, data: str) -> Pool:
        """Return the data set that the loader ``data`` reads."""
        if self._pool is None or self._pool[0] != data:
            self._pool = data, load(data, self._data)
        return self._pool[1]

    def box(self, planned: Box) -> tuple[RememberingBox, BlackBox]:
        """Return the complete box of a plan, and the same with what the plan hides of it."""
        if "{models}" in planned.uri and self._models is None:
            raise InvalidOption(f"box {planned.name!r} is a file: pass --models DIR.")
        uri = planned.uri.replace("{models}", str(self._models))
        if uri not in self._boxes:
            self._boxes[uri] = RememberingBox(rebox.open_box(uri), self._cache)
        whole = self._boxes[uri]
        return whole, _limited(whole, planned.limits)

    def close(self) -> None:
        """Close the files of the remembered answers."""
        for box in self._boxes.values():
            box.close()


def _limited(box: BlackBox, limits: dict[str, Any]) -> BlackBox:
    if not limits:
        return box
    from rebox.box.limited import LimitedBox  # noqa: PLC0415 - only for boxes that hide something

    limited: BlackBox = LimitedBox(box, **limits)
    return limited


def run(trials: Iterable[Trial], ledger: Path, bench: Bench) -> int:
    """Run the trials that the ledger does not hold; return how many failed.

    A failed trial is told on stderr, leaves no line, and is tried again by the next run.
    """
    done = {row["key"] for row in read_ledger(ledger)}
    left = [trial for trial in trials if trial.key not in done]
    failed = 0
    for number, trial in enumerate(left, start=1):
        print(f"[{number}/{len(left)}] {trial.label}", end=" ", flush=True)
        try:
            row = measure(trial, bench)
        except Error as error:
            failed += 1
            print("failed", flush=True)
            print(f"{trial.label}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            continue
        append(ledger, row)
        auc, seconds = row["metrics"]["macro_auc"], row["seconds"]
        print(
            f"macro AUC {auc['value']:.4f} after {row['fit_queries']['total']} queries, "
            f"{seconds['outside']:.1f} s outside the box",
            flush=True,
        )
    return failed


def measure(trial: Trial, bench: Bench) -> Row:
    """Fit and test one trial; the same call for every method."""
    task, method = trial.task, trial.method
    pool = bench.pool(task.data)
    parts = split(pool, task, trial.seed)
    whole, box = bench.box(trial.box)
    whole.keep = method.remember
    asked, inside = whole.asked, whole.inside_s
    start = time.perf_counter()
    model = fitted(trial, parts, box)
    fit_s = time.perf_counter() - start
    fit_queries = model.spent_.by_purpose()
    probabilities = model.predict_proba(parts.images(parts.test))
    outside = time.perf_counter() - start - (whole.inside_s - inside)
    asked = whole.asked - asked
    _check_counts(trial, asked, fit_queries["total"], model.spent_.total)
    truth = pool.y[parts.test]
    figures = evaluate(truth, probabilities, list(model.classes_), seed=trial.seed)
    predicted = model.spent_.predict
    inside_s = asked * whole.seconds_per_image
    return {
        "key": trial.key,
        "task": task.name,
        "box": trial.box.name,
        "method": method.name,
        "recipe": method.recipe,
        "queries_per_prediction": method.queries_per_prediction,
        "budget": trial.budget,
        "seed": trial.seed,
        "train": len(parts.train),
        "test": len(parts.test),
        "classes": len(model.classes_),
        "fit_queries": fit_queries,
        "predict_queries": predicted,
        "asked_per_prediction": predicted / len(parts.test),
        "seconds": {
            # As if nothing had been remembered: the box's own mean for every image asked.
            "total": outside + inside_s,
            "box": inside_s,
            "outside": outside,
            "fit_as_run": fit_s,
        },
        "metrics": {name: asdict(interval) for name, interval in figures.items()},
        "stop_reason": model.stop_reason_,
        "verdict": verdict_of(model),
        "version": rebox.__version__,
    }


def fitted(trial: Trial, parts: Split, box: BlackBox) -> rebox.Reprogrammer:
    """Return the trial's model; it sees the training images alone."""
    extra: dict[str, Any] = {}
    if trial.method.queries_per_prediction != 1:
        extra["queries_per_prediction"] = trial.method.queries_per_prediction
    model = rebox.Reprogrammer(
        box,
        trial.method.recipe,
        budget=trial.budget,
        value_range=parts.pool.value_range,
        random_state=trial.seed,
        **extra,
    )
    return model.fit(parts.images(parts.train), parts.pool.y[parts.train])


def _check_counts(trial: Trial, asked: int, fit: int, total: int) -> None:
    """Hold the meter to what the box was really asked, and the fit to its budget."""
    if asked != total or fit > trial.budget:
        raise RuntimeError(
            f"{trial.label}: the meter counts {total} queries, {fit} of them to fit on a budget of "
            f"{trial.budget}, but the box was asked {asked}."
        )


def verdict_of(model: Any) -> Row | None:
    """Return what a fit says of its own candidates, where its recipe compares any."""
    verdict = getattr(model, "verdict_", None)
    if verdict is None:
        return None
    return {"words": str(verdict.words), "rows": [_plain(row) for row in verdict.rows]}


def _plain(value: Any) -> Any:
    """Return ``value`` as JSON takes it."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if hasattr(value, "tolist"):
        return value.tolist()
    return value if isinstance(value, str | int | float | bool | None) else str(value)


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
    """Yield the finished trials, each once; lines that an interruption cut short are no trials."""
    if not ledger.exists():
        return
    seen = set()
    for line in ledger.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if row["key"] not in seen:
            seen.add(row["key"])
            yield row
