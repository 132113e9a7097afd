"""``fit --hold-out`` and ``Dataset.split``: one folder is enough; the fit sees none of the test."""

import contextlib
import json
import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import ended, folder, invoke  # noqa: F401 - a fixture

import rebox
from rebox.box import rehearsal
from rebox.cli.interruption import Signals
from rebox.cli.output import write_model
from rebox.errors import BoxError, InvalidData, InvalidOption
from rebox.sample import Dataset

pytestmark = pytest.mark.slow

BOX = "rehearsal:?classes=10&price_usd=0.002"
few = settings(max_examples=40, deadline=None)


def dataset(labels, groups=None):
    labels = np.asarray(labels)
    images = np.arange(len(labels), dtype=np.float64).reshape(-1, 1, 1) / len(labels)
    return Dataset(images, labels, "d", groups=None if groups is None else np.asarray(groups))


@few
@given(st.integers(0, 999), st.integers(2, 4), st.floats(0.05, 0.7), st.booleans())
def test_parts_share_no_subject_and_the_first_lacks_no_class(seed, k, share, grouped):
    rng = np.random.default_rng(seed)
    of_class = rng.permutation(np.repeat(np.arange(k), rng.integers(4, 30, k)))
    images = rng.integers(1, 5, len(of_class)) if grouped else np.ones(len(of_class), int)
    labels = np.repeat(of_class, images)
    data = dataset(labels, np.repeat(np.arange(len(of_class)), images) if grouped else None)
    train, held = data.split(share, seed)
    assert len(train) + len(held) == len(data)
    assert not set(train.subjects) & set(held.subjects) or not grouped
    assert set(train.images.ravel()) | set(held.images.ravel()) == set(data.images.ravel())
    assert set(train.labels) == set(held.labels) == set(range(k))
    for c in range(k):
        n, most = (labels == c).sum(), images[of_class == c].max()
        assert abs((held.labels == c).sum() - share * n) <= max(most, 1)


def test_the_seed_alone_draws_the_subjects():
    data = dataset(np.arange(60) % 3)
    parts = [data.split(0.2, seed)[1].images.ravel().tolist() for seed in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]
    renamed = Dataset(data.images, np.array(["c", "a", "b"])[data.labels], "other")
    assert len(renamed.split(0.2, 0)[1]) == len(parts[0]) == 12


def test_a_class_of_one_subject_is_learnt_and_not_measured():
    data = dataset([0] * 10 + [1] * 10 + [2] * 3, [*range(20), 99, 99, 99])
    train, held = data.split(0.2)
    assert set(train.labels) == {0, 1, 2}
    assert set(held.labels) == {0, 1}


@pytest.mark.parametrize(
    "share", [0, 1, -0.2, 20, float("nan"), float("inf"), "0.2", None, True, [0.2]]
)
def test_a_share_is_between_none_and_all(share):
    with pytest.raises(InvalidOption, match=r"the share of the images.*, as 0.2"):
        dataset([0, 1] * 9).split(share)


def test_too_few_subjects_are_refused():
    for labels, groups in (
        ([0, 1], None),
        ([0, 0, 1, 1], [0, 0, 1, 1]),
        ([0, 1, 0, 1, 0, 0], [0, 0, 0, 0, 0, 0]),
    ):
        with pytest.raises(InvalidData, match="too few subjects to hold some out"):
            dataset(labels, groups).split(0.5)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.array([1, "a"] * 9, dtype=object), r"of several kinds \(int, str\)"),
        (np.array([None, "a", "b"] * 6, dtype=object), r"of several kinds \(NoneType, str\)"),
        (np.array([], dtype=int), "found no images"),
    ],
)
def test_labels_without_an_order_are_shown_and_not_split(labels, said):
    data = dataset(labels)
    assert f"<Dataset d: {len(labels)} images" in repr(data)
    assert "classes" in data._repr_html_()
    with pytest.raises(InvalidData, match=said):
        data.split()


