"""Advice in the words of where the user stands: ``budget=`` in Python, ``--budget`` in a shell."""

import ast
import re
from pathlib import Path

import numpy as np
import pytest
from test_cli import ended
from test_mistakes import typed
from typer.main import get_group

import rebox
from rebox.cli.app import app
from rebox.cli.wording import OPTIONS, spoken
from rebox.errors import Error

pytestmark = pytest.mark.slow

ROOT = Path(rebox.__file__).parent
X, Y = np.random.default_rng(0).random((12, 8, 8)), np.repeat([0, 1], 6)
PAID = "rehearsal:?price_usd=0.01"
PYTHON = re.compile(rf"\b({'|'.join(OPTIONS)})=|\b\w+_\w+ (must|caps)")
SHELL = re.compile(r"(^|\s)--[a-z]")

# What is refused, as arguments in Python and on the command line; and what the two are told to do.
REFUSED = {
    "no budget": ({"budget": None}, "", "pass budget=N queries or max_usd=X", "pass --budget N"),
    "dollars on a free box": (
        {"budget": None, "max_usd": 5.0},
        "--max-usd 5",
        "pass budget=N",
        "--max-usd caps nothing on a free box: pass --budget N",
    ),
    "dollars that pay for nothing": (
        {"box": PAID, "budget": None, "max_usd": 0.001},
        f"--box {PAID} --max-usd 0.001",
        "raise max_usd.",
        "raise --max-usd.",
    ),
    "negative queries": (
        {"queries_per_prediction": -1},
        "--budget 9 --queries-per-prediction -1",
        "queries_per_prediction must be",
        "--queries-per-prediction must be",
    ),
    "queries for a recipe of one": (
        {"recipe": "map", "queries_per_prediction": 3},
        "--budget 9 --recipe map --queries-per-prediction 3",
        "use recipe='auto'.",
        "use --recipe auto.",
    ),
    "encoder for a recipe without": (
        {"recipe": "map", "encoder": "onnx:e.onnx"},
        "--budget 9 --recipe map --encoder onnx:e.onnx",
        "use recipe='auto'.",
        "use --recipe auto.",
    ),
    "range upside down": (
        {"value_range": (1, -1)},
        "--budget 9 --value-range 1,-1",
        "value_range must be",
        "--value-range must be",
    ),
    "negative seed": (
        {"random_state": -1},
        "--budget 9 --seed -1",
        "random_state must be 0 or more",
        "--seed must be 0 or more",
    ),
    "journal that cannot be": (
        {"journal": "/dev/null/j.sqlite"},
        "--budget 9 --journal /dev/null/j.sqlite",
        "by journal=.",
        "by --journal.",
    ),
    "too many canaries": (
        {"canaries": -1},
        "--budget 9 --canaries -1",
        "canaries must lie in",
        "canaries must lie in",
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wording")
    np.savez(folder / "d.npz", x=X, y=Y)
    np.savez(folder / "wide.npz", x=4 * X - 2, y=Y)
    return folder


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_speaks_the_words_of_both_doors(name, folder):
    arguments, line, python, shell = REFUSED[name]
    with pytest.raises(Error) as refused:
        rebox.Reprogrammer(**{"box": "rehearsal:", "budget": 9, **arguments}).fit(X, Y)
    assert python in str(refused.value)
    assert not SHELL.search(str(refused.value))
    box = "" if "--box" in line else "--box rehearsal: "
    code, said = typed(f"rebox fit {box}--data d.npz {line}", folder)
    assert code == 2
    assert shell in said
    assert not PYTHON.search(said)


def test_data_out_of_range_is_told_in_both(folder):
    with pytest.raises(Error, match=r"pass value_range=\(low, high\) to say so"):
        rebox.Reprogrammer("rehearsal:", budget=9).fit(4 * X - 2, Y)
    _, said = typed("rebox fit --box rehearsal: --data wide.npz --budget 9", folder)
    assert "pass --value-range low,high to say so" in said


@pytest.mark.parametrize(
    ("python", "shell"),
    [
        ("pass budget=N queries or max_usd=X.", "pass --budget N queries or --max-usd X."),
        ("use recipe='auto'.", "use --recipe auto."),
        ("recipe='bar?q=5 x'", "--recipe 'bar?q=5 x'"),
        ("pass value_range=(0, 4095), or", "pass --value-range 0,4095, or"),
        ("queries_per_prediction=0.", "--queries-per-prediction 0."),
        ("journal=False keeps nothing", "--journal none keeps nothing"),
        ("raise max_usd.", "raise --max-usd."),
        ("name it by group_column=.", "name it by --group-column."),
        ("pass box='onnx:m.onnx?size=8' if", "pass --box 'onnx:m.onnx?size=8' if"),
        ("predict_budget=5", "--budget 5"),
    ],
)
def test_parameters_become_options(python, shell):
    assert spoken(python) == shell


@pytest.mark.parametrize(
    "text",
    [
        "pass outputs=logits, or size=224",  # options of a box's URI: written alike in both
        "/data/max_usd/x.png is no image",
        "value_range.csv does not exist",
        "no column 'max_usd'",
        "rehearsal:?price_usd=0.1&budget=3",
        "the budget is spent",
        "--max-usd X",
    ],
)
def test_what_is_no_parameter_stays(text):
    assert spoken(text) == text


def options_of(command):
    names = {name for one in command.params for name in one.opts}
    return names.union(*map(options_of, getattr(command, "commands", {}).values()))


def test_every_option_that_is_spoken_of_exists():
    for module in ("bench", "boxes", "estimate", "evaluate", "fit", "predict", "report", "serve"):
        __import__(f"rebox.cli.{module}")
    assert set(OPTIONS.values()) <= options_of(get_group(app))


def sentences(path):
    """Yield the texts of a module that are no docstrings."""
    tree = ast.parse(path.read_text())
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


@pytest.mark.parametrize("room", sorted(p.name for p in ROOT.iterdir() if p.name != "cli"))
def test_no_sentence_of_the_library_speaks_of_options(room):
    paths = [ROOT / room] if (ROOT / room).is_file() else sorted((ROOT / room).rglob("*.py"))
    for path in (one for one in paths if one.suffix == ".py" and one.name != "svg.py"):  # CSS
        for text in sentences(path):
            without_commands = re.sub(r"`rebox [^`]*`", "", text)
            assert not re.search(r"(^|[\s(])--[a-z]", without_commands), (path, text)


@pytest.mark.parametrize(
    ("typed_words", "text", "said"),
    [
        (["--out", "budget=100.rebox"], "budget=100.rebox is there: pass budget=N", None),
        (["--out=budget=100.rebox"], "budget=100.rebox is there: pass budget=N", None),
        (["--data", "data=2024"], "there is no data=2024/a.png: pass budget=N", None),
        (["max_usd"], "max_usd is a folder: pass budget=N", None),
        (["recipe=map", "recipe=map,seed=3"], "no recipe=map,seed=3: pass budget=N", None),
        (["budget", "-", "", "a.png"], "pass budget=N", "pass --budget N"),
    ],
)
def test_what_the_user_typed_is_quoted_as_it_was_typed(typed_words, text, said):
    expected = said or text.replace("budget=N", "--budget N")
    assert spoken(text, typed_words) == expected


@pytest.mark.parametrize("name", ["budget=100", "recipe=map,budget=3", "max_usd", "data=1 a"])
def test_a_file_of_a_name_like_an_option_is_called_by_its_name(name, tmp_path):
    path = tmp_path / f"{name}.rebox"
    shown = ended("show", path.name, cwd=tmp_path)
    assert shown.stderr == f"rebox: error: there is no model file {name}.rebox: check the path.\n"
