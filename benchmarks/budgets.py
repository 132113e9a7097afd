"""Small budgets: every recipe, on every kind of sample, with 1 to 30 queries.

    python benchmarks/budgets.py [--jobs 2] [--only 'auto*'] > benchmarks/BUDGETS.md

Each fit has to end with a usable model, within its budget: probabilities that are finite and sum to
one, the same after it was saved and loaded. It may be refused, by an error of rebox's, as long as
nothing has been asked. Whatever else happens is a fault; so is any warning. `tests/test_budgets.py`
goes through a part of it.
"""

import argparse
import fnmatch
import itertools
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from joblib import Parallel, delayed

import rebox
from rebox.box import BlackBox, FunctionBox, LimitedBox

BUDGETS = tuple(range(1, 31))
SIDE = 5  # pixels of the box's input
VERDICTS = 5  # named recipes are compared with a local model at every fifth budget: it takes long
ASKED = (0, 1, 3)  # queries_per_prediction of recipes that may choose

# Name of a recipe: with how many queries for each prediction it is fitted.
METHODS: dict[str, tuple[int, ...]] = {
    "auto": ASKED,
    "auto?stack=false": ASKED,
    "auto?class_weight=balanced": ASKED,
    "local": (0,),
    "local?class_weight=balanced": (0,),
    "map": (1,),
    "map?rule=best": (1,),
    "map?rule=kernel": (1,),
    "map?rule=lda&class_weight=balanced": (1,),
    "map?rule=blm%2B": (1,),
    "bar?q=2&inner=3": (1,),
    "bar?mapping=random&q=1&inner=3": (1,),
    "zoo?q=2&side=2&inner=3": (1,),
    "autozoom?side=2&inner=3": (1,),
    "ilm?inner=3": (1,),
    "program?frequencies=2": (1,),
    "program?frequencies=2&rule=ridge": (1,),
    "random-search?inner=3&subspace=dct-2": (1,),
    "cma-es?inner=3&subspace=dct-2": (1,),
    "spsa-gc?q=1&inner=3&subspace=dct-2": (1,),
}


@dataclass(frozen=True)
class Samples:
    """A kind of sample: what is fitted."""

    x: Any
    y: Any
    groups: Any = None
    options: dict[str, Any] = field(default_factory=dict)


def samples(kind: str, seed: int = 0) -> Samples:
    """Return samples of a kind in `KINDS`."""
    return KINDS[kind](np.random.default_rng(seed))


def _pictures(rng: np.random.Generator, y: Any, *tail: int) -> np.ndarray:
    shade = np.asarray(y, dtype=float).reshape(-1, *(1,) * (2 + len(tail)))
    noise = rng.random((len(shade), 4, 5, *tail))
    return np.clip((0.2 * shade + 0.5 * noise) * 255, 0, 255).astype(np.uint8)


def _grey(rng: np.random.Generator) -> Samples:
    y = np.arange(24) % 2
    return Samples(_pictures(rng, y), y)


def _colour(rng: np.random.Generator) -> Samples:
    y = np.arange(24) % 2
    return Samples(_pictures(rng, y, 3), np.array(["ill", "well"])[y])


def _matrices(rng: np.random.Generator) -> Samples:
    y = np.arange(20) % 2
    x = np.stack([np.corrcoef(one) for one in rng.normal(size=(20, 5, 9)) + y[:, None, None]])
    return Samples(x.astype(np.float32), y, options={"value_range": (-1, 1)})


def _rows(rng: np.random.Generator) -> Samples:
    y = np.arange(24) % 2
    return Samples(rng.normal(size=(24, 4)) + y[:, None], y)


