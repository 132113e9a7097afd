"""Fit and store a small model of every kind, with what it says of a few samples.

    PYTHONPATH=CHECKOUT/src python tests/data/models/make.py tests/data/models/format-N

Runs in every checkout since the first. What a checkout does not know yet is named and skipped.
"""

import argparse
import contextlib
from pathlib import Path
from typing import Any

import numpy as np

import rebox

GREY = "rehearsal:?classes=6&size=8&channels=1"
COLOUR = "rehearsal:?classes=9&size=16&channels=3&pixels=float32"
ANSWERS = "answers.npz"  # beside the models that are asked by ids
RECORDED = f"recorded:{ANSWERS}?service=Good"
BOTH = [RECORDED, f"recorded:{ANSWERS}?service=Fair"]
SHOWN = 5  # samples whose probabilities are stored


def brightness(images: list[np.ndarray]) -> np.ndarray:
    """Return mean and deviation of each image: an encoder made in Python."""
    return np.array([[image.mean(), image.std()] for image in images])


def make_data() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return samples and labels by kind; labels are texts, whole numbers and truth values."""
    rng = np.random.default_rng(20)
    rows = rng.normal(size=(30, 4))
    pictures = rng.integers(0, 256, size=(12, 6, 5, 3)).astype(np.uint8)
    pictures[::2] //= 2
    series = rng.normal(size=(20, 5, 9))
    series[::2, 1] += series[::2, 0]
    matrices = np.stack([np.corrcoef(one) for one in series]).astype(np.float32)
    matrices = (matrices + matrices.transpose(0, 2, 1)) / 2
    return {
        "rows": (rows, np.array(["ill", "well"])[(rows[:, 0] > 0).astype(int)]),
        "pictures": (pictures, np.arange(12) % 2 + 3),
        "grey": (pictures[:8, :, :, 0], np.arange(8) % 2 + 3),
        "matrices": (matrices, np.arange(20) % 2 == 0),
        "ids": (np.array([f"s{i}" for i in range(30)]), np.arange(30) % 3),
    }


def write_answers(path: Path, ids: np.ndarray, truth: np.ndarray) -> None:
    """Write what services that are right about three in four, and half, said of samples."""
    rng = np.random.default_rng(21)
    labels, confidence = [], []
    for right in (0.75, 0.5):
        labels.append(np.where(rng.random(len(ids)) < right, truth, (truth + 1) % 3))
        confidence.append(rng.uniform(0.4, 1, len(ids)).astype(np.float32))
    said = {"labels": np.stack(labels, axis=1), "confidence": np.stack(confidence, axis=1)}
    np.savez(path, ids=ids, truth=truth, services=["Good", "Fair"], usd_per_10k=[10.0, 5.0], **said)


def samples_of(x: np.ndarray) -> Any:
    """Return samples as they are fitted to: texts are the ids of them."""
    return rebox.Samples(ids=x) if x.dtype.kind == "U" else x


# Name: recipe, box, more arguments. The first word of a name is the kind of data.
CASES: dict[str, tuple[str, str | list[str], dict[str, Any]]] = {
    "rows-bar": ("bar?q=1&batch=4", GREY, {}),
    "rows-random-mapping": ("bar?q=1&mapping=random&subspace=dct-3", GREY, {}),
    "rows-low-resolution": ("cma-es?batch=4&subspace=low-resolution-3", GREY, {}),
    "rows-cut": ("cma-es?batch=4&subspace=low-resolution-10", GREY, {}),
    "rows-cut-waves": ("cma-es?batch=4&subspace=dct-10", GREY, {}),
    "rows-projection": ("spsa-gc?q=1&subspace=random-projection-3&overlay=1", GREY, {}),
    "rows-map": ("map", GREY, {}),
    "rows-demo": ("map", "demo:digits", {}),
    "rows-top-k": ("map", f"{GREY}&top_k=3&decimals=2", {}),
    "rows-balanced": ("map?class_weight=balanced", GREY, {}),
    "rows-prior": ("map", GREY, {"budget": 1}),
    "rows-hellinger": ("map?rule=hellinger", GREY, {}),
    "rows-blm": ("map?rule=blm", GREY, {}),
    "rows-lda": ("map?rule=lda", GREY, {}),
    "rows-best": ("map?rule=best", GREY, {}),
    "rows-ilm": ("ilm?batch=4", GREY, {}),
    "rows-program": ("program?batch=4", GREY, {}),
    "rows-auto": ("auto", GREY, {}),
    "rows-alone": ("auto?stack=false", GREY, {}),
    "rows-votes": (
        "auto?stack=false",
        f"{GREY}&labels_only=true",
        {"queries_per_prediction": 5, "budget": 600},
    ),
    "rows-student": (
        "auto?class_weight=balanced",
        GREY,
        {"queries_per_prediction": 0, "budget": 30},
    ),
    "rows-local": ("local", "nobody", {}),
    "rows-even": ("local", "nobody", {"objective": "balanced_accuracy"}),
    "rows-kappa": ("auto", GREY, {"objective": "kappa", "ordered": True}),
    "rows-sensitivity": ("map", GREY, {"objective": "sensitivity:ill>=0.8"}),
    "pictures-costs": ("auto?stack=false", COLOUR, {"objective": {"costs": [[0, 1], [5, 0]]}}),
    "rows-subjects": ("auto", GREY, {"groups": np.arange(30) // 2}),
    "pictures-map": ("map", COLOUR, {}),
    "pictures-contain": ("map?fit=contain", COLOUR, {}),
    "pictures-views": ("auto?stack=false", COLOUR, {"queries_per_prediction": 4, "budget": 400}),
    "grey-auto": ("auto", GREY, {}),
    "matrices-map": ("map", GREY, {"value_range": (-1, 1)}),
    "matrices-auto": ("auto", GREY, {"value_range": (-1, 1)}),
    "matrices-encoder": ("auto", GREY, {"value_range": (-1, 1), "encoder": "brightness"}),
    "ids-map": ("map", RECORDED, {}),
    "ids-auto": ("auto", RECORDED, {}),
    "ids-boxes": ("auto", BOTH, {"objective": "balanced_accuracy"}),
    "ids-policy": ("auto", BOTH, {"usd_per_prediction": 0.0007}),
    "matrices-canaries": ("map", GREY, {"value_range": (-1, 1), "canaries": 3}),
}


def main() -> None:
    """Write the models that are asked for into a folder, and add to its expected.npz."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="of models; all, if left out")
    parser.add_argument("--suffix", default="", help="for a model of another commit of one format")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    stored = given.folder / "expected.npz"
    expected = dict(np.load(stored)) if stored.exists() else {}
    data = make_data()
    write_answers(given.folder / ANSWERS, *data["ids"])
    expected |= {kind: x[-SHOWN:] for kind, (x, _) in data.items()}
    for name in given.names or CASES:
        x, y = data[name.partition("-")[0]]
        try:
            with contextlib.chdir(given.folder):
                model = fit(name, x, y)
        except (AttributeError, TypeError, ValueError, ImportError) as error:
            print(f"{name}: not in this checkout: {error}")  # noqa: T201 - a script
            continue
        model.save(given.folder / f"{name}{given.suffix}.rebox")
        shown = samples_of(x[-SHOWN:])
        expected[name + given.suffix] = model.predict_proba(shown)
        if "objective" in CASES[name][2]:
            expected[f"{name}{given.suffix} decided"] = model.predict(shown)
    np.savez_compressed(stored, **expected)


def fit(name: str, x: np.ndarray, y: np.ndarray) -> rebox.Reprogrammer:
    """Return the fitted model of that name."""
    recipe, box, more = CASES[name]
    asked = {"budget": 90, "random_state": 2, "journal": False} | more
    groups = {"groups": asked.pop("groups")} if "groups" in asked else {}
    if "encoder" in asked:
        from rebox.box.encoder import FunctionEncoder

        asked["encoder"] = FunctionEncoder(brightness, identity=asked["encoder"])
    return rebox.Reprogrammer(box, recipe, **asked).fit(samples_of(x), y, **groups)


if __name__ == "__main__":
    main()
