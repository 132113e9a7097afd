"""What kills cost where several processes share one budget for three boxes of different prices.

    python benchmarks/several_kills.py --out benchmarks/SEVERAL_KILLS.md   # 400 SIGKILLs
    python benchmarks/several_kills.py --kills 20 --rounds 1

Three services are played on this machine; their own bills are what journal and budget are held
against. Eight processes put questions to all of them, each those of its seed, out of one account in
one journal: first by meters alone, then by fits on the command line. One drawn at random is killed
and begins anew, again and again; in the end all of them may come to theirs. The budget pays for
about half of what they would ask: queries and dollars both end.
"""

import random
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from killing import (
    PROCESSES,
    folder,
    forking,
    in_rounds,
    kill_at_random,
    options,
    publish,
    table,
    wrong_in,
)
from numpy.typing import NDArray
from zygote import SIDE, Zygote, data, questions_of

from rebox.box import BlackBox, open_box
from rebox.box.rehearsal import RehearsalBox
from rebox.box.reservation import Row
from rebox.meter import Journal, faults
from rebox.money import NANO, nano_usd
from rebox.rehearsal import Limits, Rehearsal

PRICES = (0.001, 0.004, 0.0)
IN_FLIGHT = 3
QUESTIONS = 120  # of each process
BUDGETS = {  # of 960 questions for $1.60; of fits that together ask 180 and more for $0.30
    "questions": {"queries": 500, "usd": 0.6},
    "fits": {"queries": 150, "usd": 0.2},
}
LATENCY_S = 0.005
KINDS = {"questions": "ask_several", "fits": "command"}


@dataclass
class Counts:
    """What was seen of rounds of one kind; the first row of the table says what each is."""

    rounds: int = 0
    kills: int = 0
    over_queries: int = 0
    over_dollars: int = 0
    unbooked: int = 0
    lost: int = 0
    twice: int = 0
    wrong: int = 0
    faults: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Scene:
    """Where rounds take place: a folder, three services, and who forks the processes."""

    folder: Path
    services: tuple[Rehearsal, ...]
    zygote: Zygote

    @property
    def uris(self) -> list[str]:
        """How the services are opened, each at its price."""
        patience = f"&size={SIDE}&in_flight={IN_FLIGHT}&per_second=10000"
        priced = zip(self.services, PRICES, strict=True)
        return [f"{service.uri}{patience}&price_usd={price}" for service, price in priced]

    @property
    def bills(self) -> list[int]:
        """Images that each service has billed."""
        return [service.bill.queries for service in self.services]

    def fork(self, kind: str, journal: Path, seed: int) -> int:
        """Begin a process of a seed and return its number."""
        return self.zygote.fork(KINDS[kind], **self._job(kind, journal, seed))

    def _job(self, kind: str, journal: Path, seed: int) -> dict[str, Any]:
        if kind == "questions":
            known = {"uris": self.uris, "journal": str(journal), "seed": seed}
            return {**known, **BUDGETS[kind], "questions": QUESTIONS}
        asked = [word for uri in self.uris for word in ("--box", uri)]
        words = {
            "--data": self.folder / "data.npz",
            "--budget": BUDGETS[kind]["queries"],
            "--max-usd": BUDGETS[kind]["usd"],
            "--queries-per-prediction": 3,
            "--seed": seed,
            "--account": "team",
            "--journal": journal,
            "--out": self.folder / f"{seed}.rebox",
        }
        given = [str(word) for pair in words.items() for word in pair]
        log = self.folder / f"{seed}.log"
        return {"arguments": ["fit", *asked, *given, "--yes", "--force"], "log": str(log)}


def main() -> None:
    parser = options(__doc__, kills=50, what="in each round")
    parser.add_argument("--rounds", type=int, default=4, help="of each kind")
    chosen = parser.parse_args()
    counts = measure(chosen.kills, chosen.rounds, chosen.seed)
    publish(lines(counts, chosen.seed), chosen.out)


def measure(kills: int, rounds: int, seed: int) -> dict[str, Counts]:
    """Return what so many kills in each of so many rounds have done, by kind."""

    def round_of(kind: str, draw: random.Random, count: Counts) -> None:
        with scene() as opened:
            play(opened, kind, kills, draw, count)

    return in_rounds({kind: Counts() for kind in KINDS}, rounds, seed, round_of)


@contextmanager
def scene() -> Iterator[Scene]:
    """Open three services that nobody has asked yet."""
    with ExitStack() as stack:
        room = stack.enter_context(folder())
        x, y = data()
        np.savez(room / "data.npz", x=x, y=y)
        limits = [Limits(batch_size=1, latency_s=LATENCY_S, price_usd=one) for one in PRICES]
        served = (Rehearsal("azure-custom-vision", box_of(k), limits=limits[k]) for k in range(3))
        services = tuple(stack.enter_context(one) for one in served)
        yield Scene(room, services, stack.enter_context(forking()))


def box_of(place: int) -> BlackBox:
    """Return what answers behind a service."""
    return RehearsalBox(classes=5, size=SIDE, pixels="uint8", seed=place)


