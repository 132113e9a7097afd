"""What a file may say of a reader and of a policy, and whether answers can be read by them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.artefact.contract import Artefact
from rebox.artefact.schema import Unsound, each, entries, number, one_of, or_none, text, whole
from rebox.fit import AskedGroup, CurvePoint, Model
from rebox.local import TextFeatures
from rebox.program import Program
from rebox.reading import NamedAnswers, PooledReader, Reader, SubsetReader

Tensors = dict[str, NDArray[Any]]

MOST_QUESTIONS = 20  # in a subset of them
TRIED = 2  # answers that are made up

_pooled = {
    "answers": each(
        entries({"questions": each(whole(0), least=1), "counted": one_of(True, False)})
    ),
    "experts": each(entries({"name": text(), "kernel": one_of(True, False)})),
}
_pool = entries({"kind": one_of("pool"), **_pooled})
_subset = each(whole(0), most=MOST_QUESTIONS)
_subsets = entries(
    {
        "kind": one_of("subsets"),
        "members": each(
            entries(
                {
                    "question": or_none(whole(0)),
                    "named": one_of(*NamedAnswers.kinds),
                    "opinion": entries(_pooled),
                },
                free=frozenset({"named", "opinion"}),
            )
        ),
        "subsets": each(_subset, least=1),
    }
)
POLICY = entries(
    {
        "unit": one_of("usd", "queries", "mixed"),
        "mean": or_none(number(0)),
        "toll": number(0),
        "first": _subset,
        "pairs": each(each(_subset, 2, 2)),
    }
)


def check_reader(value: Any, at: str) -> None:
    """Raise `Unsound` unless a reader is described as one of its kind."""
    kind = value.get("kind") if isinstance(value, dict) else None
    one_of(*Reader.kinds)(kind, f"{at}.kind")
    {"pool": _pool, "subsets": _subsets}.get(str(kind), entries({"kind": text()}))(value, at)


def check_subsets(description: dict[str, Any], tensors: Tensors) -> None:
    """Raise `Unsound` where a reader or a policy names a question that is not asked."""
    reader, policy, count = (description.get(x) for x in ("reader", "policy", "questions"))
    subsets = {tuple(some) for some in reader.get("subsets", ())} if reader else set()
    members = (reader or {}).get("members", ())
    numbers = [k for some in subsets for k in some]
    numbers += [one["question"] for one in members if one["question"] is not None]
    if any(number >= len(count or ()) for number in numbers):
        raise Unsound("reader names a question that is not asked")
    if any(("named" in one) == ("opinion" in one) for one in members):
        raise Unsound("reader.members is neither named nor an opinion")
    if policy is None:
        return
    pairs = [(tuple(asked), tuple(then)) for asked, then in policy["pairs"]]
    known = all(x in subsets for pair in pairs for x in pair)
    k = len(description["classes"]["names"])
    fits = _policy_fits(tensors, len(pairs), len(count or ()), k)
    known = known and tuple(policy["first"]) in subsets
    if not known or not fits or (tensors["policy.costs"] < 0).any():
        raise Unsound("policy is none of the questions that are asked")


def _policy_fits(tensors: Tensors, pairs: int, questions: int, classes: int) -> bool:
    """Return whether the arrays of a policy are as large as they have to be."""
    point, group = (len(told.figures()) + questions for told in (CurvePoint, AskedGroup))
    told = {"curve": point, "point": point, "by_class": group, "by_doubt": group}
    rows = {name: len(tensors[f"policy.{name}"]) for name in told}
    shapes = {
        "costs": (questions,),
        "worth": (classes, classes),
        "gains": (pairs, 5 + 2 * classes),
        **{name: (rows[name], columns) for name, columns in told.items()},
    }
    few = rows["point"] <= 1 and rows["by_class"] in {0, classes}
    return few and all(tensors[f"policy.{name}"].shape == x for name, x in shapes.items())


def check_reading(artefact: Artefact, classes: Sequence[int]) -> None:
    """Let a model read answers that were made up; raise `Unsound` unless it can.

    Parameters
    ----------
    artefact : Artefact
    classes : sequence of int
        How many source classes each of its boxes has.
    """
    model, expected = artefact.model, (TRIED, len(artefact.classes))
    for place, question in enumerate(model.questions):
        program = question.program
        if question.z.shape != (question.dimension,):
            raise Unsound(f"z.{place} has shape {question.z.shape}")
        if not isinstance(program, Program) or not program.arrays():
            continue
        if not np.isfinite(program.added(question.z)).all():
            raise Unsound(f"program.{place} adds what is no number")
    answers = [_made_up(classes[question.box]) for question in model.questions]
    for heard in _subsets_of(model.reader, answers):
        with np.errstate(all="ignore"):
            said = np.asarray(model.reader.probabilities(heard, _seen(model), TRIED))
        if said.shape != expected or not np.allclose(said.sum(axis=1), 1):  # NaN is not
            raise Unsound("an answer that is read ends in no probabilities of its classes")


def _subsets_of(reader: Reader, answers: list[Any]) -> list[list[Any]]:
    """Return which answers a reader is given together: all, or those of each of its subsets."""
    if not isinstance(reader, SubsetReader):
        return [answers]
    numbers = range(len(answers))
    return [[answers[k] if k in some else None for k in numbers] for some in reader.subsets]


def _made_up(classes: int) -> NDArray[np.float32]:
    """Return answers that say nothing, and that say all for one class."""
    rows = np.full((TRIED, classes), 1 / classes, dtype=np.float32)
    rows[1] = np.eye(1, classes)
    return rows


def _looking(reader: Reader) -> list[PooledReader]:
    """Return the pools of a reader that look at what can be seen without asking."""
    opinions = reader.members if isinstance(reader, SubsetReader) else ()
    pools = [reader, *(one.opinion for one in opinions)]
    return [
        one for one in pools if isinstance(one, PooledReader) and len(one.blocks) > len(one.answers)
    ]


def _seen(model: Model) -> list[NDArray[np.float32]]:
    """Return features of samples that were made up, as wide as those of real ones."""
    readers = _looking(model.reader)
    if model.local is None or not readers:
        return []
    blocks = readers[0].blocks[len(readers[0].answers) :]
    seen = [np.zeros((TRIED, len(block.centre)), dtype=np.float32) for block in blocks]
    plain = model.local.plain
    if isinstance(plain, TextFeatures):
        widths = [len(plain.outside)]
    elif plain.kind == "picture":
        picture = np.full((8, 8, plain.channels), 0.5, dtype=np.float32)
        widths = [block.shape[1] for block in plain.transform([picture])]
    else:
        triangle = plain.size * (plain.size + 1) // 2
        widths = [plain.size if plain.kind == "rows" else triangle]
    if [one.shape[1] for one in seen[: len(widths)]] != widths:
        raise Unsound(f"local.plain is seen as {widths} features")
    return seen
