"""What a user gets for each bad or odd text, in Python and on the command line.

Nobody is asked: models are local, or read answers that were recorded in a file that a test made up.
"""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from recordings import recording, uri
from typer.testing import CliRunner

import rebox
from rebox.cli.app import app
from rebox.errors import Error, InvalidData

GOOD = [f"the soup was {'fresh and lovely' if i % 2 else 'stale, and rude'} {i}" for i in range(16)]
Y = np.array(["bad", "good"] * 8)
MEGABYTE = "soup, " * 170_000


def among(*odd):
    """Return texts with odd ones in the place of the first."""
    return [*odd, *GOOD[len(odd) :]]


REFUSED = {
    "an empty text": (among("a", ""), "text 1 is empty"),
    "spaces alone": (among(" \t\n\u3000"), "text 0 is empty"),
    "nothing": (among("a", None), "text 1 is None"),
    "NaN, as pandas has it": (pd.Series(among("a", np.nan)), "text 1 is nan"),
    "missing, as pandas has it": (pd.Series(among(None, "b"), dtype="string"), "text 0 is <NA>"),
    "a number": (among("a", 3), "text 1 is 3"),
    "a truth value": (among("a", "b", True), "text 2 is True"),
    "bytes": ([text.encode() for text in GOOD], "text 0 is b'the soup"),
    "bytes among texts": (among("a", b"b"), "text 1 is b'b'"),
    "half a character": (among("a\ud83d"), "text 0 holds half a character (at 1"),
    "a picture among texts": (among("a", np.zeros((4, 4))), "sample 1 is a ndarray"),
    "a picture's name among texts": (among("a", "b.PNG"), "sample 1 is called as a picture is"),
    "a text in a list each": ([[text] for text in GOOD], "lists of texts"),
    "one text alone": ("the soup was fresh", "found one text"),
    "no text": ([], "found no samples"),
    "a generator": ((text for text in GOOD), "pass list(X)"),
    "a column too many": (pd.DataFrame({"a": GOOD, "b": GOOD}), "the column 'a' holds texts"),
    "too few labels": (GOOD[:-1], "found 15 texts and 16 labels"),
    "files that are not there": ([f"{i}.png" for i in range(16)], "0.png"),
}

TAKEN = {
    "a megabyte": among(MEGABYTE, MEGABYTE[::-1]),
    "NUL": among("a\0b", "\0"),
    "right to left": among("كان الحساء طازجا", "\u202eabc\u202c"),
    "characters beyond the first plane": among("\U0001f35c\U0001f9d1\u200d\U0001f373", "e\u0301"),
    "quotes and newlines": among('"so"\r\n', "a\nb,c;d\te|f", "'"),
    "one character": among("a", "b", "."),
    "a sign of order": among("\ufeffa", "\ufeffb"),
    "duplicates": [*GOOD[:2], *GOOD[:14]],
    "all alike": ["the soup"] * 16,
    "what looks like a number": [str(i) for i in range(16)],
    "what looks like missing": among("nan", "None", "NULL", "NA"),
    "what looks like a formula": among("=1+1", "@a", "-b", "+c"),
    "what looks like a file": among("notes.txt", "C:\\a", "https://a.b/c"),
}


def fitted(x, labels=Y):
    return rebox.Reprogrammer(recipe="local", random_state=0).fit(x, labels)


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("call", ["fit", "predict"])
def test_a_bad_text_is_refused_in_one_line(name, call):
    x, said = REFUSED[name]
    if call == "predict" and name in {"too few labels", "files that are not there"}:
        pytest.skip("there are no labels, and a model of texts reads any str as one")
    if call == "predict" and name.startswith(("a picture's name", "a generator")):
        pytest.skip("a model of texts reads any str as one; the generator is used up")
    with pytest.raises(InvalidData) as caught:
        fitted(x) if call == "fit" else fitted(GOOD).predict(x)
    if call == "fit":
        assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", TAKEN)
