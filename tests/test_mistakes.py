"""What natural mistakes on the command line get. `python tests/test_mistakes.py` prints a table."""

import os
import shlex
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_cli import ended

from rebox.cli.console import out

DOCS = Path(__file__).parents[1] / "docs" / "reference" / "mistakes.md"

# Typed in a folder with data/, data.zip and ours.rebox.
MISTAKES = (
    "rebox fits",
    "rebox fit --bugdet 30",
    "rebox fit --data data --budget 30",
    "rebox fit data --box rehearsal: --budget 30",
    "rebox fit --box model.onnx --data data --budget 30",
    "rebox fit --box onnx:model.onnx --data data --budget 30",
    "rebox fit --box https://example.com/model --data data --budget 30",
    "rebox fit --box rehearsal: --data data --budget ten",
    "rebox fit --box rehearsal: --data data",
    "rebox fit --box rehearsal: --data data --budget 30 --recipe Auto",
    "rebox fit --box rehearsal: --data data --budget 30 --recipe bar?Q=5",
    "rebox fit --box rehersal: --data data --budget 30",
    "rebox fit --box rehearsal:?class=10 --data data --budget 30",
    "rebox fit --box rehearsal: --data data --max-usd 5",
    "rebox fit --box rehearsal: --data data --budget 30 --queries-per-prediction -1",
    "rebox fit --box rehearsal: --data data --budget 30 --recipe map --queries-per-prediction 4",
    "rebox fit --box rehearsal: --data data.zip --budget 30",
    "rebox fit --box rehearsal: --data ours.rebox --budget 30",
    "rebox fit --box rehearsal: --data data --budget 30 --value-range -1 1",
    "rebox fit --box rehearsal: --data data --budget 30 --json data",
    "rebox fit --box rehearsal: --data data --budget 30 --seed -3",
    "rebox predict",
    "rebox predict data ours.rebox",
    "rebox evaluate data --data ours.rebox",
    "rebox evaluate ours.rebox --data data --positive drak",
    "rebox box prob rehearsal:",
    "rebox journal show nowhere.sqlite",
    "rebox show data",
    "rebox task show hma10000",
    "rebox bench run asdd",
)


def prepare(folder):
    """Write data/, data.zip and ours.rebox into ``folder``."""
    rng = np.random.default_rng(0)
    for name, level in (("dark", 60), ("light", 160)):
        (folder / "data" / name).mkdir(parents=True)
        for i in range(6):
            pixels = np.clip(rng.normal(level, 30, (12, 12, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "data" / name / f"{i}.png")
    shutil.make_archive(str(folder / "data"), "zip", folder / "data")
    typed(
        "rebox -q fit --box rehearsal: --data data --recipe map --budget 12 --out ours.rebox",
        folder,
    )


def typed(line, folder):
    """Return the exit code and the errors of a command that is typed in ``folder``."""
    done = ended(*shlex.split(line)[1:], cwd=folder)
    return done.returncode, done.stderr.replace(f"{folder}{os.sep}", "")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mistakes")
    prepare(folder)
    return folder


@pytest.mark.parametrize("line", MISTAKES)
def test_a_mistake_gets_one_line_that_stands_in_the_documents(folder, line):
    before = sorted(folder.rglob("*"))
    code, said = typed(line, folder)
    assert code == 2
    assert len(said.splitlines()) == 1
    assert said.startswith("rebox: error: ")
    assert said.endswith(".\n")
    assert documented()[line][1] == cell(said)
    assert sorted(folder.rglob("*")) == before
    assert not out.quiet


def test_the_documents_hold_no_other_mistake():
    assert tuple(documented()) == MISTAKES


def documented():
    """Return what stands in the documents for each line: what it got once, and what it gets."""
    rows = DOCS.read_text(encoding="utf-8").splitlines()
    cells = [row.strip("| ").split(" | ") for row in rows if row.startswith("| `")]
    return {line.strip("`"): (before, now) for line, before, now in cells}


def cell(said):
    return " ".join(said.removeprefix("rebox: error: ").split()).replace("|", "/")


def print_table():
    """Print what each mistake gets, beside what it got before, as Markdown."""
    before = documented()
    lines = ["# Mistakes on the command line, and what they get", ""]
    lines += ["| typed | until November 26 | now |", "|---|---|---|"]
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        prepare(folder)
        for line in MISTAKES:
            now = cell(typed(line, folder)[1])
            lines.append(f"| `{line}` | {before.get(line, ('-',))[0]} | {now} |")
    print("\n".join(lines))  # noqa: T201 - the table is the point


if __name__ == "__main__":
    print_table()
