"""What is known of a box before asking it anything."""

from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rebox.box.classes import as_names
from rebox.errors import InvalidOption
from rebox.money import MOST_USD, UNKNOWN, per_thousand
from rebox.notebook import facts, few, shortened
from rebox.option import whole

Images = NDArray[np.float32] | NDArray[np.uint8]
Queries = Images | NDArray[np.object_] | NDArray[np.str_]
"""What a box is asked about: images, texts as an array of objects, or the ids of samples."""
Kind = Literal["images", "texts", "ids"]
"""What samples are shown as."""
Scores = NDArray[np.floating]
REDACTED = "|redacted="
"""What stands in an identity before what tells how texts are redacted."""


@dataclass(frozen=True, kw_only=True)
class BoxSpec:
    """What is known of a box before asking it anything.

    Parameters
    ----------
    identity : str
        Names the model and everything that changes its answers; a model fitted for one identity
        refuses another. It never holds a path or a key.
    classes : tuple of str
        Names of the source classes, in the order of the score columns.
    height, width, channels : int
        Size of the images it takes, in pixels; channels are 1 (grey) or 3 (RGB). All are 0 for a
        box that takes texts or ids.
    takes : {"images", "texts", "ids"}
        Whether it is shown images or texts (n,), or asked about samples by their ids (n,).
    pixels : {"float32", "uint8"}
        ``float32`` images lie in [0, 1]; ``uint8`` images are rounded to 256 levels before they
        are sent, as every service that takes PNG or JPEG files does.
    complete : bool
        Whether every class has a score in every answer (False for top-k answers, whose missing
        classes read 0).
    sums_to_one : bool
        Whether the scores of an image are probabilities over the classes.
    decimals : int or None
        Decimals that scores are rounded to; None: not rounded.
    labels_only : bool
        Whether an answer is a one-hot row, 1 at the best class; it is not complete then.
    best_only : bool
        Whether an answer names the best class alone, with a score that says how sure that is; it is
        not complete then. A row of zeros names none.
    price_usd : float or None
        US dollars per query; None: it may cost something, and nobody has told what.
    usd_per_hour : float
        US dollars per hour for which it is kept ready, asked or not.
    others_ignored : bool
        Whether classes that are not among these are passed over in an answer.
    batch_size : int
        Most images in one call.
    """

    identity: str
    classes: tuple[str, ...]
    height: int
    width: int
    channels: int = 3
    pixels: Literal["float32", "uint8"] = "float32"
    complete: bool = True
    sums_to_one: bool = True
    decimals: int | None = None
    price_usd: float | None = 0.0
    usd_per_hour: float = 0.0
    batch_size: int = 32
    labels_only: bool = False
    others_ignored: bool = False
    takes: Kind = "images"
    best_only: bool = False

    def __post_init__(self) -> None:
        self._make_plain()
        self._check_scores()
        self._check_size()
        if len(self.classes) < 2:
            raise InvalidOption(f"a box needs at least 2 classes, found {len(self.classes)}.")
        if len(set(self.classes)) != len(self.classes):
            raise InvalidOption("two classes of the box have the same name: make the names unique.")
        if self.batch_size < 1:
            raise InvalidOption(f"batch_size of a box must be at least 1, found {self.batch_size}.")
        if self.price_usd is not None and not (
            isinstance(self.price_usd, float) and 0 <= self.price_usd <= MOST_USD
        ):
            raise InvalidOption(
                f"price_usd must be 0 or more, and up to {MOST_USD:,}, found {self.price_usd!r}."
            )
        if not 0 <= self.usd_per_hour <= MOST_USD:
            raise InvalidOption(
                f"usd_per_hour must lie in 0 to {MOST_USD:,}, found {self.usd_per_hour!r}."
            )

    def _make_plain(self) -> None:
        """Make Python's own numbers and texts of NumPy's: they are written into files."""
        plain: dict[str, Any] = {"classes": as_names(self.classes)}
        for name in ("height", "width", "channels", "batch_size", "decimals"):
            value = getattr(self, name)
            plain[name] = None if value is None else whole(name, value)
        if isinstance(self.price_usd, Real):
            plain["price_usd"] = float(self.price_usd)
        for name, value in plain.items():
            object.__setattr__(self, name, value)

    def _check_size(self) -> None:
        if self.takes in ("texts", "ids"):
            if self.shape != (0, 0, 0):
                raise InvalidOption(
                    f"a box that takes {self.takes} has no size, found {self._size}."
                )
            return
        if self.takes != "images":
            raise InvalidOption(f"a box takes images, texts or ids, found {self.takes!r}.")
        if self.pixels not in ("float32", "uint8"):
            raise InvalidOption(f"pixels must be float32 or uint8, found {self.pixels!r}.")
        if self.channels not in (1, 3):
            raise InvalidOption(f"a box takes 1 or 3 channels, found {self.channels}.")
        if min(self.height, self.width) < 1:
            raise InvalidOption("height and width of a box must be at least 1.")

    def _check_scores(self) -> None:
        if self.decimals is not None and self.decimals < 0:
            raise InvalidOption(f"decimals must be 0 or more, found {self.decimals}.")
        if self.labels_only and self.complete:
            raise InvalidOption(
                "answers that are labels only are not complete: set complete=False."
            )
        if self.best_only and (self.complete or self.labels_only):
            raise InvalidOption(
                "answers of the best class and its score are neither complete nor labels only: set "
                "both to False."
            )

    def __repr__(self) -> str:
        named = f"{len(self.classes):,} classes ({few(self.classes)})"
        return f"<BoxSpec {shortened(self.identity)}: {named}, {self.taken}, {self._price}>"

    def _repr_html_(self) -> str:
        return facts("Black box", self._facts())

    @property
    def taken(self) -> str:
        """What it takes, in words: texts, ids, or images of what size and type."""
        return self._size if self.takes == "images" else self.takes

    @property
    def _size(self) -> str:
        return f"{self.height} x {self.width} x {self.channels} {self.pixels}"

    @property
    def _price(self) -> str:
        return UNKNOWN if self.price_usd is None else per_thousand(self.price_usd)

    def _facts(self) -> dict[str, object]:
        """Return what is known, for a notebook."""
        return {
            "identity": self.identity,
            "classes": f"{len(self.classes):,}: {few(self.classes)}",
            "takes": self.taken,
            "answers": self.answers,
            "price": self._price,
        }

    @property
    def answers(self) -> str:
        """What an answer holds, in words."""
        if self.labels_only:
            return "a label"
        if self.best_only:
            return "the best class and its score"
        kind = "probabilities" if self.sums_to_one else "scores"
        whose = "of all classes" if self.complete else "of some classes"
        rounded = "" if self.decimals is None else f", to {self.decimals} decimals"
        return f"{kind} {whose}{rounded}"

    @property
    def short(self) -> bool:
        """Whether an answer names one class alone, however sure."""
        return self.labels_only or self.best_only

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one image."""
        return self.height, self.width, self.channels
