"""A ledger's summary as Markdown."""

from collections import Counter
from collections.abc import Iterator, Sequence

from frontier.saving import Saving, median_ratio, savings
from rebox.study.bench import Cell, Comparison, Row, cells_of, compare
from rebox.study.bench.spelling import count, with_interval
from rebox.study.bench.summary import METRIC

FIGURES = ("macro_auc", "balanced_accuracy", "accuracy")
RESULTS = ("win", "tie", "loss")


def render(rows: Sequence[Row], ours: str, rival: str) -> str:
    """Return every cell, every comparison of ``ours``, and what it saves against ``rival``."""
    cells = cells_of(rows)
    lines = [
        "Mean over the seeds [95 % interval: Student's t over the seeds; with one seed the "
        "bootstrap's or Wilson's over the test images]. Queries: asked by the fit, and for each "
        "prediction. Seconds: of fit and test together, all of them as if no answer had been "
        "remembered, and without those inside the box."
    ]
    for pair in dict.fromkeys(cell.pair for cell in cells):
        lines += ["", *_pair_lines([cell for cell in cells if cell.pair == pair])]
    lines += ["", *_comparison_lines(compare(cells, ours, METRIC), ours)]
    lines += ["", *_saving_lines(savings(cells, ours, rival), ours, rival)]
    return "\n".join(lines)


def _pair_lines(cells: Sequence[Cell]) -> Iterator[str]:
    first = cells[0].trials[0]
    yield (
        f"### {' / '.join(cells[0].pair)}: {first.train} training images, {first.test} test, "
        f"{first.classes} classes"
    )
    yield ""
    names = ("budget", "method", "queries", "per prediction", "seeds")
    spoken = ("macro AUC", "balanced accuracy", "accuracy")
    yield from _head((*names, *spoken, "seconds", "outside the box"))
    for cell in cells:
        figures = [with_interval(cell.figures[name]) for name in FIGURES]
        yield _row(
            f"{cell.budget:,}",
            cell.name,
            count(cell.asked),
            f"{cell.mean(lambda trial: trial.asked_per_prediction):g}",
            str(len(cell.trials)),
            *figures,
            f"{cell.mean(lambda trial: trial.seconds['total']):,.1f}",
            f"{cell.mean(lambda trial: trial.seconds['outside']):,.1f}",
        )


def _comparison_lines(found: Sequence[Comparison], ours: str) -> Iterator[str]:
    yield f"### {ours} against the others, by macro AUC"
    yield ""
    if not found:
        yield f"No cell has {ours} and another method."
        return
    yield "A tie: the 95 % interval of the difference holds 0. It is paired by seed; with one seed,"
    yield "by image or subject where the ledger keeps answers, and else the two bootstrap intervals"
    yield "overlap."
    yield ""
    yield from _head(("against", "wins", "ties", "losses"))
    for method in dict.fromkeys(comparison.theirs.name for comparison in found):
        results = Counter(c.result for c in found if c.theirs.name == method)
        yield _row(method, *(str(results[result]) for result in RESULTS))
    yield ""
    yield from _head(("task", "box", "budget", "against", "seeds", "difference", "result"))
    for c in found:
        figures = (str(c.seeds), with_interval(c.difference, sign=True), c.result)
        yield _row(*c.theirs.pair, count(c.theirs.budget), c.theirs.name, *figures)


def _saving_lines(found: Sequence[Saving], ours: str, rival: str) -> Iterator[str]:
    yield f"### Queries of {ours} for what {rival} reaches at its largest budget"
    yield ""
    if not found:
        yield f"No pair has both {ours} and {rival}."
        return
    yield from _head(("task", "box", f"{rival}'s budget", "its macro AUC", "queries", "ratio"))
    for saving in found:
        queries = "not reached" if saving.queries is None else f"{saving.queries:,.0f}"
        figures = (f"{saving.budget:,}", f"{saving.target:.4f}", queries, f"{saving.ratio:.4f}")
        yield _row(*saving.pair, *figures)
    yield ""
    yield f"Median ratio over the pairs ({len(found)}): {median_ratio(found):.4f}"


def _head(names: Sequence[str]) -> Iterator[str]:
    yield _row(*names)
    yield _row(*("---" for _ in names))


def _row(*parts: str) -> str:
    return f"| {' | '.join(parts)} |"
