"""What happens between a question and its reply: limits, faults, the box, the bill."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rebox.box import BlackBox
from rebox.box.spec import Queries
from rebox.errors import Error
from rebox.rehearsal.bill import NO_REPLY, Bill, Tally
from rebox.rehearsal.fault import Fault
from rebox.rehearsal.format import Failed, Format, Item, Outcome, Parsed, Refused, Scored
from rebox.rehearsal.limits import Limits, Window
from rebox.rehearsal.message import Incoming, Outgoing, json_reply
from rebox.rehearsal.picture import BadPicture, decoded
from rebox.rehearsal.server import Line
from rebox.sample.texts import text_array

BILL = "/rehearsal/bill"
NO_FAULT = Fault()
BATCH_SHARE = 0.5  # of the price


class Exchange:
    """Answers requests; may be called by many threads at once.

    Parameters
    ----------
    faults : callable
        From the number of a question to its fault or None.
    box, key, record
        As in `Rehearsal`.
    """

    def __init__(
        self,
        form: Format,
        box: BlackBox,
        *,
        limits: Limits,
        faults: Callable[[int], Fault | None],
        key: str | None,
        record: bool,
    ) -> None:
        self._form, self._box, self._limits = form, box, limits
        self._faults, self._key, self._record = faults, key, record
        self.ledger = Tally(limits)
        self.requests: list[Incoming] = []
        self._asked = threading.Lock()
        self._requests = Window(limits.requests_per_second)
        self._queries = Window(limits.queries_per_second)
        form.attend(self.later)

    def __call__(self, line: Line) -> None:
        """Read the request on ``line`` and reply."""
        if line.head.route == BILL:
            line.read()
            line.send(json_reply(self.bill.as_json()))
        elif self._form.asks(line.head):
            self._question(line)
        else:
            line.send(self._free(self._read(line)))

    @property
    def bill(self) -> Bill:
        """The bill as it stands."""
        self._form.look()
        return self.ledger.bill

    def later(self, request: Incoming) -> Outgoing:
        """Return the reply to a question of a batch: at half price, and at no rate of its own."""
        k, fault = self._arrived()
        if not fault.whole:  # there is no connection of its own that could break
            reply = self._form.error("server")
        elif fault.replaces and not fault.billed:
            reply = fault.reply(Outgoing(), self._form)
        else:
            judged = self._judged(request, fault, k)
            reply = fault.reply(judged, self._form)
        self.ledger.replied(reply.status)
        return reply

    def _arrived(self) -> tuple[int, Fault]:
        """Return the number of a question that came in, and its fault."""
        k = self.ledger.arrived()
        fault = self._faults(k)
        if fault is None:
            return k, NO_FAULT
        self.ledger.played()
        return k, fault

    def _read(self, line: Line) -> Incoming:
        request = line.read()
        if self._record:
            self.requests.append(request)
        return request

    def _free(self, request: Incoming) -> Outgoing:
        try:
            self._admit_key(request)
            return self._form.free(request)
        except Refused as refused:
            return self._refusal(refused)

    def _question(self, line: Line) -> None:
        k, fault = self._arrived()
        reply = Outgoing()
        if fault.reads:
            try:
                request = self._read(line)
            except ConnectionError:
                self.ledger.replied(NO_REPLY)
                raise
            reply = fault.reply(self._reply(request, fault, k, line), self._form)
        # before it is sent: a client that has its answer finds it on the bill
        self.ledger.replied(reply.status if fault.whole else NO_REPLY)
        fault.send(line, reply)

    def _reply(self, request: Incoming, fault: Fault, k: int, line: Line) -> Outgoing:
        if fault.replaces and not fault.billed:
            return Outgoing()
        try:
            fault.check(self._form)
            self._admit(request)
        except Refused as refused:
            return self._refusal(refused)
        except Error as error:  # a fault that cannot be played here
            return self._form.error("server", str(error))
        return self._judged(request, fault, k, line=line)

    def _judged(
        self, request: Incoming, fault: Fault, k: int, *, line: Line | None = None
    ) -> Outgoing:
        """Return the reply to a question that was let in, on a ``line``; None: it is of a batch."""
        try:
            question = self._form.read(request)
            self._admit_items(question)
            if line is not None:
                self._admit_rate(question, request)
                line.wait(self._limits.latency_s)
            return self._answered(question, fault, k, BATCH_SHARE if line is None else 1.0)
        except Refused as refused:
            return self._refusal(refused)
        except Error as error:  # the box's
            return self._form.error("server", str(error))

    def _answered(self, question: Parsed, fault: Fault, k: int, share: float) -> Outgoing:
        n, billed, tokens = len(question.items), 0, None
        if not self.ledger.reserve(n):
            raise Refused("quota", retry_after_s=3600.0)
        try:
            before = self._outcomes(question.items)
            after = fault.outcomes(before, k)
            failures = [one for one in after if isinstance(one, Failed)]
            if failures and not self._form.names_items:
                raise Refused("picture", failures[0].words)
            reply = self._form.write(after, question)
            if fault.billed:
                billed, tokens = len(before) - len(failures), reply.tokens
            return reply
        finally:
            self.ledger.settle(n, billed, tokens, share=share)

    def _outcomes(self, items: Sequence[Item]) -> list[Outcome]:
        shown = [self._shown(item) for item in items]
        good = [one for one in shown if not isinstance(one, Failed)]
        rows = iter(())
        if good:
            with self._asked:
                rows = iter(self._box.ask(_together(good)))
        return [one if isinstance(one, Failed) else self._scored(next(rows)) for one in shown]

    def _shown(self, item: Item) -> Any:
        """Return what the box is shown of an item, or why it cannot be."""
        spec = self._box.spec
        if isinstance(item, str) != (spec.takes == "texts"):
            found = "a text" if isinstance(item, str) else "a picture"
            raise Refused("request", f"the model takes {spec.takes}, and was sent {found}.")
        if not isinstance(item, bytes):
            return item
        try:
            return decoded(item, spec)
        except BadPicture as error:
            return Failed(str(error))

    def _scored(self, row: Any) -> Scored:
        # the shortest decimals that read the same as float32: what services write
        shortest = (float(str(score)) for score in row)
        return Scored(tuple(zip(self._form.served.classes, shortest, strict=True)))

    def _admit(self, request: Incoming) -> None:
        self._admit_key(request)
        most = self._limits.request_bytes
        if most is not None and len(request.body) > most:
            raise Refused("request_size")
        wait_s = self._requests.take(1, request.at_s)
        if wait_s:
            raise Refused("rate", retry_after_s=wait_s)

    def _admit_key(self, request: Incoming) -> None:
        if not self._form.needs_key and self._key is None:
            return
        key = self._form.key_of(request)
        if key is None:
            raise Refused("no_key")
        if self._key is not None and key != self._key:
            raise Refused("key")

    def _admit_items(self, question: Parsed) -> None:
        limits = self._limits
        if limits.batch_size is not None and len(question.items) > limits.batch_size:
            raise Refused("batch")
        files = [item for item in question.items if isinstance(item, bytes)]
        if limits.image_bytes is not None and any(len(f) > limits.image_bytes for f in files):
            raise Refused("image_size")

    def _admit_rate(self, question: Parsed, request: Incoming) -> None:
        wait_s = self._queries.take(len(question.items), request.at_s)
        if wait_s:
            raise Refused("rate", retry_after_s=wait_s)

    def _refusal(self, refused: Refused) -> Outgoing:
        return self._form.error(refused.kind, refused.words, refused.retry_after_s)


def _together(items: list[Any]) -> Queries:
    """Return images (n, height, width, channels), or texts (n,), as one array."""
    return text_array(items) if isinstance(items[0], str) else np.stack(items)
