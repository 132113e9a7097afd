"""The fault table: what goes wrong at a service, what rebox does, and what it counts as billed.

Everything here goes over real sockets to a rehearsal service of our own (`rebox.rehearsal`), which
plays the fault and keeps a bill; the disk, the journal and the clock are real, too. What is billed
by our books may be more than by the service, never less.
"""

import socket
import sqlite3
import ssl
import time
from dataclasses import dataclass, field

import numpy as np
import pytest
import trustme

from rebox.box import open_box
from rebox.box.rehearsal import RehearsalBox
from rebox.errors import (
    BoxError,
    BudgetExhausted,
    InvalidAnswer,
    JournalError,
    KeyRefused,
    QuotaSpent,
    ServiceError,
)
from rebox.meter import Budget, Journal, JournalAccount, Meter, accounts, faults
from rebox.rehearsal import Limits, Rehearsal
from rebox.rehearsal.fault import (
    BadScore,
    DuplicateClass,
    EmptyBody,
    ExtraClass,
    GzipBomb,
    HangUp,
    InvalidUtf8,
    MissingClass,
    MixedStatus,
    PartialBatch,
    Redirect,
    RefusedFault,
    ResetBefore,
    ResetMidBody,
    ShuffledClasses,
    SlowDrip,
    Status,
    Truncated,
    WrongType,
)

CLASSES = ("safe", "suggestive", "explicit", "drug", "gore")
IMAGES = np.random.default_rng(3).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
QUICK = "size=32&back_off_s=0.01"
PATIENCE = "&timeout_s=60"  # on a busy machine, too
IMPATIENCE = "&timeout_s=1.5"
HANG_S = 10.0
ALWAYS = 20  # more often than anything is tried


def model():
    return RehearsalBox(classes=5, size=32, pixels="uint8")


@dataclass
class Played:
    """What came of asking four images."""

    scores: np.ndarray | None
    error: Exception | None
    billed: int
    bill: object
    requests: int
    lines: list = field(default_factory=list)


def play(  # what a test wants to have otherwise
    tmp_path,
    service="clarifai",
    play_faults=(),
    *,
    more="",
    patience=PATIENCE,
    budget=None,
    **options,
):
    """Ask a rehearsal that plays ``play_faults`` about IMAGES, with a journal."""
    options.setdefault("limits", Limits(batch_size=128 if service == "clarifai" else 1))
    with Rehearsal(
        service, model(), classes=CLASSES, faults=play_faults, record=True, **options
    ) as rehearsal:
        join = "&" if "?" in rehearsal.uri else "?"
        uri = f"{rehearsal.uri}{join}{QUICK}{patience}{more}"
        return ask(tmp_path, uri, rehearsal, budget)


def ask(tmp_path, uri, rehearsal, budget=None):
    journal = Journal(tmp_path / "journal.sqlite")
    box = open_box(uri)
    account = JournalAccount(
        journal,
        name="faults",
        training=Budget(queries=budget),
        prediction=Budget(),
    )
    meter = Meter(account=account)
    scores = error = None
    try:
        scores = meter.asker(box, "map").ask(IMAGES)
    except (BoxError, JournalError, BudgetExhausted) as raised:
        error = raised
    finally:
        box.close()
    assert faults(journal) == []
    billed = journal.billed("faults", "fit").queries
    assert meter.spent.billed <= billed
    assert billed >= rehearsal.bill.queries
    played = Played(
        scores, error, billed, rehearsal.bill, rehearsal.bill.requests, accounts(journal)
    )
    journal.close()
    return played


def check_answered(played):
    assert played.error is None, played.error
    np.testing.assert_allclose(played.scores, model().ask(IMAGES), atol=1e-6)


# --- what passes: asked again, and answered in the end ------------------------------------------

