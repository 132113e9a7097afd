"""The journal: intents before sends, sums that are right, files that are its own, and an audit."""

import contextlib
import os
import pickle
import re
import shutil
import sqlite3
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postgres_server import execute

from rebox.box.reservation import Used
from rebox.errors import BudgetExhausted, JournalError
from rebox.meter import (
    Amount,
    Budget,
    Journal,
    accounts,
    default_path,
    each_fault,
    faults,
    is_server,
    questions,
)
from rebox.meter.journal_file import MIGRATIONS
from rebox.meter.packing import packed
from rebox.meter.place import Mark
from rebox.meter.send import Intent
from rebox.money import dollars

NANO = 10**9
ROW = packed(np.array([0.25, 0.75], dtype=np.float32))


@pytest.fixture(params=["file", "server"])
def journal(request, tmp_path):
    """A journal, once in a file and once on a real PostgreSQL server."""
    if request.param == "file":
        place = tmp_path / "journal.sqlite"
    else:
        place = request.getfixturevalue("postgres").new()
    with Journal(place) as opened:
        yield opened


@pytest.fixture
def filed(tmp_path):
    """A journal in a file, for what is about files."""
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


def intent(n=1, *, key=None, account="a", kind="fit", fit="a", price=0, queries=None, nano=None):
    """Return an intent of n images, whose keys are their own unless one is given."""
    keys = [os.urandom(32) for _ in range(n)] if key is None else [key]
    return Intent(
        account=account,
        kind=kind,
        fit=fit,
        purpose="predict" if kind == "predict" else "map",
        box="box",
        keys=keys,
        nano_usd_each=price,
        budget=Budget(queries=queries, usd=None if nano is None else nano / NANO),
    )


