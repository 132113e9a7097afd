"""Nothing of a folder, a table or an archive is left out without a word, or refused for clutter."""

import codecs
import warnings

import numpy as np
import pytest
from PIL import Image

from rebox.errors import InvalidData, InvalidOption
from rebox.sample import load, load_unlabelled


def pictures(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (3, 2), 200).save(path, format="PNG")
    return root


def counts(data):
    return dict(zip(*np.unique(data.labels, return_counts=True), strict=True))


@pytest.mark.parametrize("deep", ["more", "more/and more", "2024/01/02"])
def test_images_at_any_depth_below_a_class_are_taken_and_said(tmp_path, deep):
    pictures(tmp_path, "a/0.png", f"a/{deep}/1.png", f"a/{deep}/2.png", "b/0.png")
    with pytest.warns(UserWarning, match=f"2 images lie in folders below their class .a/{deep}"):
        data = load(tmp_path)
    assert counts(data) == {"a": 3, "b": 1}
    assert data.groups is None


def test_a_folder_for_each_patient_is_below_its_class(tmp_path):
    names = [f"{kind}/p{n}/{i}.png" for kind in ("well", "ill") for n in (1, 2) for i in (1, 2)]
    with pytest.warns(UserWarning, match="if such a folder is a subject.*path,label,group"):
        assert counts(load(pictures(tmp_path, *names))) == {"ill": 4, "well": 4}


@pytest.mark.parametrize("suffix", [".jfif", ".JPE", ".jpeg", ".apng", ".pbm"])
def test_suffixes_of_kinds_that_are_read_are_taken(tmp_path, suffix):
    assert len(load(pictures(tmp_path, "a/0.png", f"a/1{suffix}", "b/0.png"))) == 3


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("1", "no suffix"),
        ("1.heic", ".heic"),
        ("1.png.bak", ".bak"),
        ("notes.txt", ".txt"),
        (".1.png", "hidden"),
    ],
)
def test_what_is_passed_over_is_said_and_the_majority_of_it_refused(tmp_path, name, kind):
    pictures(tmp_path, "a/0.png", "b/0.png", f"b/{name}")
    said = rf"b: 1 images taken, 1 files passed over \({kind}\)"
    with pytest.warns(UserWarning, match=said):
        assert counts(load(tmp_path)) == {"a": 1, "b": 1}
    with pytest.warns(UserWarning, match="3 files passed over|1 files passed over"):
        load_unlabelled(tmp_path)
    pictures(tmp_path, f"b/c/{name}")
    with pytest.raises(InvalidData, match=r"b: 1 images taken, 2 files passed over .*convert them"):
        load(tmp_path)


