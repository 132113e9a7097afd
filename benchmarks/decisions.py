"""What an objective brings on test images: decisions, promises, sets; five seeds of two tasks.

    python benchmarks/decisions.py run --data DIR --models DIR --cache DIR [--ledger FILE]
    python benchmarks/decisions.py show

DIR holds the data sets as `rebox task list` has them, and the boxes as ONNX files. A row for each
objective: what is there is not measured again. HAM10000 is the half of the lesions that was not
looked at while rebox was designed, an image of each; of EyePACS, patients are on one side.
Decisions were designed on images of the other half, and on other splits of the same images of
EyePACS, their test parts looked at: what stands here of EyePACS is no untouched test.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from frontier.tasks import unseen_ham10000
from threadpoolctl import threadpool_limits

import rebox
from rebox.decision import OperatingPoint, PredictionSets, operating_point, read_objective
from rebox.fit.deciding import decided_by
from rebox.metric import proportion
from rebox.sample import Dataset, open_task
from rebox.sample.labels import places_of
from rebox.study.bench import append, read_ledger
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
HERE = Path(__file__).parent / "decisions"


def main() -> None:
    given = read_arguments()
    if given.command == "run":
        for row in measured(given):
            append(given.ledger, row)
    show(list(read_ledger(given.ledger)))


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["run", "show"])
    parser.add_argument("--ledger", type=Path, default=HERE / "measured.jsonl")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--cache", type=Path, help="folder of remembered answers")
    parser.add_argument("--tasks", nargs="+", default=list(TEST), choices=list(TEST))
    parser.add_argument("--boxes", nargs="+", default=["squeezenet"], choices=list(BOXES))
    parser.add_argument("--train", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    return parser.parse_args()


def measured(given: argparse.Namespace) -> Iterator[Row]:
    """Yield a row for each objective that the ledger does not hold."""
    done = {row["key"] for row in read_ledger(given.ledger)}
    for task in given.tasks:
        dataset = unseen_ham10000(given.data) if task == "ham10000" else open_task(task, given.data)
        for name in given.boxes:
            uri = f"onnx:{given.models / BOXES[name]}?preprocess=imagenet&threads=1"
            box = RememberingBox(rebox.open_box(uri), given.cache)
            for seed in given.seeds:
                keys = {
                    f"{task} | {name} | {given.train} | {objective} | {seed}": objective
                    for objective in OBJECTIVES[task]
                }
                wanted = {key: objective for key, objective in keys.items() if key not in done}
                if not wanted:
                    continue
                parts = holdout(dataset, test=TEST[task], train=given.train, seed=seed)
                with threadpool_limits(limits=1):
                    rows = all_of(dataset, parts, box, list(wanted.values()), seed)
                for key, row in zip(wanted, rows, strict=True):
                    yield {"key": key, "task": task, "box": name, "train": given.train, **row}


def all_of(
    dataset: Dataset, parts: Split, box: RememberingBox, objectives: list[str], seed: int
) -> list[Row]:
    """Fit, and measure on test images what is decided for each objective, and sets.

    Fits for several objectives ask and read the same: one is made, and each decides by what it
    held out.
    """
    train, test = dataset.subset(parts.train), dataset.subset(parts.test)
    model = rebox.Reprogrammer(
        box, budget=len(train), value_range=dataset.value_range, random_state=seed
    )
    with opinions_kept() as kept:
        model.fit(train.images, train.labels, groups=train.groups)
    session, held_out = kept[0]
    classes, probabilities = model.classes_, model.predict_proba(test.images)
    truth = places_of(test.labels, classes)
    rows = []
    for objective in objectives:
        wanted = read_objective(objective, classes, dataset.grades)
        decided, error = decided_by(replace(session, objective=wanted), held_out)
        assert error is None and decided.sets is not None  # noqa: PT018 - of auto, always
        sets = decided.sets.sets(probabilities, decided.decision, classes, COVERAGE, SILENT)
        point = operating_point(wanted, truth, sets.decided, test.groups)
        rows.append(
            {
                "objective": objective,
                "seed": seed,
                "promised": values(decided.promised),
                "measured": values(point),
                "note": decided.note,
                "sets": covered(sets, truth, decided.sets.subjects(len(classes))),
            }
        )
    return rows


@contextmanager
def opinions_kept() -> Iterator[list[tuple[Any, Any]]]:
    """Keep the session of each fit, and what it held out."""
    module, kept = import_module("rebox.fit.fit"), []

    def keeping(session: Any, held_out: Any) -> Any:
        kept.append((session, held_out))
        return decided_by(session, held_out)

    module.decided_by = keeping
    try:
        yield kept
    finally:
        module.decided_by = decided_by


def values(point: OperatingPoint | None) -> dict[str, float]:
    return {} if point is None else {name: one.value for name, one in point.figures.items()}


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
        within = sum(holds(one) for one in of_class)
        seeds = f"{COVERAGE:g} in the interval of {within} of {len(of_class)} seeds"
        print(f"    sets, coverage of {name} ({least} subjects{few}): {share}, {seeds}")


def holds(of_class: Row) -> bool:
    """Return whether the interval of one seed's coverage holds what was asked for."""
    if not of_class["tested"]:
        return True
    interval = proportion(of_class["covered"], of_class["tested"])
    return interval.low <= COVERAGE <= interval.high


def spread(values: list[float]) -> str:
    return f"{np.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    main()
