"""The shell around all commands: help, version, what is logged, what is completed and listed."""

import json
import logging
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from test_artefact_formats import MODELS
from test_mistakes import typed
from typer.testing import CliRunner

import rebox
from rebox.box import BOXES
from rebox.cli import completion
from rebox.cli.app import COMMANDS, app
from rebox.cli.boxes import KINDS
from rebox.recipe import RECIPES
from rebox.sample import TASKS

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
GROUPS = {"bench": "run", "box": "probe", "journal": "show", "recipe": "list", "task": "show"}
CALLED = [(name, GROUPS[name]) if name in GROUPS else (name,) for name in COMMANDS]


def invoke(*arguments, code=0):
    result = CliRunner().invoke(app, [str(one) for one in arguments])
    assert result.exit_code == code, result.output
    return result


@pytest.mark.parametrize("command", [(), *CALLED, ("box",), ("task",)], ids=" ".join)
def test_h_is_help_everywhere(command):
    short, long = (invoke(*command, one).output for one in ("-h", "--help"))
    assert short == long
    assert "Usage" in short
    assert "--verbose" in short
    assert "--quiet" in short


def test_v_is_the_version_and_a_module_is_the_command():
    command = [sys.executable, "-m", "rebox"]
    said = [
        subprocess.run([*command, one], check=True, capture_output=True, text=True).stdout
        for one in ("-V", "--version")
    ]
    assert said == [f"rebox {rebox.__version__}\n"] * 2


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [("--version",), ("--help",)], ids=" ".join)
def test_nothing_is_imported_that_is_not_asked_for(arguments):
    code = (
        "import sys\nfrom rebox.cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'sklearn', 'scipy', 'onnxruntime', 'rebox.box', 'rebox.cli.fit'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- what is said ---------------------------------------------------------------------------------

PROBE = ("box", "probe", "rehearsal:?classes=3")


@pytest.mark.parametrize("line", [("-v", *PROBE), (*PROBE, "-v"), (*PROBE, "--verbose")])
def test_v_tells_what_is_opened(line):
    result = invoke(*line)
    assert "rebox: info: opened rehearsal:classes=3" in result.stderr
    assert "info:" not in result.stdout
    assert not [one for one in logging.getLogger("rebox").handlers if "Told" in repr(one)]
    assert "info:" not in invoke(*PROBE).stderr


@pytest.mark.parametrize("line", [("-q", *PROBE), (*PROBE, "-q"), (*PROBE, "--quiet")])
def test_q_prints_nothing_but_errors(line, tmp_path):
    assert invoke(*line).output == ""
    assert "classes" in invoke(*PROBE).output
    code, said = typed("rebox -q box probe rehersal:", tmp_path)
    assert code == 2
    assert "unknown kind of box" in said


def test_phases_and_their_end_are_logged(caplog):
    from rebox.demo import load_patients, open_digits

    patients = load_patients()
    with caplog.at_level(logging.DEBUG, "rebox"):
        box = open_digits()
        rebox.Reprogrammer(box, "map", budget=30, random_state=0).fit(
            patients.train, patients.train_labels
        )
    assert caplog.messages[0] == "map: up to 30 queries"
    assert caplog.messages[1:] == [
        "reading answers",
        "ended: the budget is spent before every training sample was asked",
    ]


def test_what_is_logged_moves_no_cursor(capsys):
    from rebox.cli.verbosity import Told

    record = logging.LogRecord("rebox", logging.INFO, "", 0, "a\x1b[31m\nb", (), None)
    Told().emit(record)
    said = capsys.readouterr().err
    assert said.splitlines() == ["rebox: info: a\\x1b[31m b"]


# --- what is completed ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("complete", "begun", "expected"),
    [
        (completion.boxes, "on", ["onnx:"]),
        (completion.boxes, "r", ["recorded:", "rehearsal:"]),
        (completion.boxes, "rehearsal:?cl", ["rehearsal:?classes="]),
        (completion.boxes, "rehearsal:?classes=3&se", ["rehearsal:?classes=3&seed="]),
        (completion.boxes, "nothing:?a", []),
        (completion.recipes, "ba", ["bar"]),
        (completion.recipes, "bar?in", ["bar?inner="]),
        (completion.recipes, "bar?q=3&ba", ["bar?q=3&batch="]),
        (completion.tasks, "ham", ["ham10000:"]),
        (completion.tasks, "data/", []),
    ],
)
def test_names_and_their_options_are_completed(complete, begun, expected):
    assert complete(begun) == expected


@pytest.mark.parametrize("complete", [completion.boxes, completion.recipes, completion.tasks])
def test_all_names_are_completed(complete):
    known = {completion.boxes: BOXES, completion.recipes: RECIPES, completion.tasks: TASKS}
    assert [name.rstrip(":") for name in complete("")] == list(known[complete])


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rebox ev", {"evaluate"}),
        ("rebox box pr", {"probe", "prompt"}),
        ("rebox fit --bud", {"--budget"}),
        ("rebox fit --box onn", {"onnx:"}),
        ("rebox task show ret", {"retinamnist:"}),
    ],
)
def test_a_shell_completes_a_line(line, expected, monkeypatch):
    words = line.split()
    environment = {
        "_REBOX_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    result = CliRunner().invoke(app, [], env=environment, prog_name="rebox")
    assert set(result.output.split()) == expected


# --- what is listed and shown ---------------------------------------------------------------------


def test_boxes_are_listed_with_what_they_need():
    assert list(KINDS) == list(BOXES.own)
    assert {extra for _, extra in KINDS.values()} - {""} <= set(PROJECT["optional-dependencies"])
    said = invoke("box", "list").output
    assert "onnx: an ONNX file" in said
    assert "pip install 'rebox[torch]'" in said


def test_recipes_are_listed_with_citation_and_options():
    said = invoke("recipe", "list").output
    assert [name for name in RECIPES if f"\n{name}: " in f"\n{said}"] == list(RECIPES)
    assert "Tsai, Chen and Ho: Transfer Learning without Knowing, ICML 2020" in said
    assert "q=25, eps=0.1, scale, eta=0.05" in said


@pytest.mark.parametrize("name", ["rows-map", "rows-auto", "matrices-encoder", "pictures-views"])
def test_a_model_is_shown_from_its_file_alone(name, monkeypatch):
    monkeypatch.setattr("rebox.box.registry.open_box", None)  # it would fail
    path = MODELS / "format-2" / f"{name}.rebox"
    facts = json.loads(invoke("show", path, "--json").output)
    assert facts["box"].startswith("rehearsal:")
    assert facts["recipe"]
    assert facts["queries"]["total"] > 0
    assert facts["format"] == 2
    said = invoke("show", path).output
    assert str(facts["queries"]["total"]) in said
    assert (facts["verdict"] is not None) == ("verdict" in said)


def test_what_is_no_model_is_not_shown(tmp_path):
    (tmp_path / "x.rebox").write_text("no model")
    code, said = typed("rebox show x.rebox", tmp_path)
    assert (code, len(said.splitlines())) == (2, 1)
    code, said = typed("rebox show nowhere.rebox", tmp_path)
    assert "there is no model file nowhere.rebox" in said
