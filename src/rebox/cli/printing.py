"""What the commands print, and what they write to files."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from math import ceil, inf
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from rebox.box import BlackBox, Nobody
from rebox.classifier import Measured, Reprogrammer
from rebox.cli.console import err, out
from rebox.cli.measured import record_of, record_of_point
from rebox.cli.output import write
from rebox.cli.policy import record_of_policy
from rebox.cli.wording import spoken
from rebox.decision import OperatingPoint
from rebox.fit import Verdict
from rebox.meter import JournalAccount, Spent
from rebox.money import BY_OPTION, UNKNOWN, dollars, duration, per_hour, per_thousand

LITTLE = 0.2  # of a price, by which it may be another than was planned
USUAL_PER_SECOND = 3.0  # a guess: answers of a service that says nothing of its pace


def print_verdict(verdict: Verdict | None, instead: str) -> None:
    """Print what the box brought, and the command ``instead`` that fits the local model."""
    if verdict is None:
        return
    table = Table("held-out training samples", "queries", "macro AUC", "accuracy")
    for row in verdict.rows:
        table.add_row(row.name, str(row.queries), f"{row.macro_auc:.3f}", f"{row.accuracy:.3f}")
    out.print(table)
    out.print(spoken(verdict.words), highlight=False)
    if verdict.advice:
        out.print("The local model asks nobody:", highlight=False)
        out.print(f"  {instead}", highlight=False, soft_wrap=True)  # one line, to be copied


def print_decided(model: Reprogrammer) -> None:
    """Print what a model decides for, if it is not accuracy, and what that leaves undone."""
    artefact = model.artefact_
    if artefact.objective.kind != "accuracy":
        words = artefact.objective.words(model.classes_.tolist())
        out.print(f"decides for {words}; {_promise(artefact.promised)}.", highlight=False)
    if model.note_:
        out.print(spoken(model.note_), highlight=False)


def _promise(promised: OperatingPoint | None) -> str:
    if promised is None or not promised.figures:
        return "nothing was held out to tell what that is worth"
    figures = ", ".join(
        f"{name.replace('_', ' ')} {figure:.3f}" for name, figure in promised.figures.items()
    )
    return f"on {promised.images:,} training samples held out in turn: {figures}"


def receipt(
    spent: Spent,
    boxes: Sequence[BlackBox],
    by_box: Sequence[Spent] = (),
    console: Console = out,
) -> None:
    """Print what was asked, what it cost, for how long, and what the journal saved.

    Of several boxes, a line for each besides.
    """
    if len(boxes) == 1:
        more = f"{_kept(spent, boxes[0])}{_dearer(spent, boxes[0])}"
        console.print(f"asked {spent.words}{more}", highlight=False)
        return
    console.print(f"asked {spent.words}", highlight=False)
    for box, part in zip(boxes, by_box, strict=True):
        if not isinstance(box, Nobody):
            line = f"  {name_of(box)}: {part.words}{_kept(part, box)}{_dearer(part, box)}"
            console.print(line, highlight=False, markup=False, soft_wrap=True)


def receipt_of(model: Reprogrammer) -> None:
    """Print what a model was asked for, by its fit and since, to the end or not."""
    receipt(model.meter_.spent, model.boxes_, model.meter_.spent_by_box)


def name_of(box: BlackBox) -> str:
    """Return what a box is called where several are told apart."""
    return box.uri or box.spec.identity


def _kept(spent: Spent, box: BlackBox) -> str:
    """Return for how long ``box`` was kept ready, where that is paid for."""
    if not box.spec.usd_per_hour or spent.usd is None:
        return ""
    by_time = spent.usd - spent.billed * (box.spec.price_usd or 0.0)
    hours = duration(max(by_time / box.spec.usd_per_hour, 0.0))
    return f"; kept for {hours} at {per_hour(box.spec.usd_per_hour)}"


def _dearer(spent: Spent, box: BlackBox) -> str:
    """Return what a query was paid in the mean, where plans have taken it for something else."""
    known = box.spec.price_usd
    if not (spent.tokens_in and spent.billed and spent.usd and known):
        return ""
    mean = spent.usd / spent.billed
    if abs(mean - known) <= LITTLE * mean:
        return ""
    read, written = (ceil(tokens / spent.billed) for tokens in (spent.tokens_in, spent.tokens_out))
    return (
        f"; that is {per_thousand(mean)}, and plans took it for {per_thousand(known)}: with "
        f"tokens_in={read} and tokens_out={written} in the box's URI they go by what was paid"
    )


def say_under_way(error: BaseException) -> None:
    """Print what Ctrl-C has left under way, if that is anything."""
    if isinstance(error, KeyboardInterrupt) and error.args:
        err.print(f"{error.args[0]}", highlight=False)


def print_cut_short(model: Reprogrammer, how: str) -> None:
    """Print what a fit that was cut short has been answered, and what going on takes."""
    answered, read = model.n_answered_, model.n_read_
    of_them = "all of them" if answered == read else f"{read:,} of them"
    remote = any(box.source.remote for box in model.boxes_)
    paid = "were paid for" if remote else "came in"
    out.print(f"{answered:,} answers {paid}, and the model has {of_them}.", highlight=False)
    account = model.meter_.account
    if isinstance(account, JournalAccount):
        words = f"{account.journal.path} gives those answers, and only the rest is asked."
    else:
        words = "no journal was kept, so all is asked again; with --journal FILE it would not be."
    out.print(f"To go on, type the same command {how}: {words}", highlight=False)


def print_price(uri: str, price_usd: float | None, usd_per_hour: float) -> None:
    """Print where the price comes from that an estimate was made with."""
    if price_usd is None:
        out.print(
            f"{UNKNOWN}, and it may cost something; name it in the URI by {BY_OPTION}.",
            highlight=False,
        )
        return
    option = "usd_per_hour=" if usd_per_hour else "price_usd="
    if not price_usd or option in uri:
        return
    from rebox.box.service import price_of  # noqa: PLC0415 - most boxes are no services

    known = price_of(uri)
    if known is not None:
        price = per_hour(known.usd) if known.per == "hour" else per_thousand(known.usd)
        out.print(
            f"price: {price} ({known.source}, {known.as_of}); yours may differ: name it in the URI "
            f"by {option}.",
            highlight=False,
        )


def usd_per_query(box: BlackBox) -> float | None:
    """Return what a query costs, with the time that it takes, as far as that can be told."""
    price = box.spec.price_usd
    return None if price is None else price + box.spec.usd_per_hour / _answers_per_hour(box)


def dearest(boxes: Sequence[BlackBox]) -> BlackBox:
    """Return the box whose queries cost most, as far as that can be told; an unknown price does."""
    prices = [inf if (price := usd_per_query(box)) is None else price for box in boxes]
    return boxes[prices.index(max(prices))]


def time_words(box: BlackBox, queries: int) -> str:
    """Return how long a box is kept for ``queries``, at what price, and what was assumed."""
    pace = _answers_per_hour(box)
    return (
        f"about {duration(queries / pace)} at {per_hour(box.spec.usd_per_hour)}, if "
        f"{pace / 3600:g} answers come in a second"
    )


def _answers_per_hour(box: BlackBox) -> float:
    """Return how many answers come in an hour, as far as that can be told beforehand."""
    return 3600 * (box.source.per_second or USUAL_PER_SECOND)


def usd_per_10k(
    boxes: Sequence[BlackBox], by_box: Sequence[Spent], predictions: int
) -> float | None:
    """Return what 10,000 predictions cost at the boxes' prices, by what so many have asked.

    A journal that answered some for nothing does so once. None: the price of a box that was asked
    is not known.
    """
    usd = 0.0
    for box, spent in zip(boxes, by_box, strict=True):
        price = usd_per_query(box) if spent.predict else 0.0
        if price is None:
            return None
        usd += spent.predict * price
    return usd * 10_000 / predictions


def print_usual_cost(usd: float | None, asked: int, predictions: int) -> None:
    """Print what predictions ask, and cost, in the mean."""
    if asked:
        each = f"{asked / predictions:.2f}".rstrip("0").rstrip(".")
        words = f"each prediction asked {each} {'query' if each == '1' else 'queries'}"
        out.print(f"{words}: {dollars(usd)} for 10,000", highlight=False)


def write_record(
    path: Path,
    model: Reprogrammer,
    seconds: float,
    by_box: Sequence[Spent],
    measured: Measured | None = None,
    usd_per_10k: float | None = None,
) -> None:
    """Write what was done and what came out of it, as JSON, for ``--json``.

    Parameters
    ----------
    by_box : sequence of Spent
        What each box of ``model`` was asked.
    usd_per_10k : float or None
        What 10,000 predictions cost, as measured.
    """
    metrics = {} if measured is None else measured.measurement.figures
    names = [record.name for record in model.artefact_.boxes]
    spent = sum(by_box, Spent())
    each = zip(names, by_box, strict=True)
    policy = model.artefact_.model.policy
    record = {
        "recipe": model.artefact_.recipe,
        "box": names[0],
        **({} if len(names) == 1 else {"boxes": [_record_of(*one) for one in each]}),
        "seed": model.artefact_.seed,
        "seconds": round(seconds, 3),
        **_cost_of(spent),
        "verdict": None if model.verdict_ is None else asdict(model.verdict_),
        "metrics": {name: asdict(interval) for name, interval in metrics.items()},
        **({} if measured is None else _record_of_measured(measured, usd_per_10k)),
        "operating_point": record_of_point(model, None if measured is None else measured.point),
        "policy": None if policy is None else record_of_policy(policy),
    }
    write(path, (json.dumps(record, indent=2) + "\n").encode())


def _record_of_measured(measured: Measured, usd_per_10k: float | None) -> dict[str, Any]:
    return {"usd_per_10k": usd_per_10k, **record_of(measured.measurement)}


def _record_of(name: str, spent: Spent) -> dict[str, Any]:
    return {"box": name, **_cost_of(spent)}


def _cost_of(spent: Spent) -> dict[str, Any]:
    usd = None if spent.usd is None else round(spent.usd, 6)
    told = {"in": spent.tokens_in, "out": spent.tokens_out}
    tokens = {"tokens": told} if any(told.values()) else {}
    return {"usd": usd, "queries": spent.by_purpose(), **tokens}
