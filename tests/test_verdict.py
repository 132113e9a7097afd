"""The verdict says what decides, how sure it is, how much it is and what that costs."""

import re
import shlex
from dataclasses import asdict

import numpy as np
import pytest

import rebox
from rebox.box import FunctionBox
from rebox.cli.fit import _local_command
from rebox.cli.printing import print_verdict
from rebox.fit.gain import FEWEST, MATTERS, HeldOutGain, finding_of
from rebox.fit.question import QueryPrice
from rebox.fit.verdict import ADVICE, ANSWERS, LOCAL, WHOLE, give_verdict
from rebox.metric import Interval

# Per scenario: the distance of two normal classes, in standard deviations, as the local model and
# the box see them; the share of the first class; images of a subject. AUC is Phi(d / sqrt 2).
NOTHING_GAINED = {
    "even classes": (1.0, 1.0, 0.5, 1),
    "a rare class": (1.0, 1.0, 0.1, 1),
    "nearly all right": (3.3, 3.3, 0.5, 1),
    "five images a subject": (1.0, 1.0, 0.5, 5),
}
MUCH_GAINED = {
    "even classes": (1.0, 1.25, 0.5, 1),
    "a rare class": (1.0, 1.25, 0.1, 1),
    "nearly all right": (3.3, 4.5, 0.5, 1),
    "five images a subject": (1.0, 1.25, 0.5, 5),
}
FEW = (2, 5, 10, 20, 50)


def drawn(rng, subjects, local_d, box_d, share, each):
    """Return targets, log-odds by the local model and with the box, and subjects."""
    groups = np.repeat(np.arange(subjects), each)
    truth = (np.arange(subjects) < max(1, round(share * subjects)))[groups].astype(np.intp)
    common = rng.normal(size=subjects)[groups]

    def logits(distance):
        own = rng.normal(size=(subjects, 2)) @ np.sqrt([0.8, 0.2])  # what a subject's images share
        noise = np.sqrt(0.5) * (own[groups] + common)
        odds = distance * ((truth - 0.5) * distance + noise) + np.log(share / (1 - share))
        return np.stack([np.zeros_like(odds), odds], axis=1)

    return truth, logits(local_d), logits(box_d), groups if each > 1 else None


def shares(scenario, subjects, draws):
    """Return how often the box is said to help, and to bring nothing."""
    rng, findings = np.random.default_rng(subjects), []
    for _ in range(draws):
        truth, local, whole, groups = drawn(rng, subjects, *scenario)
        held_out = HeldOutGain(truth, 0, groups)
        gain, sharper = held_out.gain(whole, local), held_out.sharper(whole, local)
        findings.append(finding_of(gain, sharper))
    helps = np.mean([finding in ("helps", "little") for finding in findings])
    return helps, np.mean([finding == "nothing" for finding in findings])


@pytest.mark.parametrize("subjects", [2, 5, 10])
def test_few_images_seldom_tell_what_is_not_so(subjects):
    """Percentiles of resamples and a normal interval did, of 2 images with even classes.

    They said that the box helps in 10 % of draws without a gain, and that it brings nothing in 84 %
    of those with a gain of 0.05 in AUC.
    """
    for name, scenario in NOTHING_GAINED.items():
        assert shares(scenario, subjects, 20)[0] <= 0.05, name
    for name, scenario in MUCH_GAINED.items():
        assert shares(scenario, subjects, 20)[1] <= 0.05, name


@pytest.mark.slow
@pytest.mark.parametrize("subjects", FEW)
def test_an_error_of_the_verdict_is_as_rare_as_its_intervals_say(subjects):
    for name, scenario in NOTHING_GAINED.items():
        assert shares(scenario, subjects, 200)[0] <= 0.05, name
    for name, scenario in MUCH_GAINED.items():
        assert shares(scenario, subjects, 200)[1] <= 0.02, name


def test_enough_images_tell():
    assert shares((1.0, 2.5, 0.5, 1), 100, 10)[0] >= 0.9


# --- the sentence -----------------------------------------------------------------------------


