"""What the page's template shows: tables and figures as text, nothing left to compute."""

from dataclasses import dataclass

from rebox.study.report.table import TableView


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
class MethodCard:
    """What was seen of one method: its figures, and its label as a heading."""

    heading: str
    mark: str
    figures: tuple[FigureView, ...]


@dataclass(frozen=True, kw_only=True)
class SettingView:
    """A setting's part of the page."""

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
    cards: tuple[MethodCard, ...]
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
