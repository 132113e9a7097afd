"""A model file gives back the model, or says why it cannot."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from rebox import Reprogrammer
from rebox.artefact import load, save
from rebox.box.rehearsal import RehearsalBox
from rebox.errors import ArtefactError, BoxMismatch, NewerArtefact, OutputError, TamperedArtefact
from rebox.recipe import RECIPES

URI = "rehearsal:?classes=6&size=8&channels=1"
X, Y = np.random.default_rng(0).normal(size=(24, 5)), np.arange(24) % 2

KINDS = {
    "assignment, full": ("bar?q=1&batch=4", X, None),
    "linear, no program": ("map", X, None),
    "low-resolution": ("cma-es?batch=2&subspace=low-resolution-2", X, None),
    "dct, random mapping": ("bar?q=1&subspace=dct-2&mapping=random", X, None),
    "random projection, overlay": (
        "spsa-gc?q=1&batch=4&subspace=random-projection-3&overlay=1",
        X,
        None,
    ),
    "images": ("map?class_weight=balanced", np.abs(X[:, :4].reshape(24, 2, 2)) % 1, None),
    "matrices": ("bar?q=1&batch=4", np.tanh(X[:, :4].reshape(24, 2, 2)), (-1, 1)),
    "answers and sight": ("auto", X, None),
    "answers alone": ("auto?stack=false", X, None),
    "images, answers and sight": ("auto", np.abs(X[:, :4].reshape(24, 2, 2)) % 1, None),
}


def fitted(recipe="map", x=X, y=Y, value_range=None, box=URI, budget=60):
    model = Reprogrammer(box, recipe, budget=budget, value_range=value_range, random_state=0)
    return model.fit(x, y)


@pytest.fixture(scope="module")
def model():
    return fitted()


@pytest.fixture
def path(model, tmp_path):
    file = tmp_path / "model.rebox"
    model.save(file)
    return file


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_comes_back_whole(kind, tmp_path):
    recipe, x, value_range = KINDS[kind]
    model = fitted(recipe, x, value_range=value_range)
    model.save(tmp_path / "a")
    again = Reprogrammer.load(tmp_path / "a")
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
    first, second = model.artefact_, again.artefact_
    for one, other in zip(first.model.questions, second.model.questions, strict=True):
        assert one.program.placement == other.program.placement
        assert type(one.program.subspace) is type(other.program.subspace)
        assert one.program.subspace_name == other.program.subspace_name
        np.testing.assert_array_equal(one.z, other.z)
    for name in ("recipe", "seed", "verdict"):
        assert getattr(first, name) == getattr(second, name), name
    for one, other in zip(first.boxes, second.boxes, strict=True):
        for name in ("identity", "uri", "classes", "queries"):
            assert getattr(one, name) == getattr(other, name), name
        np.testing.assert_array_equal(one.canaries, other.canaries)
    assert (first.verdict is None) == (not recipe.startswith("auto"))
    assert first.inputs.size == second.inputs.size
    assert first.inputs.value_range == second.inputs.value_range == value_range
    again.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["cat", "ünïcode 🐱"]),
        np.array([False, True]),
        np.array([-3, 10**12]),
        np.array([1.0, 2.0]),
        np.array(["b", "a"], dtype=object),
        np.array([7, 9], dtype=np.uint8),
    ],
    ids=lambda labels: str(labels.dtype),
)
def test_labels_of_every_kind_come_back(labels, tmp_path):
    model = fitted(y=labels[Y])
    model.save(tmp_path / "m")
    again = Reprogrammer.load(tmp_path / "m")
    np.testing.assert_array_equal(again.classes_, np.unique(labels))
    assert again.classes_.dtype == model.classes_.dtype
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


# --- what it refuses ------------------------------------------------------------------------


def rewritten(path, *, model=None, tensors=None, **outer):
    """Write the file anew with some of its content changed and the checksum left as it was."""
    with safe_open(path, framework="numpy") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - a handle
        signed = json.loads(file.metadata()["rebox"])
    if model is not None:
        signed["model"] = json.dumps(json.loads(signed["model"]) | model, sort_keys=True)
    save_file(arrays | (tensors or {}), path, metadata={"rebox": json.dumps(signed | outer)})


@pytest.mark.parametrize("place", [0.3, 0.5, 0.9, 1.0])
def test_a_flipped_bit_in_the_arrays_is_seen(path, place):
    content = bytearray(path.read_bytes())
    header = 8 + int.from_bytes(content[:8], "little")
    at = min(header + int(place * (len(content) - header)), len(content) - 1)
    content[at] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(TamperedArtefact, match="checksum"):
        load(path)


def test_no_flipped_bit_anywhere_goes_unseen_or_unexplained(path):
    whole = path.read_bytes()
    for at in range(0, len(whole), 29):
        content = bytearray(whole)
        content[at] ^= 4
        path.write_bytes(bytes(content))
        try:
            load(path)
        except ArtefactError:
            continue
        # what the checksum need not hold: spaces between words of the header
        assert chr(whole[at]) in ' "{}:,' or at < 8, at


@pytest.mark.parametrize(
    "change",
    [
        {"recipe": "bar"},
        {"seed": 1},
        {"classes": {"dtype": "<i8", "names": [1, 0]}},
        {"box": {"identity": "another", "uri": None}},
        {"queries": {"total": 0}},
        {"extra": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_edited_description_is_seen(path, change):
    rewritten(path, model=change)
    with pytest.raises(TamperedArtefact):
        load(path)


def test_an_edited_array_an_added_array_and_a_wrong_checksum_are_seen(path):
    whole = path.read_bytes()
    for change in (
        {"tensors": {"z.0": np.ones(3, np.float32)}},
        {"tensors": {"more": np.ones(3)}},
        {"sha256": "0" * 64},
    ):
        path.write_bytes(whole)
        rewritten(path, **change)
        with pytest.raises(TamperedArtefact):
            load(path)


def test_a_newer_format_asks_for_an_upgrade(path):
    rewritten(path, model={"format": 99})
    with pytest.raises(NewerArtefact, match="upgrade"):
        load(path)


@pytest.mark.parametrize("left", [0, 1, 7, 8, 100, -1])
def test_a_truncated_file_is_no_model(path, left):
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(ArtefactError, match=r"model\.rebox"):
        load(path)


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {"other": "1"},
        {"rebox": "{"},
        {"rebox": "[]"},
        {"rebox": "{}"},
        {"rebox": '{"model": "{}", "sha256": ""}'},
        {"rebox": '{"model": "[1]", "sha256": ""}'},
        {"rebox": '{"model": "{\\"format\\": \\"x\\"}", "sha256": ""}'},
    ],
)
def test_another_programs_file_is_no_model(tmp_path, metadata):
    file = tmp_path / "x.safetensors"
    save_file({"z": np.zeros(2)}, file, metadata=metadata)
    with pytest.raises(ArtefactError, match="not a rebox model"):
        load(file)


@pytest.mark.parametrize("content", [b"PK\x03\x04 a zip", b"\x80\x04N.", b"hello", b"\xff" * 64])
def test_a_file_of_another_kind_is_no_model(tmp_path, content):
    file = tmp_path / "x.rebox"
    file.write_bytes(content)
    with pytest.raises(ArtefactError):
        load(file)


@pytest.mark.parametrize("name", ["missing.rebox", ".", "no/such/folder.rebox"])
def test_a_missing_file_is_named(tmp_path, name):
    with pytest.raises(ArtefactError, match="there is no model file"):
        load(tmp_path / name)


def test_another_box_is_refused(path):
    for other in ("rehearsal:?classes=6&size=8&channels=1&seed=1", RehearsalBox(classes=6)):
        with pytest.raises(BoxMismatch, match="fitted for"):
            Reprogrammer.load(path, box=other)
    twin = RehearsalBox(classes=6, size=8, channels=1, batch_size=2, price_usd=1.0)
    assert Reprogrammer.load(path, box=twin).predict(X).shape == (24,)  # the same classifier


# --- how it is written ----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["missing/model.rebox", "file/model.rebox", "", "folder"])
def test_where_it_cannot_be_written_is_said_and_nothing_is_left(model, tmp_path, name):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match="cannot write"):
        model.save(tmp_path / name)
    assert sorted(tmp_path.rglob("*")) == before
    assert not list(tmp_path.parent.glob("*.part")) + list(tmp_path.parent.glob(".*.part"))


@pytest.mark.parametrize("failing", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_old_file_whole(model, path, monkeypatch, failing, error):
    before = path.read_bytes()

    def fail(*_):
        raise error

    monkeypatch.setattr(*((os, "fsync") if failing == "fsync" else (Path, "replace")), fail)
    expected = OutputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected):
        fitted(y=1 - Y).save(path)
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["model.rebox"]


def test_a_file_is_replaced_and_has_ordinary_rights(path):
    before = path.read_bytes()
    fitted(y=1 - Y).save(path)
    assert path.read_bytes() != before
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_relative_path_is_written_here(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model.save("model.rebox")
    assert load("model.rebox").box.uri == URI


def test_nothing_inside_names_this_machine_or_is_a_pickle(path):
    content = path.read_bytes()
    for private in (str(path.parent), str(Path.cwd()), str(Path.home()) + "/", sys.prefix):
        assert private.encode() not in content
    assert b"\x80\x04\x95" not in content  # how a pickle begins
    assert b"numpy" not in content


PROGRAM = """
import sys
import numpy as np
from rebox import Reprogrammer
rng = np.random.default_rng(0)
X, y = rng.normal(size=(24, 5)), np.array(["no", "yes"])[np.arange(24) % 2]
for name in sys.argv[2:]:
    views = 3 if name == "auto" else 1
    model = Reprogrammer(
        "rehearsal:?classes=6&size=8&channels=1",
        name,
        budget=200,
        queries_per_prediction=views,
        random_state=3,
    )
    model.fit(X, y).save(f"{sys.argv[1]}/{name.partition('?')[0]}")
"""


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_in_two_processes(tmp_path):
    plain = ("map", "auto", "local")
    names = [name if name in plain else f"{name}?batch=4" for name in RECIPES]
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        subprocess.run(
            [sys.executable, "-c", PROGRAM, str(folder), *names],
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": seed},
        )
    files = sorted((tmp_path / "1").iterdir())
    assert [file.name for file in files] == sorted(RECIPES)
    for file in files:
        assert file.read_bytes() == (tmp_path / "2" / file.name).read_bytes(), file.name
    assert load(tmp_path / "1" / "bar").model.questions[0].z.any()


def test_an_artefact_can_be_saved_by_itself(model, path, tmp_path):
    save(model.artefact_, tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
