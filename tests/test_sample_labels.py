"""Labels are read alike by fit, score and evaluate, and what is none is named before it costs."""

import datetime
import decimal
import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import rebox
from rebox.cli.app import app
from rebox.errors import InvalidData
from rebox.sample.labels import known_labels, places_of, read_labels

Y = np.arange(20) % 2
IMAGES = (np.random.default_rng(0).random((20, 8, 8)) + Y[:, None, None]) / 2
ROWS = IMAGES[:, :5, 0]
NAMES = np.array(["ben", "mal"])[Y]


def model_of(x, y, **options):
    box = rebox.open_box("rehearsal:?classes=4&size=8&price_usd=0.01")
    model = rebox.Reprogrammer(box, "map", budget=20, random_state=0, **options)
    try:
        return model.fit(x, y)
    except rebox.Error:
        assert box.answered == 0
        raise


MISSING = {
    "NaN among texts": pd.Series(NAMES, dtype=object).where(Y * np.arange(20) != 3, np.nan),
    "NaN in a list": [*NAMES[:3], np.nan, *NAMES[4:]],
    "None": [*NAMES[:3], None, *NAMES[4:]],
    "pandas.NA": pd.Series(NAMES, dtype="string").where(np.arange(20) != 3),
    "NA among numbers": pd.Series(Y, dtype="Int64").where(np.arange(20) != 3),
    "NaN among numbers": pd.Series(Y).where(np.arange(20) != 3),
    "NaT": [*NAMES[:3], pd.NaT, *NAMES[4:]],
    "a category left out": pd.Series(NAMES).where(np.arange(20) != 3).astype("category"),
    "a masked number": np.ma.masked_array(Y, np.arange(20) == 3),
    "a masked text": np.ma.masked_array(NAMES, np.arange(20) == 3),
    "an empty text": [*NAMES[:3], " ", *NAMES[4:]],
    "empty bytes": np.array([*NAMES[:3], "", *NAMES[4:]], dtype="S"),
}


@pytest.mark.parametrize("x", [IMAGES, ROWS], ids=["images", "rows"])
@pytest.mark.parametrize("name", MISSING)
def test_a_missing_label_is_named(x, name):
    with pytest.raises(InvalidData, match=r"sample 3 has no label .*: fill it in, or leave"):
        model_of(x, MISSING[name])


ODD = {
    "dates": (np.array(["2020-01-01"] * 20, "datetime64[D]"), "a date; expected whole numbers or"),
    "dates and times": (pd.date_range("2020", periods=20), "sample 0 has the label"),
    "dates of Python": ([datetime.date(2020, 1, 1)] * 20, "a date; expected"),
    "decimals": ([decimal.Decimal(1)] * 20, "a Decimal; expected"),
    "complex numbers": (Y * 1j, "a complex; expected"),
    "tuples": (np.fromiter([(0, 1)] * 20, dtype=object), "a tuple; expected"),
    "a mixture": (np.array([1, "b"] * 10, dtype=object), "0 has the label 1 and sample 1 has 'b'"),
    "a mixture in a list": ([1, "b"] * 10, "0 has the label 1 and sample 1 has 'b'"),
    "numbers too large": ([0, 2**70] * 10, "numbers as large as"),
    "a name that is not UTF-8": (["caf\udce9", "b"] * 10, "is not UTF-8 text"),
    "fractions in objects": (np.linspace(0, 1, 20).astype(object), "continuous"),
}


@pytest.mark.parametrize("name", ODD)
def test_labels_that_cannot_be_saved_or_compared_are_named(name):
    labels, said = ODD[name]
    with pytest.raises(InvalidData, match=said) as caught:
        model_of(IMAGES, labels)
    assert "\n" not in str(caught.value)


READ = {
    "whole numbers in objects": (Y.astype(object), [0, 1]),
    "truths in objects": (Y.astype(bool).astype(object), [False, True]),
    "numbers of NumPy in objects": (np.fromiter(map(np.int8, Y), object), [0, 1]),
    "floats in objects": (Y.astype(float).astype(object), [0.0, 1.0]),
    "nullable": (pd.Series(Y, dtype="Int64"), [0, 1]),
    "categories": (pd.Categorical(NAMES), ["ben", "mal"]),
    "bytes": (NAMES.astype("S"), ["ben", "mal"]),
    "bytes in objects": (NAMES.astype("S").astype(object), ["ben", "mal"]),
    "bytes in a list": (NAMES.astype("S").tolist(), ["ben", "mal"]),
    "bytes beyond ASCII": (np.char.encode(np.char.add(NAMES, "é"), "utf-8"), ["bené", "malé"]),
    "long floats": (Y.astype(np.longdouble), [0.0, 1.0]),
}


