"""Tables: one list of columns for each, shown as Markdown or on the page."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rebox.metric import PERCENT, Interval

NOTHING = "\N{EN DASH}"
HYPHEN = re.compile(r"(?<![^\s(])-(?=\d)")  # of a number; resnet-50 is a name


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What stands in one row and column.

    Attributes
    ----------
    text, small : str
        ``small`` stands below ``text`` on the page; in Markdown it follows a number, in
        parentheses, and is left out elsewhere.
    strong : bool
        The best of its column.
    mark : str
        A badge: what a reader must not overlook.
    swatch : int or None
        The place in the palette of the line that shows the same.
    """

    text: str
    small: str = ""
    strong: bool = False
    mark: str = ""
    swatch: int | None = None


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    title : str
    cell : callable
        Takes a row; returns its entry, or just the text.
    number : bool
        Whether it holds numbers, which are aligned on the right.
    when : callable
        Takes all rows; returns whether the column is shown.
    page : bool
        Whether the page has it, too: there, headings and small print may say the same.
    """

    title: str
    cell: Callable[[Any], Entry | str]
    number: bool = False
    when: Callable[[Sequence[Any]], bool] = lambda _: True
    page: bool = True

    def entry(self, row: Any) -> Entry:
        """Return what the column shows of a row."""
        entry = self.cell(row)
        return Entry(text=entry) if isinstance(entry, str) else entry

    def on_page(self, row: Any) -> Entry:
        """Return the same with true minus signs before numbers."""
        entry = self.entry(row)
        if not self.number:
            return entry
        text, small = (HYPHEN.sub("\N{MINUS SIGN}", part) for part in (entry.text, entry.small))
        return replace(entry, text=text, small=small)


@dataclass(frozen=True, kw_only=True)
class TableView:
    """A table of the page.

    Attributes
    ----------
    headings : tuple of (heading, whether its column holds numbers)
    rows : tuple of tuple of Entry
        The first entry of a row names it.
    """

    caption: str
    headings: tuple[tuple[str, bool], ...]
    rows: tuple[tuple[Entry, ...], ...]

    @property
    def prose(self) -> bool:
        """Whether it holds sentences, which take a column as wide as they need."""
        return any(len(entry.text) > 60 for row in self.rows for entry in row)


def on_page(caption: str, columns: Sequence[Column], rows: Sequence[Any]) -> TableView:
    """Return the rows as a table of the page."""
    shown = [column for column in columns if column.page and column.when(rows)]
    return TableView(
        caption=caption,
        headings=tuple((column.title, column.number) for column in shown),
        rows=tuple(tuple(column.on_page(row) for column in shown) for row in rows),
    )


def in_markdown(columns: Sequence[Column], rows: Sequence[Any]) -> list[str]:
    """Return the lines of a Markdown table."""
    shown = [column for column in columns if column.when(rows)]
    lines = [[column.title for column in shown], ["---"] * len(shown)]
    lines += [[in_line(column, row) for column in shown] for row in rows]
    texts = ([one_line(part).replace("|", "/") for part in line] for line in lines)
    return [f"| {' | '.join(text)} |" for text in texts]


def in_line(column: Column, row: Any) -> str:
    """Return what a column shows of a row, on one line."""
    entry = column.entry(row)
    small = f"({entry.small})" if column.number and entry.small else ""
    return " ".join(part for part in (entry.text, small, entry.mark) if part)


def one_line(text: str) -> str:
    """Return a text without line breaks and runs of blanks."""
    return " ".join(text.split())


def held(name: str) -> Callable[[Iterable[dict[str, Any]]], bool]:
    """Return whether any row has something, not 0, of that name."""
    return lambda rows: any(row.get(name) for row in rows)


def spec_of(metric: str, *, sign: bool = False) -> str:
    """Return how a metric is written: a percentage, or three decimals; differences have a sign."""
    return f"{'+' if sign else ''}{'.1%' if metric in PERCENT else '.3f'}"


def figure(
    metric: str, interval: Interval | None, *, strong: bool = False, sign: bool = False
) -> Entry:
    """Return a figure with its interval below, or a dash where there is none."""
    if interval is None:
        return Entry(text=NOTHING)
    value, bounds = interval.parts(spec_of(metric, sign=sign))
    return Entry(text=value, small=bounds, strong=strong)


def numbered(names: Sequence[str], spelled: Callable[[Any], str]) -> list[Column]:
    """Return a column of numbers for each name: rows are (name, numbers)."""

    def cell(place: int, row: tuple[Any, Sequence[Any]]) -> str:
        return spelled(row[1][place])

    return [Column(name, partial(cell, place), number=True) for place, name in enumerate(names)]
