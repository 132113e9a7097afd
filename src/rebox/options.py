"""Names that carry options, as a URL does: ``bar?q=5&inner=64&mapping=random``.

Recipes and baselines are named so. What an option is, and of which type, stands in the signature of
what makes the thing.
"""

import inspect
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, get_args
from urllib.parse import parse_qsl

from rebox.errors import InvalidOption

TRUTHS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def read_name(
    name: Any, makers: Mapping[str, Callable[..., Any]], noun: str
) -> tuple[str, dict[str, Any]]:
    """Return which of ``makers`` a name means, and the options given, each of its own type.

    Parameters
    ----------
    name : str
        ``kind?option=value&option=value``.
    makers : mapping of str to callable
        By kind; an option is a parameter other than ``name``, with a plain type as its annotation.
    noun : str
        What is made, for errors: recipe, baseline.

    Raises
    ------
    InvalidOption
        The kind or an option is unknown, or an option has the wrong type or is given twice.
    """
    article = "an" if noun[0] in "aeiou" else "a"
    if not isinstance(name, str):
        raise InvalidOption(f"{article} {noun} is a name or a {noun.capitalize()}, found {name!r}.")
    kind, _, query = name.partition("?")
    if kind not in makers:
        raise InvalidOption(f"unknown {noun} {kind!r}; choose one of {', '.join(makers)}.")
    known = dict(inspect.signature(makers[kind]).parameters)
    known.pop("name", None)
    options: dict[str, Any] = {}
    for key, text in _pairs(name, query):
        if key not in known:
            raise InvalidOption(
                f"{noun} {kind!r} has no option {key!r}; it has {', '.join(known) or 'none'}."
            )
        options[key] = _typed(key, text, known[key].annotation)
    return kind, options


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
    """Return ``text`` as the type that the maker's signature asks for."""
    choices = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    kind = next(choice for choice in choices if choice is not type(None))
    if kind is bool:
        if text.lower() in TRUTHS:
            return TRUTHS[text.lower()]
        raise InvalidOption(f"option {key} must be true or false, found {text!r}.")
    try:
        return kind(text)
    except ValueError as error:
        raise InvalidOption(f"option {key} must be {kind.__name__}, found {text!r}.") from error
