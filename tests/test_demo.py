import csv
import importlib.util
import re
import shlex
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from rebox import Reprogrammer
from rebox.box.onnx import OnnxBox
from rebox.cli.app import app
from rebox.demo import load_mirrored, load_patients, open_digits, run_demo
from rebox.demo.digits import PATH
from rebox.demo.mirror import NAMES
from rebox.demo.table import last_words, print_demo, render
from rebox.errors import OutputError

pytestmark = pytest.mark.slow

README_PICTURE = Path(__file__).parents[1] / "docs" / "demo.png"
METHODS = ["majority", "local model", "mapping only", "BAR, as published", "auto"]


def refuse(*args, **kwargs):
    raise AssertionError("the demo reached for the network")


@pytest.fixture(scope="module")
def make_digits():
    """The script that makes the box; it is not in the wheel."""
    pytest.importorskip("onnx")
    path = Path(__file__).parents[1] / "scripts" / "make_digits.py"
    spec = importlib.util.spec_from_file_location("make_digits", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """One small demo, with the network forbidden."""
    console = Console(width=80, quiet=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr("rebox.demo.table.run_demo", small)
        return print_demo(tmp_path_factory.mktemp("demo") / "new", seed=0, console=console)


def small(out, **options):
    return run_demo(out, labels=30, **options)


def test_the_table_holds_every_method_on_both_tasks(shown):
    assert [one.task.title for one in shown.tasks] == ["mirrored digits", "tumours"]
    for one in shown.tasks:
        assert [row.method for row in one.rows] == METHODS
        assert all(row.accuracy.low < row.accuracy.value < row.accuracy.high for row in one.rows)
        assert {row.labels for row in one.rows} == {30}


def test_the_box_wins_one_task_clearly_and_not_the_other(shown):
    digits, tumours = ({row.recipe: row.accuracy for row in one.rows} for one in shown.tasks)
    assert digits["auto"].low > digits["local"].high + 0.15
    assert digits["auto"].low > digits["map"].high + 0.15
    assert tumours["auto"].low < tumours["local"].value < tumours["auto"].high


def test_queries_and_cost_are_those_of_the_fits(shown):
    for one in shown.tasks:
        rows = {row.recipe: row for row in one.rows}
        assert all(row.usd == pytest.approx(row.queries * 2 / 1000) for row in one.rows)
        assert rows[None].queries == rows["local"].queries == 0
        assert (rows["map"].queries, rows["map"].queries_per_prediction) == (30, 1)
        assert 30 < rows["auto"].queries <= 2_000
        assert 1 <= rows["auto"].queries_per_prediction <= 5
        assert 24_900 < rows["bar"].queries <= 25_000


def test_the_meters_and_the_box_count_the_same(shown):
    points = [
        (row, len(one.task.test))
        for one in shown.tasks
        for row in (one.bar, *(row for rows in one.curves.values() for row in rows))
    ]
    assert shown.answered == shown.counted
    asked = [row.queries + tested * row.queries_per_prediction for row, tested in points]
    assert shown.counted == sum(asked)


def test_every_curve_climbs_in_labels_and_ends_in_the_table(shown):
    for one in shown.tasks:
        assert list(one.curves) == ["local", "map", "auto"]
        for rows in one.curves.values():
            assert [row.labels for row in rows] == list(one.task.labelled)
            assert rows[-1] in one.rows


def test_the_model_written_is_the_one_of_the_first_task_and_finds_its_box_again(shown):
    model = Reprogrammer.load(shown.model)
    digits = load_mirrored()
    assert model.artefact_.recipe == "auto"
    assert model.score(digits.test, digits.test_labels) == shown.tasks[0].rows[-1].accuracy.value


@pytest.mark.parametrize("services", [True, False])
def test_the_files_left_can_be_predicted_as_the_last_lines_say(
    shown, tmp_path, monkeypatch, services
):
    """With the extras of README's first line, too, which are without the journal's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("REBOX_JOURNAL", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    if not services:
        monkeypatch.setitem(sys.modules, "platformdirs", None)
    assert {path.stem for path in shown.samples.iterdir()} == set(NAMES)
    (line,) = [line for line in last_words(shown) if line.startswith("  rebox predict ")]
    result = CliRunner().invoke(app, shlex.split(line)[1:])
    assert result.exit_code == 0, result.output
    with (tmp_path / "predictions.csv").open() as file:
        said = {Path(row["path"]).stem: row["label"] for row in csv.DictReader(file)}
    assert len(said) == 10
    assert sum(name == label for name, label in said.items()) >= 8


def test_the_picture_is_one_that_can_be_looked_at(shown):
    with Image.open(shown.picture) as picture:
        assert min(picture.size) > 900
        assert len(np.unique(np.asarray(picture.convert("L")))) > 50
    names = sorted(path.name for path in shown.model.parent.iterdir())
    assert names == ["demo.png", "digits", "model.rebox"]


@pytest.mark.long
def test_the_picture_of_the_readme_is_what_the_demo_draws(tmp_path):
    """To a point of accuracy: another processor may round a few answers otherwise."""
    drawn = run_demo(tmp_path)
    with Image.open(README_PICTURE) as shown, Image.open(drawn.picture) as today:
        assert shown.size == today.size
        lines = [picture.text["Description"].splitlines() for picture in (shown, today)]
    names = [[re.sub(r"[\d.]+%", "", line) for line in words] for words in lines]
    assert names[0] == names[1]
    figures = [[float(one) for one in re.findall(r"([\d.]+)%", "".join(w))] for w in lines]
    assert len(figures[0]) == 3 * (4 + 3)
    assert np.allclose(*figures, atol=1.0)


def test_the_table_fits_a_terminal_of_80_columns(shown):
    console = Console(width=80)
    with console.capture() as capture:
        console.print(render(shown))
    text = capture.get()
    for words in ("mirrored digits, 30", "tumours, 30", *METHODS, "$0.06", "verdict", "unclear"):
        assert words in text
    assert "…" not in text


def test_both_verdicts_are_said_in_full(shown):
    said = last_words(shown)
    assert [line for one in shown.tasks for line in said if str(one.verdict.words) in line]
    assert said[0].startswith("mirrored digits: ")
    assert said[1].startswith("tumours: ")


@pytest.mark.long
def test_without_matplotlib_the_demo_goes_on(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    lines = []
    result = run_demo(tmp_path, labels=20, write=lines.append)
    assert result.picture is None
    assert "rebox[study]" in result.note
    assert lines[0] == "mirrored digits: local model, 20 labelled"
    assert lines[-1] == "tumours: BAR, as published, 30 labelled"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["digits", "model.rebox"]


@pytest.mark.long
def test_the_same_seed_writes_the_same_model_and_the_demos_own_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setattr("rebox.demo.run.draw", lambda *args, **options: None)
    written = []
    for _ in range(2):
        run_demo(tmp_path, labels=20)
        written.append((tmp_path / "model.rebox").read_bytes())
    assert written[0] == written[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["digits", "model.rebox"]


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another"):
        run_demo(tmp_path / "file")


@pytest.mark.parametrize("kind", ["another model", "no model"])
def test_a_model_that_is_not_the_demos_is_not_replaced(tmp_path, kind):
    model = tmp_path / "model.rebox"
    model.write_bytes(b"no model")
    if kind == "another model":
        x = np.random.default_rng(0).integers(0, 256, (12, 8, 8), dtype=np.uint8)
        fitted = Reprogrammer("rehearsal:?classes=4&size=8", "map", budget=12)
        fitted.fit(x, np.arange(12) % 2).save(model)
    before = model.read_bytes()
    with pytest.raises(OutputError, match="not the demo's"):
        run_demo(tmp_path)
    assert model.read_bytes() == before


def test_a_picture_that_is_not_the_demos_is_not_replaced(tmp_path):
    picture = tmp_path / "demo.png"
    picture.write_bytes(b"of the user's own")
    with pytest.raises(OutputError, match=r"demo\.png is not the demo's"):
        run_demo(tmp_path)
    assert picture.read_bytes() == b"of the user's own"


def test_pictures_that_are_not_the_demos_are_not_added_to(tmp_path):
    own = tmp_path / "digits" / "mine.png"
    own.parent.mkdir()
    own.write_bytes(b"of the user's own")
    with pytest.raises(OutputError, match=r"mine\.png is not the demo's"):
        run_demo(tmp_path)


def test_the_mirrored_digits_are_those_that_the_box_has_not_seen(make_digits):
    digits = load_mirrored()
    trained, unseen, _, _ = make_digits.digit_images()
    assert (len(digits.train), len(digits.test)) == (100, 619)
    mirrored = [set(map(bytes, np.ascontiguousarray(x[:, :, ::-1]))) for x in (trained, unseen)]
    ours = [set(map(bytes, images)) for images in (digits.train, digits.test)]
    assert not ours[0] & ours[1]
    assert not (ours[0] | ours[1]) & mirrored[0]
    assert ours[0] | ours[1] == mirrored[1]
    assert list(digits.train_labels[:10]) == list(NAMES)


def test_the_patients_are_split_once_by_diagnosis():
    patients = load_patients()
    assert (len(patients.train), len(patients.test)) == (341, 228)
    shares = [
        (labels == "malignant").mean() for labels in (patients.train_labels, patients.test_labels)
    ]
    assert shares[0] == pytest.approx(shares[1], abs=0.01)
    assert not set(map(bytes, patients.train)) & set(map(bytes, patients.test))


def test_the_shipped_box_is_small_and_recognises_held_out_digits(make_digits):
    _, images, _, digits = make_digits.digit_images()
    box = open_digits()
    assert box.spec.shape == (16, 16, 1)
    assert len(box.spec.classes) == 10
    assert box.spec.sums_to_one
    assert box.spec.price_usd == 0.002
    found = box.ask(images[..., None]).argmax(axis=1)
    assert (found == digits).mean() >= 0.95
    assert PATH.stat().st_size < 100_000


def test_the_script_makes_the_shipped_architecture(make_digits, tmp_path, monkeypatch):
    onnx = pytest.importorskip("onnx")
    monkeypatch.setattr(make_digits, "EPOCHS", 2)
    lines = []
    make_digits.main(tmp_path / "digits.onnx", lines.append)
    made, shipped = (onnx.load(path).graph for path in (tmp_path / "digits.onnx", PATH))
    assert made.node == shipped.node
    assert made.input == shipped.input
    assert made.output == shipped.output
    assert [(t.name, t.dims) for t in made.initializer] == [
        (t.name, t.dims) for t in shipped.initializer
    ]
    assert "held-out digits recognised" in lines[0]


def test_the_file_answers_as_the_network_that_was_trained(make_digits, tmp_path, monkeypatch):
    monkeypatch.setattr(make_digits, "EPOCHS", 2)
    train_images, images, train_digits, _ = make_digits.digit_images()
    layers = make_digits.train(train_images, train_digits)
    make_digits.write_onnx(layers, tmp_path / "d.onnx")
    found = OnnxBox(tmp_path / "d.onnx").ask(images[..., None]).argmax(axis=1)
    assert np.array_equal(found, make_digits.recognise(layers, images))