PASSING = {
    # fault played once, then all is well: billed by our books, by the service
    "429 with Retry-After": (Status(429, retry_after_s=0.05), 4, 4),
    "429 with a date": (Status(429, retry_after_s=1, told="date"), 4, 4),
    "429 without Retry-After": (Status(429), 4, 4),
    "500 once": (Status(500), 8, 4),
    "502 with a page of HTML": (Status(502), 8, 4),
    "503 once": (Status(503), 4, 4),
    "504 once": (Status(504), 8, 4),
    "408 once": (Status(408), 4, 4),
    "reset before the body was read": (ResetBefore(billed=False), 8, 4),
    "reset in the middle of the reply": (ResetMidBody(), 8, 8),
    "hung up without a reply": (HangUp(), 8, 4),
    "timeout, not counted": (HangUp(HANG_S), 8, 4),
    "timeout, counted": (HangUp(HANG_S, billed=True), 8, 8),
    "a reply that trickles": (SlowDrip(pause_s=0.05), 8, 8),
    "truncated JSON": (Truncated(), 8, 8),
    "an empty body": (EmptyBody(), 8, 8),
    "bytes that are no UTF-8": (InvalidUtf8(), 8, 8),
    "a wrong content type": (WrongType(), 4, 4),
    "classes in another order": (ShuffledClasses(), 4, 4),
}


@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_asked_again(tmp_path, name):
    fault, billed, by_service = PASSING[name]
    slow = fault in (HangUp(HANG_S), HangUp(HANG_S, billed=True), SlowDrip(pause_s=0.05))
    played = play(tmp_path, play_faults=[fault], patience=IMPATIENCE if slow else PATIENCE)
    check_answered(played)
    assert (played.billed, played.bill.queries) == (billed, by_service)
    assert len(played.lines) == 1


def test_retry_after_in_words_alone_is_understood(tmp_path):
    started = time.monotonic()
    fault = Status(429, retry_after_s=1, told="words")
    played = play(tmp_path, "azure-custom-vision", [fault], more="&in_flight=1")
    check_answered(played)
    assert time.monotonic() - started >= 1
    assert (played.billed, played.bill.queries) == (4, 4)


@pytest.mark.parametrize(("told", "least_s"), [("header", 1.0), ("date", 0.9)])
def test_the_service_is_left_alone_for_as_long_as_it_wants(tmp_path, told, least_s):
    times = []
    faults_played = [Status(429, retry_after_s=2 if told == "date" else 1, told=told)]

    def fault(k):
        times.append(time.monotonic())
        return faults_played[k - 1] if k == 1 else None

    played = play(tmp_path, play_faults=fault)
    check_answered(played)
    assert times[1] - times[0] >= least_s


def test_only_the_images_that_failed_are_asked_again(tmp_path):
    played = play(tmp_path, play_faults=[MixedStatus(40030)])
    check_answered(played)
    assert played.bill.requests == 2
    assert (played.billed, played.bill.queries) == (6, 4)


def test_images_that_are_missing_in_a_reply_are_asked_again(tmp_path):
    played = play(tmp_path, play_faults=[PartialBatch()])
    check_answered(played)
    assert played.bill.requests == 2
    assert played.billed >= played.bill.queries


def test_a_class_that_is_left_out_reads_0_where_that_may_be(tmp_path):
    fault = [MissingClass()] * ALWAYS
    played = play(tmp_path, play_faults=fault, more="&complete=false")
    assert played.error is None
    missing = (played.scores == 0).sum(axis=1)
    np.testing.assert_array_equal(missing, 1)
    np.testing.assert_allclose(
        played.scores[played.scores > 0], model().ask(IMAGES)[played.scores > 0], atol=1e-6
    )


# --- what ends the run ---------------------------------------------------------------------------

