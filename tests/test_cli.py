import contextlib
import csv
import io
import json
import os
import subprocess
import sys
import warnings
from unittest import mock

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import rebox
from rebox.cli import main
from rebox.cli.app import app
from rebox.recipe import RECIPES

pytestmark = pytest.mark.slow

BOX = "rehearsal:?classes=10&price_usd=0.002"


@pytest.fixture
def folder(tmp_path):
    """Two classes of 20 images, told apart by their brightness."""
    rng = np.random.default_rng(0)
    for name, level in (("dark", 60), ("light", 160)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for i in range(20):
            pixels = np.clip(rng.normal(level, 40, (20, 30, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{i}.png")
    return tmp_path


def run(*arguments, cwd=None):
    """Run the command line in a process of its own, as a user does."""
    command = [sys.executable, "-c", "from rebox.cli import main; main()", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(
        command, check=False, capture_output=True, text=True, cwd=cwd, env=environment
    )


def ended(*arguments, cwd="."):
    """Run the command line in this process, and return how it ended: most of a process's time is
    that of its imports."""
    out, err, words = io.StringIO(), io.StringIO(), ["rebox", *map(str, arguments)]
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch.object(sys, "argv", words),
        mock.patch.object(warnings, "showwarning", warnings.showwarning),  # main() sets its own
        pytest.raises(SystemExit) as code,
    ):
        main()
    return subprocess.CompletedProcess(words, code.value.code or 0, out.getvalue(), err.getvalue())


def invoke(*arguments):
    """Run the command line in this process, where the exit code is not the point."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exception is None, result.exception
    return result.output


def fit(folder, *more):
    data = ("--data", folder / "data", "--out", folder / "m.rebox")
    return invoke("fit", "--box", BOX, *data, "--recipe", "map", "--budget", 30, "--force", *more)


def test_fit_evaluate_predict(folder):
    fit(folder, "--json", folder / "fit.json")
    record = json.loads((folder / "fit.json").read_text())
    figures = {"recipe", "box", "seed", "seconds", "usd", "queries", "metrics"}
    assert record.keys() == figures | {"verdict", "policy", "operating_point"}
    assert record["queries"] == {
        "probe": 0, "map": 30, "search": 0, "validate": 0, "predict": 0, "total": 30
    }  # fmt: skip
    assert (record["recipe"], record["box"], record["seed"]) == ("map", BOX, 0)
    assert record["usd"] == pytest.approx(0.06)

    model, data = folder / "m.rebox", folder / "data"
    output = invoke("evaluate", model, "--data", data, "--json", folder / "test.json")
    assert "balanced accuracy" in output
    record = json.loads((folder / "test.json").read_text())
    assert record["queries"]["predict"] == record["queries"]["total"] == 40
    assert record["usd_per_10k"] == pytest.approx(20.0)
    accuracy = record["metrics"]["accuracy"]
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    assert accuracy["value"] > 0.9

    predictions = folder / "p.csv"
    invoke("predict", model, data / "dark" / "1.png", data / "light", "--out", predictions)
    with predictions.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 21
    assert rows[0]["label"] == "dark"
    assert float(rows[0]["p_dark"]) + float(rows[0]["p_light"]) == pytest.approx(1, abs=1e-5)


def test_predictions_are_those_of_the_estimator(folder):
    fit(folder)
    invoke("predict", folder / "m.rebox", folder / "data", "--out", folder / "p.csv")
    images, _ = rebox.sample.load_unlabelled([folder / "data"])
    expected = rebox.Reprogrammer.load(folder / "m.rebox").predict(images)
    with (folder / "p.csv").open() as file:
        assert [row["label"] for row in csv.DictReader(file)] == expected.tolist()


def test_positive_names_the_class_that_sensitivity_speaks_of(folder):
    fit(folder)
    values = {}
    for positive in ("dark", "light"):
        record = folder / f"{positive}.json"
        evaluated = ("evaluate", folder / "m.rebox", "--data", folder / "data", "--json", record)
        invoke(*evaluated, "--positive", positive)
        values[positive] = json.loads(record.read_text())["metrics"]
    assert values["dark"]["sensitivity"] == values["light"]["specificity"]


@pytest.mark.parametrize("recipe", RECIPES)
def test_estimate_is_what_the_fit_then_asks(folder, recipe):
    asked = ("--box", BOX, "--data", folder / "data", "--recipe", recipe, "--budget", 2000)
    output = invoke("estimate", *asked)
    record = folder / "fit.json"
    invoke("fit", *asked, "--out", folder / "m.rebox", "--json", record)
    queries = json.loads(record.read_text())["queries"]
    left = next(line for line in output.splitlines() if "left over" in line)
    assert f" {2000 - queries['total']:,} " in left


def test_matrices_by_npz_and_value_range(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.repeat([1, 2], 20)
    x = np.clip(rng.normal(0.3 * (labels - 1.5)[:, None, None], 0.3, (40, 12, 12)), -1, 1)
    np.savez(tmp_path / "m.npz", x=x, y=labels)
    given = ("--data", tmp_path / "m.npz", "--value-range=-1,1", "--out", tmp_path / "m.rebox")
    invoke("fit", "--box", BOX, *given, "--recipe", "map", "--budget", 40)
    output = invoke("evaluate", tmp_path / "m.rebox", "--data", tmp_path / "m.npz")
    assert "accuracy" in output


def test_evaluate_heeds_subjects(tmp_path):
    """The same images, each four times: with groups they are worth as many as they are."""
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 20)
    x = np.clip(rng.normal(0.5 + 0.02 * (labels - 0.5)[:, None, None], 0.2, (40, 12, 12)), 0, 1)
    once = {"x": x, "y": labels}
    copies = {name: np.repeat(values, 4, axis=0) for name, values in once.items()}
    np.savez(tmp_path / "once.npz", **once)
    np.savez(tmp_path / "apart.npz", **copies)
    np.savez(tmp_path / "grouped.npz", **copies, groups=np.repeat(np.arange(40), 4).astype(str))
    model = tmp_path / "m.rebox"
    fit = ("--data", tmp_path / "once.npz", "--out", model, "--recipe", "map", "--budget", 40)
    invoke("fit", "--box", BOX, *fit)
    width = {}
    for name in ("once", "apart", "grouped"):
        record = tmp_path / f"{name}.json"
        invoke("evaluate", model, "--data", tmp_path / f"{name}.npz", "--json", record)
        found = json.loads(record.read_text())["metrics"]["accuracy"]
        width[name] = found["high"] - found["low"]
    assert width["grouped"] == pytest.approx(width["once"], rel=0.03)
    assert width["apart"] < 0.6 * width["once"]


def test_evaluate_of_grades_has_kappa(tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 255, (30, 28, 28, 3), dtype=np.uint8), np.arange(30) % 5
    parts = {f"{part}_images": images for part in ("train", "val", "test")}
    parts |= {f"{part}_labels": labels[:, None] for part in ("train", "val", "test")}
    np.savez(tmp_path / "retinamnist.npz", **parts)
    data, model = f"retinamnist:{tmp_path}", tmp_path / "m.rebox"
    how = ("--recipe", "map", "--budget", 90)
    invoke("fit", "--box", BOX, "--data", data, *how, "--out", model)
    said = invoke("evaluate", model, "--data", data, "--budget", 90)
    assert "kappa" in said


def test_probe_counts_its_questions():
    output = invoke("box", "probe", BOX)
    assert "classes          10" in output
    assert "asked 16 queries (16 to probe), $0.0320" in output


def test_interrupted_fit_leaves_a_usable_model(folder):
    script = f"""
import os, signal, sys, rebox.cli.fit as commands
from rebox.cli import main

class Interrupting(commands.ProgressBar):
    def __call__(self, event):
        if getattr(event, "purpose", "") == "search" and getattr(event, "step", 0) == 2:
            os.kill(os.getpid(), signal.SIGINT)

commands.ProgressBar = Interrupting
sys.argv = ["rebox", "fit", "--box", {BOX!r}, "--data", {str(folder / "data")!r}, "--recipe",
            "bar?q=2", "--budget", "5000", "--out", {str(folder / "m.rebox")!r}]
main()
"""
    command = [sys.executable, "-c", script]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    assert found.returncode == 130, found.stderr
    assert "interrupted by the user" in found.stdout
    assert "and the model has all of them." in found.stdout
    invoke("evaluate", folder / "m.rebox", "--data", folder / "data")


def test_an_error_is_one_line_and_exit_code_2(folder):
    found = run("fit", "--box", BOX, "--data", folder / "nowhere", "--budget", 5)
    assert found.returncode == 2
    assert len(found.stderr.splitlines()) == 1
    assert found.stderr.startswith("rebox: error: ")
    assert "nowhere" in found.stderr


def test_nothing_is_drawn_where_nobody_watches(folder):
    given = ("--data", folder / "data", "--out", folder / "m.rebox")
    found = run("fit", "--box", BOX, *given, "--recipe", "map", "--budget", 10)
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""


def test_two_outputs_of_one_name_are_refused(folder):
    same = folder / "same"
    given = ("--data", folder / "data", "--out", same, "--json", same, "--budget", 9)
    found = ended("fit", "--box", BOX, *given)
    assert found.returncode == 2
    assert "name two files" in found.stderr
    assert not same.exists()


@pytest.mark.parametrize(
    "name", ["[/b]", "[bold]x", ":smile:", "a\x1b[31mred", "b\x9b2J", "c\u202e"]
)
def test_what_data_is_called_moves_no_cursor_and_breaks_no_table(tmp_path, capsys, name):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (8, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "d.npz", x=x, y=np.array([name, "other"] * 4))
    with pytest.raises(SystemExit) as ended:
        app(["task", "show", str(tmp_path / "d.npz")])
    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert "class other" in said
    assert name in said or not name.isprintable()
    assert not set(said) & set("\x1b\x9b\u202e")


def test_an_error_moves_no_cursor(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["rebox", "box", "probe", "no\x1b[31mbox"])
    with pytest.raises(SystemExit):
        main()
    assert "\x1b" not in capsys.readouterr().err
