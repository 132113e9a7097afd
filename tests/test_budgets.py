"""Budgets of 1 to 30 queries give a usable model, or are refused before anything is asked.

`benchmarks/budgets.py` says what that takes and goes through the whole grid.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rebox
from rebox.box import FunctionBox
from rebox.reading import Answered, TrainingSet, fit_reader
from rebox.recipe import RECIPES

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
import budgets

pytestmark = pytest.mark.slow

SOME = np.random.default_rng(0).choice(np.array(budgets.cases(), dtype=object), 24, replace=False)
CASES = st.builds(
    budgets.Case,
    method=st.sampled_from(sorted(budgets.METHODS)),
    asked=st.sampled_from(budgets.ASKED),
    samples=st.sampled_from(sorted(budgets.KINDS)),
    box=st.sampled_from(sorted(budgets.BOXES)),
    budget=st.integers(1, 30),
)


def test_every_recipe_is_in_the_grid():
    assert {name.partition("?")[0] for name in budgets.METHODS} == set(RECIPES)


@pytest.mark.parametrize("case", SOME, ids=str)
def test_a_small_budget_gives_a_usable_model(case):
    assert budgets.went(case) in budgets.KNOWN


@pytest.mark.parametrize("kind", budgets.KINDS)
def test_one_answer_is_enough_for_a_student(kind):
    """Nobody is left to imitate it by: once, that divided by zero after the query was paid."""
    assert budgets.went(budgets.Case("auto", 0, kind, "scores", 1)) in budgets.KNOWN


@settings(max_examples=20, deadline=None)
@given(CASES)
def test_any_small_budget_gives_a_usable_model(case):
    assert budgets.went(case) in budgets.KNOWN


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("asked", [1, 2, 5])
def test_answers_about_one_subject_are_not_imitated(asked):
    rng = np.random.default_rng(0)
    spec = FunctionBox(len, size=4, classes=3).spec
    scores = rng.dirichlet(np.ones(3), asked).astype(np.float32)
    known = TrainingSet(
        imitated=[Answered(spec, scores)],
        local=[rng.normal(size=(20, 4)).astype(np.float32)],
        targets=np.arange(20) // 5 % 2,
        n_targets=2,
        groups=np.arange(20) // 5,
    )
    reader = fit_reader(known).reader
    assert "student" not in [expert.name for expert in reader.experts]


def test_the_benchmark_finds_faults():
    """A box that cannot be asked twice, and an answer that is lost, are told."""
    case = budgets.Case("map", 1, "rows", "scores", 9)
    asked = []

    def breaks(images):
        asked.append(len(images))
        raise ZeroDivisionError("out of paper")

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(budgets.BOXES, "scores", (breaks, {}, {}))
        assert "out of paper" in budgets.went(case)
    assert asked
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            rebox.Reprogrammer, "predict_proba", lambda _, x: np.full((len(x), 2), np.nan)
        )
        assert "not finite" in budgets.went(case)
