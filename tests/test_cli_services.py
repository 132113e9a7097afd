"""The command line before services: money, receipts, journals, canaries, and a rehearsal to try it.

The services are rehearsals of our own; nobody is paid.
"""

import io
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
import warnings

import numpy as np
import pytest
from PIL import Image
from stub_transport import Stub, says
from typer.testing import CliRunner

from rebox.box import BlackBox, open_box
from rebox.box.rehearsal import RehearsalBox
from rebox.cli import main
from rebox.cli.app import app, out
from rebox.meter import Journal, accounts, questions
from rebox.rehearsal import Limits, Rehearsal, read_faults

pytestmark = pytest.mark.slow

SIDE = 16
CLASSES = ("car", "stop", "tree", "yield")


class Behind(BlackBox):
    """A model that its owner may exchange."""

    def __init__(self):
        self.now = RehearsalBox(classes=4, size=SIDE, pixels="uint8", seed=1)
        self.spec = self.now.spec

    def answer(self, images):
        return self.now.answer(images)


@pytest.fixture
def behind():
    return Behind()


@pytest.fixture
def service(behind):
    limits = Limits(batch_size=1, price_usd=0.002)
    with Rehearsal("azure-custom-vision", behind, classes=CLASSES, limits=limits) as rehearsal:
        yield rehearsal


