"""Keys of services: found when needed, shown nowhere."""

import os
import re
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol
from urllib.parse import urlsplit

from rebox.box.service.message import Request
from rebox.box.service.secret import Secret
from rebox.door import Door
from rebox.errors import KeyRefused

KEYRING = "rebox"
KEY_WORDS = ("authorization", "cookie", "key", "token", "secret", "password")
_ENDS = (*KEY_WORDS, "auth", "credential", "credentials", "passwd", "pwd", "signature", "sig")


class Key(Protocol):
    """Where the key of a service comes from, and where in a request it is sent."""

    @property
    def lasting(self) -> bool:
        """Whether it need be looked up but once; one that expires is for every request."""

    def secret(self) -> Secret | None:
        """Return the key; None: the service takes none."""

    def put(self, request: Request, secret: Secret) -> Request:
        """Return ``request`` with the key in it."""


@dataclass(frozen=True)
class NoKey:
    """A service that wants no key."""

    lasting = True

    def secret(self) -> Secret | None:
        """Return None."""
        return None

    def put(self, request: Request, secret: Secret) -> Request:  # noqa: ARG002 - the protocol's
        """Return ``request`` as it is."""
        return request


@dataclass(frozen=True, kw_only=True)
class HeaderKey:
    """A key that is sent in a header.

    Parameters
    ----------
    service : str
        Its name for messages, and its user name in the keyring under ``rebox``.
    variables : tuple of str
        Environment variables that may hold it, the first that is set counts.
    prefix : str
        What stands before it, blank included, as in ``Key abc`` or ``Bearer abc``.
    required : bool
        Whether asking without one is pointless.
    hosts : tuple of str
        Where the service is known to be, those that begin with a dot or a hyphen with whatever
        stands before it: none where anybody can rent a place. A file of unknown origin leads
        nowhere else.
    endpoint : str
        The environment variable in which the user may have named where it is.
    """

    service: str
    variables: tuple[str, ...]
    header: str = "Authorization"
    prefix: str = "Bearer "
    required: bool = True
    hosts: tuple[str, ...] = ()
    endpoint: str = ""

    lasting: ClassVar[bool] = True

    def is_at(self, host: str) -> bool:
        """Return whether ``host`` is the service's own, or was named by the user."""
        named = urlsplit(os.environ.get(self.endpoint, "")).hostname
        own = any(host == one or (one[0] in ".-" and host.endswith(one)) for one in self.hosts)
        return own or host == named

    def secret(self) -> Secret | None:
        """Return the key from the environment, or else from the keyring.

        Raises
        ------
        KeyRefused
            There is none, and one is required.
        """
        if text := self.in_environment() or _from_keyring(self.service).strip():
            return sendable(text, self.service)
        if not self.required:
            return None
        raise KeyRefused(
            f"found no key for {self.service}: set the environment variable {self.variables[0]}, "
            f"or store it by `keyring set {KEYRING} {self.service}` (pip install keyring)."
        )

    def in_environment(self) -> str:
        """Return what the first of its variables that is set holds; nothing, if none is."""
        told = (os.environ.get(name, "").strip() for name in self.variables)
        return next(filter(None, told), "")

    def put(self, request: Request, secret: Secret) -> Request:
        """Return ``request`` with the key in its header."""
        own = {self.header: f"{self.prefix}{secret.reveal()}"}
        return replace(request, headers=dict(request.headers) | own)


KEYS = Door(
    "rebox.keys",
    "service with a key",
    {
        "anthropic": "rebox.box.chat.anthropic:KEY",
        "azure-custom-vision": "rebox.box.azure:KEY",
        "chat": "rebox.box.chat.openai:KEY",
        "clarifai": "rebox.box.clarifai:KEY",
        "huggingface": "rebox.box.huggingface:KEY",
        "mlflow": "rebox.box.mlflow:KEY",
        "oip": "rebox.box.open_inference:KEY",
        "vertex": "rebox.box.vertex:KEY",
    },
)
"""Usual keys by the scheme of the service."""


def looks_secret(name: str) -> bool:
    """Return whether a field or a parameter is named as keys are, as in ``api_key``.

    Only its last word counts: ``max_tokens`` and ``keywords`` are none.
    """
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return bool(words) and words[-1].lower().endswith(_ENDS)


def sendable(text: str, service: str) -> Secret:
    """Return the key ``text``, or raise `KeyRefused` where no header can hold it."""
    if not (text.isascii() and text.isprintable()):  # an HTTP client's error would quote it
        raise KeyRefused(
            f"the key for {service} holds characters that cannot be sent in a header: copy it anew."
        )
    return Secret(text)


def _from_keyring(service: str) -> str:
    try:
        import keyring  # noqa: PLC0415 - an extra
        from keyring.errors import KeyringError  # noqa: PLC0415 - an extra
    except ImportError:
        return ""
    try:
        return keyring.get_password(KEYRING, service) or ""
    except KeyringError:  # no keyring on this machine, or a locked one: as good as none
        return ""
