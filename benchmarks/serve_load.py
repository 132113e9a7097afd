"""What a server costs beside the model that it serves: throughput, latency, memory.

    python benchmarks/serve_load.py "onnx:squeezenet.onnx?preprocess=imagenet" PICTURES \
        [--clients 8] [--rounds 4] [--seconds 15] [--workers 1]

A model (recipe map) of the box is fitted to 40 of the folder's pictures, with made-up labels: what
it says is of no interest here. Rounds alternate: files to labels in process, as many in one call as
there are clients, 32 in one, and one by one; then the same files sent by so many clients, threads
of one other process that keep their connections, to ``rebox serve`` in a third. All share this
machine's cores. Ratios are medians over rounds, so that what else the machine does cancels out.
"""

import argparse
import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

import rebox

START_S = 120
PICTURES, TRAINING = 256, 40
JPEG = {"Content-Type": "image/jpeg"}


class Running:
    """``rebox serve`` in a process of its own.

    Attributes
    ----------
    address : (host, port)
    pid : int
    """

    def __init__(self, model: Path, *options: str, name: str = "served", port: int = 0) -> None:
        command = [sys.executable, "-m", "rebox", "serve", str(model), "--name", name]
        command += ["--port", str(port), *options]
        self._process = subprocess.Popen(  # noqa: S603 - ourselves
            command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
        )
        assert self._process.stdout is not None
        first = self._process.stdout.readline()
        found = re.search(r"POST http://([^:/]+):(\d+)/predict", first)
        if found is None:
            self._reap()
        assert found, f"the server did not start: {first!r}"
        self.address = found[1], int(found[2])
        self.pid = self._process.pid
        self._wait()

    def _wait(self) -> None:
        """Return once it answers: several workers begin to listen after they are announced."""
        until = time.monotonic() + START_S
        while True:
            try:
                if self.get("/v2/health/ready")[0] == 200:
                    return
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.05)

    def get(self, path: str) -> tuple[int, bytes]:
        """Return the status and the body of what is at ``path``."""
        connection = http.client.HTTPConnection(*self.address, timeout=START_S)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()

    def processes(self) -> list[int]:
        """Return its own process, and those that it has started, however deep."""
        found = [self.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                found += map(int, task.read_text().split())
        return found

    def resident_mib(self) -> float:
        """Return the memory that its processes hold."""
        texts = [Path(f"/proc/{pid}/status").read_text() for pid in self.processes()]
        found = [re.search(r"VmRSS:\s+(\d+) kB", text) for text in texts]
        return sum(int(one[1]) for one in found if one) / 1024

    def cpu_s(self) -> float:
        """Return the processor's seconds that it has used."""
        ticks = [
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2] for pid in self.processes()
        ]
        used = sum(sum(map(int, text.split()[11:13])) for text in ticks)
        return used / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        """End all of it by SIGKILL."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self._reap()

    def _reap(self) -> None:
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def kill_parent(self) -> None:
        """End by SIGKILL what was started first, and nothing that it has started."""
        os.kill(self.pid, signal.SIGKILL)
        self._reap()

    def stop(self) -> tuple[int, str]:
        """Ask it to end; return its exit code and what it printed."""
        self._process.send_signal(signal.SIGTERM)
        rest, _ = self._process.communicate(timeout=START_S)
        return self._process.returncode, rest


@dataclass
class Load:
    """What clients have seen: seconds of each request, and how often each status."""

    seconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    def note(self, status: int, seconds: float) -> None:
        """Count a request."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.seconds.append(seconds)


