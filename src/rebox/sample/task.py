"""Tasks by name: a name may carry options, as ``ham10000?images=first`` does."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rebox.door import Door
from rebox.option import read_options, split_name
from rebox.sample.dataset import Card, Dataset


@dataclass(frozen=True, kw_only=True)
class Task:
    """A data set that is known by name.

    Attributes
    ----------
    load : function
        Takes a folder, and options as keywords; returns a `Dataset`.
    card : Card
        Where its files come from.
    """

    load: Callable[..., Dataset]
    card: Card


TASKS = Door(
    "rebox.tasks",
    "task",
    {
        "abide": "rebox.study.task.abide:TASK",
        "eyepacs": "rebox.study.task.eyepacs:TASK",
        "gtsrb": "rebox.study.task.gtsrb:TASK",
        "ham10000": "rebox.study.task.ham10000:TASK",
        "medmnist": "rebox.study.task.medmnist:TASK",
        "retinamnist": "rebox.study.task.medmnist:RETINA_TASK",
        "synthetic": "rebox.study.task.synthetic:TASK",
    },
)


def open_task(name: str, folder: str | Path = ".") -> Dataset:
    """Return the data set of ``name``, with options after a question mark.

    Parameters
    ----------
    name : str
        One of `TASKS`, as ``abide`` or ``ham10000?images=first``.
    folder : str or Path
        Where its files lie: there, or in a sub-folder of the task's name, so that one folder can
        hold all of them.

    Returns
    -------
    Dataset
        Named ``name``.

    Raises
    ------
    InvalidOption
        The task or an option is unknown.
    InvalidData
        The data set is not there; the error says how to get it.
    """
    kind, texts = split_name(name, TASKS, "task")
    task: Task = TASKS[kind]
    (options,) = read_options(f"task {kind!r}", texts, task.load)
    return replace(task.load(Path(folder), **options), name=name)
