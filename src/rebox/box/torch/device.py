"""Where torch computes: whether it can there, and in true float32."""

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch

from rebox.box.outputs import one_line
from rebox.errors import InvalidOption

_OF_THE_PROCESS = threading.Lock()  # torch keeps one such setting for all threads


@contextmanager
def usable(device: str) -> Iterator[None]:
    """Raise InvalidOption where what is within cannot be done on ``device``."""
    try:
        yield
    except (RuntimeError, AssertionError, ImportError) as error:
        raise InvalidOption(
            f"device {device!r} cannot be used: {one_line(error)}; pass device=cpu."
        ) from error


def check_device(device: str) -> None:
    """Raise InvalidOption where nothing can be computed on ``device``."""
    with usable(device):
        torch.zeros(1, device=device).cpu()


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


def use_true_float32() -> None:
    """Let convolutions on a card have all bits of float32, in all of this process."""
    torch.backends.cudnn.allow_tf32 = False
