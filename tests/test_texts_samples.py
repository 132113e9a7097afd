"""Texts as samples: in Python's forms, tables, folders and archives. No box is asked here."""

import csv
import pathlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import rebox
from rebox.errors import InvalidData, InvalidOption
from rebox.sample import Dataset, ImageFiles, Samples, as_texts, load, load_unlabelled
from rebox.sample.arrays import array_samples
from rebox.sample.picture import SUFFIXES

SAID = ["很快 好吃", "مرحبا بالعالم", 'a, "b"\nc', "x"]
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)
NO_FILES = WORDS.filter(lambda word: not word.lower().endswith(tuple(SUFFIXES)))


class Arrow:
    """Texts as pyarrow's arrays hand them over (a fake: it is not installed here)."""

    def __init__(self, texts):
        self.texts = texts

    def to_pylist(self):
        return list(self.texts)

    def __array__(self, *options, **more):
        raise AssertionError("texts become NumPy's by copying alone")


FORMS = {
    "list": list,
    "tuple": tuple,
    "array": np.array,
    "array of objects": lambda texts: np.array(texts, dtype=object),
    "column": lambda texts: np.array(texts, dtype=object)[:, None],
    "series": pd.Series,
    "series of strings": lambda texts: pd.Series(texts, dtype="string"),
    "categories": lambda texts: pd.Series(pd.Categorical(texts)),
    "index": pd.Index,
    "frame of one column": lambda texts: pd.DataFrame({"review": texts}),
    "as pyarrow has them": Arrow,
}


@pytest.mark.parametrize("form", FORMS)
def test_texts_are_taken_in_any_form(form):
    samples = Samples.of(FORMS[form](SAID))
    assert samples.kind == "texts"
    assert samples.texts.tolist() == SAID
    assert Samples(texts=FORMS[form](SAID)).texts.tolist() == SAID


@given(st.lists(NO_FILES, min_size=1))
def test_any_words_that_name_no_picture_are_texts(words):
    assert Samples.of(words).texts.tolist() == words


@given(st.lists(st.tuples(NO_FILES, st.sampled_from(sorted(SUFFIXES))), min_size=1))
def test_words_that_all_name_pictures_are_files_unless_they_are_told_to_be_texts(parts):
    names = [word.replace("\0", "") + suffix.upper() for word, suffix in parts]
    assert isinstance(Samples.of(names).images, ImageFiles)
    assert Samples(texts=names).texts.tolist() == names


@pytest.mark.parametrize("end", ["", ".txt", ".doc"])
def test_paths_are_files_however_they_are_called(end):
    paths = [pathlib.Path(f"a{end}"), pathlib.Path(f"b{end}")]
    assert isinstance(Samples.of(paths).images, ImageFiles)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (["a.png", "hello"], r"sample 0 is called as a picture is, 'a.png', and sample 1 is not, "),
        (["hello", "b.JPG"], r"'b.JPG', and sample 0 is not, 'hello'.*rebox.Samples\(texts=X\)"),
        ([pathlib.Path("a.png"), "hello"], "expected texts alone, or files alone"),
        (["hello", np.zeros((4, 4))], "sample 1 is a ndarray and sample 0 is a text, 'hello'"),
        ("hello", r"found one text, 'hello'; .*pass \[text\]"),
        (["hello", None], "text 1 is None; .*fill it in, or leave it out"),
        ([np.nan, "hello"], "text 0 is nan"),
        (pd.Series(["hello", pd.NA], dtype="string"), "text 1 is <NA>"),
        (["hello", 3], "text 1 is 3"),
        ([b"hello", b"you"], r"text 0 is b'hello'; .*text.decode\(\)"),
        (["hello", " \n"], "text 1 is empty"),
        (["hello", "\ud83d"], "text 1 holds half a character"),
        (pd.DataFrame({"a": ["x", "y"], "b": [1, 2]}), r"'a' holds texts, as 'x'.*alone, as X.'a'"),
    ],
)
def test_what_is_not_all_texts_is_refused_in_one_line(x, said):
    with pytest.raises(InvalidData, match=said) as caught:
        Samples.of(x)
    assert "\n" not in str(caught.value)


# --- tables ---------------------------------------------------------------------------------------


def table(path, rows, **options):
    with path.open("w", encoding=options.pop("encoding", "utf-8"), newline="") as file:
        csv.writer(file, **options).writerows(rows)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_table_of_texts(tmp_path, encoding, separator):
    rows = [("Text", "LABEL"), *((text, f"c{i % 2}") for i, text in enumerate(SAID))]
    data = load(table(tmp_path / "d.csv", rows, delimiter=separator, encoding=encoding))
    assert (data.images, data.ids, data.groups) == (None, None, None)
    assert data.texts.tolist() == SAID
    assert data.labels.tolist() == ["c0", "c1", "c0", "c1"]
    assert data.samples.kind == "texts"
    assert repr(data).startswith("<Dataset d: 4 texts, 2 classes")


