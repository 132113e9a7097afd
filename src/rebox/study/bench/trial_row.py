"""A ledger's row, its fields read once, checked and typed.

A ledger is somebody else's file. What is read here is of the type that it should be, and names hold
no character that could break a page or turn its text around.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidData
from rebox.metric import METRICS, Interval
from rebox.study.bench.ledger import Row, Tested, answers_of, is_done

T = TypeVar("T")
PURPOSES = ("probe", "map", "search", "validate", "predict")
TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
FLOAT32 = "float32"
PRECISION = re.compile(r"^whitebox:.*&precision=(\w+)")
UNNAMED = "task not named"
TEXTS = ("plan", "split", "stop_reason", "note", "version")  # empty where a row has none
COUNTS = ("budget", "fold", "folds", "train", "test")  # None where a row has none


@dataclass(frozen=True, kw_only=True, eq=False)
class TrialRow:
    """A row of a ledger, done or unavailable.

    Attributes
    ----------
    key, plan, task, method, split, verdict, stop_reason, note, version : str
        Empty where the ledger does not say.
    box, positive : str or None
        No box for a method that asks none.
    why : str or None
        Why an unavailable trial could not be run; None for one that is done.
    recipe : str
        The recipe or the baseline.
    budget, fold, folds, train, test, classes : int or None
        None where there is none, or the ledger does not say.
    max_usd : float or None
        A budget in dollars.
    per_prediction, seed : int
    peeks, copied : bool
        Whether the method chose anything on test images, was trained on copies of them.
    precision : str
        Of what was computed through a network: ``float32`` where a row does not say.
    class_names : tuple of str
        Empty where the ledger does not say.
    grades : bool
    metrics : mapping of name to Interval
    fit_queries : mapping of purpose to int
    predict_queries : int
    asked_per_prediction : float
        Queries that a prediction really took.
    usd_fit, usd_predict : float or None
        None: nobody knows the price. 0 where a ledger does not speak of money.
    seconds : mapping of name to float
    saved : int or None
        Questions that the journal answered, where the ledger says.
    curve : (m, 2) array
        Queries and loss at steps of the search.
    source_weights : (source classes, (sources, targets) weights) or None
        Which source classes speak for which target class.
    verdict_areas : mapping of str to float
        Macro AUC of each way to answer that the verdict compares.
    row : dict
        The row itself.
    """

    key: str
    plan: str
    task: str
    box: str | None
    method: str
    why: str | None
    recipe: str
    budget: int | None
    max_usd: float | None
    per_prediction: int
    seed: int
    fold: int | None
    folds: int | None
    peeks: bool
    copied: bool
    precision: str
    split: str
    train: int | None
    test: int | None
    classes: int | None
    class_names: tuple[str, ...]
    positive: str | None
    grades: bool
    metrics: Mapping[str, Interval]
    fit_queries: Mapping[str, int]
    predict_queries: int
    asked_per_prediction: float
    usd_fit: float | None
    usd_predict: float | None
    seconds: Mapping[str, float]
    saved: int | None
    curve: NDArray[np.float64]
    source_weights: tuple[tuple[str, ...], NDArray[np.float64]] | None
    verdict: str
    verdict_areas: Mapping[str, float]
    stop_reason: str
    note: str
    version: str
    row: Row

    @property
    def asked(self) -> int:
        """Queries that the fit asked."""
        return self.fit_queries["total"]

    @property
    def usd(self) -> float | None:
        """Dollars of the fit and its test; None where nobody knows the price."""
        if self.usd_fit is None or self.usd_predict is None:
            return None
        return self.usd_fit + self.usd_predict

    @cached_property
    def answers(self) -> Tested | None:
        """The answers to the test images; None where they were not kept."""
        return answers_of(self.row) if self.row.get("answers") else None

    @cached_property
    def class_counts(self) -> tuple[int, ...] | None:
        """Test images of each class; None where answers were not kept."""
        if self.answers is None:
            return None
        truth, probabilities, _ = self.answers
        return tuple(np.bincount(truth, minlength=probabilities.shape[1]).tolist())

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The target classes; numbered where the ledger does not name them."""
        if self.class_names:
            return self.class_names
        k = len(self.row["answers"]["counts"]) if self.row.get("answers") else self.classes or 0
        return tuple(f"class {i}" for i in range(k))


def read_row(row: Row) -> TrialRow:
    """Return a ledger's row, checked and typed.

    Raises
    ------
    InvalidData
        A field is missing, or of another type.
    """
    try:
        return _read(row)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InvalidData(
            f"the ledger's row {plain(row.get('key'))[:200]!r} cannot be read ({error!r}): "
            "expected the fields that 'rebox bench run' writes; run its trial again."
        ) from error


