"""The shipped smoke plans, whole, on real models and real data where they are at hand."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rebox.cli.app import app
from rebox.study.bench import is_done, read_ledger, read_plan

DATA = Path(os.environ.get("REBOX_DATA") or Path(__file__).parents[2] / "shared" / "data")
SMOKE = (
    pytest.param("asd-smoke", marks=pytest.mark.long),
    pytest.param("melanoma-smoke", marks=pytest.mark.long),
    "retinopathy-smoke",
    "services-smoke",
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (DATA / "models" / "gtsrb_cnn.onnx").exists(),
        reason=f"no real models and data in {DATA}",
    ),
]


@pytest.mark.parametrize("name", SMOKE)
def test_a_smoke_plan_runs_from_end_to_end(name, tmp_path):
    pytest.importorskip("torch", reason="white-box baselines need PyTorch")
    ledger = tmp_path / "ledger.jsonl"
    words = ["bench", "run", name, "--ledger", str(ledger), "--data", str(DATA)]
    ended = CliRunner().invoke(app, words)
    assert ended.exit_code == 0, ended.output
    rows = list(read_ledger(ledger))
    assert {row["key"] for row in rows} == {trial.key for trial in read_plan(name).trials}
    assert all(is_done(row) for row in rows)
    assert str(DATA) not in ledger.read_text()
    for row in rows:
        if row["budget"] is not None:
            assert 0 < row["fit_queries"]["total"] <= row["budget"]
            assert row["predict_queries"] == row["test"] * row["asked_per_prediction"]
    table = CliRunner().invoke(app, ["bench", "table", str(ledger)])
    assert table.output.count("## ") >= len({row["task"] for row in rows})
