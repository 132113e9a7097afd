"""A box that answers with a word: `auto` against the best reading without a fit.

    python benchmarks/as_named.py run --data DIR [--only 'thought of | 20 | *'] [--cache DIR]
    python benchmarks/as_named.py table

17 kinds of flowers (``DIR/flowers17``), and EfficientNet-Lite0 in the place of a chat model: it is
told words and names one for each picture, nothing else. ``thought of``: 30 words of ImageNet that
came to mind; ``common``: the 30 that it gives most probability, on average, to all the pictures.
Among both is one name of the user's, daisy. ``named``: the 17 flowers' own names, by a reading of
the model's scores of three pictures of each, which are then set aside: a box that knows the task.

``run`` fits and writes a line for each trial into the ledger; a rerun skips what is there.
``table`` writes RESULTS.md from it. Training labels alone choose anything, but for ``oracle``.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from frontier.tasks import flowers17
from measuring import commands, missing
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

import rebox
from rebox.box import BlackBox, Images, Scores, open_box
from rebox.program import Canvas
from rebox.reading.as_named import named_places
from rebox.sample import Dataset, SampleLoader
from rebox.study.bench import append, read_ledger
from rebox.study.bench.remember import RememberingBox
from rebox.study.task import holdout

HERE = Path(__file__).parent / "as_named"
SEEDS = range(5)
LABELS = (20, 50, 100, 340)
TESTED = 289  # what 340 labels leave where three pictures of each kind are set aside
ASIDE = 3
MODEL = "imagenet_efficientnet_lite0.onnx?mean=127,127,127&std=128,128,128&scale=255"
WORDS = 30
THOUGHT_OF = (
    "acorn artichoke bee broccoli buckeye cardoon corn daisy ear fly greenhouse hip hummingbird "
    "ladybug lemon monarch mushroom pinwheel pot rapeseed strawberry vase"
)
THOUGHT_OF_TOO = (  # of several words each
    "bell pepper",
    "cabbage butterfly",
    "coral fungus",
    "head cabbage",
    "picket fence",
    "sea anemone",
    "sulphur butterfly",
    "yellow lady's slipper",
)
BOXES = ("thought of", "common", "named")
METHODS: dict[str, dict[str, Any]] = {  # what is fitted, beside the readings without a fit
    "auto": {},
    "auto, answers alone": {"recipe": "auto?stack=false"},
    "local": {"recipe": "local", "box": None},
}
READINGS = ("by name", "by favour", "oracle")
Places = NDArray[np.intp]


class WordBox(BlackBox):
    """Names the word of the highest score, which ``read`` makes of another box's scores."""

    def __init__(
        self, box: BlackBox, words: list[str], read: Callable[[Scores], Scores], name: str
    ) -> None:
        self.spec = replace(
            box.spec,
            identity=f"{box.spec.identity}|{name}",
            classes=tuple(words),
            complete=False,
            labels_only=True,
        )
        self._box, self._read = box, read

    def answer(self, images: Images) -> Scores:
        """Return 1 for the word that is named, 0 for all others."""
        best = self._read(self._box.ask(images)).argmax(axis=1)
        return np.eye(len(self.spec.classes), dtype=np.float32)[best]


@dataclass(frozen=True)
class Trial:
    """A fit of each method, and the predictions that are measured."""

    box: str
    labels: int
    seed: int

    @property
    def key(self) -> str:
        """What names it in the ledger."""
        return f"{self.box} | {self.labels} | {self.seed}"


@cache
def flowers(data: Path) -> Dataset:
    """Return all pictures."""
    return flowers17(data)


@cache
def network(data: Path, cache_in: Path | None) -> BlackBox:
    """Return the model, which keeps its answers."""
    return RememberingBox(open_box(f"onnx:{data / 'models' / MODEL}"), cache_in)


@cache
def scored(box: BlackBox, data: Path) -> Scores:
    """Return the scores (680, classes) of all pictures as they are."""
    samples = SampleLoader.of_training(rebox.Samples(images=flowers(data).images), None, ())
    assert samples.images is not None
    placement = Canvas(fit="contain").placement(samples.images.inputs.size, box.spec.shape)
    rows = np.array_split(np.arange(len(samples)), 30)
    parts = [box.ask(placement.place(samples.images.take(few))) for few in rows]
    return np.concatenate(parts)


@cache
def word_box(name: str, data: Path, cache_in: Path | None) -> tuple[BlackBox, Places]:
    """Return a box, and the pictures (n,) that it may be tried on."""
    inner, every = network(data, cache_in), flowers(data)
    scores, rows = scored(inner, data), np.arange(len(every))
    if name == "named":
        kinds = np.unique(every.labels)
        aside = np.concatenate([np.flatnonzero(every.labels == one)[:ASIDE] for one in kinds])
        head = LogisticRegression(max_iter=1000).fit(np.log(scores[aside]), every.labels[aside])
        words = [str(one) for one in kinds]
        box = WordBox(inner, words, lambda x: head.decision_function(np.log(x)), name)
        return box, np.setdiff1d(rows, aside)
    known = [
        line.strip().strip("'\"").split(" ", 1)[1].split(",")[0].replace("''", "'")
        for line in (data / "models" / "imagenet_labels.txt").read_text().splitlines()
    ]
    places = [known.index(word) for word in (*THOUGHT_OF.split(), *THOUGHT_OF_TOO)]
    if name == "common":
        places = np.argsort(-scores.mean(axis=0), kind="stable")[:WORDS].tolist()
    words = [known[place] for place in places]
    return WordBox(inner, words, lambda x: x[:, places], name), rows


