"""Models of MLflow's: what is in the folder, what they take and say, who pays."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from PIL import Image
from recordings import recording, uri
from serving import fitted
from texts import reviews
from tracked import digits, mlflow, pngs, rebox

from rebox.demo import digits as demo
from rebox.demo import open_digits
from rebox.errors import BudgetExhausted, InvalidData, InvalidOption
from rebox.meter import Journal, accounts, faults
from rebox.mlflow.columns import parts_of
from rebox.rehearsal import Limits, Rehearsal

X, Y, TEST = digits()


@pytest.fixture(scope="module")
def model():
    """A model of pictures."""
    return rebox.Reprogrammer(open_digits(), "map", budget=60, random_state=0).fit(X, Y)


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    """The same as MLflow's."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    rebox.mlflow.save_model(model, folder)
    return folder


def loaded(folder, **config):
    return mlflow.pyfunc.load_model(str(folder), model_config=config)


def check(model, said, expected_x):
    """Check that a frame says what a model says."""
    assert [*said.columns] == ["label", *(f"p_{name}" for name in model.classes_)]
    expected = model.predict_proba(expected_x)
    np.testing.assert_array_equal(said.drop(columns="label").to_numpy(), expected)
    assert said["label"].tolist() == [str(name) for name in model.predict(expected_x)]


def billed(journal):
    """Return what each account of a sound journal was billed for."""
    with Journal(journal) as kept:
        assert faults(kept) == []
        return {line.name: line.billed for line in accounts(kept)}


def test_the_folder_holds_the_model_and_no_pickle(saved):
    files = {path.relative_to(saved).as_posix() for path in saved.rglob("*") if path.is_file()}
    own = {"MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt"}
    assert files == own | {"data/rebox/model.rebox"}
    pins = (saved / "requirements.txt").read_text().split()
    assert pins[0] == f"rebox[mlflow]=={rebox.__version__}"
    assert f"numpy=={np.__version__}" in pins
    assert all("==" in pin for pin in pins)
    signature = mlflow.models.get_model_info(str(saved)).signature
    assert signature.inputs.to_dict() == [{"type": "binary", "name": "picture", "required": True}]
    assert {one["type"] for one in signature.outputs.to_dict()} == {"string", "double"}


def test_it_says_of_files_what_the_model_says_and_keeps_the_index(model, saved):
    frame = pd.DataFrame({"picture": pngs(TEST)}, index=[*range(100, 160)])
    said = loaded(saved).predict(frame)
    check(model, said, TEST)
    assert said.index.equals(frame.index)


def test_it_comes_back_as_a_reprogrammer(model, saved):
    again = rebox.mlflow.load_model(saved, predict_budget=60)
    np.testing.assert_array_equal(again.predict_proba(TEST), model.predict_proba(TEST))
    with pytest.raises(BudgetExhausted):
        again.predict(TEST[:1])


def test_a_model_of_another_flavour_is_refused(tmp_path):
    mlflow.pyfunc.save_model(
        tmp_path / "other", loader_module="json", data_path=str(Path(__file__)), pip_requirements=[]
    )
    with pytest.raises(InvalidOption, match="python_function; expected one that rebox"):
        rebox.mlflow.load_model(tmp_path / "other")


def test_paths_and_arrays(model, tmp_path):
    paths = [str(tmp_path / f"{place}.png") for place in range(5)]
    for path, picture in zip(paths, TEST, strict=False):
        Image.fromarray(picture).save(path)
    rebox.mlflow.save_model(model, tmp_path / "path", pictures="path")
    check(model, loaded(tmp_path / "path").predict(pd.DataFrame({"path": paths})), TEST[:5])
    rebox.mlflow.save_model(model, tmp_path / "array", pictures=(16, 16))
    levels = (TEST[:5] / 255).astype(np.float32)
    check(model, loaded(tmp_path / "array").predict({"picture": levels}), levels)