def _subjects(rng: np.random.Generator) -> Samples:
    y = np.arange(24) // 4 % 2
    return Samples(rng.normal(size=(24, 4)) + y[:, None], y, groups=np.arange(24) // 4)


def _two_subjects(rng: np.random.Generator) -> Samples:
    y = np.arange(12) // 6
    return Samples(rng.normal(size=(12, 3)) + y[:, None], y, groups=y)


def _five_classes(rng: np.random.Generator) -> Samples:
    y = np.arange(25) % 5
    return Samples(_pictures(rng, y / 2), y)


def _imbalanced(rng: np.random.Generator) -> Samples:
    y = (np.arange(30) < 3).astype(int)
    return Samples(rng.normal(size=(30, 4)) + y[:, None], y)


def _one_of_a_class(rng: np.random.Generator) -> Samples:
    y = np.array([0, 1] * 9 + [2])
    return Samples(_pictures(rng, y), y)


def _constant(_: np.random.Generator) -> Samples:
    return Samples(np.full((16, 4, 4), 128, np.uint8), np.arange(16) % 2)


def _black_and_white(rng: np.random.Generator) -> Samples:
    y = np.arange(16) % 2
    return Samples(
        np.where(rng.random((16, 4, 4)) < 0.3 + 0.4 * y[:, None, None], 255, 0).astype(np.uint8), y
    )


def _two(rng: np.random.Generator) -> Samples:
    return Samples(_pictures(rng, [0, 1]), [0, 1])


def _three(rng: np.random.Generator) -> Samples:
    return Samples(rng.normal(size=(3, 2)), [0, 1, 1])


def _many_columns(rng: np.random.Generator) -> Samples:
    y = np.arange(14) % 2
    return Samples(rng.normal(size=(14, 25)) * 10.0 ** rng.integers(-6, 7, size=25), y)


KINDS = {
    "grey pictures": _grey,
    "colour pictures": _colour,
    "matrices": _matrices,
    "rows": _rows,
    "subjects": _subjects,
    "two subjects": _two_subjects,
    "five classes": _five_classes,
    "imbalanced": _imbalanced,
    "one of a class": _one_of_a_class,
    "constant images": _constant,
    "black and white": _black_and_white,
    "two images": _two,
    "three rows": _three,
    "columns of all sizes": _many_columns,
}


def _scores(images: np.ndarray) -> np.ndarray:
    """Return six scores that sum to one, of what an image looks like."""
    white = 255 if images.dtype == np.uint8 else 1
    flat = images.reshape(len(images), -1).astype(np.float64) / white
    means = np.stack([part.mean(axis=1) for part in np.array_split(flat, 6, axis=1)], axis=1)
    odds = np.exp(8 * means)
    return odds / odds.sum(axis=1, keepdims=True)


def _alike(images: np.ndarray) -> np.ndarray:
    return np.tile([0.5, 0.3, 0.2, 0.0, 0.0, 0.0], (len(images), 1))


def _sure(images: np.ndarray) -> np.ndarray:
    """Return a one for the best class, and zeros."""
    return np.eye(6)[_scores(images).argmax(axis=1)]


def box_of(kind: str, channels: int = 1) -> tuple[BlackBox, FunctionBox]:
    """Return a box of a kind in `BOXES`, and the box behind it, which counts."""
    answer, limits, options = BOXES[kind]
    behind = FunctionBox(answer, size=SIDE, classes=6, channels=channels, identity=kind, **options)
    return (LimitedBox(behind, **limits) if limits else behind), behind


BOXES: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "scores": (_scores, {}, {}),
    "labels": (_scores, {"labels_only": True}, {}),
    "top-2": (_scores, {"top_k": 2, "decimals": 2}, {}),
    "alike": (_alike, {}, {}),
    "sure": (_sure, {}, {"pixels": "uint8"}),
}


@dataclass(frozen=True)
class Case:
    """One fit."""

    method: str
    asked: int
    samples: str
    box: str
    budget: int

    def __str__(self) -> str:
        return (
            f"{self.method}, {self.asked} a prediction, {self.samples}, box: {self.box}, "
            f"budget {self.budget}"
        )


