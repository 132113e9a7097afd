"""Keys of services: found when needed, shown nowhere."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote, urlsplit

from rebox.door import Door
from rebox.errors import KeyRefused

KEYRING = "rebox"
MASK = "***"
PIECE = 8  # characters of a key that tell something of it
TOKEN = re.compile(r"eyJ[\w-]{6,}(?:\.[\w-]*)*|\bA[KS]IA[A-Z0-9]{12,}|[\w+/=-]{24,}", re.ASCII)
QUOTED = 160  # characters of what a service says
KEY_WORDS = ("authorization", "cookie", "key", "token", "secret", "password")
_ENDS = (*KEY_WORDS, "auth", "credential", "credentials", "passwd", "pwd", "signature", "sig")


class Secret:
    """A text that no repr, log or pickle shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text, for the one line of code that sends it."""
        return self._text

    def masked(self, text: str) -> str:
        """Return ``text`` without the secret or a piece of it: services quote keys in errors."""
        for form in self._forms():
            text = text.replace(form, MASK)
        pieces = {self._text[i : i + PIECE] for i in range(len(self._text) - PIECE + 1)}
        kept, place = [], 0
        while place < len(text):
            end = place
            while text[end : end + PIECE] in pieces:
                end += 1
            kept.append(MASK if end > place else text[place])
            place = end + PIECE - 1 if end > place else place + 1
        return "".join(kept)

    def in_json(self) -> str:
        """Return the text as it stands between the quotation marks of JSON."""
        return json.dumps(self._text)[1:-1]

    def _forms(self) -> set[str]:
        """Return how it may be written: as it is, in JSON, in JSON by PHP, in an address."""
        quoted = self.in_json()
        forms = {self._text, quoted, quoted.replace("/", r"\/"), quote(self._text, safe="")}
        return forms - {""}

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __reduce__(self) -> tuple[type, tuple[str]]:
        raise TypeError("a secret is not pickled or copied into a file.")


def quoted(text: object, secret: Secret | None = None, limit: int = QUOTED) -> str:
    """Return what a service says as it may be shown: one line, no keys, at most ``limit`` long.

    Keys are masked before anything is cut, or else a cut one would be taken for something else; and
    what only looks like a key, too: a gateway quotes its own.
    """
    said = str(text)[: 100 * QUOTED]
    if secret is not None:
        said = secret.masked(said)
    said = TOKEN.sub(lambda match: MASK if _looks_random(match[0]) else match[0], said)
    line = " ".join("".join(c if c.isprintable() else " " for c in said).split())
    if len(line) <= limit:
        return line
    return f"{line[: limit - limit // 3 - 3]}...{line[-(limit // 3) :]}"  # advice stands last


def _looks_random(run: str) -> bool:
    """Return whether letters and digits alternate as in no word: JWTs and the like always do."""
    if run.startswith(("eyJ", "AKIA", "ASIA")):
        return True
    kinds = "".join("0" if c.isdigit() else "A" if c.isupper() else "a" for c in run if c.isalnum())
    return 5 * len(re.findall(r"(?=aA|0[aA]|[aA]0)", kinds)) > len(kinds)


class Key(Protocol):
    """Where the key of a service comes from, and where in a request it is sent."""

    def secret(self) -> Secret | None:
        """Return the key; None: the service takes none."""

    def headers(self, secret: Secret) -> Mapping[str, str]:
        """Return the headers that carry it."""

    def content(self, content: bytes, secret: Secret) -> bytes:
        """Return the body of a request, with the key where it belongs there."""


@dataclass(frozen=True)
class NoKey:
    """A service that wants no key."""

    def secret(self) -> Secret | None:
        """Return None."""
        return None

    def headers(self, secret: Secret) -> Mapping[str, str]:  # noqa: ARG002 - the protocol's
        """Return no headers."""
        return {}

    def content(self, content: bytes, secret: Secret) -> bytes:  # noqa: ARG002 - the protocol's
        """Return the body as it is."""
        return content


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
        What stands before it, as ``Key `` or ``Bearer ``.
    required : bool
        Whether asking without one is pointless.
    hosts : tuple of str
        Where the service is known to be, those that begin with a dot with whatever stands before
        it: none where anybody can rent a place. A file of unknown origin leads nowhere else.
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

    def is_at(self, host: str) -> bool:
        """Return whether ``host`` is the service's own, or was named by the user."""
        named = urlsplit(os.environ.get(self.endpoint, "")).hostname
        own = any(host == one or (one[0] == "." and host.endswith(one)) for one in self.hosts)
        return own or host == named

    def secret(self) -> Secret | None:
        """Return the key from the environment, or else from the keyring.

        Raises
        ------
        KeyRefused
            There is none, and one is required.
        """
        for name in self.variables:
            if text := os.environ.get(name, "").strip():
                return _sendable(text, self.service)
        if text := _from_keyring(self.service).strip():
            return _sendable(text, self.service)
        if not self.required:
            return None
        raise KeyRefused(
            f"found no key for {self.service}: set the environment variable {self.variables[0]}, "
            f"or store it by `keyring set {KEYRING} {self.service}` (pip install keyring)."
        )

    def headers(self, secret: Secret) -> Mapping[str, str]:
        """Return the header that carries it."""
        return {self.header: f"{self.prefix}{secret.reveal()}"}

    def content(self, content: bytes, secret: Secret) -> bytes:  # noqa: ARG002 - the protocol's
        """Return the body as it is."""
        return content


KEYS = Door(
    "rebox.keys",
    "service with a key",
    {
        "azure-custom-vision": "rebox.box.azure:KEY",
        "clarifai": "rebox.box.clarifai:KEY",
        "huggingface": "rebox.box.huggingface:KEY",
        "mlflow": "rebox.box.mlflow:KEY",
        "oip": "rebox.box.open_inference:KEY",
    },
)
"""Usual keys by the scheme of the service."""


def looks_secret(name: str) -> bool:
    """Return whether a field or a parameter is named as keys are, as in ``api_key``.

    Only its last word counts: ``max_tokens`` and ``keywords`` are none.
    """
    words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return bool(words) and words[-1].lower().endswith(_ENDS)


def _sendable(text: str, service: str) -> Secret:
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
