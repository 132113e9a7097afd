"""What a search needs to have learnt before anybody is asked: the autoencoder of its program."""

from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from rebox.fit.session import Session
from rebox.program import Autoencoded, Canvas, Program
from rebox.program.codec import STAGES
from rebox.sample import ImageLoader, Inputs, load_unlabelled

MOST_PICTURES = 2000


def trained(program: Program, session: Session, folder: str | None) -> Program:
    """Return ``program`` with its autoencoder trained, on the training samples or a ``folder``'s.

    Labels are not looked at, and nobody is asked. Raises `MissingExtra` without torch, and
    `InvalidData` where the folder holds no pictures.
    """
    subspace = program.subspace
    if not isinstance(subspace, Autoencoded) or subspace.codec is not None:
        return program
    from rebox.program.autoencoder import train_codec  # noqa: PLC0415 - torch is an extra

    own = cast("ImageLoader", session.samples.images)  # nothing is moved over ids
    pictures = own if folder is None else _unlabelled(folder)
    few = session.order if folder is None else np.arange(len(pictures))
    side, channels = subspace.side * 2**STAGES, subspace.shape[2]
    placement = Canvas(fit="stretch").placement(pictures.inputs.size, (side, side, channels))
    placed = placement.place(pictures.take(few[:MOST_PICTURES]))
    codec = train_codec(np.ascontiguousarray(placed), session.seed)
    return replace(program, subspace=replace(subspace, codec=codec))


def _unlabelled(folder: str) -> ImageLoader:
    images, _ = load_unlabelled([Path(folder)])
    return ImageLoader(Inputs.fit(images), images)
