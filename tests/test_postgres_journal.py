"""A journal on a real PostgreSQL server: passwords, what fails in the midst, and copies.

What a file's journal has to do is tested in `test_meter_journal`, of both.
"""

import copy
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from postgres_server import PASSWORD, PostgresServer, execute, why_none
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from typer.testing import CliRunner

from rebox import Reprogrammer
from rebox.cli.app import app
from rebox.errors import BudgetExhausted, JournalError
from rebox.meter import (
    Amount,
    Budget,
    Journal,
    accounts,
    copy_journal,
    default_path,
    faults,
    masked,
    questions,
)
from rebox.meter.address import without_password
from rebox.meter.packing import packed
from rebox.meter.send import Intent
from rebox.study.bench.workbench import Places

ROW = packed(np.array([0.25, 0.75], dtype=np.float32))
WITH_PASSWORD = (
    f"postgresql://rebox:{PASSWORD}@db.example/team",
    f"postgres://rebox:{PASSWORD}@db.example:5432/team?sslmode=require",
    f"postgresql://db.example/team?user=rebox&password={PASSWORD}",
    f"postgresql://db.example/team?sslpassword={PASSWORD}",
    f"postgresql://rebox:{PASSWORD}%zz/@?@db.example/team",
)


def intent(n=1, *, account="a", queries=None, box="box"):
    keys = [os.urandom(32) for _ in range(n)]
    return Intent(
        account=account,
        kind="fit",
        fit=account,
        purpose="map",
        box=box,
        keys=keys,
        nano_usd_each=3,
        budget=Budget(queries=queries),
    )


@pytest.fixture
def place(postgres):
    return postgres.new()


@pytest.fixture
def journal(place):
    with Journal(place) as opened:
        yield opened


# --- passwords ------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", WITH_PASSWORD)
def test_a_url_with_a_password_is_refused_and_not_shown(url):
    assert PASSWORD not in masked(url)
    with pytest.raises(JournalError, match=r"holds a password.* set PGPASSWORD") as caught:
        Journal(url)
    assert PASSWORD not in str(caught.value)
    said = CliRunner().invoke(app, ["journal", "show", url])
    assert isinstance(said.exception, JournalError)
    assert PASSWORD not in str(said.exception) + said.output


@given(st.text(min_size=1).filter(lambda word: not set(word) & set(":@/?#&=*")))
def test_no_password_is_shown(word):
    secret = f"<{word}>"
    for url in (f"postgresql://u:{secret}@h/d", f"postgresql://u@h/d?password={secret}&x=1"):
        assert secret not in masked(url)
        assert masked(url) != url
    assert without_password(f"postgresql://u:<{'%41'}>@h/d") == ("postgresql://u@h/d", "<A>")


@pytest.mark.parametrize("url", WITH_PASSWORD)
def test_an_estimator_shows_no_password(url):
    model = Reprogrammer(journal=url)
    assert model.get_params()["journal"] == model.journal == url
    searched = GridSearchCV(make_pipeline(model), {"reprogrammer__recipe": ["auto"]})
    for one in (model, clone(model), copy.deepcopy(model), make_pipeline(model), searched):
        assert PASSWORD not in repr(one) + one._repr_html_()
    assert "***" in repr(model)
    assert clone(model).journal == url
    assert Reprogrammer().set_params(journal=url).journal == url
    assert PASSWORD not in repr(Reprogrammer().set_params(journal=url))
    assert PASSWORD not in repr(Places(journal=url))
    with pytest.raises(JournalError, match="holds a password") as caught:
        model.set_params(box="rehearsal:?size=8", budget=9).fit(np.zeros((4, 3)), [0, 1, 0, 1])
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("place", [None, False, "a.sqlite", Path("a.sqlite"), "postgresql://h/d"])
def test_an_estimator_keeps_the_very_place_that_shows_nothing(place):
    model = Reprogrammer(journal=place)
    assert model.journal is place
    assert repr(Reprogrammer()) == "Reprogrammer()"


