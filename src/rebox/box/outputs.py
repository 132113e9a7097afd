"""How the raw output of a local model becomes scores."""

import math
import re
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from rebox.errors import InvalidOption

Kind = Literal["logits", "probabilities", "sigmoid"]
KINDS = ("auto", "logits", "probabilities", "sigmoid")
ROUNDING = 1e-5
SCORES = re.compile(r"logit|prob|score|softmax", re.IGNORECASE)
"""Names that exporters give to outputs of scores."""
DEVELOPERS = re.compile(
    r"\x1b\[[\d;]*[A-Za-z]"
    r"|\[ONNXRuntimeError\] : \d+ : \w+ : |Load model from .+? failed: ?"
    r"|(?:Exception raised from|C\+\+ CapturedTraceback).*"
    r"|(?:Exception from |Check '\w+' failed at )?[\w./+-]+\.(?:cc|cpp|cu|h|hpp):\d+:? "
    r"(?:[^()]{0,300}::[\w~]+\((?:[^()]|\([^()]*\))*\)(?: const)? )?",
    re.DOTALL,
)
"""What messages of ONNX Runtime and torch say for those who develop them."""


def choose_output(answers: Mapping[str, NDArray[Any]], classes: int | None) -> str:
    """Return the name of the output that holds the scores, and warn where there was a choice.

    Parameters
    ----------
    answers : mapping of str to (n, ...)
        Outputs with a row of numbers for each image.
    classes : int or None
        How many class names were given; None: none were.

    Raises
    ------
    InvalidOption
        Several outputs could hold them.
    """
    columns = {name: math.prod(raw.shape[1:]) for name, raw in answers.items()}
    wide = [name for name, count in columns.items() if count > 1] or list(columns)
    if len(wide) == 1:
        return wide[0]
    fitting = [name for name in wide if classes is not None and columns[name] == classes]
    named = [name for name in fitting or wide if SCORES.search(name)]
    shown = ", ".join(f"{name} (n, {columns[name]})" for name in wide)
    for chosen, why in ((fitting, f"which fits {classes} class names"), (named, "by its name")):
        if len(chosen) == 1:
            _say(f"of the outputs {shown}, {chosen[0]} is read, {why}; output=NAME chooses another")
            return chosen[0]
    raise InvalidOption(
        f"{len(wide)} outputs could be the scores: {shown}; choose one by output=NAME."
    )


def _say(what: str) -> None:
    warnings.warn(f"{what}.", UserWarning, stacklevel=3)


def read_kind(raw: NDArray[np.floating], outputs: str) -> Kind:
    """Return whether ``raw`` holds logits, probabilities, or logits of classes on their own.

    Parameters
    ----------
    raw : (n, classes), or (n, 1) of two classes
        What the model gave for a handful of images.
    outputs : {"auto", "logits", "probabilities", "sigmoid"}
        ``auto``: probabilities if all values lie in [0, 1], rounding allowed for, else logits.
        What could be something else is warned of.

    Raises
    ------
    InvalidOption
        ``outputs`` is none of the four, or has to be told.
    """
    if outputs not in KINDS:
        raise InvalidOption(f"outputs must be one of {', '.join(KINDS)}, found {outputs!r}.")
    single = raw.shape[1] == 1
    if outputs == "logits":
        return "sigmoid" if single else "logits"  # the softmax of (0, z) is the sigmoid of z
    if outputs in ("probabilities", "sigmoid"):
        return outputs  # type: ignore[return-value] # mypy does not narrow a str
    low, high = float(raw.min()), float(raw.max())
    slack = rounding(raw.dtype)
    # tiny values on both sides of 0 are logits of tiny weights, and no rounding of anything
    if -slack <= low and high <= 1 + slack and (low >= 0 or high > 0.01):
        _say_probabilities(raw, single=single)
        return "probabilities"
    if single:
        raise InvalidOption(
            f"the model answers one number, of {low:.3g} to {high:.3g} for a few images; expected "
            "the probability of the second of two classes: if it is its logit, pass "
            "outputs=sigmoid."
        )
    if low >= 0 and (np.abs(raw.sum(axis=1, dtype=np.float64) - 100) <= 0.1).all():
        raise InvalidOption(
            "the model's answers add up to 100 for each image, as percentages do: pass "
            "outputs=probabilities to take them as they are, or outputs=logits."
        )
    return "logits"


def _say_probabilities(raw: NDArray[np.floating], *, single: bool) -> None:
    if single:
        _say(
            "the model answers one number in [0, 1], read as the probability of the second of two "
            "classes; if it is a logit, pass outputs=sigmoid, else outputs=probabilities"
        )
    elif not rows_sum_to_one(raw):
        _say(
            "the model's answers lie in [0, 1] and do not add up to 1: they are read as "
            "probabilities, each class on its own; if they are logits, pass outputs=logits, else "
            "outputs=probabilities"
        )


def rounding(dtype: np.dtype[Any]) -> float:
    """Return how far beyond 0 or 1 a probability computed in ``dtype`` may lie."""
    return max(ROUNDING, 2 * float(np.finfo(dtype).eps)) if dtype.kind == "f" else ROUNDING


def clipped(scores: NDArray[np.float32], slack: float) -> NDArray[np.float32]:
    """Return ``scores`` with those that lie beyond 0 or 1 by no more than ``slack`` put there."""
    below = (scores < 0) & (scores >= -slack)
    above = (scores > 1) & (scores <= 1 + slack)
    if not (below | above).any():
        return scores
    return np.where(below, np.float32(0), np.where(above, np.float32(1), scores))


def to_scores(raw: NDArray[np.floating], kind: Kind) -> NDArray[np.float32]:
    """Return float32 scores (n, classes), clipped to [0, 1] where rounding left it.

    Logits go through a softmax, those of classes on their own through a sigmoid.
    """
    values = raw.astype(np.result_type(raw.dtype, np.float32), copy=False)
    if kind == "logits":
        # shifted by the row's largest, so that no exponential overflows
        powers: NDArray[np.floating] = np.exp(values - values.max(axis=1, keepdims=True))
        powers /= powers.sum(axis=1, keepdims=True)
        return powers.astype(np.float32, copy=False)
    scores = (expit(values) if kind == "sigmoid" else values).astype(np.float32, copy=False)
    return clipped(scores, rounding(raw.dtype))


def model_scores(raw: NDArray[np.floating], kind: Kind) -> NDArray[np.float32]:
    """Return the scores (n, classes) of a model that answers ``raw`` (n, ...).

    A single number p becomes (1 - p, p).
    """
    scores = to_scores(raw.reshape(len(raw), -1), kind)
    return scores if scores.shape[1] > 1 else np.concatenate([1 - scores, scores], axis=1)


def holds_rows(raw: NDArray[Any], n: int) -> bool:
    """Return whether ``raw`` holds one row of numbers for each of n images."""
    sides = raw.shape[1:]  # one of them may be longer than 1
    return raw.ndim >= 1 and len(raw) == n and math.prod(sides) == max(sides, default=1) > 0


def rows_sum_to_one(scores: NDArray[np.floating]) -> bool:
    """Return whether every row adds up to 1 within 0.001."""
    return bool((np.abs(scores.sum(axis=1, dtype=np.float64) - 1) <= 1e-3).all())


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
