"""Batches of processes that are killed: in every phase, and by many that share a cap.

Real processes and real SIGKILL; the service is ours (`fake_batches`).
"""

import os
import signal
import time

import pytest
from fake_batches import EACH_NANO, FakeBatches, uri_of
from zygote import PHASES, Zygote

from rebox.meter import Journal, accounts, faults

if not hasattr(os, "fork"):
    pytest.skip("no fork on this system", allow_module_level=True)

pytestmark = [pytest.mark.slow, pytest.mark.long]

LINES = 40
FEW = [*PHASES][::4]


@pytest.fixture(scope="module")
def zygote():
    keys = {"OPENAI_API_KEY": "none", "ANTHROPIC_API_KEY": "none"}
    started = Zygote(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", **keys)
    yield started
    started.close()


@pytest.fixture
def fake():
    with FakeBatches(latency_s=0.4) as service:
        yield service


@pytest.fixture(params=["file", "server"])
def journal(request, tmp_path):
    """Where a journal is kept: in a file, or on a real PostgreSQL server."""
    if request.param == "file":
        return str(tmp_path / "j.sqlite")
    asked = request.node.callspec.params
    if "anthropic" in asked.values() or asked.get("phase", FEW[0]) not in FEW:
        pytest.skip("a journal does not know protocols: on the server a few phases are enough")
    return request.getfixturevalue("postgres").new()


def books(journal):
    with Journal(journal) as opened:
        assert faults(opened) == []
        return accounts(opened)


@pytest.fixture(scope="module")
def expected(zygote, tmp_path_factory):
    """The models that are fitted where nobody is killed, by protocol."""
    found = {}
    for protocol in ("openai", "anthropic"):
        folder = tmp_path_factory.mktemp(protocol)
        with FakeBatches() as fake:
            job = {"uri": uri_of(fake, protocol), "journal": str(folder / "j.sqlite")}
            out = folder / "m.rebox"
            pid = zygote.fork("fit_in_batches", **job, out=str(out), phase=None)
            assert zygote.reap(pid) == 0
            found[protocol] = _without_address(out.read_bytes(), fake.port)
    return found


def _without_address(model, port):
    """Return a model's arrays: its address is another each time."""
    import json
    import struct

    (size,) = struct.unpack("<Q", model[:8])
    head = json.loads(model[8 : 8 + size])
    assert str(port) in json.dumps(head)
    return model[8 + size :]


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
@pytest.mark.parametrize("phase", PHASES)
def test_whoever_comes_after_pays_nothing_twice(
    tmp_path, zygote, fake, expected, journal, protocol, phase
):
    out = tmp_path / "m.rebox"
    job = {"uri": uri_of(fake, protocol), "journal": journal, "out": str(out)}
    pid = zygote.fork("fit_in_batches", **job, phase=phase)
    assert zygote.reap(pid) == -signal.SIGKILL
    assert not out.exists()
    pid = zygote.fork("fit_in_batches", **job, phase=None)
    assert zygote.reap(pid) == 0
    assert len(fake.billed) == len(set(fake.billed)) == LINES
    assert (len(fake.batches), fake.live) == (1, 0)
    assert _without_address(out.read_bytes(), fake.port) == expected[protocol]
    (line,) = books(journal)
    assert (line.answered, line.billed, line.unsettled) == (LINES, LINES, 0)
    assert line.usd == pytest.approx(LINES * EACH_NANO / 1e9, abs=1e-12)


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_eight_processes_of_one_fit_that_are_killed_pay_for_it_once(
    tmp_path, zygote, fake, journal, protocol
):
    job = {"uri": uri_of(fake, protocol), "journal": journal}
    phases = [*PHASES][1:]
    for life in range(3):
        named = [phases[(4 * life + place) % len(phases)] for place in range(4)]
        pids = [
            zygote.fork("fit_in_batches", **job, out=str(tmp_path / f"{place}.rebox"), phase=phase)
            for place, phase in enumerate([*named, None, None, None, None])
        ]
        time.sleep(0.2 * life)
        os.kill(pids[-1], signal.SIGKILL)
        codes = [zygote.reap(pid) for pid in pids]
        assert set(codes) <= {0, -signal.SIGKILL}
    assert (
        zygote.reap(zygote.fork("fit_in_batches", **job, out=str(tmp_path / "m"), phase=None)) == 0
    )
    assert len(fake.billed) == len(set(fake.billed)) == LINES
    (line,) = books(journal)
    assert (line.answered, line.billed, line.unsettled) == (LINES, LINES, 0)


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
def test_eight_fits_that_are_killed_share_a_cap_in_dollars(
    tmp_path, zygote, fake, journal, protocol
):
    """Each fit has questions of its own; the cap pays for half of them."""
    cap = 4 * LINES * EACH_NANO / 1e9
    more = "&tokens_in=100&tokens_out=2"
    job = {"uri": uri_of(fake, protocol, more), "journal": journal, "usd": cap}
    phases = [*PHASES]
    for life in range(3):
        pids = [
            zygote.fork(
                "fit_in_batches",
                **job,
                account="team",
                out=str(tmp_path / f"{seed}.rebox"),
                seed=seed,
                phase=phases[(seed + 3 * life) % len(phases)] if life < 2 else None,
            )
            for seed in range(8)
        ]
        codes = [zygote.reap(pid) for pid in pids]
        spent = len(fake.billed) * EACH_NANO / 1e9
        assert spent <= cap
    assert -signal.SIGKILL not in codes
    assert len(fake.billed) == len(set(fake.billed))
    (line,) = books(journal)
    assert (line.billed, line.unsettled) == (len(fake.billed), 0)
    assert line.usd == pytest.approx(spent, abs=1e-12)
    assert line.usd <= cap
