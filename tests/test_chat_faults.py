"""What goes wrong at a chat model: what rebox does, and what it counts as billed, to the dollar.

Everything goes over real sockets to a rehearsal of our own, which plays the fault and keeps a bill
in tokens; what thinks behind it looks for words in texts. Journals and clocks are real.
"""

import time
import warnings
from dataclasses import dataclass

import numpy as np
import pytest
from test_rehearsal_chat import CLASSES, WordBox

from rebox.box import open_box
from rebox.errors import (
    BoxError,
    BudgetExhausted,
    InvalidAnswer,
    KeyRefused,
    QuotaSpent,
    ServiceError,
)
from rebox.meter import Budget, Journal, JournalAccount, Meter, faults
from rebox.money import NANO
from rebox.rehearsal import Limits, Rehearsal
from rebox.rehearsal.fault import (
    EmptyBody,
    GzipBomb,
    HangUp,
    InvalidUtf8,
    MissingUsage,
    NoChoices,
    NoLogprobs,
    OtherModel,
    RateReset,
    Redirect,
    RefusedFault,
    ResetBefore,
    ResetMidBody,
    Says,
    SlowDrip,
    Status,
    Truncated,
    WrongType,
    WrongUsage,
)
from rebox.sample.texts import as_texts

TEXTS = as_texts(["a cat", "the dog", "one red fox", "a dog, a dog and a cat"])
TRUE = np.eye(3)[[0, 1, 2, 1]]
PRICES = Limits(usd_per_m_in=200, usd_per_m_out=1200)
QUICK = "&takes=texts&back_off_s=0.01"
IMPATIENCE = "&timeout_s=1.5"
HANG_S = 10.0
ALWAYS = 40
SERVICES = ("chat", "anthropic")


@dataclass
class Played:
    """What came of asking four texts."""

    scores: np.ndarray | None
    error: Exception | None
    billed: int
    usd: float
    bill: object


def play(tmp_path, service, play_faults, more="&read=label", **caps):
    with Rehearsal(
        service, WordBox(), classes=CLASSES, faults=play_faults, limits=PRICES
    ) as running:
        return ask(tmp_path, f"{running.uri}{QUICK}{more}", running, **caps)


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-real-key")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-real-key")


def ask(tmp_path, uri, running, **caps):
    journal = Journal(tmp_path / "journal.sqlite")
    box = open_box(uri)
    budget = Budget(**caps)
    account = JournalAccount(journal, name="faults", training=budget, prediction=Budget())
    meter = Meter([box], account=account)
    scores = error = None
    try:
        scores = meter.asker(box, "map").ask(TEXTS)
    except (BoxError, BudgetExhausted) as raised:
        error = raised
    finally:
        box.close()
    assert faults(journal) == []
    billed = journal.billed("faults", "fit")
    journal.close()
    usd = billed.nano_usd / NANO
    assert billed.queries >= running.bill.queries
    assert usd >= running.bill.usd - 1e-8
    return Played(scores, error, billed.queries, usd, running.bill)


