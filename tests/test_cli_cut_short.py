"""Fits on the command line that are cut short: real signals, exit codes, and the last lines."""

import os
import signal
import time

import numpy as np
import pytest
from zygote import IMAGES, SIDE, Zygote, data

from rebox import Reprogrammer
from rebox.box.rehearsal import RehearsalBox
from rebox.meter import Journal, accounts
from rebox.rehearsal import Limits, Rehearsal

pytestmark = pytest.mark.slow

if not hasattr(os, "fork"):
    pytest.skip("no fork on this system", allow_module_level=True)

IN_FLIGHT = 2
SLOW_S = 0.1  # of an answer: a fit of 60 takes seconds


@pytest.fixture(scope="module")
def zygote():
    started = Zygote(OMP_NUM_THREADS="1", COLUMNS="200")
    yield started
    started.close()


@pytest.fixture
def quota():
    return None


@pytest.fixture
def service(quota):
    model = RehearsalBox(classes=5, size=SIDE, pixels="uint8")
    slow = SLOW_S if quota is None else 0.0
    limits = Limits(batch_size=1, latency_s=slow, price_usd=0.002, quota=quota)
    with Rehearsal("azure-custom-vision", model, limits=limits) as rehearsal:
        yield rehearsal


@pytest.fixture
def begin(tmp_path, zygote, service):
    """Begin ``rebox fit`` and return its process once some questions have been answered."""
    x, y = data()
    np.savez(tmp_path / "data.npz", x=x, y=y)
    uri = f"{service.uri}&size={SIDE}&in_flight={IN_FLIGHT}&per_second=10000&price_usd=0.002"

    def fork(recipe="map", journal="journal.sqlite", answered=7):
        kept = "none" if journal is None else str(tmp_path / journal)
        arguments = ["fit", "--box", uri, "--data", str(tmp_path / "data.npz"), "--yes"]
        arguments += ["--recipe", recipe, "--budget", "200", "--journal", kept]
        arguments += ["--out", str(tmp_path / "model.rebox")]
        pid = zygote.fork("command", arguments=arguments, log=str(tmp_path / "log"))
        until = time.monotonic() + 60
        while service.bill.queries < answered and time.monotonic() < until:
            time.sleep(0.01)
        return pid

    return fork


@pytest.mark.parametrize("recipe", ["map", "auto", "bar?mapping=random&m=1"])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_model_of_all_that_was_paid_for(
    tmp_path, zygote, service, begin, recipe, number, code
):
    pid = begin(recipe)
    os.kill(pid, number)
    assert zygote.reap(pid) == code
    said = (tmp_path / "log").read_text()
    paid = service.bill.queries
    assert 7 <= paid < IMAGES
    assert f"{paid} answers were paid for, and the model has all of them." in said
    last = said.strip().splitlines()[-1]
    assert last.startswith("To go on, type the same command with --force: ")
    assert "journal.sqlite gives those answers, and only the rest is asked." in last
    with Journal(tmp_path / "journal.sqlite") as journal:
        assert accounts(journal)[0].answered == paid
    model = Reprogrammer.load(tmp_path / "model.rebox", journal=False)
    assert len(model.predict(data()[0][:2])) == 2


def test_without_a_journal_it_says_what_that_means(tmp_path, zygote, begin):
    pid = begin(journal=None)
    os.kill(pid, signal.SIGTERM)
    assert zygote.reap(pid) == 143
    last = (tmp_path / "log").read_text().strip().splitlines()[-1]
    assert "no journal was kept, so all is asked again; with --journal FILE" in last


def test_a_second_signal_ends_it_at_once_and_the_journal_has_what_was_answered(
    tmp_path, zygote, service, begin
):
    pid = begin("auto")
    os.kill(pid, signal.SIGSTOP)  # both are there before it can end well
    os.kill(pid, signal.SIGINT)
    os.kill(pid, signal.SIGCONT)
    time.sleep(0.7)
    os.kill(pid, signal.SIGINT)
    assert zygote.reap(pid) == 130
    with Journal(tmp_path / "journal.sqlite") as journal:
        assert accounts(journal)[0].answered >= service.bill.queries - IN_FLIGHT


@pytest.mark.parametrize("quota", [33, 59])
@pytest.mark.parametrize("recipe", ["map", "auto"])
def test_a_quota_leaves_a_model_and_exit_code_2(tmp_path, zygote, begin, service, recipe, quota):
    assert zygote.reap(begin(recipe, answered=0)) == 2
    assert service.bill.queries == quota
    said = (tmp_path / "log").read_text()
    assert f"{quota} answers were paid for, and the model has all of them." in said
    assert said.strip().splitlines()[-1].startswith("rebox: error: ")