def test_links_that_lead_nowhere_or_to_folders_are_said(tmp_path):
    pictures(tmp_path, "a/0.png", "a/1.png", "b/0.png")
    (tmp_path / "a/2.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "a/loop").symlink_to(tmp_path / "a")
    with pytest.warns(UserWarning, match=r"passed over \(broken links, links to folders\)"):
        assert counts(load(tmp_path)) == {"a": 2, "b": 1}


def test_images_outside_of_the_classes_are_said_and_the_majority_of_them_refused(tmp_path):
    pictures(tmp_path, "a/0.png", "b/0.png", "1.png")
    with pytest.warns(UserWarning, match="1 files passed over .outside of the classes"):
        assert len(load(tmp_path)) == 2
    pictures(tmp_path, "2.png", "3.png")
    with pytest.raises(InvalidData, match="3 images beside its sub-folders and 2 in them"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["labels.csv", "patients.xlsx", "c"])
def test_tables_and_broken_links_beside_the_classes_are_said(tmp_path, name):
    pictures(tmp_path, "a/0.png", "b/0.png", "readme.md", "licence")
    if name == "c":
        (tmp_path / name).symlink_to(tmp_path / "gone")
    else:
        (tmp_path / name).write_text("path,label\n")
    kind = "broken links" if name == "c" else "." + name.rpartition(".")[2]
    with pytest.warns(UserWarning, match=rf"1 files passed over .{kind}.\.$"):
        assert len(load(tmp_path)) == 2


CLUTTER = ["__MACOSX/a/._1.png", "@eaDir/a/1.png", "a/@eaDir/1.png/THUMB.jpg", "a/Thumbs.db"]


@pytest.mark.parametrize(
    "name",
    [
        *CLUTTER,
        *("#recycle/1.png", ".git/1.png", "a/._1.png", "a/.DS_Store", "desktop.ini"),
        *("a/0.png:Zone.Identifier", "a/0.png~", "a/0.png@SynoEAStream", "a/.thumb/0.png"),
        *("__pycache__/x.pyc", "RECYCLER/1.png", "@tmp/1.png", "Network Trash Folder/1.png"),
        *(".ipynb_checkpoints/0-checkpoint.png", "a/.ipynb_checkpoints/0.png", ".AppleDouble/0"),
        *("lost+found/1.png", "System Volume Information/x", "$RECYCLE.BIN/1.png", "a/.x.png.swp"),
    ],
)
def test_clutter_is_passed_over_without_a_word(tmp_path, name):
    pictures(tmp_path, "a/0.png", "b/0.png", name)
    assert counts(load(tmp_path)) == {"a": 1, "b": 1}
    assert len(load_unlabelled(tmp_path)[1]) == 2


@pytest.mark.parametrize("parts", [("train", "test"), ("Training", "val"), ("fold1", "fold2")])
def test_parts_of_a_data_set_are_no_classes(tmp_path, parts):
    pictures(tmp_path, *(f"{part}/{kind}/0.png" for part in parts for kind in "ab"))
    with pytest.raises(
        InvalidData, match=f"holds .*parts of a data set.*give one .*{parts[0][:1]}"
    ):
        load(tmp_path)
    assert counts(load(tmp_path / parts[1])) == {"a": 1, "b": 1}
    pictures(tmp_path, *(f"{part}/1.png" for part in parts))  # vehicles, say
    with pytest.warns(UserWarning, match="below their class"):
        assert len(load(tmp_path)) == 6


def test_a_folder_around_the_classes_is_named(tmp_path):
    pictures(tmp_path, "unzipped/a/0.png", "unzipped/b/0.png")
    with pytest.raises(InvalidData, match=r"one folder, unzipped, .*give .*unzipped, if"):
        load(tmp_path)


HEADERS = [
    "Path,Label",
    "PATH;label",
    "path\tlabel",
    "label|path",
    "Labels,Paths",
]


@pytest.mark.parametrize("header", HEADERS)
def test_case_plural_and_separator_of_a_table_do_not_matter(tmp_path, header):
    pictures(tmp_path, "0.png", "1.png")
    mark = next(mark for mark in ",;\t|" if mark in header)
    rows = [["0.png", "cat"], ["1.png", "dog, big"]]
    if header.lower().startswith("l"):
        rows = [row[::-1] for row in rows]
    lines = [mark.join(f'"{cell}"' for cell in row) for row in rows]
    (tmp_path / "list.csv").write_text("\n".join([header, *lines]))
    data = load(tmp_path / "list.csv")
    assert data.labels.tolist() == ["cat", "dog, big"]
    data.images.check()


@pytest.mark.parametrize("column", ["group", "Group", "groups", "GROUPS"])
def test_subjects_are_found_by_every_spelling(tmp_path, column):
    pictures(tmp_path, "0.png", "1.png")
    (tmp_path / "list.csv").write_text(f"path,label,{column}\n0.png,a,x\n1.png,b,y\n")
    assert load(tmp_path / "list.csv").groups.tolist() == ["x", "y"]
    arrays = {"X": np.ones((2, 3)), "Y": np.arange(2), column: np.array([7, 8])}
    np.savez(tmp_path / "d.npz", **arrays)
    assert load(tmp_path / "d.npz").groups.tolist() == [7, 8]


@pytest.mark.parametrize("column", ["patient_id", "subject", "lesion"])
def test_columns_that_are_passed_over_are_said(tmp_path, column):
    pictures(tmp_path, "0.png", "1.png")
    (tmp_path / "list.csv").write_text(f"path,label,{column}\n0.png,a,x\n1.png,b,x\n")
    with pytest.warns(UserWarning, match=f"columns '{column}'; is one the subject.*group_column"):
        assert load(tmp_path / "list.csv").groups is None
    assert load(tmp_path / "list.csv", group_column=column).groups.tolist() == ["x", "x"]
    np.savez(tmp_path / "d.npz", x=np.ones((2, 3)), y=np.arange(2), **{column: np.arange(2)})
    with pytest.warns(UserWarning, match=f"arrays '{column}'; expected x, y, groups"):
        assert load(tmp_path / "d.npz").groups is None


@pytest.mark.parametrize("written", ["0", "0.png", ".\\0.png", "in\\0", "./0.png"])
def test_files_are_found_as_spreadsheets_name_them(tmp_path, written):
    pictures(tmp_path, "0.png", "in/0.png")
    (tmp_path / "list.csv").write_text(f"image_id,dx\n{written},nv\n")
    data = load(tmp_path / "list.csv", path_column="image_id", label_column="dx")
    assert data.labels.tolist() == ["nv"]
    data.images.check()
    assert load_unlabelled(tmp_path / "list.csv", path_column="Image_ID")[1] == [written]


def test_a_name_without_suffix_that_two_files_have_is_refused(tmp_path):
    pictures(tmp_path, "0.png", "0.jpg")
    (tmp_path / "list.csv").write_text("path,label\n0,a\n")
    with pytest.raises(InvalidData, match="line 2: '0' is not a file"):
        load(tmp_path / "list.csv")


def test_a_missing_column_is_named_with_the_options_that_name_it(tmp_path):
    (tmp_path / "list.csv").write_text("image,MEL,NV\n0,1,0\n")
    with pytest.raises(
        InvalidData, match=r"'path' or 'label'; found 'image', 'MEL', .*path_column="
    ):
        load(tmp_path / "list.csv")
    with pytest.raises(InvalidData, match="no column 'label' or 'patient'"):
        load(tmp_path / "list.csv", path_column="image", group_column="patient")
    for other in (tmp_path, tmp_path / "d.npz"):
        with pytest.raises(InvalidOption, match="named of a CSV alone"):
            load(other, label_column="MEL")


def test_names_of_any_bytes_have_a_checksum(tmp_path):
    name = b"caf\xe9".decode(errors="surrogateescape")
    pictures(tmp_path, f"a/{name}.png", "b/1.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(load(tmp_path).checksum) == 64


ROWS = "a/0.png;x\nb/0.png;y\n"


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfpath;label\n" + ROWS.encode(),
        ("path;label\n" + ROWS).encode("utf-16"),
        ("path;label\n" + ROWS).encode("utf-32"),
        codecs.BOM_UTF16_BE + ("path;label\n" + ROWS).encode("utf-16-be"),
        b"sep=;\npath;label\n" + ROWS.encode(),
        b"SEP=;\r\npath;label\r\n" + ROWS.replace("\n", "\r\n").encode(),
        ("sep=;\npath;label\n" + ROWS).encode("utf-16"),
        b'"sep=\t"\npath\tlabel\n' + ROWS.replace(";", "\t").encode(),
        b"\n\n;;\npath;label\n\n" + ROWS.encode() + b"\n;\n",
        b"path;label\r" + ROWS.replace("\n", "\r").encode(),
        b'"path";"label"\n"a/0.png";"x"\n"b\\0.png";"y"\n',
        b" Path ; LABEL \n a/0.png ; x \n.\\b\\0.png; y\n",
    ],
)
def test_tables_are_read_as_spreadsheets_write_them(tmp_path, content):
    pictures(tmp_path, "a/0.png", "b/0.png")
    (tmp_path / "list.csv").write_bytes(content)
    assert load(tmp_path / "list.csv").labels.tolist() == ["x", "y"]