@pytest.mark.parametrize("name", READ)
def test_labels_are_read_saved_and_scored(tmp_path, name):
    y, classes = READ[name]
    model = model_of(IMAGES, y)
    assert model.classes_.tolist() == classes
    model.save(tmp_path / "m.rebox")
    loaded = rebox.Reprogrammer.load(tmp_path / "m.rebox", model.box_)
    assert loaded.classes_.tolist() == classes
    plain = model_of(IMAGES, Y)
    assert loaded.score(IMAGES, y) == model.score(IMAGES, y) == plain.score(IMAGES, Y) > 0.5


@pytest.mark.parametrize("dtype", [object, str])
def test_texts_keep_their_type(dtype):
    assert model_of(IMAGES, NAMES.astype(dtype)).classes_.dtype == NAMES.astype(dtype).dtype


SAME = {
    "numbers as texts": (Y, Y.astype(str)),
    "numbers as floats": (Y, Y.astype(float)),
    "floats as texts": (Y, np.array(["0.0", "1.0"])[Y]),
    "texts as numbers": (Y.astype(str), Y),
    "texts as bytes": (NAMES, NAMES.astype("S")),
    "bytes as texts": (NAMES.astype("S"), NAMES),
    "truths as texts": (Y.astype(bool), Y.astype(bool).astype(str)),
    "truths as numbers": (Y.astype(bool), Y),
    "spaces": (NAMES, np.char.add(NAMES, " ")),
    "two spellings of an accent": (
        np.array(["caf\u00e9", "mal"])[Y],
        np.array([unicodedata.normalize("NFD", "caf\u00e9"), "mal"])[Y],
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_labels_of_one_meaning_are_the_same(tmp_path, name):
    fitted, asked = SAME[name]
    model = model_of(IMAGES, fitted)
    assert model.score(IMAGES, asked) == model.score(IMAGES, fitted) > 0.5
    model.save(tmp_path / "m.rebox")
    np.savez(tmp_path / "d.npz", x=IMAGES, y=asked)
    arguments = [str(tmp_path / "m.rebox"), "--data", str(tmp_path / "d.npz"), "--yes"]
    result = CliRunner().invoke(app, ["evaluate", *arguments])
    assert result.exit_code == 0, repr(result.exception)
    assert f"accuracy                {model.score(IMAGES, fitted):.4f}"[:8] in result.output


def test_a_label_that_two_classes_could_mean_is_neither():
    assert places_of(["1", "1.0", "01", "2", "2.0"], np.array(["1", "1.0", "2"])).tolist() == [
        *(0, 1, -1, 2, 2)
    ]
    with pytest.raises(InvalidData, match=r"knows no class '01'; it knows 1, 1.0, 2"):
        known_labels(["01"], np.array(["1", "1.0", "2"]))


def test_an_unknown_label_is_said_and_counts_as_wrong():
    model = model_of(IMAGES, NAMES)
    right = model.score(IMAGES, NAMES)
    with pytest.warns(UserWarning, match="'Ben', which is none of the model's classes"):
        assert model.score(IMAGES, np.where(Y, NAMES, "Ben")) < right
    before = model.spent_.total
    with pytest.raises(InvalidData, match="found 20 images and 19 labels"):
        model.score(IMAGES, NAMES[1:])
    assert model.spent_.total == before


def test_classes_that_differ_in_spelling_alone_are_said():
    with pytest.warns(UserWarning, match="'Ben' and 'ben' are two classes"):
        model_of(IMAGES, np.where(np.arange(20) < 4, "Ben", NAMES))


@pytest.mark.parametrize("name", ["tensor", "series", "list of bytes"])
def test_subjects_of_another_library_are_subjects(name):
    groups = np.arange(20) // 4
    given = {"series": pd.Series(groups), "list of bytes": groups.astype("S").tolist()}
    if name == "tensor":
        given[name] = pytest.importorskip("torch").tensor(groups)
    model = rebox.Reprogrammer("rehearsal:?classes=4&size=8", budget=20, random_state=0)
    verdicts = [model.fit(IMAGES, Y, groups=g).verdict_ for g in (groups, given[name], None)]
    assert verdicts[0] == verdicts[1] != verdicts[2]


@given(st.lists(st.one_of(st.integers(-9, 9), st.floats(), st.none(), st.text(), st.binary())))
def test_whatever_labels_are_they_are_read_or_refused_in_one_line(labels):
    refusals = []
    try:
        read = read_labels(labels)
        assert len(read) == len(labels)
    except InvalidData as error:
        refusals.append(str(error))
    assert not any("\n" in refusal for refusal in refusals)


@pytest.mark.parametrize("dtype", [int, float, bool, np.uint8])
def test_one_hot_labels_are_named(dtype):
    with pytest.raises(InvalidData, match=r"one-hot.*argmax"):
        read_labels(np.eye(3, dtype=dtype)[[0, 1, 2, 0]])
