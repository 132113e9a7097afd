"""One published run after another, each behind a rehearsal in a process of its own."""

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import rebox
from rebox.meter import Journal, accounts, faults
from rebox.metric import evaluate
from rebox.rehearsal import Limits, Rehearsal
from rebox.sample import Dataset
from rebox.study.bench.trial import verdict_of
from rebox.study.task import Split

TRAINING, TESTED = 930, 105
POSITIVE = "autism"  # dx_group 1
THREADS = 1  # of the model, so that it adds up in one order
KEYS = ("AZURE_CUSTOM_VISION_KEY", "CLARIFAI_PAT")
# Drawing, Hentai, Neutral, Porn, Sexy: five names stand for five others
MODERATION = ("drug", "gore", "safe", "explicit", "suggestive")


@dataclass(frozen=True, kw_only=True)
class Served:
    """A model behind a service's protocol.

    Attributes
    ----------
    scheme : str
        The service, as `Rehearsal` names it.
    file, preprocess : str
        The ONNX file and how it takes pixels.
    price_usd : float
        The publication's.
    batch_size : int
        Most images in a request, as the service documents.
    size : int
        Side in pixels of the pictures that are sent; the service resizes them for its model.
    m : int
        Source classes for each of the two target classes.
    qs : tuple of int
        Numbers of random directions that were published.
    classes : tuple of str or None
        What the service calls the model's classes; None: as the file does.
    model : str or None
        What the service calls the model.
    """

    scheme: str
    file: str
    preprocess: str
    price_usd: float
    batch_size: int
    size: int
    m: int
    qs: tuple[int, ...]
    classes: tuple[str, ...] | None = None
    model: str | None = None


SERVICES = {
    "azure": Served(
        scheme="azure-custom-vision",
        file="gtsrb_cnn.onnx",
        preprocess="raw",
        price_usd=0.002,
        batch_size=1,
        size=256,  # what is smaller, Azure enlarges
        m=6,
        qs=(1, 5, 10),
    ),
    "clarifai": Served(
        scheme="clarifai",
        file="moderation_mobilenet_v2.onnx",
        preprocess="unit",
        price_usd=0.0012,
        batch_size=128,
        size=224,
        m=2,  # two of five: a third would be shared
        qs=(15, 25),
        classes=MODERATION,
        model="moderation-recognition",
    ),
    "clarifai-nsfw": Served(
        scheme="clarifai",
        file="open_nsfw.onnx",
        preprocess="unit",
        price_usd=0.0012,
        batch_size=128,
        size=224,
        m=1,  # one of two
        qs=(15, 25),
        classes=("sfw", "nsfw"),
        model="nsfw-recognition",
    ),
    "clarifai-moderation-v3": Served(
        scheme="clarifai",
        file="inception_v3_nsfw5.onnx",
        preprocess="unit",
        price_usd=0.0012,
        batch_size=128,
        size=299,
        m=2,
        qs=(15, 25),
        classes=MODERATION,
        model="moderation-recognition",
    ),
}


def bar_queries(q: int, images: int = TRAINING) -> int:
    """Return what an epoch of one-sided differences along ``q`` directions asks."""
    return images * (q + 1)


def bar_recipe(q: int, m: int) -> str:
    """Return BAR as it was run behind services: one epoch, a random mapping of m classes."""
    return f"bar?q={q}&epochs=1&mapping=random&m={m}"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One fit and its test behind a service.

    Attributes
    ----------
    service : str
        A name in `SERVICES`.
    q : int
        The published run whose money is spent.
    method : str
        bar, auto, auto-5 (five queries for each prediction) or auto-box (the box alone).
    seed : int
        Of the split and of the fit.
    """

    service: str
    q: int
    method: str
    seed: int

    @property
    def key(self) -> str:
        """What tells the trial from others in the ledger."""
        return f"{self.service} | q={self.q} | {self.method} | {self.seed}"

    @property
    def max_usd(self) -> float:
        """The money of the published run."""
        return round(bar_queries(self.q) * SERVICES[self.service].price_usd, 6)

    @property
    def settings(self) -> dict[str, Any]:
        """How `rebox.Reprogrammer` is called."""
        named = {
            "bar": (bar_recipe(self.q, SERVICES[self.service].m), 1),
            "auto": ("auto", 1),
            "auto-5": ("auto", 5),
            "auto-box": ("auto?stack=false", 1),
        }
        recipe, queries = named[self.method]
        return {"recipe": recipe, "queries_per_prediction": queries}


def trials(seeds: list[int]) -> Iterator[Trial]:
    """Yield every trial, those of the first seed first."""
    for seed in seeds:
        for method in ("bar", "auto", "auto-5", "auto-box"):
            for service, served in SERVICES.items():
                for q in served.qs:
                    yield Trial(service=service, q=q, method=method, seed=seed)


def serve(served: Served, models: Path, pipe: Connection) -> None:
    """Rehearse ``served`` and tell the bill whenever anything is said, until None is."""
    box = rebox.open_box(
        f"onnx:{models / served.file}?preprocess={served.preprocess}&threads={THREADS}"
    )
    limits = Limits(batch_size=served.batch_size, price_usd=served.price_usd)
    with Rehearsal(
        served.scheme, box, classes=served.classes, model=served.model, limits=limits
    ) as service:
        pipe.send(service.uri)
        while pipe.recv() is not None:
            pipe.send(service.bill.as_json())


class Service:
    """A rehearsal in a process of its own."""

    def __init__(self, served: Served, models: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=serve, args=(served, models, there), daemon=True)
        self._process.start()
        self.uri: str = self._pipe.recv()

    def bill(self) -> dict[str, Any]:
        """Return the service's own bill."""
        self._pipe.send("bill")
        bill: dict[str, Any] = self._pipe.recv()
        return bill

    def close(self) -> None:
        """End it."""
        self._pipe.send(None)
        self._process.join()
        self._pipe.close()


