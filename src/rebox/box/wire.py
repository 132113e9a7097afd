"""How tensors lie behind the JSON of the Open Inference Protocol (its binary extension).

Nothing here knows HTTP: whoever asks a server and whoever serves a model need the same.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

JSON_LENGTH = "Inference-Header-Content-Length"
BYTES = "BYTES"
LENGTH = 4  # bytes of the length that stands before each element of BYTES
NUMBERS: Mapping[str, np.dtype[Any]] = {
    **{f"FP{8 * n}": np.dtype(f"<f{n}") for n in (2, 4, 8)},
    **{f"INT{8 * n}": np.dtype(f"<i{n}") for n in (1, 2, 4, 8)},
    **{f"UINT{8 * n}": np.dtype(f"<u{n}") for n in (1, 2, 4, 8)},
}


def packed(values: NDArray[Any]) -> bytes:
    """Return an array as the binary extension has it; texts each behind their length."""
    if values.dtype.kind in "fiub":
        return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    elements = [str(one).encode() for one in values.ravel().tolist()]
    return b"".join(len(one).to_bytes(LENGTH, "little") + one for one in elements)
