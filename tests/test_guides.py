"""README, the how-to guides and the reference: every command parses, and what needs nobody is run.

Tutorials are typed whole by `test_tutorials`, and README's examples are run by `test_readme`.
"""

import re
import shlex
import shutil
import warnings
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.main import get_command
from typer.testing import CliRunner

import rebox
from rebox.cli.app import COMMANDS, app
from rebox.demo.digits import PATH

ROOT = Path(__file__).parents[1]
GUIDES = ROOT / "docs" / "how-to"
PAGES = [ROOT / "README.md", *sorted(GUIDES.glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(rebox [a-z][^`]*|--[^`]+)`")
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*")


@pytest.fixture(scope="module")
def everything():
    """Return the command line with all of its commands, which are imported when they are called."""
    for module, _ in COMMANDS.values():
        import_module(f"rebox.cli.{module}")
    return get_command(app)


def commands(text):
    """Return the lines of a page's shell blocks that start rebox."""
    shown = [body for kind, body in BLOCK.findall(text) if kind in {"", "sh", "console"}]
    lines = [line.removeprefix("$ ") for body in shown for line in body.splitlines()]
    return [line for line in lines if line.startswith("rebox ")]


def resolved(command, words):
    """Return the command that words name, and the words behind its name."""
    while words and words[0] in getattr(command, "commands", ()):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def options_of(command):
    """Return the options of a command and of all below it."""
    below = getattr(command, "commands", {}).values()
    return {name for one in command.params for name in one.opts}.union(*map(options_of, below))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_parses(page, everything):
    for line in commands(page.read_text()):
        command, words = resolved(everything, shlex.split(line, comments=True)[1:])
        assert not hasattr(command, "commands"), line
        command.make_context(command.name, words)  # its options are read, and nothing is run


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_option_in_a_sentence_is_there(page, everything):
    for code in INLINE.findall(BLOCK.sub("", page.read_text())):
        words = code.split()
        command, _ = resolved(everything, words[1:] if words[0] == "rebox" else [])
        assert set(OPTION.findall(code)) <= options_of(command), code


def test_that_commands_and_options_are_seen():
    text = "```sh\nrebox fit --out m\n```\n`rebox predict --sets 0.9`, `--silent-share 0.1`"
    assert commands(text) == ["rebox fit --out m"]
    assert INLINE.findall(text) == ["rebox predict --sets 0.9", "--silent-share 0.1"]
    assert sum(len(commands(page.read_text())) for page in PAGES) > 30


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Go where a reader has what README and the guides begin with; all of it is made up here."""
    rng = np.random.default_rng(0)
    for where, count in (("lesions/benign", 20), ("lesions/melanoma", 20), ("new-images", 3)):
        (tmp_path / where).mkdir(parents=True)
        level = 160 if where.endswith("melanoma") else 90
        for i in range(count):
            pixels = np.clip(rng.normal(level, 40, (16, 16)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / where / f"{i}.png")
    rows = [f"lesions/{kind}/{i}.png,{kind}" for kind in ("benign", "melanoma") for i in range(20)]
    (tmp_path / "held-out.csv").write_text("\n".join(["path,label", *rows]))
    shutil.copy(PATH, tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REBOX_JOURNAL", str(tmp_path / "own.sqlite"))
    return tmp_path


def typed(line):
    """Run a command with the digit recogniser in the place of a box that the reader has."""
    for placeholder in ("onnx:model.onnx?preprocess=imagenet", "URI", "$BOX"):
        line = line.replace(placeholder, "onnx:model.onnx")
    done = CliRunner().invoke(app, shlex.split(line, comments=True)[1:])
    assert done.exit_code == 0, f"{line}\n{done.output}{done.exception}"


@pytest.mark.slow
def test_the_command_line_is_typed_in_order(folder):
    text = (ROOT / "README.md").read_text()
    pytest.importorskip("onnx")
    for title in ("On the command line", "Export"):
        for line in commands(text.split(f"## {title}\n")[1].split("\n## ")[0]):
            typed(line)
    assert (folder / "model.onnx").read_bytes() == PATH.read_bytes()


def code_of(page):
    """Return the Python that a guide shows."""
    return [body for kind, body in BLOCK.findall((GUIDES / page).read_text()) if kind == "python"]


@pytest.fixture
def fitted(folder):
    """Fit the model that guides begin with."""
    task = rebox.load("lesions")
    box = rebox.open_box("onnx:model.onnx")
    rebox.Reprogrammer(box, "map", budget=40, random_state=0).fit(task.images, task.labels).save(
        "model.rebox"
    )
    return folder


@pytest.mark.slow
def test_a_report_is_written(fitted):
    pytest.importorskip("matplotlib")
    (report,) = [line for line in commands((GUIDES / "report.md").read_text()) if " fit " in line]
    (fitted / "model.rebox").unlink()
    typed(report)
    (fitted / "model.html").unlink()
    exec(code_of("report.md")[0], {})  # noqa: S102 - the guide's own code
    assert (fitted / "model.html").stat().st_size > 10_000


@pytest.mark.slow
def test_a_model_is_served_from_python(fitted):
    pytest.importorskip("starlette")
    names = {}
    exec(code_of("serve.md")[0], names)  # noqa: S102 - the guide's own code
    assert {route.path for route in names["app"].routes} >= {"/predict", "/health", "/metrics"}


@pytest.mark.slow
def test_a_fit_is_followed(folder):
    exec(code_of("track.md")[0], {})  # noqa: S102 - the guide's own code
    assert '"event": "Stopped"' in (folder / "events.jsonl").read_text().splitlines()[-1]


@pytest.mark.slow
def test_a_model_is_one_of_mlflows(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own type hints, when it is imported
        pytest.importorskip("mlflow.pyfunc")
    shutil.copy("new-images/0.png", "seven.png")
    names = {}
    for code in code_of("mlflow.md")[:2]:  # the others take Spark and Ray
        exec(code, names)  # noqa: S102 - the guide's own code
    assert not (folder / "mlruns").exists()


@pytest.mark.slow
def test_costs_of_mistakes_are_read(fitted):
    costs = [body for _, body in BLOCK.findall((GUIDES / "decide.md").read_text())]
    (fitted / "costs.csv").write_text(costs[0])
    typed("rebox fit --recipe local --data lesions --objective costs:costs.csv --out costs.rebox")
