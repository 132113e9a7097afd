"""How much of what a service allows is used, in a call and in a fit, and what the journal costs.

    python benchmarks/service.py [--seconds 10]

A rehearsal service in a process of its own answers at a fixed latency; ratios are to what the
limits allow: rate x time, or requests in flight / latency.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

import rebox
from rebox.box import BlackBox, open_box
from rebox.box.rehearsal import RehearsalBox
from rebox.meter import Asker, Budget, Journal, JournalAccount, Meter
from rebox.rehearsal import Limits, Rehearsal

SIDE = 32


def serve(limits: Limits, pipe: Connection) -> None:
    box = RehearsalBox(classes=43, size=SIDE, pixels="uint8")
    with Rehearsal("azure-custom-vision", box, limits=limits) as service:
        pipe.send(service.uri)
        pipe.recv()
        pipe.send(service.bill.refused)


class Service:
    """A rehearsal in another process."""

    def __init__(self, limits: Limits) -> None:
        self._pipe, there = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=serve, args=(limits, there))
        self._process.start()
        self.uri: str = self._pipe.recv()

    def stop(self) -> int:
        """End it; return how many requests it has refused."""
        self._pipe.send(None)
        refused: int = self._pipe.recv()
        self._process.join()
        return refused


def metered(box: BlackBox, journal: Journal | None) -> Asker:
    if journal is None:
        return Meter().asker(box, "map")
    account = JournalAccount(
        journal,
        name="benchmark",
        training=Budget(),
        prediction=Budget(),
    )
    return Meter(account=account).asker(box, "map")


def images_of(n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, SIDE, SIDE, 3), dtype=np.uint8)


def rate_of(uri: str, n: int, *, journal: bool) -> float:
    with tempfile.TemporaryDirectory() as folder, open_box(uri) as box:
        kept = Journal(Path(folder) / "journal.sqlite") if journal else None
        asked = metered(box, kept)
        asked.ask(images_of(32, 0))  # connections are opened
        started = time.perf_counter()
        asked.ask(images_of(n, 1))
        rate = n / (time.perf_counter() - started)
        if kept is not None:
            kept.close()
        return rate


def fit_rate_of(uri: str, recipe: str, n: int) -> float:
    """Return the queries a second of a whole fit, from its first question to its last."""
    with tempfile.TemporaryDirectory() as folder, open_box(uri) as box:
        moments: list[tuple[float, int]] = []
        model = rebox.Reprogrammer(
            box,
            recipe,
            budget=n,
            queries_per_prediction=3 if recipe == "auto" else 1,
            journal=Path(folder) / "journal.sqlite",
            random_state=0,
            listeners=[lambda event: moments.append((time.perf_counter(), event.spent.total))],
        )
        x = images_of(max(30, n // 3 if recipe == "auto" else 930 * n // 10230), 2)
        model.fit(x, np.arange(len(x)) % 2)
        asking = [moment for moment in moments if moment[1] > 0]
        (begun, before), (ended, after) = moments[0], asking[-1]
        return (after - before) / (ended - begun)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    seconds = parser.parse_args().seconds
    os.environ["AZURE_CUSTOM_VISION_KEY"] = "benchmark"

    service = Service(Limits(batch_size=1, requests_per_second=15, latency_s=0.1))
    uri = f"{service.uri}&size={SIDE}&in_flight=8&per_second=15"
    for name, rate in (
        ("a call", rate_of(uri, int(15 * seconds), journal=True)),
        ("auto", fit_rate_of(uri, "auto", int(15 * seconds))),
        ("bar", fit_rate_of(uri, "bar?q=10&epochs=1&mapping=random&m=2", int(15 * seconds))),
    ):
        print(f"15 requests/s allowed, {name}: {rate:.2f}/s, {rate / 15:.1%} of it")
    print(f"refused by the service: {service.stop()}")

    service = Service(Limits(batch_size=1, latency_s=0.1))
    uri = f"{service.uri}&size={SIDE}&in_flight=16&per_second=100000"
    n = int(160 * seconds)
    bare, kept = [], []
    for _ in range(3):  # by turns: the machine may be busy with other things
        bare.append(rate_of(uri, n, journal=False))
        kept.append(rate_of(uri, n, journal=True))
    print(f"100 ms, 16 in flight, ideal 160/s: {max(bare):.1f}/s, {max(bare) / 160:.1%} of it")
    print(f"with the journal: {max(kept):.1f}/s, {max(kept) / 160:.1%}")
    print(f"journal overhead: {max(bare) / max(kept) - 1:.1%} (best of 3 each)")
    for recipe in ("auto", "bar?q=10&epochs=1&mapping=random&m=2"):
        rate = fit_rate_of(uri, recipe, n)
        print(f"a fit by {recipe.partition('?')[0]}: {rate:.1f}/s, {rate / 160:.1%}")
    service.stop()


if __name__ == "__main__":
    main()
