"""The command line itself: its name, its consoles, its one line of error."""

import sys
import warnings
from typing import Annotated, Any

import typer
from rich.console import Console

import rebox
from rebox.errors import Error

out = Console()
err = Console(stderr=True)

app = typer.Typer(
    name="rebox",
    help="Teach a classifier that you can only ask a task of your own, within a query budget.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def main() -> None:
    """Run the command line; an error of ours is one line on stderr and exit code 2."""
    warnings.showwarning = _show_warning
    try:
        app()
    except Error as error:
        err.print(f"rebox: error: {' '.join(str(error).split())}", markup=False, soft_wrap=True)
        sys.exit(2)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    err.print(f"rebox: warning: {message}", markup=False, soft_wrap=True)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """Teach a classifier that you can only ask a task of your own, within a query budget."""
    if show:
        out.print(f"rebox {rebox.__version__}", highlight=False)
        raise typer.Exit
