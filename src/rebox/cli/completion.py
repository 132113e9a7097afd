"""What a shell's tab key completes: boxes, recipes and tasks by name, and their options."""

from collections.abc import Iterable, Mapping
from typing import Any

from rebox.box import BOXES
from rebox.errors import Error
from rebox.option import options_of
from rebox.recipe import RECIPES
from rebox.sample import TASKS


def boxes(incomplete: str) -> list[str]:
    """Return kinds of boxes; behind a question mark, the options of one."""
    return _of(BOXES, incomplete, incomplete.partition(":")[0], [f"{name}:" for name in BOXES])


def recipes(incomplete: str) -> list[str]:
    """Return recipes; behind a question mark, the options of one."""
    return _of(RECIPES, incomplete, incomplete.partition("?")[0], RECIPES)


def tasks(incomplete: str) -> list[str]:
    """Return tasks, whose folder follows a colon; where none begins so, the shell takes files."""
    return [f"{name}:" for name in TASKS if f"{name}:".startswith(incomplete)]


def _of(makers: Mapping[str, Any], incomplete: str, name: str, whole: Iterable[str]) -> list[str]:
    """Return the names, or the options of ``name``, that begin as what was typed so far."""
    before, mark, begun = incomplete.rpartition("&" if "&" in incomplete else "?")
    if not mark:
        return [one for one in whole if one.startswith(incomplete)]
    try:
        known = options_of(makers[name])
    except Error:  # no such name, or its package is not installed
        return []
    return [f"{before}{mark}{one}=" for one in known if one.startswith(begun)]
