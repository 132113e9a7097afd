"""Options behind a name: ``bar?q=5``, ``onnx:FILE?size=224x320``, ``429:every=10``, ``dct-6``.

What a name stands for is made by a function or a class, and its signature says the options: the
parameters that are keyword-only or have a default, of a type that text can be read into.

=======================  ===========================================================
``bool``                 true, yes, 1; false, no, 0
``int``, ``float``       a finite number
``str``, ``Path``        as it stands
``Literal["a", "b"]``    one of these
``tuple[float, ...]``    numbers separated by commas
``tuple[str, ...]``      words separated by commas
``Size``                 224 or 224x320, height first
``Mapping[str, str]``    any names behind the parameter's: ``header.Accept=image/png``
a dataclass              each of its fields is an option
=======================  ===========================================================

Of a union the first type counts: ``int | None`` is read as ``int``. Parameters of other types are
no options.
"""

import inspect
import math
import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import is_dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin
from urllib.parse import quote, unquote

from rebox.errors import InvalidOption

Size = tuple[int, int]
"""Height and width in pixels."""

Maker = Callable[..., Any]
NAMED = Mapping[str, str]
TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def read_name(
    name: str, makers: Mapping[str, Maker], noun: str, *, but: str = ""
) -> tuple[str, dict[str, Any]]:
    """Return which of ``makers`` a name means, and its options in the types that this one takes.

    Parameters
    ----------
    name : str
        A key of ``makers``; options after a question mark.
    makers : mapping of str to callable
    noun : str
        What errors call it, as ``recipe``.
    but : str
        A parameter of the makers that is no option.

    Raises
    ------
    InvalidOption
        The name or an option is unknown, or an option is given twice or of the wrong type.
    """
    kind, texts = split_name(name, makers, noun)
    (options,) = read_options(f"{noun} {kind!r}", texts, makers[kind], but=but)
    return kind, options


def split_name(name: str, known: Iterable[str], noun: str) -> tuple[str, dict[str, str]]:
    """Return which of the ``known`` names a text means, and the texts of its options.

    Raises
    ------
    InvalidOption
        The name is unknown, or an option is unreadable or given twice.
    """
    if not isinstance(name, str):
        raise InvalidOption(f"a {noun} is a name or a {noun.title()}, found {name!r}.")
    kind, _, options = name.partition("?")
    if kind not in known:
        raise unknown(noun, kind, known)
    return kind, split_options(options)


def unknown(noun: str, name: str, known: Iterable[str]) -> InvalidOption:
    """Return the error for a name that nothing has."""
    names = list(known)
    return InvalidOption(
        f"unknown {noun} {name!r}{meant(name, names)}; choose one of {', '.join(names)}."
    )


