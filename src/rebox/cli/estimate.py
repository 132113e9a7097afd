"""``rebox estimate``: what a budget allows, said before anybody is asked."""

import warnings

from rich.table import Table

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
from rebox.cli.printing import print_price, time_words, usd_per_query
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
    price, by_hour = usd_per_query(opened), opened.spec.usd_per_hour
    queries, usd = parts.rest_of(budget, max_usd, price)
    model = Reprogrammer(
        opened,
        recipe,
        budget=queries,
        queries_per_prediction=per_prediction,
        max_usd=usd,
        value_range=read_range(value_range) or task.value_range,
    )
    planned, left = plan(model, opened, parts.train.samples)
    title = f"{recipe} with at most {left + parts.queries:,} queries"
    table = Table("", "queries", title=title, title_style="")
    for name, words in (*planned.lines, *parts.lines):
        table.add_row(name, words)
    most = min(per_prediction, planned.most_per_prediction)
    table.add_row("left over", f"{left - planned.total:,}")
    table.add_row("each prediction", f"{most} at most")
    table.add_row("cost of the fit", _cost(planned.total, price, by_hour))
    if parts.queries:
        table.add_row("cost of measuring it", _cost(parts.queries, price, by_hour))
    table.add_row("cost of 1,000 predictions", _cost(1000 * most, price, by_hour))
    out.print(table)
    if by_hour:
        words = time_words(opened, planned.total)
        out.print(f"dollars depend on the time that it is kept: {words}.", highlight=False)
    print_price(box or "", price, by_hour)
    _warn_of_readiness(opened)


def _warn_of_readiness(box: BlackBox) -> None:
    """Say what a fit would be refused for, as a key that is missing."""
    try:
        box.source.check_ready()
    except Error as error:
        warnings.warn(f"a fit could not begin yet: {error}", UserWarning, stacklevel=2)


def _cost(queries: int, price_usd: float | None, usd_per_hour: float) -> str:
    usd = dollars(None if price_usd is None else queries * price_usd)
    return f"about {usd}" if usd_per_hour else usd
