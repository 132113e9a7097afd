"""`rebox bench` as a user types it: a rehearsal box, images drawn by seed."""

import pytest
from test_bench import PLAN
from typer.testing import CliRunner

from rebox.cli.app import app
from rebox.errors import InvalidData, InvalidOption
from rebox.study.bench import read_ledger

ONLY = "* | 60 | 0"


@pytest.fixture
def typed(tmp_path, monkeypatch):
    """Type a command in a folder that holds a plan."""
    (tmp_path / "small.toml").write_text(PLAN)
    monkeypatch.chdir(tmp_path)

    def type_(*words):
        return CliRunner().invoke(app, ["bench", *words])

    return type_


def test_a_plan_is_run_once_and_shown(typed, tmp_path):
    first = typed("run", "small.toml", "--only", ONLY)
    assert first.exit_code == 0
    assert "[1/2] synthetic | rehearsal | map | 60 | 0: accuracy 0." in first.stdout
    assert "2 measured, 0 held already, 0 not at hand, 0 failed: small.jsonl" in first.stdout
    assert "0 measured, 2 held already" in typed("run", "small.toml", "--only", ONLY).stdout
    listed = typed("run", "small.toml", "--list").stdout
    assert listed.count("done ") == 2
    assert listed.count("synthetic | ") == 10
    assert len(list(read_ledger(tmp_path / "small.jsonl"))) == 2


def test_a_table_is_markdown_and_can_be_written_behind_a_preface(typed, tmp_path):
    typed("run", "small.toml", "--only", ONLY)
    shown = typed("table", "small.jsonl", "--reference", "map").stdout
    assert "| rehearsal | map |" in shown
    assert "### map against the others on synthetic" in shown
    (tmp_path / "preface.md").write_text("# What we found\n")
    said = typed("table", "small.jsonl", "--preface", "preface.md", "--out", "RESULTS.md").stdout
    assert "wrote RESULTS.md" in said
    assert (tmp_path / "RESULTS.md").read_text().startswith("# What we found\n\nFigures have")


def test_the_plans_that_ship_are_listed(typed):
    shown = typed("plans").stdout
    assert "asd-full" in shown
    assert "services-smoke" in shown


def test_a_failed_trial_is_told_and_ends_in_exit_code_1(typed, tmp_path):
    (tmp_path / "small.toml").write_text(PLAN.replace("bar?q=1&m=2&batch=5", "bar?inner=32"))
    ended = typed("run", "small.toml", "--only", ONLY)
    assert ended.exit_code == 1
    assert "1 measured, 0 held already, 0 not at hand, 1 failed" in ended.stdout
    assert "InvalidOption" in ended.stderr


@pytest.mark.parametrize(
    ("words", "kind", "said"),
    [
        (("run", "none.toml"), InvalidOption, "neither a file nor a plan of ours"),
        (("table", "none.jsonl"), InvalidData, "holds no trials"),
        (("run", "small.toml", "--backend", "cloud"), InvalidOption, "no backend 'cloud'"),
    ],
)
def test_what_cannot_be_meant_is_one_line(typed, words, kind, said):
    ended = typed(*words)
    assert isinstance(ended.exception, kind)
    assert said in str(ended.exception)
