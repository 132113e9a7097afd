"""What the commands print."""

from rich.console import Console
from rich.table import Table

from rebox.box import Drift
from rebox.cli.app import out
from rebox.fit import Verdict
from rebox.meter import Spent
from rebox.metric import Interval
from rebox.money import UNKNOWN, dollars, per_thousand


def print_metrics(metrics: dict[str, Interval]) -> None:
    """Print every metric with its interval."""
    table = Table("metric", "value", "95 % interval")
    for name, figure in metrics.items():
        table.add_row(name.replace("_", " "), *figure.parts(".4f"))
    out.print(table)


def print_verdict(verdict: Verdict | None) -> None:
    """Print what the box brought."""
    if verdict is None:
        return
    table = Table("held-out training images", "queries", "macro AUC", "accuracy")
    for row in verdict.rows:
        table.add_row(row.name, str(row.queries), f"{row.macro_auc:.3f}", f"{row.accuracy:.3f}")
    out.print(table)
    out.print(verdict.words, highlight=False)


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
    """Print what the canaries said; return whether the model may be used."""
    if drift is None:
        out.print("the model has no canaries: fit with --canaries 3 to have some.")
        return True
    out.print(drift.words, highlight=False)
    return drift.change != "changed"
