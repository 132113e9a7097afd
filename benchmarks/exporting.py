"""Models as ONNX files against rebox itself: largest difference, size, images per second.

    python benchmarks/exporting.py DATA MODELS [--count 64] [--only 'auto*'] > EXPORTING.md

DATA holds retinamnist.npz and flowers17/; MODELS ONNX files of ImageNet and of traffic signs. Each
model is fitted, exported, and asked about the same test samples in ONNX Runtime alone and by rebox,
which are timed in turns, three times each; the fastest counts.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rebox import Reprogrammer
from rebox.demo import load_mirrored, load_patients
from rebox.export import export_onnx

ROUNDS = 3


@dataclass(frozen=True, eq=False)
class Samples:
    """Training samples, their labels, and test samples."""

    train: Any
    labels: Any
    test: Any


@dataclass(frozen=True, kw_only=True)
class Case:
    """A model: a recipe, a box and samples."""

    name: str
    recipe: str
    box: str | None
    samples: str
    options: dict[str, Any]


def cases(models: Path) -> list[Case]:
    squeezenet = f"onnx:{models}/imagenet_squeezenet1_1.onnx?preprocess=imagenet&outputs=logits"
    lite = f"onnx:{models}/imagenet_efficientnet_lite0.onnx?preprocess=symmetric"
    signs = f"onnx:{models}/gtsrb_cnn.onnx"
    demo, asked = "demo:digits", {"budget": 400}
    views = {"budget": 1500, "queries_per_prediction": 4}
    return [
        Case(name="auto, 4 views", recipe="auto", box=demo, samples="digits", options=views),
        Case(name="local", recipe="local", box=None, samples="tumours", options={}),
        Case(name="local", recipe="local", box=None, samples="flowers", options={}),
        Case(
            name="map?rule=kernel",
            recipe="map?rule=kernel",
            box=demo,
            samples="tumours",
            options=asked,
        ),
        Case(name="bar", recipe="bar", box=squeezenet, samples="retina", options=asked),
        Case(name="auto", recipe="auto", box=squeezenet, samples="flowers", options=views),
        Case(name="map", recipe="map", box=lite, samples="flowers", options=asked),
        Case(
            name="auto, student",
            recipe="auto",
            box=squeezenet,
            samples="retina",
            options={"budget": 400, "queries_per_prediction": 0},
        ),
        Case(name="cma-es", recipe="cma-es", box=signs, samples="retina", options=asked),
        Case(
            name="auto, balanced",
            recipe="auto",
            box=signs,
            samples="retina",
            options={**views, "objective": "balanced_accuracy"},
        ),
    ]


def retina(data: Path, count: int) -> Samples:
    held = np.load(data / "retinamnist.npz")
    labels = held["train_labels"].ravel()[:300]
    return Samples(held["train_images"][:300], labels, held["test_images"][:count])


def flowers(data: Path, count: int) -> Samples:
    paths = sorted((data / "flowers17").glob("*/*.jpg"))
    np.random.default_rng(0).shuffle(paths)
    some = paths[: 170 + count]
    images = np.stack([pixels(path) for path in some])
    names = np.array([path.parent.name for path in some])
    return Samples(images[:170], names[:170], images[170:])


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((160, 120)))


def digits(_: Path, count: int) -> Samples:
    given = load_mirrored()
    train, test = (np.rint(x * 255).astype(np.uint8) for x in (given.train, given.test))
    return Samples(train[..., None], given.train_labels, test[:count, ..., None])


def tumours(_: Path, count: int) -> Samples:
    given = load_patients()
    return Samples(given.train, given.train_labels, given.test[:count].astype(np.float32))


SAMPLES: dict[str, Callable[[Path, int], Samples]] = {
    "retina": retina,
    "flowers": flowers,
    "digits": digits,
    "tumours": tumours,
}


def row_of(case: Case, given: Samples) -> str:
    """Return a case measured, as a row of the table."""
    import onnxruntime  # noqa: PLC0415 - after rebox, which silences what it would report

    model = Reprogrammer(case.box, case.recipe, random_state=0, **case.options)
    if case.box is None:
        model = Reprogrammer(recipe=case.recipe, random_state=0)
    model.fit(given.train, given.labels)
    with tempfile.TemporaryDirectory() as folder:
        made = export_onnx(model, Path(folder) / "model.onnx")
        session = onnxruntime.InferenceSession(str(made.path))
    name = session.get_inputs()[0].name
    theirs, ours = [], []
    for _ in range(ROUNDS):
        seconds, (said, labels) = timed(lambda: session.run(None, {name: given.test}))
        theirs.append(seconds)
        seconds, expected = timed(lambda: model.predict_proba(given.test))
        ours.append(seconds)
    largest = np.abs(said - expected).max()
    same = int((labels == model.predict(given.test).astype(labels.dtype)).sum())
    n = len(given.test)
    box = "nobody" if case.box is None else Path(case.box.partition("?")[0]).name
    questions = len(model.artefact_.model.questions)
    return (
        f"| {case.name} | {box} | {case.samples} | {questions} | {largest:.1e} | {same} of {n} | "
        f"{made.bytes / 1e6:.2f} | {n / min(theirs):,.0f} | {n / min(ours):,.0f} |"
    )


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    made = work()
    return time.perf_counter() - started, made


def lines(asked: argparse.Namespace) -> Iterator[str]:
    yield "# Models as ONNX files"
    yield ""
    yield "Made by `python benchmarks/exporting.py DATA MODELS`: speeds are to be compared within a"
    yield "row only where others use the machine, too."
    yield ""
    yield (
        "| recipe | box | samples | questions | largest difference | labels alike | MB | "
        "images/s, ONNX Runtime alone | images/s, rebox |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for case in cases(asked.models):
        if fnmatch(case.name, asked.only):
            yield row_of(case, SAMPLES[case.samples](asked.data, asked.count))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--only", default="*")
    for line in lines(parser.parse_args()):
        print(line, flush=True)


if __name__ == "__main__":
    main()
