"""Opening a box whose URI came in a file: somebody else may have written it.

A model or a plan says which box to ask. It may not say who gets the user's pictures and key, nor
what that costs: a service is asked at its own hosts, with a key from its own variables, at its own
price, unless the user has named the host or the variable. All this is looked at before anything is
opened: some boxes ask their server what it knows when they are opened.
"""

import os
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from rebox.box.contract import BlackBox
from rebox.box.registry import BOXES, BoxURI, open_box
from rebox.errors import InvalidOption
from rebox.option import options_of

TRUSTED = "REBOX_TRUSTED"
"""The environment variable with hosts and key variables that the user trusts, by commas."""

PRICES = ("price_usd", "usd_per_hour")
ADDRESSES = ("base_url", "endpoint")  # options that say where a service is, as a target may


def is_service(uri: str) -> bool:
    """Return whether ``uri`` names a box that is asked elsewhere, and may take a key."""
    return "key_env" in options_of(BOXES[BoxURI.parse(uri).scheme])


def open_foreign(uri: str, *, whose: str, way: str, trusted: Collection[str] = ()) -> BlackBox:
    """Open the box that a file names, but trust the file with nothing.

    Parameters
    ----------
    uri : str
        Its ``price_usd`` and ``usd_per_hour`` count only where they are higher than what is known
        without them.
    whose : str
        What the file is, as ``model``.
    way : str
        How the user trusts a URI nevertheless, as ``pass it by --box``.
    trusted : collection of str
        Hosts, and variables that hold keys, besides those in ``REBOX_TRUSTED``.

    Raises
    ------
    InvalidOption
        It leads to a host, or takes its key from a variable, that is neither the service's own nor
        named by the user; nobody was asked.
    """
    parts = BoxURI.parse(uri)
    if not is_service(uri):
        return open_box(uri)
    named = {*trusted, *filter(None, os.environ.get(TRUSTED, "").replace(" ", "").split(","))}
    _check_variable(parts, named, whose, way)
    for url in (parts.target, *map(parts.options.get, ADDRESSES)):
        if url and "://" in url:
            _check_host(parts.scheme, url, named, whose, way)
    box = open_box(_without_price(uri))
    if box.source.address is not None:
        _check_host(parts.scheme, box.source.address, named, whose, way)
    for name in PRICES:
        with suppress(KeyError, ValueError):
            _raise_price(box, name, float(parts.options[name]))
    box.uri = uri
    return box


def _check_variable(parts: BoxURI, named: Collection[str], whose: str, way: str) -> None:
    from rebox.box.service import KEYS  # noqa: PLC0415 - HTTP, for services alone

    variable, usual = parts.options.get("key_env"), KEYS.get(parts.scheme)
    own = () if usual is None else usual.variables
    if variable is None or variable in own or variable in named:
        return
    raise InvalidOption(
        f"the {whose}'s box takes its key from the variable {variable}, expected "
        f"{' or '.join(own) or 'none'} for {parts.scheme}: {way} if you trust it with that key, or "
        f"name {variable} in {TRUSTED}."
    )


def _check_host(scheme: str, url: str, named: Collection[str], whose: str, way: str) -> None:
    from rebox.box.service import KEYS, host_of, is_here  # noqa: PLC0415 - HTTP

    place, host = host_of(url), urlsplit(url).hostname or ""
    usual = KEYS.get(scheme)
    if is_here(url) or {place, host} & set(named) or (usual is not None and usual.is_at(host)):
        return
    raise InvalidOption(
        f"the {whose}'s box is at {place}, which is not {scheme}'s own: {way} if your pictures and "
        f"your key may go there, or name {host} in {TRUSTED}."
    )


def _without_price(uri: str) -> str:
    name, mark, options = uri.partition("?")
    kept = [one for one in options.split("&") if one.partition("=")[0] not in PRICES]
    return f"{name}{mark}{'&'.join(kept)}"


def _raise_price(box: BlackBox, name: str, usd: float) -> None:
    for one in (box, box.source):
        known = getattr(one.spec, name)
        if known is not None and usd > known:
            higher: dict[str, Any] = {name: usd}
            one.spec = replace(one.spec, **higher)
