"""SHA-256 of models that are fitted to data which ships with scikit-learn, with rebox's demo box.

    python benchmarks/identical.py > before.txt   # in one checkout
    python benchmarks/identical.py | diff before.txt -   # in another
    OPENBLAS_CORETYPE=Haswell python benchmarks/identical.py --questions   # and another processor

Recipes on pictures and on rows, with groups and without, and the demo's two models: what a change
that moves code without changing what it does has to leave as it is, to the last byte. With
``--questions`` it is what boxes were asked: the same on every processor, so that a journal is worth
as much on another machine. The models' bytes are the same on one kind of processor only.
"""

import argparse
import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.datasets import load_digits

import rebox
from rebox.box import BlackBox, Images, Scores, open_box
from rebox.demo import load_patients, open_digits

RECIPES = ("auto", "map", "bar?q=3", "ilm", "program", "random-search", "cma-es", "spsa-gc")
MORE = ("auto?stack=false", "map?rule=best", "map?rule=kernel", "bar?mapping=random&q=2")


class Data(NamedTuple):
    """What a recipe is fitted to."""

    name: str
    x: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None = None
    box: str = "demo:digits"


class Listening(BlackBox):
    """A box that passes on what it is asked, and keeps a digest of it."""

    def __init__(self, box: BlackBox) -> None:
        self.spec = box.spec
        self._box = box
        self.asked = hashlib.sha256()

    def answer(self, images: Images) -> Scores:
        """Return the other box's answers."""
        for image in images:
            self.asked.update(np.ascontiguousarray(image).data)
        return self._box.answer(images)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="*", default=(*RECIPES, *MORE))
    parser.add_argument("--questions", action="store_true")
    arguments = parser.parse_args()
    digest = _questions if arguments.questions else _model
    for recipe in arguments.recipes:
        for data in _services() if arguments.questions else _data():
            print(digest(recipe, data, 3 if arguments.questions else 1), recipe, data.name)
    if not arguments.questions:
        rows = next(data for data in _data() if data.name == "rows")
        for asked in (0, 3):
            print(_model("auto", rows, asked), f"auto, {asked} queries")


def _data() -> Iterator[Data]:
    yield _pictures()
    patients = load_patients()
    yield Data("rows", patients.train, patients.train_labels)
    subjects = np.arange(len(patients.train)) // 3
    yield Data("subjects", patients.train, patients.train_labels, subjects)


def _services() -> Iterator[Data]:
    """Yield data with boxes that take floats, and one that takes levels, as services do."""
    yield _pictures()
    patients = load_patients()
    yield Data("rows", patients.train, patients.train_labels)
    colours = np.random.default_rng(0).integers(0, 256, (60, 24, 20, 3)).astype(np.uint8)
    box = "rehearsal:?size=48&classes=20&pixels=uint8"
    yield Data("colours", colours, np.arange(60) % 2, box=box)


def _pictures() -> Data:
    """Return digits whose question is another one: whether they are odd."""
    digits = load_digits()
    x = (digits.images[:150] / 16).astype(np.float32)
    return Data("pictures", x, digits.target[:150] % 2)


def _model(recipe: str, data: Data, asked: int) -> str:
    """Return a digest of the model's file and of what it predicts."""
    model = _fitted(open_digits(), recipe, data, asked)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.rebox"
        model.save(path)
        proba = model.predict_proba(data.x[:20])
        content = path.read_bytes() + np.ascontiguousarray(proba).tobytes()
    return hashlib.sha256(content).hexdigest()[:16]


def _questions(recipe: str, data: Data, asked: int) -> str:
    """Return a digest of all that the box was asked, for the fit and for predictions."""
    box = Listening(open_box(data.box))
    _fitted(box, recipe, data, asked if recipe.startswith("auto") else 1).predict(data.x[:20])
    return box.asked.hexdigest()[:16]


def _fitted(box: BlackBox, recipe: str, data: Data, asked: int) -> rebox.Reprogrammer:
    model = rebox.Reprogrammer(
        box, recipe, budget=700, queries_per_prediction=asked, random_state=3
    )
    return model.fit(data.x, data.y, groups=data.groups)


if __name__ == "__main__":
    main()
