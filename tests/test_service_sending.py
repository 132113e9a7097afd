"""How services are asked: in which order, how many at a time, how often, and how it all ends."""

import copy
import functools
import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
import weakref
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebox.box import open_box
from rebox.box.rehearsal import RehearsalBox
from rebox.box.service import contract, sending
from rebox.box.service.fault import Failure, Refusal
from rebox.box.service.pace import Pace
from rebox.box.service.sending import LONGEST_BACK_OFF_S, Sender
from rebox.box.service.terms import Terms
from rebox.errors import BudgetExhausted, InvalidOption, JournalError, KeyRefused, ServiceError
from rebox.rehearsal import Limits, Rehearsal

LONG_S = 60.0  # what a test waits for at most, on the busiest machine

# --- terms ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["in_flight", "attempts", "burst"])
@pytest.mark.parametrize("value", [0, -1])
def test_terms_that_allow_nothing_are_refused(name, value):
    with pytest.raises(InvalidOption, match=f"{name} must be at least 1, found {value}"):
        Terms(**{name: value})


@pytest.mark.parametrize("name", ["timeout_s", "per_second"])
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_times_that_are_none_are_refused(name, value):
    with pytest.raises(InvalidOption, match=f"{name} must be above 0"):
        Terms(**{name: value})


# --- pace -----------------------------------------------------------------------------------------


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def sent_at(pace, clock, pauses, late_s=0.0):
    """Return when sends leave that come one after the other, after ``pauses``."""
    moments = []
    for pause in pauses:
        clock.now += pause
        while (seconds := pace.turn()) > 0:
            clock.now += seconds + late_s
        moments.append(clock.now)
    return moments


def most_within(moments, seconds):
    """Return the most of them in any time of that length, its end left out."""
    return max(sum(begin <= t < begin + seconds for t in moments) for begin in moments)


PAUSES = st.lists(
    st.one_of(st.just(0.0), st.floats(0, 0.2), st.floats(0, 5)), min_size=1, max_size=120
)
LATE = st.sampled_from([0.0, 1e-4, 0.03])


@settings(max_examples=150, deadline=None)
@given(pauses=PAUSES, per_second=st.integers(1, 30) | st.floats(1, 30), late_s=LATE)
def test_no_second_has_more_sends_than_are_allowed(pauses, per_second, late_s):
    clock = Clock()
    moments = sent_at(Pace(per_second, clock=clock), clock, pauses, late_s)
    assert most_within(moments, 1.0) <= per_second


@settings(max_examples=150, deadline=None)
@given(
    pauses=PAUSES, per_second=st.floats(0.1, 30), burst=st.none() | st.integers(1, 40), late_s=LATE
)
def test_a_burst_is_made_up_for_by_a_pause(pauses, per_second, burst, late_s):
    clock = Clock()
    most = burst or max(1, int(per_second))
    moments = sent_at(Pace(per_second, burst, clock), clock, pauses, late_s)
    assert most_within(moments, most / per_second) <= most


@pytest.mark.parametrize("per_second", [0.5, 1, 15, 20])
def test_what_is_allowed_is_used(per_second):
    clock = Clock()
    moments = sent_at(Pace(per_second, clock=clock), clock, [0.0] * 300)
    assert 300 / (moments[-1] - moments[0]) > 0.95 * per_second


def test_a_pause_is_caught_up_on():
    clock = Clock()
    pace = Pace(10, clock=clock)
    begin = clock.now
    moments = sent_at(pace, clock, [*[0.0] * 10, 5.0, *[0.0] * 9])
    assert moments == [begin] * 10 + [begin + 5.0] * 10


def test_a_burst_of_its_own():
    clock = Clock()
    moments = sent_at(Pace(2, 6, clock), clock, [0.0] * 7)
    assert moments[5] == moments[0]
    assert moments[6] - moments[0] >= 3


