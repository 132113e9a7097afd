"""The ledger as Markdown: what was paid, what it brought, and what was published."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from published_services.trials import SERVICES, TRAINING, bar_queries
from rebox.metric import METRIC_WORDS, PERCENT, Interval
from rebox.money import dollars
from rebox.study.bench import Published, mean_of, published_for
from rebox.study.report.table import Column, Entry, figure, in_markdown

Row = dict[str, Any]

BOXES = {
    "azure": "azure",
    "clarifai": "clarifai-moderation",
    "clarifai-nsfw": "clarifai-nsfw",
    "clarifai-moderation-v3": "clarifai-moderation",
}  # as `rebox.study.bench.published` names them
FIGURES = ("accuracy", "sensitivity", "specificity", "macro_auc")
METHODS = {
    "bar": "BAR, as published",
    "auto": "`auto`",
    "auto-5": "`auto`, up to 5 queries per prediction",
    "auto-box": "`auto?stack=false` (the box alone)",
}
INTRODUCTION = """\
# The published service runs, repeated behind rehearsals

Written by `python benchmarks/published_services.py table`; do not edit. Made by

```sh
python benchmarks/published_services.py run --data DIR --models DIR --seeds 0,1,2
```

`measured.jsonl` is the ledger, a line for each finished trial. The publication: Tsai, Chen and
Ho, Transfer Learning without Knowing, ICML 2020.

**What was run.** ABIDE I (C-PAC, CC200), correlations of 200 regions as 200 x 200 matrices: 930
training subjects and the other 105 for the test, drawn by seed, both with the classes in
proportion; test subjects choose nothing. Every trial has a rehearsal service in a process of
its own, with the service's protocol and batch size, its price in the paper, no latency and no
rate limit. rebox asks it over HTTP as it would the real one, with a journal and with the money
of the published run as its only cap (`max_usd`). BAR: one epoch, batches of 20, one-sided
differences along q directions, random mapping, focal loss, the 200 x 200 matrix in the middle
and the program around it (`bar?q=Q&epochs=1&mapping=random&m=M`); 930 x (q + 1) queries.

**What differs from the publication.**

- The models behind the protocols are stand-ins. Azure: a public traffic-sign network of 43
  classes that takes 30 x 30 pixels (the paper trained one on Azure). Clarifai Moderation, here
  `clarifai`: a MobileNetV2 that knows Drawing, Hentai, Neutral, Porn and Sexy, served as drug,
  gore, safe, explicit and suggestive; `clarifai-moderation-v3`: an Inception-v3, trained as a
  whole for the same five. Clarifai NSFW, here `clarifai-nsfw`: Yahoo's open_nsfw, a thin
  ResNet-50 of two classes, served as sfw and nsfw.
- Pictures: 256 x 256 to Azure (which enlarges smaller ones), 299 x 299 to the Inception-v3 and
  224 x 224 to the others; the paper has 299 or 224 for its own networks and names none for the
  services.
- m = 6 source classes per target class for Azure (as for ASD in the paper), 2 for the five of
  Clarifai Moderation, 1 for the two of Clarifai NSFW.
- 1035 subjects, not 1034 (105 for the test, not 104). **Sensitivity and specificity are those
  of autism (dx_group 1)**; the publication gives accuracy only for its services.
- Pictures travel as 8-bit PNG, as they do to the real services: most of what eps = 0.1 changes
  in a pixel is below one grey level.

`auto` asks each training subject once, and more only where more views pay; the rest of the
money it keeps. Three of its queries are canaries, by which a change of the service can be seen
later. Most of what it knows of ABIDE it reads from the matrices without asking, so that **the fair
comparison with BAR as a use of the box is `auto?stack=false`**.

**What a question costs here**, in CPU milliseconds, at 256 pixels (224), each part timed alone:
packing the picture as PNG 6 (4), unpacking and resizing it in the service 2.4 (2.0), the model 0.9
(24), the journal 2. HTTP was not timed by itself: rebox's process without a journal took about 8.5
for a question to Azure, so that about 2.5 are left for HTTP and dressing the picture. With one
question at a time, on a disk busy with others, a question waited 37 ms for the journal's two
commits.
"""


def render(rows: Sequence[Row]) -> str:
    """Return the ledger's tables with what has to be known to read them."""
    rows = sorted(rows, key=_place)
    return "\n".join(
        [INTRODUCTION, *_missing(rows), *_money(rows), "", *_brought(rows), "", *_trials(rows), ""]
    )


def _missing(rows: Sequence[Row]) -> list[str]:
    """Return what the tables lack: published runs that were not made, rows that would differ today.

    Rows of an earlier version do not say how many threads the model had.
    """
    made = {(row["service"], row["q"]) for row in rows if row["method"] == "bar"}
    planned = ((name, q) for name, served in SERVICES.items() for q in served.qs)
    absent = [f"{name} at q = {q}" for name, q in planned if (name, q) not in made]
    older = dict.fromkeys(
        f"{row['service']} at q = {row['q']}, {METHODS[row['method']]}"
        for row in rows
        if "threads" not in row
    )
    lines = []
    if absent:
        lines += [f"**Not run so far:** {', '.join(absent)}.", ""]
    if older:
        lines += [
            f"**Of an earlier version than the rest:** {'; '.join(older)}. Run again, those at "
            "q = 1 moved by up to 0.022 in AUC and by up to 8 of 105 test subjects in accuracy.",
            "",
        ]
    return lines


