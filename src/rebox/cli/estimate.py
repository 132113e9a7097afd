"""``rebox estimate``: what a budget allows, said before anybody is asked."""

import warnings

from rich.table import Column, Table
from rich.text import Text

from rebox.box import BlackBox
from rebox.classifier import Reprogrammer
from rebox.cli.app import app
from rebox.cli.consent import plan
from rebox.cli.console import out
from rebox.cli.hold_out import HoldOutOption, Parts
from rebox.cli.options import (
    AskedBoxOption,
    BudgetOption,
    DataOption,
    GroupColumnOption,
    LabelColumnOption,
    PathColumnOption,
    PerPredictionOption,
    RangeOption,
    RecipeOption,
    SeedOption,
    UsdOption,
    most_asked,
    open_asked,
    read_range,
)
from rebox.cli.printing import dearest, name_of, print_price, time_words, usd_per_query
from rebox.errors import Error
from rebox.money import dollars
from rebox.sample import load


@app.command()
def estimate(  # noqa: PLR0913, PLR0917 - Typer reads a command's options from its parameters
    data: DataOption,
    box: AskedBoxOption = None,
    path_column: PathColumnOption = None,
    label_column: LabelColumnOption = None,
    group_column: GroupColumnOption = None,
    recipe: RecipeOption = "auto",
    budget: BudgetOption = None,
    max_usd: UsdOption = None,
    per_prediction: PerPredictionOption = 1,
    value_range: RangeOption = None,
    hold_out: HoldOutOption = None,
    seed: SeedOption = 0,
) -> None:
    """Say what a budget allows, without asking anything."""
    opened = open_asked(box, recipe)
    task = load(data, path_column=path_column, label_column=label_column, group_column=group_column)
    parts = Parts.of(task, hold_out, seed, most_asked(opened, per_prediction))
    queries, usd = parts.rest_of(budget, max_usd, usd_per_query(dearest(opened)))
    model = Reprogrammer(
        list(opened),
        recipe,
        budget=queries,
        queries_per_prediction=per_prediction,
        max_usd=usd,
        value_range=read_range(value_range) or task.value_range,
    )
    planned, left = plan(model, opened, parts.train.samples)
    allowed = [most + parts.queries for most in left if most is not None]
    if len(opened) > 1:
        _print_boxes(opened, left)
    most = min(per_prediction, planned.most_per_prediction)
    title = f"{recipe} with at most {max(allowed, default=planned.total):,} queries"
    table = Table("", "queries", title=title, title_style="")
    for name, words in (*planned.lines, *parts.lines):
        table.add_row(name, words)
    if None not in left:
        table.add_row("left over", f"{max(allowed) - parts.queries - planned.total:,}")
    table.add_row("each prediction", f"{most} at most")
    table.add_row("cost of the fit", _cost(planned.total, opened, usd))
    if parts.queries:
        table.add_row("cost of measuring it", _cost(parts.queries, opened))
    table.add_row("cost of 1,000 predictions", _cost(1000 * most, opened))
    out.print(table)
    for one in opened:
        if one.spec.usd_per_hour:
            words = time_words(one, planned.total)
            out.print(f"dollars depend on the time that it is kept: {words}.", highlight=False)
        print_price(one.uri or "", usd_per_query(one), one.spec.usd_per_hour)
        _warn_of_readiness(one)


def _print_boxes(boxes: tuple[BlackBox, ...], left: tuple[int | None, ...]) -> None:
    """Print how far the budget goes with each of several boxes, if no other is asked."""
    table = Table(Column("if one box alone were asked", overflow="fold"), "queries", "cost")
    for box, most in zip(boxes, left, strict=True):
        words = "as many as there are" if most is None else f"{most:,} at most"
        table.add_row(Text(name_of(box)), words, _cost(most or 0, (box,)))
    out.print(table)


def _warn_of_readiness(box: BlackBox) -> None:
    """Say what a fit would be refused for, as a key that is missing."""
    try:
        box.source.check_ready()
    except Error as error:
        warnings.warn(f"a fit could not begin yet: {error}", UserWarning, stacklevel=2)


def _cost(queries: int, boxes: tuple[BlackBox, ...], max_usd: float | None = None) -> str:
    """Return what so many queries cost, wherever they go; no more than the cap."""
    box = dearest(boxes)
    price = usd_per_query(box)
    if price is None:
        return dollars(None)
    usd = queries * price
    if len(boxes) > 1:
        return f"{dollars(usd if max_usd is None else min(usd, max_usd))} at most"
    return f"about {dollars(usd)}" if box.spec.usd_per_hour else dollars(usd)
