"""Opening a box by name: ``open_box("onnx:model.onnx?preprocess=imagenet")``.

A scheme names an opener: a function of the target whose keyword-only parameters are the scheme's
options (`rebox.option`). It is imported only when the scheme is used. Other packages add theirs as
entry points of the group ``rebox.boxes``.

The options ``top_k``, ``decimals`` and ``labels_only`` hide what a service would hide; they are
understood for every scheme, by `LimitedBox` where the scheme's opener does not know them.
"""

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Self
from urllib.parse import quote

from rebox.box.contract import BlackBox
from rebox.box.limited import LimitedBox
from rebox.door import Door
from rebox.errors import BoxError, InvalidOption
from rebox.option import read_options, split_options, with_options, without_options

MOST_ORDERS = 64  # boxes that are the same but for the order of their options

LOG = logging.getLogger(__name__)

BOXES = Door(
    "rebox.boxes",
    "kind of box",
    {
        "anthropic": "rebox.box.chat.anthropic:open_anthropic",
        "azure-custom-vision": "rebox.box.azure:open_azure",
        "chat": "rebox.box.chat.openai:open_chat",
        "clarifai": "rebox.box.clarifai:open_clarifai",
        "demo": "rebox.demo.digits:open_demo",
        "http": "rebox.box.http:open_http",
        "huggingface": "rebox.box.huggingface:open_huggingface",
        "mlflow": "rebox.box.mlflow:open_mlflow",
        "oip": "rebox.box.open_inference:open_oip",
        "onnx": "rebox.box.onnx:open_onnx",
        "recorded": "rebox.box.recorded:RecordedBox",
        "rehearsal": "rebox.box.rehearsal:RehearsalBox",
        "torch": "rebox.box.torch:open_torch",
        "vertex": "rebox.box.vertex:open_vertex",
    },
)


@dataclass(frozen=True)
class BoxURI:
    """The parts of ``scheme:target?option=value&option=value``.

    Parameters
    ----------
    scheme : str
        The kind of box.
    target : str
        What to open: a path or a model's name; it may hold anything but ``?``.
    options : mapping of str to str
        Percent-decoded values, so that a value may hold ``&`` as ``%26``.
    """

    scheme: str
    target: str
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", MappingProxyType(dict(self.options)))

    @classmethod
    def parse(cls, uri: str) -> Self:
        """Return the parts of ``uri``.

        Raises
        ------
        InvalidOption
            There is no scheme, or an option has no value or is given twice.
        """
        text = uri if isinstance(uri, str) else ""
        match = re.fullmatch(r"([a-z][a-z0-9_.+-]*):([^?]*)(?:\?(.*))?", text, re.DOTALL)
        if match is None:
            near = f" (did you mean 'onnx:{text}'?)" if Path(text).suffix == ".onnx" else ""
            raise InvalidOption(
                "name a box by scheme:target?option=value, such as onnx:model.onnx, found "
                f"{uri!r}{near}."
            )
        return cls(match[1], match[2], split_options(match[3] or ""))


def beside(uri: str, folder: Path) -> str:
    """Return ``uri`` with files that are not where it says named in ``folder``, if they are there.

    A model of which one file is moved along is opened from anywhere; identities are checked later.
    """
    parts = BoxURI.parse(uri)

    def place(text: str) -> str:
        if not Path(text).suffix or os.path.exists(text):  # noqa: PTH110 - a text of any kind
            return text
        there = [folder / text, folder / Path(text).name]
        return next((str(path) for path in there if os.path.isfile(path)), text)  # noqa: PTH113

    placed = BoxURI(
        parts.scheme, place(parts.target), {n: place(t) for n, t in parts.options.items()}
    )
    options = "&".join(f"{name}={quote(text)}" for name, text in placed.options.items())
    return uri if placed == parts else f"{placed.scheme}:{placed.target}?{options}".rstrip("?")


def files_of(uri: str) -> list[Path]:
    """Return the files that ``uri`` names and that are there: `beside` finds them where they go."""
    parts = BoxURI.parse(uri)
    named = [text for text in (parts.target, *parts.options.values()) if Path(text).suffix]
    return [Path(text) for text in named if os.path.isfile(text)]  # noqa: PTH113 - any text


def worded(uri: str) -> list[str]:
    """Return the URIs of all boxes that one stands for, which ask the same in other words.

    ``prompts=a.txt,b.txt`` stands for a box with ``prompt=a.txt`` and one with ``prompt=b.txt``,
    ``orders=4`` for boxes with ``order=0`` to ``order=3``; both for all pairs.

    Raises
    ------
    InvalidOption
        There are none; or a box has no such option.
    """
    options = split_options(uri.partition("?")[2])
    lists = {name: options.get(name) for name in ("prompts", "orders")}
    if not any(lists.values()):
        return [uri]
    prompts = [one.strip() for one in (lists["prompts"] or "").split(",") if one.strip()]
    orders = _counted(lists["orders"])
    plain = without_options(uri, lists)
    told = [{"prompt": one} for one in prompts] or [{}]
    return [
        with_options(plain, **prompt, **({} if order is None else {"order": order}))
        for prompt in told
        for order in orders
    ]


def _counted(orders: str | None) -> list[int | None]:
    if orders is None:
        return [None]
    if not (orders.isascii() and orders.isdigit() and 1 <= int(orders) <= MOST_ORDERS):
        raise InvalidOption(
            f"orders must be a whole number from 1 to {MOST_ORDERS}, found {orders!r}."
        )
    return list(range(int(orders)))


def open_box(uri: str) -> BlackBox:
    """Open the box that ``uri`` names.

    Parameters
    ----------
    uri : str
        ``scheme:target?option=value&option=value``, such as
        ``onnx:model.onnx?preprocess=imagenet&labels=names.txt``. Besides the scheme's own options,
        ``top_k=5``, ``decimals=2`` or ``labels_only=true`` rehearse what a service would hide.

    Returns
    -------
    BlackBox
        Its ``uri`` is the one given.

    Raises
    ------
    InvalidOption
        The URI cannot be read, or its scheme or one of its options is unknown.
    BoxError
        The box could not be opened.
    MissingExtra
        The box needs an optional package that is not installed.
    """
    parts = BoxURI.parse(uri)
    if parts.target.startswith("//") and parts.scheme not in BOXES:
        raise InvalidOption(f"{uri} is an address: name the service that is there, as http:{uri}.")
    opener = BOXES[parts.scheme]
    owner = f"box {parts.scheme!r}"
    options, limits = read_options(owner, parts.options, opener, LimitedBox)
    box: BlackBox = opener(parts.target, **options)
    if not isinstance(box, BlackBox):
        raise BoxError(
            f"the opener of {parts.scheme!r} returned {type(box).__name__}; expected a BlackBox."
        )
    if limits not in ({}, {"labels_only": False}):
        box = LimitedBox(box, **limits)
    box.uri = uri
    taken = box.spec.taken
    LOG.info("opened %s: %d classes, takes %s", box.spec.identity, len(box.spec.classes), taken)
    return box
