"""Predictions by engines that are not ours: local Spark and Ray Data, each with one budget.

    pip install 'rebox[mlflow,services]' pyspark pyarrow 'ray[data]'
    python benchmarks/engines.py --out benchmarks/ENGINES.md

A model of the demo's digit recogniser is saved by `rebox.mlflow.save_model`, and pictures, PNG
files of digits under noise that is drawn by a seed, stand in Parquet files. Each engine reads them,
asks the model in two processes and writes what it says: without a budget, within one that is
enough, and within one that is not. Who has been billed for how much, the journal says.
"""

import argparse
import io
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

import rebox
from rebox.demo import open_digits
from rebox.demo.mirror import load_mirrored
from rebox.meter import Journal, accounts, faults

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # MLflow's own type hints
    import mlflow.pyfunc

    import rebox.mlflow

WORKERS, FILES = 2, 8
RECIPE = "map"  # its readings take no time beside the engines', which are what is measured
LABELS, NOISE = 40, 24.0  # training pictures; levels of 255
SHORT = 0.6  # of the pictures: the budget that is not enough
ACCOUNT = "job"
PICTURE, NUMBER = "picture", "number"

Config = dict[str, Any]
Engine = Callable[[Path, Path, Path, Config], None]
"""Reads a folder of Parquet files, asks the model in another, and writes to a third."""


PAGE = """# Predictions by Spark and Ray Data

Printed by `python benchmarks/engines.py --pictures {count} --out benchmarks/ENGINES.md`: PNG files
of 16 x 16 pixels in Parquet, a model (recipe `map`) of the demo's digit recogniser saved by
`rebox.mlflow.save_model`, two processes on one machine whose two cores did other work, too (seconds
are upper bounds, without the engine's start). `billed` are queries, by the journal; `over` what
goes beyond the budget; `differs` the largest difference of a probability from rebox in process,
where arrays are asked about and nothing is decoded.

{table}
"""


@dataclass(frozen=True)
class Told:
    """What came of one run.

    Attributes
    ----------
    seconds : float
        From reading to having written, without the engine's own start.
    answered, unanswered : int
        Pictures.
    billed : int or None
        Queries, by the journal; None: there was none.
    largest : float
        Largest difference of a probability from rebox's in process.
    faults : int
        Of the journal.
    """

    engine: str
    run: str
    pictures: int
    budget: int | None
    seconds: float
    answered: int
    unanswered: int
    billed: int | None
    largest: float
    faults: int

    @property
    def over(self) -> int:
        """Queries that were billed beyond the budget."""
        return (
            0 if self.budget is None or self.billed is None else max(0, self.billed - self.budget)
        )


def drawn(count: int, seed: int = 0) -> np.ndarray:
    """Return (count, 16, 16) uint8 digits under noise, no two alike."""
    rng, upright = np.random.default_rng(seed), load_mirrored().test
    clean = 255 * upright[rng.integers(0, len(upright), count)]
    noisy = clean + NOISE * rng.standard_normal(clean.shape, dtype=np.float32)
    return np.rint(np.clip(noisy, 0, 255)).astype(np.uint8)


def png(picture: np.ndarray) -> bytes:
    written = io.BytesIO()
    Image.fromarray(picture).save(written, "PNG", compress_level=1)
    return written.getvalue()


def write_pictures(pictures: np.ndarray, folder: Path) -> None:
    """Write numbered pictures as Parquet files."""
    folder.mkdir()
    for part, numbers in enumerate(np.array_split(np.arange(len(pictures)), FILES)):
        files = [png(pictures[number]) for number in numbers]
        frame = pd.DataFrame({NUMBER: numbers, PICTURE: files})
        frame.to_parquet(folder / f"{part}.parquet")


@contextmanager
def spark() -> Iterator[Engine]:
    """Yield local Spark, which asks by a UDF of MLflow's."""
    from pyspark.sql import SparkSession  # noqa: PLC0415 - one engine is enough to be measured

    os.environ["PYSPARK_PYTHON"] = sys.executable  # workers would take the first on the PATH
    builder = SparkSession.builder.master(f"local[{WORKERS}]")
    for name, value in {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.files.maxPartitionBytes": "1m",  # a task for each file, more or less
        "spark.sql.files.openCostInBytes": "1m",
    }.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("OFF")

    def run(pictures: Path, model: Path, out: Path, config: Config) -> None:
        said = mlflow.pyfunc.spark_udf(session, str(model), model_config=config)
        frame = session.read.parquet(str(pictures)).withColumn("said", said(PICTURE))
        frame.select(NUMBER, "said.*").write.parquet(str(out))

    try:
        yield run
    finally:
        session.stop()