@given(st.lists(WORDS.filter(lambda word: not word[0].isspace()), min_size=1, max_size=5))
def test_texts_are_read_as_a_table_was_written(tmp_path_factory, texts):
    path = tmp_path_factory.mktemp("t") / "d.csv"
    rows = [("text", "label"), *((text, "a") for text in texts)]
    data = load(table(path, rows, quoting=csv.QUOTE_ALL))
    assert data.texts.tolist() == texts


def test_a_table_has_ids_groups_and_names_of_its_own(tmp_path):
    rows = [("nr", "id", "review", "mark", "who"), ("1", "7", "good", "a", "p")]
    path = table(tmp_path / "d.csv", [*rows, ("2", "8", "bad", "b", "q")])
    with pytest.warns(UserWarning, match="passed over the columns 'nr'"):
        data = load(path, text_column="review", label_column="mark", group_column="who")
    assert data.samples.texts.tolist() == ["good", "bad"]
    assert data.samples.ids.tolist() == ["7", "8"]
    assert data.groups.tolist() == ["p", "q"]
    samples, names = load_unlabelled(path, text_column="review")
    assert (samples.texts.tolist(), names) == (["good", "bad"], ["7", "8"])


def test_texts_without_ids_are_called_by_their_rows(tmp_path):
    path = table(tmp_path / "d.csv", [("text",), ("good",), ("bad",)])
    samples, names = load_unlabelled([path, path])
    assert samples.texts.tolist() == ["good", "bad"] * 2
    assert names == [f"{path}[0]", f"{path}[1]"] * 2


def test_where_a_table_names_files_a_text_beside_them_is_passed_over_unless_it_is_named(tmp_path):
    rows = [("path", "text", "label"), ("a.png", "good", "a"), ("b.png", "bad", "b")]
    for name in "ab":
        (tmp_path / f"{name}.png").write_bytes(b"")
    path = table(tmp_path / "d.csv", rows)
    with pytest.warns(UserWarning, match="passed over the columns 'text'"):
        assert isinstance(load(path).images, ImageFiles)
    with pytest.warns(UserWarning, match="passed over the columns 'path'"):
        assert load(path, text_column="text").texts.tolist() == ["good", "bad"]
    with pytest.raises(InvalidOption, match="expected one of both"):
        load(path, text_column="text", path_column="path")


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("text,label\n", "lists no samples"),
        ("text,label\nhello,a\n ,b\n", "line 3: the text is empty"),
        ("text,label\nhello,a\nyou,\n", "line 3: the label is empty"),
        ("text,label\nhello, you,a\n", "line 2 has 3 fields, and the first line 2"),
        ('text,label\n"hello,a\nyou,b\nall,c\n', "line 2: unexpected end of data"),
        ('text,label\nx,a\n"hello" you,a\n', "line 3: ',' expected after"),
        ("words,label\nhello,a\n", "no column 'path'; found 'words', .*text_column="),
        ("text,text,label\nhello,you,a\n", "2 columns called 'text'"),
    ],
)
def test_bad_tables_of_texts(tmp_path, written, said):
    (tmp_path / "d.csv").write_text(written)
    with pytest.raises(InvalidData, match=said) as caught:
        load(tmp_path / "d.csv")
    assert "\n" not in str(caught.value)


def test_a_text_of_a_megabyte_is_a_field(tmp_path):
    long = "word " * 200_000
    data = load(table(tmp_path / "d.csv", [("text", "label"), (long, "a"), ("x", "b")]))
    assert data.texts.tolist() == [long, "x"]
    assert csv.field_size_limit() == 131_072


def test_a_text_with_two_labels_is_told(tmp_path):
    rows = [("text", "label"), ("so\nso", "a"), ("so\nso", "b"), ("x", "a")]
    with pytest.warns(UserWarning, match=r"1 texts are listed with two labels or more, 'so\\nso'"):
        load(table(tmp_path / "d.csv", rows))


# --- folders --------------------------------------------------------------------------------------


def folder(root, texts, encoding="utf-8"):
    for place, text in enumerate(texts):
        path = root / f"c{place % 2}" / f"{place}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return root


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_folder_of_texts(tmp_path, encoding):
    data = load(folder(tmp_path / "d", SAID, encoding))
    assert data.images is None
    assert dict(zip(data.texts, data.labels, strict=True)) == {
        text: f"c{place % 2}" for place, text in enumerate(SAID)
    }
    samples, names = load_unlabelled(tmp_path / "d")
    assert samples.texts.tolist() == data.texts.tolist()
    assert names[0] == str(tmp_path / "d" / "c0" / "0.txt")
    alone, names = load_unlabelled([tmp_path / "d" / "c1" / "1.txt"])
    assert alone.texts.tolist() == SAID[1:2]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("été".encode("latin-1"), "is not UTF-8 .byte 0.; .*save it as UTF-8"),
        ("hello".encode("utf-16-le"), "holds NUL characters, as UTF-16 without a mark does"),
        (b"\xff\xfeh", "is not UTF-16"),
        (b"\xef\xbb\xbf \n", "is empty"),
        (b"", "is empty"),
    ],
)
def test_texts_of_other_encodings_are_refused(tmp_path, content, said):
    with pytest.raises(InvalidData, match=said) as caught:
        load(folder(tmp_path, ["hello", content]))
    assert str(tmp_path / "c1" / "1.txt") in str(caught.value)


