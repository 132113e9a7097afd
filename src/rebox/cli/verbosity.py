"""How much is said: ``-v`` shows what is logged, ``-q`` prints errors alone."""

import logging
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from rebox.cli.console import err, out


class Told(logging.Handler):
    """Prints what is logged on stderr, a line each, above a progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print ``record``."""
        said = " ".join(record.getMessage().split())
        err.print(f"rebox: {record.levelname.lower()}: {said}", highlight=False, soft_wrap=True)


def heard_everywhere(command: Any) -> None:
    """Let a command, and all below it, take ``-v`` and ``-q``."""
    command.params += get_command(_switches).params
    if isinstance(command, TyperGroup):
        for one in command.commands.values():
            heard_everywhere(one)


def tell_all(ctx: typer.Context, wanted: bool) -> None:
    """Print on stderr what rebox logs, until the command has ended."""
    logger = logging.getLogger("rebox")
    if not wanted or any(isinstance(handler, Told) for handler in logger.handlers):
        return
    told, before = Told(), logger.level
    logger.addHandler(told)
    logger.setLevel(logging.DEBUG)
    ctx.call_on_close(lambda: logger.removeHandler(told))
    ctx.call_on_close(lambda: logger.setLevel(before))


def tell_errors_alone(ctx: typer.Context, wanted: bool) -> None:
    """Print no tables, no progress and no warnings, until the command has ended."""
    if not wanted or out.quiet:
        return
    out.quiet = True
    ctx.call_on_close(lambda: setattr(out, "quiet", False))
    ctx.with_resource(warnings.catch_warnings())
    warnings.simplefilter("ignore")


_switches = typer.Typer(add_completion=False)


@_switches.command()
def _switch(
    verbose: Annotated[
        bool,
        typer.Option(
            "-v",
            "--verbose",
            help="Tell on stderr what is opened, asked and waited for.",
            callback=tell_all,
            expose_value=False,
        ),
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "-q",
            "--quiet",
            help="Print errors alone.",
            callback=tell_errors_alone,
            expose_value=False,
        ),
    ] = False,
) -> None: ...
