"""What leaves this machine: said before it does, and refused where nothing may."""

import warnings
from collections.abc import Iterable
from urllib.parse import urlsplit

from rebox.box.contract import BlackBox
from rebox.box.origin import TRUSTED, addresses_in, is_service, trusted_places
from rebox.box.registry import BoxURI
from rebox.errors import InvalidOption, SamplesLeave


def check_stays(boxes: Iterable[str | BlackBox]) -> None:
    """Refuse boxes that are asked elsewhere, before one is opened: some ask their server then.

    Raises
    ------
    InvalidOption
        One of ``boxes``, or of their URIs, leads away from this machine, or may.
    """
    for box in boxes:
        where = _beyond(box) if isinstance(box, str) else _asked_at(box)
        if where is not None:
            name = box if isinstance(box, str) else box.uri or box.spec.identity
            raise InvalidOption(
                f"{name} is asked at {where}, and local_only keeps everything on this machine: "
                "leave that box out, or leave local_only out."
            )


def words_of_leaving(boxes: Iterable[BlackBox]) -> list[str]:
    """Return what of each sample leaves this machine, and where it goes, a line for each place."""
    lines: dict[str, None] = {}
    for box in boxes:
        where = _asked_at(box)
        if where is not None:
            lines[f"to {where} goes of each sample: {box.source.leaves}."] = None
    return list(lines)


def warn_of_leaving(boxes: Iterable[BlackBox]) -> None:
    """Warn of each place that samples are sent to, once in a process; of none that is trusted."""
    trusted = trusted_places()
    for box in boxes:
        where = _asked_at(box)
        if where is None or where in _WARNED or {where, where.partition(":")[0]} & trusted:
            continue
        _WARNED.add(where)
        (words,) = words_of_leaving([box])
        advice = f"verbose=1 says so for every fit, {TRUSTED}={where} never"
        warnings.warn(f"{words} This is said once: {advice}.", SamplesLeave, stacklevel=4)


_WARNED: set[str] = set()  # places, by this process


def _asked_at(box: BlackBox) -> str | None:
    """Return the host that an open box is asked at; None: this machine."""
    address = box.source.address
    return None if address is None or _is_here(address) else urlsplit(address).netloc


def _beyond(uri: str) -> str | None:
    """Return where the box that ``uri`` names is asked; None: on this machine."""
    if not is_service(uri):
        return None
    urls = addresses_in(BoxURI.parse(uri))
    if not urls:
        return "its service"
    return next((urlsplit(url).netloc for url in urls if not _is_here(url)), None)


def _is_here(url: str) -> bool:
    from rebox.box.service import is_here  # noqa: PLC0415 - HTTP, for services alone

    return is_here(url)