@pytest.mark.parametrize("named", [True, False])
def test_rows(named, tmp_path):
    rows = np.random.default_rng(0).normal(size=(40, 3))
    frame = pd.DataFrame(rows, columns=["age", "weight", "height"])
    x, y = (frame if named else rows), rows[:, 0] > 0
    model = rebox.Reprogrammer(recipe="local", random_state=0).fit(x, y)
    rebox.mlflow.save_model(model, tmp_path / "model")
    given = frame[["height", "age", "weight"]] if named else pd.DataFrame({"row": rows.tolist()})
    check(model, loaded(tmp_path / "model").predict(given), x)


def test_texts_and_ids(tmp_path):
    texts, labels = reviews(40)
    model = rebox.Reprogrammer(recipe="local", random_state=0).fit(texts, labels)
    rebox.mlflow.save_model(model, tmp_path / "texts")
    check(model, loaded(tmp_path / "texts").predict(pd.DataFrame({"text": texts})), texts)
    box = uri(recording(tmp_path / "answers.npz"), "Free")
    with np.load(tmp_path / "answers.npz") as content:
        ids, truth = content["ids"].tolist(), content["truth"].tolist()
    samples = rebox.Samples(ids=ids)
    by_id = rebox.Reprogrammer(box, budget=len(ids), random_state=0).fit(samples, truth)
    rebox.mlflow.save_model(by_id, tmp_path / "ids")
    (tmp_path / "answers.npz").unlink()  # it lies beside the model now
    check(by_id, loaded(tmp_path / "ids").predict(pd.DataFrame({"id": ids})), samples)


def test_the_box_s_file_goes_with_the_model(tmp_path):
    file = tmp_path / "box.onnx"
    shutil.copyfile(demo.PATH, file)
    model = rebox.Reprogrammer(f"onnx:{file}?size=16&channels=1", "map", budget=60, random_state=0)
    model.fit(X, Y)
    rebox.mlflow.save_model(model, tmp_path / "model")
    expected = model.predict_proba(TEST)
    file.unlink()
    said = loaded(tmp_path / "model").predict(pd.DataFrame({"picture": pngs(TEST)}))
    np.testing.assert_array_equal(said.drop(columns="label").to_numpy(), expected)


def test_one_budget_for_all_who_name_the_account(saved, tmp_path):
    journal = tmp_path / "journal.sqlite"
    job = {"budget": 45, "journal": str(journal), "account": "job", "when_spent": "mark"}
    frame = pd.DataFrame({"picture": pngs(TEST)})
    first = loaded(saved, **job).predict(frame[:32])
    second = loaded(saved, **job).predict(frame[32:])
    assert (first["label"] != "").all()
    answered = (second["label"] != "").tolist()
    assert answered == [True] * 13 + [False] * 15  # the last few were asked one by one
    assert second.filter(like="p_").notna().all(axis=1).tolist() == answered
    assert billed(journal) == {"job": 45}
    # what is paid for stays: the same again costs nothing, and more money buys the rest alone
    again = loaded(saved, **job | {"budget": 60}).predict(frame)
    assert (again["label"] != "").all()
    assert billed(journal) == {"job": 60}


