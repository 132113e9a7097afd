"""Memory that is used again: a fresh large array costs more in page faults than the sums in it."""

import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Scratch(threading.local):
    """Hands out the same memory again and again; each thread has its own.

    An array handed out is overwritten by whoever asks next: use it, and let it go.
    """

    def __init__(self) -> None:
        self._memory = np.empty(0, dtype=np.uint8)

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return a contiguous array of ``shape`` and ``dtype`` with anything in it."""
        kind = np.dtype(dtype)
        size = int(np.prod(shape)) * kind.itemsize
        if len(self._memory) < size:
            self._memory = np.empty(size, dtype=np.uint8)
        return self._memory[:size].view(kind).reshape(shape)

    # Memory does not travel: a copy or a pickle starts with none.
    def __reduce__(self) -> tuple[type["Scratch"], tuple[()]]:
        return Scratch, ()
