import os
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from recordings import answers, recording, uri

import rebox
from rebox.box import BoxSpec, open_box, probe_ids
from rebox.box.recorded import LEAST_SURE
from rebox.errors import BoxError, Error, InvalidData, InvalidOption
from rebox.rehearsal import Rehearsal
from rebox.study.bench.remember import RememberingBox
from rebox.testing import IdBoxContract

DATA = Path(os.environ.get("REBOX_DATA") or Path(__file__).parents[2] / "shared" / "data")


@pytest.fixture
def file(tmp_path):
    return recording(tmp_path / "answers.npz")


class TestRecordedBox(IdBoxContract):
    tolerance = 0.0  # they are read from a file

    @pytest.fixture(params=["Good", "Free", "Poor"])
    def box(self, file, request):
        return open_box(uri(file, request.param))

    @pytest.fixture
    def reopen(self, box):
        return lambda: open_box(box.uri)


class TestLimitedRecordedBox(IdBoxContract):
    """What is put around a box that takes ids takes ids."""

    @pytest.fixture
    def box(self, file):
        return open_box(uri(file, labels_only="true"))

    def known(self, box):
        return box.source.ids


def test_an_answer_is_the_confidence_at_the_label(file):
    content, box = answers(), open_box(uri(file, "Poor"))
    scores = box.ask(content["ids"][[5, 0]])
    for row, place in zip(scores, (5, 0), strict=True):
        assert row.argmax() == content["labels"][place, 2]
        assert row.max() == content["confidence"][place, 2]
        assert np.count_nonzero(row) == 1


def test_its_spec_says_what_it_is(file):
    spec = open_box(uri(file)).spec
    assert (spec.takes, spec.shape, spec.classes) == ("ids", (0, 0, 0), ("0", "1", "2"))
    assert (spec.complete, spec.best_only, spec.sums_to_one) == (False, True, False)
    assert spec.price_usd == 0.001  # $10 per 10,000
    assert "ids" in repr(spec)
    assert "the best class and its score" in spec._repr_html_()


def test_what_costs_nothing_is_not_journalled(file):
    boxes = {name: open_box(uri(file, name)) for name in ("Good", "Free")}
    assert {name: box.journalled for name, box in boxes.items()} == {"Good": True, "Free": False}
    assert not any(box.remote for box in boxes.values())


@pytest.mark.parametrize(
    ("label", "confidence", "expected"),
    [
        (-1, 0.9, [0, 0, 0]),
        (1, np.nan, [0, 0, 0]),
        (1, 0.0, [0, LEAST_SURE, 0]),
        (1, -3.0, [0, LEAST_SURE, 0]),
        (2, 7.0, [0, 0, 1]),
        (2, np.inf, [0, 0, 1]),
    ],
)
def test_odd_answers_are_read(tmp_path, label, confidence, expected):
    content = answers()
    content["labels"][3, 0], content["confidence"][3, 0] = label, confidence
    box = open_box(uri(recording(tmp_path / "a.npz", **content)))
    np.testing.assert_allclose(box.ask(content["ids"][[3]])[0], expected, rtol=1e-6)


def test_classes_reach_to_the_largest_label_of_service_or_truth(tmp_path):
    labels = answers()["labels"]
    labels[0] = (0, 5, 0)
    path = recording(tmp_path / "a.npz", labels=labels)
    assert len(open_box(uri(path, "Good")).spec.classes) == 3
    assert len(open_box(uri(path, "Free")).spec.classes) == 6
    truth = answers()["truth"]
    truth[0] = 7
    assert len(open_box(uri(recording(tmp_path / "b.npz", truth=truth))).spec.classes) == 8


def test_classes_can_be_named(file):
    assert open_box(uri(file, labels="cat,dog,cow")).spec.classes == ("cat", "dog", "cow")
    with pytest.raises(InvalidOption, match=r"names 2 classes, and .* has 3"):
        open_box(uri(file, labels="cat,dog"))


def test_the_identity_is_that_of_the_answers(tmp_path, file):
    known = open_box(uri(file)).spec.identity
    assert str(tmp_path) not in known
    moved = recording(tmp_path / "elsewhere.npz", usd_per_10k=np.array([99.0, 0, 0]))
    assert open_box(uri(moved)).spec.identity == known
    labels, confidence, ids = (answers()[name] for name in ("labels", "confidence", "ids"))
    labels[0, 0], confidence[0, 0], ids[0] = (labels[0, 0] + 1) % 3, 0.123, "other"
    changed = [
        open_box(uri(recording(tmp_path / "c.npz", **{name: value}))).spec.identity
        for name, value in (("labels", labels), ("confidence", confidence), ("ids", ids))
    ]
    assert len({known, *changed, open_box(uri(file, "Poor")).spec.identity}) == 5


def test_the_only_service_need_not_be_named(tmp_path):
    one = {name: answers()[name][:, :1] for name in ("labels", "confidence")}
    path = tmp_path / "one.npz"
    np.savez(path, **answers(services=np.array(["Sole"]), usd_per_10k=np.array([1.0]), **one))
    assert open_box(f"recorded:{path}").spec.identity.startswith("recorded:Sole@")


def test_ids_may_be_numbers(tmp_path):
    box = open_box(uri(recording(tmp_path / "n.npz", ids=np.arange(120))))
    assert box.ask(np.array(["7"])).shape == (1, 3)