def judged(n=400, box=0.0, local=0.0, noise=1.0, price=0.0, queries=1, seed=0):
    """Return the verdict on readings of strengths ``box`` and ``local``."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 2
    base = rng.normal(size=n)
    readings = {}
    for name, strength, asked in ((LOCAL, local, 0), (WHOLE, box, queries)):
        odds = strength * (2 * truth - 1) + base + noise * rng.normal(size=n)
        readings[name] = (asked, np.stack([np.zeros(n), odds], axis=1))
    return give_verdict(truth, readings, 2, 0, None, QueryPrice(usd=price))


def case_of(finding, **more):
    options = {
        "helps": {"box": 3.0, "local": 0.3},
        "nothing": {"n": 3000, "noise": 0.01, "box": 1.0, "local": 1.0},
        "unknown": {"n": 30, "box": 0.5, "local": 0.5},
        "little": {"n": 4000, "noise": 0.005, "box": 1.006, "local": 1.0},
    }
    verdict = judged(**options[finding], **more)
    assert verdict.finding == finding, str(verdict)
    return verdict


@pytest.mark.parametrize("finding", ["helps", "little", "nothing", "unknown"])
def test_what_decides_is_in_the_sentence(finding):
    verdict = case_of(finding)
    assert f"{verdict.gain:+.3f} in macro AUC" in verdict.words
    assert f"{verdict.sharper:+.3f} nats in log loss" in verdict.words
    assert f"{verdict.images} training samples" in verdict.words
    said = {
        "helps": "The box helps: ",
        "little": "The box helps, but by little: ",
        "nothing": "The box brings nothing that matters here: ",
        "unknown": "It cannot be told from 30 training samples whether the box helps",
    }
    assert verdict.words.startswith(said[finding])


@pytest.mark.parametrize(
    ("price", "queries", "said"),
    [
        (0.0015, 1, "its price of $1.50 per 1,000 predictions"),
        (0.0015, 3, "its price of $4.50 per 1,000 predictions"),
        (0.0, 1, "a query for each prediction"),
        (0.0, 5, "5 queries for each prediction"),
        (None, 1, "a query for each prediction, at a price that nobody has told"),
    ],
)
@pytest.mark.parametrize("finding", ["helps", "little", "nothing", "unknown"])
def test_the_effect_stands_beside_its_price(finding, price, queries, said):
    words = case_of(finding, price=price, queries=queries).words
    assert said in words
    assert ("hardly worth" in words) == (finding == "little")


def interval(low, value, high):
    return Interval(value, low, high)


@pytest.mark.parametrize(
    ("gain", "sharper", "finding"),
    [
        # the cases of the issue: certain of +0.002 in AUC, and of +0.004
        (interval(0.001, 0.002, 0.003), interval(0.001, 0.002, 0.003), "little"),
        (interval(-0.002, 0.004, 0.009), interval(-0.1, 0.05, 0.2), "unknown"),
        (interval(-0.002, 0.004, 0.009), interval(-0.002, 0.004, 0.009), "nothing"),
        (interval(0.001, 0.002, 0.003), interval(0.02, 0.05, 0.08), "helps"),
        (interval(0.02, 0.05, 0.08), interval(-0.08, -0.05, -0.02), "unknown"),
        (interval(-0.08, -0.05, -0.02), interval(-0.8, -0.5, -0.2), "nothing"),
        (interval(-1.0, 0.0, 1.0), interval(0.0, 0.0, 0.0), "unknown"),
        (interval(0.0, 0.0, MATTERS), interval(0.0, 0.0, 0.0), "unknown"),
        # an AUC near its ceiling, of few: the log loss decides, unless the AUC is lower
        (interval(-0.013, 0.049, 0.118), interval(0.089, 0.436, 0.783), "helps"),
        (interval(-0.118, 0.0, 0.118), interval(0.089, 0.436, 0.783), "helps"),
        (interval(-0.118, -0.001, 0.117), interval(0.089, 0.436, 0.783), "unknown"),
        (interval(-0.013, 0.049, 0.118), interval(0.001, 0.005, 0.009), "little"),
        (interval(0.001, 0.049, 0.118), interval(0.001, 0.005, 0.009), "helps"),
    ],
)
def test_the_log_loss_decides_beside_an_auc_that_is_no_lower(gain, sharper, finding):
    assert finding_of(gain, sharper) == finding


def test_what_decides_alone_is_said_to():
    truth, rng = np.arange(16) % 2, np.random.default_rng(0)
    sure = np.where(truth == 1, 4.0, -4.0)
    odds = {LOCAL: 0.4 * sure + rng.normal(size=16), WHOLE: sure + rng.normal(size=16)}
    readings = {name: (int(name == WHOLE), np.stack([0 * x, x], 1)) for name, x in odds.items()}
    verdict = give_verdict(truth, readings, 2, 0)
    assert verdict.finding == "helps"
    assert verdict.gain.low <= 0
    assert "nats in log loss, which decides, for a query" in verdict.words
    assert "which decides" not in case_of("helps").words


@pytest.mark.parametrize("subjects", [2, FEWEST - 1, FEWEST])
def test_of_too_few_subjects_nothing_is_told(subjects):
    """A fit that lacks one of four is wrong about all of them alike, and so looks certain."""
    groups = np.repeat(np.arange(subjects), 5)
    truth = groups % 2
    worse, better = (np.eye(2)[truth] * strength for strength in (-1.0, 1.0))
    verdict = give_verdict(truth, {LOCAL: (0, worse), WHOLE: (1, better)}, 2, 0, groups)
    enough = subjects >= FEWEST
    assert verdict.finding == ("helps" if enough else "unknown")
    assert (verdict.sharper.low > 0) == enough
    assert enough or verdict.sharper.low == -verdict.sharper.high


@pytest.mark.parametrize("n", [2, 4, 12, 60])
def test_readings_that_agree_on_few_images_are_not_known_to_agree(n):
    truth = np.arange(n) % 2
    logits = 9.0 * np.eye(2)[truth]
    verdict = give_verdict(truth, {LOCAL: (0, logits), WHOLE: (1, logits)}, 2, 0)
    assert verdict.gain.value == verdict.sharper.value == 0
    assert verdict.gain.high >= 1 / (n + 1)
    assert verdict.sharper.high >= 1 / (n + 1)
    assert verdict.finding == "unknown"
    assert f"cannot be told from {n} training samples" in verdict.words


def test_two_images_are_not_told_from_chance():
    truth = np.array([0, 1])
    verdict = give_verdict(truth, {WHOLE: (0, 9.0 * np.eye(2))}, 2, 0)
    assert "cannot be told from chance" in verdict.words
    assert verdict.rows[-1].macro_auc == Interval(1.0, 0.0, 1.0)
    assert verdict.rows[0].macro_auc == Interval(0.5, 0.5, 0.5)  # the majority: no estimate


@pytest.mark.slow
def test_the_advice_can_be_followed_in_python():
    x, y = np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 2
    namespace = {"Reprogrammer": rebox.Reprogrammer, "X": x, "y": y}
    for finding in ("little", "nothing", "unknown"):
        verdict = case_of(finding)
        assert ADVICE in verdict.advice
        assert str(verdict) == f"{verdict.words} {verdict.advice}"
    model = eval(ADVICE, namespace)  # noqa: S307 - our own words
    assert model.spent_.total == 0
    assert case_of("helps").advice == ""
    assert str(case_of("helps")) == case_of("helps").words


@pytest.mark.slow
def test_the_words_name_no_option_of_either_place():
    for finding in ("helps", "little", "nothing", "unknown"):
        words = case_of(finding).words
        assert not re.search(r"--\w|\w=", words)


@pytest.mark.parametrize("data", ["d.npz", "a folder/it's", "synthetic:.", "-d.npz"])
def test_the_advice_can_be_followed_on_the_command_line(data, capsys):
    columns = {"label_column": "dx type", "group_column": None}
    command = _local_command({"data": data, **columns, "value_range": "-1,1"})
    assert shlex.split(command) == [
        *("rebox", "fit", "--recipe", "local", f"--data={data}"),
        *("--label-column=dx type", "--value-range=-1,1", "--out", "local.rebox"),
    ]
    print_verdict(case_of("unknown"), command)
    assert command in capsys.readouterr().out
    print_verdict(case_of("helps"), command)
    assert command not in capsys.readouterr().out


def test_a_map_is_compared_by_both_figures_and_without_a_finding():
    truth, rng = np.arange(60) % 2, np.random.default_rng(1)
    readings = {}
    for name, strength in ((LOCAL, 0), (ANSWERS, 2)):
        odds = rng.normal(size=60) + strength * truth
        readings[name] = (int(name == ANSWERS), np.stack([np.zeros(60), odds], axis=1))
    verdict = give_verdict(truth, readings, 2, 0)
    assert "in macro AUC" in verdict.words
    assert "nats in log loss" in verdict.words
    assert verdict.finding is None
    assert verdict.advice == ""


def test_what_a_fit_says_is_kept_and_is_in_the_record(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(24, 4)), np.arange(24) % 2
    box = FunctionBox(
        lambda images: np.full((len(images), 3), 1 / 3), size=4, classes=3, identity="e"
    )
    model = rebox.Reprogrammer(box, budget=24, random_state=0).fit(x, y)
    verdict = model.verdict_
    assert "cannot be told from 24 training samples" in verdict.words
    assert asdict(verdict).keys() == {"rows", "images", "gain", "sharper", "words", "boxes"}
    model.save(tmp_path / "m.rebox")
    assert rebox.Reprogrammer.load(tmp_path / "m.rebox", box).verdict_ == verdict


@pytest.mark.parametrize("images", [1, 3, 50])
def test_more_images_of_the_same_subjects_are_not_said_to_tell(images):
    truth = np.repeat(np.arange(4) % 2, images)
    odds = np.random.default_rng(0).normal(size=(2, len(truth), 2))
    groups = np.repeat(np.arange(4), images) if images > 1 else None
    readings = {LOCAL: (0, odds[0]), WHOLE: (1, odds[1])}
    verdict = give_verdict(truth, readings, 2, 0, groups)
    assert verdict.finding == "unknown"
    wanted = "More labelled samples" if groups is None else "Samples of more subjects"
    assert verdict.words.endswith(f"{wanted} would tell.")
