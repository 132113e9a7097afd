"""What the commands print, and what they write to files."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from rebox.artefact import write_atomically
from rebox.box import Drift
from rebox.classifier import Reprogrammer
from rebox.cli.app import out
from rebox.cli.measured import record_of
from rebox.fit import Verdict
from rebox.meter import Spent
from rebox.metric import Measurement
from rebox.money import UNKNOWN, dollars, per_thousand


def print_verdict(verdict: Verdict | None) -> None:
    """Print what the box brought."""
    if verdict is None:
        return
    table = Table("held-out training images", "queries", "macro AUC", "accuracy")
    for row in verdict.rows:
        table.add_row(row.name, str(row.queries), f"{row.macro_auc:.3f}", f"{row.accuracy:.3f}")
    out.print(table)
    out.print(verdict.words, highlight=False)


def receipt(spent: Spent, console: Console = out) -> None:
    """Print what was asked, what it cost and what the journal saved."""
    counts = spent.by_purpose()
    total = counts.pop("total")
    parts = ", ".join(f"{count:,} to {purpose}" for purpose, count in counts.items() if count)
    of_them = f" ({parts})" if parts else ""
    line = f"asked {total:,} {'query' if total == 1 else 'queries'}{of_them}, {dollars(spent.usd)}"
    if spent.saved or spent.billed != total:
        line = f"{line}: {spent.billed:,} billed, {spent.saved:,} answered by the journal"
    console.print(line, highlight=False)


def print_price(uri: str, price_usd: float | None) -> None:
    """Print where the price comes from that an estimate was made with."""
    if price_usd is None:
        out.print(
            f"{UNKNOWN}, and it may cost something; name it in the URI by price_usd=, 0 if it is "
            "free.",
            highlight=False,
        )
        return
    if not price_usd or "price_usd=" in uri:
        return
    from rebox.box.service import price_of  # noqa: PLC0415 - most boxes are no services

    known = price_of(uri)
    if known is not None:
        out.print(
            f"price: {per_thousand(known.usd)} ({known.source}, {known.as_of}); yours may differ: "
            "name it in the URI by price_usd=.",
            highlight=False,
        )


def print_drift(drift: Drift | None) -> bool:
    """Print what the canaries said; return whether the model may be used."""
    if drift is None:
        out.print("the model has no canaries: fit with --canaries 3 to have some.")
        return True
    out.print(drift.words, highlight=False)
    return drift.change != "changed"


def write_record(
    path: Path,
    model: Reprogrammer,
    seconds: float,
    spent: Spent,
    measurement: Measurement | None = None,
) -> None:
    """Write what was done and what came out of it, as JSON, for ``--json``."""
    metrics = {} if measurement is None else measurement.figures
    record = {
        "recipe": model.artefact_.recipe,
        "box": model.artefact_.box.name,
        "seed": model.artefact_.seed,
        "seconds": round(seconds, 3),
        "usd": None if spent.usd is None else round(spent.usd, 6),
        "queries": spent.by_purpose(),
        "verdict": None if model.verdict_ is None else asdict(model.verdict_),
        "metrics": {name: asdict(interval) for name, interval in metrics.items()},
        **({} if measurement is None else record_of(measurement)),
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
