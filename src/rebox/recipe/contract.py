"""What a recipe is: one method, whole, by name."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from rebox.door import Door
from rebox.option import read_name
from rebox.recipe.way import Way


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One method, whole.

    Attributes
    ----------
    citation : str
        Where it was published.
    way : Way
        How it spends a budget, and its settings.
    name : str
        Its name with the options given, as `recipe_from_name` takes it.
    """

    citation: str
    way: Way
    name: str = "own"


RECIPES = Door(
    "rebox.recipes",
    "recipe",
    {
        "auto": "rebox.recipe.own:auto",
        "bar": "rebox.recipe.published:bar",
        "zoo": "rebox.recipe.published:zoo",
        "autozoom": "rebox.recipe.published:autozoom",
        "map": "rebox.recipe.own:map_only",
        "random-search": "rebox.recipe.published:random_search",
        "cma-es": "rebox.recipe.published:cma_es",
        "spsa-gc": "rebox.recipe.published:spsa_gc",
        "ilm": "rebox.recipe.published:ilm",
        "program": "rebox.recipe.own:program",
        "local": "rebox.recipe.own:local",
    },
)
"""Functions that return a `Recipe`; their keyword-only parameters are a name's options."""


def recipe_from_name(name: str) -> Recipe:
    """Return the recipe of ``name``, with options after a question mark.

    Raises
    ------
    InvalidOption
        The recipe or an option is unknown, or an option has the wrong type.
    """
    kind, options = read_name(name, RECIPES, "recipe")
    make: Callable[..., Recipe] = RECIPES[kind]
    return replace(make(**options), name=name)
