"""Runs that are killed, and runs that share: real processes, real SIGKILL, a rehearsal service.

The service is ours (`rebox.rehearsal`); what it bills is what the books are held against.
"""

import importlib
import os
import random
import signal
import time
from pathlib import Path

import pytest
from zygote import IMAGES, SIDE, Zygote

from rebox.box.rehearsal import RehearsalBox
from rebox.meter import Journal, accounts, faults
from rebox.rehearsal import Limits, Rehearsal

if not hasattr(os, "fork"):
    pytest.skip("no fork on this system", allow_module_level=True)

pytestmark = pytest.mark.slow  # a hundred processes

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
KILLS = 50
IN_FLIGHT = 3
# the recipe, how many questions it asks, and a budget with room for what a kill wastes
RUNS = {"auto": 3 * IMAGES + 3, "bar?q=2&epochs=1&mapping=random&m=2&batch=10": 3 * IMAGES}
SPARE = 150


@pytest.fixture(scope="module")
def zygote():
    started = Zygote(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    yield started
    started.close()


@pytest.fixture(scope="module")
def service():
    model = RehearsalBox(classes=5, size=SIDE, pixels="uint8")
    limits = Limits(batch_size=1, latency_s=0.005, price_usd=0.002)
    with Rehearsal("azure-custom-vision", model, limits=limits) as rehearsal:
        yield rehearsal


def uri_of(service):
    return f"{service.uri}&size={SIDE}&in_flight={IN_FLIGHT}&per_second=10000&price_usd=0.002"


@pytest.mark.parametrize("recipe", RUNS)
def test_a_killed_run_goes_on_as_if_nothing_had_been(tmp_path, zygote, service, recipe):
    """25 kills for each recipe, 50 in all, at moments drawn from the length of a run."""
    needed = RUNS[recipe]
    begun, bill = time.monotonic(), service.bill.queries
    whole = tmp_path / "whole.rebox"
    job = {"uri": uri_of(service), "recipe": recipe, "budget": needed + SPARE}
    pid = zygote.fork("fit", **job, journal=str(tmp_path / "whole.sqlite"), out=str(whole))
    assert zygote.reap(pid) == 0
    length = time.monotonic() - begun
    assert service.bill.queries - bill == needed

    draw = random.Random(20)  # noqa: S311 - moments, not secrets
    kills = 0
    life = 0
    while kills < KILLS // len(RUNS):
        life += 1
        kills += live(tmp_path, zygote, service, job, life, length, draw, whole.read_bytes())
    assert life >= 2


def live(tmp_path, zygote, service, job, life, length, draw, expected):
    """Run one fit to its end, however often it is killed; return how often that was."""
    before = service.bill.queries
    out, journal = tmp_path / f"{life}.rebox", tmp_path / f"{life}.sqlite"
    kills = 0
    while True:
        pid = zygote.fork("fit", **job, journal=str(journal), out=str(out))
        time.sleep(draw.uniform(0, length))
        os.kill(pid, signal.SIGKILL)  # it may have ended, but is still to be reaped
        code = zygote.reap(pid)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        kills += 1
    billed = service.bill.queries - before
    assert billed <= job["budget"]
    assert billed <= RUNS[job["recipe"]] + kills * IN_FLIGHT
    assert out.read_bytes() == expected
    with Journal(journal) as opened:
        (line,) = accounts(opened)
        assert line.billed >= billed  # what nobody heard the end of counts as billed
        assert line.billed <= job["budget"]
        assert line.answered >= RUNS[job["recipe"]]
        assert faults(opened) == []
    return kills


def test_runs_of_the_command_line_lose_nothing_and_leave_all_of_it(monkeypatch):
    """A small share of what `benchmarks/kills.py` measures."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    counts = importlib.import_module("kills").measure(12, 8, seed=20)
    assert sum(count.kills for count in counts.values()) >= 12
    assert sum(count.signals for count in counts.values()) >= 8
    for count in counts.values():
        assert (count.lost, count.twice, count.over, count.other, count.faults) == (0,) * 5
        assert (count.wrong_codes, count.unused, count.notes) == (0, 0, [])


def test_eight_processes_that_are_killed_share_a_budget_for_three_boxes(monkeypatch):
    """The measurement of ``benchmarks/several_kills.py``, with a tenth of its kills."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    for count in importlib.import_module("several_kills").measure(20, 1, seed=7).values():
        assert count.rounds == 1
        assert (count.over_queries, count.over_dollars, count.unbooked) == (0, 0, 0)
        assert (count.lost, count.twice, count.wrong, count.faults) == (0, 0, 0, 0)


def test_eight_processes_that_are_killed_share_a_cap_for_tokens(monkeypatch):
    """The measurement of ``benchmarks/chat_kills.py``, with a tenth of its kills."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    for count in importlib.import_module("chat_kills").measure(10, 1, seed=7).values():
        assert count.rounds == 1
        assert count.billed > 500
        assert (count.over, count.over_nano, count.unbooked_nano) == (0, 0, 0)
        assert (count.lost, count.twice, count.again, count.wrong, count.faults) == (0,) * 5


@pytest.fixture(params=["file", "server"])
def journal(request, tmp_path):
    """Where a journal is kept: in a file, or on a real PostgreSQL server."""
    if request.param == "file":
        return str(tmp_path / "shared.sqlite")
    return request.getfixturevalue("postgres").new()


@pytest.mark.parametrize("processes", [pytest.param(2, marks=pytest.mark.long), 8])
def test_processes_share_a_budget(zygote, service, journal, processes):
    before = service.bill.queries
    job = {"uri": uri_of(service), "journal": journal, "budget": 1000}
    pids = [zygote.fork("ask_until_spent", **job, seed=seed) for seed in range(processes)]
    assert [zygote.reap(pid) for pid in pids] == [0] * processes
    assert service.bill.queries - before == 1000
    with Journal(journal) as opened:
        (line,) = accounts(opened)
        assert (line.asked, line.answered, line.billed) == (1000, 1000, 1000)
        assert line.usd == pytest.approx(2.0, abs=1e-12)
        assert faults(opened) == []


def test_fits_that_share_an_account_stay_within_its_budget(tmp_path, zygote, service, journal):
    before = service.bill.queries
    job = {"uri": uri_of(service), "recipe": "auto", "journal": journal, "account": "team"}
    pids = [
        zygote.fork("fit", **job, budget=500, seed=seed, out=str(tmp_path / f"{seed}.rebox"))
        for seed in range(4)
    ]
    assert [zygote.reap(pid) for pid in pids] == [0] * 4  # each ends with a usable model
    assert all((tmp_path / f"{seed}.rebox").is_file() for seed in range(4))
    assert service.bill.queries - before <= 500
    with Journal(journal) as opened:
        assert accounts(opened)[0].billed <= 500
