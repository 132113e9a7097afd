"""What is sent to ``POST /predict``: a picture's bytes, a text, or JSON that says what it holds."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.artefact.form import SampleForm
from rebox.errors import InvalidData
from rebox.sample.picture import decode_content
from rebox.serve.declined import Declined, unreadable
from rebox.serve.parcel import Parcel

KEYS = {"picture": "pictures", "row": "rows", "text": "texts", "id": "ids"}
"""What one sample is known by in JSON, and what `Parcel` calls several."""

FORM = "application/x-www-form-urlencoded"  # what curl says of any --data


def read_plain(content: bytes, media_type: str, form: SampleForm) -> Parcel:
    """Return the one sample that a body holds.

    Parameters
    ----------
    content : bytes
    media_type : str
        As the request names it, without parameters; empty where it does not.
    form : SampleForm
        What the model takes: a body whose type says nothing is read as that.

    Raises
    ------
    Declined
        It cannot be read, or is not what the model takes.
    """
    if not content:
        raise unreadable(f"the body is empty; expected {form.words}.")
    if media_type == "application/json":
        parcel = _of_json(content, form)
    elif media_type.startswith("image/"):
        parcel = Parcel(pictures=[picture(content, form)])
    elif media_type.startswith("text/"):
        parcel = _of_words(text_of(content), form)
    elif media_type in {"", FORM, "application/octet-stream"}:
        parcel = _of_anything(content, form)
    else:
        raise Declined(
            "media_type",
            f"found {media_type}; expected a picture's bytes (image/*), a text (text/plain) or "
            "application/json: send the file as it is, as curl's data-binary does.",
        )
    parcel.check(form)
    return parcel


def _of_anything(content: bytes, form: SampleForm) -> Parcel:
    if form.shown == "pictures":
        return Parcel(pictures=[picture(content, form)])
    if form.shown == "rows":
        return _of_json(content, form)
    return _of_words(text_of(content), form)


def _of_words(text: str, form: SampleForm) -> Parcel:
    """Return the sample that a text is to a model: what it says, or its id."""
    if form.shown is None:
        return Parcel(ids=[text.strip()])
    return Parcel(texts=[text])


def _of_json(content: bytes, form: SampleForm) -> Parcel:
    body = json_of(content)
    if not isinstance(body, dict):
        raise unreadable(f"the body is a JSON {_kind(body)}; expected an object: {example(form)}.")
    unknown = [key for key in body if key not in KEYS]
    if unknown:
        raise unreadable(f"found the key {unknown[0]!r:.40}; expected {example(form)}.")
    readers: Mapping[str, Callable[[Any], Any]] = {
        "picture": lambda value: [picture(bytes_of(value), form)],
        "row": lambda value: row_of(value, form)[None],
        "text": lambda value: [_word(value, "text")],
        "id": lambda value: [_word(value, "id")],
    }
    return Parcel(**{KEYS[key]: readers[key](value) for key, value in body.items()})


def example(form: SampleForm) -> str:
    """Return JSON that ``form`` is read from."""
    shown = {"pictures": '"picture": "BASE64"', "rows": '"row": [...]', "texts": '"text": "..."'}
    parts = [shown[form.shown]] if form.shown else []
    return "{" + ", ".join([*parts, '"id": "..."'] if form.by_id else parts) + "}"


def picture(content: bytes, form: SampleForm) -> NDArray[np.uint8]:
    """Return the pixels of an image file; raise `Declined` where it holds none."""
    try:
        return decode_content(content, "the picture", form.value_range).picture
    except InvalidData as error:
        raise unreadable(str(error)) from error


def row_of(values: Any, form: SampleForm) -> NDArray[np.float64]:
    """Return one row (d,) of figures, from a list, or by the names of features."""
    if isinstance(values, dict):
        names = form.features
        if not names:
            raise unreadable("the model's features have no names: send a list of figures.")
        odd = sorted({*values} ^ {*names})
        if odd:
            found = "is missing" if odd[0] in names else "is none of the model's"
            raise unreadable(f"the feature {odd[0]!r:.60} {found}.")
        values = [values[name] for name in names]
    try:
        row = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise unreadable("the row holds what is no number; expected a list of figures.") from error
    if row.ndim != 1 or not np.isfinite(row).all():
        raise unreadable("the row is no list of finite figures.")
    return row


def _word(value: Any, key: str) -> str:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if key == "id" and whole:
        return str(value)
    if not isinstance(value, str):
        raise unreadable(f"{key!r} is a JSON {_kind(value)}; expected a string.")
    return value


def bytes_of(text: Any) -> bytes:
    """Return what base64 stands for; raise `Declined` where it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise unreadable(
            "a picture in JSON is the base64 of its file, and this is none."
        ) from error


def text_of(content: bytes) -> str:
    """Return UTF-8 as text; raise `Declined` where it is none."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise unreadable("the text is not UTF-8.") from error


def json_of(content: bytes) -> Any:
    """Return what JSON says; raise `Declined` where it is none."""
    try:
        return json.loads(content, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise unreadable("the body is no JSON.") from error


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {bool: "truth value", dict: "object", list: "list", str: "string"}
    return kinds.get(type(value), "number")
