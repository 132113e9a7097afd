"""What the commands print, and what they write to files."""

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from rebox.box import BlackBox, Drift
from rebox.classifier import Reprogrammer
from rebox.cli.console import out
from rebox.cli.measured import record_of
from rebox.cli.output import write
from rebox.cli.wording import spoken
from rebox.errors import InvalidOption
from rebox.fit import Verdict
from rebox.meter import JournalAccount, Spent
from rebox.metric import Measurement
from rebox.money import UNKNOWN, dollars, per_thousand

FIT_LOCAL = "rebox fit --recipe local --data DATA --out local.rebox"


def print_verdict(verdict: Verdict | None, instead: str = FIT_LOCAL) -> None:
    """Print what the box brought, and the command ``instead`` that fits the local model."""
    if verdict is None:
        return
    table = Table("held-out training images", "queries", "macro AUC", "accuracy")
    for row in verdict.rows:
        table.add_row(row.name, str(row.queries), f"{row.macro_auc:.3f}", f"{row.accuracy:.3f}")
    out.print(table)
    out.print(spoken(verdict.words), highlight=False)
    if verdict.advice:
        out.print("The local model asks nobody:", highlight=False)
        out.print(f"  {instead}", highlight=False, soft_wrap=True)  # one line, to be copied


def receipt(spent: Spent, console: Console = out) -> None:
    """Print what was asked, what it cost and what the journal saved."""
    counts = spent.by_purpose()
    total = counts.pop("total")
    parts = ", ".join(f"{count:,} to {purpose}" for purpose, count in counts.items() if count)
    of_them = f" ({parts})" if parts else ""
    line = f"asked {total:,} {'query' if total == 1 else 'queries'}{of_them}, {dollars(spent.usd)}"
    if spent.saved or spent.billed != total:
        line = f"{line}: {spent.billed:,} billed, {spent.saved:,} answered by the journal"
    console.print(line, highlight=False)


def print_cut_short(model: Reprogrammer, box: BlackBox, how: str) -> None:
    """Print what a fit that was cut short has been answered, and what going on takes."""
    answered, read = model.n_answered_, model.n_read_
    of_them = "all of them" if answered == read else f"{read:,} of them"
    paid = "were paid for" if box.source.remote else "came in"
    out.print(f"{answered:,} answers {paid}, and the model has {of_them}.", highlight=False)
    account = model.meter_.account
    if isinstance(account, JournalAccount):
        words = f"{account.journal.path} gives those answers, and only the rest is asked."
    else:
        words = "no journal was kept, so all is asked again; with --journal FILE it would not be."
    out.print(f"To go on, type the same command {how}: {words}", highlight=False)


def print_price(uri: str, price_usd: float | None) -> None:
    """Print where the price comes from that an estimate was made with."""
    if price_usd is None:
        out.print(
            f"{UNKNOWN}, and it may cost something; name it in the URI by price_usd=, 0 if it is "
            "free.",
            highlight=False,
        )
        return
    if not price_usd or "price_usd=" in uri:
        return
    from rebox.box.service import price_of  # noqa: PLC0415 - most boxes are no services

    known = price_of(uri)
    if known is not None:
        out.print(
            f"price: {per_thousand(known.usd)} ({known.source}, {known.as_of}); yours may differ: "
            "name it in the URI by price_usd=.",
            highlight=False,
        )


def print_drift(drift: Drift | None) -> bool:
    """Print what the canaries said; return whether the model may be used.

    Raises `InvalidOption` where there are none: nothing is said then of the box.
    """
    if drift is None:
        raise InvalidOption(
            "the model has no canaries, or asks no box, so that nothing tells whether that has "
            "changed: fit with --canaries 3 to have some."
        )
    out.print(drift.words, highlight=False)
    return drift.change != "changed"


def write_record(
    path: Path,
    model: Reprogrammer,
    seconds: float,
    spent: Spent,
    measurement: Measurement | None = None,
) -> None:
    """Write what was done and what came out of it, as JSON, for ``--json``."""
    metrics = {} if measurement is None else measurement.figures
    record = {
        "recipe": model.artefact_.recipe,
        "box": model.artefact_.box.name,
        "seed": model.artefact_.seed,
        "seconds": round(seconds, 3),
        "usd": None if spent.usd is None else round(spent.usd, 6),
        "queries": spent.by_purpose(),
        "verdict": None if model.verdict_ is None else asdict(model.verdict_),
        "metrics": {name: asdict(interval) for name, interval in metrics.items()},
        **({} if measurement is None else record_of(measurement)),
    }
    write(path, (json.dumps(record, indent=2) + "\n").encode())