ENDING = {
    # fault played for ever: what is raised, its words, billed by our books and by the service
    "429 for ever": (Status(429), ServiceError, "asked 5 times", 0, 0),
    "429 for an hour": (
        Status(429, retry_after_s=3600),
        ServiceError,
        "left alone for 3,600 s",
        0,
        0,
    ),
    "500 for ever": (Status(500), ServiceError, "98.*asked 5 times", 20, 0),
    "502 for ever": (Status(502), ServiceError, "502.*asked 5 times", 20, 0),
    "503 for ever": (Status(503), ServiceError, "asked 5 times", 0, 0),
    "400": (Status(400), ServiceError, "400", 0, 0),
    "404": (Status(404), ServiceError, "no such model|21200|exist", 0, 0),
    "413": (Status(413), ServiceError, "exceeded", 0, 0),
    "402": (Status(402), QuotaSpent, "paid", 0, 0),
    "an expired key": (RefusedFault("expired_key"), KeyRefused, "Clarifai says 1100", 0, 0),
    "an hour's limit": (RefusedFault("quota"), QuotaSpent, "Clarifai says 1100", 0, 0),
    "a redirect to another host": (Redirect(), ServiceError, "elsewhere", 0, 0),
    "a redirect by 302": (
        Redirect("http://example.invalid/", status=302),
        ServiceError,
        "example.invalid",
        0,
        0,
    ),
    "timeouts for ever": (HangUp(HANG_S, billed=True), ServiceError, "within 1.5 s.*2 times", 8, 8),
    "truncated for ever": (Truncated(), InvalidAnswer, "no JSON", 8, 8),
    "a gzip bomb": (GzipBomb(512), InvalidAnswer, "larger than 64 MB", 4, 4),
    "NaN": (BadScore(), InvalidAnswer, "nan", 4, 4),
    "a negative score": (BadScore(-0.5), InvalidAnswer, "-0.5", 4, 4),
    "a score that is text": (BadScore("high"), InvalidAnswer, "high", 4, 4),
    "a missing class": (MissingClass(), InvalidAnswer, "left out.*complete=false", 4, 4),
    "an extra class": (ExtraClass(), InvalidAnswer, "does not have: list it", 4, 4),
    "some images refused for good": (
        MixedStatus(30002),
        ServiceError,
        "30002",
        4,
        2,
    ),
}


@pytest.mark.parametrize("name", ENDING)
def test_what_does_not_pass_ends_the_run(tmp_path, name):
    fault, error, words, billed, by_service = ENDING[name]
    slow = isinstance(fault, HangUp)
    played = play(tmp_path, play_faults=lambda _: fault, patience=IMPATIENCE if slow else PATIENCE)
    assert type(played.error) is error
    with pytest.raises(error, match=words):
        raise played.error
    assert "\n" not in str(played.error)
    assert (played.billed, played.bill.queries) == (billed, by_service)


@pytest.mark.filterwarnings("ignore:the class 'safe' comes twice")
def test_a_class_that_comes_twice_is_added_up(tmp_path):
    """As of a model whose labels repeat; that it is said is held by tests/test_box_http.py."""
    played = play(tmp_path, play_faults=lambda _: DuplicateClass())
    assert played.error is None


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (RefusedFault("expired_key"), KeyRefused),
        (RefusedFault("quota"), QuotaSpent),
        (Status(404), ServiceError),
        (Status(500), ServiceError),
    ],
)
def test_azure_words_its_errors_in_its_own_way(tmp_path, fault, error):
    played = play(tmp_path, "azure-custom-vision", lambda _: fault)
    assert type(played.error) is error


