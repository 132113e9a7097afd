"""Questions in batches: asked once, at half price, found again, and settled line by line.

The service is ours (`fake_batches`): it proves nothing about the real ones.
"""

import socket
import sqlite3
import subprocess
import sys
import time

import numpy as np
import pytest
from fake_batches import EACH_NANO, USAGE, FakeBatches, pictures, said, uri_of

from rebox import Reprogrammer, open_box
from rebox.errors import BudgetExhausted, InvalidOption, JournalError, KeyRefused, ServiceError
from rebox.meter import Journal, accounts, claim, dispatch, faults, wave
from rebox.meter.flights import Flights
from rebox.meter.journal_file import MIGRATIONS
from rebox.meter.packing import checksum

pytestmark = pytest.mark.slow

PROTOCOLS = ("openai", "anthropic")
ENOUGH = 1000


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(dispatch, "SOONEST_S", 0.02)
    monkeypatch.setattr(
        "rebox.box.chat.batch.SETTLES_S", -1.5
    )  # half a second, with a timeout of 2
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "none")


@pytest.fixture(params=PROTOCOLS)
def protocol(request):
    return request.param


@pytest.fixture
def fake():
    with FakeBatches() as service:
        yield service


def model(fake, protocol, journal, *, more="", **options):
    settings = {"budget": ENOUGH, "random_state": 0, "canaries": 0, "batch": True} | options
    return Reprogrammer(uri_of(fake, protocol, more), journal=journal, **settings)


def books(journal):
    """Return the lines of a journal's accounts, which has to be sound."""
    with Journal(journal) as opened:
        assert faults(opened) == []
        return accounts(opened)


def test_a_fit_asks_all_at_once_at_half_price(tmp_path, fake, protocol):
    x, y = pictures()
    fitted = model(fake, protocol, tmp_path / "j.sqlite").fit(x, y)
    assert (len(fake.batches), fake.live) == (1, 0)
    assert len(fake.billed) == len(set(fake.billed)) == len(x)
    assert fitted.spent_.usd == pytest.approx(len(x) * EACH_NANO / 1e9)
    (line,) = books(tmp_path / "j.sqlite")
    assert (line.asked, line.answered, line.billed, line.unsettled) == (40, 40, 40, 0)


def test_the_model_is_that_of_questions_asked_at_once(tmp_path, fake, protocol):
    """Both answer alike here: what is read of a line is what is read of a reply."""
    x, y = pictures()
    for name in ("later", "now"):
        asked = model(fake, protocol, tmp_path / f"{name}.sqlite", batch=name == "later")
        asked.fit(x, y).save(tmp_path / f"{name}.rebox")
    assert fake.live == len(x)
    later, now = ((tmp_path / f"{name}.rebox").read_bytes() for name in ("later", "now"))
    assert later == now


def test_a_repeated_fit_and_predictions_of_the_same_pay_nothing(tmp_path, fake, protocol):
    x, y = pictures()
    model(fake, protocol, tmp_path / "j.sqlite").fit(x, y)
    again = model(fake, protocol, tmp_path / "j.sqlite").fit(x, y)
    assert (again.predict(x) == y).all()
    assert len(fake.billed) == len(x)
    assert again.spent_.billed == 0


def test_predictions_leave_together(tmp_path, fake, protocol):
    x, y = pictures()
    fitted = model(fake, protocol, tmp_path / "j.sqlite").fit(x, y)
    fitted.save(tmp_path / "model.rebox")
    loaded = Reprogrammer.load(
        tmp_path / "model.rebox",
        uri_of(fake, protocol),
        journal=tmp_path / "j.sqlite",
        batch=True,
    )
    others, truth = pictures(300, seed=1)
    assert (loaded.predict(others) == truth).all()
    assert (len(fake.batches), fake.live) == (2, 0)
    assert len(fake.billed) == len(set(fake.billed)) == 340


def test_a_batch_is_cut_where_the_service_takes_no_more(tmp_path, fake, protocol, monkeypatch):
    form = type(open_box(uri_of(fake, protocol)).batched().batches)
    monkeypatch.setattr(form, "most_lines", 15)
    x, y = pictures()
    model(fake, protocol, tmp_path / "j.sqlite").fit(x, y)
    assert [len(one["lines"]) for one in fake.batches.values()] == [15, 15, 10]
    assert len(fake.billed) == 40


