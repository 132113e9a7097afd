"""Models of older releases: every format ever written, brought to the newest one a step at a time.

A step takes what one format wrote and returns what the next would have written of the same model.
It knows JSON and arrays, and none of the classes that write and read them today: those may change
without it. A new format is one more step here; `rebox.artefact.describe` knows the newest alone.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.artefact.describe import Tensors
from rebox.artefact.schema import LONGEST, whole

Description = dict[str, Any]
Waves = NDArray[np.float64]

PLAIN_VIEW = {
    "turn": 0,
    "window": [0.0, 0.0, 1.0, 1.0],
    "scale": 1.0,
    "background": 0.5,
    "contrast": 1.0,
    "gamma": 1.0,
    "saturation": 1.0,
    "channels": [0, 1, 2],
    "invert": False,
    "level": False,
    "colours": "",
    "shuffle": 0,
    "anchor": 0.0,
    "anchor_seed": 0,
}


def upgrade(description: Description, tensors: Tensors) -> tuple[Description, Tensors]:
    """Return what a model file says, in whichever format, as the newest one says it.

    What is not as its format, ``description["format"]``, has it raises whatever comes of that.
    """
    for step in STEPS[int(description["format"]) - 1 :]:
        description, tensors = step(description, tensors)
    return {**description, "format": FORMAT}, tensors


def _one_question(old: Description, tensors: Tensors) -> tuple[Description, Tensors]:
    """1 to 2: several questions, each held up as a view, and a reading of all their answers."""
    subspace, z = _resolved(old["subspace"], tensors["z"], old["placement"])
    gone = ("placement", "subspace", "mapping")
    kept = {name: value for name, value in old.items() if name not in gone}
    description = kept | {
        "box": {"classes": None} | old["box"],  # the very first did not count them
        "questions": [
            {"placement": {**old["placement"], "view": PLAIN_VIEW}, "subspace": subspace}
        ],
        "reading": {"mapping": old["mapping"]},
        "verdict": None,
    }
    arrays = {name: array for name, array in tensors.items() if name != "z"} | {"z.0": z}
    if old["mapping"] == "linear":  # of log-ratios, the only features that there were
        arrays["mapping.features"] = np.zeros(2, dtype=np.int64)
    return description, arrays


def _sharper(old: Description, tensors: Tensors) -> tuple[Description, Tensors]:
    """2 to 3: a verdict tells the gain in log loss, too; the first of format 2 did not."""
    verdict = old["verdict"]
    return {**old, "verdict": verdict and {"sharper": None, **verdict}}, tensors


def _outside(old: Description, tensors: Tensors) -> tuple[Description, Tensors]:
    """3 to 4: one more coordinate for each block, which experts of format 3 do not look at."""
    if "experts" not in old["reading"]:
        return old, tensors
    arrays = dict(tensors)
    widths: list[int] = []
    while (block := f"reader.block.{len(widths)}.") + "scale" in tensors:
        widths.append(len(tensors[block + "scale"]))
        arrays[block + "outside"] = np.zeros(1, dtype=np.float32)
    ends = np.cumsum(widths, dtype=np.intp)
    by_coordinate = {"reader.landmarks": 1} if old["reading"]["experts"] else {}
    for number, expert in enumerate(old["reading"]["experts"]):
        by_coordinate[f"reader.expert.{number}.stretch"] = 0
        if not expert["kernel"]:  # its weights are those of coordinates, and not of landmarks
            by_coordinate[f"reader.expert.{number}.weights"] = 0
    for name, axis in by_coordinate.items():
        arrays[name] = np.insert(tensors[name], ends, 0.0, axis=axis)
    return old, arrays


def _boxes(old: Description, tensors: Tensors) -> tuple[Description, Tensors]:
    """4 to 5: questions to several boxes at a price, and one kind of reader beside another."""
    gone = ("box", "reading", "queries")
    reading = old["reading"]
    arrays, local = tensors, None
    if "mapping" in reading:
        arrays = _renamed(tensors, "mapping.", "reader.")
        reader = {"kind": reading["mapping"]}
    else:
        asked, counted = list(range(len(old["questions"]))), reading["counted"]
        blocks = [[number] for number in asked] if not counted else [asked] if asked else []
        arrays = {
            name: array for name, array in tensors.items() if not name.startswith("features.")
        }
        for number in range(len(blocks)):
            for name in ("floor", "features"):
                arrays[f"reader.answers.{number}.{name}"] = tensors[f"features.{name}"]
        answers = [{"questions": questions, "counted": counted} for questions in blocks]
        reader = {"kind": "pool", "answers": answers, "experts": reading["experts"]}
        if reading["sight"] is not None:
            local = {"plain": reading["sight"], "encoder": reading["encoder"]}
    description = {name: value for name, value in old.items() if name not in gone} | {
        "boxes": [{**old["box"], "queries": old["queries"]}],
        "questions": [{"box": 0, "price_usd": None, **one} for one in old["questions"]],
        "reader": reader,
        "local": local,
    }
    return description, _renamed(arrays, "canaries", "canaries.0")


def _deciding(old: Description, tensors: Tensors) -> tuple[Description, Tensors]:
    """5 to 6: what decisions are made for; until then, the most probable class was said."""
    accuracy = dict.fromkeys(("grades", "place", "at_least", "costs"))
    deciding = {
        "decision": None,
        "objective": {"kind": "accuracy", **accuracy},
        "promised": None,
    }
    return {**old, "deciding": deciding}, tensors


def _renamed(tensors: Tensors, old: str, new: str) -> Tensors:
    return {
        new + name.removeprefix(old) if name.startswith(old) else name: array
        for name, array in tensors.items()
    }


STEPS: tuple[Callable[[Description, Tensors], tuple[Description, Tensors]], ...] = (
    _one_question,
    _sharper,
    _outside,
    _boxes,
    _deciding,
)
FORMAT = len(STEPS) + 1  # the newest


def _resolved(
    name: str | None, z: NDArray[np.float32], placement: dict[str, Any]
) -> tuple[str | None, NDArray[np.float32]]:
    """Return a subspace and its point z; one finer than the pixels as that of every pixel.

    The first releases took more waves along a side than it has pixels, as low-resolution-300 for a
    box of 224; later ones cut them to the pixels.
    """
    kind, _, figure = (name or "").rpartition("-")
    height, width, channels = (placement[side] for side in ("height", "width", "channels"))
    if kind not in _WAVES or len(z) == min(int(figure), height, width) ** 2 * channels:
        return name, z
    for side in ("height", "width"):
        whole(1, LONGEST)(placement[side], f"placement.{side}")
    waves, count = _WAVES[kind], int(figure)
    if count**2 * channels != len(z):
        raise ValueError(f"a point of {len(z)} numbers is none of {name}")
    rows, columns = waves(count, height), waves(count, width)
    pixels = np.einsum("ah,abc,bw->chw", rows, z.reshape(count, count, channels), columns)
    mask = np.ones((height, width), dtype=bool)
    if not placement["overlay"]:
        top, left = placement["top"], placement["left"]
        inner_height, inner_width = placement["inner_height"], placement["inner_width"]
        mask[top : top + inner_height, left : left + inner_width] = False
    return "full", pixels[:, mask].ravel().astype(np.float32)


def _hats(knots: int, length: int) -> Waves:
    """Return (knots, length): each row falls linearly from 1 at its knot to 0 at the next."""
    at = (np.arange(length) + 0.5) * knots / length - 0.5
    return np.stack([np.interp(at, np.arange(knots), hat) for hat in np.eye(knots)])


def _cosines(frequencies: int, length: int) -> Waves:
    """Return (frequencies, length) cosines of root mean square 1, 0 past the pixels' own."""
    waves = np.cos(np.pi * np.outer(np.arange(frequencies), np.arange(length) + 0.5) / length)
    waves[1:length] *= np.sqrt(2)
    waves[length:] = 0.0
    return waves


_WAVES: dict[str, Callable[[int, int], Waves]] = {"low-resolution": _hats, "dct": _cosines}