@pytest.mark.parametrize("per_second", [None, 1000])
def test_a_hold_holds_everybody_and_is_never_cut_short(per_second):
    clock = Clock()
    pace = Pace(per_second, clock=clock)
    assert pace.turn() == 0
    pace.hold(30)
    pace.hold(10)
    assert pace.turn() == pytest.approx(30)
    clock.now += 29
    assert pace.turn() == pytest.approx(1)
    clock.now += 1.001
    assert pace.turn() == 0


def test_without_a_limit_nobody_waits():
    pace = Pace(None, clock=Clock())
    assert [pace.turn() for _ in range(1000)] == [0.0] * 1000


def test_threads_share_a_pace():
    clock = Clock()
    pace = Pace(50, clock=clock)
    turns = []
    threads = [
        threading.Thread(target=lambda: turns.extend(pace.turn() for _ in range(40)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert turns.count(0.0) == 50


# --- sender ---------------------------------------------------------------------------------------


class Paying:
    """An account that keeps what was reserved, and settled, by the number of the send."""

    def __init__(self, most=None):
        self.reserved, self.settled, self.most = {}, {}, most
        self._lock = threading.Lock()

    def reserve(self, places, **_):
        with self._lock:
            if self.most is not None and self.asked + len(places) > self.most:
                raise BudgetExhausted("no more.")
            number = len(self.reserved)
            self.reserved[number] = list(places)
        return SimpleNamespace(settle=functools.partial(self.settle, number))

    def settle(self, number, settlement):
        with self._lock:
            assert number not in self.settled
            self.settled[number] = (
                {place: float(row[0]) for place, row in settlement.answers.items()},
                settlement.billed,
                settlement.words,
            )

    @property
    def asked(self):
        return sum(map(len, self.reserved.values()))

    @property
    def billed(self):
        return sum(billed for _, billed, _ in self.settled.values())


def images_of(n):
    """Return images that tell their number."""
    return np.arange(n, dtype=np.float32).reshape(n, 1, 1, 1)


def numbers_in(images):
    return [int(number) for number in images.ravel()]


def echo(images):
    return [np.float32([number, -number]) for number in numbers_in(images)]


def ask(exchange, n, account=None, *, step=1, **terms):
    """Return the first score of each of n images, and the account; no thread is left behind."""
    account = account or Paying()
    sender = Sender(Terms(**{"in_flight": 2, "back_off_s": 0.0} | terms))
    try:
        rows = sender.ask(images_of(n), exchange, step=step, reserve=account.reserve)
    finally:
        heard_out = account.settled.keys() == account.reserved.keys()
        sender.close()
        wait_until(lambda: not any(t.is_alive() for t in sender._pool._threads))
        assert heard_out  # whatever came
    return [float(row[0]) for row in rows], account


def wait_until(true):
    deadline = time.monotonic() + LONG_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("n", [1, 3, 8])
@pytest.mark.parametrize("in_flight", [1, 4])
def test_a_budget_that_failed_sends_have_spent_names_what_failed(n, in_flight):
    def exchange(images):
        raise Refusal(Failure("the disk is full", retry=True, charged=True))

    with pytest.raises(BudgetExhausted, match=r"^the disk is full: sends that failed .* no more\."):
        ask(exchange, n, Paying(most=n + 2), in_flight=in_flight, attempts=99)


def test_a_budget_that_answers_have_spent_names_no_fault():
    seen = []

    def exchange(images):
        if not seen:
            seen.append(images)
            raise Refusal(Failure("busy", retry=True, charged=False))
        return echo(images)

    with pytest.raises(BudgetExhausted, match=r"^no more\."):
        ask(exchange, 5, Paying(most=4), in_flight=1)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 40), step=st.integers(1, 9), in_flight=st.integers(1, 8), data=st.data())
def test_answers_come_in_the_order_of_the_images(n, step, in_flight, data):
    naps = data.draw(st.lists(st.floats(0, 0.002), min_size=n, max_size=n))

    def exchange(images):
        assert len(images) <= step
        time.sleep(naps[numbers_in(images)[0]])
        return echo(images)

    scores, account = ask(exchange, n, step=step, in_flight=in_flight)
    assert scores == list(range(n))
    assert sorted(place for places in account.reserved.values() for place in places) == list(
        range(n)
    )
    assert len(account.reserved) == -(-n // step)
    assert account.billed == n
    for number, places in account.reserved.items():
        assert account.settled[number] == ({place: place for place in places}, len(places), "")


def test_as_many_are_under_way_as_are_allowed_and_no_more():
    under_way, most = 0, 0
    lock, together = threading.Lock(), threading.Barrier(5, timeout=LONG_S)

    def exchange(images):
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        together.wait()  # broken unless five come here at once
        with lock:
            under_way -= 1
        return echo(images)

    scores, _ = ask(exchange, 20, in_flight=5)
    assert scores == list(range(20))
    assert most == 5


def test_a_failure_stops_what_waits_and_hears_out_what_does_not():
    failed = threading.Event()

    def exchange(images):
        if numbers_in(images) == [1]:
            failed.set()
            raise Refusal(Failure("no such model", charged=False))
        assert failed.wait(LONG_S)
        time.sleep(0.05)  # long after the other
        return echo(images)

    account = Paying()
    with pytest.raises(ServiceError, match=r"^no such model\.$"):
        ask(exchange, 50, account)
    ended = {places[0]: account.settled[number] for number, places in account.reserved.items()}
    assert ended == {0: ({0: 0.0}, 1, ""), 1: ({}, 0, "no such model")}


def test_what_waits_to_try_again_is_stopped_at_once():
    trying, other = threading.Event(), threading.Event()

    def exchange(images):
        if numbers_in(images) == [0]:
            assert other.wait(LONG_S)  # it has had its turn before everybody has to wait
            trying.set()
            raise Refusal(Failure("busy", retry=True, after_s=LONG_S, charged=False))
        other.set()
        assert trying.wait(LONG_S)
        raise Refusal(Failure("key refused", charged=False, error=KeyRefused))

    begin = time.monotonic()
    with pytest.raises(KeyRefused):  # not the one that was only stopped
        ask(exchange, 2, attempts=9)
    assert time.monotonic() - begin < LONG_S / 2


@pytest.mark.slow
def test_ctrl_c_hears_out_what_is_under_way():
    """In a process of its own: a signal that came late would end the one that runs all tests."""
    script = "import test_service_sending as tests; tests.interrupt_while_both_threads_are_busy()"
    here = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=here, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def interrupt_while_both_threads_are_busy():
    signal.signal(signal.SIGINT, signal.default_int_handler)
    account, once = Paying(), threading.Lock()  # a second signal would find the handler gone

    def exchange(images):
        if len(account.reserved) == 2 and once.acquire(blocking=False):  # both threads are busy
            # to the main thread, which a signal to the process need not wake
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        time.sleep(0.3)
        return echo(images)

    with pytest.raises(KeyboardInterrupt):
        interrupt_once(lambda: ask(exchange, 30, account))
    assert 2 <= account.asked <= 4
    assert account.billed == account.asked
    assert all(answers for answers, _, _ in account.settled.values())


def interrupt_once(work):
    """Let the first Ctrl-C count alone: the second would end the hearing out."""
    first = threading.Event()

    def interrupt(*_):
        if not first.is_set():
            first.set()
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        work()
    finally:
        signal.signal(signal.SIGINT, before)


# --- trying again ---------------------------------------------------------------------------------


@pytest.fixture
def naps(monkeypatch):
    """What is slept, which takes no time."""
    taken = []

    def sleep(seconds, stop):
        taken.append(seconds)
        if stop.is_set():
            raise sending.Stopped

    monkeypatch.setattr(sending, "_sleep", sleep)
    return taken


@pytest.mark.parametrize(
    ("fault", "sends"),
    [
        (Failure("busy", retry=True), 4),
        (Failure("busy", retry=True, attempts=2), 2),
        (Failure("busy", retry=True, attempts=9), 4),  # the terms allow no more
        (Failure("busy"), 1),
    ],
)
def test_every_try_is_a_send_and_they_are_counted(naps, fault, sends):
    def exchange(images):
        raise Refusal(fault)

    account = Paying()
    words = "busy." if sends == 1 else f"busy; asked {sends} times."
    with pytest.raises(ServiceError, match=words.replace(".", r"\.")):
        ask(exchange, 3, account, step=3, attempts=4)
    assert list(account.reserved.values()) == [[0, 1, 2]] * sends
    assert account.billed == 3 * sends  # nobody knows better
    assert len(naps) == sends - 1


def test_waits_grow_up_to_a_bound_however_often_it_is_tried(naps):
    def exchange(images):
        raise Refusal(Failure("busy", retry=True, charged=False))

    with pytest.raises(ServiceError, match="asked 1200 times"):
        ask(exchange, 1, attempts=1200, back_off_s=0.5)
    for attempt, seconds in enumerate(naps, start=1):
        ceiling = min(LONGEST_BACK_OFF_S, 0.5 * 2 ** min(attempt - 1, 20))
        assert ceiling / 2 <= seconds <= ceiling
    assert len({round(seconds, 6) for seconds in naps}) > 1000  # not all at the same moment


def test_a_service_that_wants_to_be_left_alone_for_too_long_ends_the_run(naps):
    def exchange(images):
        raise Refusal(Failure("the hour is over", retry=True, charged=False, after_s=3600))

    with pytest.raises(ServiceError, match="wants to be left alone for 3,600 s: start again"):
        ask(exchange, 1, longest_wait_s=3599)
    assert naps == []


def test_only_those_that_failed_are_asked_again(naps):
    asked = []

    def exchange(images):
        asked.append(numbers_in(images))
        if len(asked) > 1:
            return echo(images)
        answers = echo(images)
        answers[1] = Failure("try later", retry=True, charged=False)
        answers[4] = Failure("broken", retry=True)
        return answers

    scores, account = ask(exchange, 6, step=6)
    assert scores == [0, 1, 2, 3, 4, 5]
    assert asked == [[0, 1, 2, 3, 4, 5], [1, 4]]
    assert account.reserved == {0: [0, 1, 2, 3, 4, 5], 1: [1, 4]}
    assert account.settled[0] == ({0: 0, 2: 2, 3: 3, 5: 5}, 5, "try later")
    assert account.settled[1] == ({1: 1, 4: 4}, 2, "")


def test_the_fault_that_ends_the_run_decides(naps):
    def exchange(images):
        return [
            Failure("try later", retry=True),
            Failure("no image at all", error=KeyRefused),
            *echo(images)[2:],
        ]

    account = Paying()
    with pytest.raises(KeyRefused, match="no image at all"):
        ask(exchange, 4, account, step=4)
    assert account.settled == {0: ({2: 2.0, 3: 3.0}, 4, "no image at all")}  # and the rest is kept


@pytest.mark.parametrize("error", [RuntimeError("a bug"), MemoryError()])
def test_what_nobody_foresaw_counts_as_billed(error):
    def exchange(images):
        raise error

    account = Paying()
    with pytest.raises(type(error)):
        ask(exchange, 3, account, step=3)
    assert account.settled == {0: ({}, 3, type(error).__name__)}


def test_what_the_account_refuses_is_not_sent():
    sent = []

    def exchange(images):
        sent.extend(numbers_in(images))
        return echo(images)

    account = Paying(most=5)
    with pytest.raises(BudgetExhausted):
        ask(exchange, 12, account, step=2, in_flight=1)
    assert sent == [0, 1, 2, 3]
    assert account.billed == 4


def test_an_account_that_cannot_be_written_ends_the_run():
    class Full(Paying):
        def settle(self, number, settlement):
            super().settle(number, settlement)
            raise JournalError("the disk is full.")

    account = Full()
    with pytest.raises(JournalError, match="disk"):
        ask(echo, 40, account, in_flight=1)
    assert account.asked == 1


# --- services -------------------------------------------------------------------------------------

SIDE = 8
X = np.random.default_rng(0).integers(0, 256, (12, SIDE, SIDE, 3), dtype=np.uint8)


def model():
    return RehearsalBox(classes=3, size=SIDE, pixels="uint8")


@pytest.fixture
def service():
    with Rehearsal("azure-custom-vision", model(), limits=Limits(batch_size=1)) as rehearsal:
        yield rehearsal


@pytest.fixture
def box(service):
    with open_box(uri_of(service)) as opened:
        yield opened


def uri_of(service):
    return f"{service.uri}&size={SIDE}&in_flight=3&per_second=10000&price_usd=0.002"


def senders():
    return {t for t in threading.enumerate() if t.name.startswith("rebox-sender")}


def check(scores, images=X):
    np.testing.assert_allclose(scores, model().ask(images), rtol=0, atol=1e-6)


def pickled(box):
    return pickle.loads(pickle.dumps(box))  # noqa: S301 - our own


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
def test_a_copy_asks_by_itself(box, service, copied):
    check(box.ask(X))
    with copied(box) as other:
        check(other.ask(X))
        box.close()
        check(other.ask(X))
    check(box.ask(X))  # it opens again
    assert service.bill.queries == 4 * len(X)


def test_threads_that_begin_together_share_one_pace(box, service, monkeypatch):
    sessions = []

    class Counted(contract._Session):
        def __init__(self, service):
            sessions.append(service)
            time.sleep(0.05)  # long enough for all to come
            super().__init__(service)

    monkeypatch.setattr(contract, "_Session", Counted)
    together = threading.Barrier(6, timeout=LONG_S)
    answers = {}

    def work(number):
        together.wait()
        answers[number] = box.ask(X[number:])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sessions) == 1
    assert len(answers) == 6
    for number, scores in answers.items():
        check(scores, X[number:])
    assert service.bill.queries == sum(len(X) - number for number in range(6))


def test_threads_end_when_a_service_is_closed_or_forgotten(service):
    before = senders()
    closed, forgotten = open_box(uri_of(service)), open_box(uri_of(service))
    check(closed.ask(X))
    check(forgotten.ask(X))
    assert len(senders() - before) > 1
    closed.close()
    there = weakref.ref(forgotten)
    del forgotten
    gc.collect()
    assert there() is None
    wait_until(lambda: senders() <= before)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_opens_connections_of_its_own(box, service):
    check(box.ask(X))
    reading, writing = os.pipe()
    with warnings.catch_warnings():  # newer Pythons warn of a fork beside threads
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, box.ask(X).tobytes())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        scores = np.frombuffer(answer.read(), dtype=np.float32)
    assert os.waitpid(pid, 0)[1] == 0
    check(scores.reshape(len(X), 3))
    check(box.ask(X))
    assert service.bill.queries == 3 * len(X)


def test_requests_are_small_enough_to_keep_all_of_them_busy():
    with Rehearsal("clarifai", model(), limits=Limits(batch_size=128), record=True) as service:
        uri = f"{service.uri}&size={SIDE}&per_second=10000&in_flight=3"
        with open_box(uri) as box:
            assert box.at_once == 128
            images = np.resize(X, (60, *X.shape[1:]))
            check(box.ask(images), images)
            account = Paying()
            check(box.ask(images, account.reserve), images)
            check(box.ask(X[:3]), X[:3])
    assert sorted(map(len, account.reserved.values())) == [20, 20, 20]
    assert service.bill.requests == 3 + 3 + 1
