"""The pool: the views worth trying, for each kind of data, and random ones beyond it.

A label says little: where a box tells nothing else, each vote more is worth its query long after
the pool is used up. On training images of skin lesions thirty random views told as much as the
pool itself, and both together more than either; views blended with anchors told less, and are none
of them.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from rebox.program.view import COLOURS, PLAIN, View

RANDOM = 2**31  # first word of the seeds
CELL_ORDERS = 100  # where their numbers begin, out of reach of those in the pool


def _zoom(share: float, vertical: float = 0.5, horizontal: float = 0.5) -> View:
    rest = 1 - share
    return View(window=(rest * vertical, rest * horizontal, share, share))


# What may be looked at, in the order in which it is tried. The first ones differ as much as they
# can from each other, so that a small budget sees different sides.
_IMAGES = (
    PLAIN,
    _zoom(0.65),
    View(turn=6),
    View(scale=0.6),
    View(turn=4, level=True),
    View(turn=1),
    View(turn=7, contrast=1.6),
    _zoom(0.45),
    View(turn=3),
    View(turn=2, saturation=0.0),
    View(turn=4),
    View(turn=2),
    View(invert=True),
    View(turn=5),
    View(turn=7),
    _zoom(0.65, 0.0, 0.0),
    _zoom(0.65, 1.0, 1.0),
    _zoom(0.65, 0.0, 1.0),
    _zoom(0.65, 1.0, 0.0),
    View(scale=0.8, background=0.0),
    View(scale=0.8, background=1.0),
    View(gamma=0.6),
    View(gamma=1.7),
    View(saturation=2.0),
    View(channels=(2, 1, 0)),
    View(turn=1, scale=0.4),
    View(turn=6, window=(0.175, 0.175, 0.65, 0.65)),
    View(anchor=0.3, anchor_seed=1),
    View(anchor=0.3, anchor_seed=2),
    View(turn=1, window=(0.275, 0.275, 0.45, 0.45), level=True),
)
_COLOURLESS = (
    View(colours="heat"),
    View(colours="rainbow"),
    View(colours="heat", turn=6),
    View(colours="rainbow", window=(0.175, 0.175, 0.65, 0.65)),
)
_NO_COLOUR: dict[str, Any] = {"saturation": 1.0, "channels": PLAIN.channels, "colours": ""}
_CELLS = (
    PLAIN,
    View(shuffle=1),
    View(colours="rainbow"),
    View(turn=1, contrast=2.0),
    View(invert=True),
    View(shuffle=2, colours="heat"),
    View(scale=0.6),
    View(turn=6),
    View(shuffle=3, contrast=2.0),
    View(shuffle=4, colours="rainbow"),
    View(gamma=0.6),
    View(gamma=1.7),
    View(anchor=0.3, anchor_seed=1),
    View(shuffle=5),
    View(turn=2, colours="heat"),
    View(scale=0.8, background=0.0),
    View(scale=0.8, background=1.0),
    View(shuffle=6, turn=1),
)


def view_pool(*, grey: bool, cells: bool, channels: int = 3, least: int = 0) -> tuple[View, ...]:
    """Return the views worth trying, most promising first, the plain one at the head.

    The data is ``grey``, or rows of features on a grid of ``cells``; ``channels`` are those of the
    box's input. A box that sees no colour is shown no two views that differ in nothing else: the
    answers would be the same. Of the ``least`` views that are wanted, those that the pool lacks are
    random ones.
    """
    pool = _pool(grey=grey, cells=cells)
    if channels == 1:
        pool = tuple(dict.fromkeys(replace(view, **_NO_COLOUR) for view in pool))
    lacking = max(0, least - len(pool))
    random = tuple(_random_view(number, grey=grey, cells=cells) for number in range(lacking))
    if channels == 1:  # one random view differs from another in more than colour
        random = tuple(replace(view, **_NO_COLOUR) for view in random)
    return (*pool, *random)


def _pool(*, grey: bool, cells: bool) -> tuple[View, ...]:
    if cells:
        return _CELLS
    if not grey:
        return _IMAGES
    # Colour changes do nothing to grey data; colour maps take their place near the front.
    kept = [v for v in _IMAGES if v.saturation == 1 and v.channels == PLAIN.channels]
    return (*kept[:2], *_COLOURLESS[:2], *kept[2:], *_COLOURLESS[2:])


def _random_view(number: int, *, grey: bool, cells: bool) -> View:
    """Return the random view with this number, from 0: the same one always."""
    rng = np.random.default_rng([RANDOM, number])
    chance = rng.random(6)
    share, down, across = rng.uniform(0.4, 0.95), rng.random(), rng.random()
    contrast, gamma = np.exp(rng.uniform(-0.7, 0.8)), np.exp(rng.uniform(-0.7, 0.7))
    saturation, (red, green, blue) = rng.uniform(0, 2.5), rng.permutation(3).tolist()
    window = ((1 - share) * down, (1 - share) * across, share, share)
    part = chance[0] < 0.5 and not cells  # every cell has to be shown
    coloured = grey or cells
    return View(
        turn=int(rng.integers(8)),
        window=window if part else PLAIN.window,
        scale=1.0 if part else float(share),
        background=PLAIN.background if part else float(rng.choice([0.0, 0.5, 1.0])),
        contrast=float(contrast) if chance[1] < 0.5 else 1.0,
        gamma=float(gamma) if chance[2] < 0.4 else 1.0,
        saturation=float(saturation) if chance[3] < 0.4 and not coloured else 1.0,
        channels=(red, green, blue) if chance[4] < 0.3 and not coloured else PLAIN.channels,
        invert=bool(chance[5] < 0.15),
        level=bool(chance[5] > 0.85 and not cells),  # it clips, and so do colour maps
        colours=str(rng.choice(COLOURS)) if coloured else "",
        shuffle=CELL_ORDERS + number if cells else 0,
    )
