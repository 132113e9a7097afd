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
from rebox.option import options_of, without_options

TRUSTED = "REBOX_TRUSTED"
"""The environment variable with hosts, key variables and ``torch`` that the user trusts."""

PRICES = ("price_usd", "usd_per_hour")
TOKENS = ("usd_per_m_in", "usd_per_m_out", "tokens_in", "tokens_out")
WEIGHTS, PUBLISHED = "weights", "default"  # the option of boxes that may have them downloaded
ADDRESSES = ("base_url", "endpoint")  # options that say where a service is, as a target may


def is_service(uri: str) -> bool:
    """Return whether ``uri`` names a box that is asked elsewhere, and may take a key."""
    return "key_env" in options_of(BOXES[BoxURI.parse(uri).scheme])


def trusted_places() -> set[str]:
    """Return what the user has named in ``REBOX_TRUSTED``."""
    return set(filter(None, os.environ.get(TRUSTED, "").replace(" ", "").split(",")))


def addresses_in(parts: BoxURI) -> list[str]:
    """Return the addresses that a URI names: as its target, or in an option."""
    told = (parts.target, *map(parts.options.get, ADDRESSES))
    return [text for text in told if text and "://" in text]


def open_foreign(uri: str, *, whose: str, way: str, trusted: Collection[str] = ()) -> BlackBox:
    """Open the box that a file names, but trust the file with nothing.

    Parameters
    ----------
    uri : str
        Its ``price_usd`` and ``usd_per_hour``, and what it says of tokens, count only where they
        make a query dearer than what is known without them, or nothing is.
    whose : str
        What the file is, as ``model``.
    way : str
        How the user trusts a URI nevertheless, as ``pass it by box=``.
    trusted : collection of str
        Hosts, variables that hold keys, and kinds of boxes whose weights may be downloaded, besides
        those in ``REBOX_TRUSTED``.

    Raises
    ------
    InvalidOption
        It leads to a host, or takes its key from a variable, that is neither the service's own nor
        named by the user, or has weights downloaded; nobody was asked.
    """
    parts = BoxURI.parse(uri)
    named = {*trusted, *trusted_places()}
    if not is_service(uri):
        _check_download(parts, named, whose, way)
        return open_box(uri)
    _check_variable(parts, named, whose, way)
    for url in addresses_in(parts):
        _check_host(parts.scheme, url, named, whose, way)
    box = open_box(without_options(uri, (*PRICES, *TOKENS)))
    if box.source.address is not None:
        _check_host(parts.scheme, box.source.address, named, whose, way)
    for name in PRICES:
        with suppress(KeyError, ValueError):
            _raise_price(box, name, float(parts.options[name]))
    if set(TOKENS) & set(parts.options):
        # models of earlier releases may name both: a price of a query went before one of tokens
        box = _dearer(box, open_box(without_options(uri, PRICES[:1])))
    box.uri = uri
    return box


def _check_download(parts: BoxURI, named: Collection[str], whose: str, way: str) -> None:
    weights = parts.options.get(WEIGHTS, PUBLISHED)
    takes = WEIGHTS in options_of(BOXES[parts.scheme])
    if takes and weights == PUBLISHED and parts.scheme not in named:
        raise InvalidOption(
            f"the {whose}'s box, {parts.scheme}:{parts.target}, has its weights downloaded: {way} "
            f"if they may be, or name {parts.scheme} in {TRUSTED}."
        )


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
        f"the {whose}'s box is at {place}, which is not {scheme}'s own: {way} if your samples and "
        f"your key may go there, or name {host} in {TRUSTED}."
    )


def _dearer(known: BlackBox, claimed: BlackBox) -> BlackBox:
    """Return the box by what a file claims of its tokens, if that makes a query dearer."""
    usd, most = known.spec.price_usd, claimed.spec.price_usd
    return claimed if most and (usd is None or most > usd) else known


def _raise_price(box: BlackBox, name: str, usd: float) -> None:
    for one in (box, box.source):
        known = getattr(one.spec, name)
        # what is claimed to be free stays unknown where nothing else is known
        if (known is not None or usd > 0) and usd > (known or 0.0):
            higher: dict[str, Any] = {name: usd}
            one.spec = replace(one.spec, **higher)
