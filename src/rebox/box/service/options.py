"""The options that every service's URI takes."""

import hashlib
from pathlib import Path
from typing import Any, Literal

from rebox.box.contract import BoxSpec
from rebox.box.outputs import class_names, read_labels
from rebox.box.registry import OptionReader
from rebox.box.service.key import HeaderKey
from rebox.box.service.price import usual_price_usd
from rebox.box.service.terms import Terms
from rebox.errors import InvalidOption


def read_terms(reader: OptionReader, **defaults: Any) -> Terms:
    """Return the terms that a URI asks for.

    Parameters
    ----------
    reader : OptionReader
    **defaults
        What the service documents, by the names of `Terms`.
    """
    usual = Terms(**defaults)
    return Terms(
        in_flight=reader.integer("in_flight", usual.in_flight),
        per_second=reader.number("per_second", usual.per_second),
        burst=reader.integer("burst", usual.burst),
        timeout_s=reader.number("timeout_s", usual.timeout_s),
        attempts=reader.integer("attempts", usual.attempts),
        longest_wait_s=reader.number("longest_wait_s", usual.longest_wait_s),
        back_off_s=reader.number("back_off_s", usual.back_off_s),
        body_limit=usual.body_limit,
    )


def read_classes(reader: OptionReader, known: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Return the names of the classes: ``classes=a,b,c`` or ``labels=FILE``, or those ``known``.

    Raises
    ------
    InvalidOption
        Nothing tells them.
    """
    named: str | None = reader.text("classes", None)
    file: str | None = reader.text("labels", None)
    if named is not None and file is not None:
        raise InvalidOption("classes and labels both name the classes: keep one.")
    if named is not None:
        names = tuple(name.strip() for name in named.split(","))
        return class_names(len(names), names)
    if file is not None:
        names = read_labels(Path(file))
        return class_names(len(names), names)
    if known is None:
        raise InvalidOption(
            "the classes of this service are not known: name them by classes=a,b,c or labels=FILE "
            "(`rebox box labels URI --out FILE` asks one image and writes them)."
        )
    return known


def read_key(reader: OptionReader, usual: HeaderKey) -> HeaderKey:
    """Return where the key is found: ``key_env`` names another environment variable."""
    variable = reader.text("key_env", None)
    if variable is None:
        return usual
    return HeaderKey(
        service=usual.service,
        variables=(variable,),
        header=usual.header,
        prefix=usual.prefix,
        required=True,
    )


def _digest(classes: tuple[str, ...]) -> str:
    return hashlib.sha256("\n".join(classes).encode()).hexdigest()[:8]


def read_spec(  # noqa: PLR0913 - keyword-only, one for each fact of the spec
    reader: OptionReader,
    *,
    scheme: str,
    target: str,
    host: str,
    classes: tuple[str, ...],
    size: tuple[int, int],
    batch_size: int = 1,
    channels: int = 3,
    pixels: Literal["uint8", "float32"] = "uint8",
    complete: bool = True,
    sums_to_one: bool = False,
) -> BoxSpec:
    """Return the spec of a service; the URI's options go before what is given here.

    Its identity is ``scheme:target@host`` (``identity`` may name another) with the size of the
    images and a digest of the classes: a model at another address is another model, and scores are
    kept by their columns, so that other names, or another order of them, are another box.
    """
    height, width = reader.size("size", size)
    named = reader.text("identity", f"{scheme}:{target}@{host}")
    complete = reader.flag("complete", complete)
    return BoxSpec(
        identity=f"{named}?size={height}x{width}&classes={_digest(classes)}",
        classes=classes,
        height=height,
        width=width,
        channels=reader.integer("channels", channels),
        pixels=pixels,
        complete=complete,
        sums_to_one=reader.flag("sums_to_one", sums_to_one) and complete,
        decimals=reader.integer("decimals", None),
        price_usd=reader.number("price_usd", usual_price_usd(scheme, f"http://{host}")),
        batch_size=min(reader.integer("batch_size", batch_size), batch_size),
    )
