"""Names with options, as a URL has them: ``bar?q=5&inner=64``, ``ham10000?images=first``.

What a name stands for is made by a function; its keyword-only parameters are the options, and their
annotations say how the text of one is read.
"""

import inspect
from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, Literal, get_args, get_origin
from urllib.parse import parse_qsl

from rebox.errors import InvalidOption


def read_name(
    name: str, makers: Mapping[str, Callable[..., Any]], noun: str, *, but: str = ""
) -> tuple[str, dict[str, Any]]:
    """Return which of ``makers`` a name means, and its options in the types that this one takes.

    Parameters
    ----------
    name : str
        A key of ``makers``; options after a question mark.
    makers : mapping of str to function
        Options are annotated as bool, int, float, str, or a ``Literal`` of strings, or one of
        these or None.
    noun : str
        What errors call it, as ``recipe``.
    but : str
        A keyword-only parameter of the makers that is no option.

    Raises
    ------
    InvalidOption
        The name or an option is unknown, or an option is given twice or of the wrong type.
    """
    if not isinstance(name, str):
        raise InvalidOption(f"a {noun} is a name or a {noun.title()}, found {name!r}.")
    kind, _, query = name.partition("?")
    if kind not in makers:
        raise InvalidOption(f"unknown {noun} {kind!r}; choose one of {', '.join(makers)}.")
    parameters = inspect.signature(makers[kind]).parameters.values()
    known = {p.name: p.annotation for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != but}
    options: dict[str, Any] = {}
    for key, text in _pairs(name, query):
        if key not in known:
            raise InvalidOption(
                f"{noun} {kind!r} has no option {key!r}; it has {', '.join(known) or 'none'}."
            )
        options[key] = _typed(key, text, known[key])
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
    """Return ``text`` as the type that an annotation asks for."""
    choices = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    kind = next(choice for choice in choices if choice is not type(None))
    if get_origin(kind) is Literal:
        if text in get_args(kind):
            return text
        raise InvalidOption(
            f"option {key} must be one of {', '.join(get_args(kind))}, found {text!r}."
        )
    if kind is bool:
        if text.lower() in ("1", "true", "yes", "0", "false", "no"):
            return text.lower() in ("1", "true", "yes")
        raise InvalidOption(f"option {key} must be true or false, found {text!r}.")
    try:
        return kind(text)
    except ValueError as error:
        raise InvalidOption(f"option {key} must be {kind.__name__}, found {text!r}.") from error
