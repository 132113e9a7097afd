"""Published methods as compositions: what is added, how it is read, judged and moved."""

from rebox.recipe.contract import Auto, Recipe
from rebox.recipe.names import RECIPES, recipe_from_name

__all__ = ["RECIPES", "Auto", "Recipe", "recipe_from_name"]
