"""How a journal on a server is named: a URL without a password.

What is passed on a command line stands in process lists and shell histories, and what is passed in
Python in `repr` and pickles. A password comes from where PostgreSQL's own programs take it
(``PGPASSWORD``, ``~/.pgpass``, a service file), or stands in the URL of ``REBOX_JOURNAL``, which is
the environment's as well.
"""

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from rebox.errors import JournalError

VARIABLE = "REBOX_JOURNAL"
SCHEMA = "rebox"  # where the tables are, unless the URL says `schema=`
_SERVER = re.compile(r"postgres(?:ql)?:/+", re.IGNORECASE)
_URL = re.compile(r"\s*[a-z][a-z0-9+.-]+:/+", re.IGNORECASE)  # and no drive of Windows
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_SECRET = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
MASK = "***"


def is_server(place: str | Path) -> bool:
    """Return whether a journal is on a server, and not a file."""
    return _SERVER.match(str(place)) is not None


def masked(place: str | Path) -> str:
    """Return a journal's place as it may be shown: without what may be a password."""
    text = str(place)
    if not _URL.match(text):
        return text
    head, user, rest = _parts(text)
    shown = f"{user.partition(':')[0]}{':' + MASK if ':' in user else ''}@" if user else ""
    way, mark, query = rest.partition("?")
    query = re.sub(rf"(?i)\b({'|'.join(_SECRET)})=[^&#]*", rf"\1={MASK}", query)
    return f"{head}{shown}{way}{mark}{query}"


def without_password(url: str) -> tuple[str, str | None]:
    """Return a URL without its password, and the password; None: it has none."""
    head, user, rest = _parts(url)
    name, colon, password = user.partition(":")
    way, mark, query = rest.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    found = next((value for key, value in pairs if key.lower() == "password"), None)
    if colon:
        found = unquote(password)
    kept = [(key, value) for key, value in pairs if key.lower() != "password"]
    mark = "?" if kept else ""
    return f"{head}{name}{'@' if user else ''}{way}{mark}{urlencode(kept, quote_via=quote)}", found


def checked(place: str | Path) -> str:
    """Return the URL of a journal on a server.

    Raises
    ------
    JournalError
        It holds a password, or was passed as a path, which no URL is.
    """
    if isinstance(place, Path):
        raise JournalError(f"{masked(place)} is no path: pass the journal's URL as text.")
    if masked(place) != place:
        raise JournalError(
            f"{masked(place)} holds a password, which others may read in process lists, histories "
            f"and logs: leave it out, and set PGPASSWORD, a line of ~/.pgpass, or {VARIABLE} to "
            "the whole URL."
        )
    return place


def check_kind(place: str | Path) -> None:
    """Raise `JournalError` where a journal is named by a URL that names no PostgreSQL server.

    A file of that name would be made, in a folder that may be called by a password.
    """
    if isinstance(place, str) and _URL.match(place) and "://" in place and not is_server(place):
        raise JournalError(
            f"{masked(place)} names no journal: expected a file, or a server as "
            "postgresql://user@host/database."
        )


class ServerUrl(str):
    """A URL that does not show its password in `repr`, nor where scikit-learn prints parameters."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(masked(self))


class JournalParameter:
    """An estimator's parameter that names a journal: what it is, shown without a password."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, owner: object, kind: type | None = None) -> Any:
        """Return what it was set to."""
        if owner is None:
            return self
        try:
            return vars(owner)[self._name]
        except KeyError:
            raise AttributeError(self._name) from None

    def __set__(self, owner: object, place: Any) -> None:
        secret = isinstance(place, str) and masked(place) != place
        # one that shows nothing is kept as the object that it is: scikit-learn's clones compare
        shown = ServerUrl(place) if secret and not isinstance(place, ServerUrl) else place
        vars(owner)[self._name] = shown


def environments() -> tuple[str, str | None] | None:
    """Return the journal that ``REBOX_JOURNAL`` names, and the password in it, if it has one."""
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    return without_password(named) if is_server(named) else (named, None)


def password_of(url: str) -> str | None:
    """Return the password that the environment names for ``url``, in ``REBOX_JOURNAL``."""
    named = environments()
    return named[1] if named is not None and named[0] == without_password(url)[0] else None


def split_schema(url: str) -> tuple[str, str]:
    """Return what the driver is given of a URL, and the schema that the tables are in.

    Raises
    ------
    JournalError
        The schema is not one that can be.
    """
    way, _, query = url.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)
    schema = next((value for key, value in pairs if key == "schema"), SCHEMA)
    if not _NAME.fullmatch(schema):
        raise JournalError(
            f"schema={schema!r} is no name of a schema: expected small letters, digits and _."
        )
    kept = [(key, value) for key, value in pairs if key != "schema"]
    return f"{way}{'?' if kept else ''}{urlencode(kept, quote_via=quote)}", schema


def _parts(url: str) -> tuple[str, str, str]:
    """Return scheme, ``user[:password]``, and the rest of a URL."""
    begin = _URL.match(url)
    head = begin[0] if begin else ""
    rest = url[len(head) :]
    # a password that was not encoded may hold anything, "@", "/" and "?" too: the last "@" counts,
    # unless it stands in the options behind a host that is without a user
    user, at, way = rest.rpartition("@")
    if at and ":" not in user and ("?" in user or "/" in user):
        return head, "", rest
    return head, user, way
