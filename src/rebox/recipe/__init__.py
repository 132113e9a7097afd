"""Methods: each says its way, and cites where it comes from."""

from rebox.recipe.contract import RECIPES, Recipe, recipe_from_name
from rebox.recipe.way import Once, Refitted, Searched, Unasked, Views, Way

__all__ = [
    "RECIPES",
    "Once",
    "Recipe",
    "Refitted",
    "Searched",
    "Unasked",
    "Views",
    "Way",
    "recipe_from_name",
]
