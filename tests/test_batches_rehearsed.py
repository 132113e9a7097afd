"""Batches against `rebox.rehearsal`, of both protocols, from Python and the command line.

The service is ours; `tests/test_official_chat_clients.py` holds it against the official clients.
"""

import csv
import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from rebox import Reprogrammer, Samples
from rebox.box import FunctionBox
from rebox.errors import ServiceError
from rebox.meter import Journal, accounts, faults, questions
from rebox.rehearsal import Limits, Rehearsal

pytestmark = pytest.mark.slow

PRICES = Limits(usd_per_m_in=1.0, usd_per_m_out=10.0)
WORDS = {
    "good": ("lovely", "warm", "fresh", "kind", "quick"),
    "bad": ("cold", "late", "rude", "stale", "wrong"),
}


def texts(n=40, seed=0):
    """Return n texts and whether each is good or bad."""
    rng = np.random.default_rng(seed)
    labels = np.array(["good", "bad"])[np.arange(n) % 2]
    said = [
        " ".join([*rng.choice(WORDS[label], 3), "dinner", str(number)])
        for number, label in enumerate(labels)
    ]
    return said, labels


def judge(some):
    """Answer whether texts are good or bad, by the words in them."""
    good = np.array([sum(word in text for word in WORDS["good"]) for text in some], dtype=float)
    return np.stack([good + 0.1, 3.1 - good], axis=1) / 3.2


@pytest.fixture(params=["chat", "anthropic"])
def protocol(request):
    return request.param


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("rebox.meter.dispatch.SOONEST_S", 0.05)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "none")


def rehearse(protocol, options=""):
    box = FunctionBox(judge, classes=("good", "bad"), takes="texts")
    return Rehearsal(
        f"{protocol}?{options}", box, classes=("good", "bad"), limits=PRICES, record=True
    )


def uri_of(running, protocol):
    tail = "/v1" if protocol == "chat" else ""
    return (
        f"{protocol}:rehearsal?base_url={running.url}{tail}&classes=good,bad&read=label"
        "&usd_per_m_in=1&usd_per_m_out=10"
    )


def model(running, protocol, journal, **options):
    settings = {"budget": 500, "random_state": 0, "canaries": 0, "batch": True} | options
    return Reprogrammer(uri_of(running, protocol), journal=journal, **settings)


def books(journal):
    with Journal(journal) as opened:
        assert faults(opened) == []
        return accounts(opened)


def test_a_fit_and_a_prediction_of_texts_cost_half(tmp_path, protocol):
    said, labels = texts()
    others, truth = texts(60, seed=1)
    with rehearse(protocol) as running:
        journal = tmp_path / "j.sqlite"
        fitted = model(running, protocol, journal).fit(Samples(texts=said), labels)
        assert (fitted.predict(Samples(texts=others)) == truth).mean() > 0.9
        bill = running.bill
        assert fitted.spent_.usd == pytest.approx(bill.usd, abs=2e-7)  # rounded up for each
        assert bill.queries == len(said) + len(others)
        lines = books(journal)
        assert sum(line.usd for line in lines) == pytest.approx(bill.usd, abs=2e-7)
        assert sum(line.billed for line in lines) == bill.queries


def test_tokens_and_version_of_every_line_are_told_and_written_down(tmp_path, protocol):
    """As of questions that are asked at once: by the receipt, the journal and the bill."""
    said, labels = texts()
    with rehearse(protocol) as running:
        journal = tmp_path / "j.sqlite"
        fitted = model(running, protocol, journal).fit(Samples(texts=said), labels)
        bill, spent = running.bill, fitted.spent_
    assert (spent.tokens_in, spent.tokens_out) == (bill.tokens_in, bill.tokens_out)
    assert bill.tokens_in > len(said)
    assert f"{bill.tokens_in:,} tokens read, {bill.tokens_out:,} written" in spent.words
    with Journal(journal) as opened:
        rows = opened.rows("SELECT tokens_in, tokens_out, version FROM send")
        versions = opened.versions(fitted.box_.spec.identity)
    assert len(rows) == len(said)
    assert sum(row[0] for row in rows) == bill.tokens_in
    assert sum(row[1] for row in rows) == bill.tokens_out
    assert len({row[0] for row in rows}) > 1  # each line its own, and not a share of all
    assert {row[2] for row in rows} == versions
    assert len(versions) == 1
    assert "rehearsal" in versions.pop()


