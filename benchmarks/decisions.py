"""What an objective brings on test images: decisions, promises, sets; five seeds of two tasks.

    python benchmarks/decisions.py run --data DIR --models DIR --cache DIR --ledger decisions.jsonl
    python benchmarks/decisions.py show --ledger decisions.jsonl

DIR holds the data sets as `rebox task list` has them, and the boxes as ONNX files. A row for each
fit: what is there is not fitted again. HAM10000 is the half of the lesions that was not looked at
while rebox was designed, an image of each; of EyePACS, patients are on one side. Decisions were
designed on the other half, and on other splits of EyePACS.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from frontier.tasks import unseen_ham10000
from threadpoolctl import threadpool_limits

import rebox
from rebox.decision import PredictionSets, operating_point
from rebox.metric import proportion
from rebox.sample import Dataset, open_task
from rebox.sample.labels import places_of
from rebox.study.bench.ledger import append
from rebox.study.bench.remember import RememberingBox
from rebox.study.task import Split, holdout

BOXES = {"squeezenet": "imagenet_squeezenet1_1.onnx", "resnet50": "imagenet_resnet50.onnx"}
TEST = {"ham10000": 1500, "eyepacs": 800}
OBJECTIVES = {
    "ham10000": ("accuracy", "balanced_accuracy", "sensitivity:mel>=0.9"),
    "eyepacs": ("accuracy", "balanced_accuracy", "kappa"),
}
COVERAGE, SILENT, ENOUGH = 0.9, 0.2, 30  # of sets; subjects of a class that a coverage is shown for
Row = dict[str, Any]


def main() -> None:
    given = read_arguments()
    if given.command == "run":
        for row in measured(given):
            append(given.ledger, row)
    show([json.loads(line) for line in given.ledger.read_text().splitlines()])


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["run", "show"])
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--cache", type=Path, help="folder of remembered answers")
    parser.add_argument("--tasks", nargs="+", default=list(TEST), choices=list(TEST))
    parser.add_argument("--boxes", nargs="+", default=["squeezenet"], choices=list(BOXES))
    parser.add_argument("--train", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    return parser.parse_args()


def measured(given: argparse.Namespace) -> Iterator[Row]:
    """Yield a row for each fit that the ledger does not hold."""
    text = given.ledger.read_text() if given.ledger.exists() else ""
    done = {json.loads(line)["key"] for line in text.splitlines()}
    for task in given.tasks:
        dataset = unseen_ham10000(given.data) if task == "ham10000" else open_task(task, given.data)
        for name in given.boxes:
            uri = f"onnx:{given.models / BOXES[name]}?preprocess=imagenet&threads=1"
            box = RememberingBox(rebox.open_box(uri), given.cache)
            for seed in given.seeds:
                parts = holdout(dataset, test=TEST[task], train=given.train, seed=seed)
                for objective in OBJECTIVES[task]:
                    key = f"{task} | {name} | {given.train} | {objective} | {seed}"
                    if key in done:
                        continue
                    head = {"key": key, "task": task, "box": name, "objective": objective}
                    with threadpool_limits(limits=1):
                        row = one(dataset, parts, box, objective, seed)
                    yield {**head, "seed": seed, "train": given.train, **row}


def one(dataset: Dataset, parts: Split, box: RememberingBox, objective: str, seed: int) -> Row:
    """Fit, and measure decisions and sets on test images."""
    model = rebox.Reprogrammer(
        box,
        budget=len(parts.train),
        objective=objective,
        ordered=dataset.grades,
        value_range=dataset.value_range,
        random_state=seed,
    )
    train, test = dataset.subset(parts.train), dataset.subset(parts.test)
    model.fit(train.images, train.labels, groups=train.groups)
    sets = model.predict_set(test.images, COVERAGE, silent_share=SILENT)
    truth = places_of(test.labels, model.classes_)
    wanted = model.artefact_.objective
    point = operating_point(wanted, truth, sets.decided, test.groups)
    calibration = model.artefact_.sets
    assert calibration is not None and model.promised_ is not None  # noqa: PT018 - of auto, always
    return {
        "promised": {name: figure.value for name, figure in model.promised_.figures.items()},
        "measured": {name: figure.value for name, figure in point.figures.items()},
        "note": model.note_,
        "sets": covered(sets, truth, calibration.subjects(len(model.classes_))),
    }


def covered(sets: PredictionSets, truth: np.ndarray, subjects: np.ndarray) -> Row:
    """Return how often sets hold the true class, by class, and how large and silent they are."""
    right, sure = sets.decided == truth, ~sets.unsure
    return {
        "size": float(sets.sizes.mean()),
        "unsure": float(sets.unsure.mean()),
        "accuracy": float(right.mean()),
        "accuracy_where_sure": float(right[sure].mean()),
        "classes": {
            str(name): {
                "subjects": round(float(subjects[place])),
                "tested": int((truth == place).sum()),
                "covered": int(sets.members[truth == place, place].sum()),
            }
            for place, name in enumerate(sets.classes)
        },
    }


def show(rows: list[Row]) -> None:
    """Print means over seeds, with the least and the greatest."""
    cells: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        cells[row["task"], row["box"], str(row["train"]), row["objective"]].append(row)
    for cell, some in cells.items():
        print(f"{' | '.join(cell)} | {len(some)} seeds")
        for figure in some[0]["measured"]:
            for said in ("promised", "measured"):
                print(f"    {figure} {said}: {spread([row[said][figure] for row in some])}")
        print(
            f"    fits that say what accuracy leaves undone: {sum(bool(r['note']) for r in some)}"
        )
        if cell[-1] == "accuracy":
            show_sets([row["sets"] for row in some])


def show_sets(sets: list[Row]) -> None:
    """Print the coverage of each class over all seeds, and the mean size."""
    for figure in ("size", "unsure", "accuracy", "accuracy_where_sure"):
        print(f"    sets, {figure}: {spread([one[figure] for one in sets])}")
    for name in sets[0]["classes"]:
        of_class = [one["classes"][name] for one in sets]
        tested, held = (sum(one[part] for one in of_class) for part in ("tested", "covered"))
        least = min(one["subjects"] for one in of_class)
        few = "" if least >= ENOUGH else ", too few subjects to ask of it"
        share = f"{proportion(held, tested):.3f}" if tested else "none tested"
        print(f"    sets, coverage of {name} ({least} subjects{few}): {share}")


def spread(values: list[float]) -> str:
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    main()