def test_a_line_is_named_by_its_number_whatever_stands_before_the_header(tmp_path):
    pictures(tmp_path, "0.png")
    (tmp_path / "list.csv").write_text("\nsep=;\npath;label\n0.png;x\n9.png;y\n")
    with pytest.raises(InvalidData, match=r"line 5: '9\.png'"):
        load(tmp_path / "list.csv")


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("https://host.example/a/0.png", "download"),
        ("s3://bucket/0.png", "download"),
        ("C:\\data\\0.png", "another machine"),
        ("/home/somebody/0.png", "another machine"),
        ("\\\\nas\\0.png", "another machine"),
        ("~/0.png", "another machine"),
        ("9.png", "correct the path"),
    ],
)
def test_a_path_that_is_none_here_is_advised_about(tmp_path, path, advice):
    (tmp_path / "list.csv").write_text(f"path,label\n{path},x\n")
    with pytest.raises(InvalidData, match=advice):
        load(tmp_path / "list.csv")


@pytest.mark.parametrize(
    "header", ["path,label,label", "path,path,label", "path,label,group,group"]
)
def test_a_column_that_is_there_twice_is_refused_where_it_is_read(tmp_path, header):
    pictures(tmp_path, "0.png")
    (tmp_path / "list.csv").write_text(f"{header}\n0.png,x,0.png,1\n")
    with pytest.raises(InvalidData, match="2 columns called"):
        load(tmp_path / "list.csv")


def test_an_image_with_two_labels_is_said(tmp_path):
    pictures(tmp_path, "0.png", "1.png")
    (tmp_path / "list.csv").write_text("path,label\n0.png,x\n./0.png,y\n1.png,y\n1.png,y\n")
    with pytest.warns(UserWarning, match=r"1 images are listed with two labels.*0\.png"):
        assert len(load(tmp_path / "list.csv")) == 4
