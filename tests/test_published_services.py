"""The published service runs cost what was published, by our books and by the service's bill."""

import importlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rebox
from rebox.box.rehearsal import RehearsalBox
from rebox.rehearsal import Limits, Rehearsal
from rebox.sample import Dataset
from rebox.study.task import Split

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
LEDGER = BENCHMARKS / "published_services" / "measured.jsonl"
SIDE = 12
COSTS = [(1, 1_860, 3.72), (5, 5_580, 11.16), (10, 10_230, 20.46)]


def published(name):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        return importlib.import_module(name)


@pytest.fixture(scope="module")
def trials():
    return published("published_services.trials")


@pytest.fixture(scope="module")
def parts():
    """930 small matrices to train on and 10 to predict."""
    rng = np.random.default_rng(0)
    y = np.where(np.arange(940) % 2, "autism", "control")
    x = rng.uniform(-1, 1, (940, 4, 4)).astype(np.float32)
    dataset = Dataset(x, y, "small", value_range=(-1.0, 1.0))
    return dataset, Split(train=np.arange(930), test=np.arange(930, 940))


class Here:
    """A rehearsal in this process, as the benchmark wants one in another."""

    def __init__(self, rehearsal):
        self.uri, self._rehearsal = rehearsal.uri, rehearsal

    def bill(self):
        return self._rehearsal.bill.as_json()


@pytest.mark.slow
def test_an_epoch_costs_what_was_published_by_the_books_and_by_the_bill(trials, parts, monkeypatch):
    monkeypatch.setenv("AZURE_CUSTOM_VISION_KEY", "no-real-key")
    box = RehearsalBox(classes=43, size=SIDE)
    trial = trials.Trial(service="azure", q=1, method="bar", seed=0)
    limits = Limits(batch_size=1, price_usd=0.002)
    with Rehearsal("azure-custom-vision", box, limits=limits) as service:
        row = trials.measure(trial, *parts, Here(service), SIDE)
    fit, spent = row["fit"], row["spent"]
    assert (fit["search"], fit["map"], fit["probe"], fit["predict"]) == (1860, 0, 0, 0)
    assert (fit["billed"], fit["saved"], fit["usd"]) == (1860, 0, 3.72)
    assert row["fit_bill"]["queries"] == row["fit_bill"]["requests"] == 1860
    assert row["fit_bill"]["usd"] == pytest.approx(3.72, abs=1e-9)
    # predictions are paid for apart, and the model behind the service was asked as often
    assert (spent["predict"], spent["billed"], spent["usd"]) == (10, 1870, 3.74)
    assert row["bill"]["queries"] == box.answered == 1870


@pytest.mark.parametrize(("q", "queries", "usd"), COSTS)
def test_every_published_run_spends_its_money_to_the_cent(trials, parts, q, queries, usd):
    box = RehearsalBox(classes=43, size=SIDE, price_usd=0.002)
    trial = trials.Trial(service="azure", q=q, method="bar", seed=0)
    assert (trials.bar_queries(q), trial.max_usd) == (queries, usd)
    dataset, split = parts
    model = rebox.Reprogrammer(
        box,
        budget=None,
        max_usd=usd,
        value_range=dataset.value_range,
        random_state=0,
        **trial.settings,
    )
    model.fit(dataset.images[split.train], dataset.labels[split.train])
    assert model.spent_.search == model.spent_.total == box.answered == queries
    assert model.spent_.usd == pytest.approx(usd, abs=1e-9)
    assert model.stop_reason_ == "every epoch is done"


CLARIFAI = {
    "clarifai": ("moderation-recognition", 5, 2),
    "clarifai-nsfw": ("nsfw-recognition", 2, 1),
    "clarifai-moderation-v3": ("moderation-recognition", 5, 2),
}


@pytest.mark.parametrize("service", CLARIFAI)
@pytest.mark.parametrize(("q", "queries", "usd"), [(15, 14_880, 17.856), (25, 24_180, 29.016)])
def test_clarifai_goes_by_the_formula(trials, service, q, queries, usd):
    trial = trials.Trial(service=service, q=q, method="bar", seed=0)
    assert (trials.bar_queries(q), trial.max_usd) == (queries, usd)
    served = trials.SERVICES[service]
    assert (served.model, len(served.classes), served.m) == CLARIFAI[service]
    assert trial.settings["recipe"] == f"bar?q={q}&epochs=1&mapping=random&m={served.m}"
    # each source class speaks for one target class
    assert 2 * served.m <= len(served.classes)


@pytest.mark.parametrize("service", CLARIFAI)
def test_a_model_is_asked_under_the_name_that_the_service_gives_it(trials, service, monkeypatch):
    monkeypatch.setenv("CLARIFAI_PAT", "no-real-key")
    served = trials.SERVICES[service]
    model = RehearsalBox(classes=len(served.classes), size=SIDE)
    rehearsal = Rehearsal("clarifai", model, classes=served.classes, model=served.model)
    images = np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), dtype=np.uint8)
    with (
        rehearsal as playing,
        rebox.open_box(trials.uri_of(playing.uri, SIDE, served.price_usd)) as box,
    ):
        assert f"clarifai:{served.model}" in playing.uri
        answers = box.ask(images)
        assert set(box.spec.classes) == set(served.classes)
        order = [box.spec.classes.index(name) for name in served.classes]
        expected = model.ask(images)
        np.testing.assert_allclose(answers[:, order], expected, atol=1e-6)


def test_books_that_do_not_agree_are_no_result(trials, tmp_path):
    trial = trials.Trial(service="azure", q=1, method="auto", seed=0)
    spent = rebox.meter.Spent(map=10, billed=10, usd=0.02)
    with (
        rebox.meter.Journal(tmp_path / "journal.sqlite") as journal,
        pytest.raises(RuntimeError, match="do not agree"),
    ):
        trials.check_books(trial, spent, journal, {"queries": 10, "usd": 0.02})


def test_the_ledger_is_what_the_results_say(trials):
    rows = [json.loads(line) for line in LEDGER.read_text(encoding="utf-8").splitlines()]
    fits = [row for row in rows if row["method"] == "bar"]
    assert fits
    for row in fits:
        price_usd = trials.SERVICES[row["service"]].price_usd
        assert row["fit_bill"]["queries"] == row["fit"]["billed"] == 930 * (row["q"] + 1)
        assert row["fit_bill"]["usd"] == pytest.approx(930 * (row["q"] + 1) * price_usd)
    written = (BENCHMARKS / "published_services" / "RESULTS.md").read_text(encoding="utf-8")
    table = published("published_services.table")
    assert table.render(rows) == written
    whole = [{**row, "threads": 1} for row in rows]
    assert "earlier version" not in table.render(whole)
    older = {name: value for name, value in rows[0].items() if name != "threads"}
    assert "earlier version than the rest:** azure at q = 1" in table.render([*whole[1:], older])
    made = {(row["service"], row["q"]) for row in fits}
    (told,) = re.findall(r"^\*\*Not run so far:\*\* (.*)\.$", written, re.MULTILINE) or [""]
    planned = [(name, q) for name, one in trials.SERVICES.items() for q in one.qs]
    absent = [f"{name} at q = {q}" for name, q in planned if (name, q) not in made]
    assert told == ", ".join(absent)


def test_the_same_money_pays_for_every_method(trials):
    bar = trials.Trial(service="azure", q=5, method="bar", seed=1)
    others = [replace(bar, method=method) for method in ("auto", "auto-5", "auto-box")]
    assert {trial.max_usd for trial in others} == {bar.max_usd}
    assert len({trial.key for trial in (bar, *others)}) == 4
