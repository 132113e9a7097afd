"""What kills cost where several processes share one cap in dollars for questions paid by the token.

    python benchmarks/chat_kills.py --out benchmarks/CHAT_KILLS.md   # 200 SIGKILLs
    python benchmarks/chat_kills.py --kills 10 --rounds 1

Two chat models are played on this machine, one in OpenAI's protocol and one in Anthropic's, at
different prices; their own bills are what journal and cap are held against. Eight processes put
texts of their own, of 1 to 300 words, to both of them, each question at its time, out of one
account in one journal. One drawn at random is killed and begins anew, again and again. The cap ends
before the questions do. ``faulty`` is the same at services that leave their usage out, tell three
times as much, refuse, break off and answer 503.
"""

import random
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

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
from zygote import WORDS, Zygote, texts_of

from rebox.box import FunctionBox
from rebox.box.reservation import Row
from rebox.meter import Journal, faults
from rebox.money import NANO, nano_usd
from rebox.rehearsal import Limits, Rehearsal, read_faults

PRICES = {"chat": (1.0, 4.0), "anthropic": (2.0, 10.0)}  # dollars for a million tokens in, and out
READ = {"chat": "scores", "anthropic": "label"}  # numbers are more tokens, or less; a letter is one
IN_FLIGHT = 3
QUESTIONS = 250  # of each process: $0.39 in all
CAP_USD = 0.25
LATENCY_S = 0.02
LONGEST_S = 0.8  # between two kills, so that most have asked something
FAULTS = (
    "missing-usage:every=13",
    "wrong-usage:times=3,every=17",
    "refusal:every=19",
    "503:every=23",
    "reset-mid-body:every=29",
)
KINDS = ("sound", "faulty")


@dataclass
class Counts:
    """What was seen of rounds of one kind; the first row of the table says what each is."""

    rounds: int = 0
    kills: int = 0
    billed: int = 0
    over: int = 0
    over_nano: int = 0
    unbooked_nano: int = 0
    lost: int = 0
    twice: int = 0
    again: int = 0
    wrong: int = 0
    faults: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def over_usd(self) -> str:
        """By how much books or bills were over the cap, all rounds together."""
        return f"{self.over_nano / NANO:.9f}"

    @property
    def unbooked_usd(self) -> str:
        """What the services have billed beyond the books."""
        return f"{self.unbooked_nano / NANO:.9f}"


@dataclass(frozen=True)
class Scene:
    """Where a round takes place: a folder, two services, and who forks the processes."""

    folder: Path
    services: tuple[Rehearsal, ...]
    zygote: Zygote

    @property
    def uris(self) -> list[str]:
        """How the services are opened; what they ask for tokens is in what a rehearsal tells."""
        return [
            f"{service.uri}&takes=texts&read={read}&in_flight={IN_FLIGHT}&per_second=10000"
            for service, read in zip(self.services, READ.values(), strict=True)
        ]

    @property
    def journal(self) -> Path:
        """Where all processes write."""
        return self.folder / "journal.sqlite"

    @property
    def nano(self) -> int:
        """What the services have billed, in 1e-9 US dollars."""
        return round(sum(service.bill.usd for service in self.services) * NANO)

    def fork(self, seed: int) -> int:
        """Begin a process of a seed and return its number."""
        job = {"uris": self.uris, "journal": str(self.journal), "queries": None, "usd": CAP_USD}
        return self.zygote.fork("ask_several", **job, seed=seed, questions=QUESTIONS)


def main() -> None:
    parser = options(__doc__, kills=25, what="in each round")
    parser.add_argument("--rounds", type=int, default=4, help="of each kind")
    chosen = parser.parse_args()
    counts = measure(chosen.kills, chosen.rounds, chosen.seed)
    publish(lines(counts, chosen.kills, chosen.seed), chosen.out)


def measure(kills: int, rounds: int, seed: int) -> dict[str, Counts]:
    """Return what so many kills in each of so many rounds have done, by kind."""

    def round_of(kind: str, draw: random.Random, count: Counts) -> None:
        with scene(kind) as opened:
            is_over = partial(_is_spent, opened.journal)
            codes = kill_at_random(opened.zygote, opened.fork, kills, draw, is_over, LONGEST_S)
            if codes.keys() - {0, -signal.SIGKILL}:
                raise RuntimeError(f"processes ended in {dict(codes)}")
            hold_against(opened, codes[-signal.SIGKILL], count)

    return in_rounds({kind: Counts() for kind in KINDS}, rounds, seed, round_of)


