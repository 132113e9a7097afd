"""What a model's page says of labelled samples: what `evaluate` does, and sample by sample."""

import itertools
import re
import warnings
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_boxes_run import answers, fitted, samples  # noqa: F401 - a fixture
from test_report_model import number, rows_of
from test_report_page import Page, invoke

import rebox
from rebox.classifier import measured
from rebox.errors import (
    BudgetExhausted,
    InvalidData,
    InvalidOption,
    MissingExtra,
    OutputError,
)
from rebox.metric import auc_interval
from rebox.sample import Dataset
from rebox.study.report.model import model_report, open_model, worth_of
from rebox.study.report.table import NOTHING

pytestmark = pytest.mark.slow

EVIL = ("<script>alert(1)</script>", "<b>{{ 7*7 }}", "шесть & более")
WIDE = 12


def rows(n, seed, classes):
    """Rows of figures (n, 6) that tell ``classes`` apart, mostly."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % len(classes)
    x = rng.normal(size=(n, 6)) + np.sin(np.outer(truth, np.arange(1, 7)) * 2)
    return x, np.array(classes)[truth]


def local(x, y, path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes of too few samples for a promise
        model = rebox.Reprogrammer(recipe="local", random_state=0, **options).fit(x, y)
    model.save(path)
    return model


def told(model, path, x, y, *, groups=None, thumbnails=False, **more):
    """The page of ``model`` in ``path`` with what it is worth on samples."""
    named = {"images": x, "texts": None, "ids": None} | more
    task = Dataset(named.pop("images"), np.asarray(y), "held-out", groups=groups, **named)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # classes that labels lack
        found = measured(model, task)
    spent = model.spent_by_box_
    worth = worth_of(model, task, found, by_box=spent, usd_per_10k=None, thumbnails=thumbnails)
    return model_report(path, worth=worth), worth


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("worth")


@pytest.fixture(scope="module")
def three(folder):
    x, y = rows(150, 0, EVIL)
    return local(x, y, folder / "three.rebox"), folder / "three.rebox"


@pytest.fixture(scope="module")
def page(three):
    x, y = rows(90, 1, EVIL)
    text, worth = told(*three, x, y)
    return text, worth


def test_figures_on_the_page_are_those_of_evaluate(page):
    text, worth = page
    found = worth.measured.measurement
    said = {row[0]: row for row in rows_of(text, "All figures of 90 samples")[1:]}
    for name, shown in (("accuracy", "accuracy, %"), ("macro_auc", "macro AUC")):
        scale = 100 if name == "accuracy" else 1
        assert number(said[shown][1]) == pytest.approx(scale * found.figures[name].value, abs=0.06)
    assert len(said) == len(found.figures)
    share = 100 * found.figures["accuracy"].value
    assert f"Of 90 samples, {share:.1f} %" in Page(text).text.replace("\N{NO-BREAK SPACE}", " ")


def test_each_class_has_recall_precision_area_and_sets(page):
    text, worth = page
    table = rows_of(text, "Recall: how many of a class are found")
    assert table[0][3:5] == ["recall, %", "precision, %"]
    assert [row[0] for row in table[1:]] == sorted(EVIL)
    truth, decided = worth.measured.truth, worth.measured.decided
    held = worth.measured.sets.members
    for k, row in enumerate(table[1:]):
        there, said = truth == k, decided == k
        assert number(row[1]) == there.sum()
        assert number(row[2]) == said.sum()
        assert number(row[3]) == pytest.approx(100 * said[there].mean(), abs=0.06)
        assert number(row[4]) == pytest.approx(100 * there[said].mean(), abs=0.06)
        chances = worth.measured.probabilities[:, k]
        area = auc_interval(there.astype(int), np.stack([-chances, chances], axis=1), 0).value
        assert number(row[7]) == pytest.approx(area, abs=6e-4)
        assert number(row[8]) == pytest.approx(100 * held[there, k].mean(), abs=0.06)


def test_the_matrix_the_bins_and_the_operating_points_are_in_tables(page):
    text, worth = page
    matrix = rows_of(text, "Samples of each true class")
    counts = [[number(cell) for cell in row[1:]] for row in matrix[1:]]
    assert counts == worth.measured.measurement.confusion.tolist()
    bins = rows_of(text, "Confidence and share of right")[1:]
    assert sum(number(row[3]) for row in bins) == 90
    points = rows_of(text, "Where its decisions stand")[1:]
    for k, row in enumerate(points):
        said, there = worth.measured.decided == k, worth.measured.truth == k
        assert [number(cell) for cell in row[1:]] == pytest.approx(
            [said[~there].mean(), said[there].mean()], abs=6e-4
        )
    assert len(re.findall(r"<svg", text)) == 3


def test_a_curve_that_rises_at_once_is_drawn_where_it_rises(page, tmp_path):
    text, _ = page
    assert "Drawn up to" not in text  # some class is hard to tell
    rng, path = np.random.default_rng(0), tmp_path / "easy.rebox"
    y = np.arange(120) % 3
    x = rng.normal(size=(120, 6)) + 9 * np.eye(6)[y]
    text, _ = told(local(x, y, path), path, x, y)
    assert "Drawn up to a rate of 0.2: the rest is at 0.98 or above" in text
    drawn = re.search(r"<svg[^>]*aria-label=\"ROC.*?</svg>", text, re.DOTALL)[0]
    ticks = [float(one) for one in re.findall(r">(0\.\d+)</text>", drawn)]
    assert 0.05 in ticks


def test_the_least_sure_samples_come_first_and_mistakes_behind_them(page):
    text, worth = page
    sure = worth.measured.sureness
    assert worth.unsure == np.argsort(sure, kind="stable")[:18].tolist()
    assert not set(worth.unsure) & set(worth.mistaken)
    assert not worth.measured.right[worth.mistaken].any()
    cards = re.findall(r"<li>\s*<div>\s*<p class=\"file\">(.*?)</p>", text, re.DOTALL)
    assert [Page(one).text.removesuffix(" wrong") for one in cards] == [
        f"sample {place + 1}" for place in (*worth.unsure, *worth.mistaken)
    ]
    wrong = sum(not worth.measured.right[place] for place in (*worth.unsure, *worth.mistaken))
    assert sum("wrong" in one for one in cards) == wrong


def test_names_are_escaped_and_the_page_is_whole(page, three):
    text, _ = page
    found = Page(text)
    assert found.open == []
    assert len(found.ids) == len(set(found.ids))
    assert all(b - a <= 1 for a, b in itertools.pairwise(found.headings))
    assert not [tag for tag, _ in found.tags if tag in {"script", "b", "iframe", "object"}]
    assert found.text.count(EVIL[0]) > 5
    assert str(three[1].parent) not in text


@pytest.mark.parametrize("k", [2, pytest.param(WIDE, marks=pytest.mark.slow)])
def test_two_and_twelve_classes(k, tmp_path):
    classes = [f"class {'x' * 40} {i:02}" for i in range(k)]
    model = local(*rows(20 * k, 0, classes), tmp_path / "m.rebox")
    text, worth = told(model, tmp_path / "m.rebox", *rows(10 * k, 1, classes))
    assert len(rows_of(text, "Recall: how many")) == k + 1
    drawn = re.search(r"<svg[^>]*aria-label=\"ROC.*?</svg>", text, re.DOTALL)[0]
    curves = len(set(re.findall(r"--line-(\d+)", drawn)))
    assert curves == (1 if k == 2 else 8)
    assert ("the 8 that are told apart worst" in text) == (k == WIDE)
    assert len(worth.classes) == k


def test_a_class_that_is_not_there_is_said_and_one_alone_has_no_curve(three):
    x, y = rows(90, 1, EVIL)
    text, _ = told(*three, x[y != EVIL[2]], y[y != EVIL[2]])
    assert f"No sample is of {EVIL[2]}: nothing tells" in Page(text).text
    lone = rows_of(text, "Recall: how many")[1:][-1]
    assert lone[0] == EVIL[2]
    assert (lone[1], lone[3], lone[7]) == ("0", NOTHING, NOTHING)
    text, _ = told(*three, x[y == EVIL[0]], y[y == EVIL[0]])
    said = Page(text).text
    assert f"There is no ROC curve: all samples are of {EVIL[0]}" in said
    assert len(re.findall(r"<svg", text)) == 2


def test_one_sample_is_enough_for_a_page(three):
    x, y = rows(1, 1, EVIL)
    text, worth = told(*three, x, y)
    assert "Of 1 sample," in Page(text).text
    assert len(worth.unsure) == 1
    assert "There is no ROC curve" in text


def test_a_promise_that_is_clearly_not_kept_is_said(three):
    x, y = rows(90, 1, EVIL)
    text, _ = told(*three, x, np.roll(y, 1))  # labels of others
    assert "clearly below what training promised" in text
    kept, _ = told(*three, x, y)
    assert "clearly below" not in kept


def test_a_sensitivity_is_said_with_its_precision_here(tmp_path):
    x, y = rows(200, 0, ["ill", "well"])
    model = local(x, y, tmp_path / "m.rebox", objective="sensitivity:ill>=0.9")
    text, worth = told(model, tmp_path / "m.rebox", *rows(100, 1, ["ill", "well"]))
    said = Page(text).text.replace("\N{NO-BREAK SPACE}", " ")
    figures = worth.measured.measurement.figures
    assert f"it finds {100 * figures['sensitivity'].value:.1f} % (95 %:" in said
    ppv = 100 * figures["positive_predictive_value"].value
    assert re.search(rf"of what it takes for ill, {ppv:.1f} % \(95 %: [\d. to]+\) is", said)
    assert "50.0 % are ill, as here" in said
    table = rows_of(text, "Decided for sensitivity for ill")
    assert [row[0] for row in table[1:]] == ["sensitivity, %", "specificity, %", "precision, %"]


def test_a_cost_that_is_clearly_more_than_promised_is_said(tmp_path):
    x, y = rows(200, 0, ["ill", "well"])
    costs = {"costs": [[0, 5], [1, 0]]}
    model = local(x, y, tmp_path / "m.rebox", objective=costs)
    new, truth = rows(100, 1, ["ill", "well"])
    text, _ = told(model, tmp_path / "m.rebox", new, truth[::-1])
    assert "The mean cost is clearly above what training promised" in text
    kept, _ = told(model, tmp_path / "m.rebox", new, truth)
    assert "clearly above" not in kept


def test_the_precision_of_decisions_is_that_of_the_class_that_they_are_for(folder):
    classes = ("a", "b", "c")
    path = folder / "for-b.rebox"
    model = local(*rows(150, 0, classes), path, objective="sensitivity:b>=0.8")
    task = Dataset(*rows(90, 1, classes), "held-out")
    tables = []
    for positive in (None, "a"):  # of which other figures speak
        found = measured(model, task, positive)
        worth = worth_of(model, task, found, by_box=model.spent_by_box_, usd_per_10k=None)
        tables.append(rows_of(model_report(path, worth=worth), "Decided for"))
        each = found.measurement.per_class
    assert tables[0] == tables[1]
    precision = next(row for row in tables[1] if row[0] == "precision, %")
    b, a = (100 * each[k].figures["positive_predictive_value"].value for k in (1, 0))
    assert number(precision[2]) == pytest.approx(b, abs=0.06)
    assert a != pytest.approx(b, abs=1)


def test_words_say_which_sets_promise_nothing_and_which_are_empty(page, tmp_path):
    text, worth = page
    assert "too few samples" not in text
    classes, path = ("a", "b", "c"), tmp_path / "few.rebox"
    model = local(*rows(15, 0, classes), path)
    text, worth = told(model, path, *rows(90, 1, classes))
    said = Page(text).text
    assert "Training had too few samples of any class to promise that." in said
    assert "not promised" not in said  # beside each class: it would say the same of all
    empty = int((worth.measured.sets.sizes == 0).sum())
    assert f"{empty} sets are empty" in said if empty > 1 else "are empty" not in said
    x, y = rows(150, 0, classes)
    kept = (y != "c") | (np.cumsum(y == "c") <= 5)  # five samples of c
    model = local(x[kept], y[kept], path)
    text, _ = told(model, path, *rows(90, 1, classes))
    assert "Training had too few samples of c to promise that." in Page(text).text
    marks = [row[0] for row in rows_of(text, "Recall: how many") if "not promised" in row[-1]]
    assert marks == ["c"]


def test_the_price_at_the_head_is_the_one_that_came(three, page):
    _, worth = page
    text = model_report(three[1], worth=replace(worth, usd_per_10k=6.0))
    facts = re.search(r"<dl class=\"facts\">.*?</dl>", text, re.DOTALL)[0]
    assert Page(facts).text.endswith("for 10,000 predictions $6.00")


def test_subjects_are_heeded(three):
    x, y = rows(90, 1, EVIL)
    alone, _ = told(*three, x, y)
    grouped, _ = told(*three, x, y, groups=np.arange(90) // 9)
    assert "90 samples of 10 subjects" in Page(grouped).text
    caption = "Recall: how many"
    assert rows_of(alone, caption)[1][3] != rows_of(grouped, caption)[1][3]


# --- what samples show ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures(folder):
    """A folder of pictures of two classes, and a model that was fitted to them."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 30), ("new", 8)):
        for i in range(n):
            kind = ("dark", "bright")[i % 2]
            place = folder / part / kind
            place.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 160, size=(150, 40, 3)) + 90 * (i % 2)
            Image.fromarray(pixels.astype(np.uint8)).save(place / f"<i>{i}.png")
    done = invoke(
        "fit", "--recipe", "local", "--data", folder / "train", "--out", folder / "p.rebox",
        "--report", folder / "fit.html",
    )  # fmt: skip
    assert done.exception is None, done.exception
    return folder