@pytest.mark.parametrize(
    "scheme", ["mysql", "postgresql+psycopg", "postgressql", "file", " postgresql", "\tpostgresql"]
)
def test_a_url_of_another_kind_is_no_file_of_that_name(scheme, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url = f"{scheme}://u:{PASSWORD}@host/d"
    with pytest.raises(JournalError, match="names no journal: expected a file, or") as caught:
        Journal(url)
    said = CliRunner().invoke(app, ["journal", "show", url])
    assert PASSWORD not in f"{caught.value}{said.exception}{said.output}"
    assert not list(tmp_path.iterdir())


def test_a_url_without_a_password_is_shown_as_it_is():
    for url in ("postgresql://u@h:1/d?schema=a", "postgresql:///d?host=/tmp/a@b", "a.sqlite"):
        assert masked(url) == url


def test_a_url_is_no_path():
    with pytest.raises(JournalError, match="pass the journal's URL as text"):
        Journal(Path("postgresql://u@h/d"))


def test_the_environment_has_the_password(postgres, monkeypatch, tmp_path):
    url = postgres.new(tcp=True)
    for name in ("PGPASSWORD", "PGPASSFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(JournalError, match="set PGPASSWORD or a line of"):
        Journal(url)
    with monkeypatch.context() as patch:
        patch.setenv("PGPASSWORD", PASSWORD)
        with Journal(url) as journal:
            journal.reserve(intent(2))
    whole = url.replace("rebox@", f"rebox:{PASSWORD}@")
    monkeypatch.setenv("REBOX_JOURNAL", whole)
    assert default_path() == url
    with Journal(default_path()) as journal:
        assert journal.billed("a", "fit") == Amount(2, 6)
        assert PASSWORD not in repr(journal) + str(journal.path) + str(pickle.dumps(journal))
        with pickle.loads(pickle.dumps(journal)) as twin:  # noqa: S301 - our own bytes
            assert twin.billed("a", "fit") == Amount(2, 6)
    monkeypatch.setenv("REBOX_JOURNAL", whole.replace(PASSWORD, f"not-{PASSWORD}"))
    with pytest.raises(JournalError, match="password authentication failed") as caught:
        Journal(default_path())
    assert PASSWORD not in str(caught.value)


def test_a_model_holds_no_place(place, postgres, tmp_path):
    """Neither the server's name nor anything else of a journal is in a model's file."""
    import rebox

    x = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    box = rebox.FunctionBox(lambda images: images.mean(axis=(1, 2))[:, :2], size=(8, 8), classes=2)
    model = Reprogrammer(box, "map", budget=60, journal=place, random_state=0)
    model.fit(x, np.arange(20) % 2).save(tmp_path / "m.rebox")
    content = (tmp_path / "m.rebox").read_bytes()
    assert str(postgres.folder).encode() not in content
    assert b"postgresql:" not in content
    with Journal(place) as journal:
        assert accounts(journal)[0].answered == 20
        assert faults(journal) == []


# --- what is in its place -------------------------------------------------------------------------


def test_names_may_be_long_and_hold_anything(journal):
    name, box = "a" * 9000 + "\0\u20ac'?%s", "".join(map(str, range(9000)))
    sent = [intent(account=name, box=box) for _ in range(2)]
    for one in sent:
        journal.settle(journal.reserve(one), {0: ROW}, billed=1, words="\0 ? % '")
    assert journal.billed(name, "fit") == Amount(2, 6)
    assert journal.answers([one.keys[0] for one in sent]) == {one.keys[0]: ROW for one in sent}
    assert [line.billed for line in accounts(journal)] == [2]


def test_the_schema_of_something_else_is_left_alone(postgres, place):
    execute(postgres.url("public"), f"CREATE SCHEMA {place.partition('schema=')[2]}")
    execute(place, "CREATE TABLE shopping (what TEXT)")
    with pytest.raises(JournalError, match="holds something else"):
        Journal(place)
    assert execute(place, "SELECT count(*) FROM shopping") == [(0,)]
    with pytest.raises(JournalError, match="is no name of a schema"):
        Journal(place + "; DROP")


def test_a_journal_of_a_newer_rebox_is_left_alone(journal):
    execute(journal.path, "UPDATE journal SET version = version + 1")
    for writable in (True, False):
        with pytest.raises(JournalError, match="newer rebox"):
            Journal(journal.path, writable=writable)


def test_nothing_is_made_where_it_is_only_read(postgres, place):
    with pytest.raises(JournalError, match="there is no journal"):
        Journal(place, writable=False)
    schema = place.partition("schema=")[2]
    found = execute(postgres.url("public"), f"SELECT to_regnamespace('{schema}')::text")
    assert found == [(None,)]


@pytest.mark.parametrize("closed", [False, True])
def test_nothing_is_charged_to_a_journal_that_was_replaced(postgres, journal, closed):
    journal.reserve(intent())
    if closed:
        journal.close()
    execute(journal.path, f"DROP SCHEMA {journal.path.partition('schema=')[2]} CASCADE")
    with Journal(journal.path) as other:
        other.reserve(intent())
        with pytest.raises(JournalError, match="was replaced, or put back"):
            journal.reserve(intent())
        assert other.billed("a", "fit").queries == 1


def test_eight_that_make_one_journal_at_once_make_one(place):
    failed, start = [], threading.Barrier(8)

    def make():
        start.wait()
        try:
            with Journal(place) as journal:
                journal.reserve(intent())
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            failed.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with Journal(place) as journal:
        assert journal.billed("a", "fit").queries == 8


# --- what fails in the midst ----------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_commit_in_doubt_is_looked_up(journal, monkeypatch, when):
    """The connection ends before the server has committed, or before it could say so."""
    store, failed = journal._store, []
    committing = type(store)._committing

    def interrupted(self):
        statement = committing(self)
        if failed:
            return statement
        failed.append(when)
        if when == "after":
            self._connection.execute(statement)
        execute(journal.path, f"SELECT pg_terminate_backend({self._connection.info.backend_pid})")
        return "SELECT 1"

    monkeypatch.setattr(type(store), "_committing", interrupted)
    asked = intent(3)
    send = journal.reserve(asked)
    assert failed == [when]
    assert journal.billed("a", "fit") == Amount(3, 9)
    failed.clear()
    journal.settle(send, {0: ROW}, billed=1)
    assert journal.billed("a", "fit") == Amount(1, 3)
    assert execute(journal.path, "SELECT count(*) FROM send") == [(1,)]
    assert faults(journal) == []


def test_a_server_that_is_killed_loses_nothing(place, postgres):
    """Four threads with connections of their own write on; the server is killed three times."""
    cap, answered, failed, stop = 100_000, [], [], threading.Event()

    def ask():
        with Journal(place) as journal:
            while not stop.is_set():
                asked = intent(2, queries=cap)
                try:
                    journal.settle(journal.reserve(asked), {0: ROW, 1: ROW}, billed=2)
                except BaseException as error:  # noqa: BLE001 - shown by the assertion
                    failed.append(error)
                    return
                answered.extend(asked.keys)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        before = len(answered)
        until = time.monotonic() + 60
        while len(answered) < before + 20 and time.monotonic() < until:
            time.sleep(0.01)
        postgres.kill()
        postgres.start()
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(answered) > 60
    with Journal(place) as journal:
        assert len(journal.answers(answered)) == len(answered)
        (line,) = accounts(journal)
        assert (line.answered, line.billed, line.unsettled) == (len(answered), len(answered), 0)
        assert faults(journal) == []


def test_a_server_that_does_not_come_back_is_told(monkeypatch, journal, postgres):
    monkeypatch.setattr("rebox.meter.postgres_store.PATIENCE_S", 0.5)
    journal.reserve(intent())
    postgres.kill()
    try:
        with pytest.raises(JournalError, match="see that the server runs"):
            journal.reserve(intent())
    finally:
        postgres.start()
    assert journal.billed("a", "fit").queries == 1


# --- copies ---------------------------------------------------------------------------------------


def filled(place, sends=40):
    """Fill a journal with answers, an open send, two accounts and an epoch."""
    with Journal(place) as journal:
        for i in range(sends):
            asked = intent(1 + i % 30, account="ab"[i % 2])
            brought = dict.fromkeys(range(0, len(asked.keys), 2), ROW)
            journal.settle(
                journal.reserve(asked), brought, billed=len(brought), words="w\0" * (i % 2)
            )
        journal.reserve(intent(3))
        journal.begin_epoch("box")
    return place


def listed(place):
    with Journal(place, writable=False) as journal:
        assert faults(journal) == []
        said = [
            row | {"words": (row["words"] or "").replace("\0", "\ufffd")}
            for row in questions(journal)
        ]
        return said, accounts(journal), journal.epoch("box")


def test_a_journal_is_copied_both_ways(place, postgres, tmp_path):
    source = filled(tmp_path / "a.sqlite")
    done = copy_journal(source, place)
    assert (done.questions, done.before) == (len(listed(source)[0]), 0)
    assert listed(place) == listed(source)
    back = tmp_path / "b.sqlite"
    copy_journal(place, back)
    assert listed(back) == listed(place)
    assert copy_journal(place, back).before > done.questions  # it is there, and the same
    for one in (place, back):  # and goes on
        with Journal(one) as journal:
            journal.settle(journal.reserve(intent(2)), {0: ROW}, billed=2)
            journal.reserve(intent(account="new", box="new"))
            assert faults(journal) == []
    with pytest.raises(JournalError, match="is no copy of"):
        copy_journal(source, place)
    with pytest.raises(JournalError, match="to itself"):
        copy_journal(place, place)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.sqlite", "b.sqlite"]


def test_what_is_not_sound_is_not_copied(place, tmp_path):
    source = filled(place, 3)
    execute(source, "UPDATE account SET queries = queries - 1")
    with pytest.raises(JournalError, match="is not sound"):
        copy_journal(source, tmp_path / "b.sqlite")
    assert not (tmp_path / "b.sqlite").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")
@pytest.mark.parametrize("way", ["to the server", "to a file"])
def test_a_copy_that_is_killed_goes_on(place, postgres, tmp_path, monkeypatch, way):
    """The command line's, killed again and again while it writes, a few rows at a time."""
    source, target = tmp_path / "a.sqlite", place
    filled(source, 150)
    if way == "to a file":
        copy_journal(source, place)
        source, target = place, tmp_path / "b.sqlite"
    code = (
        "import sys, rebox.meter.copying as c; c.ROWS = 40; w = c._write\n"
        "def slow(*a): w(*a); a[3] and print('.', flush=True)\n"
        "c._write = slow; c.copy_journal(sys.argv[1], sys.argv[2])"
    )
    kills = 0
    while True:
        command = [sys.executable, "-c", code, str(source), str(target)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        for _ in range(30):
            if not process.stdout.readline():
                break
        else:
            process.send_signal(signal.SIGKILL)
            kills += 1
            with pytest.raises(JournalError):  # nobody takes a part for the whole
                Journal(target, writable=False)
        process.stdout.close()
        if process.wait() == 0:
            break
        assert kills < 20
    assert kills >= 2
    assert listed(target) == listed(source)


# --- several at once ------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_eight_processes_that_are_killed_never_exceed_a_cap():
    """Their own server's, too: see `benchmarks/postgres_kills.py` for the larger count."""
    from postgres_kills import measure

    assert why_none() is None
    count = measure(kills=16, server_kills=2, cap=300, seed=0)
    assert count.kills >= 16  # who is killed may take a while to end: one more is drawn
    assert count.server_kills == 2
    assert count.over == count.lost == count.faults == count.wrong_codes == 0


def test_a_budget_is_refused_as_by_a_file(journal):
    journal.reserve(intent(5, queries=5))
    with pytest.raises(BudgetExhausted, match="billed for 5 of 5"):
        journal.reserve(intent(1, queries=5))


def test_the_server_of_the_tests_is_real(postgres):
    assert isinstance(postgres, PostgresServer)
    ((version,),) = execute(postgres.url("public"), "SHOW server_version_num")
    assert int(version) >= 130000
    assert psycopg.pq.version() >= 140000
