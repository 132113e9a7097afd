"""The command about recipes: what is known by name."""

import inspect
from collections.abc import Callable
from typing import Any

import typer

from rebox.cli.app import app
from rebox.cli.console import out
from rebox.option import options_of
from rebox.recipe import RECIPES, recipe_from_name

recipe_app = typer.Typer(help="Recipes: methods that are known by name.", no_args_is_help=True)
app.add_typer(recipe_app, name="recipe")


@recipe_app.command(name="list")
def list_recipes() -> None:
    """Say which recipes are known by name, what they do, and which options they take."""
    for name, make in RECIPES.items():
        lines = (
            f"{name}: {(inspect.getdoc(make) or '').partition(chr(10))[0]}",
            f"  from: {recipe_from_name(name).citation}",
            f"  options: {_options(make)}",
        )
        for line in lines:
            out.print(line, highlight=False, soft_wrap=True)


def _options(make: Callable[..., Any]) -> str:
    """Return the options of a recipe as ``--recipe`` takes them, with their defaults."""
    parameters = inspect.signature(make).parameters
    given = {name: parameters[name].default for name in options_of(make) if name in parameters}
    return ", ".join(name + _default(value) for name, value in given.items()) or "none"


def _default(value: Any) -> str:
    if value is None:
        return ""
    return f"={str(value).lower() if isinstance(value, bool) else value}"
