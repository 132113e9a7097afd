"""How a report spells figures and names."""

from rebox.metric import Interval

METRIC_WORDS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "macro_auc": "macro AUC",
    "quadratic_kappa": "quadratic kappa",
}
PERCENT = frozenset({"accuracy", "balanced_accuracy", "sensitivity", "specificity"})


def value_of(metric: str, figure: Interval) -> str:
    """Spell a figure: a percentage, or three decimals."""
    return f"{100 * figure.value:.1f}" if metric in PERCENT else f"{figure.value:.3f}"


def interval_of(metric: str, figure: Interval) -> str:
    """Spell its interval."""
    if metric in PERCENT:
        return f"{100 * figure.low:.1f} to {100 * figure.high:.1f}"
    return f"{figure.low:.3f} to {figure.high:.3f}"


def signed(metric: str, figure: Interval) -> tuple[str, str]:
    """Spell a difference and its interval, in points of a percentage or with three decimals."""
    scale, decimals = (100, 1) if metric in PERCENT else (1, 3)
    spelled = [f"{scale * v:+.{decimals}f}" for v in (figure.value, figure.low, figure.high)]
    value, low, high = (text.replace("-", "\N{MINUS SIGN}") for text in spelled)
    return value, f"{low} to {high}"


def count(value: float | None) -> str:
    """Spell a count: 25,000; an empty string for None."""
    return "" if value is None else f"{value:,.0f}"


def money(usd: float) -> str:
    """Spell dollars, to the cent and finer where a cent is too coarse."""
    return f"${usd:,.4f}" if 0 < usd < 0.1 else f"${usd:,.2f}"


def several(n: float, noun: str) -> str:
    """Spell ``1 trial`` and ``2 trials``."""
    return f"{n:,.0f} {noun}" if n == 1 else f"{n:,.0f} {noun}s"


def between(found: int | tuple[int, int] | None) -> str:
    """Spell a count, or the least and the largest of several."""
    if isinstance(found, tuple):
        return f"{found[0]:,} to {found[1]:,}"
    return count(found)
