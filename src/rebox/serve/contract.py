"""What is served, and within which bounds."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rebox.artefact import Artefact
from rebox.box import BlackBox, Drift
from rebox.errors import InvalidOption
from rebox.fit import Batch
from rebox.meter import Meter
from rebox.sample.loader import SampleLoader

MEBIBYTE = 2**20


class Servable(Protocol):
    """What a fitted `rebox.Reprogrammer` offers to a server."""

    artefact_: Artefact
    boxes_: tuple[BlackBox, ...]
    classes_: NDArray[Any]
    meter_: Meter

    def checked(self, X: Any) -> SampleLoader:
        """Return samples as the model takes them; ask nobody."""

    def predict_batches(self, X: Any) -> Iterator[Batch]:
        """Yield what is said of samples, a few at a time."""

    def check_box(self) -> Drift | dict[str, Drift] | None:
        """Say whether a box has changed."""


@dataclass(frozen=True, kw_only=True)
class ServeLimits:
    """How much a server takes on.

    Parameters
    ----------
    requests : int
        Most of them at a time, waiting ones too: the next is refused.
    samples : int
        Most of them in one request.
    together : int
        Most samples that the model is asked about in one go.
    body_bytes : int
        Longest body of a request.
    memory_bytes : int
        Most that bodies and decoded pictures of all requests may take.
    time_s : float
        Seconds for a request to arrive, and again for its answer.
    check_every_s : float or None
        Seconds from one look at the boxes' canaries to the next; None: they are not asked.
    """

    requests: int = 256
    samples: int = 512
    together: int = 32
    body_bytes: int = 16 * MEBIBYTE
    memory_bytes: int = 1024 * MEBIBYTE
    time_s: float = 30.0
    check_every_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("requests", "samples", "together", "body_bytes", "memory_bytes"):
            if getattr(self, name) < 1:
                raise InvalidOption(f"{name} must be at least 1, found {getattr(self, name)}.")
        for name in ("time_s", "check_every_s"):
            value = getattr(self, name)
            if value is not None and not 0 < value < np.inf:
                raise InvalidOption(f"{name} must be above 0, found {value}.")
