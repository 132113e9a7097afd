"""Recipes by name: a name may carry options, as a URL does, ``bar?q=5&inner=64&mapping=random``."""

import inspect
from collections.abc import Callable
from types import UnionType
from typing import Any, get_args
from urllib.parse import parse_qsl

from rebox.errors import InvalidOption
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
    if not isinstance(name, str):
        raise InvalidOption(f"a recipe is a name or a Recipe, found {name!r}.")
    kind, _, query = name.partition("?")
    if kind not in RECIPES:
        raise InvalidOption(f"unknown recipe {kind!r}; choose one of {', '.join(RECIPES)}.")
    make = RECIPES[kind]
    known = inspect.signature(make).parameters
    options: dict[str, Any] = {}
    for key, text in _pairs(name, query):
        if key not in known:
            raise InvalidOption(
                f"recipe {kind!r} has no option {key!r}; it has {', '.join(known)}."
            )
        options[key] = _typed(key, text, known[key].annotation)
    made = make(**options)
    return Auto(name=name, **made) if make is own.auto else Recipe(name=name, **made)


def _pairs(name: str, query: str) -> list[tuple[str, str]]:
    try:
        # a plus is a plus, as in rule=blm+, and not a space as in a web form
        plain = query.replace("+", "%2B")
        pairs = parse_qsl(plain, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        raise InvalidOption(f"options must look like q=5&inner=64, found {name!r}.") from error
    if len(dict(pairs)) < len(pairs):
        raise InvalidOption(f"an option is given twice in {name!r}: give it once.")
    return pairs


def _typed(key: str, text: str, annotation: Any) -> Any:
    """Return ``text`` as the type that the recipe's signature asks for."""
    choices = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    kind = next(choice for choice in choices if choice is not type(None))
    if kind is bool:
        if text.lower() in ("1", "true", "yes", "0", "false", "no"):
            return text.lower() in ("1", "true", "yes")
        raise InvalidOption(f"option {key} must be true or false, found {text!r}.")
    try:
        return kind(text)
    except ValueError as error:
        raise InvalidOption(f"option {key} must be {kind.__name__}, found {text!r}.") from error