def test_the_fit_is_that_of_the_rest_alone(folder):  # noqa: F811
    data = folder / "data"
    more = ("--recipe", "map", "--seed", 3, "--out", folder / "m.rebox")
    invoke("fit", "--box", BOX, "--data", data, "--budget", 40, "--hold-out", 0.25, *more)
    train, held = rebox.load(data).split(0.25, seed=3)
    assert (len(train), len(held)) == (30, 10)
    alone = rebox.Reprogrammer(BOX, "map", budget=30, verdict=True, random_state=3)
    alone.fit(train.images, train.labels).save(folder / "alone.rebox")
    assert (folder / "m.rebox").read_bytes() == (folder / "alone.rebox").read_bytes()


@pytest.mark.parametrize(
    ("cap", "asked", "recipe"),
    [
        (("--budget", 25), (15, 10), "map"),
        (("--max-usd", 0.05), (15, 10), "map"),
        (("--budget", 200, "--max-usd", 0.06), (20, 10), "map"),
        (("--budget", 40), (30, 10), "auto"),
    ],
)
def test_both_are_within_one_budget(folder, cap, asked, recipe):  # noqa: F811
    more = ("--recipe", recipe, "--json", folder / "f.json", "--out", folder / "m.rebox")
    given = ("--box", BOX, "--data", folder / "data", "--hold-out", 0.25)
    output = invoke("fit", *given, *cap, *more)
    assert f"asked {sum(asked)} queries ({asked[0]} to map, {asked[1]} to predict)" in output
    record = json.loads((folder / "f.json").read_text())
    assert (record["queries"]["map"], record["queries"]["predict"]) == asked
    assert record["usd"] == pytest.approx(sum(asked) * 0.002)
    assert record["images"] == np.sum(record["confusion"]["counts"]) == 10
    assert {"accuracy", "log_loss", "macro_auc"} <= record["metrics"].keys()
    estimated = invoke("estimate", *given, *cap, "--recipe", recipe)
    assert "10 for 10 samples held out, by subject" in estimated
    assert (
        f"at most {cap[1] if cap[0] == '--budget' and cap[1] < 99 else sum(asked)} q" in estimated
    )


def test_a_ctrl_c_while_the_model_is_written_lets_it_be_and_ends_what_would_ask_more(
    folder,  # noqa: F811
    monkeypatch,
):
    heard = Signals()

    def write(path, content, *, force):
        heard._hear(signal.SIGINT, None)
        write_model(path, content, force=force)

    monkeypatch.setattr("rebox.cli.fit.signals", heard)
    monkeypatch.setattr("rebox.cli.fit.write_model", write)
    given = ("--box", BOX, "--data", folder / "data", "--recipe", "map", "--budget", 40)
    more = ("--hold-out", 0.25, "--out", folder / "m.rebox")
    stopped = ended("fit", *given, *more)
    assert stopped.returncode == 130
    assert "wrote " in stopped.stdout
    assert "asked 30 queries (30 to map)" in stopped.stdout
    assert len(rebox.Reprogrammer.load(folder / "m.rebox").classes_) > 1


def test_a_model_that_asks_nobody_is_measured_for_nothing(folder):  # noqa: F811
    more = ("--queries-per-prediction", 0, "--budget", 30, "--out", folder / "m.rebox")
    output = invoke("fit", "--box", BOX, "--data", folder / "data", "--hold-out", 0.25, *more)
    assert "asked 30 queries (30 to map)" in output
    assert "true \\ predicted" in output


@pytest.mark.parametrize("cap", [("--budget", 10), ("--budget", 3), ("--max-usd", 0.02)])
def test_a_budget_that_only_measures_is_refused_before_anything(folder, cap):  # noqa: F811
    given = ("--box", BOX, "--data", folder / "data", "--hold-out", 0.25, *cap)
    for command in ("fit", "estimate"):
        result = ended(command, *given, cwd=folder)
        assert result.returncode == 2
        assert "may ask 10 queries" in result.stderr
        assert f"{cap[0]} {cap[1]:g} leaves nothing for the fit" in result.stderr
        assert result.stderr.count("\n") == 1
    assert not (folder / "model.rebox").exists()


def fit_map(place, *, box=BOX, hold_out=0.25, **more):
    """Fit a map to a place's data by the command's own function, whose errors can be seen."""
    from rebox.cli import fit

    fit.fit(
        box=[box],
        data=str(place / "data"),
        recipe="map",
        budget=40,
        hold_out=hold_out,
        model_path=place / "m.rebox",
        **more,
    )