def test_a_cap_in_dollars_is_kept_though_the_worst_case_is_set_aside(tmp_path, fake, protocol):
    """Only a few lines fit at their worst case; what they really cost makes room for others."""
    box = open_box(uri_of(fake, protocol)).batched()
    most = box.batches.most_nano(np.zeros((1, 16, 16, 3), np.uint8))
    assert most > 2 * EACH_NANO
    cap = 40 * EACH_NANO + most
    x, y = pictures()
    fitted = model(fake, protocol, tmp_path / "j.sqlite", budget=40, max_usd=cap / 1e9).fit(x, y)
    assert len(fake.billed) == len(set(fake.billed)) == 40
    assert len(fake.batches) > 1
    assert fitted.spent_.usd <= cap / 1e9
    (line,) = books(tmp_path / "j.sqlite")
    assert line.usd == pytest.approx(40 * EACH_NANO / 1e9)


def test_what_the_account_does_not_pay_for_is_not_sent(tmp_path, fake, protocol):
    box = open_box(uri_of(fake, protocol)).batched()
    most = box.batches.most_nano(np.zeros((1, 16, 16, 3), np.uint8))
    x, y = pictures()
    tight = model(fake, protocol, tmp_path / "j.sqlite", max_usd=most / 1e9)
    fitted = tight.fit(x, y)
    assert fitted.stop_reason_
    (line,) = books(tmp_path / "j.sqlite")
    assert line.usd <= most / 1e9
    assert line.billed == len(fake.billed) > 0


def half_answered(fake, batch):
    """Answer every other line; the rest expires, the first time."""
    lines = batch["lines"]
    first = len(fake.batches) == 1
    return [
        (name, 0, {"code": "batch_expired", "message": "too late"})
        if first and place % 2
        else (name, 200, said(body))
        for place, (name, body) in enumerate(lines)
    ]


def test_what_has_expired_is_asked_again_and_nothing_else(tmp_path, fake, protocol):
    fake.answer = half_answered
    x, y = pictures()
    model(fake, protocol, tmp_path / "j.sqlite").fit(x, y)
    assert [len(one["lines"]) for one in fake.batches.values()] == [40, 20]
    assert len(fake.billed) == len(set(fake.billed)) == 40
    (line,) = books(tmp_path / "j.sqlite")
    assert (line.asked, line.answered, line.billed) == (60, 40, 40)


def test_a_batch_that_never_answers_ends_after_three(tmp_path, fake, protocol):
    fake.answer = lambda fake, batch: [
        (name, 0, {"code": "batch_expired", "message": "too late"}) for name, _ in batch["lines"]
    ]
    x, y = pictures()
    with pytest.raises(ServiceError, match=r"left a question out .*asked 3 times"):
        model(fake, protocol, tmp_path / "j.sqlite").fit(x, y)
    assert len(fake.batches) == 3
    (line,) = books(tmp_path / "j.sqlite")
    assert (line.asked, line.billed, line.usd) == (120, 0, 0)


def test_a_line_that_is_refused_ends_the_run_and_the_others_are_kept(tmp_path, fake, protocol):
    def refusing(fake, batch):
        bad = {"error": {"message": "no such model", "type": "invalid_request_error"}}
        rest = [(name, 200, said(body)) for name, body in batch["lines"][1:]]
        return [(batch["lines"][0][0], 400, bad), *rest]

    fake.answer = refusing
    x, y = pictures()
    asked = model(fake, protocol, tmp_path / "j.sqlite")
    with pytest.raises(ServiceError, match="no such model"):
        asked.fit(x, y)
    assert asked.n_answered_ == 39  # and a model of them is there
    (line,) = books(tmp_path / "j.sqlite")
    assert (line.answered, line.billed) == (39, 39)


def test_a_failed_batch_is_not_billed(tmp_path, fake):
    def failing(fake, batch):
        batch["status"] = "failed"
        return []

    fake.answer = failing
    x, y = pictures()
    with pytest.raises(ServiceError, match=r"told to fail.*asked 3 times"):
        model(fake, "openai", tmp_path / "j.sqlite").fit(x, y)
    assert [(line.billed, line.usd) for line in books(tmp_path / "j.sqlite")] == [(0, 0)]


