"""What is to be measured: tasks, boxes, methods, budgets and seeds, read from a TOML file.

A plan has ``seeds``, ``budgets``, tables ``[tasks.NAME]``, ``[boxes.NAME]`` and ``[methods.NAME]``,
and any number of ``[[cells]]``. A cell names the tasks, boxes, methods, budgets and seeds that it
crosses; what it leaves out it takes from the whole plan; without cells everything is crossed with
everything. So a method whose every query costs time can have fewer seeds than one that asks once.
A table's ``name`` is what the ledger calls it, if not by the plan's own name: one method may need
other options for another box.
"""

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from rebox.errors import InvalidOption

T = TypeVar("T")
AXES = ("tasks", "boxes", "methods", "budgets", "seeds")


@dataclass(frozen=True, kw_only=True)
class Task:
    """Training and test images of one data set.

    Attributes
    ----------
    name : str
    data : str
        A loader of `frontier.tasks`.
    test : int
        Most test images.
    train : int or None
        Training images; None where ``per_class`` says it.
    per_class : int or None
        Training images of each class.
    """

    name: str
    data: str
    test: int
    train: int | None = None
    per_class: int | None = None

    def __post_init__(self) -> None:
        if (self.train is None) == (self.per_class is None):
            raise InvalidOption(f"task {self.name!r} needs either train or per_class.")


@dataclass(frozen=True, kw_only=True)
class Box:
    """A box by its URI, and what is hidden of its answers.

    Attributes
    ----------
    name : str
    uri : str
        ``{models}`` stands for the folder of the models.
    top_k, decimals, labels_only
        As `rebox.box.limited.LimitedBox` takes them.
    """

    name: str
    uri: str
    top_k: int | None = None
    decimals: int | None = None
    labels_only: bool = False

    @property
    def limits(self) -> dict[str, Any]:
        """What is hidden; empty where nothing is."""
        limits = {
            "top_k": self.top_k,
            "decimals": self.decimals,
            "labels_only": self.labels_only or None,
        }
        return {name: value for name, value in limits.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Method:
    """A recipe and how many queries a prediction may cost.

    Attributes
    ----------
    name : str
    recipe : str
        As `rebox.Reprogrammer` takes it.
    queries_per_prediction : int
        0: the box is not asked at all once the model is fitted.
    remember : bool
        Whether its answers are worth keeping on disk: a search asks nothing twice, and a
        thousand scores take 4 kB.
    """

    name: str
    recipe: str
    queries_per_prediction: int = 1
    remember: bool = True


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One fit and its test."""

    task: Task
    box: Box
    method: Method
    budget: int
    seed: int

    @property
    def key(self) -> str:
        """Everything that the plan says of the trial: a ledger holds each key once."""
        task, box, method = self.task, self.box, self.method
        size = task.train if task.per_class is None else f"{task.per_class}/class"
        limits = "".join(f"&{name}={value}" for name, value in box.limits.items())
        return (
            f"{task.name} ({task.data} {size}+{task.test}) | {box.name} ({box.uri}{limits}) | "
            f"{method.recipe} Q={method.queries_per_prediction} | {self.budget} | {self.seed}"
        )

    @property
    def label(self) -> str:
        """The trial in a few words."""
        return (
            f"{self.task.name} | {self.box.name} | {self.method.name} | {self.budget} | {self.seed}"
        )


def read_plan(path: Path) -> tuple[Trial, ...]:
    """Return the trials of the plan in ``path``, in its order, none twice.

    Raises
    ------
    InvalidOption
        The plan names something that it does not define, a setting is unknown, or two different
        trials have one name.
    """
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    unknown = sorted(set(raw) - {*AXES, "cells"})
    if unknown:
        raise InvalidOption(
            f"{path.name} has {', '.join(unknown)}; a plan has {', '.join(AXES)} and cells."
        )
    axes: dict[str, dict[Any, Any]] = {
        "tasks": _named(Task, raw, "tasks"),
        "boxes": _named(Box, raw, "boxes"),
        "methods": _named(Method, raw, "methods"),
        "budgets": {budget: budget for budget in raw.get("budgets", [])},
        "seeds": {seed: seed for seed in raw.get("seeds", [])},
    }
    trials: dict[str, Trial] = {}
    for cell in raw.get("cells", [{}]):
        for task, box, seed, budget, method in _crossed(cell, axes):
            trial = Trial(task=task, box=box, method=method, budget=budget, seed=seed)
            trials.setdefault(trial.key, trial)
    _refuse_double_names(trials.values())
    return tuple(trials.values())


def _refuse_double_names(trials: Iterable[Trial]) -> None:
    """Refuse trials that differ, but not by name: a table would average over them."""
    labels = Counter(trial.label for trial in trials)
    label, times = max(labels.items(), key=lambda item: item[1], default=("", 0))
    if times > 1:
        raise InvalidOption(
            f"{times} different trials are called {label}: give their methods names of their own, "
            "or let cells keep them apart."
        )


def _named(kind: type[T], raw: Mapping[str, Any], axis: str) -> dict[Any, T]:
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    found = {}
    for name, settings in raw.get(axis, {}).items():
        unknown = sorted(set(settings) - known)
        if unknown:
            raise InvalidOption(
                f"[{axis}.{name}] has {', '.join(unknown)}; it may have {', '.join(sorted(known))}."
            )
        try:
            found[name] = kind(**{"name": name, **settings})
        except TypeError as error:
            raise InvalidOption(f"[{axis}.{name}] lacks a setting: {error}.") from error
    return found


def _crossed(cell: Mapping[str, Any], axes: dict[str, dict[Any, Any]]) -> Any:
    unknown = sorted(set(cell) - set(AXES))
    if unknown:
        raise InvalidOption(f"a cell has {', '.join(unknown)}; it may have {', '.join(AXES)}.")
    chosen = {axis: _chosen(cell, axis, known) for axis, known in axes.items()}
    # Methods innermost: what one asks of an image the next finds remembered.
    return product(*(chosen[axis] for axis in ("tasks", "boxes", "seeds", "budgets", "methods")))


def _chosen(cell: Mapping[str, Any], axis: str, known: dict[Any, Any]) -> list[Any]:
    names = cell.get(axis, list(known))
    if axis in ("budgets", "seeds"):
        return list(names)
    missing = [name for name in names if name not in known]
    if missing:
        raise InvalidOption(
            f"a cell names {', '.join(missing)}, but the plan's {axis} are {', '.join(known)}."
        )
    return [known[name] for name in names]