def send(
    address: tuple[str, int],
    bodies: Sequence[bytes],
    headers: dict[str, str],
    n: int,
    until: float,
    begin: int = 0,
) -> Load:
    """Send ``bodies`` from the one at ``begin`` on, by n clients, until a moment.

    A broken connection is the status 0.
    """
    load, lock = Load(), threading.Lock()

    def client(first: int) -> None:
        connection = http.client.HTTPConnection(*address, timeout=60)
        place = begin + first
        while time.time() < until:
            begun = time.perf_counter()
            try:
                connection.request("POST", "/predict", bodies[place % len(bodies)], headers)
                reply = connection.getresponse()
                reply.read()
                status = reply.status
            except (OSError, http.client.HTTPException):
                connection.close()
                status = 0
                time.sleep(0.01)
            with lock:
                load.note(status, time.perf_counter() - begun)
            place += n
        connection.close()

    threads = [threading.Thread(target=client, args=(k,)) for k in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return load


@contextmanager
def sampled(server: Running, into: list[float], every_s: float = 1.0) -> Iterator[None]:
    """Note the server's memory meanwhile."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(every_s):
            into.append(server.resident_mib())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def rate(model: Any, files: Sequence[Path], seconds: float, together: int) -> tuple[float, float]:
    """Return pictures a second in process, and processor's seconds for each."""
    done, place = 0, 0
    begun, used = time.perf_counter(), time.process_time()
    while (passed := time.perf_counter() - begun) < seconds:
        some = [files[(place + k) % len(files)] for k in range(together)]
        model.predict(some)
        done, place = done + together, place + together
    return done / passed, (time.process_time() - used) / done


def fitted(uri: str, files: Sequence[Path], out: Path) -> Any:
    chosen = [str(file) for file in files[:TRAINING]]
    model = rebox.Reprogrammer(uri, "map", budget=TRAINING, random_state=0)
    model.fit(chosen, np.arange(TRAINING) % 2)
    model.save(out)
    return model


def main() -> None:
    given = read_arguments()
    files = sorted(p for p in given.pictures.rglob("*") if p.suffix.lower() in {".jpg", ".png"})
    files = files[:PICTURES]
    bodies = [file.read_bytes() for file in files]
    rows: list[dict[str, float]] = []
    memory: list[float] = []
    seconds: list[float] = []
    statuses: dict[int, int] = {}
    with tempfile.TemporaryDirectory() as folder, get_context("spawn").Pool(1) as others:
        path = Path(folder) / "model.rebox"
        model = fitted(given.box, files, path)
        server = Running(path, "--workers", str(given.workers))
        try:
            others.apply(send, (server.address, bodies, JPEG, given.clients, time.time() + 3))
            for _ in range(given.rounds):
                together, cpu = rate(model, files, given.seconds, given.clients)
                many, _ = rate(model, files, given.seconds / 2, 32)
                single, _ = rate(model, files, given.seconds / 2, 1)
                used, until = server.cpu_s(), time.time() + given.seconds
                with sampled(server, memory):
                    load = others.apply(send, (server.address, bodies, JPEG, given.clients, until))
                seconds += load.seconds
                for status, n in load.statuses.items():
                    statuses[status] = statuses.get(status, 0) + n
                n = load.statuses.get(200, 0)
                rows.append(
                    {
                        "together": together,
                        "many": many,
                        "single": single,
                        "served": n / given.seconds,
                        "cpu": cpu,
                        "served cpu": (server.cpu_s() - used) / max(1, n),
                    }
                )
                print(json.dumps({k: round(v, 4) for k, v in rows[-1].items()}), flush=True)
        finally:
            text = server.get("/metrics")[1].decode()
            code, _ = server.stop()
    found = [re.search(rf"rebox_batch_samples_{of} (\S+)", text) for of in ("sum", "count")]
    size = float(found[0][1]) / float(found[1][1]) if all(found) else float("nan")
    print(f"{size:.1f} samples together, on average")
    report(given, rows, seconds, statuses, memory, code)


def report(
    given: argparse.Namespace,
    rows: list[dict[str, float]],
    seconds: list[float],
    statuses: dict[int, int],
    memory: list[float],
    code: int,
) -> None:
    def median(of: str, over: str | None = None) -> float:
        return statistics.median(row[of] / (row[over] if over else 1) for row in rows)

    cuts = statistics.quantiles(seconds, n=100)
    print(f"{given.box}: {given.clients} clients, {len(rows)} x {given.seconds:g} s")
    print(f"in process, {given.clients} together    {median('together'):8.1f} pictures/s")
    print(f"in process, 32 together   {median('many'):8.1f} pictures/s")
    print(f"in process, one by one    {median('single'):8.1f} pictures/s")
    print(f"served                    {median('served'):8.1f} pictures/s")
    print(f"served / {given.clients} together       {median('served', 'together'):8.2f}")
    print(f"served / 32 together      {median('served', 'many'):8.2f}")
    print(f"served / one by one       {median('served', 'single'):8.2f}")
    of = f"served / {given.clients} together"
    print(f"processor's time, {of} {median('served cpu', 'cpu'):.2f}")
    print(f"latency p50 {cuts[49] * 1e3:.1f} ms, p99 {cuts[98] * 1e3:.1f} ms; {statuses}")
    tenth = max(1, len(memory) // 10)
    ends = [statistics.median(part) for part in (memory[:tenth], memory[-tenth:])]
    print(f"memory {ends[0]:.0f} MiB at first, {ends[1]:.0f} MiB at last; exit code {code}")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("box")
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
