"""What is sent to any service: the image itself, a form with it, or a template of JSON.

=============  ======================================================================
``raw``        the file of the image
``base64``     the same in base64
``multipart``  a form with the file in the field ``field``, as pages upload files
``form``       a form with the image in base64 in the field ``field``
anything else  JSON, in which ``{image}`` and ``{images}`` stand for images in base64,
               or ``{text}`` and ``{texts}`` for texts
=============  ======================================================================

A form has more fields by ``form.NAME=VALUE``; one of ``form`` that says ``{text}`` is for texts.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import cached_property
from typing import Any, Literal
from urllib.parse import quote_plus, urlencode

import numpy as np
from numpy.typing import NDArray

from rebox.box.http_key import KEY_PLACE, Written, refuse_in_body
from rebox.box.service import BEST_QUALITY, picture_file
from rebox.box.spec import Kind, Queries
from rebox.errors import InvalidOption

IMAGE, IMAGES, TEXT, TEXTS = "{image}", "{images}", "{text}", "{texts}"
SEVERAL = (IMAGES, TEXTS)
FORMS = {"multipart": "multipart/form-data", "form": "application/x-www-form-urlencoded"}
PLAIN = ("raw", "base64")


@dataclass(frozen=True, kw_only=True)
class BodyOptions:
    """The options that say what is sent.

    Parameters
    ----------
    body : str
        ``raw``, ``base64``, ``multipart``, ``form``, or a template of JSON.
    field : str or None
        Of a form, the one with the image; None: ``file``.
    form : mapping of str to str
        A form's other fields.
    format : {"png", "jpeg"}
        Of the image; JPEG changes its pixels a little.
    quality : int or None
        Of a JPEG, 1 to 95; None: 95.

    Raises
    ------
    InvalidOption
        An option belongs to another kind of body, or the template cannot be used.
    """

    body: str = "raw"
    field: str | None = None
    form: Mapping[str, str] = dataclass_field(default_factory=dict)
    format: Literal["png", "jpeg"] = "png"
    quality: int | None = None

    def __post_init__(self) -> None:
        if self.body not in FORMS and (self.field is not None or self.form):
            raise InvalidOption(
                "field and form.NAME are for forms: pass body=multipart, or leave them out."
            )
        if self.quality is not None and (
            self.format != "jpeg" or not 1 <= self.quality <= BEST_QUALITY
        ):
            raise InvalidOption(f"quality lies in 1 to {BEST_QUALITY}, with format=jpeg.")
        if self.takes == "texts":
            self._check_texts()
        refuse_in_body(dict(self.form))
        if self.template is not None:
            refuse_in_body(self.template)
            _check_places(self.template)

    @cached_property
    def template(self) -> Any:
        """The JSON to fill in; None: it is none."""
        if self.body in (*PLAIN, *FORMS):
            return None
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise InvalidOption(
                f"body must be one of {', '.join((*PLAIN, *FORMS))}, or a template of JSON such as "
                f'{{"image":"{IMAGE}"}}; what was found is no JSON ({error}).'
            ) from error

    @cached_property
    def several(self) -> bool:
        """Whether it takes several images, or texts."""
        return any(text in SEVERAL for text in texts_in(self.template))

    @cached_property
    def takes(self) -> Kind:
        """What it has a place for."""
        said = [*texts_in(self.template), *self.form.values()]
        return "texts" if any(TEXT in text or text == TEXTS for text in said) else "images"

    @property
    def key_place(self) -> Written | None:
        """How a key is written into it; None: it has no place for one."""
        if any(KEY_PLACE in text for text in texts_in(self.template)):
            return "json"
        if any(KEY_PLACE in text for text in self.form.values()):
            return "text" if self.body == "multipart" else "url"
        return None

    @property
    def content_type(self) -> str:
        """What it is, as a header says it."""
        if self.body == "multipart":
            return f"{FORMS[self.body]}; boundary={self._boundary}"
        plain = {"raw": f"image/{self.format}", "base64": "text/plain", **FORMS}
        return plain.get(self.body, "application/json")

    @property
    def asked(self) -> dict[str, Any]:
        """What tells it from others, beside the template: nothing where all is usual."""
        told = {
            "body": None if self.template is not None or self.body == "raw" else self.body,
            "field": self.field,
            "form": dict(self.form) or None,
            "format": None if self.format == "png" else self.format,
            "quality": self.quality,
        }
        return {name: value for name, value in told.items() if value is not None}

    def content(self, images: Queries) -> bytes:
        """Return the body about ``images``, or about texts."""
        if self.takes == "texts":
            return self._said(images.tolist())
        files = [self._file(image) for image in images]
        if self.body == "raw":
            return files[0]
        if self.body == "multipart":
            return self._multipart(files[0])
        texts = [base64.b64encode(file).decode() for file in files]
        if self.body == "base64":
            return texts[0].encode()
        if self.body == "form":
            # a key's place stays as it is, or else nobody finds it
            return urlencode({**self.form, self._field: texts[0]}, safe="{}").encode()
        return json.dumps(_filled(self.template, texts)).encode()

    def _said(self, texts: Sequence[str]) -> bytes:
        if self.body == "form":  # as no text is left with braces, none has a key's place
            form = urlencode(dict(self.form), safe="{}")
            return form.replace(TEXT, quote_plus(texts[0])).encode()
        written = [_in_json(text) for text in texts]
        body = json.dumps(self.template)
        if self.several:
            return body.replace(json.dumps(TEXTS), f"[{', '.join(written)}]").encode()
        return body.replace(TEXT, written[0][1:-1]).encode()

    def _check_texts(self) -> None:
        """Refuse texts where files are sent, and what is said of images."""
        if self.body == "multipart" or self.field is not None:
            raise InvalidOption(
                f"a text goes into body=form, by form.NAME={TEXT}, or into JSON: leave field and "
                "body=multipart out."
            )
        if self.format != "png" or self.quality is not None:
            raise InvalidOption("texts have no format and no quality: leave them out.")

    @property
    def _field(self) -> str:
        return self.field or "file"

    @property
    def _boundary(self) -> str:
        """What stands between the fields: the same in the same question."""
        named = json.dumps([self._field, dict(self.form)], sort_keys=True)
        return f"rebox-{hashlib.sha256(named.encode()).hexdigest()}"

    def _file(self, image: NDArray[np.uint8]) -> bytes:
        return picture_file(image, self.format, self.quality)

    def _multipart(self, file: bytes) -> bytes:
        start = f"--{self._boundary}\r\nContent-Disposition: form-data; name="
        fields = [f'{start}"{_escaped(n)}"\r\n\r\n{text}\r\n' for n, text in self.form.items()]
        head = f'{start}"{_escaped(self._field)}"; filename="image.{self.format}"\r\n'
        kind = f"Content-Type: image/{self.format}\r\n\r\n"
        end = f"\r\n--{self._boundary}--\r\n"
        return f"{''.join(fields)}{head}{kind}".encode() + file + end.encode()


def _in_json(text: str) -> str:
    """Return ``text`` as JSON in which no key is put."""
    return json.dumps(text).replace(KEY_PLACE, f"\\u007b{KEY_PLACE[1:]}")


def _escaped(name: str) -> str:
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _filled(template: Any, files: Sequence[str]) -> Any:
    if template == IMAGES:
        return list(files)
    if isinstance(template, str):
        return template.replace(IMAGE, files[0])
    if isinstance(template, dict):
        return {name: _filled(value, files) for name, value in template.items()}
    if isinstance(template, list):
        return [_filled(value, files) for value in template]
    return template


def texts_in(template: Any) -> list[str]:
    """Return all texts in a template, but for names of fields."""
    if isinstance(template, dict):
        template = list(template.values())
    if isinstance(template, list):
        return [text for value in template for text in texts_in(value)]
    return [template] if isinstance(template, str) else []


def _check_places(template: Any) -> None:
    texts = texts_in(template)
    held = [place for place in SEVERAL if place in texts]
    held += [place for place in (IMAGE, TEXT) if any(place in text for text in texts)]
    if len(held) != 1:
        raise InvalidOption(
            f'the template in body must hold a text with "{IMAGE}", or the text "{IMAGES}" for '
            f'several images, or for texts "{TEXT}" or "{TEXTS}"; it holds '
            f"{' and '.join(held) or 'none of them'}."
        )
