"""``rebox estimate``: what a budget allows, said before anybody is asked."""

import warnings
from collections.abc import Sequence
from dataclasses import replace

from rich.table import Column, Table
from rich.text import Text

from rebox.box import BlackBox
from rebox.classifier import Reprogrammer
from rebox.classifier.boxes import open_asked
from rebox.cli.app import app
from rebox.cli.consent import dearest_plan, plan
from rebox.cli.console import out
from rebox.cli.hold_out import HoldOutOption, Parts
from rebox.cli.options import (
    AliasOption,
    AskedBoxOption,
    BatchOption,
    BudgetOption,
    DataOption,
    GroupColumnOption,
    LabelColumnOption,
    PathColumnOption,
    RangeOption,
    RecipeOption,
    SeedOption,
    TemplateOption,
    TextColumnOption,
    UsdOption,
    read_aliases,
    read_range,
)
from rebox.cli.per_prediction import MeanUsdOption, MostUsdOption, PerPrediction, QueriesOption
from rebox.cli.printing import name_of, print_price, time_words, usd_per_query
from rebox.errors import Error
from rebox.fit import Plan
from rebox.money import dollars
from rebox.recipe import recipe_from_name
from rebox.sample import load
from rebox.sample.samples import Samples


@app.command()
def estimate(  # noqa: PLR0913, PLR0917 - Typer reads a command's options from its parameters
    data: DataOption,
    box: AskedBoxOption = None,
    path_column: PathColumnOption = None,
    text_column: TextColumnOption = None,
    label_column: LabelColumnOption = None,
    group_column: GroupColumnOption = None,
    recipe: RecipeOption = "auto",
    budget: BudgetOption = None,
    max_usd: UsdOption = None,
    queries_per_prediction: QueriesOption = None,
    usd_per_prediction: MeanUsdOption = None,
    max_usd_per_prediction: MostUsdOption = None,
    alias: AliasOption = None,
    template: TemplateOption = None,
    value_range: RangeOption = None,
    hold_out: HoldOutOption = None,
    batch: BatchOption = False,
    seed: SeedOption = 0,
) -> None:
    """Say what a budget allows, without asking anything."""
    task = load(
        data,
        path_column=path_column,
        text_column=text_column,
        label_column=label_column,
        group_column=group_column,
    )
    opened = open_asked(box, recipe_from_name(recipe), Samples.of(task.samples), batch=batch)
    per_prediction = PerPrediction(
        queries_per_prediction=queries_per_prediction,
        usd_per_prediction=usd_per_prediction,
        max_usd_per_prediction=max_usd_per_prediction,
    )
    parts = Parts.of(task, hold_out, seed, per_prediction, opened)
    queries, usd = parts.rest_of(budget, max_usd)
    model = Reprogrammer(
        list(opened),
        recipe,
        budget=queries,
        max_usd=usd,
        value_range=read_range(value_range) or task.value_range,
        aliases=read_aliases(alias),
        templates=template,
        **per_prediction.options,
    )
    planned, left = plan(model, opened, parts.train)
    if len(opened) > 1:
        _print_boxes(opened, left, planned)
    allowed = [most + parts.queries for most in left if most is not None]
    title = f"{recipe} with at most {max(allowed, default=planned.total):,} queries"
    table = Table("", "queries", title=title, title_style="")
    for name, words in (*planned.lines, *parts.lines):
        table.add_row(name, words)
    if None not in left:
        table.add_row("left over", f"{max(allowed) - parts.queries - planned.total:,}")
    table.add_row("each prediction", _asked(per_prediction, opened, planned))
    table.add_row("cost of the fit", _cost(opened, dearest_plan(opened, planned), usd))
    if parts.queries:
        table.add_row("cost of measuring it", _words(opened, parts.usd))
    most = min(per_prediction.pace(opened).most, planned.most_per_prediction)
    many = replace(per_prediction, queries_per_prediction=most)
    if per_prediction.pace(opened).mean_queries is not None:
        many = per_prediction
    table.add_row("cost of 1,000 predictions", _words(opened, many.usd(opened, 1000)))
    if len(opened) == 1 and (usd_each := opened[0].source.usd_if_it_thinks):
        table.add_row("... if it has to think first", f"up to {dollars(1000 * most * usd_each)}")
    out.print(table)
    _print_assumptions(opened, planned)


def _print_boxes(boxes: Sequence[BlackBox], left: Sequence[int | None], planned: Plan) -> None:
    """Print how far the budget goes with each of several boxes, and what the fit would ask it."""
    table = Table(Column("box", overflow="fold"), "alone, at most", "this fit, at most", "cost")
    for box, most, asked in zip(boxes, left, planned.by_box, strict=True):
        words = "no cap" if most is None else f"{most:,}"
        table.add_row(Text(name_of(box)), words, f"{asked:,}", _cost([box], [asked]))
    out.print(table)


def _print_assumptions(boxes: Sequence[BlackBox], planned: Plan) -> None:
    """Print what the costs assume of each box, and what keeps it from being asked."""
    for box, queries in zip(boxes, planned.by_box, strict=True):
        if box.spec.usd_per_hour:
            words = time_words(box, queries)
            out.print(f"dollars depend on the time that it is kept: {words}.", highlight=False)
        for words in box.source.assumptions:
            out.print(words, highlight=False, markup=False)
        print_price(box.uri or "", usd_per_query(box), box.spec.usd_per_hour)
        _warn_of_readiness(box)


def _warn_of_readiness(box: BlackBox) -> None:
    """Say what a fit would be refused for, as a key that is missing."""
    try:
        box.source.check_ready()
    except Error as error:
        warnings.warn(f"a fit could not begin yet: {error}", UserWarning, stacklevel=2)


def _asked(per_prediction: PerPrediction, boxes: Sequence[BlackBox], planned: Plan) -> str:
    """Return how many queries a prediction asks, in words."""
    pace = per_prediction.pace(boxes)
    if pace.mean_queries is not None:
        return f"{pace.mean_queries:g} in the mean"
    return f"{min(pace.most, planned.most_per_prediction)} at most"


def _cost(boxes: Sequence[BlackBox], asked: Sequence[int], max_usd: float | None = None) -> str:
    """Return what so many queries of each box cost; no more than the cap."""
    usd: float | None = 0.0
    for box, queries in zip(boxes, asked, strict=True):
        price = usd_per_query(box) if queries else 0.0
        usd = None if usd is None or price is None else usd + queries * price
    if usd is not None and max_usd is not None and len(boxes) > 1:
        usd = min(usd, max_usd)
    words = _words(boxes, usd)
    most = _usd_if_they_think(boxes, asked)
    if usd is None or most is None or most <= usd:
        return words
    most = most if max_usd is None else min(most, max_usd)
    return f"{words}, up to {dollars(most)} if it has to think first"


def _usd_if_they_think(boxes: Sequence[BlackBox], asked: Sequence[int]) -> float | None:
    """Return what so many queries cost if boxes of which that is not known think first."""
    each = [box.source.usd_if_it_thinks for box in boxes]
    if not any(each):
        return None
    usual = [one or usd_per_query(box) or 0.0 for one, box in zip(each, boxes, strict=True)]
    return sum(usd * queries for usd, queries in zip(usual, asked, strict=True))


def _words(boxes: Sequence[BlackBox], usd: float | None) -> str:
    about = usd is not None and any(box.spec.usd_per_hour for box in boxes)
    return f"about {dollars(usd)}" if about else dollars(usd)
