"""Virtual environments that tests make for software that shall not be a dependency of rebox.

They are made once, kept in the folder that ``REBOX_TEST_ENVS`` names or in pytest's cache, and
shared by all processes of a test run.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from once import locked

STAMP = "complete"
INSTALL_S = 1800
RUN_S = 300
OFFLINE = (  # what pip says when no index answers; anything else is an error of ours
    "connection error",
    "newconnectionerror",
    "connecttimeouterror",
    "max retries exceeded",
    "temporary failure in name resolution",
    "from versions: none",
)


def environment(name, requirements, cache):
    """Return the Python of a virtual environment that holds ``requirements``.

    Parameters
    ----------
    name : str
        Of its folder.
    requirements : sequence of str
        Pinned: ``package==version``. Others than before make another environment.
    cache : pytest.Cache
        pytest's cache, for when ``REBOX_TEST_ENVS`` names no folder.

    Returns
    -------
    Path of the interpreter. The test is skipped where no package index can be reached.
    """
    root = Path(os.environ.get("REBOX_TEST_ENVS") or cache.mkdir("environments"))
    root.mkdir(parents=True, exist_ok=True)
    text = "\n".join([sys.version, *requirements])
    folder = root / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    python = folder / "bin" / "python"
    with locked(folder.with_suffix(".lock")):
        # without the stamp it is the rest of a run that was stopped
        if not (folder / STAMP).exists():
            _make(folder, python, requirements)
            (folder / STAMP).write_text(text)
    return python


def _make(folder, python, requirements):
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    command = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *requirements]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=INSTALL_S, env=clean(), check=False
    )
    if done.returncode == 0:
        return
    if any(words in done.stderr.lower() for words in OFFLINE):
        pytest.skip(f"no package index has {', '.join(requirements)}: {done.stderr[-300:]}")
    pytest.fail(f"pip could not install {', '.join(requirements)}: {done.stderr[-2000:]}")


def clean():
    """Return the environment variables without those that lead to this interpreter's packages."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}


def run_script(python, script, **given):
    """Return what ``script`` prints as JSON, in an environment, when it is told ``given``."""
    done = subprocess.run(
        [python, "-W", "ignore", "-c", script],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=RUN_S,
        env=clean() | {"NO_PROXY": "127.0.0.1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
