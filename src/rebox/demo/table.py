"""The demo's table, and the demo as a user sees it."""

import shlex
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rebox.demo.digits import PRICE_USD
from rebox.demo.run import DemoResult, run_demo
from rebox.demo.trial import Row, TaskResult
from rebox.money import dollars, per_thousand

FINDINGS = {
    "helps": "helps",
    "little": "helps little",
    "nothing": "nothing",
    "unknown": "unclear",
}


def render(result: DemoResult) -> Table:
    """Return ``result`` as a table for a terminal: a row for each method, by task."""
    table = Table(
        title="A digit recogniser, asked and never opened",
        title_style="bold",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        caption=(
            "After each task: how many samples are labelled. Each: queries for a prediction.\n"
            "Verdict: what auto makes of the box, given training samples alone.\n"
            f"Cost: what the training queries would have cost at {per_thousand(PRICE_USD)}."
        ),
        caption_justify="left",
    )
    table.add_column("", no_wrap=True)
    for heading in ("accuracy\n%", "95 %\ninterval", "training\nqueries", "each", "cost"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for one in result.tasks:
        table.add_section()
        table.add_row(Text(f"{one.task.title}, {one.task.shown}", style="bold"))
        for row in one.rows:
            table.add_row(*_entries(row, _finding(one) if row.recipe == "auto" else ""))
    return table


def _entries(row: Row, finding: str) -> tuple[str, ...]:
    return (
        row.method,
        *row.accuracy.parts(".1%"),
        f"{row.queries:,}",
        f"{row.queries_per_prediction}",
        dollars(row.usd),
        finding,
    )


def _finding(result: TaskResult) -> str:
    verdict = result.verdict
    return "" if verdict is None or verdict.finding is None else FINDINGS[verdict.finding]


def print_demo(out: str | Path, *, seed: int = 0, console: Console) -> DemoResult:
    """Run the demo and print what it finds on ``console``; raises what `run_demo` does."""
    console.print(
        "A small network that recognises handwritten digits is asked, never opened: about digits "
        "that it has not seen, in a mirror, of which 30 are labelled; and about 569 patients, to "
        "tell benign from malignant tumours.",
        highlight=False,
    )
    with console.status("opening the digit recogniser") as status:
        result = run_demo(out, seed=seed, write=status.update)
    console.print(render(result))
    for line in last_words(result):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return result


def last_words(result: DemoResult) -> list[str]:
    """Return what is said below the table: what was asked and written, and what to type next."""
    lines = [
        f"{one.task.title}: {one.verdict.words}" for one in result.tasks if one.verdict is not None
    ]
    lines.append(
        f"asked {result.counted:,} queries in all; the box itself counted {result.answered:,}."
    )
    if result.note is not None:
        lines.append(f"no picture: {result.note}")
    wrote = ", ".join(str(path) for path in (result.model, result.samples, result.picture) if path)
    model, samples = (shlex.quote(str(path)) for path in (result.model, result.samples))
    return [
        *lines,
        f"wrote {wrote} in {result.seconds:.0f} s.",
        "Now ask the model about digits that it has not seen, in files called by what they show. "
        "It asks the recogniser on this machine, so that nobody is paid what that is said to "
        "cost, and answers in predictions.csv:",
        f"  rebox predict {model} {samples}",
        f"  rebox show {model}",
    ]
