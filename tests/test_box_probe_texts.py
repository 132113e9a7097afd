"""Probing a box of texts; the boxes are functions."""

import numpy as np
import pytest
from texts import scores, text_box
from typer.testing import CliRunner

from rebox.box import TEXT_QUESTIONS, FunctionBox, LimitedBox, probe_texts
from rebox.cli import boxes
from rebox.cli.app import app


def test_it_asks_17_questions_and_sees_an_exact_box():
    box = text_box()
    report = probe_texts(box.ask, box.spec)
    assert box.answered == report.questions == TEXT_QUESTIONS == 17
    assert report.deterministic
    assert report.sums_to_one
    assert (report.fewest_scores, report.most_scores, report.decimals) == (3, 3, None)
    assert 0 < report.blank_change < 0.1
    assert report.capitals_change == 0
    assert f"box              {box.spec.identity}" in report.lines()


def test_it_sees_rounding_labels_and_chance():
    rounded = LimitedBox(text_box(), decimals=2)
    assert probe_texts(rounded.ask, rounded.spec).decimals == 2
    labels = LimitedBox(text_box(), labels_only=True)
    report = probe_texts(labels.ask, labels.spec)
    assert (report.fewest_scores, report.most_scores) == (1, 1)
    rng = np.random.default_rng(0)
    chance = text_box(lambda texts: scores(texts) * rng.uniform(0.9, 1.1, (len(texts), 1)))
    report = probe_texts(chance.ask, chance.spec)
    assert not report.deterministic
    assert any("asked again      scores change by up to" in line for line in report.lines())


def test_it_sees_capitals():
    box = FunctionBox(
        lambda texts: [[0.9, 0.1] if text.isupper() else [0.2, 0.8] for text in texts],
        takes="texts",
        classes=2,
    )
    assert probe_texts(box.ask, box.spec).capitals_change == pytest.approx(0.7)


@pytest.mark.parametrize(("budget", "code"), [("17", 0), ("16", 1)])
def test_the_command_line_probes_texts(monkeypatch, budget, code):
    monkeypatch.setattr(boxes, "open_box", lambda _: text_box())
    done = CliRunner().invoke(app, ["box", "probe", "http:x", "--budget", budget])
    assert done.exit_code == code
    if code == 0:
        assert "takes            texts" in done.output
        assert "17 queries" in done.output
    else:
        assert "a probe asks 17 questions" in str(done.exception)
