"""Asking where it pays, for an objective: in Python, on the command line, and in model files."""

import json
from dataclasses import replace

import numpy as np
import pytest
from recordings import answers, uri
from typer.testing import CliRunner

import rebox
from rebox.artefact import load as load_artefact
from rebox.cli.app import app
from rebox.cli.consent import dearest_plan
from rebox.cli.options import read_aliases
from rebox.cli.worst_case import dearest_queries
from rebox.decision import HeldOut, Objective, worth_of
from rebox.errors import BudgetExhausted, InvalidOption
from rebox.fit.boxes_plan import BoxesPlan
from rebox.fit.curve import at_cost
from rebox.fit.rounds import MANY
from rebox.money import dollars

pytestmark = pytest.mark.slow

N, TRAINED = 600, 300
CONTENT = answers(N)
PRICES = {"Good": 0.001, "Free": 0.0, "Poor": 0.0005}
COSTS = ((0.0, 1.0, 5.0), (1.0, 0.0, 1.0), (9.0, 1.0, 0.0))
RARE = 2  # class


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder of answers, and of samples to fit to and to measure on; class 2 is rare."""
    folder = tmp_path_factory.mktemp("answers")
    np.savez(folder / "answers.npz", **CONTENT)
    truth = CONTENT["truth"]
    kept = np.flatnonzero((truth != RARE) | (np.arange(N) % 4 == 0))
    for name, rows in (("train", kept[kept < TRAINED]), ("test", kept[kept >= TRAINED])):
        lines = [f"{CONTENT['ids'][i]},{truth[i]}" for i in rows]
        (folder / f"{name}.csv").write_text("\n".join(["id,label", *lines]) + "\n")
    return folder


def samples(place, name):
    """Return the samples of a table, and their labels."""
    rows = [line.split(",") for line in (place / f"{name}.csv").read_text().splitlines()[1:]]
    return rebox.Samples(ids=[row[0] for row in rows]), np.array([row[1] for row in rows])


def model_of(place, services=("Good", "Free", "Poor"), **options):
    uris = [uri(place / "answers.npz", service) for service in services]
    asked = {"budget": 5000, "random_state": 0, "journal": False} | options
    recipe = asked.pop("recipe", "auto")
    return rebox.Reprogrammer(uris, recipe, **asked).fit(*samples(place, "train"))


@pytest.fixture
def invoke(place, monkeypatch):
    """Return how a command is run beside the answers; what it prints comes back."""
    monkeypatch.chdir(place)
    monkeypatch.setattr("rebox.cli.console.out._width", 200)

    def run(*arguments):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        if result.exception is not None:
            raise result.exception
        return result.output

    return run


BOXES = [part for name in PRICES for part in ("--box", f"recorded:answers.npz?service={name}")]


# --- what it is worth to say a class --------------------------------------------------------------


def held_out(counts=(60, 30, 10), seed=0, assumed=None):
    rng = np.random.default_rng(seed)
    targets = np.repeat(np.arange(3), counts)
    logs = np.log(0.1 + rng.random((len(targets), 3)) + 0.4 * np.eye(3)[targets])
    return HeldOut(log_probabilities=logs, targets=targets, assumed=assumed)


def test_worth_by_objective():
    opinions = held_out()
    of = {
        "accuracy": worth_of(Objective(), opinions),
        "balanced": worth_of(Objective(kind="balanced_accuracy"), opinions),
        "costs": worth_of(Objective(kind="costs", costs=COSTS), opinions),
        "kappa": worth_of(Objective(kind="kappa", grades=(0, 2, 1)), opinions),
    }
    assert np.array_equal(of["accuracy"], np.eye(3))
    np.testing.assert_allclose(of["balanced"], np.diag([1 / 1.8, 1 / 0.9, 1 / 0.3]))
    assert np.array_equal(of["costs"], -np.array(COSTS))
    assert of["kappa"].tolist() == [[0, -4, -1], [-4, 0, -1], [-1, -1, 0]]


def test_the_mean_worth_of_decisions_is_the_figure_of_the_objective():
    opinions = held_out()
    said = opinions.probabilities.argmax(axis=1)
    even = worth_of(Objective(kind="balanced_accuracy"), opinions)[opinions.targets, said].mean()
    found = [(said == k)[opinions.targets == k].mean() for k in range(3)]
    assert even == pytest.approx(np.mean(found))


def test_a_class_whose_sensitivity_is_asked_for_weighs_as_its_decision_weighs_it():
    weights = [
        np.diag(worth_of(Objective(kind="sensitivity", place=2, at_least=share), held_out()))
        for share in (0.1, 0.5, 0.89)
    ]
    assert [one[:2].tolist() for one in weights] == [[1.0, 1.0]] * 3
    asked = [one[2] for one in weights]
    assert asked == sorted(asked)
    assert 1 <= asked[0] < asked[2] < np.inf


def test_classes_taken_as_equally_frequent_weigh_alike_whatever_the_objective_says_of_it():
    even = held_out(assumed=np.full(3, 1 / 3))
    balanced = worth_of(Objective(kind="balanced_accuracy"), held_out())
    for kind in ("accuracy", "balanced_accuracy"):
        np.testing.assert_allclose(worth_of(Objective(kind=kind), even), balanced)
    costly = worth_of(Objective(kind="costs", costs=COSTS), even)
    np.testing.assert_allclose(costly, np.diag([1 / 1.8, 1 / 0.9, 1 / 0.3]) @ -np.array(COSTS))


# --- models ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", ["accuracy", "balanced_accuracy", {"costs": COSTS}])
@pytest.mark.parametrize("options", [{}, {"usd_per_prediction": 0.0004}])
def test_a_model_of_several_boxes_decides_for_its_objective(place, objective, options, tmp_path):
    model = model_of(place, objective=objective, **options)
    x, _ = samples(place, "test")
    assert model.promised_ is not None
    assert model.promised_.images == len(samples(place, "train")[1])
    probabilities = model.predict_proba(x)
    decided = model.artefact_.model.decision.decide(probabilities)
    assert np.array_equal(model.predict(x), model.classes_[decided])
    assert model.predict_set(x, coverage=0.8).sizes.mean() < 3
    model.save(tmp_path / "m.rebox")
    again = rebox.Reprogrammer.load(tmp_path / "m.rebox")
    assert np.array_equal(again.predict(x), model.predict(x))
    assert np.array_equal(again.predict_proba(x), probabilities)


def test_what_training_promises_holds_on_other_samples(place):
    x, y = samples(place, "test")
    for options in ({}, {"usd_per_prediction": 0.0004}):
        model = model_of(place, objective="balanced_accuracy", **options)
        said = model.predict(x)
        found = np.mean([(said == one)[y == one].mean() for one in model.classes_])
        promised = model.promised_.figures["balanced_accuracy"]
        assert promised.low - 0.1 < found < promised.high + 0.1


def test_the_policy_learns_what_its_objective_is_worth(place):
    worth = {
        name: model_of(
            place, objective=name, queries_per_prediction=0.5
        ).artefact_.model.policy.worth
        for name in ("accuracy", "balanced_accuracy")
    }
    assert np.array_equal(worth["accuracy"], np.eye(3))
    weights = np.diag(worth["balanced_accuracy"])
    assert weights[RARE] > 1.5 * weights[:RARE].max()


def test_a_policy_takes_opinions_by_the_shares_it_has_learnt_from(place):
    """Whom it asks does not depend on which shares answers are told by."""
    x, _ = samples(place, "test")
    plain = model_of(place, objective="balanced_accuracy", usd_per_prediction=0.0004)
    even = model_of(place, recipe="auto?class_weight=balanced", usd_per_prediction=0.0004)
    said, evenly = plain.predict_proba(x), even.predict_proba(x)
    assert [one.predict for one in even.spent_by_box_] == [
        one.predict for one in plain.spent_by_box_
    ]
    shares = np.exp(plain.artefact_.model.reader.offset - even.artefact_.model.reader.offset)
    again = evenly * shares
    np.testing.assert_allclose(said, again / again.sum(axis=1, keepdims=True), atol=1e-9)
    assert not np.allclose(said, evenly, atol=0.01)


def test_samples_that_chose_the_boxes_promise_nothing(place):
    """All boxes are asked about a few, and by those it is chosen who is asked about the rest."""
    model = model_of(place, objective="balanced_accuracy", budget=400)
    asked = [one.fit if hasattr(one, "fit") else one.total for one in model.spent_by_box_]
    assert sum(asked) <= 400
    assert model.promised_ is not None
    assert 0 < model.promised_.images < max(asked)


def test_the_point_of_a_policy_is_the_one_at_its_mean(place):
    policy = model_of(place, usd_per_prediction=0.0004).artefact_.model.policy
    assert 0.8 * 0.0004 < policy.point.cost <= 0.0004 * (1 + 1e-9)
    assert policy.point.low < policy.point.gain < policy.point.high
    capped = model_of(place, max_usd_per_prediction=0.001).artefact_.model.policy
    assert capped.mean is None
    assert capped.point == capped.curve[-1]


def test_where_samples_look_alike_the_point_is_a_mix_of_asking_all_and_none(place):
    """At one toll all of them are asked about, and none at the next: some of them are."""
    policy = model_of(place, services=("Good",), usd_per_prediction=0.0005).artefact_.model.policy
    none, every = policy.curve[0], policy.curve[-1]
    assert [none.cost, every.cost] == pytest.approx([0.0, 0.001])
    assert policy.point.cost == pytest.approx(0.0005, rel=0.02)
    assert policy.point.gain == pytest.approx(none.gain / 2, abs=0.1)  # some are drawn
    assert policy.point.low < -0.1  # half of the samples are told by nobody
    assert at_cost(policy.curve, 9.0) == every


# --- what boxes cannot keep to --------------------------------------------------------------------


@pytest.mark.parametrize("command", [False, True])
@pytest.mark.parametrize(
    ("services", "options", "message"),
    [
        (
            ("Good", "Poor"),
            {"max_usd_per_prediction": 0.00049},
            r"of \$0\.00049 does not pay for one query: the cheapest box costs \$0\.00050 each",
        ),
        (("Free",), {"usd_per_prediction": 0.1}, "caps nothing on boxes that are free"),
        (("Good", "Poor"), {"queries_per_prediction": 0}, "imitates one box, and 2 were given"),
    ],
)
def test_a_pace_that_boxes_cannot_keep_is_refused_before_anything_is_asked(
    place, invoke, services, options, message, command
):
    uris = [uri("answers.npz", name) for name in services]
    model = rebox.Reprogrammer(uris, budget=100, journal=False, **options)
    given = [part for one in uris for part in ("--box", one)]
    given += [part for k, v in options.items() for part in (f"--{k.replace('_', '-')}", v)]
    with pytest.raises(InvalidOption, match=message):
        _ = (
            invoke("estimate", *given, "--data", "train.csv", "--budget", 100)
            if command
            else model.fit(*samples(place, "train"))
        )
    assert not hasattr(model, "meter_")


@pytest.mark.parametrize("name", ["usd_per_prediction", "max_usd_per_prediction"])
def test_dollars_of_a_prediction_take_boxes_whose_price_is_known(place, name):
    """What is not known would count as nothing, and be asked first, always."""
    boxes = [rebox.open_box(uri(place / "answers.npz", service)) for service in ("Good", "Poor")]
    boxes[1].spec = replace(boxes[1].spec, price_usd=None)
    model = rebox.Reprogrammer(boxes, budget=100, journal=False, **{name: 0.004})
    message = (
        rf"{name} of \$0\.0040 cannot be kept where .*service=Poor in its URI by price_usd=, 0"
    )
    with pytest.raises(InvalidOption, match=message):
        model.fit(*samples(place, "train"))
    assert not hasattr(model, "meter_")


def test_a_cap_that_pays_for_the_cheapest_box_alone_is_kept(place):
    model = model_of(place, ("Good", "Poor"), max_usd_per_prediction=0.0005)
    before = model.spent_by_box_
    model.predict(samples(place, "test")[0])
    asked = [
        after.predict - one.predict for after, one in zip(model.spent_by_box_, before, strict=True)
    ]
    assert asked[0] == 0 < asked[1]


# --- aliases --------------------------------------------------------------------------------------


def test_aliases_are_read():
    assert read_aliases(["joy=happiness", "joy = delight", "a=b=c"]) == {
        "joy": ["happiness", "delight"],
        "a": ["b=c"],
    }
    assert read_aliases(None) == {}
    for bad in ("joy", "=x", "joy=", ""):
        with pytest.raises(InvalidOption, match="--alias must look like CLASS=NAME, found"):
            read_aliases([bad])


@pytest.mark.parametrize(
    ("aliases", "message"),
    [
        ({"9": "0"}, r"name a class '9': your labels are 0, 1, 2"),
        ({"0": "zero"}, r"a box calls '0' 'zero': classes of boxes are 0, 1, 2"),
        ({"0": ["0", "zero"]}, "'zero'"),
        (["0=1"], "aliases say what a box calls a class of yours, as"),
    ],
)
def test_aliases_that_nobody_has_are_refused_before_anything_is_asked(place, aliases, message):
    uris = [uri(place / "answers.npz", name) for name in PRICES]
    model = rebox.Reprogrammer(uris, aliases=aliases, journal=False)
    with pytest.raises(InvalidOption, match=message):
        model.fit(*samples(place, "train"))
    assert not hasattr(model, "meter_")


def test_an_alias_teaches_a_model_what_a_box_calls_a_class(place, invoke):
    """With a dozen labels what is known by name is right, and what has to be learnt is not yet."""
    rows = (place / "train.csv").read_text().splitlines()
    words = {"0": "joy", "1": "anger", "2": "fear"}
    for name, picked in (("few", rows[1:13]), ("many", rows[13:])):
        lines = [f"{line.split(',')[0]},{words[line.split(',')[1]]}" for line in picked]
        (place / f"{name}.csv").write_text("\n".join(["id,label", *lines]) + "\n")
    named = "recorded:answers.npz?service=Good&labels=happiness,rage,dread"
    given = ["--box", named, "--data", "few.csv", "--budget", 100, "--force", "--journal", "none"]
    alias = ["--alias", "joy=happiness", "--alias", "anger=Rage", "--alias", "fear=dread"]
    right = []
    for more in ([], alias):
        invoke("fit", *given, *more, "--out", "alias.rebox")
        invoke("evaluate", "alias.rebox", "--data", "many.csv", "--json", "e.json")
        record = json.loads((place / "e.json").read_text())
        right.append(record["metrics"]["accuracy"]["value"])
    assert right[1] > right[0] + 0.02, right
    assert "12 of 12 training samples" in invoke(
        "estimate", "--box", named, "--data", "few.csv", "--budget", 100, *alias
    )
    with pytest.raises(InvalidOption, match="--alias must look like"):
        invoke("estimate", "--box", named, "--data", "few.csv", "--budget", 9, "--alias", "joy")


def test_a_move_is_told_what_the_new_box_calls_a_class(place, invoke):
    """A file does not keep what the fit was told, and the new box has names of its own."""
    rows = (place / "train.csv").read_text().splitlines()
    words = {"0": "joy", "1": "anger", "2": "fear"}
    for name, picked in (("twelve", rows[1:13]), ("others", rows[13:])):
        lines = [f"{line.split(',')[0]},{words[line.split(',')[1]]}" for line in picked]
        (place / f"{name}.csv").write_text("\n".join(["id,label", *lines]) + "\n")
    old = ("--box", "recorded:answers.npz?service=Free", "--box", uri("answers.npz", "Poor"))
    given = ("--data", "twelve.csv", "--budget", 100, "--journal", "none")
    invoke("fit", *old, *given, "--out", "old.rebox", "--force")
    new = f"2={uri('answers.npz', labels='happiness,rage,dread')}"
    move = ("move", "old.rebox", "--box", new, *given, "--out", "new.rebox")
    alias = ["--alias", "joy=happiness", "--alias", "anger=Rage", "--alias", "fear=dread"]
    right = []
    for more in ([], alias):
        invoke(*move, *more)
        invoke("evaluate", "new.rebox", "--data", "others.csv", "--json", "e.json")
        record = json.loads((place / "e.json").read_text())
        right.append(record["metrics"]["accuracy"]["value"])
    assert right[1] > right[0] + 0.02, right
    with pytest.raises(InvalidOption, match="a box calls 'joy' 'glee': classes of boxes are"):
        invoke(*move, "--alias", "joy=glee")


# --- the command line -----------------------------------------------------------------------------


def test_the_command_line_tells_the_operating_point(place, invoke):
    fit = ("fit", *BOXES, "--data", "train.csv", "--budget", 2000, "--out", "m.rebox", "--force")
    said = invoke(
        *fit,
        *("--usd-per-prediction", 0.0004, "--objective", "balanced_accuracy", "--json", "f.json"),
    )
    line = next(line for line in said.splitlines() if line.startswith("asks where it pays"))
    assert "for a prediction in the mean, of $0.00040 held; balanced accuracy no" in line
    assert line.endswith("(95 %, training samples held out).")
    policy = json.loads((place / "f.json").read_text())["policy"]
    assert (policy["unit"], policy["mean"]) == ("usd", 0.0004)
    assert 0 < policy["point"]["cost"] <= 0.0004 * (1 + 1e-9)
    shown = json.loads(invoke("show", "m.rebox", "--json"))
    words = shown["policy"].pop("words")
    assert f"asks where it pays: {words}." == line
    assert shown["policy"] == policy
    assert words in " ".join(invoke("show", "m.rebox").split())
    least = f"{-policy['point']['low']:.3f}"
    assert (f"no more than {least} below" in line) or policy["point"]["low"] >= 0


def test_predictions_are_priced_as_asked_with_a_journal_or_without(place, invoke):
    fit = ("fit", *BOXES, "--data", "train.csv", "--budget", 2000, "--out", "p.rebox", "--force")
    invoke(*fit, "--usd-per-prediction", 0.0004)
    records = []
    for journal in ("none", "j.sqlite", "j.sqlite"):
        given = ("--data", "test.csv", "--journal", journal, "--json", "e.json")
        said = invoke("evaluate", "p.rebox", *given)
        records.append(json.loads((place / "e.json").read_text()))
        assert "for 10,000" in said
    asked = [record["queries"]["predict"] for record in records]
    assert len(set(asked)) == 1
    n = len(samples(place, "test")[1])
    assert n >= MANY  # the mean is held to the cent
    by_box = zip(records[0]["boxes"], PRICES.values(), strict=True)
    usd = sum(one["queries"].get("predict", 0) * price for one, price in by_box)
    for record in records:
        assert record["usd_per_10k"] == pytest.approx(1e4 * usd / n)
        assert 0 < record["usd_per_10k"] <= 4.0 + 1e-9
    assert records[1]["usd"] > 0 == records[2]["usd"]  # the journal has the rest


def test_a_mean_of_queries_is_said_in_queries(place, invoke):
    fit = ("fit", *BOXES, "--data", "train.csv", "--budget", 2000, "--out", "q.rebox", "--force")
    said = invoke(*fit, "--queries-per-prediction", 0.5, "--json", "f.json")
    assert "queries for a prediction in the mean, of 0.5 queries held; accuracy no" in said
    invoke("evaluate", "q.rebox", "--data", "test.csv", "--json", "e.json")
    record = json.loads((place / "e.json").read_text())
    assert record["queries"]["predict"] <= 0.5 * len(samples(place, "test")[1])
    assert record["policy"]["unit"] == "queries"


@pytest.mark.parametrize(
    ("pace", "worst"),
    [
        # of 135 samples: a mean of 0.5 each, and 3 more
        (("--queries-per-prediction", 0.5), 70),
        # those that are free, and what $0.054 + $0.0015 pay for at the cheapest price
        (("--usd-per-prediction", 0.0004), 135 + 111),
        # one of the three each: $0.001 does not pay for both that cost
        (("--max-usd-per-prediction", 0.001), 135 + 135),
    ],
)
def test_predictions_may_ask_what_their_policy_lets_them(place, invoke, pace, worst):
    """Where a budget allows that, they begin: not only where it pays for asking all about each."""
    fit = ("fit", *BOXES, "--data", "train.csv", "--budget", 2000, "--out", "w.rebox", "--force")
    invoke(*fit, *pace)
    few = (place / "test.csv").read_text().splitlines()[:136]
    (place / "some.csv").write_text("\n".join(few) + "\n")
    given = ("evaluate", "w.rebox", "--data", "some.csv", "--journal", "none", "--budget")
    with pytest.raises(BudgetExhausted, match=f"^{worst} more queries to predict would exceed"):
        invoke(*given, worst - 1)
    invoke(*given, worst, "--json", "e.json")
    asked = json.loads((place / "e.json").read_text())["queries"]["predict"]
    assert 0 < asked <= worst


def test_consent_is_asked_for_what_a_policy_may_spend(place):
    """A model at a mean of $0.0004 for 10,000 samples: $4, and not $15."""
    model = model_of(place, usd_per_prediction=0.0004)
    for box in model.boxes_:
        box.source.remote = True
    queries = dearest_queries(model, 10_000)
    usd = sum(n * box.spec.price_usd for n, box in zip(queries, model.boxes_, strict=True))
    assert usd == pytest.approx(4.0015, abs=0.001)
    assert queries[1] == 10_000  # what is free is asked about all


@pytest.mark.parametrize(
    ("budget", "asked", "left", "cost"),
    [
        # each is asked about 125, and of 250 queries that are left then any may have all
        (("--budget", 500), (375, 375), "0", "$0.44"),
        (("--budget", 1000), (600, 600), "0", "$0.80"),
        # $0.30 for 200 samples, and as much for more of them
        (("--max-usd", 0.6), (500, 600), "100", "$0.60"),
    ],
)
def test_an_estimate_keeps_to_a_budget_that_does_not_reach_all_samples(
    place, invoke, budget, asked, left, cost
):
    names = [f"s{i:03}.jpg" for i in range(N)]
    lines = [f"{name},{truth}" for name, truth in zip(names, CONTENT["truth"], strict=True)]
    (place / "all.csv").write_text("\n".join(["id,label", *lines]) + "\n")
    two = (*BOXES[:2], *BOXES[4:])
    rows = [
        [cell.strip() for cell in line.split("│")[1:-1]]
        for line in invoke("estimate", *two, "--data", "all.csv", *budget).splitlines()
        if "│" in line
    ]
    said = {row[0]: row[1:] for row in rows}
    each = [said[f"recorded:answers.npz?service={name}"][1] for name in ("Good", "Poor")]
    assert each == [str(one) for one in asked]
    assert said["left over"] == [left]
    assert said["cost of the fit"] == [cost]


def test_consent_to_a_fit_is_asked_for_no_more_than_its_budget(place):
    """Any box may be the one that pays, but they share the queries; an unknown price is feared."""
    boxes = [rebox.open_box(uri(place / "answers.npz", name)) for name in ("Poor", "Good")]
    planned = BoxesPlan(
        images=1000, boxes=("Poor", "Good"), each=250, more=750, further=(350, 350), left=1000
    )
    assert dearest_plan(boxes, planned) == [400, 600]
    boxes[0].spec = replace(boxes[0].spec, price_usd=None)
    assert dearest_plan(boxes, planned) == [600, 400]


@pytest.mark.parametrize(
    ("pace", "most", "price"),
    [
        ({"queries_per_prediction": 0.3}, "at most 3 queries", "at most $1.50"),
        ({"usd_per_prediction": 0.0004}, "at most 3 queries", "at most $1.50"),
        ({"max_usd_per_prediction": 0.001}, "at most 2 queries", "at most $1.00"),
    ],
)
def test_a_model_is_shown_with_what_it_asks_at_most_and_in_the_mean(
    place, invoke, tmp_path, pace, most, price
):
    model = model_of(place, **pace)
    model.save(tmp_path / "m.rebox")
    point = model.artefact_.model.policy.point
    asked = f"{most}, {sum(point.asked):.2f} in the mean"
    usd = 1000 * sum(np.array(point.asked) * list(PRICES.values()))
    if "usd_per_prediction" in pace:
        assert usd == pytest.approx(1000 * point.cost)
    elif "queries_per_prediction" in pace:
        assert sum(point.asked) == pytest.approx(point.cost)
    rows = [line.split("│")[1:-1] for line in invoke("show", tmp_path / "m.rebox").splitlines()]
    shown = {row[0].strip(): row[1].strip() for row in rows if row}
    assert shown["each prediction"] == asked
    assert shown["price"] == f"{price} per 1,000 predictions, {dollars(usd)} in the mean"
    assert model.artefact_.facts()["queries for each prediction"] == asked
    facts = json.loads(invoke("show", tmp_path / "m.rebox", "--json"))
    assert (facts["queries_per_prediction"], facts["price_usd"]) == (3, pytest.approx(0.0015))


def test_a_model_that_asks_all_has_no_policy(place, invoke, tmp_path):
    model = model_of(place)
    model.save(tmp_path / "all.rebox")
    assert load_artefact(tmp_path / "all.rebox").model.policy is None
    facts = json.loads(invoke("show", tmp_path / "all.rebox", "--json"))
    assert facts["policy"] is None
    assert "pays" not in invoke("show", tmp_path / "all.rebox")