def reported(model, data, out, *more):
    done = invoke("report", model, "--data", data, "--out", out, *more)
    assert done.exception is None, done.exception
    return out.read_text(), done.output


def test_pictures_are_shown_where_the_user_allows(pictures, tmp_path):
    model, new = pictures / "p.rebox", pictures / "new"
    shut, _ = reported(model, new, tmp_path / "shut.html")
    assert "<img" not in shut
    assert "<code>--thumbnails</code> adds small pictures" in shut
    shown, _ = reported(model, new, tmp_path / "shown.html", "--thumbnails")
    images = [a for tag, a in Page(shown).tags if tag == "img"]
    assert len(images) == 8
    assert all(a["src"].startswith("data:image/png;base64,") for a in images)
    assert {a["alt"] for a in images} == {
        f"{('dark', 'bright')[i % 2]}/<i>{i}.png" for i in range(8)
    }
    assert str(pictures) not in shown
    assert "--thumbnails" not in shown


def test_texts_are_quoted_where_the_user_allows(tmp_path):
    words = {"joy": "glad sunny happy <b>bright</b>", "anger": "furious rage shouting cross"}
    texts = [f"{words[kind]} number {i} {'and so on ' * 40}" for i in range(30) for kind in words]
    labels = ["joy", "anger"] * 30
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = rebox.Reprogrammer(recipe="local", random_state=0)
        model.fit(rebox.Samples(texts=texts), labels).save(tmp_path / "t.rebox")
    given = {"images": None, "texts": np.array(texts[:20], dtype=object)}
    shut, _ = told(model, tmp_path / "t.rebox", None, labels[:20], **given)
    assert "furious" not in shut
    shown, worth = told(model, tmp_path / "t.rebox", None, labels[:20], **given, thumbnails=True)
    said = Page(shown)
    assert "<b>bright</b> number" in said.text
    assert not [tag for tag, _ in said.tags if tag == "b"]
    assert all(len(one.words) <= 161 for one in worth.shown.values())
    assert all(one.words.endswith("…") for one in worth.shown.values())


