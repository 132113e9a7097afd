"""The commands about journals: show, export, verify."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from rebox.cli.app import app, out
from rebox.errors import JournalError
from rebox.meter import Journal, accounts, default_path, faults, questions

journal_app = typer.Typer(
    help="Journals: every question that was paid for, and its answer.", no_args_is_help=True
)
app.add_typer(journal_app, name="journal")

PathArgument = Annotated[Path | None, typer.Argument(help="The journal; default: the user's own.")]


@journal_app.command()
def show(path: PathArgument = None) -> None:
    """Say what each account has cost."""
    journal = _opened(path)
    table = Table("account", "for", "sent", "answered", "billed", "unsettled", "faults", "cost")
    for line in accounts(journal):
        counts = (line.asked, line.answered, line.billed, line.unsettled, line.failed)
        cells = [f"{count:,}" for count in counts]
        table.add_row(line.name, line.kind, *cells, f"${line.usd:,.4f}")
    out.print(table)
    journal.close()


@journal_app.command()
def export(path: PathArgument = None) -> None:
    """Print every question as a line of JSON: its key, account, time, and scores."""
    journal = _opened(path)
    for question in questions(journal):
        typer.echo(json.dumps(question))
    journal.close()


@journal_app.command()
def verify(path: PathArgument = None) -> None:
    """Check that a journal is sound: exit code 1 if it is not."""
    journal = _opened(path)
    found = faults(journal)
    journal.close()
    for line in found:
        out.print(line, highlight=False, markup=False)
    if found:
        raise typer.Exit(1)
    out.print("the journal is sound.")


def _opened(path: Path | None) -> Journal:
    found = default_path() if path is None else path
    if not found.is_file():
        raise JournalError(f"there is no journal {found}: nothing was paid for with it.")
    return Journal(found)
