"""What a change of the library costs or brings: two ledgers of one plan, cell by cell."""

from collections.abc import Iterable, Iterator
from statistics import fmean
from typing import Any

Row = dict[str, Any]
Cell = tuple[str, str, str]


def compare(before: Iterable[Row], after: Iterable[Row]) -> Iterator[str]:
    """Yield lines of Markdown: macro AUC and accuracy of each cell, then the worst and the mean."""
    old, new = ({row["key"]: row for row in rows} for rows in (before, after))
    cells: dict[Cell, list[str]] = {}
    for key in sorted(old.keys() & new.keys()):
        cells.setdefault(_cell(key), []).append(key)
    yield "| task | box | method | trials | AUC before | after | change | accuracy before | after |"
    yield f"|{'---|' * 9}"
    changes = []
    for cell, keys in cells.items():
        auc, accuracy = (
            [fmean(rows[key]["metrics"][name]["value"] for key in keys) for rows in (old, new)]
            for name in ("macro_auc", "accuracy")
        )
        changes.append((auc[1] - auc[0], " | ".join(cell)))
        figures = f"{auc[0]:.4f} | {auc[1]:.4f} | {auc[1] - auc[0]:+.4f}"
        right = f"{accuracy[0]:.4f} | {accuracy[1]:.4f}"
        yield f"| {' | '.join(cell)} | {len(keys)} | {figures} | {right} |"
    worst, where = min(changes)
    mean = fmean(change for change, _ in changes)
    yield ""
    yield f"{len(cells)} cells; macro AUC changes by {mean:+.5f} in the mean,"
    yield f"by {worst:+.4f} at worst ({where})."
    yield f"Trials that only one ledger holds: {len(old.keys() ^ new.keys())}."


def _cell(key: str) -> Cell:
    task, box, method = (part.strip().split(" ")[0] for part in key.split(" | ")[:3])
    return task, box, method
