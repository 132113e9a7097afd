"""One request out, one reply in: nothing here waits to try again, follows or forgives."""

import contextlib
import json
import math
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from rebox.box.outputs import one_line
from rebox.box.service.deadline import Deadline, TimeUp
from rebox.box.service.fault import Failure, Refusal
from rebox.box.service.key import Key, Secret, looks_secret
from rebox.box.service.terms import Terms
from rebox.errors import InvalidAnswer, InvalidOption, KeyRefused, QuotaSpent, extra

with extra("services", "asking a service"):
    import httpx2

_SAID_IN = ("error", "status", "message", "description", "details", "detail")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Servers hang up on idle connections, many after 5 s. A question that meets that is lost, and
# counts as billed: better to hang up first.
IDLE_S = 2.0
ONCE_MORE = 2  # sends of a question that a server failed at in a way that may be its own fault


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is sent, but for the key.

    Attributes
    ----------
    url : str
    content : bytes
    headers : mapping of str to str
    method : str
    """

    url: str
    content: bytes = field(default=b"", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came back.

    Attributes
    ----------
    status : int
    headers : mapping of str to str
        Names in small letters.
    content : bytes
        Unpacked.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)

    def json(self) -> Any:
        """Return the body as JSON.

        Raises
        ------
        Refusal
            It is none; the answer counts as billed.
        """
        try:
            return json.loads(self.content, object_pairs_hook=_without_repeats)
        # UnicodeDecodeError is a ValueError; lists in lists in lists end in a RecursionError
        except (ValueError, RecursionError) as error:
            kind = self.headers.get("content-type", "no content type")
            words = f"the service answered with something that is no JSON ({kind})"
            raise Refusal(
                Failure(words, retry=True, attempts=ONCE_MORE, error=InvalidAnswer)
            ) from (error)

    def fault(self) -> Failure | None:
        """Return what is wrong by HTTP's rules; None for a status of 200 to 299."""
        if 200 <= self.status < 300:
            return None
        if 300 <= self.status < 400:
            return Failure(self._moved(), charged=False)
        known = _BY_STATUS.get(self.status)
        words = f"the service answered {self.status}{self._quoted()}"
        if known is None:
            return Failure(words, charged=self.status >= 500)
        return Failure(
            f"{words}: {known.words}" if known.words else words, **_but_words(known, self)
        )

    @property
    def retry_after_s(self) -> float | None:
        """Seconds to wait by the header Retry-After, in either of its forms."""
        text = self.headers.get("retry-after", "").strip()
        if not text:
            return None
        with contextlib.suppress(ValueError):
            seconds = float(text)
            return None if math.isnan(seconds) else max(0.0, seconds)
        with contextlib.suppress(ValueError, TypeError):
            until = parsedate_to_datetime(text).timestamp()
            # by the service's own clock where it tells it: ours may be wrong
            now = self.headers.get("date")
            begin = parsedate_to_datetime(now).timestamp() if now else time.time()
            return max(0.0, until - begin)
        return None

    def _moved(self) -> str:
        to = urlsplit(self.headers.get("location", ""))
        where = f"{to.scheme}://{to.netloc}{to.path}" if to.netloc else to.path or "nowhere"
        return (
            f"the service sends callers elsewhere ({self.status}, to {where[:160]}); the key is "
            "not sent there: name that address in the box's URI if you trust it"
        )

    def _quoted(self) -> str:
        """Return what the body says of the error, in brackets."""
        said = message_in(self.content)
        return f" ({said})" if said else ""


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object that names nothing twice: Python's would silently keep the last."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise Refusal(Failure(f"the service answered {twice!r} twice", error=InvalidAnswer))
    return found


def message_in(content: bytes, limit: int = 160) -> str:
    """Return the error message in a body, in any of the shapes that services use; or nothing."""
    try:
        found: Any = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    said: Any = ""
    while isinstance(found, dict):
        said = found = next((found[name] for name in _SAID_IN if name in found), "")
    return " ".join(str(said).split())[:limit]


def _but_words(fault: Failure, reply: Reply) -> dict[str, Any]:
    kept = {name: getattr(fault, name) for name in ("retry", "charged", "attempts", "error")}
    return kept | {"after_s": reply.retry_after_s if fault.retry else None}


_BY_STATUS = {
    401: Failure("the key is missing, wrong or expired", charged=False, error=KeyRefused),
    402: Failure("the account has to be paid first", charged=False, error=QuotaSpent),
    403: Failure("the key has no right to ask this", charged=False, error=KeyRefused),
    404: Failure("there is no such model or address", charged=False),
    408: Failure("", retry=True, charged=False),
    413: Failure("the images are too large for it", charged=False),
    425: Failure("", retry=True, charged=False),
    429: Failure("it is asked too often", retry=True, charged=False),
    # Self-hosted servers say 500 to what they will never understand.
    500: Failure("", retry=True, attempts=ONCE_MORE),
    502: Failure("", retry=True),
    503: Failure("", retry=True, charged=False),
    504: Failure("", retry=True),
}


class Transport(Protocol):
    """Who sends."""

    def send(self, request: Request, key: Key, terms: Terms) -> Reply:
        """Send ``request`` once and return the whole reply.

        Raises
        ------
        Refusal
            There is none.
        """

    def close(self) -> None:
        """Close all connections."""


