"""What is sent to a service, what comes back, and what an error of HTTP's means.

Images are sent as PNG, which loses nothing.
"""

import base64
import contextlib
import io
import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from rebox.box.service.fault import Failure, Refusal, unreadable
from rebox.box.service.secret import Secret, quoted
from rebox.errors import KeyRefused, QuotaSpent
from rebox.sample.pixels import as_pillow

_SAID_IN = (
    *("error", "errors", "errormessage", "exception", "fault", "message", "msg"),
    *("description", "details", "detail", "reason", "title", "status"),
)
BEST_QUALITY = 95  # of a JPEG: Pillow's highest that is not merely larger
MOST_SAID = 4096  # bytes of a message that is no JSON
LONGEST_WAIT_S = 366 * 86_400  # anything above is no time, and threads cannot wait for it
ONCE_MORE = 2  # sends of a question that a server failed at in a way that may be its own fault


def png(image: NDArray[np.uint8]) -> bytes:
    """Return a PNG file of ``image`` (height, width, 1 or 3).

    JPEG would be smaller, but it blurs what the program adds, and differently with each version of
    its library.
    """
    file = io.BytesIO()
    # level 1: a third of the time of level 6, for files that are a little larger
    as_pillow(image).save(file, "PNG", compress_level=1)
    return file.getvalue()


def picture_file(
    image: NDArray[np.uint8], form: Literal["png", "jpeg"], quality: int | None
) -> bytes:
    """Return a file of ``image`` (height, width, 1 or 3), a JPEG of a ``quality``, or the best."""
    if form == "png":
        return png(image)
    file = io.BytesIO()
    as_pillow(image).save(file, "JPEG", quality=quality or BEST_QUALITY, subsampling=0)
    return file.getvalue()


def png_base64(image: NDArray[np.uint8]) -> str:
    """Return a PNG file of ``image`` as base64 text."""
    return base64.b64encode(png(image)).decode()


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is sent, but for the key."""

    url: str
    content: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"

    @classmethod
    def of_json(cls, url: str, body: Any) -> Self:
        """Return a request with ``body`` as JSON."""
        headers = {"Content-Type": "application/json"}
        return cls(url=url, content=json.dumps(body).encode(), headers=headers)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back.

    Attributes
    ----------
    headers : mapping of str to str
        Names in small letters.
    content : bytes
        Unpacked.
    secret : Secret or None
        What it may quote, and nobody else.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    secret: Secret | None = field(default=None, repr=False, compare=False)

    @property
    def said(self) -> str:
        """The error message in the body, as it may be shown; nothing, if there is none."""
        return quoted(message_in(self.content), self.secret)

    def json(self) -> Any:
        """Return the body as JSON.

        Raises
        ------
        Refusal
            It is none; the answer counts as billed.
        """
        return self._told

    @cached_property
    def _told(self) -> Any:
        """The body, read once for all that look at it."""
        try:
            return json.loads(self.content, object_pairs_hook=_without_repeats)
        # UnicodeDecodeError is a ValueError; lists in lists in lists end in a RecursionError
        except (ValueError, RecursionError) as error:
            kind = self.headers.get("content-type", "no content type")
            said = f": {self.said}" if self.said else ""
            words = f"the service answered with something that is no JSON ({kind}){said}"
            raise Refusal(once_more(words)) from error

    def fault(self) -> Failure | None:
        """Return what is wrong by HTTP's rules; None for a status of 200 to 299."""
        if 200 <= self.status < 300:
            return None
        if 300 <= self.status < 400:
            return Failure(self._moved(), charged=False)
        words = f"the service answered {self.status}" + (f" ({self.said})" if self.said else "")
        known = _BY_STATUS.get(self.status)
        if known is None:
            return Failure(words, charged=self.status >= 500)
        after_s = self.retry_after_s if known.retry else None
        words = f"{words}: {known.words}" if known.words else words
        return replace(known, words=words, after_s=after_s)

    @property
    def retry_after_s(self) -> float | None:
        """Seconds to wait by the header Retry-After, in either of its forms."""
        text = self.headers.get("retry-after", "").strip()
        if not text:
            return None
        with contextlib.suppress(ValueError):
            return wait_s(float(text))
        with contextlib.suppress(Exception):  # the library's reader of dates fails in many ways
            until = parsedate_to_datetime(text).timestamp()
            # by the service's own clock where it tells it: ours may be wrong
            now = self.headers.get("date")
            begin = parsedate_to_datetime(now).timestamp() if now else time.time()
            return wait_s(until - begin)
        return None

    def _moved(self) -> str:
        # without what stands behind the question mark: services put tokens there
        to = self.headers.get("location", "").partition("?")[0].rpartition("@")
        where = quoted(to[2], self.secret) or "nowhere"
        return (
            f"the service sends callers elsewhere ({self.status}, to {where}); the key is not sent "
            "there: name that address in the box's URI if you trust it"
        )


def once_more(words: str) -> Failure:
    """Return the fault of an answer that is broken, perhaps by chance."""
    return replace(unreadable(words), retry=True, attempts=ONCE_MORE)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object that names nothing twice: Python's would silently keep the last."""
    by_name = dict(pairs)
    if len(by_name) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Refusal(unreadable(f"the service answered {twice!r} twice"))
    return by_name


def wait_s(told: Any) -> float | None:
    """Return how long a service wants to be left alone, within a year; None: it does not say."""
    if isinstance(told, bool) or not isinstance(told, int | float) or math.isnan(told):
        return None
    return float(min(max(0, told), LONGEST_WAIT_S))


def message_in(content: bytes) -> str:
    """Return the error message in a body, in any of the shapes that services use; or nothing."""
    try:
        said = json.loads(content)
        return _sentence(said[0] if isinstance(said, list) and said else said)
    except (ValueError, RecursionError):
        plain = content[:MOST_SAID].decode(errors="replace").strip()
        return "" if plain.startswith(("<", "{", "[")) or not plain.isascii() else plain


def _sentence(said: Any) -> str:
    """Return the first sentence in what a service says, however deep it stands."""
    if not isinstance(said, dict):
        return str(said) if said and isinstance(said, str | list) else ""
    by_name = {name.lower().replace("_", ""): value for name, value in said.items()}
    return next(filter(None, (_sentence(by_name.get(name)) for name in _SAID_IN)), "")


_BY_STATUS = {
    401: Failure("the key is missing, wrong or expired", charged=False, error=KeyRefused),
    402: Failure("the account has to be paid first", charged=False, error=QuotaSpent),
    403: Failure("the key has no right to ask this", charged=False, error=KeyRefused),
    404: Failure("there is no such model or address", charged=False),
    408: Failure("", retry=True, charged=False),
    413: Failure("what is sent is too large for it", charged=False),
    425: Failure("", retry=True, charged=False),
    429: Failure("it is asked too often", retry=True, charged=False),
    # Self-hosted servers say 500 to what they will never understand.
    500: Failure("", retry=True, attempts=ONCE_MORE),
    502: Failure("", retry=True),
    503: Failure("", retry=True, charged=False),
    504: Failure("", retry=True),
}
