"""Subspaces by name."""

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidOption
from rebox.option import options_of, read_options, unknown
from rebox.program.codec import Autoencoded
from rebox.program.subspace import DCT, Full, LowResolution, RandomProjection, Subspace

KINDS: dict[str, type[Subspace]] = {
    "full": Full,
    "low-resolution": LowResolution,
    "dct": DCT,
    "random-projection": RandomProjection,
    "autoencoder": Autoencoded,
}


def subspace_from_name(name: str, shape: tuple[int, int, int], mask: NDArray[np.bool_]) -> Subspace:
    """Return the subspace of ``name``: ``full``, ``low-resolution-8``, ``dct-6``, ....

    The figure after the last hyphen is the first option: the side, the frequencies or the size.
    An autoencoder is still to be trained.
    Sides and frequencies beyond the input's own would move nothing and are cut to that.
    """
    kind, _, figure = name.rpartition("-") if name[-1:].isdigit() else (name, "", "")
    if kind not in KINDS:
        raise unknown("subspace", name, KINDS)
    make = KINDS[kind]
    option = next(iter(options_of(make)), "")
    (given,) = read_options(f"subspace {kind!r}", {option: figure} if figure else {}, make)
    if not option:
        return make(shape, mask)
    chosen = given.get(option, getattr(make, option))  # a dataclass keeps defaults as attributes
    if chosen < 1:
        raise InvalidOption(f"the figure of a subspace must be at least 1, found {name!r}.")
    most = chosen if make is RandomProjection else min(shape[:2])
    return make(shape, mask, **{option: min(chosen, most)})
