"""The page of a model: what is said of it in words, and put into the template."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rebox.fit import Policy
from rebox.money import dollars
from rebox.study.bench.trial_row import plain
from rebox.study.report.drawing import FigureView, view_of
from rebox.study.report.model import figures, listing
from rebox.study.report.model.source import PREDICTIONS, ModelFile, open_model
from rebox.study.report.model.worth import Worth, sections
from rebox.study.report.table import HYPHEN
from rebox.study.report.template import rendered, template_of
from rebox.study.report.words import count


def model_report(
    path: str | Path,
    *,
    title: str = "",
    worth: Worth | None = None,
    when: datetime | None = None,
) -> str:
    """Return what a model is, asks and brings as one page of HTML that needs nothing else.

    Parameters
    ----------
    path : str or Path
        A model's file.
    title : str
        Empty: the file's name.
    worth : Worth or None
        What it was measured to be worth on labelled samples: `worth_of`; None: the page says how
        that is added.
    when : datetime or None
        When the page was written; None: it does not say. All else is told by the file.

    Raises
    ------
    ArtefactError
        It is no rebox model, or cannot be used.
    MissingExtra
        matplotlib or jinja2 is not installed.
    """
    template = template_of("model.html")
    model = open_model(path)
    said = f"What {model.name} {'asks' if worth is None else 'is worth'}"
    return rendered(template, _shown(model, plain(title or said), worth), when)


def _shown(model: ModelFile, title: str, worth: Worth | None) -> dict[str, Any]:
    told = None if worth is None else sections(worth, [box.name for box in model.boxes])
    drawn = model.point is not None and bool(model.asks)
    return {
        "title": title,
        "facts": _facts(model) if told is None else [*told["facts"], _price(model, worth)],
        "worth": told,
        "file": model,
        "verdict": _verdict(model),
        "rows": listing.rows_table(model),
        "boxes": listing.boxes_table(model) if model.boxes else None,
        "spending": _spending(model),
        "curve": _curve(model) if drawn else None,
        "shares": _shares(model) if drawn else None,
        "asking": _asking(model) if drawn else [],
        "asked": _asked(model) if drawn else [],
        "promised": None if told and told["decided"] else listing.promised_table(model),
        "about": _about(model),
    }


def _facts(model: ModelFile) -> list[tuple[str, str]]:
    queries = model.fit_queries
    asked = sum(box.queries for box in model.boxes)
    return [
        _counted(len([box for box in model.boxes if box.record.queries or box.queries])),
        ("classes", count(len(model.classes))),
        ("queries to fit", count(sum(queries))),
        ("cost of the fit", dollars(model.price_of(queries))),
        ("queries for a prediction", f"{asked:.3g}"),
        _price(model),
    ]


def _price(model: ModelFile, worth: Worth | None = None) -> tuple[str, str]:
    """Return what predictions cost: as it came where that was measured, or as training has it."""
    came = None if worth is None else worth.usd_per_10k
    usd = _many(model.price_usd) if came is None else dollars(came)
    return f"for {PREDICTIONS:,} predictions", usd


def _counted(boxes: int) -> tuple[str, str]:
    return "box" if boxes == 1 else "boxes", count(boxes)


def _many(price_usd: float | None) -> str:
    return dollars(None if price_usd is None else PREDICTIONS * price_usd)


def _verdict(model: ModelFile) -> list[str]:
    verdict = model.verdict
    if verdict is None:
        return ["No verdict was given: nothing was held out that would tell."]
    each = " ".join(one.words for one in verdict.boxes)
    words = [verdict.words.removesuffix(each).strip(), *(one.words for one in verdict.boxes)]
    return [HYPHEN.sub("\N{MINUS SIGN}", text) for text in (*words, verdict.advice) if text]


def _spending(model: ModelFile) -> list[str]:
    """Say what the chosen point comes to, or why there is no curve."""
    point, policy = model.point, model.policy
    if not model.asks:
        return ["There is no curve: the model asks nobody."]
    if point is None or policy is None:
        return [_no_policy(model)]
    unit = model.unit
    named = "accuracy is" if model.plain else "the mean worth of what is said is"
    percent, points = ("\N{NO-BREAK SPACE}%", " points") if model.plain else ("", "")
    value = listing.value_words(model, point.value)
    gain, low, high = (
        listing.value_words(model, one, sign=True) for one in (point.gain, point.low, point.high)
    )
    return [
        f"At the chosen point {unit.sentence.format(unit.words(point.cost))}, and {named} "
        f"{value}{percent}. Against asking all boxes about every sample, which comes to "
        f"{unit.words(policy.cost(range(len(policy.costs))))}, that is {gain}{points} "
        f"(95\N{NO-BREAK SPACE}%: {low} to {high}).",
        "Each point of the curve is a policy played about training samples that its rules had not "
        "seen. The band is the 95\N{NO-BREAK SPACE}% interval of what is lost or gained against "
        "asking all.",
    ]


def _no_policy(model: ModelFile) -> str:
    n = len(model.asks)
    these = "its one question" if n == 1 else f"all its {n:,} questions"
    return (
        f"There is no curve: the model has no policy. It asks {these} about every sample, "
        f"so that there is one price, {_many(model.price_usd)} for {PREDICTIONS:,} predictions. "
        "Fit with usd_per_prediction=, or queries_per_prediction= below 1, to ask only where it "
        "pays."
    )


def _asking(model: ModelFile) -> list[str]:
    policy = model.policy
    assert policy is not None  # noqa: S101 - it has a point
    first = [model.asked[number].name for number in policy.everybody]
    known = (
        f"{', '.join(first)} {'was' if len(first) == 1 else 'were'} asked about all"
        if first
        else ""
    )
    words = [
        f"At the chosen point, {known}." if known else "At the chosen point nobody is always asked."
    ]
    if len(policy.by_doubt) < 2:
        words.append("Before that, all samples looked alike: there are no doubtful ones.")
    return words


def _curve(model: ModelFile) -> FigureView:
    title = listing.value_title(model).partition(",")[0]
    caption = f"{title[0].upper()}{title[1:]} against {model.unit.axis}; star: chosen"
    if figures.alone(model):
        caption += "; colours: each box alone, about every sample"
    return view_of(figures.curve(model), "m-curve", caption, listing.curve_table(model))


def _shares(model: ModelFile) -> FigureView:
    caption = "Share of samples that each box is asked about, at each price"
    return view_of(figures.shares(model), "m-shares", caption)


def _asked(model: ModelFile) -> list[FigureView]:
    policy = model.policy
    assert policy is not None  # noqa: S101 - it has a point
    views = []
    if len(policy.by_doubt) > 1:
        first = [model.asked[number].name for number in policy.everybody]
        when = f"once {', '.join(first)} had answered" if first else "before anybody was asked"
        caption = f"Asked about, by how doubtful a sample was {when}"
        data = listing.groups_table(model, caption, "tenth", _tenths(policy), policy.by_doubt)
        views.append(view_of(figures.by_doubt(model), "m-doubt", caption, data))
    if policy.by_class:
        views.append(_by_class(model, policy.by_class))
    return views


def _tenths(policy: Policy) -> list[str]:
    """Return what the groups by doubt are called, the least doubtful first."""
    first, *others, last = map(str, range(1, len(policy.by_doubt) + 1))
    return [f"{first}, least doubtful", *others, f"{last}, most doubtful"]


def _by_class(model: ModelFile, groups: Sequence[Any]) -> FigureView:
    shown = figures.shown_classes(model)
    caption = "Asked about, by class"
    if len(shown) < len(groups):
        caption += f": the {len(shown)} most frequent of {len(groups):,}"
    drawn = figures.by_class(
        [model.classes[k] for k in shown], [groups[k] for k in shown], model.asked
    )
    data = listing.groups_table(model, caption, "class", model.classes, groups)
    return view_of(drawn, "m-class", caption, data)


def _about(model: ModelFile) -> list[tuple[str, str]]:
    several_boxes = len(model.boxes) > 1
    return [
        ("recipe", model.recipe),
        ("seed", str(model.seed)),
        ("decides for", model.objective.words(model.classes)),
        ("classes", ", ".join(model.classes)),
        *((box.name if several_boxes else "box", box.record.identity) for box in model.boxes),
    ]
