"""What stands before every send: a toll that is charged first and settled afterwards.

A box that is asked with a toll passes it once for each send, so that whoever keeps the books knows
of every image before it leaves, and of every answer as soon as it is there.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Row = NDArray[np.float32]


class Toll(Protocol):
    """Charges for sends.

    Images are named by their places in the array that was handed to `BlackBox.reply_for`.
    """

    def charge(self, places: Sequence[int]) -> int:
        """Charge for one send of the images at ``places`` and return its ticket.

        Raises
        ------
        BudgetExhausted
            They may not be asked; nothing was charged.
        """

    def settle(
        self, ticket: int, answers: Mapping[int, Row], *, billed: int, words: str = ""
    ) -> None:
        """Say what a send brought.

        Parameters
        ----------
        ticket : int
            What `charge` gave.
        answers : mapping of place to (classes,) float32
            The images that were answered.
        billed : int
            Images that the service may have billed for; the rest is given back.
        words : str
            What went wrong, if anything.
        """


class NoToll:
    """Nobody keeps books."""

    def charge(self, places: Sequence[int]) -> int:  # noqa: ARG002 - the protocol's
        """Charge nothing."""
        return 0

    def settle(
        self, ticket: int, answers: Mapping[int, Row], *, billed: int, words: str = ""
    ) -> None:
        """Note nothing."""
