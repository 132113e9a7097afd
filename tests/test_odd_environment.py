"""Whatever the machine is like: a fit ends well, or in one line, and never in a traceback."""

import os
import resource
import subprocess
import sys

import numpy as np
import pytest


def few_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))


def small_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))


SETTINGS = {
    "no home": {"HOME": None},
    "a home that is a file": {"HOME": "/etc/passwd", "XDG_DATA_HOME": "/etc/passwd"},
    "no folder for temporary files": {"TMPDIR": "/nowhere"},
    "no locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "a terminal of ASCII": {"PYTHONIOENCODING": "ascii"},
    "a terminal of no width": {"COLUMNS": "0", "LINES": "-3", "TERM": "none"},
    "a proxy that is none": {"ALL_PROXY": "socks://127.0.0.1:7890", "HTTPS_PROXY": "x:y"},
    "certificates that are none": {"SSL_CERT_FILE": "/nowhere.pem", "SSL_CERT_DIR": "/nowhere"},
    "a journal in no folder": {"REBOX_JOURNAL": "/nowhere/j.sqlite"},
    "hosts that are none": {"REBOX_TRUSTED": ",, ,$(x)\x1b"},
    "threads that are none": {"OMP_NUM_THREADS": "many"},
}


def run(folder, more=None, **options):
    np.savez(folder / "d.npz", x=np.random.default_rng(0).random((12, 8, 8)), y=np.arange(12) % 2)
    changed = os.environ | {"COLUMNS": "80"} | {k: v for k, v in (more or {}).items() if v}
    environment = {k: v for k, v in changed.items() if (more or {}).get(k, v)}
    arguments = ["fit", "--box=rehearsal:?classes=4&size=8", "--data=d.npz", "--out=m.rebox"]
    command = [sys.executable, "-m", "rebox", *arguments, "--budget=12", "--recipe=map"]
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run(command, cwd=folder, env=environment, check=False, **given)


def assert_ended(done, folder):
    said = (done.stdout or b"") + (done.stderr or b"")
    assert b"Traceback" not in said, said.decode(errors="replace")[-2000:]
    assert done.returncode == 0 or done.stderr.splitlines()[-1].startswith(b"rebox: error: ")
    assert (folder / "m.rebox").exists() == (done.returncode == 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        name if place % 3 == 0 else pytest.param(name, marks=pytest.mark.long)
        for place, name in enumerate(SETTINGS)
    ],
)
def test_a_fit_ends_well_or_in_one_line(name, tmp_path):
    assert_ended(run(tmp_path, SETTINGS[name]), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [few_files, small_files])
def test_a_fit_within_limits_ends_well_or_in_one_line(limit, tmp_path):
    assert_ended(run(tmp_path, preexec_fn=limit), tmp_path)


@pytest.mark.slow
def test_a_model_that_was_paid_for_is_written_though_nothing_can_be_printed(tmp_path):
    with open("/dev/full", "wb") as full:  # noqa: PTH123 - a device
        run(tmp_path, stdout=full)
    assert (tmp_path / "m.rebox").exists()


@pytest.mark.slow
def test_a_fit_with_nobody_at_either_end_is_saved(tmp_path):
    done = run(tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    assert_ended(done, tmp_path)
