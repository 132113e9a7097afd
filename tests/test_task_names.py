"""Named tasks, each in its publisher's layouts, on files that the test writes; real ones last."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import rebox
from rebox.cli.app import app
from rebox.errors import InvalidData, InvalidOption
from rebox.sample import TASKS, Dataset, load, open_task
from rebox.study.task import holdout
from rebox.study.task.abide import correlations

DATA = Path(os.environ.get("REBOX_DATA", Path(__file__).parents[2] / "shared" / "data"))


def picture(path, level=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (3, 2), (level, level, level)).save(path)


def written(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def stems(data):
    return [path.stem for path in data.images.paths]


# --- abide ---------------------------------------------------------------------------------------

SERIES = np.random.default_rng(0).normal(size=(4, 30, 200))
SERIES[1, :, 7] = 3.7  # a constant region
PHENOTYPES = """,Unnamed: 0,SUB_ID,SITE_ID,FILE_ID,DX_GROUP,QC_NOTES
0,1,50002,PITT,no_filename,1,
1,2,50003,PITT,Pitt_0050003,1,"moved, a little"
2,3,50004,PITT,Pitt_0050004,2,
3,4,50005,NYU,NYU_0050005,2,
4,5,50006,NYU,NYU_0050006,1,
"""
IDS = ("Pitt_0050003", "Pitt_0050004", "NYU_0050005", "NYU_0050006")


def nilearn(folder, inside="cpac/filt_global", ids=IDS):
    """Write what fetch_abide_pcp leaves below its data_dir."""
    root = folder / "ABIDE_pcp"
    written(root / "Phenotypic_V1_0b_preprocessed1.csv", PHENOTYPES)
    header = "\t".join(f"#{i}" for i in range(1, 201))
    for name, series in zip(IDS, SERIES, strict=True):
        if name in ids:
            path = root / inside / f"{name}_rois_cc200.1D"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savetxt(path, series, delimiter="\t", header=header, comments="")
    return root


@pytest.mark.parametrize("inside", ["cpac/filt_global", "cpac/filt_global/rois_cc200"])
def test_abide_as_nilearn_fetches_it(tmp_path, inside):
    nilearn(tmp_path, inside)
    data = load(f"abide:{tmp_path}")
    assert data.labels.tolist() == ["autism", "control", "control", "autism"]
    assert (data.name, data.positive, data.value_range) == ("abide", "autism", (-1.0, 1.0))
    assert data.images.shape == (4, 200, 200)
    assert data.images.dtype == np.float32
    np.testing.assert_allclose(data.images[0], np.corrcoef(SERIES[0].T), atol=1e-6)
    constant = data.images[1][7]
    assert constant[7] == 1
    assert not np.delete(constant, 7).any()
    np.testing.assert_array_equal(data.images[1], data.images[1].T)
    assert open_task("abide", tmp_path / "ABIDE_pcp").checksum == data.checksum


def test_abide_passes_over_subjects_without_a_file(tmp_path):
    nilearn(tmp_path, ids=IDS[1:3])
    assert open_task("abide", tmp_path).labels.tolist() == ["control", "control"]


def test_abide_of_another_pipeline_is_asked_for_by_name(tmp_path):
    nilearn(tmp_path, "cpac/nofilt_noglobal")
    with pytest.raises(InvalidData, match=r"pipeline may be cpac/nofilt_noglobal.*nilearn"):
        open_task("abide", tmp_path)
    data = open_task("abide?pipeline=cpac/nofilt_noglobal", tmp_path)
    assert data.name == "abide?pipeline=cpac/nofilt_noglobal"
    assert len(data) == 4


@pytest.mark.parametrize("place", ["abide/abide_cc200.npz", "abide_mine.npz"])
def test_abide_as_an_archive_is_what_the_series_give(tmp_path, place):
    upper = np.stack([correlations(series) for series in SERIES])
    (tmp_path / place).parent.mkdir(exist_ok=True)
    np.savez(tmp_path / place, correlation=upper, dx_group=[1, 2, 2, 1])
    data = open_task("abide", tmp_path)
    nilearn(tmp_path / "other")
    assert data.checksum == open_task("abide", tmp_path / "other").checksum
    assert open_task("abide", tmp_path / place).checksum == data.checksum
    with pytest.raises(InvalidOption, match="one pipeline"):
        open_task("abide?pipeline=cpac/filt_global", tmp_path)


@pytest.mark.parametrize(
    ("arrays", "found"),
    [
        ({"correlation": np.zeros((2, 9)), "dx_group": [1, 2]}, r"\(2, 9\).*expected \(n, 19900\)"),
        ({"correlation": np.zeros((2, 19900)), "dx_group": [1, 0]}, "diagnosis of some is 0"),
        ({"correlation": np.full((2, 19900), np.nan), "dx_group": [1, 2]}, "from -1 to 1"),
        ({"correlation": np.zeros((2, 19900))}, "no array 'dx_group'"),
    ],
)
def test_bad_archives_of_abide(tmp_path, arrays, found):
    np.savez(tmp_path / "abide.npz", **arrays)
    with pytest.raises(InvalidData, match=found):
        open_task("abide", tmp_path)


@pytest.mark.parametrize("text", ["", "#1\t#2\n", "1\t2\n3\t4\n", "1\tx\n", "nan\t" * 199 + "1\n"])
def test_bad_series_of_abide(tmp_path, text):
    path = nilearn(tmp_path) / "cpac/filt_global" / f"{IDS[0]}_rois_cc200.1D"
    path.write_text(text)
    with pytest.raises(InvalidData, match=rf"{path.name} .*fetch it again"):
        open_task("abide", tmp_path)


def test_bad_phenotypes_of_abide(tmp_path):
    table = nilearn(tmp_path) / "Phenotypic_V1_0b_preprocessed1.csv"
    table.write_text(PHENOTYPES.replace("NYU_0050006,1", "NYU_0050006,x"))
    with pytest.raises(InvalidData, match="DX_GROUP must be 1 or 2"):
        open_task("abide", tmp_path)


# --- eyepacs -------------------------------------------------------------------------------------


def eyes(folder, levels="0123"):
    text = "".join(f"{n // 2}_{'left' if n % 2 else 'right'},{v}\n" for n, v in enumerate(levels))
    written(folder / "trainLabels.csv", "image,level\n" + text)
    for n in range(1, 4):  # 0_right is not there
        name = f"{n // 2}_{'left' if n % 2 else 'right'}"
        picture(folder / "train" / ("a" if n == 1 else "b") / f"{name}.jpeg", n)


@pytest.mark.parametrize("own", ["", "eyepacs"])
def test_eyepacs_as_kaggle_gives_it(tmp_path, own):
    eyes(tmp_path / own)
    data = load(f"eyepacs:{tmp_path}")
    assert stems(data) == ["0_left", "1_right", "1_left"]
    assert data.labels.tolist() == [1, 2, 3]
    assert data.groups.tolist() == ["0", "1", "1"]
    assert data.grades
    assert data.value_range is None


def test_eyepacs_with_an_unknown_grade_or_without_images(tmp_path):
    eyes(tmp_path / "a", "0129")
    with pytest.raises(InvalidData, match="line 5: the level is '9'; expected a grade from 0 to 4"):
        open_task("eyepacs", tmp_path / "a")
    written(tmp_path / "b" / "trainLabels.csv", "image,level\n5_left,0\n")
    with pytest.raises(InvalidData, match=r"such as 5_left\.jpg .*kaggle competitions download"):
        open_task("eyepacs", tmp_path / "b")


# --- ham10000 ------------------------------------------------------------------------------------

LESIONS = [("L1", "I1", "bkl"), ("L1", "I2", "bkl"), ("L2", "I3", "nv"), ("L3", "I4", "mel")]


def lesions(folder, places=("images",), table="HAM10000_metadata.csv"):
    rows = "".join(f"{lesion},{image},{dx},histo\n" for lesion, image, dx in LESIONS)
    written(folder / table, "lesion_id,image_id,dx,dx_type\n" + rows)
    for n, (_, image, _) in enumerate(LESIONS):
        picture(folder / places[n % len(places)] / f"{image}.jpg", n)


@pytest.mark.parametrize("places", [("images",), ("HAM10000_images_part_1", "ham_part_2")])
@pytest.mark.parametrize("table", ["HAM10000_metadata.csv", "HAM10000_metadata"])
def test_ham10000_as_published(tmp_path, places, table):
    lesions(tmp_path / "ham10000", places, table)
    data = load(f"ham10000:{tmp_path}")
    assert stems(data) == ["I1", "I2", "I3", "I4"]
    assert data.labels.tolist() == ["bkl", "bkl", "nv", "mel"]
    assert data.groups.tolist() == ["L1", "L1", "L2", "L3"]
    assert data.positive == "mel"
    first = load(f"ham10000?images=first:{tmp_path}")
    assert (stems(first), first.name) == (["I1", "I3", "I4"], "ham10000?images=first")
    (tmp_path / "ham10000" / places[0] / "I1.jpg").unlink()  # the first that is there
    assert stems(open_task("ham10000?images=first", tmp_path)) == ["I2", "I3", "I4"]


def isic(folder, *, grouped):
    names = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
    marks = {dx: [f"{float(n.lower() == dx)}" for n in names] for _, _, dx in LESIONS}
    rows = [",".join([image, *marks[dx]]) for _, image, dx in LESIONS]
    truth = folder / "ISIC2018_Task3_Training_GroundTruth"
    head = ",".join(["image", *names])
    written(truth / f"{truth.name}.csv", "\n".join([head, *rows]))
    if grouped:
        rows = "".join(f"{image},{lesion},histopathology\n" for lesion, image, _ in LESIONS)
        name = "ISIC2018_Task3_Training_LesionGroupings.csv"
        written(folder / name, "image,lesion_id,diagnosis_confirm_type\n" + rows)
    for n, (_, image, _) in enumerate(LESIONS):
        picture(folder / "ISIC2018_Task3_Training_Input" / f"{image}.jpg", n)
    return truth / f"{truth.name}.csv"


def test_ham10000_as_isic_2018_is_the_same_data(tmp_path):
    lesions(tmp_path / "a")
    isic(tmp_path / "b", grouped=True)
    here, there = (open_task("ham10000", tmp_path / place) for place in "ab")
    assert here.checksum == there.checksum


def test_isic_2018_in_one_folder_and_without_groupings(tmp_path):
    table = isic(tmp_path, grouped=False)
    table.rename(tmp_path / table.name)
    data = open_task("ham10000", tmp_path)
    assert data.labels.tolist() == ["bkl", "bkl", "nv", "mel"]
    assert data.groups is None
    with pytest.raises(InvalidData, match=r"images=first needs it: put ISIC2018.*Groupings\.csv"):
        open_task("ham10000?images=first", tmp_path)


def test_bad_tables_of_ham10000(tmp_path):
    lesions(tmp_path / "a")
    table = tmp_path / "a" / "HAM10000_metadata.csv"
    table.write_text(table.read_text().replace("nv", "wart"))
    with pytest.raises(InvalidData, match="line 4: dx is 'wart'; expected one of AKIEC"):
        open_task("ham10000", tmp_path / "a")
    table = isic(tmp_path / "b", grouped=True)
    table.write_text(table.read_text().replace("I3,0.0,1.0", "I3,1.0,1.0"))
    with pytest.raises(InvalidData, match=r"line 4: 2 diagnoses are 1\.0"):
        open_task("ham10000", tmp_path / "b")


def test_copies_of_an_image_are_one_and_others_of_its_name_are_refused(tmp_path):
    lesions(tmp_path)
    picture(tmp_path / "copies" / "I1.jpg", 0)
    assert len(open_task("ham10000", tmp_path)) == 4
    Image.new("RGB", (90, 90)).save(tmp_path / "copies" / "I2.jpg")
    with pytest.raises(InvalidData, match=r"I2\.jpg and .*I2\.jpg have one name and differ"):
        open_task("ham10000", tmp_path)


# --- gtsrb ---------------------------------------------------------------------------------------


def test_gtsrb_as_published_keeps_tracks_together(tmp_path):
    root = tmp_path / "GTSRB" / "Final_Training" / "Images"
    for name in ("00000", "00014"):
        for track in range(2):
            for frame in range(3):
                picture(root / name / f"{track:05d}_{frame:05d}.ppm", track)
        written(root / name / f"GT-{name}.csv", "Filename;Width\n")
    data = load(f"gtsrb:{tmp_path}")
    assert data.labels.tolist() == ["00"] * 6 + ["14"] * 6
    assert np.unique(data.groups).tolist() == ["00/00000", "00/00001", "14/00000", "14/00001"]
    assert data.images[3].tolist() == np.full((2, 3, 3), 1).tolist()
    split = holdout(data, test=6, seed=0)
    assert not set(data.groups[split.train]) & set(data.groups[split.test])


@pytest.mark.parametrize("own", ["", "gtsrb"])
def test_gtsrb_in_folders_of_any_names(tmp_path, own):
    for name in ("00", "07", "notes"):
        picture(tmp_path / own / name / "12.png")
    data = open_task("gtsrb", tmp_path)
    assert data.labels.tolist() == ["00", "07"]
    assert data.groups is None


# --- medmnist ------------------------------------------------------------------------------------


def medmnist(path, shape=(28, 28), labels=1):
    rng = np.random.default_rng(0)
    parts = {}
    for part, n in (("train", 5), ("val", 2), ("test", 3)):
        parts[f"{part}_images"] = rng.integers(0, 256, (n, *shape), dtype=np.uint8)
        parts[f"{part}_labels"] = rng.integers(0, 3, (n, labels), dtype=np.uint8)
    np.savez(path, **parts)
    return parts


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("retinamnist", "retinamnist.npz"),
        ("retinamnist?size=64", "retinamnist_64.npz"),
        ("medmnist?name=bloodmnist", "bloodmnist.npz"),
    ],
)
def test_medmnist_keeps_the_published_test(tmp_path, name, file):
    parts = medmnist(tmp_path / file, (28, 28, 3))
    data = load(f"{name}:{tmp_path}")
    assert data.published_test.tolist() == [False] * 5 + [True] * 3
    np.testing.assert_array_equal(data.images[5:], parts["test_images"])
    np.testing.assert_array_equal(data.labels[:5], parts["train_labels"].ravel())
    assert data.grades == name.startswith("retinamnist")
    more = open_task(f"{name}{'&' if '?' in name else '?'}val=train", tmp_path / file)
    assert more.published_test.tolist() == [False] * 7 + [True] * 3
    np.testing.assert_array_equal(more.images[5:7], parts["val_images"])


@pytest.mark.parametrize(
    ("shape", "labels", "found"),
    [((28, 28, 28), 1, "two-dimensional sets"), ((28, 28), 14, "one label for an image")],
)
def test_medmnist_of_volumes_or_several_labels(tmp_path, shape, labels, found):
    medmnist(tmp_path / "a.npz", shape, labels)
    with pytest.raises(InvalidData, match=found):
        open_task("medmnist?name=a", tmp_path)


def test_medmnist_without_a_name(tmp_path):
    with pytest.raises(InvalidOption, match="say which"):
        open_task("medmnist", tmp_path)


# --- names and paths -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in TASKS if name != "synthetic"])
@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_a_missing_task_says_what_was_looked_for_where_and_how_to_get_it(tmp_path, name, folder):
    options = "?name=bloodmnist" if name == "medmnist" else ""
    with pytest.raises(InvalidData) as caught:
        open_task(name + options, tmp_path / folder)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / folder} does not hold {TASKS[name].card.title}")
    assert "looked for" in message
    assert message.endswith(TASKS[name].card.get)
    assert "\n" not in message


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_cards_are_filled_in(task):
    for text in (task.card.title, task.card.source, task.card.licence, task.card.citation):
        assert text.strip() == text != ""
    assert task.card.get.endswith(".")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("imagenet", "unknown task 'imagenet'; choose one of abide"),
        ("eyepacs?x=1", "task 'eyepacs' has no option 'x'; it has none"),
        ("ham10000?images=last", "images must be one of all, first, found 'last'"),
        ("ham10000?images=first&images=all", "given twice"),
        ("retinamnist?size=big", "size must be a whole number"),
        ("synthetic?size=1", "size at least 4"),
        (3, "a task is a name"),
    ],
)
def test_bad_names(tmp_path, name, found):
    with pytest.raises(InvalidOption, match=found):
        open_task(name, tmp_path)


def test_a_path_that_exists_wins_over_a_task(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    picture(tmp_path / "gtsrb:mine" / "a" / "1.png")
    assert load("gtsrb:mine").name == "gtsrb:mine"
    assert load(Path("gtsrb:mine")).labels.tolist() == ["a"]


@pytest.mark.parametrize("path", [r"C:\data\lesions", "C:data", "c:/data", "lesions:2020", "abide"])
def test_other_colons_are_of_paths(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidData, match="does not exist"):
        load(path)


@pytest.mark.parametrize("inside", ["a", "deep:er/a"])
def test_a_task_in_a_folder_with_colons(tmp_path, inside):
    eyes(tmp_path / inside)
    assert len(load(f"eyepacs:{tmp_path / inside}")) == 3


# --- the contract --------------------------------------------------------------------------------


def test_a_subset_keeps_all_that_is_said(tmp_path):
    eyes(tmp_path)
    data = open_task("eyepacs", tmp_path)
    part = data.subset([2, 0])
    assert stems(part) == ["1_left", "0_left"]
    assert (part.labels.tolist(), part.groups.tolist()) == ([3, 1], ["1", "0"])
    assert (part.name, part.grades, part.card) == (data.name, True, data.card)
    assert stems(data.subset(np.array([True, False, True]))) == ["0_left", "1_left"]
    assert len(data.subset([])) == 0
    assert part.published_test is None
    assert data.subset([0, 1, 2]).checksum == data.checksum != part.checksum


def test_a_checksum_is_of_what_is_learnt_from(tmp_path):
    eyes(tmp_path / "here")
    eyes(tmp_path / "there")
    data = open_task("eyepacs", tmp_path / "here")
    assert data.checksum == open_task("eyepacs", tmp_path / "there").checksum
    picture(tmp_path / "there/train/a/0_left.jpeg", 200)
    assert data.checksum != open_task("eyepacs", tmp_path / "there").checksum
    images = np.arange(12.0).reshape(3, 4)
    sums = {
        Dataset(x, np.array(y), "d", groups=g).checksum
        for x, y, g in (
            (images, ["a", "b", "c"], None),
            (images, ["a", "b", "b"], None),
            (images + 1, ["a", "b", "c"], None),
            (images.reshape(3, 2, 2), ["a", "b", "c"], None),
            (images, ["a", "b", "c"], np.array([0, 1, 2])),
        )
    }
    assert len(sums) == 5
    big = Dataset(images.astype(">f8"), np.array(["a", "b", "c"]), "d").checksum
    assert big in sums  # the bytes of another machine
    with pytest.raises(InvalidData, match="cannot be read"):
        load_and_lose(tmp_path)


def load_and_lose(folder):
    data = open_task("eyepacs", folder / "here")
    data.images.paths[0].unlink()
    return data.checksum


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"groups": np.arange(2)}, r"groups has shape \(2,\); expected \(3,\)"),
        ({"published_test": np.zeros((3, 1), dtype=bool)}, "published_test has shape"),
        ({"published_test": np.array([0, 1, 2])}, "published_test holds int64"),
    ],
)
def test_what_is_said_of_images_has_to_fit_them(said, found):
    with pytest.raises(InvalidData, match=found):
        Dataset(np.zeros((3, 2)), np.array(["a", "b", "a"]), "d", **said)


# --- commands ------------------------------------------------------------------------------------


def test_the_commands_about_tasks(tmp_path):
    listed = run("task", "list").output
    for name, task in TASKS.items():
        assert f"{name}: {task.card.title}" in listed
        assert task.card.licence in listed
        assert task.card.get in listed
    lesions(tmp_path)
    for shown in (
        run("task", "show", "ham10000", "--data", tmp_path).output,
        run("task", "show", f"ham10000?images=all:{tmp_path}").output,
    ):
        for text in ("4, files", "class bkl", "subjects", "3", "CC BY-NC 4.0", "mel"):
            assert text in shown
        folded = "".join(c for c in shown if c in "0123456789abcdef")
        assert open_task("ham10000", tmp_path).checksum[:40] in folded
    own = tmp_path / "own"
    picture(own / "a" / "1.png")
    assert "not known" in run("task", "show", own).output
    assert run("task", "show", "nothing", "--data", tmp_path).exception is not None


def test_a_task_in_place_of_a_folder_brings_its_range_and_its_positive_class(tmp_path):
    """By a rehearsal box: what the options say comes first."""
    rng = np.random.default_rng(1)
    upper = rng.uniform(-1, 1, (20, 19900)).astype(np.float16)
    np.savez(tmp_path / "abide.npz", correlation=upper, dx_group=np.tile([1, 2], 10))
    box, model = "rehearsal:?classes=5&size=224", tmp_path / "m.rebox"
    task = ("--data", f"abide:{tmp_path}")
    how = ("--box", box, "--recipe", "map", "--budget", 20)
    assert run("estimate", *task, *how).exception is None
    fitted = run("fit", *task, *how, "--out", model)
    assert fitted.exception is None, fitted.exception
    given = run("evaluate", model, *task, "--positive", "autism", "--budget", 100).output
    default = run("evaluate", model, *task, "--budget", 100).output
    other = run("evaluate", model, *task, "--positive", "control", "--budget", 100).output
    assert default == given != other
    assert rebox.Reprogrammer.load(model).artefact_.inputs.value_range == (-1, 1)
    assert (
        run("fit", *task, *how, "--value-range=-2,2", "--out", model, "--force").exception is None
    )
    assert rebox.Reprogrammer.load(model).artefact_.inputs.value_range == (-2, 2)


def test_synthetic_needs_no_files():
    data = load("synthetic:")
    assert data.images.shape == (240, 24, 24, 3)
    assert data.checksum == open_task("synthetic").checksum
    assert np.unique(data.labels, return_counts=True)[1].tolist() == [80, 80, 80]
    assert rebox.load("synthetic?subjects=6&size=8:").images.shape == (12, 8, 8, 3)


# --- real data -----------------------------------------------------------------------------------


def real(name, *, of):
    if not (DATA / of).exists():
        pytest.skip(f"no {of} in {DATA}: set REBOX_DATA")
    return open_task(name, DATA)


def counts(data):
    names, found = np.unique(data.labels, return_counts=True)
    return dict(zip(names.tolist(), found.tolist(), strict=True))


@pytest.mark.slow
def test_real_abide():
    data = real("abide", of="abide")
    assert counts(data) == {"autism": 505, "control": 530}
    assert data.images.shape == (1035, 200, 200)
    constant = [(matrix != 0).sum(axis=1) == 1 for matrix in data.images]
    assert sum(regions.any() for regions in constant) == 46


@pytest.mark.slow
def test_real_eyepacs():
    data = real("eyepacs", of="eyepacs")
    assert sum(counts(data).values()) == len(data) == 1819
    assert set(counts(data)) == {0, 1, 2, 3, 4}
    assert len(np.unique(data.groups)) < len(data)


@pytest.mark.slow
def test_real_ham10000():
    data = real("ham10000", of="ham10000")
    assert len(data) == 7006
    assert len(counts(data)) == 7
    first = real("ham10000?images=first", of="ham10000")
    assert len(first) == len(np.unique(data.groups)) == len(np.unique(first.groups))


@pytest.mark.slow
def test_real_gtsrb_and_retinamnist():
    data = real("gtsrb", of="gtsrb")
    assert (len(data), len(counts(data))) == (3000, 43)
    data = real("retinamnist", of="retinamnist.npz")
    assert (len(data), int(data.published_test.sum())) == (1480, 400)
    assert len(real("retinamnist?val=train", of="retinamnist.npz")) == 1600
