"""Counts, boxes and runs in words, for Markdown and the page alike."""

from rebox.study.bench import Cell


def count(value: float | None) -> str:
    """Spell a count: 25,000; an empty string for None."""
    return "" if value is None else f"{value:,.0f}"


def box_name(box: str | None) -> str:
    """Spell a box's name."""
    return "no box" if box is None else box


def runs_of(cell: Cell) -> str:
    """Say how many seeds and folds a cell has: ``5 seeds``, ``7 of 10 folds``."""
    seeds = several(len(cell.seeds), "seed")
    if not cell.folds:
        return seeds
    done = "" if cell.folds_done == cell.folds else f"{cell.folds_done} of "
    return f"{seeds}, {done}{cell.folds} folds"


def several(n: float, noun: str) -> str:
    """Spell ``1 trial`` and ``2 trials``."""
    return f"{n:,.0f} {noun}" if n == 1 else f"{n:,.0f} {noun}s"


def between(counts: int | tuple[int, int] | None) -> str:
    """Spell a count, or the least and the largest of several."""
    if isinstance(counts, tuple):
        return f"{counts[0]:,} to {counts[1]:,}"
    return count(counts)