def cases(budgets: tuple[int, ...] = BUDGETS) -> list[Case]:
    """Return the grid; boxes take turns, so that each is asked by every fifth budget."""
    boxes, places = list(BOXES), itertools.count()
    return [
        Case(method, asked, kind, boxes[(next(places) + budget) % len(boxes)], budget)
        for method, several in METHODS.items()
        for asked in several
        for kind in KINDS
        for budget in budgets
    ]


def went(case: Case) -> str:
    """Fit a case; return ``fitted``, ``refused``, or what went wrong, in full."""
    given = samples(case.samples)
    colour = np.ndim(given.x) == 4
    box, behind = box_of(case.box, 3 if colour else 1)
    model = rebox.Reprogrammer(
        box,
        case.method,
        budget=case.budget,
        queries_per_prediction=case.asked if case.method[:4] in ("auto", "loca") else 1,
        verdict=case.budget % VERDICTS == 0,
        random_state=0,
        **given.options,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            model.fit(given.x, given.y, groups=given.groups)
            _check(model, given, box, behind, case.budget)
        except rebox.errors.Error:
            if behind.answered == 0:
                return "refused"
            return traceback.format_exc()
        except Exception:  # noqa: BLE001 - whatever it is, it is told
            return traceback.format_exc()
    return "fitted"


def _check(
    model: rebox.Reprogrammer, given: Samples, box: BlackBox, behind: FunctionBox, budget: int
) -> None:
    """Raise AssertionError unless a model is usable and its fit kept to the budget."""
    assert behind.answered == model.spent_.total <= budget, "over budget"
    said = model.predict_proba(given.x)
    assert np.isfinite(said).all(), "not finite"
    assert (said >= 0).all(), "negative"
    np.testing.assert_allclose(said.sum(axis=1), 1, rtol=1e-6)
    assert set(model.predict(given.x)) <= set(np.asarray(given.y).tolist())
    assert model.verdict_ is None or model.verdict_.words
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.rebox"
        model.save(path)
        loaded = rebox.Reprogrammer.load(path, box)
        np.testing.assert_array_equal(loaded.predict_proba(given.x), said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", default="*", help="methods whose names match")
    parser.add_argument("--every", type=int, default=1, help="one budget in so many")
    asked = parser.parse_args()
    grid = [c for c in cases(BUDGETS[:: asked.every]) if fnmatch.fnmatch(c.method, asked.only)]
    ended = Parallel(n_jobs=asked.jobs, batch_size=64)(delayed(went)(case) for case in grid)
    faults = [pair for pair in zip(grid, ended, strict=True) if pair[1] not in KNOWN]
    for case, text in faults:
        print(f"{case}\n{text}", file=sys.stderr)
    print(_table(grid, ended))


KNOWN = ("fitted", "refused")


def _table(grid: list[Case], ended: list[str]) -> str:
    budgets = sorted({case.budget for case in grid})
    counts: dict[str, Counter[str]] = {}
    for case, end in zip(grid, ended, strict=True):
        kind = end if end in KNOWN else "fault"
        for row in (case.method, "all"):
            counts.setdefault(row, Counter())[kind] += 1
    lines = [
        "# Small budgets",
        "",
        f"Budgets {', '.join(map(str, budgets))}, {len(KINDS)} kinds of sample "
        f"({', '.join(KINDS)}), {len(BOXES)} kinds of box ({', '.join(BOXES)}), `auto` with "
        f"{', '.join(map(str, ASKED))} queries for each prediction. Fitted: within the budget, "
        "finite probabilities that sum to one, the same from the file. Refused: before anything "
        "was asked. Faults: any other exception, any warning. `python benchmarks/budgets.py` "
        "writes this, for all budgets of 1 to 30 or one in so many (`--every 4`).",
        "",
        "| recipe | fits | refused before asking | faults |",
        "|---|---|---|---|",
    ]
    counts["all"] = counts.pop("all")  # the last line
    for row, count in counts.items():
        name = row if row == "all" else f"`{row}`"
        lines.append(
            f"| {name} | {count['fitted']:,} | {count['refused']:,} | {count['fault']:,} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
