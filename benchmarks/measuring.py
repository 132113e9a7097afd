"""What benchmarks share that write a line for each trial into a ledger, and a table from it."""

import argparse
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Protocol, TypeVar

from rebox.study.bench import read_ledger


class Keyed(Protocol):
    """A trial: one fit, and what it is tested on."""

    @property
    def key(self) -> str:
        """What names it in the ledger."""


Trial = TypeVar("Trial", bound=Keyed)


def commands(
    doc: str, here: Path, key: str
) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser]:
    """Return a parser of the commands ``run`` and ``table``, and that of ``run``, for more options.

    Parameters
    ----------
    doc : str
        Of the benchmark: its first line is what ``--help`` says.
    here : Path
        The folder of its ledger and its table.
    key : str
        What a trial's key is made of, as ``task | labels | seed``.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    both = parser.add_subparsers(dest="command", required=True)
    running = both.add_parser("run", help="run the trials that the ledger does not hold")
    running.add_argument("--only", default="*", help=f"a pattern of '{key}'")
    tabling = both.add_parser("table", help="write the ledger as Markdown")
    tabling.add_argument("--out", type=Path, default=here / "RESULTS.md")
    for command in (running, tabling):
        command.add_argument("--ledger", type=Path, default=here / "measured.jsonl")
    return parser, running


def missing(trials: Iterable[Trial], given: argparse.Namespace) -> Iterator[Trial]:
    """Yield those of ``trials`` that are wanted, and that the ledger does not hold."""
    done = {row["key"] for row in read_ledger(given.ledger)}
    return (one for one in trials if one.key not in done and fnmatch(one.key, given.only))
