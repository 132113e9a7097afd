"""Ctrl-C that is raised where Python forgets it: it comes again, and the command ends."""

import signal
import subprocess
import sys

import pytest
import signals_lost


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("case", signals_lost.CASES, ids=lambda case: case.__name__)
def test_a_signal_that_was_lost_comes_again(case, number):
    """In a process of its own: signals are of a whole process, and one that errs ends it."""
    command = [sys.executable, "-X", "faulthandler", signals_lost.__file__]
    command += [case.__name__, str(int(number))]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stdout + ended.stderr