def play(opened: Scene, kind: str, kills: int, draw: random.Random, counts: Counts) -> None:
    """Let processes share a budget and be killed; hold what they leave against the bills."""
    journal = opened.folder / "journal.sqlite"
    codes = kill_at_random(
        opened.zygote,
        lambda seed: opened.fork(kind, journal, seed),
        kills,
        draw,
        lambda: all(_is_spent(journal, kind)),
    )
    ended = codes[-signal.SIGKILL]
    counts.rounds += 1
    counts.kills += ended
    with Journal(journal) as books:
        hold_against(opened, books, ended, counts, BUDGETS[kind])
        if kind == "questions":
            counts.wrong += _wrong(opened, books)


def _is_spent(path: Path, kind: str) -> tuple[bool, bool]:
    """Return whether the queries are spent, and the dollars but for less than a query's."""
    if not path.exists():
        return False, False
    with Journal(path) as books:
        spent = books.billed("team", "fit")
    left = nano_usd(BUDGETS[kind]["usd"]) - spent.nano_usd
    return spent.queries >= BUDGETS[kind]["queries"], left < nano_usd(PRICES[0])


def hold_against(
    opened: Scene, books: Journal, kills: int, counts: Counts, budget: dict[str, Any]
) -> None:
    """Count where books, budget and bills differ as they must not."""
    spent, bills = books.billed("team", "fit"), opened.bills
    usd = sum(n * nano_usd(price) for n, price in zip(bills, PRICES, strict=True))
    counts.over_queries += max(spent.queries, sum(bills)) > budget["queries"]
    counts.over_dollars += max(spent.nano_usd, usd) > nano_usd(budget["usd"])
    booked = _booked(books, opened)
    for place, billed in enumerate(bills):
        sent, answered, distinct = booked[place]
        counts.unbooked += max(0, billed - sent)
        counts.lost += max(0, billed - answered - kills * IN_FLIGHT)
        counts.twice += answered - distinct
    counts.faults += len(faults(books))
    counts.notes.append(
        f"billed {' + '.join(map(str, bills))}, booked {spent.queries} and "
        f"${spent.nano_usd / NANO:.3f}"
    )


def _booked(books: Journal, opened: Scene) -> list[tuple[int, int, int]]:
    """Return of each box the images that are booked, their answers, and those to other questions.

    Two fits that share an account may ask the same at once, and both pay for it.
    """
    query = """
        SELECT coalesce(sum(coalesce(billed, send.queries)), 0),
               (SELECT count(*) FROM answer JOIN question ON question.id = question
                JOIN send AS own ON own.id = send WHERE own.box = box.id),
               (SELECT count(DISTINCT fit || hex(key)) FROM answer
                JOIN question ON question.id = question
                JOIN send AS own ON own.id = send WHERE own.box = box.id)
        FROM box LEFT JOIN send ON send.box = box.id WHERE identity = ? GROUP BY box.id
    """
    booked = []
    for uri in opened.uris:
        with open_box(uri) as box:
            rows = books.rows(query, (box.spec.identity,))
        sent, answered, distinct = rows[0] if rows else (0, 0, 0)
        booked.append((int(sent), int(answered), int(distinct)))
    return booked


def _wrong(opened: Scene, books: Journal) -> int:
    """Return how many answers of the journal are not those of the box that was asked."""

    def differing(place: int, asked: NDArray[np.uint8], known: dict[int, Row]) -> int:
        true = box_of(place).ask(asked)
        return sum(not np.allclose(row, true[i], atol=1e-3) for i, row in known.items())

    return wrong_in(
        books, opened.uris, lambda seed: questions_of(seed, QUESTIONS, len(PRICES)), differing
    )


TITLES = {
    "rounds": "rounds",
    "kills": "SIGKILL",
    "over_queries": "rounds over the budget in queries",
    "over_dollars": "in dollars",
    "unbooked": "images billed and not in the books of their box",
    "lost": "answers lost beyond what was in flight",
    "twice": "questions of one fit answered twice",
    "wrong": "answers of another box",
    "faults": "faults in journals",
}


def _caps(kind: str) -> str:
    return f"{BUDGETS[kind]['queries']} queries and ${BUDGETS[kind]['usd']:.2f}"


def lines(counts: dict[str, Counts], seed: int) -> list[str]:
    """Return the table, as Markdown."""
    return [
        "# What kills cost several boxes",
        "",
        "Printed by `python benchmarks/several_kills.py --out benchmarks/SEVERAL_KILLS.md`, seed "
        f"{seed}:",
        f"{PROCESSES} processes with one account in one journal; services at "
        f"{', '.join(f'${price:g}' for price in PRICES)} a query, {IN_FLIGHT} requests in flight "
        f"at each. For all of them {_caps('questions')}, or for fits {_caps('fits')}.",
        "",
        *table(TITLES, counts),
        "",
        *(f"- {kind}: {note}" for kind, row in counts.items() for note in row.notes),
    ]


if __name__ == "__main__":
    main()