def test_an_odd_text_is_a_text(name, tmp_path):
    x = TAKEN[name]
    model = fitted(x)
    said = model.predict_proba(x)
    assert np.isfinite(said).all()
    np.testing.assert_allclose(said.sum(axis=1), 1)
    model.save(tmp_path / "m.rebox")
    again = rebox.Reprogrammer.load(tmp_path / "m.rebox")
    np.testing.assert_array_equal(again.predict_proba(np.array(x, dtype=object)), said)
    np.testing.assert_allclose(again.predict_proba(x[3:4]), said[3:4], rtol=1e-12)


# --- on the command line --------------------------------------------------------------------------


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def fit(folder, data, *options):
    recipe = () if "--box" in options else ("--recipe", "local")
    return run("fit", "--data", data, *recipe, "--out", folder / "m.rebox", *options)


def listed(rows, header=("text", "label"), encoding="utf-8"):
    """Return a table as its bytes."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows([header, *rows])
    return file.getvalue().encode(encoding)


def table(*odd, **options):
    return listed(zip(among(*odd), Y, strict=True), **options)


ARCHIVE = {"y": Y}
BAD_FILES = {
    "d.csv an empty text": (table("a", ""), "line 3: the text is empty"),
    "d.csv spaces alone": (table(" \n "), "line 3: the text is empty"),
    "d.csv a header alone": (listed([]), "lists no samples"),
    "d.csv nothing": (b"", "found none"),
    "d.csv no label": (listed([("a", "x"), ("b", "")]), "line 3: the label is empty"),
    "d.csv one class": (listed([("a", "x"), ("b", "x")]), "found one class only"),
    "d.csv another header": (listed([("a", "b")], header=("review", "label")), "text_column="),
    "d.csv a header twice": (table(header=("text", "text")), "has no column 'label'"),
    "d.csv Latin-1": (table("soupe d'été", encoding="latin-1"), "is not UTF-8 text"),
    "d.csv UTF-16 without a mark": (table(encoding="utf-16-le"), "'t\\x00e\\x00x\\x00t\\x00'"),
    "d.csv half a character": (table().replace(b"fresh", b"\xed\xa0\xbd"), "is not UTF-8 text"),
    "d.csv a comma that is not quoted": (b"text,label\nso, so,a\n", "line 2 has 3 fields"),
    "d.csv a quote that does not end": (b'text,label\n"so,a\nx,b\n', "line 2: unexpected end"),
    "d.csv a quote within": (b'text,label\n"so" so,a\nx,b\n', "line 2: ',' expected after"),
    "d.npz objects": ({"texts": np.array(GOOD, dtype=object)}, "Python objects"),
    "d.npz bytes": ({"texts": np.array(GOOD).astype("S")}, "text 0 is b'the soup"),
    "d.npz an empty text": ({"texts": among("a", "")}, "text 1 is empty"),
    "d.npz numbers": ({"texts": np.full(16, np.nan)}, "text 0 is nan"),
    "d.npz two columns": ({"texts": [GOOD, GOOD]}, "texts have shape (2, 16)"),
    "d an empty text": ({"a/1.txt": b"x", "b/1.txt": b""}, "1.txt is empty"),
    "d a mark alone": ({"a/1.txt": b"x", "b/1.txt": b"\xef\xbb\xbf"}, "1.txt is empty"),
    "d Latin-1": ({"a/1.txt": b"x", "b/1.txt": b"\xe9t\xe9"}, "is not UTF-8 (byte 0)"),
    "d UTF-16 without a mark": ({"a/1.txt": b"x", "b/1.txt": b"x\0y\0"}, "holds NUL characters"),
    "d a class without": ({"a/1.txt": b"x", "b/1.doc": b"x"}, "0 texts taken, 1 files passed over"),
    "d pictures and texts": ({"a/1.txt": b"x", "b/1.png": b""}, "0 images taken, 1 files passed"),
}


def written(folder, name, content):
    """Write a table, an archive or a folder; return where."""
    place = folder / name.split()[0]
    if isinstance(content, bytes):
        place.write_bytes(content)
    elif place.suffix == ".npz":
        np.savez(place, **content, y=Y)
    else:
        for file, said in content.items():
            (place / file).parent.mkdir(parents=True, exist_ok=True)
            (place / file).write_bytes(said)
    return place


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_of_texts_is_refused_in_one_line(name, tmp_path):
    content, said = BAD_FILES[name]
    result = fit(tmp_path, written(tmp_path, name, content))
    assert isinstance(result.exception, Error), result.output
    assert said in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not (tmp_path / "m.rebox").exists()


@pytest.mark.parametrize("name", TAKEN)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.filterwarnings("ignore:.*listed with two labels:UserWarning")
def test_an_odd_text_in_a_table_is_as_in_python(name, encoding, tmp_path):
    x = TAKEN[name]
    data = tmp_path / "d.csv"
    file = io.StringIO(newline="")
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows([("text", "label"), *zip(x, Y, strict=True)])
    data.write_bytes(file.getvalue().encode(encoding))
    result = fit(tmp_path, data)
    assert result.exception is None, result.output
    assert run("predict", tmp_path / "m.rebox", data, "--out", tmp_path / "p.csv").exit_code == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "p.csv").read_text())))
    assert [row["row"] for row in rows] == [f"{data}[{i}]" for i in range(16)]
    np.testing.assert_allclose(
        [float(row["p_good"]) for row in rows], fitted(x).predict_proba(x)[:, 1], rtol=1e-4
    )


def test_a_model_of_texts_and_pictures_refuse_each_other(tmp_path):
    assert fit(tmp_path, written(tmp_path, "d.csv", table())).exception is None
    np.savez(tmp_path / "x.npz", x=np.zeros((4, 8, 8)))
    result = run("predict", tmp_path / "m.rebox", tmp_path / "x.npz", "--out", tmp_path / "p.csv")
    assert "expected a text for each sample" in str(result.exception)
    pictures = fitted(np.random.default_rng(0).random((16, 8, 8)))
    with pytest.raises(InvalidData, match="found texts, but the model was fitted on images"):
        pictures.predict(GOOD)


# --- beside recorded answers ----------------------------------------------------------------------


def recorded(folder, **changes):
    """Return the URI of a recorded box, and a table of ids, texts and labels."""
    box = uri(recording(folder / "a.npz", classes=2))
    ids = [f"s{i:03}.jpg" for i in range(16)]
    rows = zip(changes.get("ids", ids), changes.get("texts", GOOD), np.arange(16) % 2, strict=True)
    (folder / "d.csv").write_bytes(listed(rows, header=("id", "text", "label")))
    return box, folder / "d.csv"


def asked(folder, **changes):
    box, data = recorded(folder, **changes)
    return fit(folder, data, "--box", box, "--budget", "16", "--journal", "none", "--yes")


def test_texts_stand_beside_ids(tmp_path):
    result = asked(tmp_path)
    assert result.exception is None, result.output
    data = tmp_path / "d.csv"
    predicted = run("predict", tmp_path / "m.rebox", data, "--out", tmp_path / "p.csv", "--yes")
    assert predicted.exit_code == 0, predicted.output
    assert (tmp_path / "p.csv").read_text().startswith("id,label")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"texts": among("a", "")}, "line 3: the text is empty"),
        ({"ids": [f"t{i}" for i in range(16)]}, "no answer"),
    ],
)
def test_bad_texts_and_ids_beside_each_other_are_refused_unpaid(changes, said, tmp_path):
    result = asked(tmp_path, **changes)
    assert isinstance(result.exception, Error), result.output
    assert said in str(result.exception)


def test_ids_that_are_missing_beside_texts_are_told_and_the_box_is_not_asked(tmp_path):
    with pytest.warns(UserWarning, match="passed over the column 'id', which is empty in 1 lines"):
        result = asked(tmp_path, ids=["", *(f"s{i:03}.jpg" for i in range(1, 16))])
    assert "is asked by ids, and samples have none" in str(result.exception)
