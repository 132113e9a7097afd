"""Any service that takes an image by HTTP and answers with JSON.

::

    http:https://host/predict?classes=cat,dog&scores=result.scores
    http:https://host/v1?classes=cat,dog&scores=predictions[*]&name=label&score=confidence
    http:https://host/v1?classes=cat,dog&body={"image":"{image}"}&scores=[0].p

The body is the image as PNG, or a template of JSON: texts in it that contain ``{image}`` get the
image in base64 there, and the text ``{images}`` becomes a list of several. In the answer, a path
leads to the scores (`rebox.box.http_answer`). A key is sent where ``key_env`` names the environment
variable that holds it, in the header ``key_header`` (Authorization) behind ``key_prefix``
(``Bearer%20``), or in the body where the template says ``{key}``: never write a key into a URI.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from typing import Any
from urllib.parse import urlsplit

from rebox.box.contract import BoxSpec, Images
from rebox.box.http_answer import AnswerFormat, parse_path
from rebox.box.http_key import (
    KEY_PLACE,
    read_http_key,
    refuse_in_body,
    refuse_in_header,
    refuse_in_query,
)
from rebox.box.registry import OptionReader
from rebox.box.service import (
    Answer,
    Failure,
    Key,
    Reply,
    Request,
    Terms,
    host_of,
    numbers_of,
    png,
    png_base64,
    read_classes,
    read_spec,
    read_terms,
    row_of,
)
from rebox.box.service.labels import NamedService, Pairs
from rebox.errors import InvalidAnswer, InvalidOption

IMAGE, IMAGES = "{image}", "{images}"
BATCH = 32
HEADER = "header."


class HttpBox(NamedService):
    """A service that takes an image by HTTP and answers with JSON.

    Parameters
    ----------
    spec : BoxSpec
    url : str
        Where it is asked.
    template : object or None
        The body, as JSON holds it, with places for images; None: the image itself.
    answer_format : AnswerFormat
        Where the scores stand in an answer.
    headers : mapping of str to str
        Sent with each request.
    terms : Terms
    key : Key
    """

    def __init__(
        self,
        *,
        spec: BoxSpec,
        url: str,
        template: Any = None,
        answer_format: AnswerFormat,
        headers: Mapping[str, str],
        terms: Terms,
        key: Key,
    ) -> None:
        self.spec, self.terms, self.key = spec, terms, key
        self._url, self._template = url, template
        self._format, self._headers = answer_format, dict(headers)

    def request(self, images: Images) -> Request:
        """Return a request with the only image, or the template filled with all of them."""
        if self._template is None:
            content = png(images[0])
        else:
            files = [png_base64(image) for image in images]
            content = json.dumps(_filled(self._template, files)).encode()
        return Request(url=self._url, content=content, headers=self._headers)

    def read(self, reply: Reply, n: int) -> Sequence[Answer]:
        """Return the rows: by name where the answer names the classes, else by place."""
        return [self._row(found) for found in self._format.found_in(reply.json(), n)]

    def named(self, reply: Reply, n: int) -> Sequence[Pairs | Failure]:
        """Return the names with their scores."""
        nameless = Failure("the service does not name the classes it answers", error=InvalidAnswer)
        found = self._format.found_in(reply.json(), n)
        return [one if isinstance(one, Failure) else one.pairs or nameless for one in found]

    def _row(self, found: Any) -> Answer:
        if isinstance(found, Failure):
            return found
        if found.pairs is None:
            return numbers_of(found.numbers, self.spec)
        return row_of(found.pairs, self.spec)


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


def _texts(template: Any) -> list[str]:
    """Return all texts in a template, but for names of fields."""
    if isinstance(template, dict):
        template = list(template.values())
    if isinstance(template, list):
        return [text for value in template for text in _texts(value)]
    return [template] if isinstance(template, str) else []


def open_http(target: str, options: Mapping[str, str]) -> HttpBox:
    """Open ``http:https://host/path?classes=a,b,c&scores=result.scores``.

    Parameters
    ----------
    target : str
        The address, without what stands behind its question mark: that is the option ``query``.
    options : mapping of str to str
        Those of every service, and ``body`` (raw, or a template), ``content_type``,
        ``header.NAME``, ``query``, ``scores``, ``name``, ``score``, ``items`` (paths),
        ``key_header`` and ``key_prefix``.
    """
    reader = OptionReader("http", options)
    host = host_of(target)
    template, several = _read_template(reader)
    headers = _read_headers(reader, options, raw=template is None)
    query = reader.text("query", "")
    refuse_in_query(query)
    answer_format = _read_format(reader, several=several)
    spec = read_spec(
        reader,
        scheme="http",
        target=urlsplit(target).path.strip("/"),
        host=host,
        classes=read_classes(reader),
        size=(224, 224),
        batch_size=BATCH if several else 1,
    )
    # a query or a body may name a model, or hold what is nobody's business: a hash tells it apart
    asked = json.dumps([query, template, headers, astuple(answer_format)], sort_keys=True)
    mark = hashlib.sha256(asked.encode()).hexdigest()[:12]
    box = HttpBox(
        spec=replace(spec, identity=f"{spec.identity}&asked={mark}"),
        url=f"{target}?{query}" if query else target,
        template=template,
        answer_format=answer_format,
        headers=headers,
        terms=read_terms(reader),
        key=read_http_key(reader, in_body=any(KEY_PLACE in text for text in _texts(template))),
    )
    box.verify = reader.text("ca", None)
    reader.finish()
    return box


def _read_template(reader: OptionReader) -> tuple[Any, bool]:
    """Return the template, None for the image itself, and whether it holds several images."""
    text = reader.text("body", "raw")
    if text == "raw":
        return None, False
    try:
        template = json.loads(text)
    except ValueError as error:
        raise InvalidOption(
            f'body must be raw or a template of JSON such as {{"image":"{IMAGE}"}}; what was found '
            f"is no JSON ({error})."
        ) from error
    refuse_in_body(template)
    texts = _texts(template)
    several, single = IMAGES in texts, any(IMAGE in text for text in texts)
    if several == single:
        raise InvalidOption(
            f'the template in body must hold a text with "{IMAGE}", or the text "{IMAGES}" for '
            f"several images; it holds {'both' if several else 'neither'}."
        )
    return template, several


def _read_headers(reader: OptionReader, options: Mapping[str, str], *, raw: bool) -> dict[str, str]:
    kind = reader.text("content_type", "image/png" if raw else "application/json")
    headers = {"Content-Type": kind}
    for option in options:
        if option.startswith(HEADER):
            name = option.removeprefix(HEADER)
            headers[name] = reader.text(option, "")
            refuse_in_header(name, headers[name])
    return headers


def _read_format(reader: OptionReader, *, several: bool) -> AnswerFormat:
    items = reader.text("items", None)
    if items is not None and not several:
        raise InvalidOption(f'items is for bodies of several images: pass body= with "{IMAGES}".')
    name, score = reader.text("name", None), reader.text("score", None)
    return AnswerFormat(
        scores=parse_path("scores", reader.text("scores", "")),
        name=None if name is None else parse_path("name", name),
        score=None if score is None else parse_path("score", score),
        items=parse_path("items", items or "") if several else None,
    )