@pytest.fixture
def data(tmp_path):
    """Two classes of 12 images, told apart by their brightness."""
    rng = np.random.default_rng(0)
    for name, level in (("dark", 60), ("light", 160)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(12):
            pixels = np.clip(rng.normal(level, 40, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i}.png")
    return tmp_path / "data"


@pytest.fixture
def rebox(monkeypatch, capsys):
    """Run the command line as a user does, but in this process; return exit code and output."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # main() sets its own
    monkeypatch.setattr(out, "width", 200)

    def run(*arguments, fails=0):
        monkeypatch.setattr(sys, "argv", ["rebox", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert (ended.value.code or 0) == fails, said
        return said.err if fails == 2 else said.out

    return run


@pytest.fixture
def fit(rebox, service, data, tmp_path):
    def run(*more, price_usd=0.002, fails=0, budget=20):
        given = ("--data", data, "--out", tmp_path / "m.rebox", "--force", "--budget", budget)
        return rebox("fit", "--box", uri_of(service, price_usd), *given, *more, fails=fails)

    return run


def uri_of(service, price_usd=0.002):
    return f"{service.uri}&size={SIDE}&in_flight=3&per_second=10000&price_usd={price_usd}"


# --- receipts and journals ------------------------------------------------------------------------


@pytest.mark.filterwarnings("default:canaries=2 were wanted")  # the budget has no room for them
def test_a_receipt_says_what_was_asked_billed_and_answered_by_the_journal(fit, service, tmp_path):
    journal = ("--journal", tmp_path / "j.sqlite", "--recipe", "map", "--canaries", 2)
    first = fit(*journal, "--json", tmp_path / "first.json")
    again = fit(*journal, "--json", tmp_path / "again.json")
    assert "asked 20 queries (20 to map), $0.0400\n" in first
    assert "asked 20 queries (20 to map), $0.00: 0 billed, 20 answered by the journal\n" in again
    assert service.bill.queries == 20
    records = [json.loads((tmp_path / f"{name}.json").read_text()) for name in ("first", "again")]
    assert [record["usd"] for record in records] == [0.04, 0.0]
    assert [record["queries"]["map"] for record in records] == [20, 20]

    more = fit(*journal, budget=24)  # the account is that of the fit before
    assert "(24 to map), $0.0080: 4 billed, 20 answered by the journal" in more
    with Journal(tmp_path / "j.sqlite") as opened:
        (line,) = accounts(opened)
    assert (line.billed, line.answered) == (24, 24)


def test_a_free_rehearsal_is_journalled_only_where_that_is_asked_for(fit, service, tmp_path):
    for journal in ((), ("--journal", "none")):
        before = service.bill.queries
        assert "20 queries" in fit("--recipe", "map", *journal)
        assert service.bill.queries == before + 20
    assert not (tmp_path / "default-journal.sqlite").exists()


def test_predictions_are_not_paid_for_twice(fit, rebox, service, data, tmp_path):
    fit("--recipe", "map")
    given = ("predict", tmp_path / "m.rebox", data, "--out", tmp_path / "p.csv")
    journal = ("--journal", tmp_path / "j.sqlite")
    assert "asked 24 queries (24 to predict), $0.0480\n" in rebox(*given, *journal)
    first = (tmp_path / "p.csv").read_bytes()
    assert "$0.00: 0 billed, 24 answered by the journal" in rebox(*given, *journal)
    assert (tmp_path / "p.csv").read_bytes() == first
    assert service.bill.queries == 44
    assert "$0.0480" in rebox(*given, "--journal", "none")
    assert service.bill.queries == 68


def test_accounts_are_shared_by_those_that_name_them(fit, service, tmp_path):
    given = ("--journal", tmp_path / "j.sqlite", "--account", "team", "--recipe", "map")
    fit(*given)
    said = fit(*given, "--seed", 5, budget=20, fails=2)
    assert "the account 'team' has been billed for 20 of 20 queries by other fits" in said
    # another one plans with what is left, and the first is answered by the journal as ever
    assert "asked 3 queries (3 to map)" in fit(*given, "--seed", 5, budget=23)
    assert "0 billed, 20 answered by the journal" in fit(*given)
    with Journal(tmp_path / "j.sqlite") as opened:
        (line,) = accounts(opened)
    assert (line.name, line.billed) == ("team", service.bill.queries)
    assert line.billed <= 23


@pytest.mark.parametrize("shared", [False, True])
def test_a_budget_for_predictions_is_for_one_command_or_for_an_account(
    fit, rebox, service, data, tmp_path, shared
):
    fit("--recipe", "map")
    more = ("--account", "team") if shared else ()
    given = ("predict", tmp_path / "m.rebox", "--budget", 12, "--journal", tmp_path / "j.sqlite")
    given = (*given, "--out", tmp_path / "p.csv", *more)
    assert "asked 12 queries" in rebox(*given, data / "dark")
    said = rebox(*given, data / "light", fails=2 if shared else 0)
    if shared:
        assert "the account 'team' has been billed for 12 of 12" in said
    else:
        assert "asked 12 queries (12 to predict), $0.0240\n" in said
    assert service.bill.queries == 20 + (12 if shared else 24)
    assert "24 more queries to predict would exceed the budget" in rebox(*given, data, fails=2)
    with Journal(tmp_path / "j.sqlite") as opened:
        (line,) = accounts(opened)  # one line for a model, however often it is used
    assert line.name == "team" if shared else line.name.startswith("model-")


def test_a_journal_is_shown_exported_and_verified(fit, rebox, tmp_path):
    journal = tmp_path / "j.sqlite"
    fit("--recipe", "map", "--journal", journal, "--account", "team")
    row = next(line for line in rebox("journal", "show", journal).splitlines() if "team" in line)
    cells = [cell.strip() for cell in re.split("[│┃|]", row.strip("│┃| "))]
    assert cells == ["team", "fit", "20", "20", "20", "0", "0", "$0.0400"]

    lines = [json.loads(line) for line in rebox("journal", "export", journal).splitlines()]
    assert len(lines) == 20
    assert {(line["account"], line["purpose"], line["words"]) for line in lines} == {
        ("team", "map", None)
    }
    assert len({line["key"] for line in lines}) == 20
    assert all(len(line["scores"]) == 4 and sum(line["scores"]) > 0.99 for line in lines)

    assert rebox("journal", "verify", journal) == "the journal is sound.\n"
    with sqlite3.connect(journal) as connection:
        connection.execute("UPDATE account SET queries = queries - 1")
        connection.execute("UPDATE answer SET scores = x'00' WHERE question = 3")
    connection.close()
    said = rebox("journal", "verify", journal, fails=1)
    assert (
        "the account team (fit) says 19 queries and $0.040000000, its sends 20 and $0.040000000."
        in said
    )
    assert "the answer to question 3 is damaged." in said
    exported = rebox("journal", "export", journal, fails=1)
    lines = [json.loads(line) for line in exported.splitlines()]
    damaged = [line["question"] for line in lines if line["damaged"]]
    assert (len(lines), damaged, lines[2]["scores"]) == (20, [3], None)


def test_a_damaged_answer_is_told_on_stderr(fit, rebox, capsys, tmp_path):
    journal = tmp_path / "j.sqlite"
    fit("--recipe", "map", "--journal", journal)
    with sqlite3.connect(journal) as connection:
        connection.execute("UPDATE answer SET scores = 'text' WHERE question < 3")
    connection.close()
    with pytest.raises(SystemExit) as ended:
        app(["journal", "export", str(journal)], standalone_mode=True)
    assert ended.value.code == 1
    said = capsys.readouterr()
    assert said.err == "rebox: error: 2 answers are damaged and came without scores.\n"
    assert len(said.out.splitlines()) == 20


def test_the_journal_is_the_users_own_where_none_is_named(fit, rebox, tmp_path):
    fit("--recipe", "map", "--journal", tmp_path / "default-journal.sqlite")
    assert "20" in rebox("journal", "show")
    assert "sound" in rebox("journal", "verify")


@pytest.mark.parametrize("command", ["show", "export", "verify"])
def test_a_journal_that_is_not_there_is_not_made(rebox, tmp_path, command):
    said = rebox("journal", command, tmp_path / "nowhere.sqlite", fails=2)
    assert said.startswith("rebox: error: there is no journal ")
    assert len(said.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["show", "export", "verify"])
def test_a_file_that_is_no_journal_is_refused_and_left_alone(rebox, tmp_path, command):
    file = tmp_path / "letter.txt"
    file.write_text("Dear Sir or Madam, " * 100)
    said = rebox("journal", command, file, fails=2)
    assert "no journal of rebox" in said
    assert file.read_text() == "Dear Sir or Madam, " * 100


@pytest.mark.parametrize("command", ["show", "export", "verify"])
def test_a_journal_is_read_where_nothing_can_be_written(fit, rebox, unprivileged, command):
    journal = unprivileged.folder / "j.sqlite"
    fit("--recipe", "map", "--journal", journal, "--account", "team")
    rebox("journal", command, journal)  # imports what it needs
    with unprivileged.reading_only():
        said = rebox("journal", command, journal)
    assert {"show": "team", "export": '"scores": [', "verify": "sound"}[command] in said
    assert [file.name for file in unprivileged.folder.iterdir()] == ["j.sqlite"]


def test_whoever_asks_is_told_that_a_journal_cannot_be_written(rebox, service, unprivileged):
    journal = unprivileged.folder / "j.sqlite"
    probe = ("box", "probe", uri_of(service), "--journal", journal)
    rebox(*probe)
    with unprivileged.reading_only():
        said = rebox(*probe, fails=2)
    assert "j.sqlite cannot be written" in said
    assert "--journal" in said
    assert len(said.splitlines()) == 1
    assert service.bill.queries == 16


def test_a_model_in_a_folder_that_is_closed_is_told(rebox, service, unprivileged):
    model = unprivileged.folder / "closed" / "m.rebox"
    model.parent.mkdir()
    commands = (("box", "labels", uri_of(service), "--out", model), ("box", "check", model))
    for command in commands:  # what they import is imported before others may not be read
        rebox(*command, fails=2)
    with unprivileged.reading_only(0o000):
        written, read = (rebox(*command, fails=2) for command in commands)
    assert "cannot write" in written
    assert "cannot be read: Permission denied" in read


def test_a_folder_is_told_as_a_folder(rebox, tmp_path):
    assert "is a folder: name the journal in it" in rebox("journal", "show", tmp_path, fails=2)


# --- keys -----------------------------------------------------------------------------------------

NO_KEY = (
    "found no key for azure-custom-vision: set the environment variable AZURE_CUSTOM_VISION_KEY"
)


def sends(journal):
    """Return how many sends a journal knows; 0 where there is none."""
    if not journal.exists():
        return 0
    with Journal(journal, writable=False) as opened:
        return sum(line.asked + line.unsettled for line in accounts(opened))


@pytest.mark.parametrize("recipe", ["map", "auto", "bar"])
def test_a_missing_key_is_told_before_a_fit_reserves_anything(
    fit, service, tmp_path, monkeypatch, recipe
):
    monkeypatch.delenv("AZURE_CUSTOM_VISION_KEY")
    journal = tmp_path / "j.sqlite"
    said = fit("--recipe", recipe, "--journal", journal, fails=2)
    assert NO_KEY in said
    assert sends(journal) == 0
    assert service.bill.queries == 0


def test_a_missing_key_is_told_before_a_prediction_reserves_anything(
    fit, rebox, service, data, tmp_path, monkeypatch
):
    fit("--recipe", "map", "--canaries", 3, budget=27)
    billed, journal = service.bill.queries, tmp_path / "j.sqlite"
    monkeypatch.delenv("AZURE_CUSTOM_VISION_KEY")
    for command in (
        ("predict", tmp_path / "m.rebox", data, "--out", tmp_path / "p.csv"),
        ("evaluate", tmp_path / "m.rebox", "--data", data),
        ("box", "check", tmp_path / "m.rebox"),
        ("box", "probe", uri_of(service)),
        ("box", "labels", service.uri.partition("&classes=")[0]),
    ):
        assert NO_KEY in rebox(*command, "--journal", journal, fails=2)
        assert sends(journal) == 0
    assert service.bill.queries == billed


def test_an_estimate_says_that_a_key_is_missing(rebox, service, data, monkeypatch):
    estimate = ("estimate", "--box", uri_of(service), "--data", data, "--budget", 20)
    assert "left over" in rebox(*estimate)  # a warning would be an error here
    monkeypatch.delenv("AZURE_CUSTOM_VISION_KEY")
    with pytest.warns(UserWarning, match=f"a fit could not begin yet: {NO_KEY}"):
        assert "left over" in CliRunner().invoke(app, [str(one) for one in estimate]).output
    assert service.bill.queries == 0


@pytest.mark.parametrize(
    ("fault", "cause"),
    [("500", "500"), ("502", "502"), ("empty", "no JSON")],
)
def test_a_probe_of_a_broken_service_names_the_cause_and_not_the_budget(
    rebox, behind, fault, cause
):
    limits = Limits(batch_size=1, price_usd=0.002)
    with Rehearsal(
        "azure-custom-vision", behind, classes=CLASSES, limits=limits, faults=read_faults([fault])
    ) as broken:
        said = rebox("box", "probe", f"{uri_of(broken)}&back_off_s=0.001", fails=2)
    assert cause in said
    assert said.startswith("rebox: error: ")
    assert len(said.splitlines()) == 1


# --- money ----------------------------------------------------------------------------------------


class Keyboard(io.StringIO):
    def isatty(self):
        return True


def test_more_than_a_dollar_wants_a_yes(fit, service, tmp_path):
    said = fit("--recipe", "map", price_usd=0.06, fails=2)
    assert said == "rebox: error: this fit may cost up to $1.20: pass --yes to spend it.\n"
    assert service.bill.queries == 0
    assert not (tmp_path / "m.rebox").exists()
    assert "asked 20 queries (20 to map), $1.20" in fit("--recipe", "map", "--yes", price_usd=0.06)
    assert service.bill.queries == 20


def test_a_dollar_is_spent_without_a_word(fit, service):
    assert "$1.00" in fit("--recipe", "map", price_usd=0.05)
    assert service.bill.queries == 20


@pytest.mark.parametrize(("answer", "code", "asked"), [("y\n", 0, 20), ("n\n", 1, 0)])
def test_who_sits_before_it_is_asked(fit, service, monkeypatch, answer, code, asked):
    monkeypatch.setattr(sys, "stdin", Keyboard(answer))
    fit("--recipe", "map", price_usd=0.06, fails=code)
    assert service.bill.queries == asked


def test_predictions_and_probes_want_a_yes_too(fit, rebox, service, data, tmp_path):
    fit("--recipe", "map", "--yes", price_usd=0.06)
    before = service.bill.queries
    model, given = tmp_path / "m.rebox", ("--out", tmp_path / "p.csv")
    said = rebox("predict", model, data, *given, fails=2)
    assert "the prediction of 24 samples may cost up to $1.44: pass --yes" in said
    assert "--yes" in rebox("evaluate", model, "--data", data, fails=2)
    assert "--yes" in rebox("box", "probe", uri_of(service, 0.1), fails=2)
    assert service.bill.queries == before
    assert "$1.44" in rebox("predict", model, data, *given, "--yes")
    assert "$1.60" in rebox("box", "probe", uri_of(service, 0.1), "--yes")
    assert service.bill.queries == before + 24 + 16


def test_a_box_that_runs_here_costs_nobody_anything(rebox, data, tmp_path):
    given = ("--data", data, "--out", tmp_path / "m.rebox", "--budget", 20, "--recipe", "map")
    assert "$20.00" in rebox("fit", "--box", "rehearsal:?price_usd=1", *given)


def test_an_estimate_names_its_price(rebox, service, data):
    given = ("--data", data, "--recipe", "map", "--budget", 20)
    uri = f"{service.uri}&size={SIDE}"
    assert "$2.00 per 1,000" in rebox("estimate", "--box", uri, *given)
    assert "per 1,000 (" not in rebox("estimate", "--box", uri_of(service, 0.003), *given)
    assert service.bill.queries == 0


VERTEX = "vertex:p/us-central1/1?classes=a,b&size=16"
TIMED = "huggingface:org/model?classes=a,b&size=16&usd_per_hour=0.6&per_second=10"


@pytest.mark.parametrize(
    ("uri", "cost", "time_words", "listed"),
    [
        (VERTEX, "about $0.0031", "8 s at $1.375 an hour, if 3 answers", True),
        (f"{VERTEX}&usd_per_hour=2.75", "about $0.0061", "8 s at $2.75 an hour", False),
        (TIMED, "about $0.00040", "2.4 s at $0.60 an hour, if 10 answers", False),
    ],
)
def test_an_estimate_says_that_dollars_depend_on_the_time(
    rebox, data, uri, cost, time_words, listed
):
    """Nobody is asked."""
    given = ("--box", uri, "--data", data, "--recipe", "map")
    said = rebox("estimate", *given, "--budget", 24)
    assert re.search(rf"cost of the fit\W+{re.escape(cost)}", said)
    assert f"dollars depend on the time that it is kept: about {time_words}" in said
    assert ("price: $1.375 an hour (Google's price list" in said) == listed
    assert "--budget N queries, too" in rebox("estimate", *given, "--max-usd", 5, fails=2)
    assert "cost of the fit" in rebox("estimate", *given, "--max-usd", 5, "--budget", 24)


def test_the_time_of_measuring_counts_in_an_estimate_and_against_the_cap(rebox, data):
    """6 of 24 images are held out, which takes 2 seconds; nobody is asked."""
    given = ("--box", VERTEX, "--data", data, "--recipe", "map", "--hold-out", 0.25)
    said = rebox("estimate", *given, "--budget", 60)
    assert re.search(r"cost of measuring it\W+about \$0\.00076", said)
    said = rebox("estimate", *given, "--budget", 60, "--max-usd", 0.0007, fails=2)
    assert "--max-usd 0.0007 leaves nothing for the fit" in said


def test_what_may_take_hours_wants_a_yes(rebox, data):
    many = ("--recipe", "bar?q=5", "--budget", 9000)
    said = rebox("fit", "--box", VERTEX, "--data", data, *many, fails=2)
    assert re.search(r"may cost about \$1\.\d\d: about \d\d minutes at \$1\.375 an hour", said)
    assert "pass --yes" in said


def test_a_receipt_says_for_how_long(rebox, data, tmp_path):
    limits = Limits(latency_s=0.5, usd_per_hour=360)  # so that a busy machine adds little
    with Rehearsal("vertex", RehearsalBox(classes=3, size=SIDE), limits=limits) as service:
        box = ("--box", f"{service.uri}&size={SIDE}&usd_per_hour=360", "--yes")
        given = ("--data", data, "--recipe", "map", "--budget", 24, "--out", tmp_path / "m.rebox")
        said = rebox("fit", *box, *given, "--json", tmp_path / "r.json")
        bill = service.bill
        predicted = rebox("predict", tmp_path / "m.rebox", data, *box, "--out", tmp_path / "p.csv")
    found = re.search(r"24 queries .*, \$([\d.]+); kept for ([\d.]+) s at \$360\.00 an hour", said)
    assert float(found[1]) == pytest.approx(bill.usd, rel=0.5)
    assert float(found[2]) == pytest.approx(10 * float(found[1]), rel=0.1)
    assert json.loads((tmp_path / "r.json").read_text())["usd"] > 0
    assert re.search(r"to predict\), \$[\d.]+; kept for [\d.]+ s at \$360\.00 an hour", predicted)


def test_a_cap_that_pays_for_no_request_says_what_time_costs(rebox, data, tmp_path):
    with Rehearsal("vertex", RehearsalBox(classes=3, size=SIDE)) as service:
        box = ("--box", f"{service.uri}&size={SIDE}", "--yes", "--max-usd", 0.01)
        given = ("--data", data, "--budget", 24, "--out", tmp_path / "m.rebox")
        said = rebox("fit", *box, *given, fails=2)
    assert "Time costs $1.375 an hour here, and 60 s of it (timeout_s=) are set aside" in said
    assert service.bill.requests == 0


# --- boxes ----------------------------------------------------------------------------------------


def test_a_price_that_is_not_known_is_no_price_of_nothing(rebox, data, tmp_path):
    """Nobody is asked: each is refused, or only planned."""
    box = ("--box", "huggingface:org/model?classes=a,b&size=16", "--data", data)
    said = rebox("estimate", *box, "--budget", 24)
    assert len(re.findall(r"cost of .*price not known", said)) == 2
    assert "price not known, and" in said
    assert "$" not in said
    for command in ("estimate", "fit"):
        said = rebox(command, *box, "--max-usd", 5, fails=2)
        assert "a cap of $5.00 cannot be kept" in said
        assert "price_usd=, 0 if it is free" in said
    said = rebox("fit", *box, "--recipe", "map?rule=best", "--budget", 24, "--max-usd", 5, fails=2)
    assert "a cap of $5.00 cannot be kept" in said
    many = ("--recipe", "bar?q=5", "--budget", 1000)
    said = rebox("fit", *box, *many, fails=2)
    assert re.search(r"may ask [\d,]+ queries, at a price that is not known: pass --yes", said)
    free = "huggingface:org/model?classes=a,b&size=16&price_usd=0"
    said = rebox("estimate", "--box", free, "--data", data, "--budget", 24)
    assert said.count("$0.00") == 2


def test_a_receipt_says_that_a_price_is_not_known(rebox, data, tmp_path, monkeypatch):
    """The service is a stub."""
    reply = says([{"label": "a", "score": 0.75}, {"label": "b", "score": 0.25}])
    monkeypatch.setattr("rebox.box.service.contract.HttpTransport", lambda *_: Stub(reply))
    box = ("--box", "huggingface:org/model?classes=a,b&size=16&per_second=10000")
    given = ("--data", data, "--recipe", "map", "--budget", 24, "--out", tmp_path / "m.rebox")
    said = rebox("fit", *box, *given, "--json", tmp_path / "r.json")
    assert "asked 24 queries (24 to map), price not known\n" in said
    assert json.loads((tmp_path / "r.json").read_text())["usd"] is None
    assert "price not known" in rebox("journal", "show")  # and was journalled


def test_probe_asks_a_service_and_is_answered_by_the_journal_the_second_time(
    rebox, service, tmp_path
):
    journal = ("--journal", tmp_path / "j.sqlite")
    first = rebox("box", "probe", uri_of(service), *journal)
    assert re.search(r"classes +4\n", first)
    assert "asked 16 queries (16 to probe), $0.0320\n" in first
    assert "$0.00: 0 billed, 16 answered" in rebox("box", "probe", uri_of(service), *journal)
    assert service.bill.queries == 16


def test_the_receipt_of_labels_goes_to_stderr(service, capsys, tmp_path):
    nameless = re.sub("&classes=[^&]*", "", uri_of(service))
    app(["box", "labels", nameless, "--journal", str(tmp_path / "j")], standalone_mode=False)
    said = capsys.readouterr()
    assert said.out.splitlines() == list(CLASSES)
    assert said.err == "asked 1 query (1 to probe), $0.0020\n"


def test_labels_are_written_one_on_each_line(rebox, service, tmp_path):
    file = tmp_path / "labels.txt"
    nameless = re.sub("[?&]classes=[^&]*", "", uri_of(service))
    assert "classes" not in nameless
    nameless = nameless if "?" in nameless else nameless.replace("&", "?", 1)
    journal = ("--journal", tmp_path / "j.sqlite")
    for asked in (1, 2):  # names are in no journal: they are asked for anew
        said = rebox("box", "labels", nameless, "--out", file, *journal)
        assert said.splitlines() == list(CLASSES)
        assert file.read_text() == "".join(f"{name}\n" for name in CLASSES)
        assert service.bill.queries == asked
    with Journal(tmp_path / "j.sqlite") as opened:
        (line,) = accounts(opened)
        rows = list(questions(opened))
    assert (line.billed, line.answered, line.usd) == (2, 2, pytest.approx(0.004))
    assert line.name.startswith("labels-azure-custom-vision:")
    assert [(row["purpose"], len(row["scores"])) for row in rows] == [("probe", 4)] * 2
    with open_box(f"{nameless}&labels={file}") as box:
        assert box.spec.classes == CLASSES


def test_check_says_whether_the_box_has_changed(fit, rebox, service, behind, tmp_path):
    journal = ("--journal", tmp_path / "j.sqlite")
    fit("--recipe", "map", "--canaries", 3, *journal, budget=27)
    assert service.bill.queries == 27
    check = ("box", "check", tmp_path / "m.rebox", *journal)
    for _ in range(2):  # asked afresh each time, whatever the journal knows
        said = rebox(*check)
        assert "answers as it did" in said
        assert "asked 3 queries (3 to predict), $0.0060\n" in said
    assert service.bill.queries == 33
    behind.now = RehearsalBox(classes=4, size=SIDE, pixels="uint8", seed=2)
    said = rebox(*check, fails=1)
    assert "is not the one that the model was fitted for any more: fit again" in said
    assert service.bill.queries == 36
    assert "sound" in rebox("journal", "verify", tmp_path / "j.sqlite")


def test_a_check_before_predictions_is_in_their_budget(fit, rebox, service, data, tmp_path):
    """What does not pay for both pays for none."""
    fit("--recipe", "map", "--canaries", 3, budget=27)
    before = service.bill.queries
    given = ("predict", tmp_path / "m.rebox", data, "--out", tmp_path / "p.csv", "--check")
    said = rebox(*given, "--budget", 26, fails=2)
    assert "27 more queries to predict would exceed the budget: 26 left" in said
    assert service.bill.queries == before
    assert "asked 27 queries" in rebox(*given, "--budget", 27)


def test_a_check_that_costs_more_than_a_dollar_wants_a_yes(fit, rebox, service, tmp_path):
    fit("--recipe", "map", "--canaries", 3, "--yes", budget=27, price_usd=0.4)
    check = ("box", "check", tmp_path / "m.rebox")
    assert "this check may cost up to $1.20: pass --yes" in rebox(*check, fails=2)
    assert "answers as it did" in rebox(*check, "--yes")


def test_a_budget_that_does_not_pay_for_a_probe_is_not_begun(rebox, service):
    said = rebox("box", "probe", uri_of(service), "--budget", 15, fails=2)
    assert "a probe asks 16 questions: --budget 15 does not pay for them" in said
    assert service.bill.queries == 0


def test_a_name_of_an_account_is_shown_whole(fit, rebox, tmp_path, monkeypatch):
    fit("--recipe", "map", "--journal", tmp_path / "j.sqlite", "--account", "a-long-name-" * 9)
    monkeypatch.setattr(out, "width", 80)
    said = rebox("journal", "show", tmp_path / "j.sqlite")
    shown = "".join(re.split("[│┃|]", line)[1].strip() for line in said.splitlines()[3:-1])
    assert shown == "a-long-name-" * 9


def test_a_model_without_canaries_says_so(fit, rebox, service, data, tmp_path):
    fit("--recipe", "map")
    said = rebox("box", "check", tmp_path / "m.rebox", fails=2)
    assert "m.rebox has no canaries" in said
    assert "fit with --canaries 3" in said
    assert service.bill.queries == 20
    given = ("predict", tmp_path / "m.rebox", data, "--check", "--out", tmp_path / "p.csv")
    said = rebox(*given, fails=2)
    assert "has no canaries" in said
    assert service.bill.queries == 20


def test_a_model_that_asks_no_box_cannot_be_checked(fit, rebox, service, tmp_path):
    fit("--queries-per-prediction", 0)
    before = service.bill.queries
    said = rebox("box", "check", tmp_path / "m.rebox", fails=2)
    assert "m.rebox asks no box" in said
    assert "--canaries" not in said  # they would not help
    assert service.bill.queries == before


def test_predict_may_check_first(fit, rebox, service, behind, data, tmp_path):
    fit("--recipe", "map", "--canaries", 3, budget=27)
    before = service.bill.queries
    given = ("predict", tmp_path / "m.rebox", data, "--check", "--out", tmp_path / "p.csv")
    said = rebox(*given)
    assert "answers as it did" in said
    assert "asked 27 queries (27 to predict)" in said
    assert service.bill.queries == before + 27
    (tmp_path / "p.csv").unlink()
    behind.now = RehearsalBox(classes=4, size=SIDE, pixels="uint8", seed=2)
    rebox(*given, fails=1)
    assert service.bill.queries == before + 30  # three canaries, and no image of the user's
    assert not (tmp_path / "p.csv").exists()


# --- a rehearsal ----------------------------------------------------------------------------------


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_rehearse_plays_a_service_until_ctrl_c(rebox):
    port = free_port()
    model = f"rehearsal:?classes=5&size={SIDE}&pixels=uint8"
    arguments = ["rehearse", "clarifai", "--model", model, "--port", str(port), "--classes"]
    arguments += ["a,b,c,d,e", "--price-usd", "0.5", "--fault", "503:at=1"]
    command = [sys.executable, "-u", "-c", "from rebox.cli import main; main()", *arguments]
    environment = {**os.environ, "COLUMNS": "200"}
    playing = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )
    try:
        uri = re.fullmatch("--box '(.*)'\n", playing.stdout.readline())[1]
        assert playing.stdout.readline() == "export CLARIFAI_PAT=any\n"
        said = playing.stdout.readline()
        assert f"127.0.0.1:{port}/rehearsal/bill" in said
        with open_box(f"{uri}&size={SIDE}&back_off_s=0.01") as box:
            assert box.spec.classes == ("a", "b", "c", "d", "e")
            image = np.random.default_rng(0).integers(0, 256, (1, SIDE, SIDE, 3), dtype=np.uint8)
            there = open_box(model).ask(image)
            np.testing.assert_allclose(box.ask(image), there, rtol=0, atol=1e-6)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/rehearsal/bill") as bill:
            assert json.load(bill)["queries"] == 1
        said = rebox("rehearse", "clarifai", "--model", model, "--port", port, fails=2)
        assert f"the port {port} cannot be used" in said  # it is taken
        playing.send_signal(signal.SIGINT)
        rest, errors = playing.communicate(timeout=60)
    finally:
        playing.kill()
        playing.communicate()
    assert playing.returncode == 0, errors
    assert rest == "billed 1 queries, $0.50, in 2 requests; refused 1\n"
    assert errors == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("carrier-pigeon",), "unknown rehearsal 'carrier-pigeon'; choose one of anthropic"),
        (("clarifai", "--classes", "a,b"), "name as many different ones"),
        (("clarifai", "--fault", "volcano"), "volcano"),
        (("clarifai", "--quota", "-1"), "quota"),
    ],
    ids=lambda case: " ".join(case) if isinstance(case, tuple) else "",
)
def test_rehearse_refuses_what_it_cannot_play(rebox, arguments, words):
    given = ("--model", "rehearsal:?classes=5", "--port", 0)
    said = rebox("rehearse", *arguments, *given, fails=2)
    assert words in said
    assert len(said.splitlines()) == 1
