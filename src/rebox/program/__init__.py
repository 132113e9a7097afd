"""What is added to the input: where it sits, what may move, how it is dressed."""

from rebox.program.canvas import Canvas, Placement
from rebox.program.codec import Autoencoded, Codec
from rebox.program.naming import subspace_from_name
from rebox.program.pool import view_pool
from rebox.program.program import Program
from rebox.program.subspace import (
    DCT,
    Full,
    LowResolution,
    RandomProjection,
    Subspace,
)
from rebox.program.template import PLAIN_TEXT, TEMPLATES, Dressing, Template, templates_of
from rebox.program.view import PLAIN, View

__all__ = [
    "DCT",
    "PLAIN",
    "PLAIN_TEXT",
    "TEMPLATES",
    "Autoencoded",
    "Canvas",
    "Codec",
    "Dressing",
    "Full",
    "LowResolution",
    "Placement",
    "Program",
    "RandomProjection",
    "Subspace",
    "Template",
    "View",
    "subspace_from_name",
    "templates_of",
    "view_pool",
]
