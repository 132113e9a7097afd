"""Baselines by name: a name may carry options, as a recipe's does, ``ar?epochs=9&m=5``."""

from rebox.baseline.ar import AR
from rebox.baseline.contract import Trainer
from rebox.baseline.local import Local
from rebox.baseline.majority import Majority
from rebox.baseline.network import Finetune, Scratch
from rebox.baseline.probe import Probe
from rebox.baseline.released import BarAsReleased
from rebox.baseline.thumbnail import Thumbnail
from rebox.option import read_name

BASELINES: dict[str, type[Trainer]] = {
    trainer.kind: trainer
    for trainer in (Majority, Local, Thumbnail, Probe, AR, Finetune, Scratch, BarAsReleased)
}


def baseline_from_name(name: str) -> Trainer:
    """Return the trainer of ``name``, with options after a question mark.

    Raises
    ------
    InvalidOption
        The baseline or an option is unknown, or an option has the wrong type.
    """
    kind, options = read_name(name, BASELINES, "baseline", but="name")
    return BASELINES[kind](name=name, **options)