VERTEX = {
    # fault played once: what comes of it, billed by our books and by the service
    "429 with RetryInfo": (Status(429, retry_after_s=0.05), None, 4, 4),
    "RESOURCE_EXHAUSTED": (RefusedFault("rate"), None, 4, 4),
    "UNAVAILABLE": (Status(503), None, 4, 4),
    "INTERNAL": (Status(500), None, 5, 4),
    "DEADLINE_EXCEEDED": (Status(504), None, 5, 4),
    "a reply cut in half": (ResetMidBody(), None, 5, 5),
    "half of the JSON": (Truncated(), None, 5, 5),
    "the best last": (ShuffledClasses(), None, 4, 4),
    "UNAUTHENTICATED": (RefusedFault("expired_key"), KeyRefused, 0, 0),
    "a day's quota": (RefusedFault("quota"), QuotaSpent, 0, 0),
    "INVALID_ARGUMENT": (RefusedFault("picture"), ServiceError, 0, 0),
    "NOT_FOUND": (Status(404), ServiceError, 0, 0),
    "a redirect": (Redirect(), ServiceError, 0, 0),
    "NaN": (BadScore(), InvalidAnswer, 1, 1),
    "a missing class": (MissingClass(), InvalidAnswer, 1, 1),
    "an extra class": (ExtraClass(), InvalidAnswer, 1, 1),
}


@pytest.mark.parametrize("name", VERTEX)
def test_vertex_words_its_errors_as_google_does(tmp_path, name):
    fault, error, billed, by_service = VERTEX[name]
    options = {"more": "&in_flight=1&usd_per_hour=3.6"}
    options["limits"] = Limits(batch_size=1, usd_per_hour=3.6)
    played = play(tmp_path, "vertex", [fault], **options)
    if error is None:
        check_answered(played)
    assert type(played.error) is (error or type(None))
    assert (played.billed, played.bill.queries) == (billed, by_service)
    (line,) = played.lines
    # the time to the last answer that was billed; the service's clock runs a little longer
    assert (line.usd > 0) == (billed > 0)
    assert line.usd == pytest.approx(played.bill.usd, abs=0.001)


def test_a_bare_500_is_asked_once_more_and_no_more(tmp_path):
    played = play(tmp_path, "http", lambda _: Status(500), more="&in_flight=1")
    with pytest.raises(ServiceError, match=r"500.*asked 2 times"):
        raise played.error
    assert (played.billed, played.bill.requests) == (2, 2)


def test_what_was_answered_before_the_end_is_kept(tmp_path):
    options = {"more": "&in_flight=1", "service": "azure-custom-vision"}
    first = play(tmp_path, play_faults=[None, None, RefusedFault("expired_key")], **options)
    assert isinstance(first.error, KeyRefused)
    assert (first.billed, first.bill.queries) == (2, 2)


def test_the_redirect_is_not_followed_and_the_key_stays(tmp_path):
    with Rehearsal("clarifai", model(), classes=CLASSES, record=True) as thief:
        elsewhere = thief.url.replace("127.0.0.1", "localhost")
        played = play(tmp_path, play_faults=lambda _: Redirect(elsewhere, status=308))
        assert isinstance(played.error, ServiceError)
        assert "localhost" in str(played.error)
        assert thief.requests == ()
        assert thief.bill.requests == 0


# --- before anything is sent ---------------------------------------------------------------------


class NoBill:
    """Of a service that is not there."""

    class bill:  # noqa: N801 - looks like a rehearsal's
        requests = queries = 0


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_a_connection_that_is_refused_costs_nothing(tmp_path):
    uri = f"clarifai:moderation-recognition?base_url=http://127.0.0.1:{free_port()}&{QUICK}"
    played = ask(tmp_path, uri, NoBill)
    assert isinstance(played.error, ServiceError)
    assert "could not be reached" in str(played.error)
    assert played.billed == 0
    assert played.lines[0].failed == 5


def test_a_host_without_a_name_costs_nothing(tmp_path):
    uri = f"clarifai:moderation-recognition?base_url=https://no.such.invalid&{QUICK}&attempts=2"
    played = ask(tmp_path, uri, NoBill)
    assert isinstance(played.error, ServiceError)
    assert "no.such.invalid" in str(played.error)
    assert played.billed == 0


