"""A request as it arrives: its body, within bounds of size and time, and whether it has left."""

import asyncio

from rebox.errors import extra
from rebox.serve.backlog import RoomPlace
from rebox.serve.contract import MEBIBYTE, ServeLimits
from rebox.serve.declined import Declined, unreadable

with extra("serve", "a server"):
    from starlette.requests import ClientDisconnect, Request


async def body_of(request: Request, place: RoomPlace, limits: ServeLimits) -> bytes:
    """Return a request's body.

    Raises
    ------
    Declined
        It is too long, comes too slowly, is packed, or there is no room for it.
    """
    packed = request.headers.get("content-encoding", "identity")
    if packed != "identity":
        raise Declined("media_type", f"the body is packed ({packed:.20}); send it as it is.")
    told = request.headers.get("content-length", "0")
    if told.isascii() and told.isdigit() and int(told) > limits.body_bytes:
        raise _too_long(limits)
    try:
        async with asyncio.timeout(limits.time_s):
            return await _read(request, place, limits)
    except TimeoutError:
        words = f"the request did not arrive in {limits.time_s:g} s."
        raise Declined("slow", words) from None
    except ClientDisconnect:
        raise unreadable("the client has left.") from None


async def _read(request: Request, place: RoomPlace, limits: ServeLimits) -> bytes:
    parts, length = [], 0
    async for part in request.stream():
        length += len(part)
        if length > limits.body_bytes:
            raise _too_long(limits)
        place.hold(length)
        parts.append(part)
    return b"".join(parts)


def _too_long(limits: ServeLimits) -> Declined:
    most = limits.body_bytes / MEBIBYTE
    return Declined("too_large", f"the body is longer than {most:g} MiB.")


def media_type_of(request: Request) -> str:
    """Return what a request says its body is, without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def until_gone(request: Request) -> None:
    """Return when the client has left, or was answered."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
