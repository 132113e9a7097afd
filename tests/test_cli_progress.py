"""What is shown of a run's progress: a bar in a terminal, a line at times in a log."""

import io

import pytest
from rich.console import Console

from rebox.cli.progress import INTERVAL_S, ProgressBar
from rebox.fit import PhaseStarted, StepTaken, Stopped, Working
from rebox.meter import Spent


def spent(mapped, searched=0):
    return Spent(map=mapped, search=searched, usd=0.001 * (mapped + searched))


def watched(events, *, terminal=False):
    """Return what is printed of (seconds, event)."""
    now = [0.0]
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
    with ProgressBar(console, clock=lambda: now[0]) as bar:
        for now[0], event in events:
            bar(event)
    return console.file.getvalue()


def run(seconds):
    """Events of a fit of two phases, evenly over ``seconds``."""
    events = [PhaseStarted(spent=spent(0), purpose="map", planned=40)]
    events += [StepTaken(spent=spent(n), purpose="map", step=n) for n in range(1, 41)]
    events += [PhaseStarted(spent=spent(40), purpose="search", planned=20)]
    events += [
        StepTaken(spent=spent(40, n), purpose="search", step=n, loss=1 / n) for n in range(1, 21)
    ]
    events += [Working(spent=spent(40, 20), what="reading answers")]
    events += [Stopped(spent=spent(40, 20), reason="done")]
    return [(seconds * i / (len(events) - 1), event) for i, event in enumerate(events)]


@pytest.mark.parametrize("seconds", [0, 1, INTERVAL_S - 1])
def test_a_short_run_prints_nothing_into_a_pipe(seconds):
    assert watched(run(seconds)) == ""


@pytest.mark.parametrize("minutes", [1, 5, 60])
def test_a_long_run_prints_a_line_at_intervals_and_where_something_else_begins(minutes):
    lines = watched(run(60 * minutes)).splitlines()
    most = 60 * minutes / INTERVAL_S + 2
    assert 2 <= len(lines) <= most
    assert lines[-1] == "rebox: reading answers: 20 of 20 queries, $0.0600, loss 0.0500"
    assert any(line.startswith("rebox: search: 0 of 20 queries") for line in lines)
    assert all(line.startswith("rebox: ") for line in lines)


def test_a_line_says_how_far_it_is():
    line = watched(run(600)).splitlines()[0]
    assert line == "rebox: map: 4 of 40 queries, $0.0040"


def test_the_bar_names_what_is_done_after_the_last_query():
    shown = watched(run(1), terminal=True)
    assert "20/20 queries" in shown
    assert "reading answers" in shown
    assert "rebox:" not in shown
