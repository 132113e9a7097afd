"""Opening a box by name: ``open_box("onnx:model.onnx?preprocess=imagenet")``.

A scheme names a function ``open_x(target, options)``, imported only when the scheme is used. The
schemes that ship with rebox are listed here, so that they are found from a bare source tree and
no other package can take their place; other packages add theirs as entry points of the group
``rebox.boxes``.

The options ``top_k``, ``decimals`` and ``labels_only`` hide what a service would hide; they are
understood for every scheme (`rebox.box.limited`).
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Self, TypeVar
from urllib.parse import unquote

from rebox.box.contract import BlackBox, parse_size
from rebox.box.limited import LimitedBox
from rebox.errors import BoxError, InvalidOption

GROUP = "rebox.boxes"
BUILT_IN = {
    "azure-custom-vision": "rebox.box.azure:open_azure",
    "clarifai": "rebox.box.clarifai:open_clarifai",
    "http": "rebox.box.http:open_http",
    "huggingface": "rebox.box.huggingface:open_huggingface",
    "mlflow": "rebox.box.mlflow:open_mlflow",
    "oip": "rebox.box.open_inference:open_oip",
    "onnx": "rebox.box.onnx:open_onnx",
    "rehearsal": "rebox.box.rehearsal:open_rehearsal",
    "torch": "rebox.box.torch:open_torch",
}

LIMITS = ("top_k", "decimals", "labels_only")

D = TypeVar("D")
T = TypeVar("T")


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
        match = re.fullmatch(r"([a-z][a-z0-9_.+-]*):([^?]*)(?:\?(.*))?", uri, re.DOTALL)
        if match is None:
            raise InvalidOption(
                f"name a box by scheme:target?option=value, such as onnx:model.onnx, found {uri!r}."
            )
        return cls(match[1], match[2], _parse_options(match[3] or ""))


def _parse_options(text: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in filter(None, text.split("&")):
        name, equals, value = part.partition("=")
        if not (name and equals and value):
            raise InvalidOption(f"a box's option must look like name=value, found {part!r}.")
        if name in options:
            raise InvalidOption(f"the box's option {name} is given twice: keep one.")
        options[name] = unquote(value)
    return options


class UnknownOption(InvalidOption):
    """A box's opener does not know some of the options given.

    Attributes
    ----------
    names : frozenset of str
        Which.
    """

    def __init__(self, message: str, names: frozenset[str] = frozenset()) -> None:
        super().__init__(message)
        self.names = names


class OptionReader:
    """Reads a box's options from text, each once, and refuses what nobody read.

    Parameters
    ----------
    scheme : str
        Named in errors.
    options : mapping of str to str
        As in `BoxURI.options`.
    """

    def __init__(self, scheme: str, options: Mapping[str, str]) -> None:
        self._scheme = scheme
        self._options = options
        self._known: set[str] = set()

    def text(self, name: str, default: D) -> str | D:
        """Return option ``name`` as it stands."""
        self._known.add(name)
        return self._options.get(name, default)

    def integer(self, name: str, default: D) -> int | D:
        """Return option ``name`` as a whole number."""
        return self._read(name, default, int, "a whole number")

    def number(self, name: str, default: D) -> float | D:
        """Return option ``name`` as a finite number."""
        return self._read(name, default, _finite, "a number")

    def numbers(self, name: str, default: D) -> tuple[float, ...] | D:
        """Return option ``name`` as numbers separated by commas."""
        return self._read(name, default, _finite_list, "numbers separated by commas")

    def size(self, name: str, default: D) -> tuple[int, int] | D:
        """Return option ``name``, such as 224 or 224x320, as (height, width)."""
        value = self.text(name, None)
        return default if value is None else parse_size(value)

    def flag(self, name: str, default: D) -> bool | D:
        """Return option ``name`` as true or false."""
        return self._read(name, default, _truth, "true or false")

    def finish(self) -> None:
        """Refuse the options that were not read, naming those that were."""
        unknown = sorted(set(self._options) - self._known)
        if unknown:
            raise UnknownOption(
                f"a {self._scheme} box has no option {', '.join(unknown)}; "
                f"it has {', '.join(sorted(self._known)) or 'none'} "
                f"(and every box {', '.join(LIMITS)}).",
                frozenset(unknown),
            )

    def _read(self, name: str, default: D, convert: Callable[[str], T], kind: str) -> T | D:
        value = self.text(name, None)
        if value is None:
            return default
        try:
            return convert(value)
        except ValueError as error:
            raise InvalidOption(f"the box's option {name} must be {kind}, found {value!r}.") from (
                error
            )


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _finite_list(text: str) -> tuple[float, ...]:
    return tuple(_finite(part) for part in text.split(","))


def _truth(text: str) -> bool:
    truths = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if text.lower() not in truths:
        raise ValueError(text)
    return truths[text.lower()]


def known_schemes() -> dict[str, EntryPoint]:
    """Return the schemes that `open_box` knows, each with where its opener stands."""
    added = {point.name: point for point in entry_points(group=GROUP)}
    ours = {name: EntryPoint(name, value, GROUP) for name, value in BUILT_IN.items()}
    return added | ours


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
    schemes = known_schemes()
    if parts.scheme not in schemes:
        raise InvalidOption(
            f"no kind of box is called {parts.scheme!r}; known are {', '.join(sorted(schemes))}."
        )
    box = _open(schemes[parts.scheme], parts)
    box.uri = uri
    return box


def _open(point: EntryPoint, parts: BoxURI) -> BlackBox:
    """Open the box; the limits that its opener does not know are put around it."""
    opener = _load_opener(point)
    left: dict[str, str] = {}
    try:
        box = opener(parts.target, parts.options)
    except UnknownOption as error:
        left = {k: v for k, v in parts.options.items() if k in error.names and k in LIMITS}
        if not left:
            raise
        own = {k: v for k, v in parts.options.items() if k not in left}
        box = opener(parts.target, own)
    if not isinstance(box, BlackBox):
        raise BoxError(
            f"the opener of {parts.scheme!r} returned {type(box).__name__}; expected a BlackBox."
        )
    return _limited(box, OptionReader(parts.scheme, left)) if left else box


def _limited(box: BlackBox, reader: OptionReader) -> BlackBox:
    top_k, decimals = reader.integer("top_k", None), reader.integer("decimals", None)
    labels_only = reader.flag("labels_only", default=False)
    if top_k is None and decimals is None and not labels_only:  # labels_only=false
        return box
    return LimitedBox(box, top_k=top_k, decimals=decimals, labels_only=labels_only)


def _load_opener(point: EntryPoint) -> Callable[[str, Mapping[str, str]], object]:
    try:
        opener: Callable[[str, Mapping[str, str]], object] = point.load()
    except (ModuleNotFoundError, AttributeError) as error:
        raise BoxError(
            f"the opener of {point.name!r} ({point.value}) cannot be imported: {error}; "
            "install or upgrade the package that brings it."
        ) from error
    return opener
