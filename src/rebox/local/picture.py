"""Plain features of one picture: few, general, and the same for uint8 and float pixels.

A picture is stretched to a square first, so that pictures of any size and proportions have
features that mean the same. Out of fold, on training images of skin lesions, fundus photographs and
traffic signs, the covariances brought most; local binary patterns, colour histograms, rings around
the middle, wavelet energies and random filters, tried as further blocks, brought little or none.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import correlate1d, uniform_filter

from rebox.sample.pixels import LEVEL, in_channels

Plane = NDArray[np.float32]

BLOCKS = ("thumbnail", "quantiles", "orientations", "covariances")
SIDE = 64  # pixels of the square that all features are taken from
CENTRE = slice(SIDE // 4, 3 * SIDE // 4)
SMALL = 16  # pixels of the thumbnail, along each side
LEVELS = np.linspace(0.02, 0.98, 13)  # of the quantiles; the very ends are noise
ANGLES = 8
CELLS = 8  # of orientations, along each side
FAINT = 1e-3  # edge energy of a cell's surroundings below which its edges fade
BLUR = 5  # pixels
NOISE = 1e-6  # variance that no channel falls below: a quarter of a grey level, squared


def picture_blocks(pixels: NDArray[Any], channels: int) -> tuple[Plane, ...]:
    """Return the features of one picture, one array for each of `BLOCKS`.

    ``pixels`` (h, w, 1 or 3), ``uint8`` or float32 in [0, 1], are seen as 1 or 3 ``channels``: a
    grey picture among coloured ones has three equal ones.
    """
    planes = square(pixels, channels)
    blocks = (_thumbnail(planes), _quantiles(planes), _orientations(planes), _covariances(planes))
    return tuple(block.ravel().astype(np.float32) for block in blocks)


def square(pixels: NDArray[Any], channels: int) -> Plane:
    """Return the picture (h, w, 1 or 3) as planes (channels, SIDE, SIDE) in [0, 1]."""
    planes = np.stack([_resized(pixels[:, :, c]) for c in range(pixels.shape[2])])
    return in_channels(planes, channels)


def _resized(plane: NDArray[Any]) -> Plane:
    image = Image.fromarray(np.ascontiguousarray(plane))
    steps = [max(1, length // (8 * SIDE)) for length in image.size]
    if max(steps) > 1:  # means of whole blocks first: much faster, and nearly the same
        image = image.reduce((steps[0], steps[1]))
    # From here on in floats: 8 bits would round away what little a smooth picture varies.
    small: Plane = np.asarray(image.convert("F").resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    return small * LEVEL if plane.dtype == np.uint8 else small


def _thumbnail(planes: Plane) -> Plane:
    step = SIDE // SMALL
    small: Plane = planes.reshape(len(planes), SMALL, step, SMALL, step).mean(axis=(2, 4))
    return small


def _quantiles(planes: Plane) -> Plane:
    """Return quantiles of each channel, whole and centre, and of two opponent colours."""
    parts = [_levels(planes), _levels(planes[:, CENTRE, CENTRE])]
    if len(planes) == 3:
        red, green, blue = planes
        parts.append(_levels(np.stack([red - green, (red + green) / 2 - blue])))
    return np.concatenate([part.ravel() for part in parts])


def _levels(planes: Plane) -> Plane:
    """Return `LEVELS` of each plane, as `numpy.quantile` does, in a fraction of its time."""
    values = np.sort(planes.reshape(len(planes), -1), axis=1)
    place = LEVELS * (values.shape[1] - 1)
    below = place.astype(np.intp)
    share = (place - below).astype(np.float32)
    levels: Plane = values[:, below] * (1 - share) + values[:, below + 1] * share
    return levels


def _orientations(planes: Plane) -> Plane:
    """Return how strong the edges of each orientation are in each cell.

    Histograms of oriented gradients (Dalal and Triggs 2005): of the channel with the strongest
    edge, measured against the cell's surroundings, so that light and contrast matter little.
    """
    down, across = np.zeros_like(planes), np.zeros_like(planes)
    np.subtract(planes[:, 2:], planes[:, :-2], out=down[:, 1:-1])
    np.subtract(planes[:, :, 2:], planes[:, :, :-2], out=across[:, :, 1:-1])
    strongest = (down**2 + across**2).argmax(axis=0)[None]
    down, across = (np.take_along_axis(edge, strongest, 0)[0] for edge in (down, across))
    strength = np.hypot(down, across)
    angle = np.mod(np.arctan2(down, across), np.pi) * (ANGLES / np.pi)
    lower = angle.astype(np.intp)
    upper_share = angle - lower
    cells = np.zeros(CELLS**2 * ANGLES)
    for bins, share in ((lower, 1 - upper_share), (lower + 1, upper_share)):
        index = ANGLES * _cell_of() + bins % ANGLES
        cells += np.bincount(index.ravel(), (strength * share).ravel(), len(cells))
    cells = cells.reshape(CELLS, CELLS, ANGLES) * (CELLS / SIDE) ** 2
    around = 9 * uniform_filter((cells**2).sum(axis=2), 3, mode="nearest")
    relative: Plane = np.sqrt(cells / np.sqrt(around + FAINT)[:, :, None])
    return relative


@cache
def _cell_of() -> NDArray[np.intp]:
    """Return the cell of each pixel, (SIDE, SIDE)."""
    side = np.arange(SIDE) * CELLS // SIDE
    return CELLS * side[:, None] + side


def _covariances(planes: Plane) -> Plane:
    """Return how colour, edges and place vary together, in the whole picture and in its centre.

    Region covariances (Tuzel, Porikli and Meer 2006), as matrix logarithms, in which Euclidean
    distances make sense (Arsigny et al. 2006), with the channels' means.
    """
    channels = _channels(planes)
    parts = []
    for region in (channels, channels[:, CENTRE, CENTRE]):
        values = region.reshape(len(region), -1)
        parts += [_log_covariance(values), values.mean(axis=1)]
    return np.concatenate(parts)


def _channels(planes: Plane) -> NDArray[np.float64]:
    """Return distance from the middle, fine and coarse edges, and colours, each (SIDE, SIDE)."""
    grey = planes.mean(axis=0)
    down, across = np.gradient(grey)
    bend = sum(correlate1d(grey, [1.0, -2.0, 1.0], axis=axis) for axis in (0, 1))
    blurred = uniform_filter(grey, BLUR)
    blurred_down, blurred_across = np.gradient(blurred)
    edges = (down, across, bend, blurred_down, blurred_across, grey - blurred)
    return np.stack([distance(), *map(np.abs, edges), *planes], dtype=np.float64)


@cache
def distance() -> NDArray[np.float64]:
    """Return the distance from the middle, a fifth at the middle of an edge, as colours vary."""
    side = np.linspace(-0.2, 0.2, SIDE)
    distance: NDArray[np.float64] = np.hypot(side[:, None], side)
    return distance


def _log_covariance(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the covariance of (c, n) values, as c (c + 1) / 2 numbers.

    Off the diagonal they are scaled by √2: distances are those between the matrices.
    """
    size = len(values)
    variances, axes = np.linalg.eigh(np.cov(values) + NOISE * np.eye(size))
    logarithm = (axes * np.log(np.maximum(variances, NOISE))) @ axes.T
    rows, columns = np.triu_indices(size)
    scaled: NDArray[np.float64] = logarithm[rows, columns] * np.where(rows == columns, 1, 2**0.5)
    return scaled
