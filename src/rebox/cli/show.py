"""``rebox show``: what a model is, read from its file alone."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table
from rich.text import Text

from rebox.artefact import peek
from rebox.box import NOBODY
from rebox.cli.app import app
from rebox.cli.console import out
from rebox.cli.options import ModelArgument
from rebox.cli.policy import policy_words, record_of_policy
from rebox.cli.wording import spoken
from rebox.decision import Objective
from rebox.errors import ArtefactError
from rebox.fit import Policy
from rebox.fit.operating import asked_words, price_words
from rebox.meter import counted, counted_by_purpose
from rebox.metric import Interval
from rebox.money import UNKNOWN, dollars, per_thousand
from rebox.program import Template
from rebox.reading.contract import part_of

ABOUT = (  # what is printed, and the name of it in JSON
    ("box", "box"),
    ("its identity", "identity"),
    ("its classes", "box_classes"),
    ("classes", "classes"),
    ("recipe", "recipe"),
    ("seed", "seed"),
    ("encoder", "encoder"),
    ("size", "size"),
    ("texts shown as", "templates"),
    ("value range", "value_range"),
    ("asked by the fit", "queries"),
    ("each prediction", "queries_per_prediction"),
    ("price", "price_usd"),
    ("that is the price of", "tokens_per_query"),
    ("asks where it pays", "policy"),
    ("canaries", "canaries"),
    ("decides for", "objective"),
    ("promises", "promised"),
    ("verdict", "verdict"),
    ("format", "format"),
    ("file of", "modified"),
)


@app.command()
def show(
    path: ModelArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say what a model is: its box, classes, verdict and price. Asks nobody."""
    facts = facts_of(path)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    told = _operating(path)
    table = Table("", Column(str(path), overflow="fold"))
    for place, box in enumerate(facts["boxes"] if len(facts["boxes"]) > 1 else (), start=1):
        table.add_row(f"box {place}", Text(_of_several(box)))
    for title, name in ABOUT:
        if facts[name] not in (None, []):
            table.add_row(title, Text(told.get(name) or _said(name, facts[name])))
    out.print(table)


def _tokens_words(tokens: Sequence[float]) -> str:
    """Return ``45.2 tokens read and 1.0 written, as answers took in the mean``."""
    read, written = tokens
    return f"{read:,.1f} tokens read and {written:,.1f} written, as answers took in the mean"


def _of_several(box: dict[str, Any]) -> str:
    """Return what is known of a box among others, for people."""
    price = UNKNOWN if box["price_usd"] is None else per_thousand(box["price_usd"])
    if box["tokens_per_query"] is not None:
        price = f"{price} ({_tokens_words(box['tokens_per_query'])})"
    kept = "no canary" if not box["canaries"] else f"canaries: {box['canaries']}"
    asked = box["queries_per_prediction"]
    each = (
        f"up to {counted(asked)} for each prediction, {kept}"
        if asked
        else "predictions ask it nothing"
    )
    return (
        f"{box['box'] or box['identity']}\n{box['box_classes']} classes, {price}, {each}\n"
        f"asked by the fit: {counted_by_purpose(box['queries'])}, {dollars(box['usd'])}"
    )


def facts_of(path: Path) -> dict[str, Any]:
    """Return what the file of a model says of it; neither box nor encoder is opened."""
    version, description, arrays = peek(path)
    try:
        canaries = [len(arrays.get(f"canaries.{k}", ())) for k in range(len(description["boxes"]))]
        facts = {**_facts(description, canaries), "policy": _policy(description, arrays)}
    except (LookupError, TypeError, AttributeError) as error:
        raise ArtefactError(
            f"{path} does not hold what a model of format {version} does: fit again."
        ) from error
    written = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return {**facts, "format": version, "modified": written.isoformat(timespec="seconds")}


def _facts(description: dict[str, Any], canaries: list[int]) -> dict[str, Any]:
    verdict, inputs = description["verdict"], description["inputs"] or {}
    local = description["local"] or {}
    boxes = [_box_facts(description, k, canaries[k]) for k in range(len(canaries))]
    prices = [question["price_usd"] for question in description["questions"]]
    only = boxes[0] if len(boxes) == 1 else dict.fromkeys(boxes[0])
    return {
        "box": only["box"],
        "identity": only["identity"],
        "box_classes": only["box_classes"],
        "classes": description["classes"]["names"],
        "recipe": description["recipe"],
        "seed": description["seed"],
        "encoder": (local.get("encoder") or {}).get("identity"),
        "size": inputs.get("size"),
        "templates": _templates(description["questions"]),
        "value_range": inputs.get("value_range"),
        "queries": _together(boxes),
        "queries_per_prediction": len(prices),
        "price_usd": None if None in prices else sum(prices),
        "tokens_per_query": only["tokens_per_query"],
        "canaries": only["canaries"],
        "boxes": boxes,
        "objective": _objective(description),
        "promised": _promised(description["deciding"]["promised"]),
        "verdict": None if verdict is None else verdict["words"],
    }


