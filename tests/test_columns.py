"""A table's columns may be called anything, in every command that takes data."""

import csv

import numpy as np
import pytest
from PIL import Image
from sklearn.model_selection import GroupKFold, cross_val_score
from test_cli import BOX, ended, invoke

import rebox

pytestmark = pytest.mark.slow

NAMED = ("--path-column", "IMAGE_ID", "--label-column", "dx")
FORMS = {
    "commas": (",", ("image_id", "dx", "Patient ID")),
    "semicolons": (";", ("Image_ID", "DX", "PATIENT ID")),
    "tabs, others between": ("\t", ("sex", "dx", "age", "patient id", "image_id")),
}


@pytest.fixture(params=FORMS)
def table(request, tmp_path):
    """36 images of 12 patients, listed in a table of a hospital's own form."""
    separator, header = FORMS[request.param]
    rng = np.random.default_rng(0)
    rows = []
    for i in range(36):
        name, level = (("nevus", 60), ("melanoma", 160))[i // 3 % 2]
        pixels = np.clip(rng.normal(level, 40, (8, 8, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
        row = {"image_id": str(i), "dx": name, "patient id": f"p{i // 3}", "sex": "f", "age": "7"}
        rows.append([row[column.lower()] for column in header])
    path = tmp_path / "table.csv"
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=separator).writerows([header, *rows])
    return path


@pytest.mark.filterwarnings("ignore:.*passed over the columns")
def test_every_command_takes_names_for_columns_whatever_their_case(table):
    folder = table.parent
    given = ("--data", table, *NAMED, "--group-column", "patient id")
    more = ("--box", BOX, *given, "--recipe", "map", "--budget", 36, "--hold-out", 0.34)
    assert "12 samples held out" in invoke("estimate", *more)
    output = invoke("fit", *more, "--out", folder / "m.rebox")
    assert "24 training samples of 8 subjects" in " ".join(output.split())
    output = invoke("evaluate", folder / "m.rebox", *given)
    assert "36 samples of 12 subjects" in output
    asked = ("--path-column", "IMAGE_ID", "--out", folder / "p.csv")
    assert "(36 to predict)" in invoke("predict", folder / "m.rebox", table, *asked)
    output = invoke("task", "show", table, *NAMED, "--group-column", "patient id")
    assert "class melanoma" in output
    assert "12" in next(line for line in output.splitlines() if "subjects" in line)


@pytest.mark.parametrize("command", ["estimate", "task show"])
def test_a_column_that_is_not_there_is_named(table, command):
    data = (table,) if command == "task show" else ("--data", table, "--box", BOX, "--budget", 9)
    result = ended(*command.split(), *data, *NAMED, "--group-column", "person")
    assert result.returncode == 2
    assert "no column 'person'; found" in result.stderr


@pytest.mark.parametrize("data", ["synthetic:.", "."])
def test_columns_are_named_of_a_table_alone(data, tmp_path):
    for command in (("task", "show", data), ("task", "show", "synthetic", "--data", data)):
        result = ended(*command, "--label-column", "dx", cwd=tmp_path)
        assert result.returncode == 2
        assert "columns can be named of a CSV alone" in result.stderr


@pytest.mark.filterwarnings("ignore:.*passed over the columns")
def test_scikit_learn_splits_the_files_by_subject(table):
    data = rebox.load(table, path_column="image_id", label_column="dx", group_column="patient id")
    model = rebox.Reprogrammer(BOX, "map", budget=30, random_state=0)
    folds = GroupKFold(3)
    scores = cross_val_score(model, data.images, data.labels, cv=folds, groups=data.groups)
    assert scores.min() > 0.8
    for train, test in folds.split(data.images, data.labels, data.groups):
        assert not set(data.groups[train]) & set(data.groups[test])
