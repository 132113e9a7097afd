"""Dermatology with an ImageNet classifier: `rebox fit` and `rebox evaluate`, end to end.

    python benchmarks/ham10000.py --data DIR --box onnx:squeezenet.onnx?preprocess=imagenet \
        --recipe map --budget 1000 --seeds 0 1 2

DIR holds HAM10000_metadata.csv and images/. One image per lesion; for each seed, 1000 stratified
images to train and 1500 others to test. Prints queries, balanced accuracy and macro AUC.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split


def main() -> None:
    arguments = read_arguments()
    paths, labels = one_image_per_lesion(arguments.data)
    scores = []
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as folder:
            record = run(arguments, Path(folder), paths, labels, seed)
        metrics = record["metrics"]
        scores.append([metrics[name]["value"] for name in ("balanced_accuracy", "macro_auc")])
        print(
            f"seed {seed}: {record['fit']['queries']['total']} queries to fit in "
            f"{record['fit']['seconds']:.0f} s, balanced accuracy {scores[-1][0]:.4f}, "
            f"macro AUC {scores[-1][1]:.4f} "
            f"[{metrics['macro_auc']['low']:.4f}, {metrics['macro_auc']['high']:.4f}]",
            flush=True,
        )
    mean = np.mean(scores, axis=0)
    print(f"{arguments.recipe}: mean balanced accuracy {mean[0]:.4f}, mean macro AUC {mean[1]:.4f}")


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--box", required=True)
    parser.add_argument("--recipe", default="map")
    parser.add_argument("--budget", type=int, default=1000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    return parser.parse_args()


def one_image_per_lesion(data: Path) -> tuple[list[str], list[str]]:
    """Return paths and diagnoses of the first image of every lesion whose image is there."""
    first: dict[str, dict[str, str]] = {}
    with (data / "HAM10000_metadata.csv").open() as file:
        for row in csv.DictReader(file):
            first.setdefault(row["lesion_id"], row)
    rows = list(first.values())
    paths = [str((data / "images" / f"{row['image_id']}.jpg").resolve()) for row in rows]
    return paths, [row["dx"] for row in rows]


def run(
    arguments: argparse.Namespace, folder: Path, paths: list[str], labels: list[str], seed: int
) -> dict:
    """Fit and evaluate by the command line; return the record of both."""
    parts = train_test_split(
        paths, labels, train_size=1000, test_size=1500, random_state=seed, stratify=labels
    )
    write_csv(folder / "train.csv", parts[0], parts[2])
    write_csv(folder / "test.csv", parts[1], parts[3])
    model, fit, test = folder / "model.rebox", folder / "fit.json", folder / "test.json"
    rebox(
        *("fit", "--box", arguments.box, "--data", folder / "train.csv"),
        *("--recipe", arguments.recipe, "--budget", arguments.budget, "--seed", seed),
        *("--out", model, "--json", fit),
    )
    rebox("evaluate", model, "--data", folder / "test.csv", "--json", test)
    return {**json.loads(test.read_text()), "fit": json.loads(fit.read_text())}


def write_csv(path: Path, paths: list[str], labels: list[str]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("path", "label"), *zip(paths, labels, strict=True)])


def rebox(*arguments: object) -> None:
    command = [sys.executable, "-c", "from rebox.cli import main; main()", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own command


if __name__ == "__main__":
    main()
