"""``mlflow models serve`` answers as rebox does, within the budget that its environment names."""

import base64
import json
import os
import sys
from pathlib import Path

import httpx2
import numpy as np
import pytest
from test_real_servers import Server, free_port
from tracked import digits, pngs, rebox

from rebox.demo import open_digits
from rebox.meter import Journal, accounts

pytestmark = pytest.mark.slow  # a server is started

BUDGET = 25
X, Y, TEST = digits()
SOURCE = Path(rebox.__file__).parents[1]


@pytest.fixture(scope="module")
def model():
    return rebox.Reprogrammer(open_digits(), "map", budget=60, random_state=0).fit(X, Y)


@pytest.fixture(scope="module")
def served(model, tmp_path_factory):
    """The address of a server, and the journal of its account."""
    folder = tmp_path_factory.mktemp("served")
    rebox.mlflow.save_model(model, folder / "model")
    journal = folder / "journal.sqlite"
    job = {"budget": BUDGET, "journal": str(journal), "account": "served"}
    around = {
        "MLFLOW_PYFUNC_INFERENCE_CONFIG": json.dumps(job),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(SOURCE),
        "PYTHONWARNINGS": "ignore",
    }
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", folder / "model"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", port]
    with Server(command, ready=f"{url}/ping", log=folder / "log", environment=around):
        yield url, journal


def ask(url, files, name="picture"):
    cells = [[base64.b64encode(file).decode()] for file in files]
    body = {"dataframe_split": {"columns": [name], "data": cells}}
    return httpx2.post(f"{url}/invocations", json=body, timeout=120, trust_env=False)


def test_it_answers_as_rebox_does_and_no_further_than_the_budget(model, served):
    url, journal = served
    files = pngs(TEST)
    answers = [ask(url, files[:BUDGET]), ask(url, files[:BUDGET])]  # again: it costs nothing
    names = [f"p_{name}" for name in model.classes_]
    for answer in answers:
        assert answer.status_code == 200
        rows = answer.json()["predictions"]
        found = [[row[name] for name in names] for row in rows]
        expected = model.predict_proba(TEST[:BUDGET])
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)  # as JSON writes them
        assert [row["label"] for row in rows] == model.predict(TEST[:BUDGET]).tolist()
    refused = ask(url, files[BUDGET : BUDGET + 1])
    assert refused.status_code == 429
    assert "the account 'served' has been billed for 25 of 25" in refused.json()["message"]
    with Journal(journal) as kept:
        (line,) = accounts(kept)
        assert (line.name, line.billed, line.answered) == ("served", BUDGET, BUDGET)


def test_what_cannot_be_read_is_answered_in_words(served):
    unreadable = ask(served[0], [b"no picture"])
    assert (unreadable.status_code, unreadable.json()["error_code"]) == (
        400,
        "INVALID_PARAMETER_VALUE",
    )
    assert "the picture of row 0 is not an image" in unreadable.json()["message"]
    assert ask(served[0], pngs(TEST[:1]), name="image").status_code == 400
