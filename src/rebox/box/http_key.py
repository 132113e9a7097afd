"""Where the key of any service goes, and where a URI may not hold it.

A URI stands in model files, journals and shell histories. A key is named there by the environment
variable that holds it, and is put in when a request leaves: into a header, or into the body where
the template says ``{key}``. An address gets none: every log on its way keeps addresses.
"""

import re
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import parse_qsl, quote

from rebox.box.service import HeaderKey, Key, NoKey, Request, Secret, ServiceOptions
from rebox.box.service.key import KEY_WORDS, looks_secret
from rebox.errors import InvalidOption

KEY_PLACE = "{key}"
# what stands there is put in later
PLACES = (KEY_PLACE, "{image}", "{images}", "{text}", "{texts}")
KEY_HEADER, KEY_PREFIX = "Authorization", "Bearer "
SCHEMES = ("bearer ", "basic ")


Written = Literal["json", "text", "url"]
"""How a body spells what stands in it."""


@dataclass(frozen=True, kw_only=True)
class BodyKey(HeaderKey):
    """A key that is sent in the body, where that says ``{key}``."""

    written: Written = "json"

    def put(self, request: Request, secret: Secret) -> Request:
        """Return ``request`` with the key in its body."""
        plain = secret.reveal()
        forms = {"json": secret.in_json(), "text": plain, "url": quote(plain, safe="")}
        content = request.content.replace(KEY_PLACE.encode(), forms[self.written].encode())
        return replace(request, content=content)


TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # what a header may be called, by HTTP


def check_header(name: str) -> None:
    """Raise `InvalidOption` where no header can be called so."""
    if not TOKEN.fullmatch(name):
        raise InvalidOption(
            f"key_header={name!r:.60} is no name of a header; expected letters, digits and "
            "hyphens, as api-key."
        )


def http_key(
    service: ServiceOptions, *, header: str, prefix: str | None, written: Written | None
) -> Key:
    """Return the key that the URI names: an unknown service gets no other.

    Raises
    ------
    InvalidOption
        The body has a place for a key, and no variable is named that holds it.
    """
    check_header(header)
    usual_prefix = KEY_PREFIX if header == KEY_HEADER else ""
    usual = HeaderKey(
        service="http",
        variables=(),
        header=header,
        prefix=usual_prefix if prefix is None else prefix,
        required=False,
    )
    named = service.key(usual)
    if written and not named.variables:
        raise InvalidOption(
            f"the body has a place for a key, {KEY_PLACE}: name the environment variable that "
            "holds it by key_env=VARIABLE."
        )
    if written:
        return BodyKey(service=named.service, variables=named.variables, written=written)
    return named if named.variables else NoKey()


def refuse_in_header(name: str, value: str) -> None:
    """Raise `InvalidOption` if a header looks like a key's."""
    if any(word in name.lower() for word in KEY_WORDS) or _is_credential(value):
        raise InvalidOption(
            f"the header {name} looks like a key's, and URIs are no place for keys: put the key "
            f"into an environment variable and pass key_env=VARIABLE&key_header={name}."
        )


def refuse_in_query(query: str) -> None:
    """Raise `InvalidOption` if a parameter of an address looks like a key."""
    for name, value in parse_qsl(query):
        if looks_secret(name) or _is_credential(value):
            raise InvalidOption(
                f"the parameter {name} in query looks like a key, and addresses are no place for "
                "keys: put the key into an environment variable and pass key_env=VARIABLE and "
                "key_header=NAME, as nearly every service takes it in a header, too."
            )


def refuse_in_body(template: Any, name: str = "") -> None:
    """Raise `InvalidOption` if a text in a template looks like a key."""
    if isinstance(template, dict):
        for field, value in template.items():
            refuse_in_body(value, field)
    elif isinstance(template, list):
        for value in template:
            refuse_in_body(value, name)
    elif isinstance(template, str) and _looks_like_key(name, template):
        raise InvalidOption(
            f"the field {name or 'of no name'} in body looks like a key, and URIs are no place for "
            f'keys: put the key into an environment variable, write "{KEY_PLACE}" into the body '
            "instead, and pass key_env=VARIABLE."
        )


def _looks_like_key(name: str, text: str) -> bool:
    if not text or any(place in text for place in PLACES):
        return False
    return looks_secret(name) or _is_credential(text)


def _is_credential(text: str) -> bool:
    return text.strip().lower().startswith(SCHEMES)
