"""What samples are called, and what they show to whoever may see it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from rebox.classifier import Reprogrammer
from rebox.errors import InvalidOption
from rebox.sample import Dataset, ImageFiles, SampleLoader
from rebox.sample.pixels import Pixels
from rebox.study.bench.trial_row import plain
from rebox.study.report.svg import png_of

SIDE = 128  # most pixels of a thumbnail, in height and width
WORDS = 24  # first words of a text
LETTERS = 160  # at most, of them


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What is seen of a sample: a picture as a ``data:`` address, or the first words of a text."""

    image: str = ""
    words: str = ""


def names_of(task: Dataset) -> list[str]:
    """Return what each sample is called: its id, its file, or a number.

    Files are named from the folder that holds all of them; nothing tells where that lies.
    """
    if task.ids is not None:
        return [str(one) for one in task.ids.tolist()]
    if isinstance(task.images, ImageFiles):
        return _below([os.fspath(path) for path in task.images.paths])
    return [f"sample {place + 1:,}" for place in range(len(task))]


def _below(paths: Sequence[str]) -> list[str]:
    whole = [os.path.realpath(os.path.dirname(path)) for path in paths]  # noqa: PTH120 - as texts
    root = os.path.commonpath(whole)
    names = (os.path.basename(path) for path in paths)  # noqa: PTH119 - as texts
    return [
        os.path.join(os.path.relpath(folder, root), name).removeprefix(f".{os.sep}")  # noqa: PTH118 - as texts
        for folder, name in zip(whole, names, strict=True)
    ]


def shows(task: Dataset) -> bool:
    """Return whether samples are pictures or texts: a page can show no others."""
    return task.texts is not None or (task.images is not None and len(task.images.shape) != 2)


def check_shown(task: Dataset) -> None:
    """Raise `InvalidOption` where samples show nothing that a page could: rows, or ids alone."""
    if not shows(task):
        what = "known by their ids alone" if task.images is None else "rows of figures"
        raise InvalidOption(
            f"thumbnails= shows pictures, or the first words of texts; the samples of {task.name} "
            f"are {what}: leave it out."
        )


def shown_of(model: Reprogrammer, task: Dataset, places: Sequence[int]) -> Mapping[int, Shown]:
    """Return what the samples at ``places`` show, pictures as the model's boxes are shown them."""
    if not places:
        return {}
    if task.texts is not None:
        return {place: Shown(words=_first_words(task.texts[place])) for place in places}
    loader = SampleLoader(model.artefact_.inputs, task.samples).images
    if loader is None:
        return {}
    return {place: Shown(image=_thumbnail(loader.take([place])[0])) for place in places}


def _first_words(text: str) -> str:
    words = plain(text).split()
    first = " ".join(words[:WORDS])[:LETTERS]
    return first if first == " ".join(words) else f"{first}…"


def _thumbnail(pixels: Pixels) -> str:
    levels = pixels if pixels.dtype == np.uint8 else np.rint(255 * pixels).astype(np.uint8)
    image = Image.fromarray(levels[..., 0] if levels.shape[2] == 1 else levels)
    image.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    return png_of(image)