@contextmanager
def scene(kind: str) -> Iterator[Scene]:
    """Open two services that nobody has asked yet."""
    played = read_faults(FAULTS if kind == "faulty" else ())
    with ExitStack() as stack:
        room = stack.enter_context(folder())
        services = tuple(
            stack.enter_context(
                Rehearsal(
                    name,
                    FunctionBox(judge, classes=WORDS, takes="texts"),
                    classes=WORDS,
                    limits=Limits(latency_s=LATENCY_S, usd_per_m_in=taken, usd_per_m_out=given),
                    faults=played,
                    record=True,
                )
            )
            for name, (taken, given) in PRICES.items()
        )
        yield Scene(room, services, stack.enter_context(forking()))


def judge(texts) -> np.ndarray:
    """Answer which word is in each text, more or less surely."""
    found = np.array([[word in text for word in WORDS] for text in texts], dtype=float)
    sure = 1 + np.array([len(text) % 9 for text in texts])[:, None]
    scores = 0.3 + sure * found
    return scores / scores.sum(axis=1, keepdims=True)


def _is_spent(path: Path) -> bool:
    """Return whether the cap pays for no question any more, not even the shortest."""
    if not path.exists():
        return False
    with Journal(path) as books:
        left = nano_usd(CAP_USD) - books.billed("team", "fit").nano_usd
    return left < nano_usd(CAP_USD) // 1000


def hold_against(opened: Scene, kills: int, counts: Counts) -> None:
    """Count where books, cap and bills differ as they must not."""
    bills = [service.bill for service in opened.services]
    # a process asks one box at a time
    in_doubt = kills * IN_FLIGHT + sum(bill.faults for bill in bills)
    billed = sum(bill.queries for bill in bills)
    with Journal(opened.journal) as books:
        booked = books.billed("team", "fit").nano_usd
        ((answered, distinct, in_doubt_nano),) = books.rows(_ANSWERS)
        counts.wrong += _wrong(opened, books)
        counts.faults += len(faults(books))
    over = max(0, opened.nano - nano_usd(CAP_USD), booked - nano_usd(CAP_USD))
    counts.rounds += 1
    counts.kills += kills
    counts.billed += billed
    counts.over += over > 0
    counts.over_nano += over
    counts.unbooked_nano += max(0, opened.nano - booked)
    counts.lost += max(0, billed - answered - in_doubt)
    counts.twice += answered - distinct
    counts.again += max(0, _repeated(opened) - in_doubt)
    counts.notes.append(
        f"billed ${opened.nano / NANO:.6f} for {billed:,} answers, {answered:,} of them in the "
        f"journal; booked ${booked / NANO:.6f}, ${in_doubt_nano / NANO:.6f} of it for sends whose "
        "end nobody recorded"
    )


_ANSWERS = """
    SELECT count(*), count(DISTINCT fit || hex(key)),
           (SELECT coalesce(sum(queries * nano_usd_each), 0) FROM send WHERE ended_s IS NULL)
    FROM answer JOIN question ON question.id = question JOIN send ON send.id = send
"""


def _repeated(opened: Scene) -> int:
    """Return how many requests the services were sent that they had been sent before."""
    sent = Counter(one.body for service in opened.services for one in service.requests)
    return sum(times - 1 for times in sent.values())


def _wrong(opened: Scene, books: Journal) -> int:
    """Return how many answers of the journal name another word than the text that was asked."""

    def differing(_: int, asked: NDArray[np.object_], known: dict[int, Row]) -> int:
        true = judge(asked).argmax(axis=1)
        return sum(bool(row.any() and row.argmax() != true[i]) for i, row in known.items())

    return wrong_in(
        books, opened.uris, lambda seed: texts_of(seed, QUESTIONS, len(opened.uris)), differing
    )


TITLES = {
    "rounds": "rounds",
    "kills": "SIGKILL",
    "billed": "answers billed",
    "over": "rounds over the cap",
    "over_usd": "by dollars",
    "unbooked_usd": "dollars billed and not in the books",
    "lost": "answers lost beyond what was in flight",
    "twice": "questions answered twice",
    "again": "asked twice beyond what was in flight",
    "wrong": "answers to another text",
    "faults": "faults in journals",
}


def lines(counts: dict[str, Counts], kills: int, seed: int) -> list[str]:
    """Return the table, as Markdown."""
    prices = " or ".join(f"${taken:g} and ${given:g}" for taken, given in PRICES.values())
    return [
        "# What kills cost where tokens are paid",
        "",
        f"Printed by `python benchmarks/chat_kills.py --kills {kills} --out "
        f"benchmarks/CHAT_KILLS.md`, seed {seed}:",
        f"{PROCESSES} processes with one account in one journal, and ${CAP_USD:.2f} for all of "
        f"them; two chat models at {prices} a million tokens read and written, {IN_FLIGHT} "
        "requests in flight at each; texts of 1 to 300 words. The services are rehearsals; "
        f"processes and SIGKILL are real. `faulty` plays {', '.join(FAULTS)}.",
        "",
        *table(TITLES, counts),
        "",
        *(f"- {kind}: {note}" for kind, row in counts.items() for note in row.notes),
    ]


if __name__ == "__main__":
    main()