@pytest.fixture
def failing(monkeypatch):
    """Let the box fail at the image of a number, counted from 1."""
    seen = []

    def after(n, error):
        answer = rehearsal.RehearsalBox.answer

        def counted(self, images):
            seen.extend(images)
            if len(seen) >= n:
                raise error
            return answer(self, images)

        monkeypatch.setattr(rehearsal.RehearsalBox, "answer", counted)
        return seen

    return after


def test_a_box_that_fails_while_it_is_measured_costs_no_model(folder, failing, capsys):  # noqa: F811
    failing(31, BoxError("the box is gone"))
    with pytest.raises(BoxError, match="gone"):
        fit_map(folder, json=folder / "f.json")
    model = rebox.Reprogrammer.load(folder / "m.rebox")
    assert len(model.classes_) == 2
    record = json.loads((folder / "f.json").read_text())
    assert record["metrics"] == {}
    assert "confusion" not in record
    assert record["queries"]["predict"] == 10
    assert "30 to map, 10 to predict" in capsys.readouterr().out


def test_after_an_interruption_nothing_more_is_asked(folder, failing, capsys):  # noqa: F811
    seen = failing(30, KeyboardInterrupt())
    with contextlib.suppress(KeyboardInterrupt):
        fit_map(folder, box=f"{BOX}&batch_size=5")
    assert len(seen) == 30
    assert "predict" not in capsys.readouterr().out.partition("asked")[2]


@pytest.mark.parametrize(
    "ended", [BoxError("gone"), BrokenPipeError("nobody reads"), MemoryError(), ValueError("odd")]
)
@pytest.mark.parametrize(("hold_out", "asked"), [(None, 20), (0.25, 30)])
def test_whatever_ends_showing_progress_leaves_the_model_that_was_paid_for(
    folder,  # noqa: F811
    monkeypatch,
    capsys,
    ended,
    hold_out,
    asked,
):
    from rebox.cli.progress import ProgressBar

    def fail(_, event):
        if event.spent.predict or (hold_out is None and event.spent.map >= asked):
            raise ended

    monkeypatch.setattr(ProgressBar, "__call__", fail)
    with pytest.raises(type(ended)):
        fit_map(folder, box=f"{BOX}&batch_size=5", hold_out=hold_out)
    queries = rebox.Reprogrammer.load(folder / "m.rebox").artefact_.box.queries
    assert queries["map"] >= asked
    output = capsys.readouterr().out
    assert f"asked {queries['map'] + (10 if hold_out else 0)} queries" in output


@pytest.mark.parametrize("ended", [KeyboardInterrupt(), BoxError("gone")])
def test_what_measuring_has_asked_is_told_whatever_ends_it(folder, failing, capsys, ended):  # noqa: F811
    failing(31, ended)
    with pytest.raises(type(ended)):
        fit_map(folder, json=folder / "f.json")
    assert "asked 40 queries (30 to map, 10 to predict), $0.0800" in capsys.readouterr().out
    assert json.loads((folder / "f.json").read_text())["usd"] == 0.08


@pytest.mark.parametrize("content", [b"", b"\x89PNG cut off", b"no image at all"])
def test_bad_files_that_are_held_out_are_found_before_the_fit_is_paid_for(
    folder,  # noqa: F811
    failing,
    content,
):
    seen = failing(1000, None)
    rebox.load(folder / "data").split(0.25)[1].images.paths[0].write_bytes(content)
    with pytest.raises(InvalidData, match="replace or remove the file"):
        fit_map(folder)
    assert not seen
    assert not (folder / "m.rebox").exists()


@pytest.mark.parametrize("recipe", ["map", "auto", "local"])
def test_a_shared_budget_measures_nothing_that_its_account_does_not_count(folder, recipe):  # noqa: F811
    given = ["fit", "--data", folder / "data", "--recipe", recipe, "--hold-out", 0.25]
    given += ["--box", BOX, "--budget", 40, "--account", "team", "--out", folder / "m.rebox"]
    given += ["--journal", folder / "journal"]
    if recipe == "local":  # asks nobody, so that there is nothing to count
        assert "asked 0 queries" in invoke(*given)
        return
    refused = ended(*given)
    assert refused.returncode == 2
    assert "--account team: leave out one of the two" in refused.stderr
    assert not (folder / "journal").exists()
