"""What the workers of a run make once."""

import threading

import pytest
from once import once


class Factory:
    """Temporary folders of a worker, as pytest-xdist lays them out."""

    def __init__(self, run, worker):
        self.base = run / worker
        self.base.mkdir()

    def getbasetemp(self):
        return self.base

    def mktemp(self, name):
        (self.base / name).mkdir()
        return self.base / name


def test_one_worker_makes_it_and_the_others_wait_for_it(tmp_path):
    begun, go, made = threading.Event(), threading.Event(), []

    def make(folder):
        begun.set()
        assert go.wait(30)
        (folder / "page").write_text("whole")
        made.append(folder)

    found = []

    def work(worker):
        folder = once(Factory(tmp_path, worker), worker, "pages", make)
        found.append((folder / "page").read_text())

    threads = [threading.Thread(target=work, args=(f"gw{i}",)) for i in range(3)]
    for thread in threads:
        thread.start()
    assert begun.wait(30)
    go.set()
    for thread in threads:
        thread.join(30)
    assert found == ["whole"] * 3
    assert made == [tmp_path / "pages"]


def test_where_it_fails_it_fails_for_all(tmp_path):
    def make(folder):
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        once(Factory(tmp_path, "gw0"), "gw0", "pages", make)
    with pytest.raises(pytest.fail.Exception, match="could not make pages: OSError: no room"):
        once(Factory(tmp_path, "gw1"), "gw1", "pages", make)


def test_without_workers_each_run_has_its_own(tmp_path):
    factory = Factory(tmp_path, "pytest-0")
    folder = once(factory, None, "pages", lambda folder: (folder / "page").touch())
    assert folder.parent == factory.base
    assert (folder / "page").exists()
