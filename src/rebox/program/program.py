"""The program: what the box sees in place of the data.

BAR (Tsai et al., ICML 2020, sec. 3): x' = x + P with P = tanh(W * M), for
images in [-1, 1]. Images here lie in [0, 1], so P is halved, and the sum is clipped to an image
that any service accepts.
"""

from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace
from numpy.typing import NDArray

from rebox.program.canvas import Placement
from rebox.program.subspace import Array, Subspace


@dataclass(frozen=True)
class Program:
    """Dresses placed data: x, z -> clip(x + tanh(W * M) / 2, 0, 1).

    Attributes
    ----------
    placement : Placement
        Where the data sits and where the program may add.
    subspace : Subspace or None
        How z becomes W; None adds nothing.
    subspace_name : str or None
        How `subspace_from_name` makes it again.
    """

    placement: Placement
    subspace: Subspace | None = None
    subspace_name: str | None = None

    @property
    def dimension(self) -> int:
        """How many numbers move the program; 0 without one."""
        return 0 if self.subspace is None else self.subspace.dimension

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return by name what its subspace has learnt."""
        return {} if self.subspace is None else self.subspace.arrays()

    def added(self, z: Array) -> Array:
        """Return P / 2 of shape (..., height, width, channels) for z of shape (..., dimension).

        The subspaces hold W to the mask, so W * M = W.
        """
        if self.subspace is None:
            raise ValueError("a program without a subspace adds nothing")
        xp = array_namespace(z)
        return xp.tanh(self.subspace.expand(z)) * 0.5

    def dress(self, placed: Array, z: Array) -> Array:
        """Return what the box is shown of ``placed``, (n, height, width, channels) in [0, 1].

        ``z`` is one program for all, (1, dimension), or one for each image, (n, dimension).
        """
        return placed if self.dimension == 0 else self.sum(placed, self.added(z))

    def sum(self, placed: Array, added: Array) -> Array:
        """Return ``placed`` with what the program adds, clipped to a valid image."""
        return (placed + added).clip(0.0, 1.0)