class HttpTransport:
    """HTTP/1.1 with certificates checked, redirects refused, and both time and size limited.

    Parameters
    ----------
    terms : Terms
    verify : str or None
        A file with the certificates to trust, for services with an authority of their own; None:
        those of this machine.

    Raises
    ------
    InvalidOption
        ``verify`` cannot be read.
    """

    def __init__(self, terms: Terms, verify: str | None = None) -> None:
        self._secrets: dict[Key, Secret | None] = {}
        self._deadline = Deadline()
        self._client = httpx2.Client(
            verify=True if verify is None else _authority(verify),
            follow_redirects=False,
            # a proxy would see in the clear what is meant to stay on this machine
            mounts={f"all://{host}": None for host in ("127.0.0.1", "localhost", "[::1]")},
            timeout=httpx2.Timeout(terms.timeout_s),
            limits=httpx2.Limits(
                max_connections=terms.in_flight,
                max_keepalive_connections=terms.in_flight,
                keepalive_expiry=IDLE_S,
            ),
            headers={"User-Agent": "rebox"},
        )

    def send(self, request: Request, key: Key, terms: Terms) -> Reply:
        """Send ``request`` once and return the whole reply."""
        if key not in self._secrets:  # a keyring may take its time
            self._secrets[key] = _secret_for(request.url, key)
        secret = self._secrets[key]
        headers = dict(request.headers)
        if secret is not None:
            headers.update(key.headers(secret))
            request = replace(request, content=key.content(request.content, secret))
        try:
            reply = self._send(request, headers, terms)
        except Refusal as refusal:
            raise _masked(refusal, secret) from None
        return reply

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _send(self, request: Request, headers: Mapping[str, str], terms: Terms) -> Reply:
        with (
            _as_refusals(request.url, terms),
            self._deadline.within(terms.timeout_s),
            self._client.stream(
                request.method,
                request.url,
                content=request.content,
                headers=headers,
                extensions={"trace": self._deadline.watch},
            ) as response,
        ):
            content = b"".join(_read(response, terms))
            names = {name.lower(): value for name, value in response.headers.items()}
            return Reply(status=response.status_code, headers=names, content=content)


def _read(response: httpx2.Response, terms: Terms) -> Iterator[bytes]:
    size = 0
    for piece in response.iter_bytes():
        size += len(piece)
        if size > terms.body_limit:
            words = f"the service's answer is larger than {terms.body_limit / 2**20:.0f} MB"
            raise Refusal(Failure(words, error=InvalidAnswer))
        yield piece


@contextlib.contextmanager
def _as_refusals(url: str, terms: Terms) -> Iterator[None]:
    """Turn what a connection may fail at into faults.

    Only what failed before anything was sent is known to be unbilled.
    """
    host = urlsplit(url).hostname
    try:
        yield
    except (httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
        words = f"{host} could not be reached within {terms.timeout_s:g} s"
        raise Refusal(Failure(words, retry=True, charged=False)) from error
    except httpx2.ConnectError as error:
        said = one_line(error)
        hopeless = "certificate" in said.lower()
        words = f"{host} could not be reached ({said})"
        raise Refusal(Failure(words, retry=not hopeless, charged=False)) from error
    except (httpx2.TimeoutException, TimeUp) as error:
        words = f"the service did not answer in full within {terms.timeout_s:g} s"
        raise Refusal(Failure(words, retry=True, attempts=ONCE_MORE)) from error
    except httpx2.DecodingError as error:
        words = "the service's answer is packed in a way that cannot be unpacked"
        raise Refusal(
            Failure(words, retry=True, attempts=ONCE_MORE, error=InvalidAnswer)
        ) from error
    except (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, httpx2.InvalidURL) as error:
        raise Refusal(Failure(f"{url} cannot be asked", charged=False)) from error
    except httpx2.TransportError as error:
        words = f"the connection to {host} broke off ({one_line(error) or type(error).__name__})"
        raise Refusal(Failure(words, retry=True)) from error


def _authority(path: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:  # ssl.SSLError is one
        raise InvalidOption(
            f"the certificates in {path} cannot be read ({one_line(error)}); expected a PEM file."
        ) from error


def _secret_for(url: str, key: Key) -> Secret | None:
    """Return the key to send to ``url``; what is wrong with it costs nothing."""
    try:
        secret = key.secret()
    except KeyRefused as error:
        raise Refusal(Failure(str(error).rstrip("."), charged=False, error=KeyRefused)) from None
    if secret is not None and urlsplit(url).scheme != "https" and not is_here(url):
        host = urlsplit(url).hostname
        words = f"a key would be sent to {host} in the clear: name the service by https://"
        raise Refusal(Failure(words, charged=False, error=KeyRefused))
    return secret


def _masked(refusal: Refusal, secret: Secret | None) -> Refusal:
    if secret is None:
        return refusal
    kept = {name: getattr(refusal.fault, name) for name in Failure.__dataclass_fields__}
    return Refusal(Failure(**kept | {"words": secret.masked(refusal.fault.words)}))


def is_here(url: str) -> bool:
    """Return whether ``url`` leads to this machine."""
    return urlsplit(url).hostname in LOOPBACK


def place_of(url: str) -> str:
    """Return host, port and path of ``url``: where a service is, for its identity.

    Raises
    ------
    InvalidOption
        It is no address of HTTP.
    """
    return f"{host_of(url)}{urlsplit(url).path.rstrip('/')}"


def host_of(url: str) -> str:
    """Return the host of ``url``, with its port where that is not the usual one.

    Raises
    ------
    InvalidOption
        It is no address of HTTP.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidOption(f"expected an address such as https://host/path, found {url!r}.")
    if parts.username or parts.password:
        raise InvalidOption("leave keys and passwords out of addresses: set key_env instead.")
    if any(looks_secret(name) for name, _ in parse_qsl(parts.query)):
        raise InvalidOption("leave keys out of addresses: set key_env instead.")
    return parts.netloc.lower()
