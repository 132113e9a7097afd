"""What of an event is a figure, by the name that every tracker has for it."""

from rebox.fit import Event, StepTaken, Stopped, Verdict
from rebox.fit.verdict import WHOLE


def figures_of(event: Event) -> dict[str, float]:
    """Return the figures of an event.

    ``queries``, ``billed`` and ``saved`` so far, and ``usd`` where it is known; ``queries_map`` and
    so on by purpose; ``loss_search`` of a step that has one; and at the end, as far as there is a
    verdict, ``held_out_auc``, ``held_out_accuracy``, ``gain_auc`` and ``gain_log_loss``, each with
    its interval's ends as ``..._low`` and ``..._high``.
    """
    spent = event.spent
    by_purpose = {name: n for name, n in spent.by_purpose().items() if n and name != "total"}
    figures: dict[str, float] = {
        "queries": spent.total,
        "billed": spent.billed,
        "saved": spent.saved,
        **{f"queries_{name}": n for name, n in by_purpose.items()},
    }
    if spent.usd is not None:
        figures["usd"] = spent.usd
    if isinstance(event, StepTaken) and event.loss is not None:
        figures[f"loss_{event.purpose}"] = event.loss
    if isinstance(event, Stopped) and event.verdict is not None:
        figures |= _judged(event.verdict)
    return figures


def _judged(verdict: Verdict) -> dict[str, float]:
    fitted = next((row for row in verdict.rows if row.name == WHOLE), None)
    intervals = {
        "held_out_auc": None if fitted is None else fitted.macro_auc,
        "held_out_accuracy": None if fitted is None else fitted.accuracy,
        "gain_auc": verdict.gain,
        "gain_log_loss": verdict.sharper,
    }
    return {
        f"{name}{end}": value
        for name, interval in intervals.items()
        if interval is not None
        for end, value in (("", interval.value), ("_low", interval.low), ("_high", interval.high))
    }
