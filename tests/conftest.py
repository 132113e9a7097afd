"""Fixtures that several test files share."""

import contextlib
import importlib
import os
import signal
import sys
import tempfile
from pathlib import Path

# As many processes as cores, each with as many threads, wait for one another most of the time. It
# has to be said before NumPy is imported, and counts for what the tests start as well.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from postgres_server import postgres  # noqa: F401 - a fixture

import rebox  # noqa: F401 - before any test imports ONNX Runtime, which would report it

# What the tests use for a key. Nothing that rebox writes, prints or raises may hold it: after the
# last test every file that a test has left, and every word it has printed, is searched for it.
SECRET = "rebox-secret-2f1c9d"  # noqa: S105 - no key of anybody's
KEY_VARIABLES = ("CLARIFAI_PAT", "AZURE_CUSTOM_VISION_KEY", "HF_TOKEN", "GOOGLE_OAUTH_ACCESS_TOKEN")


def pytest_collection_modifyitems(items):
    """Skip what takes long, unless it is asked for: CI has half an hour."""
    if os.environ.get("REBOX_LONG"):
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="takes long: set REBOX_LONG=1"))


@pytest.fixture(scope="session", autouse=True)
def service_keys():
    """Keys of services."""
    with pytest.MonkeyPatch.context() as patch:
        for name in KEY_VARIABLES:
            patch.setenv(name, SECRET)
        yield


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Ctrl-C, for this process and those it starts: a script's background job ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def own_journal(monkeypatch, tmp_path):
    """A default journal that is not the user's own."""
    monkeypatch.setenv("REBOX_JOURNAL", str(tmp_path / "default-journal.sqlite"))


class Unprivileged:
    """A folder that is taken away: it may be read then, and nothing in it written.

    Root may write anything, so that a process of root's is nobody's for as long.
    """

    def __init__(self, folder):
        self.folder = folder

    @contextlib.contextmanager
    def reading_only(self, folders=0o555):
        """Close everything in it to writing; folders in it may be ``folders``."""
        for path in self.folder.iterdir():
            path.chmod(folders if path.is_dir() else 0o444)
        self.folder.chmod(0o555)
        root = os.geteuid() == 0
        if root:
            os.seteuid(NOBODY)
        try:
            yield
        finally:
            if root:
                os.seteuid(0)
            for path in (self.folder, *self.folder.iterdir()):
                path.chmod(0o755)


NOBODY = 65534


@pytest.fixture
def unprivileged():
    """A folder that everybody can reach, as pytest's own cannot be by others."""
    if os.name == "nt":
        pytest.skip("permissions are of POSIX here")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Unprivileged(Path(folder))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Search what a test printed, logged and raised."""
    report = yield
    said = [text for _, text in report.sections] + [str(report.longrepr or "")]
    if any(SECRET in text for text in said):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} let the key out, in what it printed, logged or raised"
    return report


def pytest_sessionfinish(session):
    """Search every file that the tests have left; with several workers, those of all of them."""
    if hasattr(session.config, "workerinput"):
        return
    leaks = files_with_key(session.config._tmp_path_factory.getbasetemp())
    for path in leaks:
        sys.stderr.write(f"\nthe key stands in {path}\n")
    if leaks:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def files_with_key(folder):
    """Return the files under ``folder`` that hold the key."""
    files = [path for path in Path(folder).rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in files if SECRET.encode() in path.read_bytes()]


@pytest.fixture(scope="session")
def torchvision():
    """torchvision, whichever build is installed.

    A CUDA build beside a CPU torch cannot load its compiled operators and fails to import. No
    classifier uses them: declared, they let the library's own model code run.
    """
    torch = pytest.importorskip("torch")
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        for name in [n for n in sys.modules if n.partition(".")[0] in ("torchvision", "timm")]:
            del sys.modules[name]
        torchvision = importlib.import_module("torchvision")
        torchvision.declared_operators = library  # undeclared again when the object goes
    except ImportError:
        pytest.skip("torchvision is not installed")
    return torchvision
