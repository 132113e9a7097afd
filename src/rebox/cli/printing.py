"""What the commands print, and what they write to files."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from rebox.artefact import write_atomically
from rebox.box import BlackBox, Drift
from rebox.classifier import Reprogrammer
from rebox.cli.app import out
from rebox.fit import Verdict
from rebox.meter import Spent
from rebox.metric import Interval
from rebox.money import UNKNOWN, dollars, duration, per_hour, per_thousand

USUAL_PER_SECOND = 3.0  # a guess: answers of a service that says nothing of its pace


def print_metrics(metrics: dict[str, Interval]) -> None:
    """Print every metric with its interval."""
    table = Table("metric", "value", "95 % interval")
    for name, figure in metrics.items():
        table.add_row(name.replace("_", " "), *figure.parts(".4f"))
    out.print(table)


def print_verdict(verdict: Verdict | None) -> None:
    """Print what the box brought."""
    if verdict is None:
        return
    table = Table("held-out training images", "queries", "macro AUC", "accuracy")
    for row in verdict.rows:
        table.add_row(row.name, str(row.queries), f"{row.macro_auc:.3f}", f"{row.accuracy:.3f}")
    out.print(table)
    out.print(verdict.words, highlight=False)


def receipt(spent: Spent, box: BlackBox | None, console: Console = out) -> None:
    """Print what ``box`` was asked, what it cost and what the journal saved."""
    counts = spent.by_purpose()
    total = counts.pop("total")
    parts = ", ".join(f"{count:,} to {purpose}" for purpose, count in counts.items() if count)
    of_them = f" ({parts})" if parts else ""
    line = f"asked {total:,} {'query' if total == 1 else 'queries'}{of_them}, {dollars(spent.usd)}"
    if box is not None and box.spec.usd_per_hour and spent.usd is not None:
        by_time = spent.usd - spent.billed * (box.spec.price_usd or 0.0)
        kept = duration(max(by_time / box.spec.usd_per_hour, 0.0))
        line = f"{line} for {kept} at {per_hour(box.spec.usd_per_hour)}"
    if spent.saved or spent.billed != total:
        line = f"{line}: {spent.billed:,} billed, {spent.saved:,} answered by the journal"
    console.print(line, highlight=False)


def print_price(uri: str, box: BlackBox) -> None:
    """Print where the price comes from that an estimate was made with."""
    spec = box.spec
    if spec.price_usd is None:
        out.print(
            f"{UNKNOWN}, and it may cost something; name it in the URI by price_usd=, 0 if it is "
            "free.",
            highlight=False,
        )
        return
    option = "usd_per_hour=" if spec.usd_per_hour else "price_usd="
    if not (spec.price_usd or spec.usd_per_hour) or option in uri:
        return
    from rebox.box.service import price_of  # noqa: PLC0415 - most boxes are no services

    known = price_of(uri)
    if known is not None:
        price = per_hour(known.usd) if known.per == "hour" else per_thousand(known.usd)
        out.print(
            f"price: {price} ({known.source}, {known.as_of}); yours may differ: name it in the URI "
            f"by {option}.",
            highlight=False,
        )


def hours_for(box: BlackBox, queries: int) -> float:
    """Return how long a box is kept for ``queries``, as far as that can be told beforehand."""
    return queries / (box.source.per_second or USUAL_PER_SECOND) / 3600


def time_words(box: BlackBox, queries: int) -> str:
    """Return how long that is, at what price, and what was assumed."""
    pace = box.source.per_second or USUAL_PER_SECOND
    return (
        f"about {duration(hours_for(box, queries))} at {per_hour(box.spec.usd_per_hour)}, if "
        f"{pace:g} answers come in a second"
    )


def print_drift(drift: Drift | None) -> bool:
    """Print what the canaries said; return whether the model may be used."""
    if drift is None:
        out.print("the model has no canaries: fit with --canaries 3 to have some.")
        return True
    out.print(drift.words, highlight=False)
    return drift.change != "changed"


def write_record(
    path: Path, model: Reprogrammer, seconds: float, metrics: Mapping[str, Interval]
) -> None:
    """Write what was done and what came out of it, as JSON, for ``--json``."""
    spent = model.spent_
    record = {
        "recipe": model.artefact_.recipe,
        "box": model.artefact_.box.name,
        "seed": model.artefact_.seed,
        "seconds": round(seconds, 3),
        "usd": None if spent.usd is None else round(spent.usd, 6),
        "queries": spent.by_purpose(),
        "verdict": None if model.verdict_ is None else asdict(model.verdict_),
        "metrics": {name: asdict(interval) for name, interval in metrics.items()},
    }
    write_atomically(path, (json.dumps(record, indent=2) + "\n").encode())


def write_predictions(
    path: Path, names: Sequence[str], classes: NDArray[Any], probabilities: NDArray[np.float64]
) -> None:
    """Write one CSV row for each image: path, label, and the probability of each class."""
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["path", "label", *(f"p_{name}" for name in classes)])
    labels = classes[probabilities.argmax(axis=1)]
    for name, label, row in zip(names, labels, probabilities, strict=True):
        rows.writerow([name, label, *(f"{p:.6g}" for p in row)])
    write_atomically(path, text.getvalue().encode())