def uri_of(uri: str, size: int, price_usd: float) -> str:
    """Return the URI of a rehearsal with nothing to wait for."""
    return f"{uri}&size={size}&price_usd={price_usd}&in_flight=4&per_second=100000&timeout_s=900"


def measure(
    trial: Trial, dataset: Dataset, parts: Split, service: Any, size: int
) -> dict[str, Any]:
    """Fit and test one trial behind ``service``, and hold its books to the service's bill.

    Parameters
    ----------
    trial : Trial
    dataset : Dataset
    parts : Split
    service : Service
        Anything with a ``uri`` and a ``bill()``; nobody else asks it.
    size : int
        Side of the pictures in pixels.
    """
    price_usd = SERVICES[trial.service].price_usd
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite"
        with rebox.open_box(uri_of(service.uri, size, price_usd)) as box, Journal(path) as journal:
            model = rebox.Reprogrammer(
                box,
                budget=None,
                max_usd=trial.max_usd,
                journal=path,
                value_range=dataset.value_range,
                random_state=trial.seed,
                **trial.settings,
            )
            started_s = time.perf_counter()
            model.fit(
                dataset.images[parts.train],
                dataset.labels[parts.train],
                groups=dataset.subjects[parts.train],
            )
            fit_s = time.perf_counter() - started_s
            fitted, bill = model.spent_, service.bill()
            check_books(trial, fitted, journal, bill)
            started_s = time.perf_counter()
            probabilities = model.predict_proba(dataset.images[parts.test])
            predict_s = time.perf_counter() - started_s
            spent, whole_bill = model.spent_, service.bill()
            check_books(trial, spent, journal, whole_bill)
            if faults(journal):
                raise RuntimeError(f"{trial.key}: {faults(journal)}")
            model.meter_.account.close()
        size_mb = sum(file.stat().st_size for file in Path(folder).iterdir()) / 1e6
    truth = dataset.labels[parts.test]
    figures = evaluate(
        truth,
        probabilities,
        list(model.classes_),
        positive=POSITIVE,
        seed=trial.seed,
        groups=dataset.subjects[parts.test],
    )
    return {
        "key": trial.key,
        **asdict(trial),
        **trial.settings,
        "max_usd": trial.max_usd,
        "threads": THREADS,
        "train": len(parts.train),
        "test": len(parts.test),
        "fit": asdict(fitted),
        "fit_bill": bill,
        "spent": asdict(spent),
        "bill": whole_bill,
        "queries_per_prediction_asked": model.queries_per_prediction_,
        "seconds": {"fit": fit_s, "predict": predict_s},
        "journal_mb": size_mb,
        "metrics": {name: asdict(interval) for name, interval in figures.items()},
        "stop_reason": model.stop_reason_,
        "verdict": verdict_of(model),
        "version": rebox.__version__,
    }


def check_books(trial: Trial, spent: Any, journal: Journal, bill: dict[str, Any]) -> None:
    """Hold three counts to each other: the meter's, the journal's and the service's.

    Raises
    ------
    RuntimeError
        They differ, by a query or by a tenth of a cent, or a fit by BAR did not ask what it costs.
    """
    lines = accounts(journal)
    found = {
        "asked": (spent.total, None),
        "billed": (spent.billed, spent.usd),
        "journal": (sum(line.billed for line in lines), sum(line.usd for line in lines)),
        "answered": (sum(line.answered for line in lines), None),
        "service": (bill["queries"], bill["usd"]),
    }
    if trial.method == "bar":
        cost = bar_queries(trial.q)
        found["published"] = (spent.predict + cost, None)
    counts = {count for count, _ in found.values()}
    dollars = {round(usd, 4) for _, usd in found.values() if usd is not None}
    if len(counts) > 1 or len(dollars) > 1:
        raise RuntimeError(f"{trial.key}: the books do not agree: {found}.")
