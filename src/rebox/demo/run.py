"""The demo itself: both tasks, and what it leaves in its folder."""

import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rebox.artefact import load
from rebox.demo.digits import open_digits
from rebox.demo.mirror import NAMES
from rebox.demo.picture import draw
from rebox.demo.tasks import DemoTask, demo_tasks
from rebox.demo.trial import TaskResult, Trials
from rebox.errors import Error, MissingExtra, OutputError
from rebox.output import check_writable
from rebox.output import write as write_file
from rebox.sample.pixels import as_levels, as_pillow

MODEL, PICTURE, SAMPLES = "model.rebox", "demo.png", "digits"


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """What the demo found.

    Attributes
    ----------
    tasks : tuple of TaskResult
        The one that the box helps with, and the one to which it brings nothing.
    model, samples : Path
        ``auto`` for the first task, and a folder of pictures to predict with it: the file of each
        is called by what it shows.
    picture, note : Path or None, str or None
        The picture, or why there is none.
    answered : int
        Images that the box itself counted.
    """

    tasks: tuple[TaskResult, ...]
    model: Path
    samples: Path
    picture: Path | None
    note: str | None
    answered: int
    seconds: float

    @property
    def counted(self) -> int:
        """Queries of all fits and predictions, by their meters."""
        return sum(one.counted for one in self.tasks)


def run_demo(
    out: str | Path,
    *,
    seed: int = 0,
    labels: int | None = None,
    write: Callable[[str], object] = lambda _: None,
) -> DemoResult:
    """Put two tasks to the digit recogniser; write a model, pictures for it and ``demo.png``.

    They go to the folder ``out``, made if it is missing. ``seed`` is that of the fits: the splits
    are fixed. ``labels`` is the most labelled samples of any fit, None for all that there are.
    ``write`` is told in a line what is being done. Raises `OutputError` where the folder cannot be
    written to, or holds a model of another's; nothing was asked then.
    """
    started = time.perf_counter()
    folder = _folder(Path(out))
    box = open_digits()
    results = tuple(
        Trials(box=box, task=task.at_most(labels), seed=seed, write=write).run()
        for task in demo_tasks()
    )
    first = results[0]
    first.model.save(folder / MODEL)
    _leave_samples(folder / SAMPLES, first.task)
    picture, note = _picture(folder / PICTURE, results)
    return DemoResult(
        tasks=results,
        model=folder / MODEL,
        samples=folder / SAMPLES,
        picture=picture,
        note=note,
        answered=box.answered,
        seconds=time.perf_counter() - started,
    )


def _folder(out: Path) -> Path:
    try:
        (out / SAMPLES).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot make the folder {out / SAMPLES}: {error.strerror}; choose another."
        ) from error
    for name in (MODEL, PICTURE):
        check_writable(out / name)
    _refuse_another(out / MODEL, out / PICTURE, out / SAMPLES)
    return out


def _refuse_another(model: Path, picture: Path, samples: Path) -> None:
    """Raise `OutputError` where something stands in the demo's place that it has not made itself.

    It leaves nothing without a model beside it.
    """
    if not model.is_file():
        there = picture if picture.is_file() else next(samples.iterdir(), None)
        if there is not None:
            raise OutputError(f"{there} is not the demo's: choose another folder, or move it.")
        return
    try:
        made = load(model).box.name == open_digits().uri
    except Error:
        made = False
    if not made:
        raise OutputError(f"{model} is not the demo's: choose another folder, or move it.")


def _leave_samples(folder: Path, task: DemoTask) -> None:
    """Write the first test picture of each class, called by what it shows."""
    for name in NAMES:
        image = task.test[np.argmax(task.test_labels == name)]
        file = io.BytesIO()
        as_pillow(as_levels(image[:, :, None])).save(file, format="PNG")
        write_file(folder / f"{name}.png", file.getvalue())


def _picture(path: Path, results: Sequence[TaskResult]) -> tuple[Path | None, str | None]:
    try:
        draw(path, results)
    except MissingExtra as error:
        return None, str(error)
    return path, None
