"""The command line itself: its name, its commands, what all of them take.

`COMMANDS` says in which module each command stands and what ``rebox --help`` says of it: a module
is imported when one of its commands is called, and may import at its head whatever it needs.
"""

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

import rebox
from rebox.cli.console import err, out
from rebox.cli.usage import as_our_errors
from rebox.cli.verbosity import heard_everywhere

__all__ = ["COMMANDS", "Announced", "app", "err", "out"]

COMMANDS = {
    "demo": ("demo", "Show a task that a box helps with, and one that it does not; offline."),
    "estimate": ("estimate", "Say what a budget allows, without asking anything."),
    "fit": ("fit", "Fit a model to your data, within the budget."),
    "evaluate": (
        "evaluate",
        "Measure a model on labelled data: every metric with its 95 % interval.",
    ),
    "predict": (
        "predict",
        "Label new samples; each asks as many queries as the model was fitted for.",
    ),
    "move": ("move", "Have another box answer in the place of one of several that a model asks."),
    "serve": (
        "serve",
        "Serve a model by HTTP: the Open Inference Protocol v2, and a plain POST /predict.",
    ),
    "show": ("show", "Say what a model is: its box, classes, verdict and price. Asks nobody."),
    "export": ("export", "Write a model as one ONNX file, which runs without rebox."),
    "rehearse": (
        "rehearse",
        "Play a paid service on this machine, with its format, limits, prices and faults.",
    ),
    "report": (
        "report",
        "Write one page of HTML: what ledgers measured, or whom a model asks and what that brings.",
    ),
    "bench": ("bench", "Measure methods against each other: a plan, trials, a ledger."),
    "box": ("boxes", "Black boxes: who answers."),
    "journal": ("journals", "Journals: every question that was paid for, and its answer."),
    "recipe": ("recipes", "Recipes: methods that are known by name."),
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
        heard_everywhere(self)

    def make_context(self, info_name: str | None, *arguments: Any, **options: Any) -> Any:
        """Read what stands before the command; however it was started, it is called rebox."""
        with as_our_errors():
            return super().make_context(info_name and "rebox", *arguments, **options)

    def invoke(self, ctx: Any) -> Any:
        """Read the command's own arguments, and carry it out."""
        with as_our_errors():
            return super().invoke(ctx)


app = typer.Typer(
    name="rebox",
    cls=Commands,
    help="Teach a classifier that you can only ask a task of your own, within a query budget.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[
        bool, typer.Option("-V", "--version", help="Print the version and leave.")
    ] = False,
) -> None:
    """Teach a classifier that you can only ask a task of your own, within a query budget."""
    out.stderr = False  # until a command sends a file there
    if show:
        out.print(f"rebox {rebox.__version__}", highlight=False)
        raise typer.Exit