def test_lines_that_a_finished_batch_says_nothing_of_count_as_billed(tmp_path, fake, protocol):
    def losing(fake, batch):
        kept = batch["lines"][1:] if len(fake.batches) == 1 else batch["lines"]
        return [(name, 200, said(body)) for name, body in kept]

    fake.answer = losing
    x, y = pictures()
    model(fake, protocol, tmp_path / "j.sqlite").fit(x, y)
    (line,) = books(tmp_path / "j.sqlite")
    assert (line.asked, line.answered, line.billed) == (41, 40, 41)


@pytest.mark.parametrize("together", [4, 200])
def test_a_line_that_comes_twice_is_counted_once(tmp_path, fake, protocol, monkeypatch, together):
    monkeypatch.setattr("rebox.meter.wave.AT_ONCE", together)

    def repeating(fake, batch):
        lines = [(name, 200, said(body)) for name, body in batch["lines"]]
        return [*lines, *lines[:10]]

    fake.answer = repeating
    x, y = pictures()
    fitted = model(fake, protocol, tmp_path / "j.sqlite").fit(x, y)
    assert (fitted.spent_.billed, len(fake.batches)) == (len(x), 1)
    assert fitted.spent_.usd == pytest.approx(len(x) * EACH_NANO / 1e9)
    (line,) = books(tmp_path / "j.sqlite")
    assert (line.asked, line.answered, line.billed) == (40, 40, 40)
    assert fitted.spent_.tokens_in == len(x) * USAGE[0]


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("where", ["files", "batch", "results"])
def test_a_service_that_is_busy_is_asked_again(tmp_path, fake, protocol, status, where):
    paths = {
        ("openai", "files"): ("POST", "/v1/files$"),
        ("openai", "batch"): ("GET", "/v1/batches/"),
        ("openai", "results"): ("GET", "/content"),
        ("anthropic", "batch"): ("GET", r"/batches/[^/]*$"),
        ("anthropic", "results"): ("GET", "/results"),
    }
    if (protocol, where) not in paths:
        pytest.skip("there are no files")
    fake.fault(*paths[protocol, where], status, times=2)
    x, y = pictures()
    model(fake, protocol, tmp_path / "j.sqlite").fit(x, y)
    assert len(fake.billed) == len(set(fake.billed)) == 40


@pytest.mark.parametrize("act", ["drop", 500, 502, 504])
def test_a_batch_of_which_nobody_heard_is_looked_for(tmp_path, fake, protocol, act):
    """Dropped: it was made. 500 and the like: it was not, as it turns out."""
    create = "/v1/batches$" if protocol == "openai" else "/v1/messages/batches$"
    fake.fault("POST", create, act)
    fake.hidden_s = 0.2
    x, y = pictures()
    model(fake, protocol, tmp_path / "j.sqlite").fit(x, y)
    assert len(fake.batches) == 1
    assert len(fake.billed) == len(set(fake.billed)) == 40
    assert books(tmp_path / "j.sqlite")[0].billed == 40


def test_a_key_that_is_refused_leaves_nothing_set_aside(tmp_path, fake, protocol):
    fake.fault("POST", "/v1/", 401)
    x, y = pictures()
    with pytest.raises(KeyRefused):
        model(fake, protocol, tmp_path / "j.sqlite").fit(x, y)
    (line,) = books(tmp_path / "j.sqlite")
    assert (line.billed, line.unsettled) == (0, 0)


def test_ctrl_c_while_waiting_leaves_the_batch_under_way(tmp_path, fake, protocol, monkeypatch):
    fake.latency_s = 0.6
    x, y = pictures()

    def interrupt(seconds):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("rebox.meter.dispatch.time.sleep", interrupt)
        with pytest.raises(KeyboardInterrupt, match=r"under way.*start again"):
            model(fake, protocol, tmp_path / "j.sqlite").fit(x, y)
    assert [line.unsettled for line in books(tmp_path / "j.sqlite")] == [40]

    live = model(fake, protocol, tmp_path / "j.sqlite", batch=False)
    with pytest.raises(JournalError, match="under way in a batch"):
        live.fit(x, y)
    again = model(fake, protocol, tmp_path / "j.sqlite").fit(x, y)
    assert (len(fake.batches), fake.live) == (1, 0)
    assert again.n_read_ == 40
    assert again.spent_.billed == 40  # as it was this process that heard of it
    (line,) = books(tmp_path / "j.sqlite")
    assert (line.billed, line.unsettled) == (40, 0)


