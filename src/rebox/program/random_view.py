"""Random views, for predictions that may ask more often than the pool has views.

A label says little: where a box tells nothing else, each vote more is worth its query long after
the pool is used up. On training images of skin lesions thirty random views told as much as the
pool itself, and both together more than either; views blended with anchors told less, and are none
of them.
"""

import numpy as np

from rebox.program.view import COLOURS, View

RANDOM = 2**31  # first word of the seeds
CELL_ORDERS = 100  # where their numbers begin, out of reach of those in the pool


def random_view(number: int, *, grey: bool, cells: bool) -> View:
    """Return the view with this number: the same one always.

    Parameters
    ----------
    number : int
        From 0.
    grey, cells : bool
        As in `rebox.program.view_pool`.
    """
    rng = np.random.default_rng([RANDOM, number])
    chance = rng.random(6)
    share, down, across = rng.uniform(0.4, 0.95), rng.random(), rng.random()
    contrast, gamma = np.exp(rng.uniform(-0.7, 0.8)), np.exp(rng.uniform(-0.7, 0.7))
    saturation, channels = rng.uniform(0, 2.5), rng.permutation(3)
    window = ((1 - share) * down, (1 - share) * across, share, share)
    part = chance[0] < 0.5 and not cells  # every cell has to be shown
    coloured = grey or cells
    return View(
        turn=int(rng.integers(8)),
        window=window if part else View().window,
        scale=1.0 if part else float(share),
        background=View().background if part else float(rng.choice([0.0, 0.5, 1.0])),
        contrast=float(contrast) if chance[1] < 0.5 else 1.0,
        gamma=float(gamma) if chance[2] < 0.4 else 1.0,
        saturation=float(saturation) if chance[3] < 0.4 and not coloured else 1.0,
        channels=_order(channels) if chance[4] < 0.3 and not coloured else View().channels,
        invert=bool(chance[5] < 0.15),
        level=bool(chance[5] > 0.85 and not cells),  # it clips, and so do colour maps
        colours=str(rng.choice(COLOURS)) if coloured else "",
        shuffle=CELL_ORDERS + number if cells else 0,
    )


def _order(channels: np.ndarray) -> tuple[int, int, int]:
    red, green, blue = (int(channel) for channel in channels)
    return red, green, blue
