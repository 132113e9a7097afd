"""Fits as runs of MLflow's: by a listener, and by `autolog`."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from serving import fitted
from sklearn.base import clone
from tracked import digits, mlflow, rebox, tracking  # noqa: F401 - a fixture

from rebox.demo import open_digits
from rebox.errors import InvalidOption
from rebox.fit import PhaseStarted, StepTaken, VersionChanged
from rebox.meter import Spent
from rebox.mlflow.listener import MLflowListener

X, Y, TEST = digits()


def model(**options):
    return rebox.Reprogrammer(open_digits(), budget=60, random_state=0, **options)


@pytest.fixture
def logging(tracking):  # noqa: F811 - the fixture
    """Have fits logged."""
    rebox.mlflow.autolog()
    yield
    rebox.mlflow.autolog(disable=True)


def runs():
    return mlflow.search_runs(output_format="list")


@pytest.mark.slow
def test_each_fit_is_a_run_with_its_model(logging):
    own = model()
    own.fit(X, Y)
    assert own.listeners == ()
    (run,) = runs()
    assert run.info.status == "FINISHED"
    params = {"box": "demo:digits", "recipe": "auto", "budget": "60", "random_state": "0"}
    assert params.items() <= run.data.params.items()
    verdict = own.verdict_
    assert run.data.metrics["queries"] == run.data.metrics["billed"] == own.spent_.total == 40
    assert run.data.metrics["usd"] == pytest.approx(own.spent_.usd)
    assert run.data.metrics["gain_auc_low"] == verdict.gain.low
    assert run.data.metrics["held_out_accuracy"] == verdict.rows[-1].accuracy.value
    assert run.data.tags["rebox.verdict"] == verdict.words
    (logged,) = mlflow.search_logged_models(output_format="list")
    assert logged.source_run_id == run.info.run_id
    again = rebox.mlflow.load_model(logged.model_uri)
    assert (again.predict_proba(TEST) == own.predict_proba(TEST)).all()


def test_a_fit_within_a_run_is_nested_and_one_that_fails_says_so(logging):
    with mlflow.start_run() as outer:
        model().fit(X, Y)
        with pytest.raises(ValueError, match="one class only"):
            model().fit(X, ["a"] * len(X))
    parents = {
        run.info.run_id: (run.data.tags.get("mlflow.parentRunId"), run.info.status)
        for run in runs()
    }
    assert parents.pop(outer.info.run_id) == (None, "FINISHED")
    assert sorted(parents.values()) == [
        (outer.info.run_id, "FAILED"),
        (outer.info.run_id, "FINISHED"),
    ]


def test_a_model_that_cannot_be_logged_is_fitted_all_the_same(logging):
    with pytest.warns(UserWarning, match="the model was not logged: the box .* made in Python"):
        own, _ = fitted()
    assert own.predict(TEST[:1, :8, :8]).shape == (1,)
    assert runs()[0].info.status == "FINISHED"


def test_a_server_that_is_gone_when_a_fit_ends_takes_no_model_along(logging, monkeypatch):
    def gone(*_, **__):
        raise mlflow.MlflowException("nobody is there")

    monkeypatch.setattr(mlflow.MlflowClient, "set_terminated", gone)
    with pytest.warns(UserWarning, match="the run was not ended: nobody is there"):
        own = model().fit(X, Y)
    assert own.predict(TEST).shape == (60,)
    assert mlflow.active_run() is None


@pytest.mark.parametrize(
    "box", ["http://ann:hunter2@h/x", "chat:m?base_url=https://ann:hunter2@h/v1", "http://ann:h2@h"]
)
def test_no_password_is_logged_of_an_address_that_is_refused(box, logging):
    options = {"journal": "postgresql://ann:hunter2@h/d"}
    with pytest.raises(InvalidOption):
        rebox.Reprogrammer(["demo:digits", box], budget=60, **options).fit(X, Y)
    (run,) = runs()
    assert run.data.params["box"].startswith("demo:digits, ")
    assert "hunter2" not in str(run.data.params)
    assert "h2@" not in str(run.data.params)


def test_a_database_without_the_whole_of_mlflow_is_refused_before_anything_is_asked(
    logging, monkeypatch
):
    from mlflow.tracking.registry import UnsupportedModelRegistryStoreURIException

    def lacking(**_):
        raise UnsupportedModelRegistryStoreURIException("sqlite:///mlflow.db", ["http"])

    monkeypatch.setattr(mlflow, "start_run", lacking)  # as mlflow-skinny does where nothing is told
    own = model()
    with pytest.raises(InvalidOption, match="MLFLOW_TRACKING_URI, or `pip install mlflow`"):
        own.fit(X, Y)
    assert not hasattr(own, "spent_")


def test_it_can_be_undone(tracking):  # noqa: F811
    before = rebox.Reprogrammer.fit
    rebox.mlflow.autolog()
    assert rebox.Reprogrammer.fit is not before
    rebox.mlflow.autolog()  # twice is once
    rebox.mlflow.autolog(disable=True)
    assert rebox.Reprogrammer.fit is before


def test_a_listener_logs_to_the_run_that_it_is_told(tracking):  # noqa: F811
    with mlflow.start_run() as run:
        pass
    listener = MLflowListener(run.info.run_id, clock=iter(range(0, 10_000, 2)).__next__)
    own = clone(model(listeners=[listener])).fit(X, Y)
    assert mlflow.active_run() is None
    client = mlflow.MlflowClient()
    history = client.get_metric_history(run.info.run_id, "queries")
    assert [one.step for one in history] == [one.value for one in history]
    assert history[-1].value == own.spent_.total
    assert client.get_run(run.info.run_id).data.tags["rebox.ended"] == own.stop_reason_


def test_a_thread_of_a_service_s_sender_tells_the_same_run(tracking):  # noqa: F811
    listener = MLflowListener()
    event = VersionChanged(spent=Spent(map=1), words="another version")
    with mlflow.start_run() as run:
        listener(PhaseStarted(spent=Spent(), purpose="map", planned=1))
        with ThreadPoolExecutor(1) as sender:
            sender.submit(listener, event).result()
    (told,) = runs()  # and no second one that nobody ends
    assert told.info.run_id == run.info.run_id
    assert told.data.tags["rebox.version_changed"] == "another version"


def test_steps_are_told_once_a_second(tracking):  # noqa: F811
    now_s = 0.0
    with mlflow.start_run() as run:
        listener = MLflowListener(clock=lambda: now_s)
        for asked in range(1, 31):
            now_s += 0.125
            listener(StepTaken(spent=Spent(map=asked), purpose="map", step=asked))
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "queries")
    assert [one.step for one in history] == [1, 9, 17, 25]


def test_a_server_that_is_gone_ends_no_fit():
    listener = MLflowListener("no such run", clock=lambda: 0.0)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri("nonsense://nowhere")
    try:
        with pytest.warns(UserWarning, match="MLflow is told no more of this fit, which goes on"):
            own = model(listeners=[listener]).fit(X, Y)
    finally:
        mlflow.set_tracking_uri(before)
    assert own.predict(TEST).shape == (60,)
