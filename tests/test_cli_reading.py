"""Commands that only read leave what they read as it is: bytes, times, and what lies beside it."""

import json

import pytest
from test_artefact_formats import MODELS
from test_meter_journal import ROW, files_of, intent, left_by, old
from typer.testing import CliRunner

from rebox.cli.app import app
from rebox.meter import Journal

__all__ = ["old"]  # a fixture

JOURNAL_COMMANDS = [
    ("journal", "show"),
    ("journal", "export"),
    ("journal", "verify"),
]


def invoke(*arguments):
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def killed(tmp_path):
    """The journal of a process that was killed, in a folder of its own."""
    (tmp_path / "there").mkdir()
    with Journal(tmp_path / "journal.sqlite") as journal:
        return left_by(journal, tmp_path / "there", "", "-wal", "-shm")


@pytest.fixture
def closed(tmp_path):
    (tmp_path / "there").mkdir()
    with Journal(tmp_path / "there" / "j.sqlite") as journal:
        journal.settle(journal.reserve(intent(3)), {0: ROW}, billed=3)
    return journal.path


@pytest.fixture
def ledger(tmp_path):
    from ledgers import row

    path = tmp_path / "ledger.jsonl"
    path.write_text(json.dumps(row()) + "\n")
    return path


@pytest.mark.parametrize("command", JOURNAL_COMMANDS, ids=" ".join)
@pytest.mark.parametrize("state", ["killed", "closed", "old"])
def test_a_journal_stays_as_it_is(request, state, command):
    path = request.getfixturevalue(state)
    before = files_of(path.parent)
    assert invoke(*command, path)
    assert files_of(path.parent) == before


@pytest.mark.parametrize("command", JOURNAL_COMMANDS, ids=" ".join)
@pytest.mark.parametrize("ends", [("",), ("", "-wal"), ("", "-wal", "-shm")], ids=len)
def test_a_journal_in_a_folder_that_may_not_be_written_is_read(
    unprivileged, tmp_path, command, ends
):
    with Journal(tmp_path / "journal.sqlite") as journal:
        path = left_by(journal, unprivileged.folder, *ends)
        if ends == ("",):
            journal.close()
            path.write_bytes(journal.path.read_bytes())
    before = files_of(unprivileged.folder)
    with unprivileged.reading_only():
        assert invoke(*command, path)
    assert files_of(unprivileged.folder) == before


@pytest.mark.slow
@pytest.mark.parametrize("state", ["killed", "closed", "old"])
def test_a_report_leaves_ledger_and_journal_as_they_are(request, tmp_path, ledger, state):
    path = request.getfixturevalue(state)
    before = files_of(path.parent), files_of(ledger.parent)[ledger.name]
    invoke("report", ledger, "--journal", path, "--out", tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size
    (tmp_path / "page.html").unlink()
    assert files_of(path.parent) == before[0]
    assert files_of(ledger.parent)[ledger.name] == before[1]


def test_a_table_leaves_its_ledger_as_it_is(ledger):
    before = files_of(ledger.parent)
    assert "abide" in invoke("bench", "table", ledger)
    assert files_of(ledger.parent) == before


@pytest.mark.parametrize("stored", ["format-1/rows-map", "format-2/grey-auto", "format-2/rows-map"])
def test_a_model_is_shown_and_stays_as_it_is(tmp_path, monkeypatch, stored):
    (tmp_path / "m.rebox").write_bytes((MODELS / f"{stored}.rebox").read_bytes())
    monkeypatch.setattr("rebox.box.registry.open_box", None)  # nobody opens it
    before = files_of(tmp_path)
    assert "rehearsal:" in invoke("show", tmp_path / "m.rebox")
    assert files_of(tmp_path) == before


def test_an_estimate_asks_nobody_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = ("--box", "clarifai:moderation-recognition", "--data", "synthetic:.", "--budget", 50)
    assert "$0.06" in invoke("estimate", *given)
    assert files_of(tmp_path) == {}
