"""The command line: arguments in, one line of error out."""

from rebox.cli.commands import app, main

__all__ = ["app", "main"]
