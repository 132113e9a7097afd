"""What a service is: a box that is asked by HTTP.

A new service is a class with two methods: ``request`` writes images as the
service wants them, ``read`` reads what came back. Neither waits or tries again: `Sender` does.
"""

import abc
import copy
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rebox.box.batch import BATCH_SHARE, Batches
from rebox.box.contract import BlackBox, check_form
from rebox.box.reservation import Reserve, Used, reserve_nothing
from rebox.box.service.fault import Failure, Refusal, unreadable
from rebox.box.service.hours import Hours
from rebox.box.service.key import Key
from rebox.box.service.message import Reply, Request
from rebox.box.service.refund import Scout
from rebox.box.service.secret import quoted
from rebox.box.service.sending import Answer, Metered, Sender
from rebox.box.service.terms import Terms
from rebox.box.service.transport import MOST_WORDS, HttpTransport, Transport, is_here
from rebox.box.spec import BoxSpec, Queries, Scores
from rebox.errors import InvalidAnswer, KeyRefused
from rebox.idle import Held
from rebox.sample.texts import as_texts

LEAST_BATCH = 8  # images in a request, where the service takes as many
MOST_AT_ONCE = 128  # 80 MB of float images at 224 x 224

_HELD = Held()  # connections and threads
_OPENING = threading.Lock()  # for all services: a lock of their own could not be pickled


