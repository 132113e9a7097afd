"""Before money is spent, somebody says so."""

import sys

import typer

from rebox.box import BlackBox
from rebox.cli.app import err
from rebox.errors import InvalidOption
from rebox.money import dollars

FREE_HAND_USD = 1.0  # what may be spent without asking
FREE_HAND_QUERIES = 100  # what may be asked of a service whose price nobody has told: $1 at a cent

NAME_IT = ", or name the price in the box's URI by price_usd=, 0 if it is free"


def confirm(box: BlackBox | None, queries: int, what: str, *, yes: bool) -> None:
    """Ask whether ``queries`` may be spent on ``what``, where that may cost more than $1.

    The price of a box that runs on this machine says what a service would charge: nobody is paid.

    Raises
    ------
    InvalidOption
        Nobody is there to be asked, and ``--yes`` was not given.
    """
    if yes or box is None or not box.source.remote:
        return
    price = box.spec.price_usd
    if price is None:
        few = queries <= FREE_HAND_QUERIES
        words, way = f"{what} may ask {queries:,} queries, at a price that is not known", NAME_IT
    else:
        few = queries * price <= FREE_HAND_USD
        words, way = f"{what} may cost up to {dollars(queries * price)}", ""
    if few:
        return
    if not sys.stdin.isatty():
        raise InvalidOption(f"{words}: pass --yes to spend it{way}.")
    err.print(f"{words}.", highlight=False)
    typer.confirm("Spend it?", abort=True, err=True)