def plain(value: object) -> str:
    """Return text without control characters and those that turn the direction of what follows."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}"
        if c in TURNING or (unicodedata.category(c) in {"Cc", "Cs"} and c not in "\n\t")
        else c
        for c in str(value)
    )


def _read(row: Row) -> TrialRow:
    done = is_done(row)
    fit, usd = _spent(row)
    per_prediction = int(row.get("queries_per_prediction", 1))
    verdict = row.get("verdict") or {}
    names = tuple(plain(name) for name in row.get("class_names") or ())
    alike: dict[str, Any] = {name: plain(row.get(name) or "") for name in TEXTS}
    alike |= {name: _optional(int, row.get(name)) for name in COUNTS}
    return TrialRow(
        **alike,
        key=plain(row["key"]),
        task=plain(row.get("task") or UNNAMED),
        box=_optional(plain, row.get("box") or row.get("service")),
        method=plain(row["method"]),
        why=None if done else plain(row.get("why") or "the ledger does not say"),
        recipe=plain(row.get("recipe") or row.get("baseline") or ""),
        max_usd=_optional(_finite, row.get("max_usd")),
        per_prediction=per_prediction,
        seed=int(row.get("seed", 0)),
        peeks=bool(row.get("peeks", False)),
        copied=bool(row.get("resampled", False)),
        precision=plain(row.get("precision") or _told_by(row.get("box_identity"))),
        classes=_optional(int, row.get("classes")) or len(names) or None,
        class_names=names,
        positive=_optional(plain, row.get("positive")),
        grades=bool(row.get("grades", False)),
        metrics=_figures(row["metrics"]) if done else {},
        fit_queries=fit,
        predict_queries=int(row.get("predict_queries", (row.get("spent") or {}).get("predict", 0))),
        asked_per_prediction=_finite(row.get("asked_per_prediction", per_prediction)),
        usd_fit=_optional(_finite, usd.get("fit", 0.0)),
        usd_predict=_optional(_finite, usd.get("predict", 0.0)),
        seconds={name: _finite(s) for name, s in (row.get("seconds") or {}).items()},
        saved=_optional(int, (row.get("spent") or {}).get("saved")),
        curve=_curve(row.get("curve") or []),
        source_weights=_reading(row.get("reading")),
        verdict=plain(verdict.get("words") or ""),
        verdict_areas=_areas(verdict.get("rows") or ()),
        row=row,
    )


def _told_by(identity: object) -> str:
    """Return the precision that an opened network's identity names: older rows say it there."""
    named = PRECISION.search(identity) if isinstance(identity, str) else None
    return FLOAT32 if named is None else named[1]


def _spent(row: Row) -> tuple[dict[str, int], Mapping[str, Any]]:
    """Return queries by purpose and dollars; the ledger of published services has its own names."""
    older = row.get("fit") or {}
    queries = row.get("fit_queries") or older
    fit = {purpose: int(queries.get(purpose, 0)) for purpose in PURPOSES}
    fit["total"] = int(queries.get("total", sum(fit.values())))
    whole = (row.get("spent") or {}).get("usd", 0.0)
    before = {"fit": older.get("usd", 0.0), "predict": whole - older.get("usd", 0.0)}
    return fit, row.get("usd") or before


def _curve(steps: list[Mapping[str, Any]]) -> NDArray[np.float64]:
    """Return queries and losses; a baseline that asks nobody counts epochs, which is no query."""
    asked = [step for step in steps if "queries" in step]
    return np.array([[float(s["queries"]), float(s["loss"])] for s in asked]).reshape(-1, 2)


def _reading(kept: Mapping[str, Any] | None) -> tuple[tuple[str, ...], NDArray[np.float64]] | None:
    """Return source classes and their weights (sources, targets); a ledger has a row per target."""
    if not kept or not kept["source"]:
        return None
    sources = tuple(plain(name) for name in kept["source"])
    weights = np.array(kept["weights"], dtype=np.float64)
    if weights.ndim != 2 or weights.shape[1] != len(sources) or not np.isfinite(weights).all():
        raise ValueError(f"a reading of {len(sources)} source classes has weights {weights.shape}")
    return sources, weights.T


def _figures(kept: Mapping[str, Any]) -> dict[str, Interval]:
    bounds = ("value", "low", "high")
    return {m: Interval(*(_finite(kept[m][b]) for b in bounds)) for m in METRICS if kept.get(m)}


def _areas(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Return the macro AUC of each row of a verdict that has one."""
    return {plain(r["name"]): _finite(r["macro_auc"]["value"]) for r in rows if r.get("macro_auc")}


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is not a finite number")
    return number


def _optional(read: Callable[[Any], T], value: Any) -> T | None:
    return None if value is None else read(value)