def _box_facts(description: dict[str, Any], place: int, canaries: int) -> dict[str, Any]:
    box = description["boxes"][place]
    prices = [one["price_usd"] for one in description["questions"] if one["box"] == place]
    nobody, total = box["identity"] == NOBODY, box["queries"].get("total", 0)
    price = box.get("price_usd", prices[0] if prices else None)
    return {
        "box": box["uri"],
        "identity": None if nobody else box["identity"],
        "box_classes": None if nobody else box["classes"],
        "queries": box["queries"],
        "usd": None if price is None else total * price,
        "price_usd": price,
        "tokens_per_query": _tokens(description, place),
        "queries_per_prediction": len(prices),
        "canaries": canaries if prices else None,  # nobody is asked who could change
    }


def _tokens(description: dict[str, Any], place: int) -> list[float] | None:
    """Return the tokens that the price of a box goes by, read and written; None: by none."""
    told = [one.get("tokens") for one in description["questions"] if one["box"] == place]
    return told[0] if told else None


def _templates(questions: list[dict[str, Any]]) -> list[str]:
    """Return how texts are shown to boxes, each way once."""
    told = [Template(**one["template"]).described for one in questions if "template" in one]
    return list(dict.fromkeys(told))


def _together(boxes: list[dict[str, Any]]) -> dict[str, int]:
    """Return what all boxes were asked, by purpose."""
    total: Counter[str] = Counter()
    for box in boxes:
        total.update(box["queries"])
    return dict(total)


def _objective(description: dict[str, Any]) -> Any:
    told = description["deciding"]["objective"]
    return Objective(**told).value(description["classes"]["names"])


def _policy_of(description: dict[str, Any], arrays: Mapping[str, Any]) -> Policy | None:
    if (described := description.get("policy")) is None:
        return None
    return Policy.restore(described, part_of(dict(arrays), "policy."))


def _policy(description: dict[str, Any], arrays: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return how a model asks where it pays, and what that loses."""
    if (policy := _policy_of(description, arrays)) is None:
        return None
    words = policy_words(policy, Objective(**description["deciding"]["objective"]))
    return {"words": words, **record_of_policy(policy)}


def _operating(path: Path) -> dict[str, str]:
    """Return what is said of a model with a policy, for people: what it may ask, and does."""
    _, description, arrays = peek(path)
    policy = _policy_of(description, arrays)
    prices = [question["price_usd"] for question in description["questions"]]
    if policy is None or not prices:
        return {}
    asked = {"queries_per_prediction": asked_words(policy, len(prices))}
    return asked if None in prices else {**asked, "price_usd": price_words(policy, prices)}


def _promised(point: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if point is None else point["figures"]


def _promise(figures: dict[str, Any]) -> str:
    return ", ".join(
        f"{name.replace('_', ' ')} {Interval(**figure):.3f}" for name, figure in figures.items()
    )


def _decides(objective: Any) -> str:
    if isinstance(objective, str):
        return objective.replace("_", " ")
    if "costs" in objective:
        return f"least expected cost, by {objective['costs']}"
    told = objective["sensitivity"]
    return f"sensitivity for {told['class']} of at least {told['at_least']:g}"


def _said(name: str, value: Any) -> str:
    return WRITTEN[name](value) if name in WRITTEN else str(value)


def _times(queries: int) -> str:
    return counted(queries) if queries else "asks nobody"


WRITTEN: Mapping[str, Callable[[Any], str]] = {
    "classes": lambda names: ", ".join(map(str, names)),
    "templates": ", ".join,
    "size": lambda size: f"{size[0]} x {size[1]} pixels",
    "value_range": lambda ends: f"{ends[0]:g} to {ends[1]:g}",
    "queries": counted_by_purpose,
    "queries_per_prediction": _times,
    "price_usd": lambda usd: f"{per_thousand(usd)} predictions",
    "tokens_per_query": _tokens_words,
    "canaries": lambda count: f"{count}" if count else "none: the box may change unnoticed",
    "objective": _decides,
    "promised": _promise,
    "policy": lambda policy: policy["words"],
    "verdict": spoken,
}
"""How a fact is written for people; the others stand as they are."""
