"""How a page spells what is in it; `rebox.study.bench.spelling` is what it shares with Markdown."""

from rebox.metric import Interval
from rebox.study.bench import Cell
from rebox.study.bench.spelling import PERCENT, count, spelled


def value_of(metric: str, figure: Interval) -> str:
    """Spell a figure: a percentage, or three decimals."""
    return spelled(figure, percent=metric in PERCENT)[0]


def interval_of(metric: str, figure: Interval) -> str:
    """Spell its interval."""
    _, low, high = spelled(figure, percent=metric in PERCENT)
    return f"{low} to {high}"


def signed(metric: str, figure: Interval) -> tuple[str, str]:
    """Spell a difference and its interval, in points of a percentage or with three decimals."""
    found = spelled(figure, percent=metric in PERCENT, sign=True)
    value, low, high = (text.replace("-", "\N{MINUS SIGN}") for text in found)
    return value, f"{low} to {high}"


def runs_of(cell: Cell) -> str:
    """Say how many seeds and folds a cell has: ``5 seeds``, ``7 of 10 folds``."""
    parts = [several(len(cell.seeds), "seed")]
    if cell.folds:
        whole = cell.folds_done == cell.folds
        parts.append(f"{cell.folds} folds" if whole else f"{cell.folds_done} of {cell.folds} folds")
    return ", ".join(parts)


def several(n: float, noun: str) -> str:
    """Spell ``1 trial`` and ``2 trials``."""
    return f"{n:,.0f} {noun}" if n == 1 else f"{n:,.0f} {noun}s"


def between(found: int | tuple[int, int] | None) -> str:
    """Spell a count, or the least and the largest of several."""
    if isinstance(found, tuple):
        return f"{found[0]:,} to {found[1]:,}"
    return count(found)
