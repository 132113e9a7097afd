"""What benchmarks that kill processes share: who forks them, how they are killed, and the table."""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
from numpy.typing import NDArray
from zygote import Zygote

from rebox.box import open_box
from rebox.box.reservation import Row
from rebox.meter import Budget, Journal, JournalAccount

Count = TypeVar("Count")

PROCESSES = 8
NEED_KEYS = ("AZURE_CUSTOM_VISION_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY")
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@contextmanager
def forking() -> Iterator[Zygote]:
    """Yield who forks processes, each of one thread and with keys to every service."""
    keys = dict.fromkeys(NEED_KEYS, "no secret: the services take any")
    zygote = Zygote(**_ONE_THREAD, **keys, COLUMNS="200")
    try:
        yield zygote
    finally:
        zygote.close()


@contextmanager
def folder() -> Iterator[Path]:
    """Yield a folder that goes with what is in it."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def kill_at_random(
    zygote: Zygote,
    fork: Callable[[int], int],
    kills: int,
    draw: random.Random,
    is_over: Callable[[], bool],
    longest_s: float = 0.1,
) -> Counter[int]:
    """Let processes run side by side, kill one after another, and let all come to their end.

    Parameters
    ----------
    fork : callable
        Begins the process of a seed, from 0 to `PROCESSES`, and returns its number.
    is_over : callable
        Whether those that are begun now would do nothing.
    longest_s : float
        Between two kills.

    Returns
    -------
    How many ended in each exit code: -9 are those that were killed before they ended by themselves.
    """
    running = [fork(seed) for seed in range(PROCESSES)]
    codes: Counter[int] = Counter()
    while codes[-signal.SIGKILL] < kills:
        time.sleep(draw.uniform(0.0, longest_s))
        seed = draw.randrange(PROCESSES)
        os.kill(running[seed], signal.SIGKILL)  # it may have ended, but is still to be reaped
        codes[zygote.reap(running[seed])] += 1
        running[seed] = fork(seed)
        if is_over():
            break
    codes.update(map(zygote.reap, running))
    return codes


def in_rounds(
    counts: dict[str, Count],
    rounds: int,
    seed: int,
    play: Callable[[str, random.Random, Count], None],
) -> dict[str, Count]:
    """Return ``counts`` by kind, into which each of so many rounds of a kind was played."""
    draw = random.Random(seed)  # noqa: S311 - moments, not secrets
    for kind, count in counts.items():
        for _ in range(rounds):
            play(kind, draw, count)
            print(kind, count, file=sys.stderr, flush=True)
    return counts


def wrong_in(
    books: Journal,
    uris: Sequence[str],
    dealt: Callable[[int], tuple[NDArray[np.intp], Any]],
    differing: Callable[[int, Any, dict[int, Row]], int],
) -> int:
    """Return how many answers of a journal are not those of whom was asked.

    Parameters
    ----------
    uris : sequence of str
        How the services are opened.
    dealt : callable
        Returns, for the seed of a process, which service each of its questions is for, and them.
    differing : callable
        Counts, of a service by its place, the answers (by place among questions) that are wrong.
    """
    account = JournalAccount(books, name="team", training=Budget(), prediction=Budget())
    wrong = 0
    for place, uri in enumerate(uris):
        with open_box(uri) as box:
            identity = box.spec.identity
        for seed in range(PROCESSES):
            places, questions = dealt(seed)
            asked = questions[places == place]
            wrong += differing(place, asked, account.peek(asked, identity))
    return wrong


def options(doc: str, kills: int, what: str | None = None) -> argparse.ArgumentParser:
    """Return a parser of what all take, with their usual number of ``kills``."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--kills", type=int, default=kills, help=what)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    return parser


def publish(lines: Sequence[str], out: Path | None) -> None:
    """Print ``lines``, and write them where that is wanted."""
    text = "\n".join(lines) + "\n"
    print(text)
    if out is not None:
        out.write_text(text, encoding="utf-8")


def table(titles: Mapping[str, str], rows: Mapping[str, Any], first: str = "") -> Sequence[str]:
    """Return a table as Markdown: a row for each of ``rows``, a column for each of its counts."""
    return [
        f"| {first} | {' | '.join(titles.values())} |",
        f"|---|{'---:|' * len(titles)}",
        *(
            f"| {name} | {' | '.join(str(getattr(row, count)) for count in titles)} |"
            for name, row in rows.items()
        ),
    ]
