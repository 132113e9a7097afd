"""Several boxes, one budget: accuracy against the mean price of a prediction.

    python benchmarks/several.py run --data DIR [--only 'rafdb | 1000 | *'] [--cache DIR]
    python benchmarks/several.py table

``run`` fits on a few labels, predicts all (or many) others and writes a line for each into the
ledger; a rerun skips what is there. ``table`` writes RESULTS.md from it. Recorded answers of
services are in ``DIR/answers``, models in ``DIR/models``. Training labels alone choose anything.
Where the samples are at hand beside the answers, as WAIMAI's texts are, the local model looks at
them: by itself ("texts alone"), and beside services ("services and texts").
"""

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from measuring import commands, missing

import rebox
from rebox.box import BlackBox, open_box
from rebox.metric import evaluate
from rebox.sample import Samples, open_task
from rebox.study.bench import append, read_ledger
from rebox.study.bench.remember import RememberingBox
from rebox.study.task import holdout

HERE = Path(__file__).parent / "several"
SEEDS = range(5)
ANSWERS = {  # labels, and mean prices of 10,000 predictions that are tried; None: all are asked
    "rafdb": {
        1000: (None, 1, 4.5, 5, 10, 15),
        300: (None, 4.5, 10),
        100: (None, 4.5, 10),
        20: (None,),
        7669: (None, 1, 5, 10, 15),
    },
    "waimai": {1000: (None, 0.2, 0.7, 2), 300: (None, 0.7, 2), 100: (None, 2), 20: (None,)},
    "digit": {1000: (None, 25, 41), 300: (None, 25), 20: (None,)},
    "yelp": {1000: (None, 0.75, 2.5), 300: (None, 0.75, 2.5), 20: (None,)},
}
ALONE, BESIDE = "texts alone", " and texts"
TEXTS = {  # boxes and paces that are tried on WAIMAI's texts, by labels
    1000: {
        ALONE: ("all",),
        "Google": ("all",),
        "Baidu": ("all",),
        "Amazon": ("all",),
        "GitHub(Bixin)": ("all",),
        f"GitHub(Bixin){BESIDE}": ("all",),
        f"services{BESIDE}": ("all", "usd 0.2", "usd 0.7", "usd 2"),
    },
    300: {ALONE: ("all",), f"services{BESIDE}": ("all", "usd 0.7")},
    100: {ALONE: ("all",), f"services{BESIDE}": ("all", "usd 2")},
}
SERVED = {  # models in place of services, and US dollars for 1,000 answers
    "squeezenet": ("imagenet_squeezenet1_1.onnx?preprocess=imagenet", 1.0),
    "resnet50": ("imagenet_resnet50.onnx?preprocess=imagenet", 4.0),
    "moderation": ("moderation_mobilenet_v2.onnx?preprocess=unit", 2.0),
    "signs": ("gtsrb_cnn.onnx?preprocess=raw", 0.5),
}
PICTURES = {"ham10000": (1000, 1500), "eyepacs": (1000, 700)}  # training and test images
PACES: dict[str, dict[str, Any]] = {
    "all": {},
    "queries 0.3": {"queries_per_prediction": 0.3},
    "usd 5": {"usd_per_prediction": 0.0005},
    "usd 20": {"usd_per_prediction": 0.002},
}


@dataclass(frozen=True)
class Trial:
    """A fit, and the predictions that are measured."""

    task: str
    labels: int
    pace: str
    seed: int
    boxes: str = "services"

    @property
    def key(self) -> str:
        """What names it in the ledger."""
        return f"{self.task} | {self.labels} | {self.boxes} | {self.pace} | {self.seed}"

    @property
    def options(self) -> dict[str, Any]:
        """What the fit is given beside the boxes."""
        if self.pace in PACES:
            return PACES[self.pace]
        return {"usd_per_prediction": float(self.pace.removeprefix("usd ")) / 1e4}


