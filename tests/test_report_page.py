"""The page as text: what it says, what it escapes, and that it is the same for the same files."""

import itertools
import os
import re
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser

import ledgers
import numpy as np
import pytest
from typer.testing import CliRunner

from rebox.cli.app import app
from rebox.errors import InvalidData, JournalError, MissingExtra
from rebox.meter import Budget, Journal
from rebox.meter.packing import packed
from rebox.meter.send import Intent
from rebox.study.report import document, report, write_report

pytestmark = pytest.mark.slow

EVIL = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;{{ 7*7 }}"
VOID = {"meta", "link", "img", "br", "wbr"}


class Page(HTMLParser):
    """The tags, ids and words of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.ids, self.words, self.open = [], [], [], []
        self.headings = []
        self.goes_on = False  # a word that may break, and goes on behind that
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.goes_on = tag == "wbr"
        self.ids += [value for name, value in attrs if name == "id"]
        if re.fullmatch(r"h\d", tag):
            self.headings.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        before = self.words.pop() if self.goes_on else ""
        self.words.append(before + data)
        self.goes_on = False

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("report")


@pytest.fixture(scope="module")
def ledger(folder):
    rows = ledgers.study(folds=2, boxes=("resnet50",), budgets=(1000, 5000))
    return ledgers.write(folder / "asd.jsonl", rows)


@pytest.fixture(scope="module")
def text(ledger):
    return report([ledger], title="Brains", when=datetime(2025, 3, 4, 5, 6, tzinfo=UTC))


@pytest.fixture(scope="module")
def small(folder):
    """A ledger that is reported on in no time."""
    rows = [ledgers.row("auto", answers=None), ledgers.row("map", answers=None)]
    rows += [ledgers.row(m, seed=1, answers=None) for m in ("auto", "map")]
    return ledgers.write(folder / "small.jsonl", rows)


@pytest.fixture
def journal(tmp_path):
    """A journal of one account: three images answered, two asked and never settled."""
    path = tmp_path / "paid.sqlite"
    with Journal(path) as journal:
        for n, answered in ((3, True), (2, False)):
            send = journal.reserve(
                Intent(
                    account="lesions<b>",
                    kind="fit",
                    purpose="map",
                    box="box",
                    fit="one",
                    keys=[os.urandom(32) for _ in range(n)],
                    nano_usd_each=2_000_000,
                    budget=Budget(queries=10),
                )
            )
            if answered:
                journal.settle(
                    send,
                    {i: packed(np.array([0.25, 0.75], np.float32)) for i in range(n)},
                    billed=n,
                )
    return path


def test_a_page_is_whole_and_needs_nothing_else(text):
    page = Page(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert not [tag for tag, _ in page.tags if tag in {"script", "iframe", "object", "base"}]
    addresses = [a.get("src") or a.get("href") or a.get("xlink:href") or "" for _, a in page.tags]
    assert all(a.startswith(("#", "data:")) for a in addresses if a)
    assert "default-src 'none'" in text
    assert "@import" not in text
    assert "url(" not in text.replace("url(#", "")


def test_a_page_says_what_was_measured(text):
    said = Page(text).text
    for words in (
        "Brains",
        "abide, resnet50",
        "weights not at hand",
        "densenet121",
        "peeked at test data",
        "great white shark",
        ledgers.WORDS,
        "asd.jsonl",
        "2025-03-04 05:06 UTC",
        "Every training sample has been asked.",
        "$10.00",
        "classes: autism, control",
    ):
        assert words in said, words


def test_a_page_has_published_figures_beside_measured_ones(text):
    rows = [Page(row).text for row in re.findall(r"<tr>.*?</tr>", text, re.DOTALL)]
    printed = [row for row in rows if "70.33 / 69.94 / 72.71" in row]
    assert len(printed) == 2  # a row for each budget of bar
    assert all(row.startswith("bar 1 seed") for row in printed)
    assert all("72.71 Tsai, Chen and Ho, ICML 2020" in row for row in printed)


def test_a_page_tells_prices_that_are_unknown_and_bounds(tmp_path):
    rows = [ledgers.row("auto", answers=None), ledgers.row("bar", answers=None)]
    rows[1]["usd"] = {"fit": None, "predict": None}
    said = Page(report([ledgers.write(tmp_path / "unknown.jsonl", rows)])).text
    assert "and 1 trial of unknown price" in said
    assert "price not known" in said
    assert "1 bounds" in said


def test_headings_go_down_a_step_at_a_time(text):
    headings = Page(text).headings
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(headings))


def test_every_figure_has_a_name_and_every_table_its_headings(text):
    page = Page(text)
    drawn = [a for tag, a in page.tags if tag == "svg"]
    assert len(drawn) > 20
    assert all(a["role"] == "img" and a["aria-label"] for a in drawn)
    assert all(a["alt"] for tag, a in page.tags if tag == "img")
    assert all(a.get("scope") in {"col", "row"} for tag, a in page.tags if tag == "th")


def test_whoever_peeked_is_marked_in_every_row_and_line(text):
    for row in re.findall(r"<tr>.*?</tr>", text, re.DOTALL):
        if "bar-as-released" in row:
            assert "peeked at test data" in row
    for label in re.findall(r"<text[^>]*>([^<]*bar-as-released[^<]*)</text>", text):
        assert "peeked" in label


def test_no_path_of_this_machine_is_told(ledger, text):
    assert str(ledger.parent) not in text


def test_the_same_files_give_the_same_page(ledger, text):
    assert report([ledger], title="Brains", when=datetime(2025, 3, 4, 5, 6, tzinfo=UTC)) == text


def test_everything_in_a_ledger_is_escaped(tmp_path, journal):
    rows = [
        ledgers.row(
            EVIL,
            fold=fold,
            plan=EVIL,
            task=EVIL,
            box=EVIL,
            recipe=EVIL,
            class_names=[EVIL, "b"],
            positive=EVIL,
            reading={"source": [EVIL], "weights": [[1], [2]]},
            verdict={"words": EVIL, "rows": []},
            note=EVIL,
            stop_reason=EVIL,
            version=EVIL,
            budget=budget,
            peeks=budget == 5000,
            curve=ledgers.curve(1000),
        )
        for budget in (1000, 5000)
        for fold in range(2)
    ]
    rows.append(ledgers.missing(EVIL, why=EVIL, box=EVIL, task=EVIL, plan=EVIL))
    path = ledgers.write(tmp_path / "a<b>&.jsonl", rows)
    page = Page(report([path], journals=[journal], title=EVIL))
    assert not [tag for tag, _ in page.tags if tag in {"script", "img", "b"}]
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert page.text.count(EVIL) > 20
    assert "49" not in page.text.split("SHA-256")[0].replace(EVIL, "")[:200]
    assert "a<b>&.jsonl" in page.text
    assert "lesions<b>" in page.text


def test_a_journal_says_what_was_paid(small, journal):
    said = Page(report([small], journals=[journal])).text
    assert "paid.sqlite" in said
    assert "lesions<b> fit 5 3 5 2 0 $0.0100" in said  # sent, answered, billed, unsettled, faults
    assert "lesions<b> map 5 3" in said
    assert "The journal is sound." in said
    assert str(journal.parent) not in said


def test_a_journal_that_is_not_there_is_an_error(small, tmp_path):
    with pytest.raises(JournalError, match="there is no journal"):
        report([small], journals=[tmp_path / "nowhere.sqlite"])


def test_an_empty_ledger_is_an_error(tmp_path):
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(InvalidData, match="holds no trial"):
        write_report(tmp_path / "report.html", [tmp_path / "empty.jsonl"])
    assert not (tmp_path / "report.html").exists()


def test_trials_that_are_all_unavailable_are_a_report(tmp_path):
    said = Page(report([ledgers.write(tmp_path / "a.jsonl", [ledgers.missing()])])).text
    assert "weights not at hand" in said


def test_many_pairs_are_folded_and_the_page_stays_small(tmp_path, monkeypatch):
    """Pairs are closed and reached from the contents; figures are left out, and that is told."""
    monkeypatch.setattr(document, "CARDS", 10)
    rows = [
        ledgers.row(f"method-{i}", skill=0.3 * i, box=f"box-{b}", reading=ledgers.reading())
        for b in range(5)
        for i in range(3)
    ]
    text = report([ledgers.write(tmp_path / "many.jsonl", rows)])
    page = Page(text)
    pairs = [a for tag, a in page.tags if tag == "details" and a.get("class") == "setting"]
    assert len(pairs) == 5
    assert not [a for a in pairs if "open" in a]
    assert {f"setting-{i + 1}" for i in range(5)} <= set(page.ids)
    assert page.text.count("1 further method of this part is not drawn here") == 5
    assert len(text) / document.CARDS * 90 < 4_000_000  # what a page of 90 methods comes to


def test_without_jinja_it_says_what_to_install(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtra, match=r"rebox\[study\]"):
        report([small])


def invoke(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_writes_the_page(small, journal, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    out = tmp_path / "report.html"
    given = (small, "--journal", journal, "--title", "Brains & more", "--reference", "map")
    found = invoke("report", *given, "--out", out)
    assert found.exception is None, found.exception
    assert "wrote" in found.output
    said = Page(out.read_text()).text
    assert "Brains & more" in said
    assert "1970-01-02 00:00 UTC" in said
    assert "Differences from map" in said


def test_the_command_refuses_before_it_reads(small, tmp_path, monkeypatch):
    assert "is a folder" in str(invoke("report", small, "--out", tmp_path).exception)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    failed = invoke("report", small, "--out", tmp_path / "a.html").exception
    assert "SOURCE_DATE_EPOCH" in str(failed)


def test_totals_hold_what_journals_tell(small, journal, tmp_path):
    alone = Page(report([small])).text
    assert "by journals" not in alone
    said = Page(report([small], journals=[journal])).text
    assert "billed, by journals" in said
    assert "paid, by journals" in said
    assert "cost, by ledgers" in said
    assert "all together" in said  # methods of a part, and accounts of a journal


def test_a_figure_says_what_it_leaves_out(tmp_path):
    """The best method has no known price, or has kept no answers: figures draw the others."""
    rows = [ledgers.row("auto", skill=3.0, answers=None, usd={"fit": None, "predict": None})]
    rows += [ledgers.row(method, skill=1.0) for method in ("map", "bar")]
    page = Page(report([ledgers.write(tmp_path / "l.jsonl", rows)])).text
    assert (
        "Accuracy against dollars. Not drawn, as their price is unknown: auto (the best here)"
        in page
    )
    assert "Not drawn, as their answers are not kept: auto (the best here)" in page


def test_the_page_begins_with_whether_the_box_helps(text):
    page = Page(text)
    first = text.index("Does the box help?")
    assert first < text.index("<svg") < text.index('class="setting"')
    heads = re.findall(r"<th scope=.col.[^>]*>(.*?)</th>", text)
    assert heads[:2] == ["task", "does the box help?"]
    assert "auto over local" in page.text
