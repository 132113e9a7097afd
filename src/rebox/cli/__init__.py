"""The command line: arguments in, one line of error out."""

from rebox.cli import boxes, commands, journals, rehearse, report  # noqa: F401 - their commands
from rebox.cli.app import app, main

__all__ = ["app", "main"]
