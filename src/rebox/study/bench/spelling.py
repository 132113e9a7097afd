"""How figures, counts, dollars and boxes are spelled, in Markdown and on the page alike."""

from rebox.metric import Interval

METRIC_WORDS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "positive_predictive_value": "PPV",
    "negative_predictive_value": "NPV",
    "macro_auc": "macro AUC",
    "quadratic_kappa": "quadratic kappa",
}
METRICS = tuple(METRIC_WORDS)  # in the order of tables
PERCENT = frozenset(METRICS) - {"macro_auc", "quadratic_kappa"}


def spelled(figure: Interval, *, percent: bool = False, sign: bool = False) -> tuple[str, str, str]:
    """Spell a figure and the bounds of its interval, as a percentage or with three decimals."""
    scale, form = (100, ".1f") if percent else (1, ".3f")
    form = f"+{form}" if sign else form
    value, low, high = (f"{scale * x:{form}}" for x in (figure.value, figure.low, figure.high))
    return value, low, high


def with_interval(figure: Interval, *, percent: bool = False, sign: bool = False) -> str:
    """Spell a figure and its interval in one: ``0.812 [0.790, 0.834]``."""
    value, low, high = spelled(figure, percent=percent, sign=sign)
    return f"{value} [{low}, {high}]"


def count(value: float | None) -> str:
    """Spell a count: 25,000; an empty string for None."""
    return "" if value is None else f"{value:,.0f}"


def money(usd: float | None) -> str:
    """Spell dollars, to the cent and finer where a cent is too coarse; None: nobody knows them."""
    if usd is None:
        return "price unknown"
    return f"${usd:,.4f}" if 0 < usd < 0.1 else f"${usd:,.2f}"


def box_name(box: str | None) -> str:
    """Spell a box's name."""
    return "no box" if box is None else box