def read_without_fit(
    box: BlackBox, answers: Scores, targets: Places, train: Places, test: Places, classes: list[str]
) -> dict[str, Places]:
    """Return the classes (n,) that answers about ``test`` are read as, by each reading.

    By name: a word that is no name of the user's is read as the most frequent class. By favour:
    each word as the class that it was most often said about in training, or, if never, as the most
    frequent. The oracle's words are those of all pictures, tested ones among them: nobody has it.
    """
    said, frequent = answers.argmax(axis=1), int(np.bincount(targets[train]).argmax())
    own = np.full(answers.shape[1], frequent)
    for kind, word in enumerate(named_places(classes, box.spec.classes)):
        if word >= 0:
            own[word] = kind

    def favoured(rows: Places) -> Places:
        counts = np.zeros((answers.shape[1], len(classes)))
        np.add.at(counts, (said[rows], targets[rows]), 1.0)
        counts[:, frequent] += 1e-3
        favoured: Places = counts.argmax(axis=1)
        return favoured

    every = favoured(np.arange(len(targets)))
    return {
        "by name": own[said[test]],
        "by favour": favoured(train)[said[test]],
        "oracle": every[said[test]],
    }


def measure(trial: Trial, data: Path, cache_in: Path | None) -> dict[str, Any]:
    """Return a row of the ledger."""
    box, rows = word_box(trial.box, data, cache_in)
    dataset = flowers(data).subset(rows)
    parts = holdout(dataset, train=trial.labels, test=TESTED, seed=trial.seed)
    classes, targets = np.unique(dataset.labels, return_inverse=True)
    answers = scored(box, data)[rows]
    truth = targets[parts.test]
    read = read_without_fit(box, answers, targets, parts.train, parts.test, classes.tolist())
    accuracy = {name: float((said == truth).mean()) for name, said in read.items()}
    loss, start = {}, time.perf_counter()
    for name, options in METHODS.items():
        model = rebox.Reprogrammer(
            **{"box": box, "budget": 10**5, "journal": False, "random_state": trial.seed} | options
        )
        model.fit(dataset.images[parts.train], dataset.labels[parts.train])
        said = model.predict_proba(dataset.images[parts.test])
        places = np.searchsorted(model.classes_, dataset.labels[parts.test])
        accuracy[name] = float((said.argmax(axis=1) == places).mean())
        loss[name] = float(-np.log(said[np.arange(len(said)), places] + 1e-12).mean())
    seconds = time.perf_counter() - start
    return {"key": trial.key, **vars(trial), "accuracy": accuracy, "loss": loss, "s": seconds}


def trials() -> Iterator[Trial]:
    """Yield all that is measured."""
    return (Trial(box, labels, seed) for seed in SEEDS for box in BOXES for labels in LABELS)


def run(given: argparse.Namespace) -> None:
    """Run what the ledger does not hold."""
    for trial in missing(trials(), given):
        row = measure(trial, given.data, given.cache)
        append(given.ledger, row)
        figures = ", ".join(f"{name} {value:.3f}" for name, value in row["accuracy"].items())
        print(f"{trial.key}: {figures}", flush=True)


def table(given: argparse.Namespace) -> None:
    """Write a line for each box and number of labels, over its seeds."""
    cells = defaultdict(list)
    for row in read_ledger(given.ledger):
        cells[row["box"], row["labels"]].append(row["accuracy"])
    names = (*READINGS, *METHODS)
    lines = [
        "# A box that answers with a word: auto against readings without a fit",
        "",
        "Written by `python benchmarks/as_named.py table`; do not edit. Accuracy on "
        f"{TESTED} pictures of",
        "17 kinds of flowers, mean over the seeds; least: the least that auto was ahead of the",
        "better reading, by name or by favour, in any seed. What the boxes and readings are stands",
        "in `benchmarks/as_named.py`; the oracle has seen the tested pictures' labels.",
        "",
        f"| box | labels | seeds | {' | '.join(names)} | least |",
        f"|{' --- |' * (len(names) + 4)}",
    ]
    for (box, labels), rows in sorted(cells.items(), key=lambda x: (BOXES.index(x[0][0]), x[0][1])):
        means = [f"{np.mean([row[name] for row in rows]):.3f}" for name in names]
        ahead = min(row["auto"] - max(row[name] for name in READINGS[:2]) for row in rows)
        lines.append(f"| {box} | {labels} | {len(rows)} | {' | '.join(means)} | {ahead:+.3f} |")
    given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser, running = commands(__doc__, HERE, "box | labels | seed")
    running.add_argument("--data", type=Path, required=True)
    running.add_argument("--cache", type=Path, help="keeps the model's answers")
    given = parser.parse_args()
    (run if given.command == "run" else table)(given)


if __name__ == "__main__":
    main()
