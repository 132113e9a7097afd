"""A plan as a TOML file.

A plan has ``name``, ``title``, ``note``, ``seeds``, ``budgets``, tables ``[tasks.NAME]``,
``[boxes.NAME]`` and ``[methods.NAME]``, and any number of ``[[cells]]``. A cell names the tasks,
boxes, methods, budgets, seeds and folds that it crosses; what it leaves out it takes from the whole
plan, folds from each task; without cells everything is crossed with everything. So a method whose
every query costs time can have fewer seeds, or folds, than one that asks once. A table's ``name``
is what the ledger calls it, if not by the plan's own name: one method may need other options for
another box.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any, TypeVar

from rebox.errors import InvalidOption
from rebox.option import meant
from rebox.study.bench.plan import Method, PlannedBox, PlannedTask, Served, StudyPlan, Trial

T = TypeVar("T")
NAMED = {"tasks": PlannedTask, "boxes": PlannedBox, "methods": Method}
AXES = (*NAMED, "budgets", "seeds", "folds")
PLANS = files("rebox.study.bench").joinpath("plans")
OWN = ("name", "title", "note", "budgets", "seeds", "cells", *NAMED)


def shipped_plans() -> tuple[str, ...]:
    """Return the names of the plans that come with rebox."""
    names = [path.name for path in PLANS.iterdir()]
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def read_plan(source: str | Path) -> StudyPlan:
    """Return the plan in a TOML file, or the one that is shipped under a name.

    Parameters
    ----------
    source : str or Path
        A file, or one of `shipped_plans`, as ``asd-smoke``.

    Raises
    ------
    InvalidOption
        There is no such plan, it names something that it does not define, a setting is unknown, or
        two different trials have one name.
    """
    path = Path(source)
    if path.is_file():
        text, name = path.read_text(encoding="utf-8"), path.stem
    elif str(source) in shipped_plans():
        name = str(source)
        text = PLANS.joinpath(f"{name}.toml").read_text(encoding="utf-8")
    else:
        raise InvalidOption(
            f"{str(source)!r}{meant(str(source), shipped_plans())} is neither a file nor a plan "
            f"of ours; these are {', '.join(shipped_plans())}."
        )
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidOption(f"the plan {name} is no TOML: {error}.") from error
    return _plan(name, raw)


def _plan(name: str, raw: Mapping[str, Any]) -> StudyPlan:
    _refuse_unknown(f"the plan {name}", raw, OWN)
    axes = {axis: _named(kind, raw, axis) for axis, kind in NAMED.items()}
    for table in (raw, *_tables(raw.get("cells", []))):
        _refuse_scalars(table)
    lists = {axis: list(raw.get(axis, [])) for axis in ("budgets", "seeds")}
    name = raw.get("name", name)
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w. -]*", name):
        raise InvalidOption(
            f"a plan's name is that of its ledger, found {name!r}: use letters, digits, - and _."
        )
    trials: dict[str, Trial] = {}
    for cell in raw.get("cells", [{}]):
        for trial in _crossed(name, cell, axes, lists):
            held = trials.setdefault(trial.key, trial)
            if held.label != trial.label:
                raise InvalidOption(
                    f"{held.label} and {trial.label} are the same trial under two names: leave "
                    "one out."
                )
    if not trials:
        raise InvalidOption(f"the plan {name} has no trials: give it tasks, methods and seeds.")
    _refuse_double_names(trials.values())
    about = {"note": raw["note"]} if "note" in raw else {}
    title = raw.get("title", name)
    return StudyPlan(name=name, title=title, trials=tuple(trials.values()), about=about)


def _tables(cells: Any) -> list[Mapping[str, Any]]:
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise InvalidOption("cells are written [[cells]], a table each.")
    return cells


def _refuse_scalars(table: Mapping[str, Any]) -> None:
    for axis in AXES:
        listed = table.get(axis, [])
        if not isinstance(listed, list | dict):
            raise InvalidOption(f"{axis} = {listed!r} is no list: write {axis} = [{listed!r}].")


def _refuse_unknown(what: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise InvalidOption(
            f"{what} has {', '.join(unknown)}{meant(unknown[0], known)}; it may have "
            f"{', '.join(sorted(known))}."
        )


def _refuse_double_names(trials: Iterable[Trial]) -> None:
    """Refuse trials that differ, but not by name: a table would average over them."""
    labels = Counter(trial.label for trial in trials)
    label, times = max(labels.items(), key=lambda item: item[1])
    if times > 1:
        raise InvalidOption(
            f"{times} different trials are called {label}: give their methods names of their own, "
            "or let cells keep them apart."
        )


def _named(kind: type[Any], raw: Mapping[str, Any], axis: str) -> dict[str, Any]:
    return {
        name: _made(kind, f"[{axis}.{name}]", {"name": name, **settings})
        for name, settings in raw.get(axis, {}).items()
    }


def _made(kind: type[T], what: str, settings: dict[str, Any]) -> T:
    _refuse_unknown(what, settings, [field.name for field in fields(kind)])  # type: ignore[arg-type]
    if isinstance(settings.get("served"), dict):
        settings["served"] = _made(Served, f"{what} served", settings["served"])
    if isinstance(settings.get("classes"), list):
        settings["classes"] = tuple(settings["classes"])
    try:
        return kind(**settings)
    except TypeError as error:
        raise InvalidOption(f"{what} lacks a setting: {error}.") from error


def _crossed(
    plan: str,
    cell: Mapping[str, Any],
    axes: Mapping[str, Mapping[str, Any]],
    lists: Mapping[str, list[int]],
) -> Iterator[Trial]:
    _refuse_unknown("a cell", cell, AXES)
    tasks, boxes, methods = (_chosen(cell, axis, known) for axis, known in axes.items())
    seeds, budgets = (cell.get(axis, lists[axis]) for axis in ("seeds", "budgets"))
    for task in tasks:
        folds = _folds(cell, task)
        # Methods innermost: what one asks of an image the next finds remembered.
        for box, seed, fold, budget, method in product(
            boxes or [None], seeds, folds, budgets or [None], methods
        ):
            if method.needs_box and box is None:
                raise InvalidOption(f"method {method.name!r} needs a box, but its cell has none.")
            spends = (method.budget or budget) if method.asks else None
            if method.asks and spends is None:
                raise InvalidOption(f"method {method.name!r} needs a budget, and there is none.")
            yield Trial(
                plan=plan,
                task=task,
                box=box if method.needs_box else None,
                method=method,
                budget=spends,
                seed=seed,
                fold=fold,
            )


def _folds(cell: Mapping[str, Any], task: PlannedTask) -> list[int | None]:
    if task.folds is None:
        return [None]
    chosen = list(cell.get("folds", range(task.folds)))
    if not set(chosen) <= set(range(task.folds)):
        raise InvalidOption(
            f"a cell names the folds {chosen}, but {task.name!r} has 0 to {task.folds - 1}."
        )
    return chosen


def _chosen(cell: Mapping[str, Any], axis: str, known: Mapping[str, Any]) -> list[Any]:
    names = cell.get(axis, list(known))
    missing = [name for name in names if name not in known]
    if missing:
        raise InvalidOption(
            f"a cell names {', '.join(missing)}, but the plan's {axis} are {', '.join(known)}."
        )
    return [known[name] for name in names]
