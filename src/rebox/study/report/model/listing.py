"""The tables of a model's page."""

from collections.abc import Sequence

from rebox.fit import AskedGroup, CurvePoint
from rebox.fit.gain import Finding, finding_of
from rebox.metric import METRIC_WORDS, PERCENT
from rebox.money import dollars
from rebox.study.report.model.source import PREDICTIONS, AskedBox, ModelFile
from rebox.study.report.table import Column, Entry, TableView, figure, on_page

ADVICE: dict[Finding, str] = {
    "helps": "keep",
    "little": "keep or drop: it helps by little",
    "nothing": "drop",
    "unknown": "cannot be told",
}


def rows_table(model: ModelFile) -> TableView | None:
    """Return what each way to answer reached; None where no verdict was given."""
    if model.verdict is None:
        return None
    columns = [
        Column("answered by", lambda row: row.name),
        Column("macro AUC", lambda row: figure("macro_auc", row.macro_auc), number=True),
        Column("accuracy, %", lambda row: figure("accuracy", row.accuracy), number=True),
        Column("queries, at most", lambda row: f"{row.queries:,}", number=True),
    ]
    caption = f"{model.verdict.images:,} training samples, each answered by who had not seen it"
    return on_page(caption, columns, model.verdict.rows)


def boxes_table(model: ModelFile) -> TableView:
    """Return what each box costs and brought."""
    chosen = model.point is not None
    columns = [
        Column("box", lambda box: Entry(text=box.name, swatch=_swatch(model, box))),
        Column(f"for {PREDICTIONS:,} queries", _price, number=True),
        Column("queries to fit", _fitted, number=True),
        _asked(chosen=chosen),
        Column("gain in macro AUC", lambda box: _gain(box, "gain"), number=True, when=_judged),
        Column(
            "gain in log loss, nats", lambda box: _gain(box, "sharper"), number=True, when=_judged
        ),
        Column("advice", _advice, when=_judged),
    ]
    beside = "; gains are those of all boxes over all but this one" if _judged(model.boxes) else ""
    asked = "how many samples each is asked about" if chosen else "what each costs and is asked"
    caption = (
        f"The boxes, and {asked}" if len(model.boxes) > 1 else "What the box costs and is asked"
    )
    return on_page(f"{caption}{beside}", columns, model.boxes)


def _asked(*, chosen: bool) -> Column:
    """Return how many samples a box is asked about, or how often about each."""
    if chosen:
        return Column("asked about, %", lambda box: f"{100 * box.queries:.1f}", number=True)
    return Column("queries for a prediction", lambda box: f"{box.queries:.3g}", number=True)


def _swatch(model: ModelFile, box: AskedBox) -> int | None:
    return box.question if model.point is not None else None


def _judged(boxes: Sequence[AskedBox]) -> bool:
    return any(box.verdict is not None for box in boxes)


def _price(box: AskedBox) -> str:
    price = box.record.price_usd
    return dollars(None if price is None else PREDICTIONS * price)


def _fitted(box: AskedBox) -> str:
    return f"{box.record.queries.get('total', 0):,}"


def _gain(box: AskedBox, name: str) -> Entry:
    interval = None if box.verdict is None else getattr(box.verdict, name)
    return figure("macro_auc", interval, sign=True)


def _advice(box: AskedBox) -> str:
    if box.verdict is None:
        return "left out by the fit"
    saved = box.record.price_usd
    said = ADVICE[finding_of(box.verdict.gain, box.verdict.sharper)]
    spare = said == "drop" and saved
    return f"{said}: saves {dollars(PREDICTIONS * saved)}" if spare and saved else said


def promised_table(model: ModelFile) -> TableView | None:
    """Return what decisions are worth, as far as training tells."""
    if model.promised is None:
        return None
    columns = [
        Column("figure", lambda one: METRIC_WORDS.get(one[0], one[0].replace("_", " "))),
        Column("promised", _promise, number=True),
    ]
    caption = f"What its decisions promise, made for {model.objective.words(model.classes)}"
    return on_page(caption, columns, tuple(model.promised.figures.items()))


def _promise(one: tuple[str, object]) -> Entry:
    name, interval = one
    entry = figure(name, interval)  # type: ignore[arg-type] # an interval, as its figures are
    return Entry(text=f"{entry.text} %" if name in PERCENT else entry.text, small=entry.small)


def points_of(model: ModelFile) -> list[CurvePoint]:
    """Return the points of the curve and the chosen one, cheap ones first."""
    if model.policy is None or model.point is None:
        return []
    return sorted({*model.policy.curve, model.point}, key=lambda one: one.cost)


def value_words(model: ModelFile, value: float, *, sign: bool = False) -> str:
    """Spell a value of the objective that the policy counts, or a difference of two."""
    plus = "+" if sign else ""
    text = f"{100 * value:{plus}.1f}" if model.plain else f"{value:{plus}.4g}"
    return text.replace("-", "\N{MINUS SIGN}")


def value_title(model: ModelFile) -> str:
    """Return what the policy's objective is called on an axis."""
    return "accuracy, %" if model.plain else "mean worth of what is said"


def curve_table(model: ModelFile) -> TableView:
    """Return the figures of the curve."""

    def cost(one: CurvePoint) -> Entry:
        return Entry(text=model.unit.words(one.cost), mark="chosen" if one == model.point else "")

    def lost(one: CurvePoint) -> Entry:
        ends = (value_words(model, end, sign=True) for end in (one.low, one.high))
        return Entry(text=value_words(model, one.gain, sign=True), small=" to ".join(ends))

    points = ", points" if model.plain else ""
    columns = [
        Column(model.unit.axis, cost),
        Column(value_title(model), lambda one: value_words(model, one.value), number=True),
        Column(f"over asking all{points}", lost, number=True),
        *_share_columns(model),
    ]
    return on_page("What a price of asking comes to", columns, points_of(model))


def _share_columns(model: ModelFile) -> list[Column]:
    def column(number: int, name: str) -> Column:
        return Column(f"{name}, %", lambda one: f"{100 * one.asked[number]:.1f}", number=True)

    return [column(number, box.name) for number, box in enumerate(model.asked)]


def groups_table(
    model: ModelFile, caption: str, kind: str, names: Sequence[str], groups: Sequence[AskedGroup]
) -> TableView:
    """Return how many samples of each group, called by its ``kind``, were asked about."""
    unit = ", %" if model.plain else ""
    titles = dict(zip(map(id, groups), names, strict=True))
    columns = [
        Column(kind, lambda one: titles[id(one)]),
        Column("samples", lambda one: f"{one.samples:,.0f}", number=True),
        Column(f"mean doubt{unit}", lambda one: value_words(model, one.doubt), number=True),
        *_share_columns(model),
    ]
    return on_page(caption, columns, groups)
