"""What ``--json`` writes, and the predictions of ``rebox predict``."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.artefact import write_atomically
from rebox.classifier import Reprogrammer
from rebox.metric import Interval


def write_record(
    path: Path, model: Reprogrammer, seconds: float, metrics: Mapping[str, Interval]
) -> None:
    """Write what was done and what came out of it, as JSON."""
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