def test_texts_beside_pictures_are_captions_and_no_samples(tmp_path):
    folder(tmp_path, ["hello", "you"])
    for name in ("c0/0.png", "c1/1.png"):
        (tmp_path / name).write_bytes(b"")
    with pytest.warns(UserWarning, match=r"1 images taken, 1 files passed over \(.txt\)"):
        data = load(tmp_path)
    assert len(data.images) == 2


def test_a_class_without_texts_is_refused(tmp_path):
    folder(tmp_path, ["hello"])
    (tmp_path / "c1").mkdir()
    with pytest.raises(InvalidData, match=r"c1 has no texts in it; expected files ending in .txt"):
        load(tmp_path)


# --- archives and data sets -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["texts", "text", "TEXTS"])
def test_an_archive_of_texts(tmp_path, name):
    np.savez(
        tmp_path / "d.npz", **{name: SAID}, y=[0, 1, 0, 1], ids=[4, 5, 6, 7], groups=list("aabb")
    )
    data = load(tmp_path / "d.npz")
    assert (data.texts.tolist(), data.ids.tolist()) == (SAID, list("4567"))
    assert data.groups.tolist() == list("aabb")
    samples, names = load_unlabelled(tmp_path / "d.npz")
    assert (samples.texts.tolist(), names) == (SAID, list("4567"))


def test_an_archive_of_objects_is_never_loaded(tmp_path):
    np.savez(tmp_path / "d.npz", texts=np.array(SAID, dtype=object), y=[0, 1, 0, 1])
    with pytest.raises(InvalidData, match="Python objects, which are never loaded"):
        load(tmp_path / "d.npz")


@pytest.mark.parametrize(
    ("texts", "said"),
    [(np.array([b"a", b"b"]), "text 0 is b'a'"), (["a", " "], "text 1 is empty"), ([1, 2], "is 1")],
)
def test_bad_archives_of_texts(tmp_path, texts, said):
    np.savez(tmp_path / "d.npz", texts=texts, y=[0, 1])
    with pytest.raises(InvalidData, match=f"d.npz, texts: .*{said}"):
        load(tmp_path / "d.npz")


def test_kinds_are_predicted_apart(tmp_path):
    folder(tmp_path / "t", ["hello"])
    ids = table(tmp_path / "i.csv", [("id",), ("1",)])
    (tmp_path / "a.png").write_bytes(b"")
    for other in (ids, tmp_path / "a.png"):
        with pytest.raises(InvalidData, match="were given together with texts"):
            load_unlabelled([tmp_path / "t", other])


def test_a_data_set_of_texts_is_split_and_known_by_what_it_says():
    labels = np.array(list("ab") * 20)
    words = as_texts([f"text {i}" for i in range(40)])
    whole = Dataset(None, labels, "d", texts=words)
    train, test = whole.split(0.25)
    assert sorted([*train.texts, *test.texts]) == sorted(words)
    other = Dataset(None, labels, "d", texts=words[::-1])
    named = Dataset(None, labels, "d", ids=words.astype(str))
    sums = {whole.checksum, train.checksum, other.checksum, named.checksum}
    assert len(sums) == 4
    with pytest.raises(InvalidData, match="found images and texts"):
        Dataset(np.zeros((40, 4, 4)), labels, "d", texts=words)
    with pytest.raises(InvalidData, match=r"texts has shape \(39,\)"):
        Dataset(None, labels, "d", texts=words[1:])


def test_copies_of_one_text_are_held_out_together():
    texts = np.random.default_rng(0).integers(97, 123, (16, 30))
    words = ["".join(map(chr, row)) for row in texts] * 5
    labels = np.random.default_rng(1).permutation(np.repeat(["a", "b"], 40))
    model = rebox.Reprogrammer(recipe="local", random_state=0).fit(words, labels)
    local = model.verdict_.rows[-1].macro_auc
    assert local.low < 0.6, "random labels cannot be told from texts that were held out"
    assert rebox.Samples(texts=["same"] * 4).subjects() is None


def test_a_stray_picture_among_texts_is_passed_over_with_a_warning(tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        for i in range(5):
            (tmp_path / label / f"{i}.txt").write_text(f"text {i}", encoding="utf-8")
    Image.new("RGB", (4, 4)).save(tmp_path / "a" / "stray.png")
    with pytest.warns(UserWarning, match=r"5 texts taken, 1 files passed over \(.*\)"):
        data = load(tmp_path)
    assert data.images is None
    assert len(data.texts) == 10


@pytest.mark.parametrize("labelled", [True, False])
def test_texts_beside_pixels_are_said_to_be_passed_over(tmp_path, labelled):
    path = tmp_path / "d.npz"
    np.savez(path, x=np.zeros((4, 8, 8)), texts=np.array(list("abcd")), y=np.array(list("xyxy")))
    with pytest.warns(UserWarning, match="passed over the array.? 'texts'"):
        load(path) if labelled else array_samples(path)
