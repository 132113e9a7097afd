"""The demo's table, and the demo as a user sees it."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from rebox.demo.digits import PRICE_USD
from rebox.demo.run import DemoResult, Row, run_demo
from rebox.money import dollars, per_thousand


def render(result: DemoResult) -> Table:
    """Return ``result`` as a table for a terminal: a row for each method, the best marked."""
    table = Table(
        title="A digit recogniser diagnoses tumours",
        title_style="bold",
        caption=(
            "* best recipe, fixed beforehand by cross-validation on the training patients.\n"
            f"Cost: what the training queries would have cost at {per_thousand(PRICE_USD)}."
        ),
        caption_justify="left",
    )
    table.add_column("method", no_wrap=True)
    for heading in (
        "accuracy\n%",
        "95 %\ninterval",
        "training\nqueries",
        "per pre-\ndiction",
        "cost",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in result.rows:
        table.add_row(*_entries(row, best=row.recipe == result.best))
    return table


def _entries(row: Row, *, best: bool) -> tuple[str, ...]:
    return (
        f"{row.method} *" if best else row.method,
        *row.accuracy.parts(".1%"),
        f"{row.queries:,}",
        f"{row.queries_per_prediction}",
        dollars(row.usd),
    )


def print_demo(out: str | Path, *, seed: int = 0, console: Console) -> DemoResult:
    """Run the demo and print what it finds on ``console``; raises what `run_demo` does."""
    console.print(
        "A small network that recognises handwritten digits is asked, never opened, until it tells "
        "benign from malignant tumours: 569 patients, 341 to train and 228 to test.",
        highlight=False,
    )
    with console.status("opening the digit recogniser") as status:
        result = run_demo(out, seed=seed, write=status.update)
    console.print(render(result))
    console.print(
        f"asked {result.counted:,} queries in all; the box itself counted {result.answered:,}.",
        highlight=False,
    )
    if result.note is not None:
        console.print(f"no picture: {result.note}", highlight=False, markup=False)
    wrote = " and ".join(str(path) for path in (result.model, result.picture) if path)
    line = f"wrote {wrote} in {result.seconds:.0f} s."
    console.print(line, highlight=False, markup=False, soft_wrap=True)
    return result
