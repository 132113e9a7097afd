"""Recipes by name: a name may carry options, as a URL does, ``bar?q=5&inner=64&mapping=random``."""

from collections.abc import Callable
from typing import Any

from rebox.option import read_name
from rebox.recipe import own, published
from rebox.recipe.contract import Auto, Recipe

RECIPES: dict[str, Callable[..., dict[str, Any]]] = {
    "auto": own.auto,
    "bar": published.bar,
    "map": own.map_only,
    "random-search": published.random_search,
    "cma-es": published.cma_es,
    "spsa-gc": published.spsa_gc,
    "ilm": published.ilm,
    "program": own.program,
}


def recipe_from_name(name: str) -> Recipe | Auto:
    """Return the recipe of ``name``, with options after a question mark.

    Raises
    ------
    InvalidOption
        The recipe or an option is unknown, or an option has the wrong type.
    """
    kind, options = read_name(name, RECIPES, "recipe")
    made = RECIPES[kind](**options)
    return Auto(name=name, **made) if kind == "auto" else Recipe(name=name, **made)
