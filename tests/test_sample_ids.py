"""Ids in files, and on the command line."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from recordings import answers, recording, uri
from typer.testing import CliRunner

import rebox
from rebox.cli.app import app
from rebox.errors import Error, InvalidData
from rebox.sample import Dataset, ImageFiles, Samples, load, load_unlabelled

CONTENT = answers()
IDS, TRUTH = CONTENT["ids"], CONTENT["truth"]


@pytest.fixture
def file(tmp_path):
    return recording(tmp_path / "answers.npz")


def table(path, text):
    path.write_text(text)
    return path


def listed(path, rows, header="id,label"):
    """Write a CSV of ids and labels; return its path."""
    return table(path, "\n".join([header, *(f"{IDS[i]},{TRUTH[i]}" for i in rows)]) + "\n")


def picture(path, level=0):
    Image.new("L", (4, 4), level).save(path)
    return path


def invoke(*arguments):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None:
        raise result.exception
    return result.output


# --- tables ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["id,label", "ID,Label", "ids,labels", "\ufeffid,label"])
def test_a_table_of_ids(tmp_path, header):
    data = load(listed(tmp_path / "d.csv", range(6), header))
    assert data.images is None
    assert (data.ids.tolist(), data.labels.tolist()) == (IDS[:6].tolist(), list("012012"))
    assert isinstance(data.samples, Samples)
    assert repr(data).startswith("<Dataset d: 6 samples by their ids, 3 classes")


def test_a_table_of_ids_has_subjects_and_passes_over_the_rest(tmp_path):
    text = "id;label;group;note\n1;a;p;hello\n02;b;q;\n"
    with pytest.warns(UserWarning, match="passed over the columns 'note'"):
        data = load(table(tmp_path / "d.csv", text))
    assert data.ids.tolist() == ["1", "02"]
    assert data.groups.tolist() == ["p", "q"]


def test_pictures_may_have_ids(tmp_path):
    for name in "ab":
        picture(tmp_path / f"{name}.png")
    path = table(tmp_path / "d.csv", "path,label,id\na.png,x,1\nb.png,y,2\n")
    data = load(path)
    assert isinstance(data.images, ImageFiles)
    assert data.samples.ids.tolist() == ["1", "2"]
    assert data.subset([1]).samples.ids.tolist() == ["2"]
    samples, names = load_unlabelled(path)
    assert (samples.ids.tolist(), names) == (["1", "2"], ["a.png", "b.png"])


def test_ids_of_some_pictures_are_passed_over(tmp_path):
    for name in "ab":
        picture(tmp_path / f"{name}.png")
    path = table(tmp_path / "d.csv", "path,label,id\na.png,x,1\nb.png,y,\n")
    with pytest.warns(UserWarning, match="'id', which is empty in 1 lines, line 3 the first"):
        data = load(path)
    assert data.ids is None


def test_a_column_that_is_named_holds_paths(tmp_path):
    picture(tmp_path / "a.png")
    path = table(tmp_path / "d.csv", "id,label\na.png,x\n")
    assert isinstance(load(path, path_column="id").images, ImageFiles)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,label\n1,a\n ,b\n", "line 3: the id is empty; expected what the sample is called"),
        ("id,label\n1,a\n2,\n", "line 3: the label is empty"),
        ("id,label\n", "lists no samples"),
        ("id,id,label\n1,2,a\n", "2 columns called 'id'"),
        ("id,class\n1,a\n", "no column 'label'; found 'id', 'class'; expected id,label on the"),
        ("name,label\n1,a\n", "expected path,label, text,label or id,label on the first line"),
    ],
)
def test_bad_tables_of_ids(tmp_path, text, message):
    with pytest.raises(InvalidData, match=message):
        load(table(tmp_path / "d.csv", text))


def test_an_id_with_two_labels_is_told(tmp_path):
    path = table(tmp_path / "d.csv", "id,label\n1,a\n1,b\n2,b\n")
    with pytest.warns(UserWarning, match="1 ids are listed with two labels or more, 1 the first"):
        assert len(load(path)) == 3


def test_ids_alone_are_what_samples_are_called(tmp_path):
    one, other = listed(tmp_path / "1.csv", range(3)), listed(tmp_path / "2.csv", [9])
    samples, names = load_unlabelled([one, other])
    assert samples.ids.tolist() == names == IDS[[0, 1, 2, 9]].tolist()


def test_ids_and_pictures_are_predicted_apart(tmp_path):
    paths = [listed(tmp_path / "1.csv", range(3)), picture(tmp_path / "a.png")]
    with pytest.raises(InvalidData, match="by their ids alone were given together with images"):
        load_unlabelled(paths)


# --- archives -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ids", "id", "IDS"])
def test_an_archive_of_ids(tmp_path, name):
    np.savez(tmp_path / "d.npz", **{name: np.arange(4)}, y=[0, 1, 0, 1], groups=list("aabb"))
    data = load(tmp_path / "d.npz")
    assert (data.images, data.ids.tolist()) == (None, list("0123"))
    assert data.groups.tolist() == list("aabb")
    samples, names = load_unlabelled(tmp_path / "d.npz")
    assert samples.ids.tolist() == names == list("0123")


def test_an_archive_of_images_with_ids(tmp_path):
    x = np.zeros((4, 5, 5), np.uint8)
    np.savez(tmp_path / "d.npz", x=x, ids=np.array(list("abcd")), y=[0, 1, 0, 1])
    data = load(tmp_path / "d.npz")
    assert (data.images.shape, data.ids.tolist()) == (x.shape, list("abcd"))
    samples, names = load_unlabelled(tmp_path / "d.npz")
    assert samples.ids.tolist() == list("abcd")
    assert names[0].endswith("d.npz[0]")


def test_recorded_answers_are_a_data_set(file):
    data = load(file)
    assert data.labels.tolist() == TRUTH.tolist()
    assert data.ids.tolist() == IDS.tolist()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"ids": np.arange(3)}, "no array 'y'"),
        ({"ids": np.arange(3), "y": [0, 1]}, "ids has shape"),
        ({"ids": np.array(["a", ""]), "y": [0, 1]}, "ids: the id of sample 1 is empty"),
        ({"ids": np.eye(2), "y": [0, 1]}, r"ids have shape \(2, 2\)"),
        ({"ids": np.array(["a", None]), "y": [0, 1]}, "Python objects"),
        ({"x": np.zeros((3, 4)), "ids": np.arange(2), "y": [0, 1, 1]}, "ids has shape"),
    ],
)
def test_bad_archives_of_ids(tmp_path, arrays, message):
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(InvalidData, match=message):
        load(tmp_path / "d.npz")


# --- data sets ------------------------------------------------------------------------------------


def test_a_data_set_is_known_by_something():
    with pytest.raises(InvalidData, match="found no images, texts or ids"):
        Dataset(None, np.array([0, 1]), "d")


def test_ids_are_split_and_counted_in_the_checksum():
    whole = Dataset(None, TRUTH, "d", ids=IDS)
    train, test = whole.split(0.25)
    assert sorted([*train.ids, *test.ids]) == IDS.tolist()
    assert [str(one) for one in test.labels] == [str(int(one[1:4]) % 3) for one in test.ids]
    turned = Dataset(None, TRUTH, "d", ids=IDS[::-1])
    assert len({whole.checksum, train.checksum, turned.checksum}) == 3


# --- the command line -----------------------------------------------------------------------------


@pytest.fixture
def fitted(tmp_path, file):
    data = listed(tmp_path / "train.csv", range(90))
    given = ("--box", uri(file), "--data", data, "--budget", 90, "--journal", tmp_path / "j.sqlite")
    said = invoke("estimate", *given[:6])
    assert "90 of 90 training samples" in said
    invoke("fit", *given, "--out", tmp_path / "m.rebox")
    return tmp_path


def test_a_model_of_ids_on_the_command_line(fitted):
    test = listed(fitted / "test.csv", range(90, 120))
    invoke("evaluate", fitted / "m.rebox", "--data", test, "--json", fitted / "e.json")
    record = json.loads((fitted / "e.json").read_text())
    assert record["queries"]["predict"] == 30
    assert record["metrics"]["accuracy"]["value"] > 0.7
    invoke("predict", fitted / "m.rebox", test, "--out", fitted / "p.csv")
    with (fitted / "p.csv").open() as rows:
        said = list(csv.DictReader(rows))
    assert [row["id"] for row in said] == IDS[90:].tolist()
    assert np.mean([row["label"] == str(k) for row, k in zip(said, TRUTH[90:], strict=True)]) > 0.7
    # what was predicted is a list of ids again
    invoke("predict", fitted / "m.rebox", fitted / "p.csv", "--out", fitted / "q.csv")
    assert (fitted / "p.csv").read_bytes() == (fitted / "q.csv").read_bytes()


def test_show_tells_of_a_model_of_ids(fitted):
    facts = json.loads(invoke("show", fitted / "m.rebox", "--json"))
    assert (facts["size"], facts["value_range"]) == (None, None)
    assert facts["identity"].startswith("recorded:Good@")
    assert facts["price_usd"] == 0.001
    assert "pixels" not in invoke("show", fitted / "m.rebox")


def test_an_archive_is_predicted_by_its_ids(fitted, file):
    invoke("predict", fitted / "m.rebox", file, "--out", fitted / "p.csv")
    assert (fitted / "p.csv").read_text().splitlines()[1].startswith("s000.jpg,")


def test_an_unknown_id_is_refused_before_it_costs(fitted):
    path = table(fitted / "odd.csv", f"id,label\n{IDS[0]},0\nwho,1\n")
    for command, given in (("predict", [path]), ("evaluate", ["--data", path])):
        with pytest.raises(Error, match="no answer to 1 of 2 ids, 'who' the first"):
            invoke(command, fitted / "m.rebox", *given)
    assert not (fitted / "predictions.csv").exists()


def test_bad_pictures_are_skipped_beside_ids(tmp_path, file):
    for i in range(8):
        picture(tmp_path / f"{i}.png", 20 * i)
    rows = "".join(f"{i}.png,{TRUTH[i]},{IDS[i]}\n" for i in range(8))
    path = table(tmp_path / "d.csv", f"path,label,id\n{rows}")
    given = ("--box", uri(file), "--data", path, "--budget", 8, "--journal", "none")
    invoke("fit", *given, "--out", tmp_path / "m.rebox")
    (tmp_path / "3.png").write_bytes(b"")
    arguments = ("predict", tmp_path / "m.rebox", path, "--out", tmp_path / "p.csv")
    with pytest.raises(InvalidData, match=r"3\.png is empty"):
        invoke(*arguments)
    with pytest.warns(UserWarning, match="passed over 1 of 8 samples"):
        invoke(*arguments, "--skip-bad")
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines[4].strip(",") == "3.png"
    assert len(lines) == 9


def test_a_box_is_probed_by_its_ids(file):
    said = invoke("box", "probe", uri(file), "--journal", "none")
    assert "ids              120" in said
    assert "asked 5 queries (5 to probe)" in said
    with pytest.raises(Error, match="a probe asks 5 questions"):
        invoke("box", "probe", uri(file), "--budget", 4, "--journal", "none")


def test_a_task_is_shown_by_its_ids(tmp_path):
    said = invoke("task", "show", listed(tmp_path / "d.csv", range(6)))
    assert "6, as s000.jpg" in said


def test_held_out_ids_are_measured(tmp_path, file):
    data = listed(tmp_path / "d.csv", range(120))
    given = ("--box", uri(file), "--data", data, "--budget", 120, "--journal", "none")
    out = tmp_path / "m.rebox"
    assert "asked 120 queries (" in invoke("fit", *given, "--hold-out", 0.25, "--out", out)


def test_ids_are_fitted_in_python_as_on_the_command_line(fitted, file):
    data = load(fitted / "train.csv")
    model = rebox.Reprogrammer(uri(file), budget=90, journal=False, random_state=0)
    model.fit(data.samples, data.labels)
    loaded = rebox.Reprogrammer.load(fitted / "m.rebox", journal=False)
    samples = rebox.Samples(ids=IDS)
    np.testing.assert_array_equal(model.predict_proba(samples), loaded.predict_proba(samples))
