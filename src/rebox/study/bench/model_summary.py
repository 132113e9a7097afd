"""What a fitted model looks like: the program as a picture, the source classes that it reads."""

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from rebox.fit import Model
from rebox.program import Program
from rebox.sample.pixels import as_levels, as_pillow
from rebox.study.baseline import Baseline
from rebox.study.bench.ledger import Row

SIDE = 112  # pixels of a picture at most: a program is noise, which no PNG makes small
SOURCES = 10  # source classes that are listed for a target class


def program_picture(fitted: Model | Baseline) -> Row | None:
    """Return what a program adds as a PNG, grey where it adds nothing; None without a program."""
    added = _added(fitted)
    if added is None:
        return None
    picture = as_pillow(as_levels(np.clip(added + 0.5, 0.0, 1.0)))
    picture.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    file = io.BytesIO()
    picture.save(file, format="PNG", optimize=True)
    size = list(added.shape[:2])
    return {"png": base64.b64encode(file.getvalue()).decode(), "size": size}


def _added(fitted: Model | Baseline) -> NDArray[Any] | None:
    """Return (h, w, channels) in [-0.5, 0.5]: what is added to an image in [0, 1]."""
    if isinstance(fitted, Baseline):
        return fitted.program
    asked = ((one.program, one.z) for one in fitted.questions)
    moving = [program.added(z) for program, z in asked if isinstance(program, Program) and len(z)]
    return np.asarray(moving[0]) if moving else None


def source_weights(model: Model, sources: Sequence[str]) -> Row | None:
    """Return which source classes speak for which target class, those that speak loudest.

    None for readers that weigh otherwise (`Reader.source_weights`).
    """
    weights = model.reader.source_weights(len(sources))
    if weights is None:
        return None
    loudest = np.argsort(-weights, axis=0, kind="stable")[:SOURCES]
    listed = sorted({int(k) for k in loudest.ravel() if weights[k].any()})
    kept = weights[listed].T  # (target classes, listed source classes)
    return {"source": [sources[k] for k in listed], "weights": np.round(kept, 4).tolist()}
