"""How the raw output of a local model becomes scores with named classes."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rebox.errors import InvalidData, InvalidOption

Kind = Literal["logits", "probabilities"]
DEVELOPERS = re.compile(
    r"\x1b\[[\d;]*[A-Za-z]"
    r"|\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from .+? failed: ?"
    r"|(?:Exception raised from|C\+\+ CapturedTraceback).*"
    r"|[\w./+-]+\.(?:cc|cpp|cu|h|hpp):\d+ "
    r"(?:[^()]{0,300}::[\w~]+\((?:[^()]|\([^()]*\))*\)(?: const)? )?",
    re.DOTALL,
)
"""What messages of ONNX Runtime and torch say for those who develop them."""
KINDS = ("auto", "logits", "probabilities")


def read_kind(raw: NDArray[np.floating], outputs: str) -> Kind:
    """Return whether ``raw`` (n, classes) holds logits or probabilities.

    Parameters
    ----------
    raw : (n, classes)
        What the model gave for a handful of images.
    outputs : {"auto", "logits", "probabilities"}
        ``auto``: probabilities if all values lie in [0, 1], else logits.

    Raises
    ------
    InvalidOption
        ``outputs`` is none of the three.
    """
    if outputs == "logits":
        return "logits"
    if outputs == "probabilities":
        return "probabilities"
    if outputs != "auto":
        raise InvalidOption(f"outputs must be one of {', '.join(KINDS)}, found {outputs!r}.")
    within = bool((raw >= 0).all() and (raw <= 1 + 1e-5).all())
    return "probabilities" if within else "logits"


def to_scores(raw: NDArray[np.floating], kind: Kind) -> NDArray[np.float32]:
    """Return float32 scores (n, classes): the softmax of logits, probabilities as they are."""
    if kind == "probabilities":
        return raw.astype(np.float32, copy=False)
    logits = raw.astype(np.result_type(raw.dtype, np.float32), copy=False)
    # shifted by the row's largest, so that no exponential overflows
    powers: NDArray[np.floating] = np.exp(logits - logits.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers.astype(np.float32, copy=False)


def rows_sum_to_one(scores: NDArray[np.floating]) -> bool:
    """Return whether every row adds up to 1 within 0.001."""
    return bool((np.abs(scores.sum(axis=1, dtype=np.float64) - 1) <= 1e-3).all())


def class_names(count: int, names: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return ``count`` unique class names, in the order of the columns.

    Parameters
    ----------
    count : int
        Number of classes.
    names : sequence of str or None
        Names to use; a repeated one (ImageNet has two cranes) gets its occurrence: "crane (2)".
        None: ``class_0``, ``class_1``, ...

    Raises
    ------
    InvalidData
        There are not ``count`` names.
    """
    if names is None:
        return tuple(f"class_{i}" for i in range(count))
    if len(names) != count:
        raise InvalidData(
            f"found {len(names)} class names; the box has {count} classes: "
            "give one name for each, in the order of its scores."
        )
    return _unique(names)


def _unique(names: Sequence[str]) -> tuple[str, ...]:
    given = set(names)
    unique: dict[str, None] = {}
    for name in names:
        label, occurrence = name, 1
        while label in unique or (occurrence > 1 and label in given):
            occurrence += 1
            label = f"{name} ({occurrence})"
        unique[label] = None
    return tuple(unique)


def read_labels(path: str | Path) -> tuple[str, ...]:
    """Return the class names in a text file, one on each line, in the order of the scores.

    Raises
    ------
    InvalidData
        The file cannot be read or a line between names is empty.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidData(
            f"the labels file {path} cannot be read ({error}); expected a UTF-8 text file "
            "with one class name on each line."
        ) from error
    names = tuple(line.strip() for line in lines)
    if "" in names:
        raise InvalidData(
            f"line {names.index('') + 1} of the labels file {path} is empty; "
            "expected one class name on each line."
        )
    return names


def one_line(error: BaseException, limit: int = 300) -> str:
    """Return the message of ``error`` on one line of at most ``limit`` characters.

    What tells only the library's own developers something is left out: colours, places in its C++
    code and signatures there. Of what is still too long, both ends are kept: the reason stands at
    one of them.
    """
    text = " ".join(DEVELOPERS.sub("", str(error)).split())
    if len(text) <= limit:
        return text
    head = limit // 2 - 2
    return f"{text[:head]} ... {text[head + 5 - limit :]}"