def test_rows_and_ids_have_nothing_to_show(three, tmp_path):
    x, y = rows(30, 1, EVIL)
    np.savez(tmp_path / "new.npz", x=x, y=y)
    failed = invoke(
        "report", three[1], "--data", tmp_path / "new.npz", "--thumbnails", "--out", tmp_path / "n"
    ).exception
    assert isinstance(failed, InvalidOption)
    assert "rows of figures" in str(failed)
    text, _ = reported(three[1], tmp_path / "new.npz", tmp_path / "page.html")
    assert "--thumbnails" not in text
    assert "Nobody was asked: the model answers without a box." in text


# --- several boxes, and what was paid -------------------------------------------------------------


@pytest.fixture(scope="module")
def several(answers, folder):  # noqa: F811
    """A model of three boxes, and the labels of samples that it has not seen."""
    fitted(answers, usd_per_prediction=0.001).save(folder / "several.rebox")
    _, truth = answers
    table = folder / "held-out.csv"
    lines = [f"sample-{i},{truth[i]}" for i in range(300, 700)]
    table.write_text("\n".join(["id,label", *lines]) + "\n")
    return folder / "several.rebox", table


def test_several_boxes_say_what_each_was_paid(several, tmp_path):
    text, printed = reported(*several, tmp_path / "page.html", "--journal", "none", "--yes")
    table = rows_of(text, "What was asked and paid for these figures")
    assert [row[0] for row in table[1:]] == ["Cheap", "Dear", "Free"]
    asked = sum(number(row[1]) for row in table[1:])
    assert f"asked {asked:,.0f} queries" in printed
    paid = sum(number(row[-1]) for row in table[1:])
    assert paid == pytest.approx(number(re.search(r", (\$[\d.]+)", printed)[1]), abs=0.006)
    assert "Measured on held-out" in text
    assert len(re.findall(r"<svg", text)) == 7  # and the policy's four
    assert "sample-3" in text