@pytest.mark.parametrize(
    ("service", "message"),
    [
        (None, "has answers of Good, Free, Poor, and none was named: choose one by service="),
        ("Bad", "'Bad' is none of them"),
        ("good", r"\(did you mean 'Good'\?\)"),
    ],
)
def test_a_service_that_is_not_there(file, service, message):
    named = f"?service={service}" if service else ""
    with pytest.raises(InvalidOption, match=message):
        open_box(f"recorded:{file}{named}")


def test_an_id_that_is_not_there_is_named(file):
    with pytest.raises(InvalidData, match="no answer to 2 of 3 ids, 'x' the first"):
        open_box(uri(file)).ask(np.array(["x", "s001.jpg", "y"]))


N = answers()
BAD = {
    "no labels": ({"labels": None}, "has no array 'labels'"),
    "ids twice": ({"ids": np.where(np.arange(120) == 4, "s000.jpg", N["ids"])}, "'s000.jpg' twice"),
    "too few ids": ({"ids": N["ids"][:90]}, r"truth has shape \(120,\); expected \(90,\)"),
    "labels of one": ({"labels": N["labels"][:, 0]}, r"labels has shape \(120,\); expected \(120"),
    "an empty id": (
        {"ids": np.where(np.arange(120) == 4, "", N["ids"])},
        "id of sample 4 is empty",
    ),
    "objects": ({"truth": N["truth"].astype(object)}, "Python objects, which are never loaded"),
    "no price": ({"usd_per_10k": np.array([np.nan, 1, 1])}, "usd_per_10k holds"),
    "a price below 0": ({"usd_per_10k": np.array([-1.0, 1, 1])}, "0 or more: correct it"),
    "a price in words": ({"usd_per_10k": np.array(["1", "2", "3"])}, "expected numbers"),
    "services twice": (
        {"services": np.array(["Good", "Good", "Poor"])},
        "services has 'Good' twice",
    ),
    "labels in words": ({"labels": N["labels"].astype(str)}, "whole numbers of classes"),
    "labels between": ({"labels": N["labels"] + 0.5}, "whole numbers of classes"),
    "labels far off": ({"labels": N["labels"] + 30_000}, "from 0 to 9,999"),
    "truth in words": ({"truth": N["truth"].astype(str)}, "whole numbers of classes"),
    "sure in words": ({"confidence": N["confidence"].astype(str)}, "confidence holds <U"),
    "nobody": ({name: N[name][:0] for name in ("ids", "truth", "labels", "confidence")}, "0 ids"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_a_line(tmp_path, case):
    more, message = BAD[case]
    content = {name: value for name, value in (N | more).items() if value is not None}
    np.savez(tmp_path / "bad.npz", **content)
    with pytest.raises(BoxError, match=message) as caught:
        open_box(uri(tmp_path / "bad.npz"))
    assert "\n" not in str(caught.value)
    assert "bad.npz" in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"PK\x03\x04 cut"])
def test_what_is_no_archive(tmp_path, content):
    if content is not None:
        (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(Error, match=r"bad\.npz cannot be read"):
        open_box(uri(tmp_path / "bad.npz"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"height": 8}, "a box that takes ids has no size, found 8 x 0 x 0"),
        ({"takes": "sounds"}, "a box takes images, texts or ids, found 'sounds'"),
        ({"complete": True}, "neither complete nor labels only"),
        ({"labels_only": True}, "neither complete nor labels only"),
    ],
)
def test_specs_that_contradict_themselves(more, message):
    said = {"height": 0, "width": 0, "channels": 0, "takes": "ids", "complete": False}
    with pytest.raises(InvalidOption, match=message):
        BoxSpec(identity="x", classes=("a", "b"), **said | {"best_only": True} | more)


def test_a_probe_tells_what_answers_look_like(file):
    box = open_box(uri(file))
    report = probe_ids(box.ask, box)
    assert (report.questions, report.known) == (5, 120)
    assert (report.fewest_scores, report.most_scores) == (1, 1)
    assert any("$0.001 per query" in line for line in report.lines())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rafdb", "waimai", "digit", "yelp"])
def test_real_answers(name):
    path = DATA / "answers" / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"no recorded answers in {DATA}: set REBOX_DATA")
    content = np.load(path, allow_pickle=False)
    rows = np.random.default_rng(0).permutation(len(content["ids"]))[:400]
    train, test = rows[:200], rows[200:]
    for column, service in enumerate(content["services"]):
        box = open_box(uri(path, service))
        named = box.ask(content["ids"][rows]).argmax(axis=1)
        np.testing.assert_array_equal(named, content["labels"][rows, column])
    model = rebox.Reprogrammer(box, budget=200, journal=False, random_state=0)
    model.fit(rebox.Samples(ids=content["ids"][train]), content["truth"][train])
    right = model.score(rebox.Samples(ids=content["ids"][test]), content["truth"][test])
    assert right > (named[200:] == content["truth"][test]).mean() - 0.1


def test_what_shows_images_refuses_a_box_of_ids(file):
    with pytest.raises(InvalidOption, match="is asked by ids, and a service is shown images"):
        Rehearsal("clarifai", open_box(uri(file)))


def test_a_bench_remembers_answers_by_id(file, tmp_path):
    ids = answers()["ids"][[0, 1, 0]]
    bare = open_box(uri(file)).ask(ids)
    for answered in (2, 0):
        with closing(RememberingBox(open_box(uri(file)), tmp_path / "kept")) as box:
            np.testing.assert_array_equal(box.ask(ids), bare)
            assert (box.asked, box.answered) == (3, answered)
            with pytest.raises(InvalidData, match="'who' the first"):
                box.ask(np.array(["who"]))
