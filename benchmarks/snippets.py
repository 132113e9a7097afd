"""Free tools that judge sentences, beside a local model that has few labels.

    pip download --no-deps --no-binary :all: vaderSentiment
    pip install vaderSentiment textblob afinn
    python benchmarks/snippets.py run --archive vaderSentiment-3.3.2.tar.gz [--only '300 | all | *']
    python benchmarks/snippets.py table

The sentences are those of Hutto and Gilbert (ICWSM 2014), 10,605 of them, each rated by twenty
people; a sentence is positive where their mean is above 0. The boxes are lexicons that other
people wrote and publish: VADER, TextBlob and AFINN. ``run`` writes a line for each fit into the
ledger, and skips what is there; ``table`` writes RESULTS.md from it. Training labels alone choose
anything.
"""

import argparse
import io
import tarfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measuring import commands, missing
from numpy.typing import NDArray

import rebox
from rebox.study.bench import append, read_ledger

HERE = Path(__file__).parent / "snippets"
RATED = "movieReviewSnippets_GroundTruth.txt"
CLASSES = ("negative", "positive")
LABELS = (20, 100, 300, 1000)
SEEDS = range(5)
TESTED = 3000  # other sentences
TOOLS = ("vader", "textblob", "afinn")
WAYS = ("local", *TOOLS, "all")


@dataclass(frozen=True)
class Trial:
    """A fit, and the predictions of other sentences."""

    labels: int
    way: str
    seed: int

    @property
    def key(self) -> str:
        """What names it in the ledger."""
        return f"{self.labels} | {self.way} | {self.seed}"


def sentences(archive: Path) -> tuple[list[str], NDArray[np.str_]]:
    """Return the sentences, each once, and the label of each."""
    with tarfile.open(archive) as outer:
        (inside,) = (one for one in outer.getnames() if one.endswith("hutto_ICWSM_2014.tar.gz"))
        packed = outer.extractfile(inside)
        assert packed is not None
        content = packed.read()
    with tarfile.open(fileobj=io.BytesIO(content)) as inner:
        (name,) = (one for one in inner.getnames() if Path(one).name == RATED)
        rated = inner.extractfile(name)
        assert rated is not None
        lines = rated.read().decode("latin-1").splitlines()
    rows = [line.split("\t") for line in lines]
    mean_of = {text: float(mean) for _, mean, text in rows if text.strip()}
    labels = [CLASSES[mean > 0] for mean in mean_of.values()]
    return list(mean_of), np.array(labels)


def judge(tool: str) -> Callable[[str], float]:
    """Return what a tool says of a sentence: a number from -1, negative, to 1, positive."""
    if tool == "vader":
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer  # noqa: PLC0415

        analyser = SentimentIntensityAnalyzer()
        return lambda text: analyser.polarity_scores(text)["compound"]
    if tool == "textblob":
        from textblob import TextBlob  # noqa: PLC0415 - only where it is asked

        return lambda text: TextBlob(text).sentiment.polarity
    from afinn import Afinn  # noqa: PLC0415 - only where it is asked

    lexicon = Afinn()
    return lambda text: float(np.tanh(lexicon.score(text) / 5))


def box_of(tool: str) -> rebox.FunctionBox:
    """Return a tool as a box of two classes that bear the names of ours."""
    says = judge(tool)

    def ask(texts: NDArray[np.object_]) -> NDArray[np.float64]:
        positive = np.array([(1 + says(text)) / 2 for text in texts])
        return np.stack([1 - positive, positive], axis=1)

    return rebox.FunctionBox(ask, takes="texts", classes=CLASSES, identity=f"tool:{tool}")


def as_is(tool: str, texts: list[str], labels: NDArray[np.str_]) -> float:
    """Return the accuracy of a tool that nobody has taught."""
    says = judge(tool)
    return float(
        np.mean([CLASSES[says(text) > 0] == is_ for text, is_ in zip(texts, labels, strict=True)])
    )


def measure(trial: Trial, texts: list[str], labels: NDArray[np.str_]) -> dict[str, Any]:
    """Return a row of the ledger."""
    order = np.random.default_rng(trial.seed).permutation(len(texts))
    few, others = order[: trial.labels], order[-TESTED:]
    said = np.array(texts, dtype=object)
    tools = () if trial.way == "local" else TOOLS if trial.way == "all" else (trial.way,)
    boxes = [box_of(tool) for tool in tools]
    start = time.perf_counter()
    model = rebox.Reprogrammer(
        boxes or None,
        recipe="auto" if boxes else "local",
        budget=10**6,
        journal=False,
        random_state=trial.seed,
    )
    model.fit(rebox.Samples(texts=said[few]), labels[few])
    fit_s = time.perf_counter() - start
    right = model.predict(rebox.Samples(texts=said[others])) == labels[others]
    return {
        "key": trial.key,
        **asdict(trial),
        "tested": len(others),
        "accuracy": float(right.mean()),
        "as_is": {tool: as_is(tool, said[others].tolist(), labels[others]) for tool in tools},
        "fit_s": fit_s,
        "predict_s": time.perf_counter() - start - fit_s,
        "verdict": str(model.verdict_),
    }


def trials() -> Iterator[Trial]:
    """Yield all that is measured."""
    return (Trial(n, way, seed) for seed in SEEDS for n in LABELS for way in WAYS)


def run(given: argparse.Namespace) -> None:
    """Run what the ledger does not hold."""
    texts, labels = sentences(given.archive)
    given.ledger.parent.mkdir(parents=True, exist_ok=True)
    for trial in missing(trials(), given):
        row = measure(trial, texts, labels)
        append(given.ledger, row)
        print(f"{trial.key}: accuracy {row['accuracy']:.4f}, fit {row['fit_s']:.1f} s", flush=True)


def table(given: argparse.Namespace) -> None:
    """Write a line for each setting, over its seeds."""
    cells = defaultdict(list)
    for row in read_ledger(given.ledger):
        cells[row["labels"], row["way"]].append(row)
    lines = [
        "# Sentences of film reviews, and three free tools that judge them",
        "",
        "Written by `python benchmarks/snippets.py table`; do not edit. Mean, and least to most,",
        "over the seeds; each is measured on 3,000 sentences that were not labelled.",
        "",
        "| labels | asked | seeds | accuracy | the tool as it is |",
        "| --- | --- | --- | --- | --- |",
    ]
    for (labels, way), rows in cells.items():
        right = [row["accuracy"] for row in rows]
        spread = f"{np.mean(right):.3f} ({np.min(right):.3f} to {np.max(right):.3f})"
        own = [row["as_is"].get(way) for row in rows]
        alone = "" if None in own else f"{np.mean(own):.3f}"
        lines.append(f"| {labels} | {way} | {len(rows)} | {spread} | {alone} |")
    given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser, running = commands(__doc__, HERE, "labels | asked | seed")
    running.add_argument("--archive", type=Path, required=True)
    given = parser.parse_args()
    (run if given.command == "run" else table)(given)


if __name__ == "__main__":
    main()