def trials() -> Iterator[Trial]:
    """Yield all that is measured."""
    for seed in SEEDS:
        for task, settings in ANSWERS.items():
            for labels, prices in settings.items():
                for price in prices:
                    pace = "all" if price is None else f"usd {price:g}"
                    yield Trial(task, labels, pace, seed)
        for task, (labels, _) in PICTURES.items():
            for pace in PACES:
                yield Trial(task, labels, pace, seed, "four models")
            for pace in ("all", "queries 0.3"):
                yield Trial(task, labels, pace, seed, "squeezenet")
        yield from trials_of_texts(seed)


def trials_of_texts(seed: int) -> Iterator[Trial]:
    """Yield those on WAIMAI's texts, and what they are compared with."""
    for labels, settings in TEXTS.items():
        for boxes, paces in settings.items():
            yield from (Trial("waimai", labels, pace, seed, boxes) for pace in paces)


def recorded(trial: Trial, data: Path) -> tuple[Any, ...]:
    """Return boxes, training samples and their labels, test samples and theirs, and no groups."""
    file = data / "answers" / f"{trial.task}.npz"
    with np.load(file) as answers:
        ids, truth, services = answers["ids"], answers["truth"].astype(str), answers["services"]
    order = np.random.default_rng(trial.seed).permutation(len(ids))
    # one of each class at least: what nobody has labelled is no class of the user's
    firsts = np.unique(truth[order], return_index=True)[1]
    order = order[np.concatenate([firsts, np.setdiff1d(np.arange(len(ids)), firsts)])]
    few, others = order[: trial.labels], order[trial.labels :]
    whose = trial.boxes.removesuffix(BESIDE)
    named = [name for name in services if whose in ("services", name)]
    boxes = [f"recorded:{file}?service={name}" for name in named]
    seen = not named or trial.boxes.endswith(BESIDE)
    said = texts(data) if seen else {}
    X, X_test = (
        Samples(ids=ids[rows], texts=[said[name] for name in ids[rows]] if seen else None)
        for rows in (few, others)
    )
    return boxes, X, truth[few], X_test, truth[others], None, None


def texts(data: Path) -> dict[str, str]:
    """Return WAIMAI's texts by their ids; the labels that stand beside them are not the truth."""
    file = data / "answers" / "waimai_texts.csv"
    with file.open(encoding="utf-8-sig", newline="") as opened:
        each = enumerate(csv.DictReader(opened), start=1)
        return {f"WAIMAI_{number}.txt": row["review"] for number, row in each}


def pictured(trial: Trial, data: Path, cache: Path | None) -> tuple[Any, ...]:
    """Return the same for pictures, asked of models; and the subjects of all."""
    dataset = open_task(trial.task, data)
    labels, tested = PICTURES[trial.task]
    parts = holdout(dataset, train=labels, test=tested, seed=trial.seed)
    names = list(SERVED) if trial.boxes == "four models" else [trial.boxes]
    boxes = [served(data, name, cache) for name in names]
    groups = dataset.groups
    return (
        boxes,
        *(
            part
            for rows in (parts.train, parts.test)
            for part in (dataset.images[rows], dataset.labels[rows])
        ),
        *(None if groups is None else groups[rows] for rows in (parts.train, parts.test)),
    )


def served(data: Path, name: str, cache: Path | None) -> BlackBox:
    """Return a model at its price, whose answers are kept between trials."""
    file, price = SERVED[name]
    uri = f"onnx:{data / 'models' / file}&price_usd={price / 1000:g}"
    return RememberingBox(open_box(uri), cache)


