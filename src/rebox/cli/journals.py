"""The commands about journals: show, export, verify, copy."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from rebox.cli.app import app
from rebox.cli.console import err, out
from rebox.cli.standard import standard_output
from rebox.errors import JournalError
from rebox.meter import (
    AccountLine,
    Journal,
    accounts,
    check_kind,
    copy_journal,
    default_path,
    each_fault,
    is_server,
    masked,
    questions,
)
from rebox.money import UNKNOWN, dollars

journal_app = typer.Typer(
    help="Journals: every question that was paid for, and its answer.", no_args_is_help=True
)
app.add_typer(journal_app, name="journal")

PathArgument = Annotated[
    str | None,
    typer.Argument(help="The journal, a file or postgresql://...; default: the user's own."),
]


@journal_app.command()
def show(path: PathArgument = None) -> None:
    """Say what each account has cost."""
    # a name that is cut off cannot be passed on to --account
    account = Column("account", overflow="fold")
    table = Table(account, "for", "sent", "answered", "billed", "unsettled", "faults", "cost")
    with _opened(path) as journal:
        for line in accounts(journal):
            counts = (line.asked, line.answered, line.billed, line.unsettled, line.failed)
            cells = [f"{count:,}" for count in counts]
            table.add_row(line.name, line.kind, *cells, _cost(line))
    out.print(table)


def _cost(line: AccountLine) -> str:
    """Return what an account has cost; a price of 0 may be one that nobody has told."""
    if line.unpriced and line.unpriced == line.billed:
        return UNKNOWN
    rest = f" + {line.unpriced:,} without a price" if line.unpriced else ""
    return f"{dollars(line.usd)}{rest}"


@journal_app.command()
def export(path: PathArgument = None) -> None:
    """Print every question as a line of JSON: its key, account, time, and scores.

    Exit code 1 if there are answers that are damaged: they have no scores then.
    """
    damaged = 0
    with _opened(path) as journal, standard_output():
        for question in questions(journal):
            typer.echo(json.dumps(question))
            damaged += question["damaged"]
    if damaged:
        what = f"{damaged:,} answer{'s are' if damaged > 1 else ' is'} damaged"
        err.print(f"rebox: error: {what} and came without scores.", highlight=False)
        raise typer.Exit(1)


@journal_app.command()
def verify(path: PathArgument = None) -> None:
    """Check that a journal is sound: exit code 1 if it is not."""
    wrong = 0
    with _opened(path) as journal:
        for wrong, line in enumerate(each_fault(journal), start=1):  # noqa: B007 - counts
            out.print(line, highlight=False, markup=False)
    if wrong:
        raise typer.Exit(1)
    out.print("the journal is sound.")


@journal_app.command()
def copy(
    source: Annotated[str, typer.Argument(help="The journal: a file or postgresql://...")],
    target: Annotated[str, typer.Argument(help="Where its copy shall be; nothing is there yet.")],
) -> None:
    """Copy a journal, from a file to a server or back, and compare every row.

    A copy that was cut short is gone on with. Name the copy from then on: an account that is in
    both is spent in both.
    """
    _check_there(source)
    done = copy_journal(source, target)
    before = f"; {done.before:,} rows were there" if done.before else ""
    out.print(
        f"{masked(target)} has {done.questions:,} questions and {done.answers:,} answers, each "
        f"compared{before}.",
        highlight=False,
        markup=False,
    )


def _opened(path: str | None) -> Journal:
    """Open a journal to read: it may stand where nothing can be written."""
    place = default_path() if path is None else path
    _check_there(place)
    return Journal(place, writable=False)


def _check_there(journal: str | Path) -> None:
    """Refuse a file that is not there."""
    check_kind(journal)
    if is_server(journal):
        return
    place = Path(journal)
    if place.is_dir():
        raise JournalError(f"{place} is a folder: name the journal in it.")
    try:
        place.stat()
    except FileNotFoundError as error:
        raise JournalError(f"there is no journal {place}: nothing was paid for with it.") from error
    except OSError as error:
        raise JournalError(f"the journal {place} cannot be read ({error.strerror}).") from error