class Service(BlackBox):
    """A box that is asked by HTTP.

    Parameters
    ----------
    spec : BoxSpec
    url : str
        Where it is asked.
    terms : Terms
        How it may be asked.
    key : Key
        Where its key is found; it is looked up when the first question is sent, and never kept.
    verify : str or None
        A file with the certificates to trust; None: those of this machine.
    """

    remote = True
    transport: Transport | None = None
    """Who sends; None: HTTP."""
    batch_form: Callable[[Any], Batches] | None = None
    """What makes batches of its questions; None: it has none."""
    _live: "Service | None" = None
    _joined: "Service | None" = None  # whose connections, threads and pace it shares

    def __init__(
        self, *, spec: BoxSpec, url: str, terms: Terms, key: Key, verify: str | None = None
    ) -> None:
        self.spec, self.url, self.terms, self.key, self.verify = spec, url, terms, key, verify

    @abc.abstractmethod
    def request(self, images: Any) -> Request:
        """Return the request about ``images`` (n, height, width, channels), or texts (n,).

        n is from 1 to ``spec.batch_size``; the key is not in it.
        """

    @abc.abstractmethod
    def read(self, reply: Reply, n: int) -> Sequence[Answer]:
        """Return the answers, one for each of n images, in a reply of status 200 to 299.

        Raises
        ------
        Refusal
            Why the whole reply holds none.
        """

    @property
    def batches(self) -> Batches | None:
        """What its questions leave in, for a box that `batched` has made."""
        return None if self._live is None or self.batch_form is None else self.batch_form(self)

    def batched(self) -> BlackBox:
        """Return the service whose questions leave in batches, at their price."""
        if self.batch_form is None:
            return super().batched()
        if self._live is not None:
            return self
        again = copy.copy(self)
        price = self.spec.price_usd
        usd = None if price is None else price * BATCH_SHARE
        again.spec, again._live = replace(self.spec, price_usd=usd), self
        return again

    @property
    def live(self) -> BlackBox:
        """The service that answers at once."""
        return self if self._live is None else self._live

    def refusal(self, reply: Reply) -> Failure | None:  # noqa: ARG002 - most have no rules
        """Return what is wrong with ``reply`` by the service's own rules; None: HTTP's rules."""
        return None

    def used(self, reply: Reply, n: int) -> Used | None:  # noqa: ARG002 - most have one price
        """Return what a ``reply`` about n images says of its cost; None: what an image costs."""
        return None

    def most_nano_usd(self, images: Any) -> int | None:  # noqa: ARG002 - as above
        """Return the most that each of ``images`` may cost in one request, in 1e-9 US dollars.

        None: the price of a query.
        """
        return None

    @property
    def scout(self) -> Scout | None:
        """Whether it is known what its questions cost; None: their price is certain."""
        return None

    @property
    def at_once(self) -> int:
        """How many images it is worth handing over at once: several for each request under way."""
        return min(MOST_AT_ONCE, max(4 * self.terms.in_flight, 1) * self.spec.batch_size)

    @property
    def per_second(self) -> float | None:
        """Most images that it is asked about in a second, by its terms."""
        requests = self.terms.per_second
        return None if requests is None else requests * self.spec.batch_size

    @property
    def journalled(self) -> bool:
        """Whether it may cost money; a rehearsal on this machine does not, whatever its price."""
        costs = self.spec.price_usd != 0 or self.spec.usd_per_hour > 0
        return costs and not is_here(self.url)

    @property
    def address(self) -> str:
        """Where questions are sent."""
        return self.url

    def answer(self, images: Queries) -> Scores:
        """Ask by as many requests as it takes; no account pays."""
        if self.spec.takes == "texts" and not isinstance(images, np.ndarray):
            images = as_texts(images)
        check_form(images, self.spec)
        return self._send(images, reserve_nothing)

    def check_ready(self) -> None:
        """Raise where its key is missing, or the way there cannot be gone; ask nobody."""
        self._session().transport.check_ready(self.url, self.key)

    def _send(self, images: Any, reserve: Reserve) -> NDArray[np.float32]:
        session = self._session()
        _HELD.use(session)
        session.transport.check_ready(self.url, self.key)
        # several small requests are answered sooner than a large one, and less is lost with one
        share = max(LEAST_BATCH, -(-len(images) // self.terms.in_flight))
        step = min(self.spec.batch_size, share)
        if session.hours is not None:
            reserve = session.hours.reserving(reserve)
        rows = session.sender.ask(
            images,
            self.exchange,
            step=step,
            reserve=reserve,
            most=self.most_nano_usd,
            scout=self.scout,
        )
        return np.stack(rows)

    def exchange(self, images: Queries) -> Sequence[Answer]:
        """Send one request and read its answers; what failed altogether is a `Refusal`."""
        return self._as_shown(lambda: self._exchanged(images))

    def answers_in(self, reply: Reply, n: int) -> Metered:
        """Return the answers in a ``reply`` to n images; what failed altogether is a `Refusal`."""
        return self._as_shown(lambda: self._heard(reply, n))

    def _as_shown(self, exchange: Callable[[], tuple[Sequence[Answer], Used | None]]) -> Metered:
        """Return answers whose faults tell no secrets."""
        try:
            answers, used = exchange()
        except Refusal as refusal:
            refusal.fault = self.masked(refusal.fault)
            raise
        masked = (self.masked(one) if isinstance(one, Failure) else one for one in answers)
        return Metered(masked, used)

    def _exchanged(self, images: Any) -> tuple[Sequence[Answer], Used | None]:
        return self._heard(self.sent(self.request(images)), len(images))

    def sent(self, request: Request, terms: Terms | None = None) -> Reply:
        """Send ``request`` once, with the key, and return the whole reply; or a `Refusal`."""
        return self._session().transport.send(request, self.key, terms or self.terms)

    def _heard(self, reply: Reply, n: int) -> tuple[Sequence[Answer], Used | None]:
        fault = self.refusal(reply) or reply.fault()
        if fault is not None:
            raise Refusal(fault)
        try:
            answers = self.read(reply, n)
        except Refusal as refusal:
            raise Refusal(_quoting(refusal.fault, reply)) from refusal
        if len(answers) != n:
            words = f"the service answered {len(answers)} of {n} {self.spec.takes}"
            raise Refusal(_quoting(unreadable(words), reply))
        quoting = [_quoting(one, reply) if isinstance(one, Failure) else one for one in answers]
        return quoting, self.used(reply, n)

    def masked(self, fault: Failure) -> Failure:
        """Return ``fault`` as it may be shown: services quote keys, and more, in their errors."""
        try:
            secret = self.key.secret()
        except KeyRefused:
            secret = None
        return replace(fault, words=quoted(fault.words, secret, MOST_WORDS))

    def close(self) -> None:
        """Close its connections; the next question opens new ones."""
        session: _Session | None = self.__dict__.pop("_open", None)
        if session is not None:
            session.close()
        if self._joined is not None:
            self._joined.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Connections, threads and locks stay here: a copy opens its own.
    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_open"}

    def join(self, other: "Service") -> None:
        """Share the connections, the threads and the pace of ``other`` from now on."""
        root = other if other._joined is None else other._joined
        self._joined = None if root is self else root

    def _session(self) -> "_Session":
        if self._joined is not None and self.transport is self._joined.transport:
            return self._joined._session()
        with _OPENING:  # threads that begin together share one pace
            session: _Session | None = self.__dict__.get("_open")
            if session is None or session.foreign:
                session = _Session(self)
                self.__dict__["_open"] = session
            return session


def _quoting(fault: Failure, reply: Reply) -> Failure:
    """Return ``fault`` with what the service says of an answer that holds no scores."""
    said = reply.said
    if fault.error is not InvalidAnswer or not said or said in fault.words:
        return fault
    return replace(fault, words=f"{fault.words}; it says: {said}")


class _Session:
    """A service's connections and threads; those of a forked parent are not used."""

    def __init__(self, service: Service) -> None:
        self._pid = os.getpid()
        self.transport = service.transport or HttpTransport(service.terms, service.verify)
        self.sender = Sender(service.terms)
        spec = service.spec
        self.hours = Hours(spec, service.terms.timeout_s) if spec.usd_per_hour else None
        # neither of them knows the service, so that it can be collected and they be closed
        self.close = weakref.finalize(service, _close, self.transport, self.sender)

    @property
    def foreign(self) -> bool:
        return self._pid != os.getpid()

    def rest(self) -> None:
        """Close what nobody uses now; the next question opens it again."""
        if not self.foreign:
            self.sender.rest(self.transport.close)


def _close(transport: Transport, sender: Sender) -> None:
    sender.close()
    transport.close()