PASSING = {
    # fault played once, then all is well: billed by our books, by the service
    "429 with Retry-After": (Status(429, retry_after_s=0.05), 4, 4),
    "429 with a date": (Status(429, retry_after_s=1, told="date"), 4, 4),
    "429 without Retry-After": (Status(429), 4, 4),
    "429 with a reset": (RateReset(0.2), 4, 4),
    "500 once": (Status(500), 5, 4),
    "502 with a page of HTML": (Status(502), 5, 4),
    "503 once": (Status(503), 4, 4),
    "504 once": (Status(504), 5, 4),
    "529 overloaded": (Status(529), 4, 4),
    "408 once": (Status(408), 4, 4),
    "reset before the body was read": (ResetBefore(billed=False), 5, 4),
    "reset in the middle of the reply": (ResetMidBody(), 5, 5),
    "hung up without a reply": (HangUp(), 5, 4),
    "timeout, billed": (HangUp(HANG_S, billed=True), 5, 5),
    "a reply that trickles": (SlowDrip(pause_s=0.05), 5, 5),
    "truncated JSON": (Truncated(), 5, 5),
    "an empty body": (EmptyBody(), 5, 5),
    "bytes that are no UTF-8": (InvalidUtf8(), 5, 5),
    "a wrong content type": (WrongType(), 4, 4),
    "no usage": (MissingUsage(), 4, 4),
}


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("name", PASSING)
def test_what_passes_is_asked_again(tmp_path, name, service):
    fault, billed, by_service = PASSING[name]
    slow = isinstance(fault, SlowDrip) or fault == HangUp(HANG_S, billed=True)
    more = "&read=label" + (IMPATIENCE if slow else "")
    played = play(tmp_path, service, [fault], more)
    assert played.error is None, played.error
    np.testing.assert_array_equal(played.scores, TRUE)
    assert (played.billed, played.bill.queries) == (billed, by_service)


ENDING = {
    # fault played for ever: what is raised, its words, billed by our books
    "401": (Status(401), KeyRefused, "key", 0),
    "403": (Status(403, body=b"{}"), KeyRefused, "no right", 0),
    "404, no such model": (Status(404), ServiceError, "404", 0),
    "413": (Status(413), ServiceError, "413", 0),
    "400": (Status(400, body=b'{"error": {"message": "bad"}}'), ServiceError, "bad", 0),
    "the quota is spent": (RefusedFault("quota"), QuotaSpent, "quota|credit", 0),
    "429 for ever": (Status(429), ServiceError, "asked 5 times", 0),
    "429 for an hour": (Status(429, retry_after_s=3600), ServiceError, "left alone for 3,600", 0),
    "529 for ever": (Status(529), ServiceError, "asked 5 times", 0),
    "a redirect": (Redirect(), ServiceError, "elsewhere", 0),
    "a bomb": (GzipBomb(), InvalidAnswer, "larger than", None),
    "nobody says anything": (NoChoices(), InvalidAnswer, "without", None),
}


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("name", ENDING)
def test_what_does_not_pass_ends_the_run(tmp_path, name, service):
    fault, error, words, billed = ENDING[name]
    if name == "nobody says anything" and service == "anthropic":
        pytest.skip("no content is nothing said, there")
    played = play(tmp_path, service, [fault] * ALWAYS, "&read=label&body_limit=1000000")
    assert isinstance(played.error, error), played.error
    assert np.any([word in str(played.error) for word in words.split("|")]), played.error
    assert billed is None or played.billed == billed


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("read", ["label", "enum", "scores"])
@pytest.mark.parametrize("kind", ["refusal", "prose", "unknown", "nothing", "cut", "filtered"])
def test_no_answer_is_billed_and_stands_as_none(tmp_path, kind, read, service):
    if (kind, service) == ("filtered", "anthropic"):
        pytest.skip("it has no such end")
    played = play(tmp_path, service, [Says(kind)], f"&read={read}&in_flight=1")
    assert played.error is None
    np.testing.assert_array_equal(played.scores[0], 0)
    assert (played.scores[1:].argmax(axis=1) == TRUE[1:].argmax(axis=1)).all()
    assert (played.billed, played.bill.queries) == (4, 4)
    assert played.usd == pytest.approx(played.bill.usd, abs=1e-7)


@pytest.mark.parametrize("kind", ["refusal", "prose", "nothing"])
def test_no_answer_is_asked_again_as_often_as_told(tmp_path, kind):
    played = play(tmp_path, "chat", [Says(kind)], "&read=label&retries=1&in_flight=1")
    np.testing.assert_array_equal(played.scores, TRUE)
    assert (played.billed, played.bill.queries) == (5, 5)
    played = play(tmp_path / "x", "chat", [Says(kind)] * 2, "&read=label&retries=1&in_flight=1")
    np.testing.assert_array_equal(played.scores[0], 0)
    assert (played.billed, played.bill.queries) == (5, 5)


