"""Listeners that write events down: lines of JSON, TensorBoard, a bar in a notebook."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from environments import environment
from sklearn.base import clone

import rebox
from rebox.demo import load_patients, open_digits
from rebox.errors import InvalidOption, OutputError
from rebox.fit import Leaving, PhaseStarted, StepTaken
from rebox.meter import Spent
from rebox.track import JsonLinesListener, NotebookBar, TensorBoardListener, figures_of

PATIENTS = load_patients()
REQUIREMENTS = ("tensorboard==2.21.0", "tensorboardX==2.6.5")


def fitted(*listeners, recipe="auto"):
    model = rebox.Reprogrammer(
        open_digits(), recipe, budget=80, random_state=0, listeners=listeners
    )
    return clone(model).fit(PATIENTS.train[:60], PATIENTS.train_labels[:60])


def test_every_event_is_a_line(tmp_path):
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    events = []
    path = tmp_path / "events.jsonl"
    model = fitted(JsonLinesListener(path, now=lambda: moment), events.append)
    model.predict(PATIENTS.test[:5])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    stopped = next(line for line in lines if line["event"] == "Stopped")
    assert {line["time"] for line in lines} == {"2026-01-02T03:04:05.000+00:00"}
    assert lines[0]["event"] == "PhaseStarted"
    assert stopped["queries"] == stopped["billed"] == events[-3].spent.total == 60
    assert stopped["verdict"] == model.verdict_.words
    assert stopped["gain_auc_low"] == model.verdict_.gain.low
    assert [line["event"] for line in lines[-2:]] == ["PhaseStarted", "StepTaken"]
    assert lines[-1]["queries_predict"] == 5


def test_lines_are_added_to_those_that_are_there_and_are_json_whatever_a_loss_is(tmp_path):
    path = tmp_path / "events.jsonl"
    for loss in (float("nan"), float("inf"), 0.5, None):
        JsonLinesListener(path)(
            StepTaken(spent=Spent(search=4, usd=None), purpose="search", step=1, loss=loss)
        )
    read = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.get("loss_search", "none") for line in read] == [None, None, 0.5, "none"]
    assert "usd" not in read[0]
    assert read[0]["step"] == 1


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_asked(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        JsonLinesListener(tmp_path / "absent" / "events.jsonl")


class FakeWriter:
    """Stands in for TensorBoard's, and keeps what it is told."""

    def __init__(self):
        self.told = []

    def add_scalar(self, *scalar):
        self.told.append(scalar)


def test_a_file_that_cannot_be_written_any_more_ends_no_fit(tmp_path):
    folder = tmp_path / "mounted"
    folder.mkdir()
    listener = JsonLinesListener(folder / "events.jsonl")
    shutil.rmtree(folder)
    with pytest.warns(UserWarning, match="nothing more is written of this fit") as told:
        fitted(listener)
    assert sum("nothing more" in str(one.message) for one in told) == 1
    folder.mkdir()
    fitted(listener)  # the next fit is written down again
    assert '"Stopped"' in listener.path.read_text()


def test_scalars_stand_at_the_queries_that_were_asked():
    writer = FakeWriter()
    listener = TensorBoardListener(writer, prefix="")
    listener(PhaseStarted(spent=Spent(), purpose="search", planned=9))
    listener(StepTaken(spent=Spent(search=9, billed=8), purpose="search", step=1, loss=0.25))
    told = {name: (value, step) for name, value, step in writer.told}
    assert told["loss_search"] == (0.25, 9)
    assert told["billed"] == (8, 9)
    assert "queries" not in told


def test_figures_of_a_search_hold_its_loss():
    steps = []
    fitted(steps.append, recipe="bar?q=1&epochs=1&m=1&batch=10")
    losses = [figures_of(step).get("loss_search") for step in steps]
    assert any(loss is not None and loss > 0 for loss in losses)


def test_what_is_no_figure_is_none():
    assert "words" not in figures_of(Leaving(spent=Spent(), words="all of it"))


def test_a_bar_outside_a_notebook_is_refused_in_words():
    with pytest.raises(InvalidOption, match="this is none: pass verbose=1 in its place"):
        NotebookBar()


@pytest.mark.slow
def test_the_trackers_bring_no_package():
    code = "import sys, rebox, rebox.track; print(*{'mlflow', 'IPython', 'torch'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


NOTEBOOK = """
import json, sys
import nbformat
from nbclient import NotebookClient

cell = nbformat.v4.new_code_cell(json.load(sys.stdin)["code"])
notebook = nbformat.v4.new_notebook(cells=[cell])
NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
print(json.dumps(notebook.cells[0]["outputs"]))
"""
CELL = """
import rebox
from rebox.demo import load_patients, open_digits
from rebox.track import NotebookBar

patients = load_patients()
bar = NotebookBar()
model = rebox.Reprogrammer(open_digits(), budget=80, random_state=0, listeners=[bar])
_ = model.fit(patients.train[:60], patients.train_labels[:60])
"""


@pytest.mark.slow
def test_a_notebook_that_is_run_shows_a_full_bar_for_each_phase(monkeypatch):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", NOTEBOOK],
        input=json.dumps({"code": CELL}),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    outputs = json.loads(done.stdout)
    assert {one["output_type"] for one in outputs} == {"display_data"}
    bars = ["".join(one["data"]["text/html"]) for one in outputs]
    assert 'value="60" max="60"' in bars[0]  # redrawn where it stands: one output for a phase
    assert all("<progress" in bar and "queries" in bar for bar in bars)


TENSORBOARD = """
import json, sys, tempfile
given = json.load(sys.stdin)
sys.path.append(given["packages"])  # behind our own: only what we lack is taken from there
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboardX import SummaryWriter
from rebox.fit import StepTaken
from rebox.meter import Spent
from rebox.track import TensorBoardListener

folder = tempfile.mkdtemp()
with SummaryWriter(folder) as writer:
    listener = TensorBoardListener(writer)
    for step in (1, 2):
        loss = 1 / step
        listener(StepTaken(spent=Spent(search=10 * step), purpose="search", step=step, loss=loss))
read = EventAccumulator(folder)
read.Reload()
print(json.dumps([[one.step, one.value] for one in read.Scalars("rebox/loss_search")]))
"""


@pytest.mark.slow
@pytest.mark.long  # an environment of a hundred megabytes
def test_tensorboard_reads_what_was_written(pytestconfig):
    python = environment("tensorboard", REQUIREMENTS, pytestconfig.cache)
    (packages,) = python.parents[1].glob("lib/python*/site-packages")
    told = json.dumps({"packages": str(packages)})
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TENSORBOARD],
        input=told,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[10, 1.0], [20, 0.5]]
