"""The rule of the verdict, by readers that are cross-validated: `benchmarks/VERDICT.md`."""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from rebox.fit.gain import gains_over
from rebox.study.bench import read_ledger

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from verdict_power import (
    LEDGER,
    SCENARIOS,
    Scenario,
    Task,
    both,
    cell_of,
    loss_of_enough,
    spelled,
    trained,
)


@pytest.fixture(scope="module")
def rows():
    """Every draw that is committed, with what its key says."""
    return [{**row, **cell_of(row)} for row in read_ledger(LEDGER)]


@pytest.mark.parametrize("part", ["all", "half"])
@pytest.mark.parametrize("by", ["kind", "labels", "classes"])
def test_a_box_that_brings_nothing_is_said_to_help_less_often_than_one_in_twenty(rows, part, by):
    wrong = defaultdict(list)
    for row in rows:
        if row[part] is not None and not SCENARIOS[row["kind"]].gains:
            wrong[row[by]].append(loss_of_enough(row[part]))
    assert sum(map(len, wrong.values())) > 1000
    assert max(map(np.mean, wrong.values())) < 0.05


def test_it_finds_more_than_both_intervals_did(rows):
    """Of few, and near the ceiling of AUC, where they could not tell."""
    gained = [
        row["half"]
        for row in rows
        if row["kind"] in ("large gain", "gain near the ceiling") and row["labels"] in ("20", "30")
    ]
    assert np.mean(list(map(loss_of_enough, gained))) > np.mean(list(map(both, gained))) + 0.1


@pytest.mark.slow
def test_the_verdict_goes_by_the_rule_that_was_chosen():
    said = []
    for seed in range(1000, 1030):
        task = Task(Scenario(), 2, np.random.default_rng(seed))
        drawn = task.draw(20)
        whole = trained(drawn, task, asked=True)
        ours, theirs = whole.out_of_fold, whole.without_answers
        gain, sharper, finding = gains_over(drawn.targets, ours, theirs, seed)
        figures = {"gain": spelled(gain), "sharper": spelled(sharper), "subjects": 20}
        said.append(finding in ("helps", "little"))
        assert said[-1] == loss_of_enough(figures)
    assert np.mean(said) <= 0.05
