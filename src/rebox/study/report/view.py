"""What the page's template shows: tables and figures as text, nothing left to compute."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rebox.metric import Interval
from rebox.study.report.words import interval_of, value_of


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A table's cell.

    Attributes
    ----------
    text, small : str
        ``small`` stands below ``text``: an interval.
    strong : bool
        The best of its column.
    mark : str
        A badge: what a reader must not overlook.
    """

    text: str
    small: str = ""
    strong: bool = False
    mark: str = ""


@dataclass(frozen=True, kw_only=True)
class TableView:
    """A table.

    Attributes
    ----------
    caption : str
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


@dataclass(frozen=True, kw_only=True)
class FigureView:
    """A figure with its caption and the figures in it as a table.

    Attributes
    ----------
    caption : str
    svg : str
        An ``<svg>`` element of `rebox.study.report.svg`, the only text that is not escaped.
    image : str
        Or the ``data:`` address of a picture.
    label : str
        What it shows, for those who do not see it.
    mark : str
    data : TableView or None
    """

    caption: str
    label: str
    svg: str = ""
    image: str = ""
    mark: str = ""
    data: TableView | None = None


@dataclass(frozen=True, kw_only=True)
class PairCard:
    """What was seen of one method: its figures, and its label as a heading."""

    heading: str
    mark: str
    figures: tuple[FigureView, ...]


@dataclass(frozen=True, kw_only=True)
class PairView:
    """A pair's part of the page."""

    anchor: str
    heading: str
    summary: str
    facts: tuple[str, ...]
    copied: bool
    results: TableView
    differences: TableView | None
    differences_note: str
    curves: tuple[FigureView, ...]
    ranking: FigureView | None
    cards: tuple[PairCard, ...]
    cards_note: str
    search: FigureView | None
    costs: TableView
    fits: TableView


@dataclass(frozen=True, kw_only=True)
class JournalView:
    """A journal's part of the page."""

    name: str
    facts: str
    accounts: TableView
    purposes: TableView
    faults: tuple[str, ...]


def table(
    caption: str, headings: Sequence[str], rows: Iterable[Sequence[Entry | str]]
) -> TableView:
    """Return a table; a heading that begins with ``#`` is that of a column of numbers."""
    return TableView(
        caption=caption,
        headings=tuple((heading.lstrip("#"), heading.startswith("#")) for heading in headings),
        rows=tuple(tuple(Entry(text=e) if isinstance(e, str) else e for e in row) for row in rows),
    )


def figure_entry(metric: str, figure: Interval | None, *, strong: bool = False) -> Entry:
    """Return a figure with its interval, or a dash where there is none."""
    if figure is None:
        return Entry(text="\N{EN DASH}")
    return Entry(text=value_of(metric, figure), small=interval_of(metric, figure), strong=strong)
