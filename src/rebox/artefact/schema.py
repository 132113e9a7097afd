"""Rules for what stands in a file, read from the types that it becomes.

A rule takes a value and where it stands, as ``boxes.0.uri``, and says what was expected instead.
"""

import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

Rule = Callable[[Any, str], None]
"""Raises `Unsound` where a value is not as it should be."""

LONGEST = 65_536  # pixels along a side
WHOLE = 2**63 - 1
FINITE = 1e300
MOST = 1_000_000  # values in a list, characters of a text


class Unsound(ValueError):
    """What a file says cannot be used; it never leaves `rebox.artefact`."""


def whole(low: int = -WHOLE, high: int = WHOLE) -> Rule:
    """Return the rule for whole numbers from ``low`` to ``high``; a truth value is none."""
    return _rule(
        lambda value: type(value) is int and low <= value <= high,
        f"a whole number from {low} to {high}",
    )


def number(low: float = -FINITE, high: float = FINITE) -> Rule:
    """Return the rule for numbers from ``low`` to ``high``."""
    return _rule(
        lambda value: type(value) in {int, float} and low <= value <= high,
        f"a number from {low:g} to {high:g}",
    )


def figure(value: Any, at: str) -> None:
    """Refuse what is no number: one that is only shown may be NaN."""
    if type(value) is not float:
        number()(value, at)


def label(value: Any, at: str) -> None:
    """Refuse what is no text, number or truth value."""
    if type(value) not in {str, bool, int, float} or value != value:  # noqa: PLR0124 - NaN
        raise Unsound(f"{at} is a {type(value).__name__}, expected a label")


def one_of(*values: Any) -> Rule:
    """Return the rule for a few values, of their own types."""
    return _rule(
        lambda value: any(type(value) is type(one) and value == one for one in values),
        " or ".join(map(repr, values)),
    )


def text(most: int = MOST) -> Rule:
    """Return the rule for texts of at most so many characters."""
    return _rule(lambda value: type(value) is str and len(value) <= most, "a text")


def or_none(rule: Rule) -> Rule:
    """Return the rule for what may be left open."""
    return lambda value, at: None if value is None else rule(value, at)


def each(rule: Rule, least: int = 0, most: int = MOST) -> Rule:
    """Return the rule for lists that hold from ``least`` to ``most`` values with a rule each."""
    length = _rule(
        lambda value: type(value) is list and least <= len(value) <= most,
        f"a list of {least} values" if least == most else f"a list of {least} to {most} values",
    )

    def of_list(value: Any, at: str) -> None:
        length(value, at)
        for place, one in enumerate(value):
            rule(one, f"{at}.{place}")

    return of_list


def entries(rules: Mapping[str, Rule], *, free: frozenset[str] = frozenset()) -> Rule:
    """Return the rule for objects with these names and no others; ``free`` ones may be missing."""
    names = _rule(
        lambda value: type(value) is dict and rules.keys() - free <= value.keys() <= rules.keys(),
        f"an object with {', '.join(rules)}",
    )

    def of_object(value: Any, at: str) -> None:
        names(value, at)
        for name, one in value.items():
            rules[name](one, f"{at}.{name}".lstrip("."))

    return of_object


def named(rule: Rule) -> Rule:
    """Return the rule for objects with any names, and a rule for their values."""
    is_object = _rule(lambda value: type(value) is dict, "an object")

    def of_object(value: Any, at: str) -> None:
        is_object(value, at)
        for name, one in value.items():
            rule(one, f"{at}.{name}")

    return of_object


def of_class(cls: type, **own: Rule) -> Rule:
    """Return the rule for a dataclass as JSON has it: its fields' types, or rules of their own."""
    hints = get_type_hints(cls)
    return entries({one.name: own.get(one.name) or of_type(hints[one.name]) for one in fields(cls)})


def of_type(hint: Any) -> Rule:
    """Return the rule for values of a type, as JSON has them."""
    plain = {bool: one_of(True, False), int: whole(), float: figure, str: text()}
    if hint in plain:
        return plain[hint]
    if is_dataclass(hint):
        return of_class(hint)  # type: ignore[arg-type] # a class, as hints are
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return one_of(*inner)
    if origin in {Union, types.UnionType}:
        return or_none(of_type(next(one for one in inner if one is not types.NoneType)))
    if origin is dict:
        return named(of_type(inner[1]))
    fixed = () if Ellipsis in inner else (len(inner), len(inner))
    return each(of_type(inner[0]), *fixed)


def _rule(good: Callable[[Any], bool], expected: str) -> Rule:
    def rule(value: Any, at: str) -> None:
        if not good(value):
            long = isinstance(value, list | dict)
            found = f"a {type(value).__name__}" if long else repr(value)[:60]
            raise Unsound(f"{at or 'it'} is {found}, expected {expected}")

    return rule
