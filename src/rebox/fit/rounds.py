"""Predictions in rounds: everybody's next question together, so that batches are full.

Where a mean price is held, it is held over the samples of one call, if they are many: what a block
of them cost more or less than its share makes the next one slower or quicker to ask, and what goes
over is not asked. A few samples are asked about as their doubts say: at the toll whose mean, over
training samples that were held out, is the one that is held.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebox.fit.asking import Asking, answered, chunk_of, shown_as
from rebox.fit.policy import STOP, Policy
from rebox.fit.question import Question
from rebox.meter import Asker
from rebox.reading.contract import Matrix
from rebox.reading.subsets import Subset, SubsetReader, beside
from rebox.sample.loader import SampleLoader, chunks

Seen = list[NDArray[np.float32]]
Rows = NDArray[np.intp]

BLOCK = 1024  # samples that go through their rounds together
MANY = 100  # samples over which a mean price is held to the cent; of fewer, one may cost it all
FASTER, SLOWER = 0.5, 2.0  # most that the toll changes from block to block
TIMID = 0.9  # share of a block's means that has to be spent before it is over, if questions pay
LOWERED = 6  # times that the toll is halved for that


@dataclass(frozen=True, eq=False)
class Rounds:
    """Asks about samples what a policy says, and reads the answers.

    Parameters
    ----------
    questions : sequence of Question
    askers : sequence of Asker
        Who asks each question.
    reader : SubsetReader
    policy : Policy
    samples : SampleLoader
    see : callable
        What can be seen of some rows without asking.
    purse : Purse
        Who pays.
    """

    questions: Sequence[Question]
    askers: Sequence[Asker]
    reader: SubsetReader
    policy: Policy
    samples: SampleLoader
    see: Callable[[range], Seen]
    purse: "Purse"

    def blocks(self) -> Iterator[tuple[Matrix, list[Subset]]]:
        """Yield (n, K) probabilities, and what was asked about each, a block at a time."""
        purse = self.purse
        purse.open(self.policy, len(self.samples))
        for rows in chunks(len(self.samples), BLOCK):
            purse.begin(len(rows))
            block = _Block(self, rows, purse)
            known = block.log_probabilities()
            purse.end()
            yield np.exp(self.reader.weighed(known)), block.asked_about


class Purse:
    """Holds a policy's mean price over the samples of one call, whatever policy goes on with it."""

    policy: Policy

    def __init__(self) -> None:
        self._spent = self._before = self._slack = 0.0
        self._done = self._block = self._lowered = 0
        self._ended = True

    def open(self, policy: Policy, samples: int) -> None:
        """Go by ``policy`` from now on, for so many samples.

        A block that another policy left in the middle, as its box failed, is paid for, and its
        samples are still to come.
        """
        self.policy = policy
        if not self._ended:
            self._done -= self._block
        # A few samples may happen to be hard ones: there a prediction costs what it may.
        few = self._done + samples < MANY
        self._slack = policy.cost(range(len(policy.costs))) if few else 0.0

    def begin(self, samples: int) -> None:
        """Let so many more samples be asked about, at a toll that what is left pays for."""
        mean, block = self.policy.mean, self._spent - self._before
        self._ended = False
        if mean is not None and self._done and self._block:
            share = self._left(mean) + mean * samples
            usual = block * samples / self._block  # what these cost if they are as the last were
            change = usual / share if share > 0 else SLOWER
            self.policy = self.policy.at(self.policy.toll * float(np.clip(change, FASTER, SLOWER)))
        self._before, self._block, self._lowered = self._spent, samples, 0
        self._done += samples

    def end(self) -> None:
        """Note that a block of samples has been through its rounds."""
        self._ended = True

    def afford(self, costs: NDArray[np.float64], urgency: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Pay for questions of so high costs, the most urgent first, and say for which (n,)."""
        pays = np.ones(len(costs), dtype=bool)
        if self.policy.mean is not None:
            # those that are alike are drawn: in the order of a file one class may come first
            drawn = np.random.default_rng([self._done, len(costs)]).random(len(costs))
            order = np.lexsort((drawn, -urgency))
            room = (self._left(self.policy.mean) + self._slack) * (1 + 1e-12)
            pays[order] = np.cumsum(costs[order]) <= room
        self._spent += float(costs[pays].sum())
        return pays

    def pay(self, cost: float) -> None:
        """Pay what is asked about every sample, which the mean has room for."""
        self._spent += cost

    def lower(self) -> bool:
        """Ask for less gain where much is left of what a block may cost; say whether it does."""
        mean, toll = self.policy.mean, self.policy.toll
        if mean is None or toll == 0 or self._slack or self._lowered == LOWERED:
            return False
        if self._left(mean) <= (1 - TIMID) * mean * self._block:
            return False
        self._lowered += 1
        self.policy = self.policy.at(toll / 2)
        return True

    def _left(self, mean: float) -> float:
        return mean * self._done - self._spent


class _Block:
    def __init__(self, rounds: Rounds, rows: range, purse: Purse) -> None:
        self._all, self._rows, self._purse = rounds, np.asarray(rows, dtype=np.intp), purse
        self._seen = _stacked([rounds.see(few) for few in _parts(rows)])
        self._heard = [
            np.zeros((len(rows), len(one.spec.classes)), np.float32) for one in rounds.askers
        ]
        self._logs: Matrix | None = None
        self.asked_about: list[Subset] = [()] * len(rows)

    def log_probabilities(self) -> Matrix:
        everybody = np.arange(len(self._rows))
        first = self._ask_all(everybody)
        self.asked_about = [first] * len(everybody)
        self._note(everybody, self._opinion(first, everybody))
        self._go_round()
        while self._purse.lower():
            self._go_round()
        assert self._logs is not None  # noqa: S101 - there are samples
        return self._logs

    def _go_round(self) -> None:
        """Ask until no question pays."""
        rows = np.arange(len(self._rows))
        while len(rows := self._asked(rows)):
            for subset, some in self._by_subset(rows).items():
                self._note(some, self._opinion(subset, some))

    def _by_subset(self, rows: Rows) -> dict[Subset, Rows]:
        """Return ``rows`` by what was asked about them."""
        found: dict[Subset, list[int]] = {}
        for row in rows.tolist():
            found.setdefault(self.asked_about[row], []).append(row)
        return {subset: np.array(sorted(some), dtype=np.intp) for subset, some in found.items()}

    def _ask_all(self, rows: Rows) -> Subset:
        """Ask the first questions about all samples."""
        policy = self._purse.policy
        for question in policy.first:
            self._ask(question, rows)
        self._purse.pay(policy.cost(policy.first) * len(rows))
        return policy.first

    def _asked(self, rows: Rows) -> Rows:
        """Ask everybody's next question, and return who was asked one."""
        policy, logs = self._purse.policy, self._logs
        assert logs is not None  # noqa: S101 - each has an opinion
        chosen = [
            (some, *policy.choose(subset, logs[some]))
            for subset, some in self._by_subset(rows).items()
        ]
        who, questions, urgency = (np.concatenate(parts) for parts in zip(*chosen, strict=True))
        go = questions != STOP
        who, questions, urgency = who[go], questions[go], urgency[go]
        pays = self._purse.afford(policy.costs[questions], urgency)
        who, questions = who[pays], questions[pays]
        for row, question in zip(who.tolist(), questions.tolist(), strict=True):
            self.asked_about[row] = beside(self.asked_about[row], question)
        for question in np.unique(questions).tolist():
            self._ask(question, np.sort(who[questions == question]))
        return np.asarray(who)

    def _ask(self, question: int, rows: Rows) -> None:
        one, asker = self._all.questions[question], self._all.askers[question]
        asking = Asking(asker, one.program, one.point)
        few = [self._rows[rows[part]] for part in chunks(len(rows), chunk_of(asker.at_once))]
        shown = shown_as({0: one.program}, self._all.samples, few)
        parts = [scores for _, scores in answered({0: asking}, shown)]
        self._heard[question][rows] = np.concatenate(parts)

    def _opinion(self, subset: Subset, rows: Rows) -> Matrix:
        heard = [
            scores[rows] if question in subset else None
            for question, scores in enumerate(self._heard)
        ]
        return self._all.reader.log_probabilities(heard, [x[rows] for x in self._seen], len(rows))

    def _note(self, rows: Rows, logs: Matrix) -> None:
        if self._logs is None:
            self._logs = np.empty((len(self._rows), logs.shape[1]))
        self._logs[rows] = logs


def _parts(rows: range) -> Iterator[range]:
    return (rows[few.start : few.stop] for few in chunks(len(rows), chunk_of(0)))


def _stacked(parts: Sequence[Seen]) -> Seen:
    return [np.concatenate(blocks) for blocks in zip(*parts, strict=True)]
