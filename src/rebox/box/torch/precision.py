"""True float32 on a card, for as long as a box is asked."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

_OF_THE_PROCESS = threading.Lock()  # torch keeps one such setting for all threads


@contextmanager
def true_float32(device: str) -> Iterator[None]:
    """Let convolutions on ``device`` have all bits of float32 within.

    cuDNN rounds them to 10 bits of fraction unless told otherwise, and the small differences of
    losses that a search looks at would drown. Elsewhere nothing is changed.
    """
    if torch.device(device).type != "cuda":
        yield
        return
    with _OF_THE_PROCESS, unrounded():
        yield


def unrounded() -> AbstractContextManager[None]:
    """Return a context without that rounding, all else of cuDNN being as it was.

    Where the process sets precisions by torch's newer names, which exclude this one, they are its
    own choice.
    """
    cudnn = torch.backends.cudnn
    try:
        cudnn.allow_tf32  # noqa: B018 - raises where the newer names were used
    except RuntimeError:
        return nullcontext()
    as_they_are = {name: getattr(cudnn, name) for name in ("enabled", "benchmark", "deterministic")}
    flags: AbstractContextManager[None] = cudnn.flags(**as_they_are, allow_tf32=False)
    return flags