def measure(trial: Trial, data: Path, cache: Path | None) -> dict[str, Any]:
    """Return a row of the ledger."""
    made = pictured(trial, data, cache) if trial.task in PICTURES else recorded(trial, data)
    boxes, X, y, X_test, y_test, groups, test_groups = made
    start = time.perf_counter()
    asked = {"budget": 10**7, "journal": False, **trial.options} if boxes else {"recipe": "local"}
    model = rebox.Reprogrammer(boxes or None, random_state=trial.seed, **asked)
    model.fit(X, y, groups=groups)
    fit_s = time.perf_counter() - start
    fitted = model.spent_
    probabilities = model.predict_proba(X_test)
    places = np.searchsorted(model.classes_, y_test)
    figures = evaluate(
        y_test, probabilities, model.classes_.tolist(), seed=trial.seed, groups=test_groups
    )
    asked, usd = model.spent_.predict, model.spent_.usd - fitted.usd
    n = len(y_test)
    row = {
        "key": trial.key,
        **vars(trial),
        "tested": n,
        "accuracy": float((probabilities.argmax(axis=1) == places).mean()),
        "figures": {name: one.value for name, one in figures.items()},
        "accuracy_95": [figures["accuracy"].low, figures["accuracy"].high],
        "usd_per_10k": usd / n * 1e4,
        "queries_per_prediction": asked / n,
        "asked": [one.predict / n for one in model.meter_.spent_by_box],
        "fit_s": fit_s,
        "predict_s": time.perf_counter() - start - fit_s,
        "verdict": str(model.verdict_),
    }
    for box in boxes:
        if isinstance(box, RememberingBox):
            row["box_s"] = row.get("box_s", 0.0) + box.inside_s
            box.close()
    return row


def run(given: argparse.Namespace) -> None:
    """Run what the ledger does not hold."""
    for trial in missing(trials(), given):
        row = measure(trial, given.data, given.cache)
        append(given.ledger, row)
        print(
            f"{trial.key}: accuracy {row['accuracy']:.4f}, ${row['usd_per_10k']:.2f} per 10,000, "
            f"{row['queries_per_prediction']:.2f} queries, fit {row['fit_s']:.0f} s",
            flush=True,
        )


def table(given: argparse.Namespace) -> None:
    """Write a line for each setting, over its seeds."""
    cells = defaultdict(list)
    for row in read_ledger(given.ledger):
        cells[row["task"], row["labels"], row["boxes"], row["pace"]].append(row)
    lines = [
        "# Several boxes: what accuracy costs",
        "",
        "Written by `python benchmarks/several.py table`; do not edit. Mean, and least to most,",
        "over the seeds. The pace is the mean price of 10,000 predictions in US dollars, or the",
        "mean of queries, that the fit was given; all: every box is asked about every sample.",
        "Intervals (95 %) are those of the tested samples, their ends the mean over the seeds, in",
        "rows that tell them. Texts: the local model looks at them, by itself or beside services.",
        "",
        "| task | labels | boxes | pace | seeds | accuracy | 95 % | balanced accuracy "
        "| $ per 10,000 | queries |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for (task, labels, boxes, pace), rows in cells.items():
        figures = [
            [row["accuracy"] for row in rows],
            [row["figures"]["balanced_accuracy"] for row in rows],
            [row["usd_per_10k"] for row in rows],
            [row["queries_per_prediction"] for row in rows],
        ]
        words = [f"{np.mean(one):.3f} ({np.min(one):.3f} to {np.max(one):.3f})" for one in figures]
        ends = [row["accuracy_95"] for row in rows if "accuracy_95" in row]
        words.insert(1, " to ".join(f"{end:.3f}" for end in np.mean(ends, axis=0)) if ends else "")
        lines.append(
            f"| {task} | {labels} | {boxes} | {pace} | {len(rows)} | {' | '.join(words)} |"
        )
    given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser, running = commands(__doc__, HERE, "task | labels | boxes | pace | seed")
    running.add_argument("--data", type=Path, required=True)
    running.add_argument("--cache", type=Path, help="keeps models' answers")
    given = parser.parse_args()
    (run if given.command == "run" else table)(given)


if __name__ == "__main__":
    main()