def meant(name: str, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` where one of the ``known`` names is alike, or else nothing.

    Case does not count, nor which of ``-`` and ``_`` stands in a name. What one or two names
    begin with is those cut short, however much longer they are.
    """
    plain = {_plain(one): one for one in known}
    if _plain(name) in plain:
        return f" (did you mean {plain[_plain(name)]!r}?)"
    begun = [one for one in plain if one.startswith(_plain(name))] if name.strip("-_") else []
    near = begun if len(begun) in (1, 2) else get_close_matches(_plain(name), plain, n=1)
    return f" (did you mean {' or '.join(repr(plain[one]) for one in near)}?)" if near else ""


def _plain(name: str) -> str:
    return name.casefold().replace("_", "-")


def split_options(text: str, between: str = "&") -> dict[str, str]:
    """Return the options in ``a=1&b=2`` by name; values are percent-decoded, and a plus stays one.

    Raises
    ------
    InvalidOption
        An option has no name or no value, or is given twice.
    """
    options: dict[str, str] = {}
    for part in filter(None, text.split(between)):
        name, _, value = part.partition("=")
        if not (name and value):
            raise InvalidOption(f"an option must look like name=value, found {part!r}.")
        if name in options:
            raise InvalidOption(f"the option {name} is given twice: keep one.")
        options[name] = unquote(value)
    return options


def without_options(uri: str, names: Collection[str]) -> str:
    """Return ``uri`` without the options of these ``names``; others stay as they are."""
    name, mark, text = uri.partition("?")
    kept = [one for one in text.split("&") if one.partition("=")[0] not in names]
    return f"{name}{mark}{'&'.join(kept)}"


def with_options(uri: str, **options: object) -> str:
    """Return ``uri`` with ``options`` in place of those of the same names, or added at its end."""
    name, _, text = without_options(uri, options).partition("?")
    told = [f"{option}={quote(str(value))}" for option, value in options.items()]
    return f"{name}?{'&'.join([*filter(None, text.split('&')), *told])}"


def read_options(
    owner: str, texts: Mapping[str, str], *makers: Maker, but: str = ""
) -> list[dict[str, Any]]:
    """Return the arguments of each of ``makers``; an option is the first one's that knows it.

    Parameters
    ----------
    owner : str
        What errors call it that has these options, as ``recipe 'bar'``.
    texts : mapping of str to str
        As `split_options` returns them.
    *makers : callable
    but : str
        A parameter of the makers that is no option.

    Raises
    ------
    InvalidOption
        An option is unknown, of the wrong type, or needed and missing.
    """
    known = [options_of(maker, but=but) for maker in makers]
    shares: list[dict[str, str]] = [{} for _ in makers]
    for name, text in texts.items():
        slot = _many(name.partition(".")[0]) if "." in name else name
        share = next((s for s, own in zip(shares, known, strict=True) if slot in own), None)
        if share is None:
            names = dict.fromkeys(option for own in known for option in own)
            raise InvalidOption(
                f"{owner} has no option {name!r}{meant(name, names)}; it has "
                f"{', '.join(names) or 'none'}."
            )
        share[name] = text
    return [_arguments(owner, m, share, but) for m, share in zip(makers, shares, strict=True)]


def options_of(maker: Maker, *, but: str = "") -> dict[str, Any]:
    """Return the options that a signature says, each with the type it is read into."""
    options: dict[str, Any] = {}
    for parameter, kind in _parameters(maker, but):
        if is_dataclass(kind):
            options |= options_of(kind)  # type: ignore[arg-type] # a class, not an instance
        else:
            options[_many(parameter.name) if kind == NAMED else parameter.name] = kind
    return options


def _many(name: str) -> str:
    return f"{name}.NAME"


def _parameters(maker: Maker, but: str = "") -> list[tuple[inspect.Parameter, Any]]:
    """Return the parameters that are options, each with the type that counts."""
    parameters = inspect.signature(maker, eval_str=True).parameters.values()
    typed = [(p, _first(p.annotation)) for p in parameters]
    return [(p, k) for p, k in typed if p.name != but and _by_name(p) and _readable(k)]


def _by_name(parameter: inspect.Parameter) -> bool:
    if parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
        return parameter.default is not parameter.empty
    return parameter.kind is parameter.KEYWORD_ONLY


def _readable(kind: Any) -> bool:
    return kind in READERS or kind == NAMED or get_origin(kind) is Literal or is_dataclass(kind)


def _first(annotation: Any) -> Any:
    if get_origin(annotation) not in (UnionType, Union):
        return annotation
    return next(kind for kind in get_args(annotation) if kind is not type(None))


def _arguments(owner: str, maker: Maker, texts: Mapping[str, str], but: str = "") -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for p, kind in _parameters(maker, but):
        if is_dataclass(kind):
            given = _arguments(owner, kind, texts)  # type: ignore[arg-type] # a class
            if p.default is p.empty:
                arguments[p.name] = kind(**given)  # type: ignore[operator] # a class
            elif given:
                arguments[p.name] = replace(p.default, **given)
        elif kind == NAMED:
            start = f"{p.name}."
            arguments[p.name] = {
                n.removeprefix(start): text for n, text in texts.items() if n.startswith(start)
            }
        elif p.name in texts:
            arguments[p.name] = _typed(p.name, texts[p.name], kind)
        elif p.default is p.empty:
            raise InvalidOption(f"{owner} needs the option {p.name}: add {p.name}=VALUE.")
    return arguments


def _typed(name: str, text: str, kind: Any) -> Any:
    """Return ``text`` as the type that an annotation asks for."""
    choices = {choice: choice for choice in get_args(kind)} if get_origin(kind) is Literal else {}
    usual = (choices.__getitem__, f"one of {', '.join(choices)}")
    read, expected = READERS.get(kind, usual)
    try:
        return read(text)
    except (KeyError, ValueError) as error:
        raise InvalidOption(f"{name} must be {expected}, found {text!r}.") from error


def whole(name: str, value: Any, *, at_least: int | None = None) -> int:
    """Return ``value``, a whole number of Python, NumPy or torch, as an int.

    Raises
    ------
    InvalidOption
        It is none, or too small.
    """
    try:
        number = operator.index(value)
    except TypeError as error:
        raise InvalidOption(f"{name} must be a whole number, found {value!r}.") from error
    if at_least is not None and number < at_least:
        raise InvalidOption(f"{name} must be at least {at_least}, found {number}.")
    return number


def size_of(size: Any) -> Size:
    """Return (height, width) of ``size``: a whole number, or two of them, height first.

    Raises
    ------
    InvalidOption
        It is neither, or below 1.
    """
    try:
        sides = tuple(size) if hasattr(size, "__len__") else (size, size)
        height, width = map(operator.index, sides)
    except (TypeError, ValueError):
        height = width = 0
    if min(height, width) < 1:
        raise InvalidOption(
            f"size must be a whole number or (height, width), such as 224 or (224, 320), found "
            f"{size!r}."
        )
    return height, width


def _truth(text: str) -> bool:
    return TRUTHS[text.lower()]


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _size(text: str) -> Size:
    match = re.fullmatch(r"(0*[1-9]\d*)(?:x(0*[1-9]\d*))?", text.strip())
    if match is None:
        raise ValueError(text)
    return int(match[1]), int(match[2] or match[1])


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(map(_finite, text.split(",")))


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(","))


READERS: Mapping[Any, tuple[Callable[[str], Any], str]] = {
    bool: (_truth, "true or false"),
    int: (int, "a whole number"),
    float: (_finite, "a number"),
    str: (str, "text"),
    Path: (Path, "a path"),
    Size: (_size, "a size such as 224 or 224x320 (height x width)"),
    tuple[float, ...]: (_numbers, "numbers separated by commas"),
    tuple[str, ...]: (_words, "words separated by commas"),
}
"""How text becomes each type, and what errors say was expected."""