def test_a_spent_budget_ends_the_job_in_words_unless_it_is_marked(saved, tmp_path):
    job = {"budget": 10, "journal": str(tmp_path / "journal.sqlite"), "account": "job"}
    with pytest.raises(MlflowException, match="would exceed the budget: the account 'job'") as told:
        loaded(saved, **job).predict(pd.DataFrame({"picture": pngs(TEST)}))
    assert told.value.get_http_status_code() == 429
    assert isinstance(told.value.__cause__, BudgetExhausted)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (b"no picture", "the picture of row 7 is not an image"),
        (b"", "the picture of row 7"),
        (None, "the picture of row 7 is missing; expected the bytes"),
    ],
)
def test_a_bad_picture_is_named_by_its_row(saved, cell, words):
    frame = pd.DataFrame({"picture": [*pngs(TEST[:1]), cell]}, index=[3, 7])
    with pytest.raises(MlflowException, match=words) as told:
        loaded(saved).predict(frame)
    assert told.value.get_http_status_code() == 400


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"budget": 10}, "pass journal=, an absolute path"),
        ({"budget": 10, "journal": True, "account": "a"}, "pass journal="),
        ({"budget": 10, "journal": "/j.sqlite", "account": " "}, "account=, a name for the job"),
        ({"max_usd": 1.0, "journal": "j.sqlite", "account": "a"}, "another file in each worker's"),
        ({"budget": 0}, "at least 1"),
        ({"when_spent": "stop"}, "expected 'raise' or 'mark'"),
        ({"bugdet": 10}, "'bugdet'; expected budget, max_usd"),
        ({"pictures": "base64"}, "expected 'bytes', 'path', or the shape"),
        ({"pictures": (16,)}, "the shape of arrays"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_written(model, tmp_path, options, words):
    with pytest.raises(InvalidOption, match=words):
        rebox.mlflow.save_model(model, tmp_path / "model", **options)
    assert not (tmp_path / "model").exists()


def test_a_server_s_journal_needs_its_driver_on_the_workers(model, tmp_path):
    job = {"budget": 9, "journal": "postgresql://db.lab/rebox", "account": "a"}
    rebox.mlflow.save_model(model, tmp_path / "model", **job)
    assert "rebox[mlflow,postgres]==" in (tmp_path / "model/requirements.txt").read_text()


def test_a_box_made_in_python_cannot_go_along(tmp_path):
    model, _ = fitted()
    with pytest.raises(InvalidOption, match="was made in Python, and no other process"):
        rebox.mlflow.save_model(model, tmp_path / "model")


def test_a_box_that_costs_money_is_not_asked_without_an_end(tmp_path):
    behind = rebox.open_box("rehearsal:?classes=3&size=16")
    with Rehearsal("clarifai", behind, limits=Limits()) as service:
        box = f"{service.uri}&size=16"  # at $1.20 per 1,000
        model = rebox.Reprogrammer(box, "map", budget=20, canaries=0, random_state=0)
        model.fit(X[:20], Y[:20])
        rebox.mlflow.save_model(model, tmp_path / "model")
        with pytest.raises(InvalidOption, match=r"may cost money.*uncapped=True"):
            loaded(tmp_path / "model")
        frame = pd.DataFrame({"picture": pngs(TEST[:3])})
        free = loaded(tmp_path / "model", uncapped=True).predict(frame)
        job = {"max_usd": 0.003, "journal": str(tmp_path / "job.sqlite"), "account": "job"}
        capped = loaded(tmp_path / "model", when_spent="mark", **job).predict(frame)
    assert (capped["label"] != "").tolist() == [True, True, False]
    assert capped["label"][:2].tolist() == free["label"][:2].tolist()
    figures = [frame.filter(like="p_").to_numpy()[:2] for frame in (capped, free)]
    np.testing.assert_allclose(*figures, rtol=0, atol=1e-6)  # one by one, and together
    assert billed(tmp_path / "job.sqlite") == {"job": 2}


def test_parts_are_small_enough_for_memory():
    files = pd.DataFrame({"picture": [b"x" * 2**23] * 5})
    assert [len(part) for part in parts_of(files)] == [2, 2, 1]
    assert [len(part) for part in parts_of(pd.DataFrame({"text": ["a"] * 2500}))] == [
        1024,
        1024,
        452,
    ]
    assert [len(part) for part in parts_of(pd.DataFrame({"picture": [b"x" * 2**25]}))] == [1]


def test_what_is_no_frame_is_refused():
    with pytest.raises(InvalidData, match="found a list; expected a data frame"):
        rebox.mlflow.columns.read_frame([1])
