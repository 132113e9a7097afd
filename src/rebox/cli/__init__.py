"""The command line: arguments in, one line of error out."""

from rebox.cli import bench, boxes, commands, journals, rehearse, report, tasks  # noqa: F401 - their commands
from rebox.cli.app import app, main

__all__ = ["app", "main"]
