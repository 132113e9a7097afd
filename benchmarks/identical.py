"""SHA-256 of models that are fitted to data which ships with scikit-learn, with rebox's demo box.

    python benchmarks/identical.py > before.txt   # in one checkout
    python benchmarks/identical.py | diff before.txt -   # in another

Eight recipes on pictures and on rows, with groups and without, and the demo's two models: what a
change that moves code without changing what it does has to leave as it is, to the last byte.
"""

import hashlib
import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import rebox
from rebox.demo import load_patients, open_digits

RECIPES = ("auto", "map", "bar?q=3", "ilm", "program", "random-search", "cma-es", "spsa-gc")
MORE = ("auto?stack=false", "map?rule=best", "map?rule=kernel", "bar?mapping=random&q=2")


def main() -> None:
    pictures, kinds = _pictures()
    patients = load_patients()
    subjects = np.arange(len(patients.train)) // 3
    for recipe in (*RECIPES, *MORE):
        for name, x, y, groups in (
            ("pictures", pictures, kinds, None),
            ("rows", patients.train, patients.train_labels, None),
            ("subjects", patients.train, patients.train_labels, subjects),
        ):
            print(_digest(recipe, x, y, groups, 1), recipe, name, flush=True)
    for asked in (0, 3):
        x, y = patients.train, patients.train_labels
        print(_digest("auto", x, y, None, asked), f"auto, {asked} queries", flush=True)


def _pictures() -> tuple[np.ndarray, np.ndarray]:
    """Return digits whose question is another one: whether they are odd."""
    digits = load_digits()
    return (digits.images[:150] / 16).astype(np.float32), digits.target[:150] % 2


def _digest(
    recipe: str, x: np.ndarray, y: np.ndarray, groups: np.ndarray | None, asked: int
) -> str:
    model = rebox.Reprogrammer(
        open_digits(), recipe, budget=700, queries_per_prediction=asked, random_state=3
    )
    model.fit(x, y, groups=groups)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.rebox"
        model.save(path)
        proba = model.predict_proba(x[:20])
        content = path.read_bytes() + np.ascontiguousarray(proba).tobytes()
    return hashlib.sha256(content).hexdigest()[:16]


if __name__ == "__main__":
    main()
