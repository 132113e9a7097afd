"""The options that every service's URI takes."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

from rebox.box.classes import class_names, read_labels
from rebox.box.limited import check_limits
from rebox.box.service.key import HeaderKey
from rebox.box.service.price import usual_price_usd, usual_usd_per_hour
from rebox.box.spec import BoxSpec, Kind
from rebox.errors import InvalidOption
from rebox.option import Size

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class ServiceOptions:
    """The options that every service's URI takes, besides those of its `Terms`.

    An opener takes one as a keyword-only parameter, and each field is an option of its URI then;
    the default of the parameter says what is usual for this service.

    Parameters
    ----------
    classes : tuple of str or None
        Names of the classes, in the order of the scores.
    labels : Path or None
        A file that names them instead, one on each line.
    size : (height, width) or None
        Size of the images that are sent, in pixels.
    channels : int or None
        1 or 3.
    batch_size : int or None
        Most images in a request; the service's own limit goes before it.
    identity : str or None
        Names the model, where scheme, target and host do not.
    complete, sums_to_one : bool or None
        What is known of the scores, as in `BoxSpec`.
    decimals : int or None
        That the service rounds its scores to.
    price_usd : float or None
        US dollars per image; None: as the service's price is known (`rebox.box.service.PRICES`),
        or 0 where ``usd_per_hour`` names the price of an hour.
    usd_per_hour : float or None
        US dollars per hour, of all machines that are kept for the model together; None: as known.
    key_env : str or None
        The environment variable that holds the key; None: the service's usual one.
    others : {"refuse", "ignore"}
        What becomes of classes in an answer that are not among these.
    ca : str or None
        A file with the certificates to trust; None: those of this machine.
    """

    classes: tuple[str, ...] | None = None
    labels: Path | None = None
    size: Size | None = None
    channels: int | None = None
    batch_size: int | None = None
    identity: str | None = None
    complete: bool | None = None
    sums_to_one: bool | None = None
    decimals: int | None = None
    price_usd: float | None = None
    usd_per_hour: float | None = None
    key_env: str | None = None
    ca: str | None = None
    others: Literal["refuse", "ignore"] = "refuse"

    def names(self, known: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Return the names of the classes, or those ``known`` where the URI names none.

        Raises
        ------
        InvalidOption
            Nothing tells them, or they are told twice.
        """
        if self.classes is not None and self.labels is not None:
            raise InvalidOption("classes and labels both name the classes: keep one.")
        named = self.classes if self.labels is None else read_labels(self.labels)
        if named is not None:
            return class_names(len(named), named)
        if known is None:
            raise InvalidOption(
                "the classes of this service are not known: name them by classes=a,b,c or "
                "labels=FILE (`rebox box labels URI --out FILE` asks one image and writes them)."
            )
        return known

    def key(self, usual: HeaderKey) -> HeaderKey:
        """Return where the key is found: a variable that the URI names goes before the usual."""
        if self.key_env is None:
            return usual
        return replace(usual, variables=(self.key_env,), required=True)

    def spec(  # noqa: PLR0913 - keyword-only, one for each fact of the spec
        self,
        *,
        scheme: str,
        target: str,
        host: str,
        classes: tuple[str, ...],
        size: Size,
        takes: Kind = "images",
        batch_size: int = 1,
        channels: int = 3,
        pixels: Literal["uint8", "float32"] = "uint8",
        complete: bool = True,
        sums_to_one: bool = False,
        top_k: int | None = None,
    ) -> BoxSpec:
        """Return the spec of a service; what the URI says goes before what is given here.

        Its identity is ``scheme:target@host`` (``identity`` may name another) with the size of the
        images, or that it takes texts, and a digest of the classes: a model at another address is
        another model, and scores are kept by their columns, so that other names, or another
        order, are another box. One that is asked for the best ``top_k`` classes alone is another
        box, too.

        Raises
        ------
        InvalidOption
            There are fewer than ``top_k`` classes, or texts were given a size.
        """
        check_limits(len(classes), top_k, None)
        height, width, depth = self._shape(takes, size, channels)
        shown = "takes=texts" if takes == "texts" else f"size={height}x{width}"
        cut = top_k is not None and top_k < len(classes)
        complete = _told(self.complete, complete and not cut)
        named = _told(self.identity, f"{scheme}:{target}@{host}")
        others = "&others=ignore" if self.others == "ignore" else ""
        best = f"&top_k={top_k}" if cut else ""
        usual_usd = 0.0 if self.usd_per_hour else usual_price_usd(scheme, f"http://{host}")
        return BoxSpec(
            identity=f"{named}?{shown}&classes={_digest(classes)}{others}{best}",
            classes=classes,
            height=height,
            width=width,
            channels=depth,
            takes=takes,
            pixels=pixels,
            complete=complete,
            sums_to_one=_told(self.sums_to_one, sums_to_one) and complete and not others,
            others_ignored=bool(others),
            decimals=self.decimals,
            price_usd=_told(self.price_usd, usual_usd),
            usd_per_hour=_told(self.usd_per_hour, usual_usd_per_hour(scheme)),
            batch_size=min(_told(self.batch_size, batch_size), batch_size),
        )

    def _shape(self, takes: Kind, size: Size, channels: int) -> tuple[int, int, int]:
        """Return height, width and channels of what is sent: of texts, none."""
        if takes == "images":
            return (*_told(self.size, size), _told(self.channels, channels))
        if self.size is not None or self.channels is not None:
            raise InvalidOption("texts have no size and no channels: leave size and channels out.")
        return 0, 0, 0


def _told(value: T | None, usual: T) -> T:
    return usual if value is None else value


def _digest(classes: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join(classes).encode()).hexdigest()[:8]
