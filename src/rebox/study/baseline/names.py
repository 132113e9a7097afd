"""Baselines by name: a name may carry options, as a recipe's does, ``ar?epochs=9&m=5``."""

from rebox.option import read_name
from rebox.study.baseline.ar import AR
from rebox.study.baseline.autism import DiagNet, Heinsfeld
from rebox.study.baseline.contract import Trainer
from rebox.study.baseline.finetune import Finetune, FromScratch
from rebox.study.baseline.linear_probe import LinearProbe
from rebox.study.baseline.local import Local
from rebox.study.baseline.majority import Majority
from rebox.study.baseline.released import BarAsReleased
from rebox.study.baseline.thumbnail import Thumbnail

BASELINES: dict[str, type[Trainer]] = {
    trainer.kind: trainer
    for trainer in (
        Majority,
        Local,
        Thumbnail,
        LinearProbe,
        AR,
        Finetune,
        FromScratch,
        BarAsReleased,
        Heinsfeld,
        DiagNet,
    )
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