@pytest.mark.parametrize("n", [40, 42])
def test_several_samples_share_a_line(tmp_path, protocol, n):
    """Each is answered as in a line of its own, for fewer tokens; the last line has fewer."""
    said, labels = texts(n)
    spent, models = {}, {}
    for per_call in (1, 5):
        with rehearse(protocol) as running:
            uri = f"{uri_of(running, protocol)}&per_call={per_call}"
            journal = tmp_path / f"{per_call}.sqlite"
            options = {"budget": 500, "random_state": 0, "canaries": 0, "batch": True}
            fitted = Reprogrammer(uri, journal=journal, **options).fit(Samples(texts=said), labels)
            spent[per_call], models[per_call] = fitted.spent_, fitted
            assert fitted.n_read_ == running.bill.queries == n
            assert fitted.spent_.usd == pytest.approx(running.bill.usd, abs=n * 1e-9)
            assert fitted.spent_.tokens_in == running.bill.tokens_in
        (line,) = books(journal)
        assert (line.asked, line.answered, line.billed, line.unsettled) == (n, n, n, 0)
        with Journal(journal) as opened:
            ((lines, most),) = opened.rows("SELECT count(*), max(queries) FROM send")
        assert (lines, most) == (-(-n // per_call), per_call)
    assert spent[5].tokens_in < 0.6 * spent[1].tokens_in
    scores = [answers_of(tmp_path / f"{k}.sqlite") for k in (1, 5)]
    np.testing.assert_array_equal(*scores)


def answers_of(journal):
    """Return all answers of a journal (n, classes), in the order in which they were asked."""
    with Journal(journal) as opened:
        return np.array([one["scores"] for one in questions(opened)])


@pytest.mark.parametrize("fate", ["expired", "half"])
def test_what_a_batch_has_left_out_is_asked_again(tmp_path, protocol, fate):
    said, labels = texts()
    with rehearse(protocol, f"batches={fate}") as running:
        journal = tmp_path / "j.sqlite"
        fitted = model(running, protocol, journal).fit(Samples(texts=said), labels)
        assert fitted.n_read_ == len(said)
        assert running.bill.queries == len(said)
        (line,) = books(journal)
        assert (line.answered, line.billed) == (len(said), len(said))
        assert line.asked > len(said)


def test_a_batch_that_fails_costs_nothing_and_is_made_again(tmp_path):
    said, labels = texts()
    with rehearse("chat", "batches=failed") as running:
        fitted = model(running, "chat", tmp_path / "j.sqlite").fit(Samples(texts=said), labels)
        assert fitted.n_read_ == len(said)
        assert running.bill.queries == len(said)


def test_a_batch_that_fails_again_and_again_ends_the_fit(tmp_path):
    said, labels = texts()
    with (
        rehearse("chat", "batches=failed,failed,failed") as running,
        pytest.raises(ServiceError, match="asked 3 times"),
    ):
        model(running, "chat", tmp_path / "j.sqlite").fit(Samples(texts=said), labels)


def table(path, said, labels=None):
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text"] if labels is None else ["text", "label"])
        rows.writerows([[t] for t in said] if labels is None else zip(said, labels, strict=True))
    return path


def command(*arguments, **options):
    line = [sys.executable, "-m", "rebox", *map(str, arguments)]
    return subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "signals",
    [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.long), signal.SIGKILL],
)
def test_the_same_command_goes_on_where_another_was_stopped(tmp_path, protocol, signals):
    data = table(tmp_path / "data.csv", *texts())
    with rehearse(protocol, "batch_s=6") as running:
        line = ["fit", "--data", data, "--box", uri_of(running, protocol), "--budget", "100"]
        line += ["--batch", "--journal", tmp_path / "j.sqlite", "--out", tmp_path / "m.rebox"]
        line += ["--canaries", "0"]
        first = command(*line)
        until = time.monotonic() + 60
        while not _made(running) and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.5)
        first.send_signal(signals)
        _, told = first.communicate(timeout=60)
        words = " ".join(told.split())
        if signals == signal.SIGKILL:
            assert first.returncode == -signal.SIGKILL
        else:
            assert first.returncode == 128 + signals
            assert "40 questions stay under way in a batch: start again" in words
        again = command(*line)
        said, told = again.communicate(timeout=120)
        assert again.returncode == 0, told
        assert running.bill.queries == 40
        assert re.search(r"40 (queries|billed)", said), said
        (line,) = books(tmp_path / "j.sqlite")
        assert (line.billed, line.unsettled) == (40, 0)


def _made(running):
    return any(one.method == "POST" and one.route.endswith("/batches") for one in running.requests)


@pytest.mark.slow
def test_predictions_by_the_command_line_leave_in_a_batch(tmp_path, protocol):
    data = table(tmp_path / "data.csv", *texts())
    others, truth = texts(30, seed=2)
    news = table(tmp_path / "news.csv", others)
    journal = ["--journal", tmp_path / "j.sqlite", "--batch"]
    with rehearse(protocol) as running:
        fit = ["fit", "--data", data, "--box", uri_of(running, protocol), "--budget", "100"]
        steps = [
            [*fit, "--canaries", "0", "--out", tmp_path / "m.rebox", *journal],
            ["predict", tmp_path / "m.rebox", news, "--out", tmp_path / "p.csv", *journal],
        ]
        for line in steps:
            done = command(*line)
            _, told = done.communicate(timeout=120)
            assert done.returncode == 0, told
        asked = {*texts()[0], *others}  # one of them is known, and asked nobody
        assert running.bill.queries == len(asked) == 69
    with (tmp_path / "p.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30
    assert np.mean([row["label"] == t for row, t in zip(rows, truth, strict=True)]) > 0.9
    assert sum(line.billed for line in books(tmp_path / "j.sqlite")) == 69


def test_what_a_line_is_asked_is_what_would_be_asked_at_once(tmp_path, protocol):
    """Field by field, but for what a batch needs around it."""
    box = open_box_of(protocol)
    batched = box.batched()
    some = np.array(["a lovely dinner"], dtype=object)
    line = json.loads(batched.batches.line("a" * 64, some))
    asked = json.loads(box.request(some).content)
    assert line["body" if protocol == "chat" else "params"] == asked
    assert len(line["custom_id"]) == 64


def open_box_of(protocol):
    from rebox import open_box

    return open_box(f"{protocol}:m?classes=good,bad&read=label&takes=texts")