def _place(row: Row) -> tuple[int, int, int, int]:
    services, methods = list(SERVICES), list(METHODS)
    return services.index(row["service"]), row["q"], methods.index(row["method"]), row["seed"]


def _money(rows: Iterable[Row]) -> list[str]:
    """Return the table of queries and dollars of BAR's fits, each count beside the others."""
    columns = (
        Column("service", lambda part: part[0]["service"]),
        Column("q", lambda part: str(part[0]["q"])),
        Column(f"{TRAINING} x (q + 1)", lambda part: f"{bar_queries(part[0]['q']):,}"),
        Column("asked", _each(lambda row: f"{row['fit']['search'] + row['fit']['map']:,}")),
        Column("service's bill", _each(lambda row: f"{row['fit_bill']['queries']:,}")),
        Column("dollars", _each(lambda row: dollars(row["fit"]["usd"]))),
        Column("service's bill", _each(lambda row: dollars(row["fit_bill"]["usd"]))),
        Column("published", lambda part: _price(_published(part[0]))),
    )
    parts = _grouped(row for row in rows if row["method"] == "bar")
    return [
        "## Queries and dollars of BAR's fits",
        "",
        "Every trial is held to it before its line is written: asked (by the meter), billed and "
        "answered (by the journal) and billed (by the service) are the same number, and so are the "
        "dollars.",
        "",
        *in_markdown(columns, parts),
        "",
        "The publication's Azure figures are those of 930 x (q + 1) at $2 per 1000; its Clarifai "
        "figures are not those at $1.20.",
    ]


def _published(row: Row) -> Published:
    service, q = row["service"], row["q"]
    known = published_for("abide", BOXES[service], f"bar-q{q}")
    if known is None:
        raise KeyError(f"nothing was published of {service} with q = {q}.")
    return known


def _price(known: Published) -> str:
    return f"{known.queries}, {dollars(known.usd)}"


def _brought(rows: Iterable[Row]) -> list[str]:
    columns = (
        Column("service", lambda part: part[0]["service"]),
        Column("money", lambda part: f"q = {part[0]['q']}: {dollars(part[0]['max_usd'])}"),
        Column("method", lambda part: METHODS[part[0]["method"]]),
        Column("seeds", lambda part: str(len(part))),
        Column("fit", _each(partial(_paid, "fit"))),
        Column("test of 105", _each(partial(_paid, "predict"))),
        *(Column(_title(name), partial(_figure, name), number=True) for name in FIGURES),
        Column("published", _accuracy),
    )
    return [
        "## What the same money brought",
        "",
        "Mean over the seeds; with one seed the 95 % interval of `rebox.metric.evaluate`, with "
        "more what the test subjects and the seeds leave open together. Fit and test: queries and "
        "dollars that each was billed.",
        "",
        *in_markdown(columns, _grouped(rows)),
    ]


def _accuracy(part: Sequence[Row]) -> str:
    return f"{_published(part[0]).accuracy} %" if part[0]["method"] == "bar" else ""


def _trials(rows: Sequence[Row]) -> list[str]:
    columns = (
        Column("trial", lambda row: row["key"].replace(" | ", ", ")),
        *(Column(_title(name), partial(_figure_of_one, name), number=True) for name in FIGURES),
        Column("fit, s", lambda row: f"{row['seconds']['fit']:.0f}"),
        Column(
            "queries/s", lambda row: f"{row['fit_bill']['queries'] / row['seconds']['fit']:.0f}"
        ),
        Column("journal, MB", lambda row: f"{row['journal_mb']:.1f}"),
        Column("verdict", lambda row: (row["verdict"] or {}).get("words", "")),
    )
    return [
        "## Every trial",
        "",
        "95 % intervals over the test subjects. Seconds: of two shared cores with other work on "
        "them, the model's own included. The last column is what the fit says of the box by "
        "training subjects held out.",
        "",
        *in_markdown(columns, rows),
    ]


def _title(name: str) -> str:
    return f"{METRIC_WORDS[name]}{', %' if name in PERCENT else ''}"


def _grouped(rows: Iterable[Row]) -> list[list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault((row["service"], row["q"], row["method"]), []).append(row)
    return list(groups.values())


def _paid(what: str, row: Row) -> str:
    fit, whole = row["fit_bill"]["queries"], row["bill"]["queries"]
    queries = fit if what == "fit" else whole - fit
    return f"{queries:,}: {dollars(queries * SERVICES[row['service']].price_usd)}"


def _each(words: Callable[[Row], str]) -> Callable[[Sequence[Row]], str]:
    """Return what says of several rows what all of them say, or the different things."""
    return lambda part: " / ".join(dict.fromkeys(words(row) for row in part))


def _figure(name: str, part: Sequence[Row]) -> Entry:
    intervals = [Interval(**row["metrics"][name]) for row in part]
    if len(intervals) == 1:
        return figure(name, intervals[0])
    mean = mean_of(intervals)
    return figure(name, Interval(mean.value, max(0.0, mean.low), min(1.0, mean.high)))


def _figure_of_one(name: str, row: Row) -> Entry:
    return _figure(name, [row])
