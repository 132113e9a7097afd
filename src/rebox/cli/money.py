"""Before money is spent, somebody says so."""

import sys

import typer

from rebox.box import BlackBox
from rebox.cli.app import err
from rebox.errors import InvalidOption

FREE_HAND_USD = 1.0  # what may be spent without asking


def confirm(box: BlackBox | None, queries: int, what: str, *, yes: bool) -> None:
    """Ask whether ``queries`` may be spent on ``what``, where a service charges more than $1.

    The price of a box that runs on this machine says what a service would charge: nobody is paid.

    Raises
    ------
    InvalidOption
        Nobody is there to be asked, and ``--yes`` was not given.
    """
    usd = 0.0 if box is None or not box.source.remote else queries * box.spec.price_usd
    if yes or usd <= FREE_HAND_USD:
        return
    words = f"{what} may cost up to ${usd:,.2f}"
    if not sys.stdin.isatty():
        raise InvalidOption(f"{words}: pass --yes to spend it.")
    err.print(f"{words}.", highlight=False)
    typer.confirm("Spend it?", abort=True, err=True)
