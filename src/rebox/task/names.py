"""Tasks by name: a name may carry options, as ``ham10000?images=first`` does."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rebox.option import read_name
from rebox.task import abide, eyepacs, gtsrb, ham10000, medmnist, synthetic
from rebox.task.contract import Card, Dataset


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


TASKS: dict[str, Task] = {
    "abide": Task(load=abide.abide, card=abide.CARD),
    "eyepacs": Task(load=eyepacs.eyepacs, card=eyepacs.CARD),
    "gtsrb": Task(load=gtsrb.gtsrb, card=gtsrb.CARD),
    "ham10000": Task(load=ham10000.ham10000, card=ham10000.CARD),
    "medmnist": Task(load=medmnist.medmnist, card=medmnist.CARD),
    "retinamnist": Task(load=medmnist.retinamnist, card=medmnist.RETINA),
    "synthetic": Task(load=synthetic.synthetic, card=synthetic.CARD),
}


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
    kind, options = read_name(name, {name: task.load for name, task in TASKS.items()}, "task")
    return replace(TASKS[kind].load(Path(folder), **options), name=name)
