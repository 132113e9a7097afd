"""``rebox estimate``: what a budget allows, said before anybody is asked."""

from rich.table import Table

from rebox.box import BlackBox, open_box
from rebox.classifier import Reprogrammer
from rebox.cli.app import app, out
from rebox.cli.consent import plan
from rebox.cli.options import (
    BoxOption,
    BudgetOption,
    DataOption,
    GroupColumnOption,
    LabelColumnOption,
    PathColumnOption,
    PerPredictionOption,
    RangeOption,
    RecipeOption,
    UsdOption,
    read_range,
)
from rebox.cli.printing import hours_for, print_price, time_words
from rebox.money import dollars
from rebox.sample import load


@app.command()
def estimate(  # noqa: PLR0913, PLR0917 - Typer reads a command's options from its parameters
    box: BoxOption,
    data: DataOption,
    path_column: PathColumnOption = None,
    label_column: LabelColumnOption = None,
    group_column: GroupColumnOption = None,
    recipe: RecipeOption = "auto",
    budget: BudgetOption = None,
    max_usd: UsdOption = None,
    per_prediction: PerPredictionOption = 1,
    value_range: RangeOption = None,
) -> None:
    """Say what a budget allows, without asking anything."""
    opened = open_box(box)
    task = load(data, path_column=path_column, label_column=label_column, group_column=group_column)
    model = Reprogrammer(
        opened,
        recipe,
        budget=budget,
        queries_per_prediction=per_prediction,
        max_usd=max_usd,
        value_range=read_range(value_range) or task.value_range,
    )
    planned, left = plan(model, opened, task.images)
    table = Table("", "queries", title=f"{recipe} with at most {left:,} queries", title_style="")
    for name, queries in planned.lines:
        table.add_row(name, queries)
    most = min(per_prediction, planned.most_per_prediction)
    table.add_row("left over", f"{left - planned.total:,}")
    table.add_row("each prediction", f"{most} at most")
    table.add_row("cost of the fit", _cost(opened, planned.total))
    table.add_row("cost of 1,000 predictions", _cost(opened, 1000 * most))
    out.print(table)
    if opened.spec.usd_per_hour:
        words = time_words(opened, planned.total)
        out.print(f"dollars depend on the time that it is kept: {words}.", highlight=False)
    print_price(box, opened)


def _cost(box: BlackBox, queries: int) -> str:
    price, by_time = box.spec.price_usd, hours_for(box, queries) * box.spec.usd_per_hour
    usd = dollars(None if price is None else queries * price + by_time)
    return f"about {usd}" if by_time else usd
