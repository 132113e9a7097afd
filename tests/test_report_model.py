"""The page of a model: its figures are the policy's, and whom predictions ask is told."""

import csv
import itertools
import re
from collections import Counter

import numpy as np
import pytest
from test_boxes_run import answers, boxes_of, fitted, samples  # noqa: F401 - a fixture
from test_report_page import Page, invoke

import rebox
from rebox.artefact import content_of, load, peek
from rebox.cli import predictions
from rebox.errors import ArtefactError, InvalidOption
from rebox.fit.policy import NEARLY
from rebox.study.report.figures.style import PALETTE
from rebox.study.report.model import model_report, open_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def made(answers, folder):  # noqa: F811
    model = fitted(answers, usd_per_prediction=0.001)
    model.save(folder / "paid.rebox")
    return model


@pytest.fixture(scope="module")
def path(made, folder):
    return folder / "paid.rebox"


@pytest.fixture(scope="module")
def policy(made):
    return made.artefact_.model.policy


@pytest.fixture(scope="module")
def text(path):
    return model_report(path)


def rows_of(text, caption):
    """The rows of the table with that caption, each as the texts of its cells."""
    found = next(t for t in re.findall(r"<table.*?</table>", text, re.DOTALL) if caption in t)
    rows = re.findall(r"<tr>(.*?)</tr>", found, re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
    return [[Page(cell).text for cell in row] for row in cells]


def number(text):
    return float(text.split()[0].replace("$", "").replace("\N{MINUS SIGN}", "-"))


# --- what a policy keeps of whom it asked ---------------------------------------------------------


def test_a_point_says_whom_it_asks_and_what_that_costs(policy):
    for point in (*policy.curve, policy.point):
        assert point.cost == pytest.approx(float(np.dot(point.asked, policy.costs)))
        assert all(0 <= share <= 1 for share in point.asked)
        assert point.value - point.gain == pytest.approx(policy.point.value - policy.point.gain)
    assert policy.point.cost <= policy.mean


@pytest.mark.parametrize("groups", ["by_class", "by_doubt"])
def test_groups_add_up_to_all_samples(policy, groups):
    groups = getattr(policy, groups)
    samples_of = np.array([one.samples for one in groups])
    assert samples_of.sum() == 300
    shares = np.array([one.asked for one in groups])
    assert samples_of @ shares / 300 == pytest.approx(np.array(policy.point.asked))


def test_the_doubtful_are_asked_about_more(policy):
    doubts = [one.doubt for one in policy.by_doubt]
    assert len(doubts) == 10
    assert doubts == sorted(doubts)
    first, last = (sum(policy.by_doubt[place].asked) for place in (0, -1))
    assert last > first + 0.3


def test_everybody_is_asked_what_is_asked_first(policy):
    assert set(policy.first) <= set(policy.everybody)
    assert all(policy.point.asked[number] >= NEARLY for number in policy.everybody)


def test_samples_that_nothing_is_known_of_are_one_group(answers):  # noqa: F811
    model = fitted(answers, names=("Cheap", "Dear"), usd_per_prediction=0.0004)
    policy = model.artefact_.model.policy
    assert policy.everybody == ()
    assert len(policy.by_doubt) == 1


def test_all_of_it_is_there_after_saving_and_without_a_box(path, policy):
    again = load(path).model.policy
    for name in ("curve", "point", "by_class", "by_doubt"):
        assert getattr(again, name) == getattr(policy, name)
    left = policy.without(1)
    assert left.point.asked == (policy.point.asked[0], policy.point.asked[2])
    assert all(len(one.asked) == 2 for one in (*left.curve, *left.by_class, *left.by_doubt))
    assert left.arrays()["by_class"].shape == (len(policy.by_class), 4)


@pytest.mark.parametrize("name", ["curve", "point", "by_class", "by_doubt"])
def test_a_file_whose_shares_are_not_those_of_its_questions_is_refused(
    made, tmp_path, name, monkeypatch
):
    policy = made.artefact_.model.policy
    arrays = policy.arrays()
    arrays[name] = arrays[name][:, :-1]
    monkeypatch.setattr(type(policy), "arrays", lambda _: arrays)
    (tmp_path / "m.rebox").write_bytes(content_of(made.artefact_))
    with pytest.raises(ArtefactError, match="policy is none"):
        peek(tmp_path / "m.rebox")


# --- the page -------------------------------------------------------------------------------------


def test_the_curve_on_the_page_is_the_policys(text, policy):
    rows = rows_of(text, "What a price of asking comes to")
    assert rows[0][0] == "dollars for 10,000 predictions"
    points = sorted({*policy.curve, policy.point}, key=lambda one: one.cost)
    assert len(rows) == len(points) + 1
    for row, point in zip(rows[1:], points, strict=True):
        assert number(row[0]) == pytest.approx(10_000 * point.cost, abs=0.006)
        assert number(row[1]) == pytest.approx(100 * point.value, abs=0.051)
        assert number(row[2]) == pytest.approx(100 * point.gain, abs=0.051)
        assert [number(cell) for cell in row[3:]] == pytest.approx(
            [100 * share for share in point.asked], abs=0.051
        )
        assert ("chosen" in row[0]) == (point == policy.point)


def test_who_was_asked_on_the_page_is_the_policys(text, policy):
    for caption, groups in (("by class", policy.by_class), ("by how doubtful", policy.by_doubt)):
        rows = rows_of(text, caption)[1:]
        assert len(rows) == len(groups)
        for row, group in zip(rows, groups, strict=True):
            assert number(row[1]) == group.samples
            assert [number(cell) for cell in row[3:]] == pytest.approx(
                [100 * share for share in group.asked], abs=0.051
            )


def test_the_page_says_what_each_box_brought_and_costs(text, made):
    said = Page(text).text
    for one in made.verdict_.boxes:
        words = re.sub(r"(?<=[ (])-(?=\d)", "\N{MINUS SIGN}", " ".join(one.words.split()))
        assert words in said
    rows = {row[0]: row for row in rows_of(text, "The boxes, and how many")[1:]}
    assert set(rows) == {"Cheap", "Dear", "Free"}
    assert rows["Dear"][1] == "$20.00"
    assert rows["Dear"][-1] == "keep"
    assert number(rows["Dear"][4]) == pytest.approx(made.verdict_.boxes[1].gain.value, abs=6e-4)
    point = made.artefact_.model.policy.point
    assert f"10,000 predictions cost ${10_000 * point.cost:.2f} in the mean" in said
    assert f"accuracy is {100 * point.value:.1f} %" in said


def test_each_box_has_a_colour_of_its_own_on_all_figures(text):
    swatches = re.findall(r'class="swatch" style="background:var\(--line-(\d)\)"', text)
    assert swatches == ["0", "1", "2"]
    drawn = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(drawn) == 4
    for svg in drawn:
        used = set(re.findall(r"--line-(\d)", svg))
        assert used == {"0", "1", "2"}
        assert not any(colour in svg for colour in PALETTE)  # they follow light and dark


def test_a_page_is_whole_needs_nothing_else_and_is_the_same_each_time(text, path):
    page = Page(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert page.headings[0] == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(page.headings))
    assert not [tag for tag, _ in page.tags if tag in {"script", "iframe", "object", "base"}]
    addresses = [a.get("src") or a.get("href") or a.get("xlink:href") or "" for _, a in page.tags]
    assert all(a.startswith(("#", "data:")) for a in addresses if a)
    assert all(a["role"] == "img" and a["aria-label"] for tag, a in page.tags if tag == "svg")
    assert model_report(path) == text
    assert str(path.parent) not in text
    assert "three.npz" not in text  # nor where answers lie


def test_queries_are_counted_where_no_dollars_are(answers, tmp_path):  # noqa: F811
    model = fitted(answers, queries_per_prediction=0.3)
    model.save(tmp_path / "q.rebox")
    text = model_report(tmp_path / "q.rebox")
    point = model.artefact_.model.policy.point
    assert f"a prediction asks {point.cost:.3g} queries in the mean" in Page(text).text
    assert rows_of(text, "What a price of asking comes to")[0][0] == "queries for a prediction"


def test_without_a_policy_the_page_says_why_there_is_no_curve(answers, tmp_path):  # noqa: F811
    for names, price in ((("Cheap", "Dear", "Free"), "$25.00"), (("Dear",), "$20.00")):
        fitted(answers, names=names).save(tmp_path / "all.rebox")
        text = model_report(tmp_path / "all.rebox")
        said = Page(text).text
        assert "There is no curve: the model has no policy" in said
        assert f"one price, {price} for 10,000 predictions" in said
        assert "<svg" not in text
        caption = "The boxes, and what each" if len(names) > 1 else "What the box costs and is"
        rows = {row[0]: row for row in rows_of(text, caption)}
        assert rows["box"][3] == "queries for a prediction"
        assert rows["Dear"][3] == "1"
        assert ("What the boxes brought" in said) == (len(names) > 1)


def test_a_model_that_asks_nobody_has_a_page(tmp_path):
    x = np.random.default_rng(0).random((60, 4))
    model = rebox.Reprogrammer(recipe="local").fit(x, (x[:, 0] > 0.5).astype(int))
    model.save(tmp_path / "local.rebox")
    assert "the model asks nobody" in Page(model_report(tmp_path / "local.rebox")).text


def test_everything_in_a_model_is_escaped(tmp_path, answers):  # noqa: F811
    file, truth = answers
    evil = np.array(["<script>alert(1)</script>", "<b>{{ 7*7 }}", "c&amp;"])[truth % 3]
    model = rebox.Reprogrammer(
        boxes_of(file), budget=10_000, journal=False, random_state=0, usd_per_prediction=0.001
    )
    model.fit(samples(range(200)), evil[:200]).save(tmp_path / "a<b>.rebox")
    page = Page(model_report(tmp_path / "a<b>.rebox", title="<i>t</i>"))
    assert not [tag for tag, _ in page.tags if tag in {"script", "b", "i"}]
    assert page.text.count("<script>alert(1)</script>") >= 2
    assert "<b>{{ 7*7 }}" in page.text


def test_boxes_that_are_called_alike_are_told_apart(path, monkeypatch):
    model = open_model(path)
    record = model.records[0]
    assert type(record).short_names([record, record]) == ["Cheap (1)", "Cheap (2)"]


def test_the_command_tells_a_model_from_a_ledger(path, tmp_path, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    done = invoke("report", path, "--out", tmp_path / "page.html", "--title", "Mine & yours")
    assert done.exception is None, done.exception
    said = Page((tmp_path / "page.html").read_text()).text
    assert "Mine & yours" in said
    assert "1970-01-02 00:00 UTC" in said
    renamed = tmp_path / "model.jsonl"
    renamed.write_bytes(path.read_bytes())
    assert invoke("report", renamed, "--out", tmp_path / "same.html").exception is None
    for wrong in ((path, path), (path, "--reference", "map"), (path, "--journal", path)):
        failed = invoke("report", *wrong, "--out", tmp_path / "no.html").exception
        assert isinstance(failed, InvalidOption)
    assert not (tmp_path / "no.html").exists()


# --- who was asked, in the CSV of predictions -----------------------------------------------------


@pytest.fixture
def new(tmp_path):
    file = tmp_path / "new.csv"
    file.write_text("id\n" + "\n".join(f"sample-{i}" for i in range(300, 900)) + "\n")
    return file


def read(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def predicted(path, new, out, *options):
    done = invoke("predict", path, new, "--out", out, "--journal", "none", *options)
    assert done.exception is None, done.exception
    return read(out)


def test_a_prediction_says_who_was_asked(path, new, tmp_path, made):
    rows = predicted(path, new, tmp_path / "p.csv")
    loaded = rebox.Reprogrammer.load(path, journal=False)
    batches = list(loaded.predict_batches(samples(range(300, 900))))
    asked = np.concatenate([batch.asked for batch in batches])
    assert asked.sum(axis=0).tolist() == [one.predict for one in loaded.meter_.spent_by_box]
    names = np.array(["Cheap", "Dear", "Free"], dtype=object)
    assert [row["asked"] for row in rows] == [" + ".join(names[one]) for one in asked]
    assert len(Counter(row["asked"] for row in rows)) > 2
    assert list(rows[0])[-1] == "asked"


def test_nobody_asked_is_an_empty_cell(answers, new, tmp_path):  # noqa: F811
    model = fitted(answers, queries_per_prediction=0.3)
    model.save(tmp_path / "q.rebox")
    asked = [row["asked"] for row in predicted(tmp_path / "q.rebox", new, tmp_path / "p.csv")]
    assert 0.6 * 600 < asked.count("") < 600


def test_without_a_policy_there_is_no_such_column(answers, new, tmp_path):  # noqa: F811
    model = fitted(answers)
    model.save(tmp_path / "all.rebox")
    assert "asked" not in predicted(tmp_path / "all.rebox", new, tmp_path / "p.csv")[0]
    (batch,) = model.predict_batches(samples(range(300, 310)))
    assert batch.asked.shape == (10, 3)
    assert batch.asked.all()


def test_a_prediction_goes_on_with_who_was_asked(path, new, tmp_path):
    whole = predicted(path, new, tmp_path / "p.csv")
    ids = new.read_text().splitlines()
    lines = (tmp_path / "p.csv").read_text().splitlines(keepends=True)
    # what an ending at row 100 leaves: the mark that a run of the same prediction writes
    marks = []
    begun = predictions.Predictions._begun

    def noting(table, partial, rows):
        marks.append("".join(table._marks))
        return begun(table, partial, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(predictions.Predictions, "_begun", noting)
        predicted(path, new, tmp_path / "q.csv")
    (tmp_path / "q.csv.partial").write_text("".join([f"{marks[0]}\n", *lines[:101]]))
    rows = predicted(path, new, tmp_path / "q.csv", "--resume")
    assert rows[:100] == whole[:100]
    assert len(rows) == len(ids) - 1
    assert all(row["asked"].endswith("Free") for row in rows)
