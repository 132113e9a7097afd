"""What a server counts, as Prometheus reads it; of all workers of a server together.

Several workers count in files of a folder that ``PROMETHEUS_MULTIPROC_DIR`` names, as
prometheus-client has it; what a day has cost is read from the journal, which all of them share.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rebox.box import Drift
from rebox.errors import JournalError, extra
from rebox.meter import Meter, Spent
from rebox.money import NANO, nano_usd
from rebox.serve.day import DayAccounts

with extra("serve", "a server's metrics"):
    from prometheus_client import (
        CONTENT_TYPE_LATEST,
        CollectorRegistry,
        Counter,
        Gauge,
        Histogram,
        generate_latest,
        multiprocess,
    )
    from prometheus_client.core import GaugeMetricFamily

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
SAMPLES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
DAY = {
    "queries": ("rebox_day_queries", "Queries billed today (UTC)."),
    "queries_limit": ("rebox_day_queries_limit", "Queries that a day may cost."),
    "usd": ("rebox_day_dollars", "US dollars billed today."),
    "usd_limit": ("rebox_day_dollars_limit", "US dollars that a day may cost."),
}


class ServeMetrics:
    """Counts what is asked, said and waited for.

    Parameters
    ----------
    day : DayAccounts
        Asked, when the metrics are read, what the day has cost.
    """

    def __init__(self, day: DayAccounts) -> None:
        own = CollectorRegistry()
        self._read_from = _read_from(own)
        self._read_from.register(_DayCollector(day))
        self.requests = Counter(
            "rebox_requests", "Requests answered.", ["route", "status"], registry=own
        )
        self.seconds = Histogram(
            "rebox_request_seconds",
            "From a request's head to its answer.",
            ["route"],
            buckets=SECONDS,
            registry=own,
        )
        self.inside = Gauge(
            "rebox_requests_inside",
            "Requests that are being read, wait or are answered.",
            multiprocess_mode="livesum",
            registry=own,
        )
        self.waited = Histogram(
            "rebox_wait_seconds", "In the queue.", buckets=SECONDS, registry=own
        )
        self.together = Histogram(
            "rebox_batch_samples",
            "Samples that the model was asked about together.",
            buckets=SAMPLES,
            registry=own,
        )
        self.said = Counter("rebox_said", "Samples by the label they got.", ["label"], registry=own)
        self._count_what_is_paid(own)
        self._count_drift(own)

    def _count_what_is_paid(self, own: CollectorRegistry) -> None:
        def counter(name: str, words: str) -> Counter:
            return Counter(name, words, ["box"], registry=own)

        self.queries = counter("rebox_queries", "Queries asked of a box, paid for or recalled.")
        self.billed = counter("rebox_billed_queries", "Queries that a box was paid for.")
        self.recalled = counter("rebox_recalled_queries", "Queries that the journal answered.")
        self.dollars = counter("rebox_dollars", "What a box was paid, in US dollars, if known.")

    def _count_drift(self, own: CollectorRegistry) -> None:
        self.looks = Counter(
            "rebox_drift_checks", "Times that canaries were asked.", ["result"], registry=own
        )
        self.drift = Gauge(
            "rebox_drift",
            "Largest difference of a score on a box's canaries since the model was fitted.",
            ["box"],
            multiprocess_mode="mostrecent",
            registry=own,
        )
        self.changed = Gauge(
            "rebox_drift_changed",
            "1 where a box is not the one any more that the model was fitted for.",
            ["box"],
            multiprocess_mode="mostrecent",
            registry=own,
        )

    def text(self) -> bytes:
        """Return all of it as Prometheus reads it."""
        return bytes(generate_latest(self._read_from))

    @contextlib.contextmanager
    def asked(self, meter: Meter, boxes: Sequence[str]) -> Iterator[None]:
        """Count what boxes of these names, in their order, are asked meanwhile, and are paid."""
        before = meter.spent_by_box
        try:
            yield
        finally:
            for name, old, new in zip(boxes, before, meter.spent_by_box, strict=False):
                self._pay(name, old, new)

    def _pay(self, box: str, before: Spent, after: Spent) -> None:
        self.queries.labels(box).inc(after.predict - before.predict)
        self.billed.labels(box).inc(after.billed - before.billed)
        self.recalled.labels(box).inc(after.saved - before.saved)
        if after.usd is not None and before.usd is not None:
            cost = nano_usd(after.usd) - nano_usd(before.usd)
            self.dollars.labels(box).inc(max(0, cost) / NANO)

    def looked(self, result: str, drifts: Mapping[str, Drift]) -> None:
        """Count a look at the canaries, and note what it has shown of each box."""
        self.looks.labels(result).inc()
        for name, drift in drifts.items():
            self.drift.labels(name).set(drift.largest)
            self.changed.labels(name).set(float(drift.change == "changed"))


def _read_from(own: CollectorRegistry) -> CollectorRegistry:
    """Return what the metrics are read from: those of this process, or of all workers."""
    folder = os.environ.get(FOLDER)
    if folder is None:
        return own
    _forget_dead(Path(folder))
    shared = CollectorRegistry()
    multiprocess.MultiProcessCollector(shared, folder)  # type: ignore[no-untyped-call]
    return shared


def _forget_dead(folder: Path) -> None:
    """Take what is inside workers that were killed off the gauges."""
    for file in folder.glob("gauge_live*_*.db"):
        process = file.stem.rpartition("_")[2]
        try:
            os.kill(int(process), 0)
        except (OSError, ValueError):
            multiprocess.mark_process_dead(process, str(folder))  # type: ignore[no-untyped-call]


class _DayCollector:
    """Reads the day's account when it is asked."""

    def __init__(self, day: DayAccounts) -> None:
        self._day = day

    def collect(self) -> Iterator[Any]:
        spent = None
        with contextlib.suppress(JournalError):  # the other metrics are worth more than that
            spent = self._day.spent()
        for key, value in self._day.figures(spent).items():
            yield GaugeMetricFamily(*DAY[key], value=value)
