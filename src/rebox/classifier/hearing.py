"""What a meter and its account tell while they ask, handed on to a model's listeners."""

import weakref
from collections.abc import Iterable
from typing import Protocol

from rebox.fit import Event, Listener, VersionChanged, Working, tell
from rebox.meter import Meter


class Speaker(Protocol):
    """Who is told of events."""

    @property
    def _told(self) -> Iterable[Listener]: ...


def hear(model: Speaker, meter: Meter) -> None:
    """Have ``meter`` and its account tell the listeners of ``model``.

    They do not hold the model: it goes, and its journal is closed, with its last user.
    """
    of_model, of_meter = weakref.ref(model), weakref.ref(meter)

    def hand_on(kind: type[Event], **facts: str) -> None:
        told, asked = of_model(), of_meter()
        if told is not None and asked is not None:
            tell(told._told, kind(spent=asked.spent, **facts))

    meter.told = lambda words: hand_on(Working, what=words)
    meter.account.changed = lambda words: hand_on(VersionChanged, words=words)
