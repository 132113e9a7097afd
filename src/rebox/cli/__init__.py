"""The command line: arguments in, one line of error out."""

from rebox.cli import (  # noqa: F401 - their commands
    bench,
    boxes,
    commands,
    journals,
    rehearse,
    report,
    tasks,
)
from rebox.cli.app import app, main

__all__ = ["app", "main"]