def test_two_models_that_wait_for_the_same_batch_pay_once(tmp_path, fake, protocol):
    """A thread stands for a process here: each has an account and a connection of its own."""
    import threading

    fake.latency_s = 0.4
    x, y = pictures()
    models = [model(fake, protocol, tmp_path / "j.sqlite") for _ in range(3)]
    threads = [threading.Thread(target=one.fit, args=(x, y)) for one in models]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(fake.billed) == len(set(fake.billed)) == 40
    assert [one.n_read_ for one in models] == [40] * 3
    assert sum(one.spent_.billed for one in models) == 40
    assert books(tmp_path / "j.sqlite")[0].billed == 40


def test_what_cannot_go_together_is_refused_before_anything_leaves(tmp_path, fake, protocol):
    x, y = pictures()
    with pytest.raises(InvalidOption, match="asks again after every answer"):
        model(fake, protocol, tmp_path / "j.sqlite", recipe="bar?q=2").fit(x, y)
    with pytest.raises(InvalidOption, match="found again by the journal"):
        model(fake, protocol, False).fit(x, y)
    with pytest.raises(InvalidOption, match="takes batches"):
        Reprogrammer("rehearsal:?classes=3", batch=True).fit(x, y)
    assert fake.requests == []


def test_canaries_are_asked_at_once_at_the_usual_price(tmp_path, fake, protocol):
    x, y = pictures()
    fitted = model(fake, protocol, tmp_path / "j.sqlite", canaries=2).fit(x, y)
    assert (fake.live, len(fake.billed)) == (2, 40)
    assert fitted.spent_.usd == pytest.approx((40 * EACH_NANO + 2 * 2 * EACH_NANO) / 1e9)
    assert fitted.check_box().change != "changed"
    assert fake.live == 4


def test_a_line_whose_field_is_refused_is_asked_again_without(tmp_path, fake):
    def refusing(fake, batch):
        fresh = len(fake.batches) == 1
        words = "Unsupported parameter: 'seed' is not supported with this model."
        bad = {"error": {"message": words, "type": "invalid_request_error", "param": "seed"}}
        assert all(("seed" in body) == fresh for _, body in batch["lines"])
        if fresh:
            return [(name, 400, bad) for name, _ in batch["lines"]]
        return [(name, 200, said(body | {"seed": 0})) for name, body in batch["lines"]]

    fake.answer = refusing
    x, y = pictures()
    model(fake, "openai", tmp_path / "j.sqlite").fit(x, y)
    assert [len(one["lines"]) for one in fake.batches.values()] == [40, 40]
    assert books(tmp_path / "j.sqlite")[0].billed == 40


def test_another_version_in_a_batch_is_told_of_once(tmp_path, fake, protocol):
    def changing(fake, batch):
        lines = batch["lines"]
        replies = [said(body) | {"model": f"m-{k // 20}"} for k, (_, body) in enumerate(lines)]
        return [(name, 200, reply) for (name, _), reply in zip(lines, replies, strict=True)]

    fake.answer = changing
    x, y = pictures()
    asked = model(fake, protocol, tmp_path / "j.sqlite")
    with pytest.warns(UserWarning, match="as another version of its model, m-[01]") as told:
        asked.fit(x, y)
    assert len([one for one in told if "another version" in str(one.message)]) == 1
    with Journal(tmp_path / "j.sqlite") as opened:
        assert opened.versions(asked.box_.spec.identity) == {"m-0", "m-1"}


def test_an_account_without_money_for_one_line_says_so(tmp_path, fake, protocol):
    x, y = pictures()
    with pytest.raises((BudgetExhausted, InvalidOption)):
        model(fake, protocol, tmp_path / "j.sqlite", max_usd=1e-9).fit(x, y)
    assert fake.batches == {}