class Asked:
    """What a worker of Ray Data holds: the model, loaded once."""

    def __init__(self, model: str, config: Config) -> None:
        self._model = mlflow.pyfunc.load_model(model, model_config=config)

    def __call__(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the numbers of some pictures, and what is said of each."""
        shown = frame[[PICTURE]].astype(object)  # Arrow's bytes are none to MLflow
        return frame[[NUMBER]].join(self._model.predict(shown))


@contextmanager
def ray() -> Iterator[Engine]:
    """Yield Ray Data on this machine, whose workers load the model as MLflow's."""
    import ray as library  # noqa: PLC0415 - as above

    # one more than the model takes: where it takes all, nothing is left to read and write with
    library.init(num_cpus=WORKERS + 1, include_dashboard=False, log_to_driver=False)
    library.data.DataContext.get_current().enable_progress_bars = False

    def run(pictures: Path, model: Path, out: Path, config: Config) -> None:
        asked = library.data.read_parquet(str(pictures)).map_batches(
            Asked,
            fn_constructor_args=(str(model), config),
            batch_format="pandas",
            batch_size=4096,
            compute=library.data.ActorPoolStrategy(size=WORKERS),
        )
        asked.write_parquet(str(out))

    try:
        yield run
    finally:
        library.shutdown()


ENGINES = {"spark": spark, "ray": ray}


def measured(
    name: str, engine: Engine, folder: Path, expected: np.ndarray, run: str, budget: int | None
) -> Told:
    """Return what came of one run by an engine.

    Parameters
    ----------
    folder : Path
        With ``pictures`` and ``model``.
    expected : (n, classes)
        Probabilities by rebox in process.
    """
    journal, out = folder / f"{name}-{run}.sqlite", folder / f"{name}-{run}"
    config: Config = {}
    if budget is not None:
        config = {"budget": budget, "journal": str(journal), "account": ACCOUNT}
        config["when_spent"] = "mark"
    begun = time.monotonic()
    engine(folder / "pictures", folder / "model", out, config)
    seconds = time.monotonic() - begun
    said = pd.read_parquet(out).sort_values(NUMBER)
    assert said[NUMBER].tolist() == list(range(len(expected)))
    answered = (said["label"] != "").to_numpy()
    found = said.filter(like="p_").to_numpy(dtype=np.float64)
    assert (np.isnan(found).any(axis=1) == ~answered).all()
    billed = flaws = None
    if budget is not None:
        with Journal(journal) as kept:
            flaws = len(faults(kept))
            billed = sum(line.billed for line in accounts(kept) if line.name == ACCOUNT)
    return Told(
        engine=name,
        run=run,
        pictures=len(expected),
        budget=budget,
        seconds=seconds,
        answered=int(answered.sum()),
        unanswered=int((~answered).sum()),
        billed=billed,
        largest=float(np.abs(found - expected)[answered].max()),
        faults=flaws or 0,
    )


def measure(count: int, engines: list[str], folder: Path) -> Iterator[Told]:
    """Yield what came of every run; the first is rebox in process."""
    task, pictures = load_mirrored(), drawn(count)
    model = rebox.Reprogrammer(open_digits(), RECIPE, budget=LABELS, random_state=0)
    model.fit(task.train[:LABELS], task.train_labels[:LABELS])
    write_pictures(pictures, folder / "pictures")
    rebox.mlflow.save_model(model, folder / "model")
    begun = time.monotonic()
    expected = model.predict_proba(pictures)
    seconds = time.monotonic() - begun
    yield Told("rebox in process", "arrays", count, None, seconds, count, 0, None, 0.0, 0)
    runs = {"no budget": None, "enough": count, "short": int(SHORT * count)}
    for name in engines:
        with ENGINES[name]() as engine:
            for run, budget in runs.items():
                yield measured(name, engine, folder, expected, run, budget)


def table(runs: list[Told]) -> str:
    """Return the runs as Markdown."""
    heads = ("engine", "budget", "seconds", "pictures/s", "answered", "billed", "over", "differs")
    rows = [
        (
            told.engine,
            "none" if told.budget is None else f"{told.budget:,}",
            f"{told.seconds:.1f}",
            f"{told.pictures / told.seconds:,.0f}",
            f"{told.answered:,} of {told.pictures:,}",
            "" if told.billed is None else f"{told.billed:,}",
            str(told.over),
            f"{told.largest:.1e}",
        )
        for told in runs
    ]
    lines = [heads, ("---", *["---:"] * (len(heads) - 1)), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--json", type=Path, help="where every run is written as JSON")
    parser.add_argument("--out", type=Path, help="where the table is written")
    given = parser.parse_args()
    runs = []
    with tempfile.TemporaryDirectory(prefix="engines-") as folder:
        for told in measure(given.pictures, given.engines, Path(folder)):
            print(told, flush=True)
            runs.append(told)
    if given.json:
        given.json.write_text(json.dumps([asdict(one) | {"over": one.over} for one in runs]))
    if given.out:
        given.out.write_text(PAGE.format(table=table(runs), count=given.pictures))


if __name__ == "__main__":
    main()