@pytest.mark.slow
def test_the_budget_holds_and_a_journal_pays_again(several, tmp_path):
    out = tmp_path / "page.html"
    short = ("--data", several[1], "--out", out, "--journal", "none", "--yes", "--budget", 3)
    failed = invoke("report", several[0], *short).exception
    assert isinstance(failed, BudgetExhausted)
    assert not out.exists()
    journal = ("--journal", tmp_path / "j.sqlite", "--yes")
    first, _ = reported(*several, out, *journal)
    again, printed = reported(*several, out, *journal)
    assert "answered by the journal" in printed
    assert "from the journal" in again
    caption = "Recall: how many"
    assert rows_of(first, caption) == rows_of(again, caption)


def test_a_fit_writes_the_page_of_its_model(pictures, tmp_path):
    alone = Page((pictures / "fit.html").read_text()).text
    assert "All figures are those of training samples" in alone
    assert "rebox report p.rebox --data" in alone
    given = ("--recipe", "local", "--data", pictures / "train", "--out", tmp_path / "m.rebox")
    done = invoke("fit", *given, "--hold-out", "0.3", "--report", tmp_path / "m.html")
    assert done.exception is None, done.exception
    said = Page((tmp_path / "m.html").read_text()).text
    assert "Measured on a part of train, held out" in said
    assert "fitted without these samples" in said