def test_lines_are_settled_a_few_at_a_time(tmp_path, fake, protocol, monkeypatch):
    monkeypatch.setattr(wave, "AT_ONCE", 7)
    sizes = []
    settle = Flights.settle
    monkeypatch.setattr(
        Flights, "settle", lambda self, ends: sizes.append(len(ends)) or settle(self, ends)
    )
    x, y = pictures()
    model(fake, protocol, tmp_path / "j.sqlite").fit(x, y)
    assert sizes == [7, 7, 7, 7, 7, 5]


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_journals_of_every_release_take_batches(tmp_path, fake, protocol, version):
    """Each is made as that release's tables were, with a send in it."""
    path = tmp_path / "old.sqlite"
    connection = sqlite3.connect(path)
    connection.create_function("checksum", 2, checksum)
    for script in MIGRATIONS[:version]:
        connection.executescript(script)
    connection.execute(f"PRAGMA user_version={version}")
    connection.executescript(
        """
        INSERT INTO account (name, kind, queries, nano_usd) VALUES ('a', 'fit', 1, 5);
        INSERT INTO box (identity) VALUES ('box');
        INSERT INTO send (account, box, purpose, queries, nano_usd_each, process, asked_s, billed)
            VALUES (1, 1, 'map', 1, 5, 1, 1.0, 1);
        INSERT INTO question VALUES (1, 1, x'00');
        """
    )
    connection.close()
    before = path.read_bytes()
    with Journal(path, writable=False) as journal:
        assert [line.billed for line in accounts(journal)] == [1]
        assert faults(journal) == []
    assert path.read_bytes() == before
    x, y = pictures()
    model(fake, protocol, path).fit(x, y)
    assert [line.billed for line in books(path)] == [1, 40]


def test_who_is_gone_is_known_by_its_name():
    """A process of this machine by its number, or by its name where the number is given again."""
    host, pid, start, _ = claim.my_name().rsplit(":", 3)
    now = time.time()
    assert not claim.is_gone(claim.my_name(), now - 10 * claim.LEASE_S)
    assert claim.is_gone(f"{host}:{pid}:{start}:another", now)
    assert claim.is_gone(f"{host}:{2**22 + 1}:5:x", now)
    assert claim.is_gone(f"{host}:{2**22 + 1}::x", now)
    assert claim.is_gone(f"{host}:1:never:x", now)  # the number is given again
    assert not claim.is_gone(f"{host}:1::x", now)
    assert not claim.is_gone("elsewhere:1:5:x", now - claim.LEASE_S + 60)
    assert claim.is_gone("elsewhere:1:5:x", now - claim.LEASE_S - 1)


def test_who_was_killed_is_gone_before_anybody_has_looked():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    start = claim._start(child.pid)
    if not start:
        pytest.skip("this system does not say when a process began")
    name = f"{socket.gethostname()}:{child.pid}:{start}:x"
    assert not claim.is_gone(name, time.time())
    child.kill()
    until = time.monotonic() + 10
    while not claim.is_gone(name, time.time()) and time.monotonic() < until:
        time.sleep(0.01)
    assert claim.is_gone(name, time.time())  # it is a zombie: nobody has waited for it
    child.stdin.close()
    child.wait()


def test_a_batch_of_others_with_as_many_lines_is_not_taken_for_ours(tmp_path, fake):
    """Anthropic's bear no note: one that looks alike is waited for, and seen to be another's."""
    others = [(f"other-{k}", fake_body()) for k in range(40)]
    fake.latency_s = 0.3
    fake.make(others, "anthropic")
    fake.fault("POST", "/v1/messages/batches$", 500)
    x, y = pictures()
    fitted = model(fake, "anthropic", tmp_path / "j.sqlite").fit(x, y)
    assert fitted.n_read_ == 40
    assert len(fake.batches) == 2
    ours = [name for name in fake.billed if not name.startswith("other")]
    assert len(ours) == len(set(ours)) == 40
    assert books(tmp_path / "j.sqlite")[0].billed == 40


def fake_body():
    """Return a question as Anthropic's protocol has it."""
    box = open_box("anthropic:m?classes=dark,light&read=label&size=16")
    return box.bodies(np.zeros((1, 16, 16, 3), np.uint8))