def test_what_was_no_answer_is_remembered_as_none(tmp_path):
    with Rehearsal(
        "chat", WordBox(), classes=CLASSES, faults=[Says("refusal")] * 4, limits=PRICES
    ) as running:
        uri = f"{running.uri}{QUICK}&read=label"
        first = ask(tmp_path, uri, running)
        again = ask(tmp_path, uri, running)
    assert running.bill.queries == first.billed == again.billed == 4
    np.testing.assert_array_equal(again.scores, 0)


def test_a_model_that_answers_nothing_is_not_asked_for_ever(tmp_path):
    with Rehearsal(
        "chat", WordBox(), classes=CLASSES, faults=[Says("prose")] * 200, limits=PRICES
    ) as running:
        box = open_box(f"{running.uri}{QUICK}&read=label")
        with box, pytest.raises(InvalidAnswer, match="has answered nothing so far"):
            box.ask(as_texts([f"a cat {i}" for i in range(100)]))
    assert 20 <= running.bill.queries <= 24


def test_log_probabilities_that_are_left_out_end_the_run(tmp_path):
    played = play(tmp_path, "chat", [NoLogprobs()] * ALWAYS, "&read=logprobs")
    assert isinstance(played.error, InvalidAnswer)
    assert "read=label" in str(played.error)


@pytest.mark.parametrize("service", SERVICES)
def test_a_usage_that_is_too_high_is_what_will_be_billed(tmp_path, service):
    played = play(tmp_path, service, [WrongUsage(times=3.0)] * ALWAYS)
    np.testing.assert_array_equal(played.scores, TRUE)
    assert played.usd > 2 * played.bill.usd


@pytest.mark.parametrize("service", SERVICES)
def test_another_version_is_told_of(tmp_path, service):
    with pytest.warns(UserWarning, match="another version of its model, rehearsal-2"):
        played = play(tmp_path, service, [None, None, OtherModel()], "&read=label&in_flight=1")
    np.testing.assert_array_equal(played.scores, TRUE)


def test_the_reset_of_a_rate_is_waited_for(tmp_path):
    started = time.monotonic()
    played = play(tmp_path, "chat", [RateReset(1.2)], "&read=label&in_flight=1")
    assert played.error is None
    assert time.monotonic() - started >= 1.2


@pytest.mark.parametrize("service", SERVICES)
def test_a_cap_in_dollars_holds_against_the_bill(tmp_path, service):
    with Rehearsal(service, WordBox(), classes=CLASSES, limits=PRICES) as running:
        box = open_box(f"{running.uri}{QUICK}&read=label")
        usd = 0.2
        account = JournalAccount(
            Journal(tmp_path / "journal.sqlite"),
            name="cap",
            training=Budget(usd=usd),
            prediction=Budget(),
        )
        with box, pytest.raises(BudgetExhausted):
            Meter([box], account=account).asker(box, "map").ask(
                as_texts([f"a cat {i}" for i in range(60)])
            )
    assert 0.5 * usd < running.bill.usd <= usd
    billed = account.journal.billed("cap", "fit").nano_usd / NANO
    assert running.bill.usd - 1e-8 <= billed <= usd


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("read", ["logprobs", "label", "enum", "scores"])
@pytest.mark.parametrize("per_call", [1, 3])
def test_all_ways_agree_with_the_box_behind(tmp_path, service, read, per_call):
    if read == "logprobs" and (service == "anthropic" or per_call > 1):
        pytest.skip("there is no such way")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        played = play(tmp_path, service, [], f"&read={read}&per_call={per_call}")
    assert played.error is None, played.error
    np.testing.assert_array_equal(played.scores.argmax(axis=1), TRUE.argmax(axis=1))
    assert played.usd == pytest.approx(played.bill.usd, abs=1e-7)
