"""Fixtures that several test files share."""

import importlib
import sys
from pathlib import Path

import pytest

# What the tests use for a key. Nothing that rebox writes, prints or raises may hold it: after the
# last test every file that a test has left, and every word it has printed, is searched for it.
SECRET = "rebox-secret-2f1c9d"  # noqa: S105 - no key of anybody's
KEY_VARIABLES = ("CLARIFAI_PAT", "AZURE_CUSTOM_VISION_KEY", "HF_TOKEN")


@pytest.fixture(scope="session", autouse=True)
def service_keys():
    """Keys of services."""
    with pytest.MonkeyPatch.context() as patch:
        for name in KEY_VARIABLES:
            patch.setenv(name, SECRET)
        yield


@pytest.fixture(autouse=True)
def own_journal(monkeypatch, tmp_path):
    """A default journal that is not the user's own."""
    monkeypatch.setenv("REBOX_JOURNAL", str(tmp_path / "default-journal.sqlite"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Search what a test printed and raised, before its files are cleared away."""
    report = yield
    places = [text for _, text in report.sections] + [str(report.longrepr or "")]
    if call.when == "call" and "tmp_path" in getattr(item, "funcargs", {}):
        places += _leaks_in(item.funcargs["tmp_path"])
    if any(SECRET in place for place in places):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} let the key out, in what it wrote, printed or raised"
    return report


def _leaks_in(folder):
    """Return the key once for each file under ``folder`` that holds it."""
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    return [SECRET for path in files if SECRET.encode() in path.read_bytes()]


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
