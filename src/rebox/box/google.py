"""Tokens of Google Cloud: they expire within the hour, and are had anew while a run goes on.

A token comes from the first of these that is there:

1. ``GOOGLE_OAUTH_ACCESS_TOKEN`` (or ``CLOUDSDK_AUTH_ACCESS_TOKEN``), which nobody can renew;
2. what the command in ``REBOX_GOOGLE_TOKEN_COMMAND`` prints, as `gcloud auth print-access-token`;
3. Application Default Credentials: a service account, a machine at Google, a login of gcloud.

A command stands in the environment alone. A URI cannot name one, as a URI may come in a file of
somebody else's.
"""

import calendar
import os
import shlex
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from rebox.box.service import HeaderKey, Secret
from rebox.box.service.key import sendable
from rebox.box.service.secret import quoted
from rebox.errors import KeyRefused, MissingExtra, extra

COMMAND = "REBOX_GOOGLE_TOKEN_COMMAND"
COMMAND_S = (
    60.0  # longest time for a command: gcloud takes seconds, and more when it asks its server
)
KEPT_S = 300.0  # for how long a printed token is used: the command may have kept it for a while
MARGIN_S = 225.0  # before its end a token is had anew: google-auth's own, as machines renew by it
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


@dataclass(frozen=True)
class Token:
    """A token and until when it is used, by `time.time`."""

    secret: Secret
    until_s: float


class TokenStore:
    """The token in use, had anew when its time is up; all boxes of a process share it."""

    def __init__(self) -> None:
        self._token: Token | None = None
        self._lock = threading.Lock()

    def current(self, renew: Callable[[], Token]) -> Secret:
        """Return the token in use, or one had by ``renew``: by one thread, the others wait."""
        with self._lock:
            if self._token is None or time.time() >= self._token.until_s:
                self._token = renew()
            return self._token.secret

    def forget(self, refused: Secret | None = None) -> None:
        """Use the token no more, unless it is another than the one ``refused`` already."""
        with self._lock:
            if self._token is not None and refused in (None, self._token.secret):
                self._token = None

    # A token is not copied into a file, and neither is a lock.
    def __reduce__(self) -> tuple[type, tuple[()]]:
        return TokenStore, ()


@dataclass(frozen=True, kw_only=True)
class GoogleKey(HeaderKey):
    """A bearer token of Google Cloud."""

    lasting: ClassVar[bool] = False
    store: TokenStore = field(default_factory=TokenStore, compare=False, repr=False)

    @property
    def renewable(self) -> bool:
        """Whether there may be another token than the one in use."""
        return not self.in_environment()

    def secret(self) -> Secret:
        """Return a token that is good for some minutes.

        Raises
        ------
        KeyRefused
            There is none, or it could not be had anew.
        """
        if text := self.in_environment():
            return sendable(text, self.service)
        return self.store.current(self._renewed)

    def _renewed(self) -> Token:
        if command := os.environ.get(COMMAND, "").strip():
            return Token(sendable(_printed(command), self.service), time.time() + KEPT_S)
        try:
            return _by_default(self.service)
        except MissingExtra as error:
            raise KeyRefused(f"{self._way()} ({error})") from None

    def _way(self) -> str:
        return (
            f"found no token for {self.service}: set {self.variables[0]} (good for an hour), "
            f"{COMMAND}='gcloud auth print-access-token', or Application Default Credentials"
        )


def _printed(command: str) -> str:
    """Return what ``command`` prints; no shell reads it.

    Raises
    ------
    KeyRefused
        It cannot be run, takes too long, fails or prints nothing.
    """
    try:
        words: str | list[str] = command if os.name == "nt" else shlex.split(command)
        done = subprocess.run(  # noqa: S603 - the user's own, from the environment
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
    except (OSError, ValueError) as error:
        raise KeyRefused(f"the command in {COMMAND} cannot be run ({quoted(error)}).") from None
    except subprocess.TimeoutExpired:
        raise KeyRefused(f"the command in {COMMAND} took longer than {COMMAND_S:.0f} s.") from None
    text = done.stdout.strip()
    if done.returncode or not text:
        said = quoted(done.stderr.strip()) or "it printed nothing"
        raise KeyRefused(
            f"the command in {COMMAND} gave no token (exit code {done.returncode}: {said})."
        )
    return text


def _by_default(service: str) -> Token:
    """Return a token by Application Default Credentials.

    Raises
    ------
    KeyRefused
        There are none, or Google gives no token for them.
    MissingExtra
        google-auth is not installed.
    """
    with extra("google", "getting a token by Application Default Credentials"):
        import google.auth  # noqa: PLC0415 - an extra
        from google.auth.exceptions import GoogleAuthError  # noqa: PLC0415
        from google.auth.transport.requests import Request  # noqa: PLC0415
    try:
        credentials, _ = google.auth.default(scopes=[SCOPE])
        credentials.refresh(Request())
    except GoogleAuthError as error:
        raise KeyRefused(
            f"Application Default Credentials gave no token for {service} ({quoted(error)})."
        ) from None
    end = credentials.expiry  # in UTC, without saying so
    until_s = time.time() + KEPT_S if end is None else calendar.timegm(end.timetuple()) - MARGIN_S
    return Token(sendable(credentials.token, service), until_s)