def elsewhere(journal, query):
    """Return what another connection to the same journal sees."""
    if is_server(journal.path):
        return on_server(journal, query)
    connection = sqlite3.connect(journal.path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def on_server(journal, statement):
    """Return the rows of a statement, written for SQLite, that somebody else gives the server."""
    return execute(journal.path, statement)


def tamper(journal, statement):
    journal.close()
    if is_server(journal.path):
        on_server(journal, statement)
        return
    connection = sqlite3.connect(journal.path)
    connection.execute(statement)
    connection.commit()
    connection.close()


# --- reservations and settlements -----------------------------------------------------------------


def test_an_intent_is_on_disk_before_anything_is_sent(journal):
    send = journal.reserve(intent(3, price=7))
    assert elsewhere(journal, "SELECT id, queries, billed, ended_s FROM send") == [
        (send, 3, None, None)
    ]
    assert elsewhere(journal, "SELECT count(*) FROM question") == [(3,)]
    assert elsewhere(journal, "SELECT queries, nano_usd FROM account") == [(3, 21)]


def test_answers_to_keys_have_taken_their_share_of_tokens(journal):
    asked = intent(4)
    send = journal.reserve(asked)
    journal.settle(send, {0: ROW, 2: ROW}, billed=4, used=Used(tokens_in=100, tokens_out=6))
    alone = intent(1)
    journal.settle(
        journal.reserve(alone), {0: ROW}, billed=1, used=Used(tokens_in=40, tokens_out=1)
    )
    untold = intent(1)
    journal.settle(journal.reserve(untold), {0: ROW}, billed=1)
    keys = [*asked.keys, *alone.keys, *untold.keys]
    assert journal.tokens_taken(keys, "box").each == (90 / 3, 4 / 3)
    assert journal.tokens_taken(alone.keys, "box").each == (40, 1)
    assert journal.tokens_taken(keys, "another").each is None


def test_what_nobody_settled_counts_as_billed(journal):
    journal.reserve(intent(3, price=2 * NANO))
    journal.settle(journal.reserve(intent(2, price=2 * NANO)), {0: ROW, 1: ROW}, billed=2)
    (line,) = accounts(journal)
    assert (line.asked, line.answered, line.billed, line.unsettled, line.failed) == (5, 2, 5, 3, 0)
    assert line.usd == 10.0
    assert faults(journal) == []


def test_settling_gives_back_what_was_not_billed(journal):
    journal.settle(
        journal.reserve(intent(4, price=3)), {1: ROW, 3: ROW}, billed=3, words="one of them failed"
    )
    (line,) = accounts(journal)
    assert (line.asked, line.answered, line.billed, line.unsettled, line.failed) == (4, 2, 3, 0, 1)
    assert journal.billed("a", "fit") == Amount(3, 9)
    assert journal.billed("a", "predict") == journal.billed("nobody", "fit") == Amount(0, 0)
    assert faults(journal) == []


def test_settling_gives_back_what_was_reserved_for_the_worst_case(journal):
    send = journal.reserve(intent(4, price=90))
    assert journal.billed("a", "fit") == Amount(4, 360)
    journal.settle(send, {0: ROW}, billed=3, nano_usd_each=20)
    assert journal.billed("a", "fit") == Amount(3, 60)
    assert faults(journal) == []


def test_each_kind_of_question_has_its_own_budget(journal):
    journal.reserve(intent(5, queries=5))
    journal.reserve(intent(5, kind="predict", queries=5))
    journal.reserve(intent(5, account="b", queries=5))
    for kind in ("fit", "predict"):
        with pytest.raises(BudgetExhausted, match="billed for 5 of 5"):
            journal.reserve(intent(1, kind=kind, queries=5))
    assert [(line.name, line.kind) for line in accounts(journal)] == [
        ("a", "fit"), ("a", "predict"), ("b", "fit")
    ]  # fmt: skip


def test_a_refused_intent_leaves_nothing_behind(journal):
    journal.reserve(intent(2, queries=2))
    for over in (intent(1, queries=2), intent(3, account="new", queries=2)):
        with pytest.raises(BudgetExhausted):
            journal.reserve(over)
    assert elsewhere(journal, "SELECT count(*) FROM send") == [(1,)]
    assert elsewhere(journal, "SELECT count(*) FROM question") == [(2,)]
    assert [line.name for line in accounts(journal)] == ["a"]


@pytest.mark.parametrize(
    ("price", "cap", "allowed"),
    [(0.1, 0.3, 3), (0.1, 0.7, 7), (0.002, 0.02, 10), (0.0012, 0.012, 10), (0.3, 0.9, 3)],
)
def test_a_cap_in_dollars_is_exact(journal, price, cap, allowed):
    nano = round(price * NANO)
    for _ in range(allowed):
        journal.reserve(intent(price=nano, nano=round(cap * NANO)))
    with pytest.raises(BudgetExhausted, match=re.escape(f"{dollars(cap)} of {dollars(cap)}")):
        journal.reserve(intent(price=nano, nano=round(cap * NANO)))
    assert journal.billed("a", "fit") == Amount(allowed, round(cap * NANO))


def test_a_price_that_changes_is_charged_as_it_was(journal):
    journal.reserve(intent(2, price=100_000_000))
    last = journal.reserve(intent(1, price=200_000_000))
    assert accounts(journal)[0].usd == 0.4  # 0.1 + 0.1 + 0.2 in binary is no 0.4 in every order
    journal.settle(last, {}, billed=0)
    assert accounts(journal)[0].usd == 0.2
    assert faults(journal) == []


@settings(max_examples=40, deadline=None)
@given(
    cap=st.integers(1, 30),
    sends=st.lists(st.tuples(st.integers(1, 8), st.integers(0, 8), st.booleans()), max_size=12),
)
def test_no_order_of_sends_exceeds_a_cap(tmp_path_factory, cap, sends):
    billed = 0
    with Journal(tmp_path_factory.mktemp("caps") / "journal.sqlite") as journal:
        journal._store.open().execute("PRAGMA synchronous=OFF")
        for n, brought, ends in sends:
            try:
                send = journal.reserve(intent(n, price=5, queries=cap))
            except BudgetExhausted:
                assert billed + n > cap
                continue
            billed += n
            assert billed <= cap
            if ends:
                journal.settle(send, {}, billed=min(n, brought))
                billed -= n - min(n, brought)
        assert journal.billed("a", "fit") == Amount(billed, 5 * billed)
        assert faults(journal) == []


# --- answers --------------------------------------------------------------------------------------


def test_the_first_answer_to_a_question_is_the_one_that_is_remembered(journal):
    key, other = os.urandom(32), os.urandom(32)
    later = packed(np.array([1, 0], dtype=np.float32))
    first, second = journal.reserve(intent(key=key)), journal.reserve(intent(key=key))
    assert journal.answers([key]) == {}
    journal.settle(second, {0: later}, billed=1)
    assert journal.answers([key, other]) == {key: later}
    journal.settle(first, {0: ROW}, billed=1)  # asked first, answered last
    assert journal.answers([other, key, key]) == {key: ROW}


def test_answers_go_to_the_questions_they_answer(journal):
    asked = intent(3)
    rows = [packed(np.array([k, 1], dtype=np.float32)) for k in range(3)]
    journal.settle(journal.reserve(asked), {2: rows[2], 0: rows[0]}, billed=3)
    assert journal.answers(asked.keys) == {asked.keys[0]: rows[0], asked.keys[2]: rows[2]}


def test_questions_are_listed_with_their_sends(journal):
    asked = intent(2, account="team")
    journal.settle(journal.reserve(asked), {1: ROW}, billed=2, words="half of it")
    journal.reserve(intent(kind="predict"))
    lost, answered, open_ = questions(journal)
    assert (lost["scores"], answered["scores"], open_["scores"]) == (None, [0.25, 0.75], None)
    assert (lost["key"], answered["key"]) == tuple(key.hex() for key in asked.keys)
    assert [one["question"] for one in (lost, answered, open_)] == [1, 2, 3]
    assert [one["send"] for one in (lost, answered, open_)] == [1, 1, 2]
    assert (lost["account"], lost["kind"], lost["purpose"]) == ("team", "fit", "map")
    assert (open_["kind"], open_["purpose"], open_["box"]) == ("predict", "predict", "box")
    assert lost["words"] == "half of it"
    assert lost["asked_at"] <= lost["ended_at"]
    assert lost["asked_at"].endswith("+00:00")
    assert (open_["words"], open_["ended_at"]) == (None, None)


def test_a_long_journal_is_listed_whole_and_in_order(journal):
    for n in (999, 1, 1, 1200):
        journal.reserve(intent(n))
    assert [one["question"] for one in questions(journal)] == list(range(1, 2202))


@pytest.mark.slow
@pytest.mark.parametrize(
    "read",
    [
        lambda journal: sum(1 for _ in each_fault(journal)),
        pytest.param(
            lambda journal: sum(1 for row in questions(journal) if row["scores"] is not None),
            marks=pytest.mark.long,
        ),
        lambda journal: len(accounts(journal)),
    ],
    ids=["verify", "export", "show"],
)
def test_a_journal_may_be_larger_than_memory(filed, read):
    """40 MB of answers, every other of them damaged, are read in a few."""
    wide = packed(np.random.default_rng(0).random(5000, dtype=np.float32))
    for _ in range(4):
        filed.settle(filed.reserve(intent(1000)), dict.fromkeys(range(1000), wide), billed=1000)
    tamper(filed, "UPDATE answer SET checksum = x'00' WHERE question % 2")
    assert filed.path.stat().st_size > 3e7
    tracemalloc.start()
    try:
        assert read(filed) in {1, 2000}
        assert tracemalloc.get_traced_memory()[1] < 3e6
    finally:
        tracemalloc.stop()


# --- several at once ------------------------------------------------------------------------------


def hammer(work, threads=8):
    """Let threads do ``work`` at once and return what they brought; none of them may fail."""
    start, found, failed = threading.Barrier(threads), [], []

    def run(k):
        start.wait()
        try:
            found.append(work(k))
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            failed.append(error)

    running = [threading.Thread(target=run, args=(k,)) for k in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert failed == []
    return found


@pytest.mark.parametrize("files", [1, 2])
def test_eight_threads_share_a_cap(tmp_path, files):
    journals = [Journal(tmp_path / "journal.sqlite") for _ in range(files)]
    for journal in journals:
        journal._store.open().execute("PRAGMA synchronous=OFF")

    def reserve(k):
        granted = 0
        for i in range(50):
            journal = journals[k % files]
            n = 1 + (i + k) % 3
            try:
                send = journal.reserve(intent(n, price=3, queries=500))
            except BudgetExhausted:
                continue
            granted += n
            if i % 2:
                journal.settle(send, {0: ROW}, billed=n - 1)
                granted -= 1
        return granted

    granted = sum(hammer(reserve))
    journal = journals[0]
    assert journal.billed("a", "fit") == Amount(granted, 3 * granted)
    assert 500 - 3 < granted <= 500
    (line,) = accounts(journal)
    assert line.billed == granted
    assert line.answered == elsewhere(journal, "SELECT count(*) FROM answer")[0][0]
    assert faults(journal) == []
    for one in journals:
        one.close()


def test_a_refused_job_does_not_undo_those_it_is_written_with(journal):
    """Held back until all have queued, 8 intents are one transaction; the cap is for 5 of them."""
    commits = []
    refused = []
    write = journal._store.write
    journal._store.write = lambda work: (commits.append(True), write(work))

    def reserve(k):
        try:
            return journal.reserve(intent(queries=5))
        except BudgetExhausted as error:
            refused.append(error)
            return None

    with journal._lock:
        threads = [threading.Thread(target=reserve, args=(k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        while len(journal._waiting) < 8:
            pass
    for thread in threads:
        thread.join()
    assert sum(commits) == 1
    assert len(refused) == 3
    assert journal.billed("a", "fit") == Amount(5, 0)
    assert elsewhere(journal, "SELECT count(*) FROM question") == [(5,)]
    assert faults(journal) == []


def test_two_journals_on_one_file_see_each_other(journal):
    with Journal(journal.path) as other:
        asked = intent(queries=1)
        journal.settle(journal.reserve(asked), {0: ROW}, billed=1)
        assert other.answers(asked.keys) == {asked.keys[0]: ROW}
        with pytest.raises(BudgetExhausted):
            other.reserve(intent(queries=1))


def test_a_new_journal_that_another_is_making_is_waited_for(tmp_path):
    """SQLite itself does not: it gives up at once where two change a file to keep a log."""
    path = tmp_path / "new.sqlite"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    done = threading.Timer(0.2, other.execute, ["ROLLBACK"])
    done.start()
    with Journal(path) as journal:
        assert journal.rows("PRAGMA journal_mode") == [("wal",)]
    done.join()
    other.close()


def test_a_new_journal_that_another_holds_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("rebox.meter.journal_file.LOCKED_S", 0.1)
    path = tmp_path / "new.sqlite"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalError, match="held by another program"):
        Journal(path)
    other.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_opens_the_file_for_itself(journal):
    journal.reserve(intent(2))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            journal.reserve(intent(3))
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    journal.reserve(intent(4))
    assert journal.billed("a", "fit") == Amount(9, 0)
    processes = elsewhere(journal, "SELECT process FROM send ORDER BY id")
    assert processes == [(os.getpid(),), (child,), (os.getpid(),)]
    assert faults(journal) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_loses_nothing_when_its_parent_closes_the_file(journal):
    """SQLite would leave the child with locks it does not hold, and a log that is deleted."""
    journal.reserve(intent(2))
    (charged, tell_charged), (closed, tell_closed) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            journal.reserve(intent(3))
            os.write(tell_charged, b"!")
            os.read(closed, 1)
            journal.reserve(intent(4))
            code = 0
        finally:
            os._exit(code)
    os.read(charged, 1)
    journal.close()
    with Journal(journal.path) as another:
        os.write(tell_closed, b"!")
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert another.billed("a", "fit") == Amount(9, 0)
        assert faults(another) == []
    assert journal.billed("a", "fit") == Amount(9, 0)
    for end in (charged, tell_charged, closed, tell_closed):
        os.close(end)


# --- the file -------------------------------------------------------------------------------------


def test_the_folder_is_made(tmp_path):
    with Journal(tmp_path / "a" / "b" / "journal.sqlite") as journal:
        journal.reserve(intent())
    assert journal.path.is_file()


def test_a_journal_goes_on_where_it_ended(journal):
    journal.reserve(intent(2))
    journal.close()
    journal.close()
    journal.reserve(intent(3))  # opened again
    with Journal(journal.path) as other:
        assert other.billed("a", "fit") == Amount(5, 0)


def test_a_pickled_journal_opens_the_same_file(journal):
    journal.reserve(intent(2))
    with pickle.loads(pickle.dumps(journal)) as twin:  # noqa: S301 - our own bytes
        twin.reserve(intent(3))
    assert journal.billed("a", "fit") == Amount(5, 0)


def test_a_journal_that_is_let_go_closes_its_file(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite")
    connection = journal._store.open()
    del journal
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_its_repr_shows_no_folder(filed):
    assert repr(filed) == "<Journal journal.sqlite>"


def test_a_file_that_is_no_database_is_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("a list of things to buy\n" * 400)
    before = path.read_bytes()
    with pytest.raises(JournalError, match="no journal of rebox"):
        Journal(path)
    assert path.read_bytes() == before


def test_a_database_of_something_else_is_left_alone(tmp_path):
    path = tmp_path / "other.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE shopping (what TEXT)")
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match="something else"):
        Journal(path)
    connection = sqlite3.connect(path)
    tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    connection.close()
    assert tables == [("shopping",)]


def test_a_journal_of_a_newer_rebox_is_left_alone(filed):
    tamper(filed, f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    with pytest.raises(JournalError, match="newer rebox"):
        Journal(filed.path)


@pytest.fixture
def old(tmp_path):
    """A journal as the first version of its tables left it, with a send in it."""
    path = tmp_path / "old.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(MIGRATIONS[0])
    connection.executescript(
        """
        INSERT INTO account VALUES (1, 'a', 'fit', 1, 5);
        INSERT INTO box (identity) VALUES ('box');
        INSERT INTO send VALUES (1, 1, 1, 'map', 1, 5, 1, 1.0, 2.0, 1, NULL);
        INSERT INTO question VALUES (1, 1, x'00');
        PRAGMA user_version=1;
        """
    )
    connection.close()
    return path


def test_an_old_journal_is_read_as_it_is_and_brought_up_to_date_when_written(old):
    before = old.read_bytes()
    with Journal(old, writable=False) as journal:
        assert accounts(journal)[0].billed == 1
        assert faults(journal) == []
        assert [row["purpose"] for row in questions(journal)] == ["map"]
    assert old.read_bytes() == before
    with Journal(old) as journal:
        journal.reserve(intent(2, fit="mine"))
        assert journal.billed("a", "fit") == Amount(3, 5)
        assert journal.billed_to_others("a", "fit", "mine") == Amount(1, 5)  # of no fit
        assert faults(journal) == []


def test_what_others_were_billed_is_the_account_without_ones_own(journal):
    journal.settle(journal.reserve(intent(3, price=2, fit="x")), {}, billed=1)
    journal.reserve(intent(5, price=3, fit="y"))
    journal.reserve(intent(7, price=1, fit="y", kind="predict"))
    journal.reserve(intent(9, price=1, fit="y", account="b"))
    assert journal.billed_to_others("a", "fit", "x") == Amount(5, 15)
    assert journal.billed_to_others("a", "fit", "y") == Amount(1, 2)
    assert journal.billed_to_others("a", "fit", "z") == Amount(6, 17)
    assert journal.billed_to_others("nobody", "fit", "z") == Amount(0, 0)


# --- journals that are only read ------------------------------------------------------------------


def read(path):
    with Journal(path, writable=False) as journal:
        return accounts(journal)[0].billed, faults(journal), len(list(questions(journal)))


def test_a_journal_that_may_not_be_written_is_read(unprivileged):
    path = unprivileged.folder / "journal.sqlite"
    with Journal(path) as journal:
        journal.settle(journal.reserve(intent(3)), {0: ROW}, billed=3)
    with unprivileged.reading_only():
        assert read(path) == (3, [], 3)
        with pytest.raises(JournalError, match=r"cannot be written.* make the file and its"):
            Journal(path)


def test_a_journal_is_read_while_another_process_writes_it(unprivileged):
    path = unprivileged.folder / "journal.sqlite"
    with Journal(path) as journal:
        journal.reserve(intent(3))
        with unprivileged.reading_only():
            assert read(path) == (3, [], 3)


def files_of(folder):
    """Return every file in a folder, with its bytes and when they were written."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in paths}


def left_by(journal, folder, *ends):
    """Put a journal as a process that was killed leaves it into ``folder``."""
    journal.settle(journal.reserve(intent(3)), {0: ROW}, billed=3)
    for end in ends:
        name = f"journal.sqlite{end}"
        (folder / name).write_bytes(journal.path.with_name(name).read_bytes())
    return folder / "journal.sqlite"


@pytest.mark.parametrize("ends", [("", "-wal", "-shm"), ("", "-wal")], ids=["killed", "copied"])
@pytest.mark.parametrize("writable", [True, False])
def test_what_a_killed_process_left_is_read_and_stays_as_it_is(
    unprivileged, tmp_path, ends, writable
):
    with Journal(tmp_path / "journal.sqlite") as journal:
        path = left_by(journal, unprivileged.folder, *ends)
    before = files_of(unprivileged.folder)
    with contextlib.nullcontext() if writable else unprivileged.reading_only():
        assert read(path) == (3, [], 3)
    assert files_of(unprivileged.folder) == before


def test_a_journal_that_was_closed_is_read_and_stays_as_it_is(filed):
    filed.settle(filed.reserve(intent(3)), {0: ROW}, billed=3)
    filed.close()
    before = files_of(filed.path.parent)
    assert read(filed.path) == (3, [], 3)
    assert files_of(filed.path.parent) == before


def test_a_journal_that_is_being_written_is_read_and_stays_as_it_is(filed):
    filed.reserve(intent(3))
    index = f"{filed.path.name}-shm"  # in one process SQLite has one, and notes its readers there
    before = files_of(filed.path.parent)
    with Journal(filed.path, writable=False) as reading:
        assert accounts(reading)[0].billed == 3
        after = files_of(filed.path.parent)
        assert before.pop(index) is not None
        assert after.pop(index) is not None
        assert after == before
        filed.reserve(intent(2))
        assert accounts(reading)[0].billed == 5


def test_what_is_opened_to_read_is_not_written(journal):
    journal.reserve(intent(2))
    with Journal(journal.path, writable=False) as reading:
        with pytest.raises(JournalError, match=r"folder writable|schema made writable"):
            reading.reserve(intent(1))
        assert reading.billed("a", "fit") == Amount(2, 0)


@pytest.mark.parametrize("content", [b"", b"no journal" * 500])
def test_a_file_that_is_no_journal_is_not_read_as_one(tmp_path, content):
    file = tmp_path / "x.sqlite"
    file.write_bytes(content)
    with pytest.raises(JournalError, match="is no journal of rebox"):
        Journal(file, writable=False)
    assert file.read_bytes() == content
    with pytest.raises(JournalError):
        Journal(tmp_path / "nowhere.sqlite", writable=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.sqlite"]


def test_a_folder_is_no_journal(tmp_path):
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path)


def test_a_place_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path / "file" / "journal.sqlite")


def test_the_default_place_is_named_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("REBOX_JOURNAL", str(tmp_path / "mine.sqlite"))
    assert default_path() == tmp_path / "mine.sqlite"
    for unset in ("", None):
        if unset is None:
            monkeypatch.delenv("REBOX_JOURNAL")
        else:
            monkeypatch.setenv("REBOX_JOURNAL", unset)
        assert (default_path().parent.name, default_path().name) == ("rebox", "journal.sqlite")


# --- the audit ------------------------------------------------------------------------------------


@pytest.fixture
def kept(journal):
    """A journal with two accounts, two sends and three answers."""
    journal.settle(journal.reserve(intent(3, price=5)), {0: ROW, 1: ROW}, billed=3)
    journal.settle(journal.reserve(intent(account="b", price=7)), {0: ROW}, billed=1)
    assert faults(journal) == []
    return journal


TAMPERED = {
    "UPDATE account SET queries=2 WHERE name='a'": r"the account a \(fit\) says 2 .* sends 3",
    "UPDATE account SET nano_usd=0 WHERE name='b'": r"the account b \(fit\) says 1 .*\$0\.0000",
    "UPDATE send SET billed=1 WHERE id=1": r"the account a \(fit\) says 3 .* sends 1",
    "UPDATE send SET nano_usd_each=1 WHERE id=2": r"the account b",
    "DELETE FROM question WHERE id=3": "send 1 was of 3 images, and has 2 questions",
    "INSERT INTO question (send, key) VALUES (2, x'00')": "send 2 was of 1 images, and has 2",
    "UPDATE answer SET scores=x'0102' WHERE question=4": "the answer to question 4 is damaged",
    "UPDATE answer SET scores=substr(scores, 1, 9) WHERE question=1": "question 1 is damaged",
    "UPDATE answer SET scores=zeroblob(length(scores)) WHERE question=2": "question 2 is damaged",
}


@pytest.mark.parametrize("statement", TAMPERED)
def test_an_audit_finds_what_was_tampered_with(kept, statement):
    tamper(kept, statement)
    (found,) = faults(kept)
    assert re.search(TAMPERED[statement], found)


@pytest.mark.parametrize("content", ["x'0102'", "substr(scores, 1, 9)", "'text'", "7"])
def test_a_damaged_answer_is_listed_without_scores(kept, content):
    if is_server(kept.path) and content == "7":
        pytest.skip("a server's column of bytes takes no number")
    tamper(kept, f"UPDATE answer SET scores={content} WHERE question=2")  # noqa: S608 - ours
    listed = [(row["question"], row["damaged"], row["scores"]) for row in questions(kept)]
    assert listed == [
        (1, False, [0.25, 0.75]),
        (2, True, None),
        (3, False, None),  # was not answered
        (4, False, [0.25, 0.75]),
    ]
    assert faults(kept) == ["the answer to question 2 is damaged."]


def test_a_deleted_send_is_found_by_its_account(kept):
    if is_server(kept.path):  # which keeps a send that has questions
        tamper(kept, "ALTER TABLE question DROP CONSTRAINT question_send_fkey")
    tamper(kept, "DELETE FROM send WHERE id=2")
    if is_server(kept.path):  # whoever had it open takes it for one of before
        with pytest.raises(JournalError, match="put back to how it was before"):
            faults(kept)
    with Journal(kept.path) as opened:
        assert [line for line in faults(opened) if "the account b (fit) says 1 queries" in line]


def test_a_damaged_file_is_found(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as journal:
        for _ in range(30):
            asked = intent(20)
            journal.settle(journal.reserve(asked), dict.fromkeys(range(20), ROW), billed=20)
    content = bytearray(journal.path.read_bytes())
    for place in range(len(content) // 3, len(content) - 4000, 4000):
        content[place : place + 64] = os.urandom(64)
    journal.path.write_bytes(bytes(content))
    with Journal(journal.path) as damaged:
        try:
            found = faults(damaged)
        except JournalError as error:  # too damaged to be read to its end
            found = [str(error)]
        assert found


# --- every bit of an answer -----------------------------------------------------------------------


def answered(path, classes=8):
    """Return a closed journal with one answer."""
    row = np.random.default_rng(0).dirichlet(np.ones(classes)).astype(np.float32)
    with Journal(path) as journal:
        asked = intent(key=b"k" * 32)
        journal.settle(journal.reserve(asked), {0: packed(row)}, billed=1)
    return journal


@pytest.mark.parametrize("column", ["scores", "checksum", "key"])
def test_every_bit_that_flips_in_an_answer_is_found(tmp_path, column):
    path = tmp_path / "journal.sqlite"
    journal = answered(path)
    table = "question" if column == "key" else "answer"
    ((content,),) = elsewhere(journal, f"SELECT {column} FROM {table}")  # noqa: S608 - ours
    with Journal(path) as opened:
        for place in range(8 * len(content)):
            flipped = bytearray(content)
            flipped[place // 8] ^= 1 << place % 8
            tamper(journal, f"UPDATE {table} SET {column} = x'{flipped.hex()}'")  # noqa: S608 - ours
            assert faults(opened) == ["the answer to question 1 is damaged."], place
            if column != "key":  # another key is another question
                with pytest.raises(JournalError, match=r"an answer in the .* is damaged"):
                    opened.answers([b"k" * 32])
        tamper(journal, f"UPDATE {table} SET {column} = x'{content.hex()}'")  # noqa: S608 - ours
        assert faults(opened) == []


def test_a_checksum_that_is_gone_is_found(tmp_path):
    journal = answered(tmp_path / "journal.sqlite")
    tamper(journal, "UPDATE answer SET checksum = NULL")
    assert faults(journal) == ["the answer to question 1 is damaged."]


def test_answers_of_an_old_journal_are_read_and_get_checksums_when_it_is_written(old):
    connection = sqlite3.connect(old)
    connection.execute("INSERT INTO answer VALUES (1, ?)", (ROW,))
    connection.commit()
    connection.close()
    with Journal(old, writable=False) as journal:
        assert faults(journal) == []
        assert next(questions(journal))["scores"] == [0.25, 0.75]
    with Journal(old) as journal:
        assert faults(journal) == []
        assert journal.answers([b"\0"]) == {b"\0": ROW}
        tamper(journal, "UPDATE answer SET scores = x'00'")
        assert len(faults(journal)) == 1


# --- a journal that is not where it was -----------------------------------------------------------


def replaced(path):
    other = path.with_name("other.sqlite")
    with Journal(other) as journal:
        journal.reserve(intent())
    other.replace(path)


def emptied(path):
    path.write_bytes(b"")


def another(path, sends=1, table=True):
    """Return the bytes of another database, longer than a journal that has just begun."""
    other = path.with_name("other.sqlite")
    if table:
        with Journal(other) as journal:
            for _ in range(sends):
                journal.reserve(intent(50))
    else:
        connection = sqlite3.connect(other)
        connection.execute("CREATE TABLE notes AS SELECT randomblob(1000000) AS words")
        connection.commit()
        connection.close()
    content = other.read_bytes()
    other.unlink()
    return content


def overwrite(path, content):
    """Put ``content`` into the file that is there: it stays the same file."""
    with path.open("r+b") as file:
        file.write(content)
        file.truncate(max(len(content), path.stat().st_size))


def overwritten(path):
    overwrite(path, another(path, sends=99))


def overwritten_by_a_shorter_one(path):
    overwrite(path, another(path))


def overwritten_by_something_else(path):
    overwrite(path, another(path, table=False))


def overwritten_by_noise(path):
    overwrite(path, np.random.default_rng(0).bytes(10**6))


def with_its_log_cut(path):
    log = path.with_name(f"{path.name}-wal")
    with log.open("r+b") as file:
        file.truncate(log.stat().st_size // 2)


def without_log(path):
    path.with_name(f"{path.name}-wal").unlink()


GONE = {
    "deleted": lambda path: path.unlink(),
    "moved": lambda path: path.rename(path.with_name("elsewhere.sqlite")),
    "its folder moved": lambda path: path.parent.rename(path.parent.with_name("elsewhere")),
    "replaced": replaced,
    "emptied": emptied,
    "its log deleted": without_log,
    "its log cut": with_its_log_cut,
    "its log's index deleted": lambda path: path.with_name(f"{path.name}-shm").unlink(),
    "overwritten": overwritten,
    "overwritten by a shorter one": overwritten_by_a_shorter_one,
    "overwritten by something else": overwritten_by_something_else,
    "overwritten by noise": overwritten_by_noise,
}
LOGS = ("its log deleted", "its log cut", "its log's index deleted")


@pytest.mark.skipif(os.name == "nt", reason="files that are open cannot be moved there")
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("how", GONE)
def test_nothing_is_charged_to_a_journal_that_is_not_where_it_was(tmp_path, how, closed):
    path = tmp_path / "here" / "journal.sqlite"
    with Journal(path) as journal:
        send = journal.reserve(intent())
        if closed and how not in LOGS:  # it goes when the last connection does
            journal.close()
        GONE[how](path)
        for _ in range(2):
            with pytest.raises(
                JournalError, match=r"deleted, moved, replaced or overwritten while .* put it back"
            ):
                journal.reserve(intent())
        if how == "moved" and not closed:  # what is under way is still written down
            journal.settle(send, {0: ROW}, billed=1)
            path.with_name("elsewhere.sqlite").rename(path)
            journal.reserve(intent())
            assert journal.billed("a", "fit").queries == 2
    if how in ("deleted", "moved") and closed:
        assert not path.exists()


def brought_in_but_for(path, kept):
    """Bring half of its log into a journal, as a process that is killed at it does.

    SQLite brings it into a copy; of what comes of it, pages are written into the journal itself
    unless their number is among ``kept``.
    """
    whole = path.with_name("copy.sqlite")
    for end in ("", "-wal"):
        shutil.copy(path.with_name(path.name + end), whole.with_name(whole.name + end))
    with contextlib.closing(sqlite3.connect(whole)) as copy:
        copy.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = copy.execute("PRAGMA page_size").fetchone()
    content = whole.read_bytes()
    with path.open("r+b") as file:
        for number in range(1, len(content) // size + 1):
            if number not in kept:
                file.seek((number - 1) * size)
                file.write(content[(number - 1) * size : number * size])


@pytest.mark.skipif(os.name == "nt", reason="a file that is open cannot be written to there")
def test_a_journal_into_which_half_of_its_log_was_brought_is_where_it_was(tmp_path, monkeypatch):
    """Whoever does so may be killed at it; its log has what is missing."""
    monkeypatch.setattr("rebox.meter.place.PATIENCE_S", 0.2)
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        for sends in (400, 100):  # the log is brought in when it is closed, or has a thousand pages
            journal.close()
            for _ in range(sends):
                journal.reserve(intent())
        with contextlib.closing(sqlite3.connect(path)) as other:
            pages = "SELECT rootpage FROM sqlite_master WHERE name = 'send'"
            ((root,),) = other.execute(pages).fetchall()
        before = Mark.of(path)
        assert before.sends == 400
        brought_in_but_for(path, kept=set(range(1, root)) | set(range(root + 1, 10_000)))
        torn = Mark.of(path)
        assert torn.number == before.number
        assert torn.sends is None  # pages that are not there yet
        journal.reserve(intent())
        assert journal.billed("a", "fit").queries == 501
    with Journal(path) as journal:
        assert not list(faults(journal))
        assert journal.billed("a", "fit").queries == 501


def test_a_journal_that_others_use_too_is_where_it_was(tmp_path):
    path = tmp_path / "journal.sqlite"
    with Journal(path) as journal:
        for _ in range(3):
            journal.reserve(intent())
            with Journal(path) as other:
                other.reserve(intent(50))
            journal.close()
        assert journal.billed("a", "fit").queries == 153
