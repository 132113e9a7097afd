"""A wave: the questions of a round, which leave together in as few batches as they fit.

Each line of a batch is a send of its own in the journal, so that it is settled by itself, at what
it cost. What the account cannot set aside at once leaves after the first have been settled.
"""

import secrets
import tempfile
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO

from rebox.box import BlackBox, Queries
from rebox.box.batch import BatchState, LineResult, Unanswered
from rebox.errors import BudgetExhausted
from rebox.meter.account import cost_of
from rebox.meter.budget import Amount, Purpose, kind_of
from rebox.meter.dispatch import Dispatch, Told, busy_with
from rebox.meter.flights import LineEnd, OpenLine
from rebox.meter.journal_account import JournalAccount
from rebox.meter.line import Load, Part, Rows, SpooledLine
from rebox.meter.packing import packed
from rebox.meter.payee import Payee

TRIES = 3  # times that a line leaves whose failure may pass
AT_ONCE = 200  # lines that are settled in one transaction


class Wave:
    """Questions to one box that leave together.

    Parameters
    ----------
    box : BlackBox
        Whose ``batches`` take them.
    account : JournalAccount
        Who pays.
    told : callable
        Told what is waited for.
    """

    def __init__(self, box: BlackBox, account: JournalAccount, told: Told) -> None:
        batches = box.batches
        assert batches is not None  # noqa: S101 - whoever makes a wave has looked
        self._box, self._account, self._batches = box, account, batches
        self._flights = account.flights
        self._dispatch = Dispatch(batches, self._flights, box.spec.identity, told)
        self._lines: list[SpooledLine] = []
        self._by_name: dict[str, SpooledLine] = {}
        self._tokens: list[str] = []  # of batches that are waited for
        self._refused: BudgetExhausted | None = None
        self._spool: IO[bytes] | None = None

    def add(
        self, queries: Queries, purpose: Purpose, payee: Payee, heard: Callable[[Rows], None]
    ) -> Part:
        """Take questions that are to leave with others; what is known is told at once."""
        keys, rows = self._account.recall_keys(queries, purpose, payee)
        part = Part(keys, purpose, payee, heard, {})
        part.hear(rows)
        left = [place for place in range(len(keys)) if place not in rows]
        step = self._box.spec.batch_size
        for start in range(0, len(left), step):
            self._lines.append(self._written(part, left[start : start + step], queries))
        return part

    def _written(self, part: Part, places: Sequence[int], queries: Queries) -> SpooledLine:
        """Write the line that asks about ``places`` into the spool."""
        if self._spool is None:
            self._spool = tempfile.TemporaryFile(prefix="rebox-batch-")  # noqa: SIM115 - kept
            weakref.finalize(self, self._spool.close)
        asked = queries[list(places)]
        most = self._batches.most_nano(asked)
        begin = self._spool.tell()
        line = SpooledLine(
            part, places, part.payee.nano_usd_each if most is None else most, begin, begin
        )
        line.end += self._spool.write(self._batches.line(line.name, asked) + b"\n")
        return line

    def send(self) -> None:
        """Write down what has come together, as far as the account pays for it, and send it."""
        self._lines = [line for line in self._lines if line.open]
        if not self._lines:
            return
        self._account.check_paying()
        self._recall()
        self._by_name = {line.name: line for line in self._lines}
        self._refused = None
        for load in self._loads():
            if self._refused is None:
                self._send(load)

    def _recall(self) -> None:
        """Hear what has been answered since the lines were written."""
        known = self._account.known([key for line in self._lines for key in line.keys])
        for line in self._lines:
            rows = {p: known[k] for p, k in zip(line.places, line.keys, strict=True) if k in known}
            line.part.hear(rows)
            if rows and not line.paid:
                self._account.save(line.part.payee, len(rows))
        self._lines = [line for line in self._lines if line.open]

    def _loads(self) -> Iterator[Load]:
        load = Load()
        for line in self._lines:
            if not load.fits(line, self._batches):
                yield load
                load = Load()
            load.add(line)
        if load.lines:
            yield load

    def _send(self, load: Load) -> None:
        token = f"rebox-{secrets.token_hex(12)}"
        with busy_with(token):
            sent = self._entered(token, self._held(load.lines))
            if sent:
                self._tokens.append(token)
                self._dispatch.send(token, b"".join(self._read(line) for line in sent))

    def _entered(self, token: str, held: Sequence[SpooledLine]) -> list[SpooledLine]:
        """Write lines down that are about to leave; return those that nobody else is about."""
        intents = [
            self._account.intent(line.keys, line.part.purpose, line.part.payee, line.nano_usd_each)
            for line in held
        ]
        entered = self._flights.enter(token, self._box.spec.identity, intents)
        self._refused = self._refused or entered.refused
        self._tokens += entered.elsewhere.values()
        sent = []
        for place, line in enumerate(held):
            line.token = token
            if place in entered.sends:
                sent.append(line)
            else:
                self._count(line, Amount())
        return sent

    def _held(self, lines: Sequence[SpooledLine]) -> list[SpooledLine]:
        """Set aside what ``lines`` may cost, in this process; return those that it pays for."""
        held = []
        for line in lines:
            payee, kind = line.part.payee, kind_of(line.part.purpose)
            try:
                self._account.set_aside(kind, payee, line.places, nano_usd_each=line.nano_usd_each)
            except BudgetExhausted as error:
                self._refused = error
                break
            held.append(line)
        return held

    def _read(self, line: SpooledLine) -> bytes:
        assert self._spool is not None  # noqa: S101 - it was written there
        self._spool.seek(line.begin)
        content = self._spool.read(line.end - line.begin)
        return self._batches.again(content) + b"\n" if line.tries else content

    def collect(self) -> None:
        """Wait for all that has left, and send what had no room; return once all is answered.

        Raises
        ------
        BudgetExhausted
            The account does not pay for the rest.
        BoxError
            A question cannot be answered; all others were heard.
        """
        try:
            while self._lines:
                self._collect()
        finally:
            self.abandon()

    def _collect(self) -> None:
        if not self._tokens:
            self.send()
        waited_for, self._tokens = [*dict.fromkeys(self._tokens)], []
        for token in waited_for:
            self._settle(token, self._dispatch.wait(token))
        self._recall()
        self._raise_failures()
        if self._lines and not waited_for and self._refused is not None:
            raise self._refused

    def _raise_failures(self) -> None:
        """Raise what cannot be helped by asking again."""
        for line in self._lines:
            fault = line.failure
            if fault is not None and (not fault.retry or line.tries >= TRIES):
                again = f"; asked {line.tries} times" if fault.retry else ""
                raise fault.error(f"{fault.words}{again}.")

    def abandon(self) -> None:
        """Forget what was put together; what has left stays under way, and is found again."""
        for line in self._lines:
            if line.token is not None:  # the journal has it as set aside; this process has not
                self._count(line, Amount())
        self._lines, self._by_name, self._tokens = [], {}, []
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    def _settle(self, token: str, state: BatchState | None) -> None:
        """Settle what a batch that has ended has brought, line by line."""
        if state is not None:
            self._note_results(token)
            self._note_missing(token, state)
            self._flights.end(token, state.words)
        for line in self._lines:  # what another process has settled, or was never sent
            if line.token == token:
                self._count(line, Amount())

    def _note_results(self, token: str) -> None:
        open_lines, remote = self._flights.open_lines(token), self._flights.flight(token).remote
        assert remote is not None  # noqa: S101 - as its state is known
        sizes = {name: line.queries for name, line in open_lines.items()}
        heard = self._dispatch.results(remote, sizes)
        # a line that comes twice was one question: the first of them is its answer
        results = list({one.name: one for one in reversed(heard)}.values())
        for start in range(0, len(results), AT_ONCE):
            self._note(results[start : start + AT_ONCE], open_lines)

    def _note_missing(self, token: str, state: BatchState) -> None:
        """Settle lines that a batch has said nothing of."""
        words = f"a batch ended without an answer ({state.words or 'nobody says why'})"
        missing = self._flights.open_lines(token)
        fault = Unanswered(words=words, retry=True)
        results = [
            LineResult(
                name=name,
                answers=[fault] * one.queries,
                billed=one.queries if state.charged else 0,
            )
            for name, one in missing.items()
        ]
        self._note(results, missing)

    def _note(self, results: Sequence[LineResult], open_lines: Mapping[str, OpenLine]) -> None:
        """Settle lines, and count what they cost."""
        if not results:
            return
        ends = {one.name: _end_of(one, open_lines[one.name]) for one in results}
        # before it is settled: a version that is new would then be among those known
        self._account.recall_versions(Payee.of(self._box).box)
        settled = self._flights.settle(list(ends.values()))
        for result in results:
            end, line = ends[result.name], self._by_name.get(result.name)
            if line is None or end.send not in settled:
                continue
            spent = cost_of(end.billed, line.nano_usd_each, end.nano_usd_each, end.used)
            self._count(line, spent)
            if end.used is not None and end.used.version:
                self._account.hear_version(line.part.payee.box, end.used.version)
            line.tries, line.paid = line.tries + 1, True
            line.failure = next((a for a in result.answers if isinstance(a, Unanswered)), None)

    def _count(self, line: SpooledLine, spent: Amount) -> None:
        """Count what a line has cost here, and give back what was set aside here, if it was."""
        reserved = Amount() if line.token is None else line.most
        line.token = None
        self._account.settle(kind_of(line.part.purpose), line.part.payee, reserved, spent)


def _end_of(result: LineResult, line: OpenLine) -> LineEnd:
    """Return how a line ended; answers that do not match its questions are none."""
    answers = list(result.answers)
    if len(answers) != line.queries:
        words = f"a line of {line.queries} questions was given {len(answers)} answers"
        answers = [Unanswered(words=words, retry=True)] * line.queries
    faults = [one for one in answers if isinstance(one, Unanswered)]
    return LineEnd(
        send=line.send,
        answers={
            place: packed(a) for place, a in enumerate(answers) if not isinstance(a, Unanswered)
        },
        billed=min(result.billed, line.queries),
        words=faults[0].words if faults else "",
        used=result.used,
    )
