"""One request out, one reply in: nothing here waits to try again, follows or forgives."""

import contextlib
import os
import re
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from rebox.box.outputs import one_line
from rebox.box.service.deadline import Deadline, TimeUp
from rebox.box.service.fault import Failure, Refusal, unreadable
from rebox.box.service.key import Key, looks_secret
from rebox.box.service.message import ONCE_MORE, Reply, Request, once_more
from rebox.box.service.secret import Secret, quoted
from rebox.box.service.terms import Terms
from rebox.errors import InvalidOption, KeyRefused, extra

with extra("services", "asking a service"):
    import httpx2


PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
# others would be read as one host here and as another by the client
HOST = re.compile(r"[\w.-]+|[0-9a-f:.]+(%\w+)?")
# Servers hang up on idle connections, many after 5 s. A question that meets that is lost, and
# counts as billed: better to hang up first.
MOST_WORDS = 600  # characters of an error
IDLE_S = 2.0


class Transport(Protocol):
    """Who sends."""

    def check_ready(self, url: str, key: Key) -> None:
        """Refuse what the first request would end at, before anything is reserved for it."""

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
        self._clients: dict[bool, httpx2.Client] = {}
        self._lock = threading.Lock()
        self._settings: dict[str, Any] = {
            "verify": True if verify is None else _authority(verify),
            "follow_redirects": False,
            "timeout": httpx2.Timeout(terms.timeout_s),
            "limits": httpx2.Limits(
                max_connections=terms.in_flight,
                max_keepalive_connections=terms.in_flight,
                keepalive_expiry=IDLE_S,
            ),
            "headers": {"User-Agent": "rebox"},
            # whatever a reply asks to be remembered: the next question does not depend on it
            "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        }

    def check_ready(self, url: str, key: Key) -> None:
        """Refuse what the first request would end at, before anything is reserved for it.

        Raises
        ------
        KeyRefused
            There is no key, or it cannot be sent there.
        InvalidOption
            As for `client`.
        """
        self.client(url)
        try:
            self._secret(url, key)
        except Refusal as refusal:
            raise refusal.fault.error(f"{refusal.fault.words}.") from None

    def _secret(self, url: str, key: Key) -> Secret | None:
        if not key.lasting:
            return _secret_for(url, key)
        if key not in self._secrets:  # a keyring may take its time
            self._secrets[key] = _secret_for(url, key)
        return self._secrets[key]

    def client(self, url: str) -> httpx2.Client:
        """Return the client for ``url``, by the environment's proxies and certificates.

        A proxy would see in the clear what is meant to stay on this machine: none is looked at.

        Raises
        ------
        InvalidOption
            The environment names a proxy or certificates that cannot be used.
        """
        here = is_here(url)
        with self._lock:
            if here not in self._clients:
                with _usable_environment():
                    self._clients[here] = httpx2.Client(**self._settings, trust_env=not here)
            return self._clients[here]

    def send(self, request: Request, key: Key, terms: Terms) -> Reply:
        """Send ``request`` once and return the whole reply."""
        client = self.client(request.url)
        secret = self._secret(request.url, key)
        try:
            reply = self._send(
                client, request if secret is None else key.put(request, secret), terms
            )
        except Refusal as refusal:
            words = quoted(refusal.fault.words, secret, MOST_WORDS)
            raise Refusal(replace(refusal.fault, words=words)) from None
        return replace(reply, secret=secret)

    def close(self) -> None:
        """Close all connections; the next request opens another."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def _send(self, client: httpx2.Client, request: Request, terms: Terms) -> Reply:
        with (
            _as_refusals(request.url, terms),
            self._deadline.within(terms.timeout_s),
            client.stream(
                request.method,
                request.url,
                content=request.content,
                headers=dict(request.headers),
                extensions={"trace": self._deadline.watch},
            ) as response,
        ):
            content = b"".join(_read(response, terms))
            if self._deadline.doubled:
                words = "the service sent more than one reply, and nobody knows which is the answer"
                raise Refusal(once_more(words))
            names = {name.lower(): value for name, value in response.headers.items()}
            return Reply(status=response.status_code, headers=names, content=content)


def _read(response: httpx2.Response, terms: Terms) -> Iterator[bytes]:
    size = 0
    for piece in response.iter_bytes():
        size += len(piece)
        if size > terms.body_limit:
            words = f"the service's answer is larger than {terms.body_limit / 2**20:.0f} MB"
            raise Refusal(unreadable(words))
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
        said = str(error)
        hopeless = "certificate" in said.lower()
        words = f"{host} could not be reached ({said})"
        raise Refusal(Failure(words, retry=not hopeless, charged=False)) from error
    except (httpx2.TimeoutException, TimeUp) as error:
        words = f"the service did not answer in full within {terms.timeout_s:g} s"
        raise Refusal(Failure(words, retry=True, attempts=ONCE_MORE)) from error
    except httpx2.DecodingError as error:
        words = "the service's answer is packed in a way that cannot be unpacked"
        raise Refusal(once_more(words)) from error
    except (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, httpx2.InvalidURL) as error:
        raise Refusal(Failure(f"{url} cannot be asked", charged=False)) from error
    except httpx2.TransportError as error:
        words = f"the connection to {host} broke off ({str(error) or type(error).__name__})"
        raise Refusal(Failure(words, retry=True)) from error


@contextlib.contextmanager
def _usable_environment() -> Iterator[None]:
    """Name the variable of the environment that a client cannot be made with."""
    try:
        yield
    except (ValueError, ImportError, OSError, httpx2.InvalidURL) as error:
        certificates = isinstance(error, OSError)
        names = CERTIFICATES if certificates else PROXIES
        told = {n: os.environ[n] for n in (*names, *map(str.lower, names)) if os.environ.get(n)}
        if not told:
            raise
        shown = ", ".join(f"{name}={quoted(_without_password(t))}" for name, t in told.items())
        what = "certificates that can be read" if certificates else "http://HOST:PORT or socks5://"
        said, way = quoted(error), "mend it, or unset it"
        if isinstance(error, ImportError):
            said, way = "SOCKS needs a package", "pip install 'httpx2[socks]', or unset it"
        raise InvalidOption(
            f"the environment has {shown}, expected {what} ({said}): {way}."
        ) from error


def _without_password(text: str) -> str:
    before, at, after = text.rpartition("@")
    return f"{before.partition('//')[0]}//***@{after}" if at else text


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
    parts = urlsplit(url)  # secrets first: what is said of the rest quotes it all
    if parts.username or parts.password:
        raise InvalidOption("leave keys and passwords out of addresses: set key_env instead.")
    if any(looks_secret(name) for name, _ in parse_qsl(parts.query)):
        raise InvalidOption("leave keys out of addresses: set key_env instead.")
    if parts.scheme not in ("http", "https") or not HOST.fullmatch(parts.hostname or ""):
        raise InvalidOption(f"expected an address such as https://host/path, found {url!r}.")
    return parts.netloc.lower()