def test_a_page_that_cannot_be_written_is_refused_before_the_fit(pictures, tmp_path, monkeypatch):
    given = ("fit", "--recipe", "local", "--data", pictures / "train")
    for out, page in (("-", tmp_path / "m.html"), (tmp_path / "m", tmp_path / "m")):
        failed = invoke(*given, "--out", out, "--report", page).exception
        assert isinstance(failed, InvalidOption)
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    page = tmp_path / "m.html"
    failed = invoke(*given, "--out", tmp_path / "m", "--report", page).exception
    assert isinstance(failed, MissingExtra)
    assert not (tmp_path / "m").exists()


# --- what cannot be measured ----------------------------------------------------------------------


def test_bad_data_is_refused_in_words_before_anybody_is_asked(several, tmp_path):
    bad = {
        "unlabelled": ("id\nsample-1\n", "label"),
        "empty": ("id,label\nsample-1,\n", "label"),
        "others": ("id,label\nsample-1,nonsense\n", "the model knows no class 'nonsense'"),
        "nothing": ("id,label\n", ""),
    }
    for name, (content, words) in bad.items():
        table = tmp_path / f"{name}.csv"
        table.write_text(content)
        failed = invoke("report", several[0], "--data", table, "--out", tmp_path / "p").exception
        assert isinstance(failed, InvalidData), name
        assert words in str(failed)
    assert not (tmp_path / "p").exists()


def test_no_output_takes_the_place_of_a_file_that_the_model_s_box_is_in(several, tmp_path):
    model, table = several
    file = open_model(model).boxes[0].record.uri.partition(":")[2].partition("?")[0]
    before = Path(file).read_bytes()
    asked = ("--data", table, "--journal", "none", "--yes")
    for command in (
        ("report", model, *asked, "--out", file),
        ("report", model, "--out", file),
        ("evaluate", model, *asked, "--json", file),
        ("predict", model, table, "--journal", "none", "--yes", "--out", file),
    ):
        failed = invoke(*command).exception
        assert isinstance(failed, OutputError), command
        assert "it is what is read as" in str(failed)
    assert Path(file).read_bytes() == before


def test_options_of_a_measurement_need_data(several, tmp_path):
    model, table = several
    for option in ("--thumbnails",), ("--positive", "1"), ("--budget", 3), ("--label-column", "x"):
        failed = invoke("report", model, *option, "--out", tmp_path / "p").exception
        assert isinstance(failed, InvalidOption)
        assert f"{option[0]} is for measuring a model" in str(failed)
    ledger = tmp_path / "ledger.jsonl"
    ledger.write_text("{}\n")
    failed = invoke("report", ledger, "--data", table, "--out", tmp_path / "p").exception
    assert "--data is what a model is measured on" in str(failed)
    twice = ("--journal", tmp_path / "a", "--journal", tmp_path / "b")
    failed = invoke("report", model, "--data", table, *twice, "--out", tmp_path / "p").exception
    assert "found 2 journals" in str(failed)


def test_the_same_page_each_time(page, three):
    x, y = rows(90, 1, EVIL)
    again, worth = told(*three, x, y)
    assert again == page[0]
    when = datetime(2025, 3, 4, 5, 6, tzinfo=UTC)
    assert "2025-03-04 05:06 UTC" in model_report(three[1], worth=worth, when=when)