def test_a_certificate_that_nobody_vouches_for_ends_the_run(tmp_path):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    played = play(tmp_path, tls=context)
    assert isinstance(played.error, ServiceError)
    assert "certificate" in str(played.error).lower()
    assert (played.billed, played.bill.queries) == (0, 0)
    assert played.lines[0].failed == 1  # asked once: no second try mends a certificate


def test_an_authority_of_ones_own_is_trusted_where_it_is_named(tmp_path):
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    pem = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(pem)
    check_answered(play(tmp_path, tls=context, more=f"&ca={pem}"))


def test_a_missing_key_is_found_before_anything_is_sent(tmp_path, monkeypatch):
    monkeypatch.delenv("CLARIFAI_PAT")
    played = play(tmp_path)
    assert isinstance(played.error, KeyRefused)
    assert "CLARIFAI_PAT" in str(played.error)
    assert (played.billed, played.bill.requests) == (0, 0)


def test_a_wrong_key_is_refused(tmp_path):
    played = play(tmp_path, key="another")
    assert isinstance(played.error, KeyRefused)
    assert (played.billed, played.bill.queries) == (0, 0)


def test_a_key_is_not_sent_in_the_clear():
    box = open_box(f"clarifai:moderation-recognition?base_url=http://example.invalid&{QUICK}")
    with box, pytest.raises(KeyRefused, match="in the clear"):
        box.ask(IMAGES)


# --- at home: the budget, the disk, the journal, the clock ---------------------------------------


def test_repeats_never_exceed_the_budget(tmp_path):
    played = play(
        tmp_path,
        play_faults=lambda _: HangUp(HANG_S, billed=True),
        patience=IMPATIENCE,
        budget=6,
    )
    assert isinstance(played.error, BudgetExhausted)
    assert (played.billed, played.bill.queries) == (4, 4)


def test_a_full_disk_stops_before_the_question_is_sent(tmp_path, monkeypatch):
    reserve = Journal.reserve

    def reserve_on_a_full_disk(self, intent):
        self._store.open().execute("PRAGMA max_page_count=1")  # SQLite's own "disk is full"
        for _ in range(200):  # what room is left in its last pages is used up
            reserve(self, intent)

    monkeypatch.setattr(Journal, "reserve", reserve_on_a_full_disk)
    played = play_at_home(tmp_path)
    assert isinstance(played.error, JournalError)
    assert "full" in str(played.error)
    assert played.requests == 0


def test_a_locked_journal_stops_before_the_question_is_sent(tmp_path, monkeypatch):
    monkeypatch.setattr("rebox.meter.journal_file.LOCKED_S", 0.1)
    Journal(tmp_path / "journal.sqlite").close()
    holder = sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        with (
            Rehearsal("clarifai", model(), classes=CLASSES) as rehearsal,
            pytest.raises(JournalError, match="locked"),
        ):
            ask(tmp_path, f"{rehearsal.uri}&{QUICK}", rehearsal)
        assert rehearsal.bill.requests == 0
    finally:
        holder.execute("ROLLBACK")
        holder.close()


def test_a_clock_that_is_set_back_changes_nothing(tmp_path, monkeypatch):
    moments = iter(range(10**9, 0, -3600))
    monkeypatch.setattr("rebox.meter.send.time.time", lambda: float(next(moments)))
    played = play(tmp_path, play_faults=[Status(503)])
    check_answered(played)
    assert (played.billed, played.bill.queries) == (4, 4)


def play_at_home(tmp_path):
    with Rehearsal("clarifai", model(), classes=CLASSES) as rehearsal:
        box = open_box(f"{rehearsal.uri}&{QUICK}")
        journal = Journal(tmp_path / "journal.sqlite")
        account = JournalAccount(
            journal,
            name="faults",
            training=Budget(),
            prediction=Budget(),
        )
        error = None
        with box:
            try:
                Meter(account=account).asker(box, "map").ask(IMAGES)
            except JournalError as raised:
                error = raised
        journal.close()
        return Played(None, error, 0, rehearsal.bill, rehearsal.bill.requests)
