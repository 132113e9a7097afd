"""A ledger's summary as Markdown."""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

from frontier.saving import Saving, median_ratio, savings
from rebox.metric import METRIC_WORDS
from rebox.study.bench import Cell, Comparison, Row, cells_of, compare
from rebox.study.bench.summary import METRIC
from rebox.study.report.table import Column, in_markdown
from rebox.study.report.words import box_name, count

FIGURES = ("macro_auc", "balanced_accuracy", "accuracy")
RESULTS = {"wins": "win", "ties": "tie", "losses": "loss"}


def render(rows: Sequence[Row], ours: str, rival: str) -> str:
    """Return every cell, every comparison of ``ours``, and what it saves against ``rival``."""
    cells = cells_of(rows)
    lines = [
        "Mean over the seeds (95 % interval: what test images and seeds leave open together; with "
        "one seed the bootstrap's or Wilson's over the test images). Queries: asked by the fit, "
        "and for each prediction. Seconds: of fit and test together, all of them as if no answer "
        "had been remembered, and without those inside the box."
    ]
    for setting in dict.fromkeys(cell.setting for cell in cells):
        lines += ["", *_setting_lines([cell for cell in cells if cell.setting == setting])]
    lines += ["", *_comparison_lines(compare(cells, ours, METRIC), ours)]
    lines += ["", *_saving_lines(savings(cells, ours, rival), ours, rival)]
    return "\n".join(lines)


def _figure(metric: str, cell: Cell) -> str:
    return f"{cell.figures[metric]:.3f}"


def _seconds(where: str, cell: Cell) -> str:
    return f"{cell.mean(lambda trial: trial.seconds[where]):,.1f}"


CELLS = (
    Column("budget", lambda cell: f"{cell.budget:,}", number=True),
    Column("method", lambda cell: cell.name),
    Column("queries", lambda cell: count(cell.asked), number=True),
    Column(
        "per prediction",
        lambda cell: f"{cell.mean(lambda trial: trial.asked_per_prediction):g}",
        number=True,
    ),
    Column("seeds", lambda cell: str(len(cell.trials)), number=True),
    *(Column(METRIC_WORDS[name], partial(_figure, name), number=True) for name in FIGURES),
    Column("seconds", partial(_seconds, "total"), number=True),
    Column("outside the box", partial(_seconds, "outside"), number=True),
)


def _setting_lines(cells: Sequence[Cell]) -> Iterator[str]:
    first = cells[0].trials[0]
    yield (
        f"### {' / '.join(cells[0].setting)}: {first.train} training images, {first.test} test, "
        f"{first.classes} classes"
    )
    yield ""
    yield from in_markdown(CELLS, cells)


COMPARISONS = (
    Column("task", lambda one: one.theirs.task),
    Column("box", lambda one: box_name(one.theirs.box)),
    Column("budget", lambda one: count(one.theirs.budget), number=True),
    Column("against", lambda one: one.theirs.name),
    Column("seeds", lambda one: str(one.seeds), number=True),
    Column("difference", lambda one: f"{one.difference:+.3f}", number=True),
    Column("result", lambda one: one.result),
)


def _comparison_lines(comparisons: Sequence[Comparison], ours: str) -> Iterator[str]:
    yield f"### {ours} against the others, by macro AUC"
    yield ""
    if not comparisons:
        yield f"No cell has {ours} and another method."
        return
    yield "A tie: the 95 % interval of the difference holds 0. It is paired by seed; with one seed,"
    yield "by image or subject where the ledger keeps answers, and else the two bootstrap intervals"
    yield "overlap."
    yield ""
    counts = Counter((one.theirs.name, one.result) for one in comparisons)
    methods = list(dict.fromkeys(one.theirs.name for one in comparisons))

    def times(result: str, method: str) -> str:
        return str(counts[method, result])

    results = [Column(head, partial(times, result)) for head, result in RESULTS.items()]
    yield from in_markdown([Column("against", str), *results], methods)
    yield ""
    yield from in_markdown(COMPARISONS, comparisons)


def _saving_lines(saved: Sequence[Saving], ours: str, rival: str) -> Iterator[str]:
    yield f"### Queries of {ours} for what {rival} reaches at its largest budget"
    yield ""
    if not saved:
        yield f"No setting has both {ours} and {rival}."
        return
    columns = (
        Column("task", lambda saving: saving.setting[0]),
        Column("box", lambda saving: box_name(saving.setting[1])),
        Column(f"{rival}'s budget", lambda saving: f"{saving.budget:,}", number=True),
        Column("its macro AUC", lambda saving: f"{saving.target:.4f}", number=True),
        Column("queries", lambda saving: count(saving.queries) or "not reached", number=True),
        Column("ratio", lambda saving: f"{saving.ratio:.4f}", number=True),
    )
    yield from in_markdown(columns, saved)
    yield ""
    yield f"Median ratio over the settings ({len(saved)}): {median_ratio(saved):.4f}"
