"""What cannot be read of a command line, as one line of error like every other."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer

from rebox.errors import InvalidOption
from rebox.option import meant

UsageError: Any = typer.BadParameter.__base__  # Click's, which newer versions of Typer bring along
KINDS = {"int": "a whole number", "float": "a number", "number": "a number"}


@contextmanager
def as_our_errors() -> Iterator[None]:
    """Raise `InvalidOption` where arguments cannot be read."""
    try:
        yield
    except UsageError as error:
        kind = type(error).__name__
        if kind == "NoArgsIsHelpError":  # nothing was said that could be wrong
            raise
        said = SENTENCES.get(kind, _other)(error)
        way = f": `{error.ctx.command_path} --help` tells what it takes" if error.ctx else ""
        raise InvalidOption(f"{said}{way}.") from error


def _no_option(error: Any) -> str:
    known = [name for one in error.ctx.command.get_params(error.ctx) for name in one.opts]
    return f"no such option {error.option_name}{meant(error.option_name, known)}"


def _missing(error: Any) -> str:
    what = (error.param.help or "").rstrip(".")
    return f"{_called(error.param)} is missing{f' ({what})' if what else ''}"


def _bad_value(error: Any) -> str:
    """Return what a value must be; pydantic, which newer versions of Typer ask, knows the value."""
    wanted = next((words for kind, words in KINDS.items() if kind in error.message), None)
    if error.param is None or wanted is None:
        return f"{_called(error.param)}: {_plain(error.message)}"
    reasons: Any = getattr(error.__cause__, "errors", list)()
    typed = reasons[0]["input"] if reasons else error.message.partition(" is not")[0].strip("'")
    return f"{_called(error.param)} must be {wanted}, found {typed!r}"


def _other(error: Any) -> str:
    text = _plain(error.format_message())
    if command := re.match(r"no such command '(.*?)'", text):
        return f"{command[0]}{meant(command[1], error.ctx.command.commands)}"
    if extra := re.match(r"got unexpected extra argument\S* \((.*)\)", text):
        return (
            f"unexpected argument {extra[1]!r}; an option takes one value: join several by commas, "
            "and quote one that holds blanks"
        )
    return text


def _called(parameter: Any) -> str:
    """Return what the help calls a parameter."""
    if parameter is None:
        return "an argument"
    is_option = parameter.param_type_name == "option"
    return str(parameter.opts[0] if is_option else parameter.metavar or parameter.name.upper())


def _plain(text: str) -> str:
    text = text.strip().rstrip(".")
    return text[:1].lower() + text[1:]


SENTENCES: Mapping[str, Callable[[Any], str]] = {
    "NoSuchOption": _no_option,
    "MissingParameter": _missing,
    "BadParameter": _bad_value,
}
