"""The command line itself: its name, its commands, its consoles.

`COMMANDS` says in which module each command stands and what ``rebox --help`` says of it: a module
is imported when one of its commands is called, and may import at its head whatever it needs.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Annotated, Any
from unicodedata import category

import typer
from rich.console import Console
from rich.segment import Segment
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

import rebox
from rebox.cli.standard import standard_output


class PlainConsole(Console):
    """A console that takes no text for markup, and shows a text's control characters."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def print(self, *arguments: Any, **options: Any) -> None:
        """Print, or say on one line that standard output takes no more."""
        with standard_output():
            super().print(*arguments, **options)

    def render(self, *arguments: Any, **options: Any) -> Iterator[Segment]:
        """Yield what is printed; what files and services say moves no cursor."""
        for segment in super().render(*arguments, **options):
            text = segment.text
            yield segment if segment.control else Segment(visible(text), segment.style)


def visible(text: str) -> str:
    """Return ``text`` with its control characters spelled out, but for the ends of its lines."""
    if text.isprintable():
        return text
    hidden = ("Cc", "Cf", "Cs")  # Unicode's: control characters, directions, half characters
    return "".join(ascii(c)[1:-1] if category(c) in hidden and c != "\n" else c for c in text)


out = PlainConsole()
err = PlainConsole(stderr=True)

COMMANDS = {
    "demo": ("demo", "Teach a digit recogniser to diagnose tumours, offline, in a minute."),
    "estimate": ("estimate", "Say what a budget allows, without asking anything."),
    "fit": ("fit", "Fit a model to your data, within the budget."),
    "evaluate": (
        "evaluate",
        "Measure a model on labelled data: every metric with its 95 % interval.",
    ),
    "predict": (
        "predict",
        "Label new images; each asks as many queries as the model was fitted for.",
    ),
    "rehearse": (
        "rehearse",
        "Play a paid service on this machine, with its format, limits, prices and faults.",
    ),
    "report": (
        "bench",
        "Write one page of HTML: tables with intervals, figures, and what it cost.",
    ),
    "bench": ("bench", "Measure methods against each other: a plan, trials, a ledger."),
    "box": ("boxes", "Black boxes: who answers."),
    "journal": ("journals", "Journals: every question that was paid for, and its answer."),
    "task": ("tasks", "Tasks: data sets that are known by name."),
}


class Announced(TyperCommand):
    """A command by its name and its sentence; whoever calls it gets the command itself."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Import the command's module, and read its arguments as the command itself does."""
        import_module(f"rebox.cli.{COMMANDS[str(self.name)][0]}")
        return get_group(app).commands[str(self.name)].make_context(*arguments, **options)


class Commands(TyperGroup):
    """All commands: those of modules that are imported, the others announced."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        announced = {
            name: Announced(name=name, callback=None, help=help_)
            for name, (_, help_) in COMMANDS.items()
        }
        self.commands = {**announced, **self.commands}


app = typer.Typer(
    name="rebox",
    cls=Commands,
    help="Teach a classifier that you can only ask a task of your own, within a query budget.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """Teach a classifier that you can only ask a task of your own, within a query budget."""
    out.stderr = False  # until a command sends a file there
    if show:
        out.print(f"rebox {rebox.__version__}", highlight=False)
        raise typer.Exit
