"""`rebox bench` as a user types it: a rehearsal box, images drawn by seed."""

import json
import re
from pathlib import Path

import pytest
from test_bench import PLAN
from typer.testing import CliRunner

from rebox.box.rehearsal import RehearsalBox
from rebox.cli.app import app
from rebox.cli.console import out
from rebox.errors import InvalidData, InvalidOption
from rebox.meter import Journal, accounts
from rebox.rehearsal import Rehearsal
from rebox.study.bench import Places, Workbench, read_ledger, read_plan

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
        (
            ("run", "small.toml", "--only", "* | None | 0"),
            InvalidOption,
            "as 'synthetic | rehearsal",
        ),
        (("run", "small.toml", "--only", "maps", "--list"), InvalidOption, "--list shows how"),
    ],
)
def test_what_cannot_be_meant_is_one_line(typed, words, kind, said):
    ended = typed(*words)
    assert isinstance(ended.exception, kind)
    assert said in str(ended.exception)


# --- a box that costs money -----------------------------------------------------------------------

PAID = """
seeds = [0]
budgets = [60]
[tasks.small]
data = "synthetic"
train = 20
test = 10
[boxes.paid]
uri = "{uri}"
[methods.map]
recipe = "map"
"""


@pytest.fixture
def service():
    with Rehearsal("clarifai", RehearsalBox(classes=3, size=8)) as running:
        yield running


@pytest.fixture
def paid(typed, service, tmp_path):
    """Run a plan whose box costs 5 cents a query, whatever the plan says."""

    def run(*words, more="&price_usd=0.05", **settings):
        text = PAID.format(uri=f"{service.uri}&size=8&per_second=1000{more}", **settings)
        (tmp_path / "paid.toml").write_text(text)
        return typed("run", "paid.toml", "--journal", "j.sqlite", *words)

    return run


def test_a_plan_that_costs_money_is_confirmed_capped_and_written_down(paid, service, tmp_path):
    refused = paid()
    assert isinstance(refused.exception, InvalidOption)
    assert "may cost up to $3.50: pass --yes" in str(refused.exception)
    refused = paid("--yes", "--max-usd", "3.4")
    assert "the plan may cost up to $3.50: raise --max-usd" in str(refused.exception)
    assert service.bill.queries == 0
    assert paid("--yes", "--max-usd", "3.5").exit_code == 0
    billed = service.bill.queries
    assert 0 < billed <= 70
    (tmp_path / "paid.jsonl").unlink()  # as if it had been killed before its end
    assert paid("--yes").exit_code == 0
    assert service.bill.queries == billed
    with Journal(tmp_path / "j.sqlite", writable=False) as journal:
        assert sum(line.billed for line in accounts(journal)) == billed


def test_a_plan_sets_no_price(paid, service):
    refused = paid(more="&price_usd=0", extra="")
    assert refused.exit_code == 0  # at Clarifai's own: 70 of them are less than $1
    (row,) = read_ledger(Path("paid.jsonl"))
    assert row["usd"]["fit"] == pytest.approx(row["fit_queries"]["total"] * 0.0012)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("&base_url=https://elsewhere.example", "the plan's box is at elsewhere.example"),
        ("&key_env=AWS_SECRET_ACCESS_KEY", "takes its key from the variable AWS_SECRET_ACCESS_KEY"),
    ],
)
def test_a_plan_leads_no_key_astray(typed, tmp_path, more, said):
    uri = f"clarifai:nsfw-recognition?size=8{more}"
    (tmp_path / "paid.toml").write_text(PAID.format(uri=uri))
    refused = typed("run", "paid.toml", "--yes")
    assert isinstance(refused.exception, InvalidOption)
    assert said in str(refused.exception)
    assert "pass trusted= with it" in str(refused.exception)


def test_a_service_is_not_put_behind_a_rehearsal(paid, service, tmp_path):
    uri = f"{service.uri}&size=8"
    served = '[boxes.paid.served]\nservice = "clarifai"\nprice_usd = 0\nsize = 8\n'
    (tmp_path / "twice.toml").write_text(PAID.format(uri=uri) + served)
    plan = read_plan(tmp_path / "twice.toml")
    with Workbench(Places()) as bench, pytest.raises(InvalidOption, match="is a service itself"):
        bench.box(plan.trials[0].box)
    assert service.bill.queries == 0


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/x", "a/b", "..", "", ".x", "a\\b", "a\x1b[31m", 3]
)
def test_a_plans_name_is_that_of_a_file_here(tmp_path, name):
    path = tmp_path / "p.toml"
    path.write_text(f"name = {json.dumps(name)}\n" + PAID.format(uri="rehearsal:?classes=3"))
    with pytest.raises(InvalidOption, match=r"a plan's name is that of its ledger, found"):
        read_plan(path)


@pytest.fixture
def two_rows(tmp_path):
    from ledgers import row

    path = tmp_path / "two.jsonl"
    path.write_text("".join(json.dumps(row(name)) + "\n" for name in ("auto", "map")))
    return path


def test_a_table_is_aligned_in_a_terminal_and_markdown_elsewhere(typed, two_rows, monkeypatch):
    piped = typed("table", str(two_rows)).output
    assert "| auto |" in piped
    monkeypatch.setattr(out, "_force_terminal", True)
    monkeypatch.setattr(out, "width", 240)
    shown = re.sub(r"\x1b\[[\d;]*m", "", typed("table", str(two_rows)).output)
    lines = [line for line in shown.splitlines() if line.startswith(("┃", "│"))]
    assert len({len(line) for line in lines if "abide" not in line}) <= 2  # one width a table
    assert any("auto" in line for line in lines)
    assert "---" not in shown
    assert typed("table", str(two_rows), "--markdown").output == piped
