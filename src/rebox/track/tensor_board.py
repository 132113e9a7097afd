"""Events as scalars of TensorBoard's, by whichever writer the user has."""

from typing import Protocol

from rebox.fit import Event, StepTaken, Stopped
from rebox.track.figures import figures_of


class ScalarWriter(Protocol):
    """What ``SummaryWriter`` of torch, of tensorboardX and of others has."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int, /) -> object:
        """Write one figure."""


class TensorBoardListener:
    """Writes the figures of steps and of the end; the step of each is how many queries were asked.

    Parameters
    ----------
    writer : ScalarWriter
        As ``torch.utils.tensorboard.SummaryWriter("runs/first")``, which its owner closes.
    prefix : str
        Stands before each tag.
    """

    def __init__(self, writer: ScalarWriter, prefix: str = "rebox/") -> None:
        self._writer, self._prefix = writer, prefix

    def __call__(self, event: Event) -> None:
        """Write what ``event`` says in figures."""
        if not isinstance(event, StepTaken | Stopped):
            return
        for name, value in figures_of(event).items():
            if name != "queries":  # the axis
                self._writer.add_scalar(f"{self._prefix}{name}", value, event.spent.total)
