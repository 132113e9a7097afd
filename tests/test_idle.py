"""Models that are kept hold nothing open for it: threads and files are for the last few."""

import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import rebox
from rebox.box import open_box
from rebox.box.onnx import OnnxBox
from rebox.idle import MOST, Held
from rebox.meter import Journal
from rebox.rehearsal import Limits, Rehearsal

DIGITS = Path(rebox.__file__).parent / "demo" / "digits.onnx"
OPEN = Path("/proc/self/fd")
X = np.random.default_rng(0).random((12, 8, 8), dtype=np.float32)
Y = np.arange(12) % 2
KEPT = 30


class Door:
    """Something that is open, or rests."""

    def __init__(self):
        self.rested = 0

    def rest(self):
        self.rested += 1


def test_those_that_were_used_longest_ago_rest():
    held, doors = Held(most=2), [Door() for _ in range(4)]
    for one in (0, 1, 0, 2, 0, 3):
        held.use(doors[one])
    assert [door.rested for door in doors] == [0, 1, 1, 0]


def test_those_that_are_gone_are_not_counted_on():
    held, kept = Held(most=1), Door()
    held.use(Door())
    gc.collect()
    held.use(kept)
    assert kept.rested == 0


def files():
    gc.collect()
    return len(list(OPEN.iterdir()))


def threads():
    return sum(thread.name.startswith("rebox-sender") for thread in threading.enumerate())


@pytest.mark.slow
@pytest.mark.skipif(not OPEN.exists(), reason="open files are counted by /proc")
@pytest.mark.parametrize(
    "journal",
    [
        pytest.param(False, marks=pytest.mark.long, id="without journals"),
        pytest.param(True, id="with journals"),
    ],
)
def test_kept_models_of_a_service_hold_no_threads_or_files(tmp_path, journal):
    """Each used to hold four threads, four connections and the three files of a journal."""
    with Rehearsal("huggingface", open_box("rehearsal:?classes=3&size=8"), limits=Limits()) as one:
        before = files()
        uri = f"{one.uri}&in_flight=4&per_second=10000"
        models = [
            rebox.Reprogrammer(
                uri, "map", budget=12, journal=tmp_path / f"{k}.sqlite" if journal else False
            ).fit(X, Y)
            for k in range(KEPT)
        ]
        # the server is in this process: a connection is two files, and two may last longer
        most = MOST * (2 * 4 + 3 * journal) + 2 * 2
        deadline = time.monotonic() + 10
        while files() - before > most and time.monotonic() < deadline:
            time.sleep(0.05)
        assert files() - before <= most
        assert threads() <= MOST * 4
        before_first = models[0].spent_.total
        assert len(models[0].predict(X)) == len(X)  # it opens again what it gave back
        assert models[0].spent_.total == before_first + len(X)


def test_what_is_in_use_does_not_rest(tmp_path):
    """A box that is asked keeps its connections, and a journal that writes its file."""
    with Journal(tmp_path / "a.sqlite") as journal, journal._lock:
        thread = threading.Thread(target=journal.rest)
        thread.start()
        thread.join(5)
        assert not thread.is_alive()
        assert journal._store._connection is not None
    sent = threading.Event()
    with (
        Rehearsal("huggingface", open_box("rehearsal:?classes=3&size=8"), limits=Limits()) as one,
        open_box(f"{one.uri}&in_flight=2&per_second=10000") as box,
    ):
        session = box._session()
        with session.sender._in_use():
            session.sender.rest(sent.set)
        assert not sent.is_set()
        session.sender.rest(sent.set)
        assert sent.is_set()
        assert len(box.ask(np.zeros((2, *box.spec.shape), np.uint8))) == 2


ONNX = """
import sys, rebox
from rebox.demo import open_digits
def native():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("Threads")).split()[1])
boxes = [open_digits()]
before = native()
boxes += [open_digits() for _ in range(20)]
print(native() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not OPEN.exists() or os.cpu_count() == 1, reason="threads: by /proc, and cores")
def test_boxes_of_one_onnx_file_share_its_threads():
    run = subprocess.run([sys.executable, "-c", ONNX], capture_output=True, text=True, check=True)
    assert int(run.stdout) == 0


def test_another_file_of_the_same_name_and_other_options_are_opened_for_themselves(tmp_path):
    path = tmp_path / "digits.onnx"
    path.write_bytes(DIGITS.read_bytes())
    one, same, alone = OnnxBox(path), OnnxBox(path), OnnxBox(path, threads=1)
    assert one._file._runtime is same._file._runtime
    assert one._file._runtime is not alone._file._runtime
    path.write_bytes(DIGITS.read_bytes() + b"\xaa\x06\x00")  # another description, as field 101
    assert OnnxBox(path)._file._runtime is not one._file._runtime
