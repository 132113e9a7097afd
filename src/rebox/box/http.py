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
from dataclasses import astuple, dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from rebox.box.contract import Images
from rebox.box.http_answer import AnswerFormat, GivenScores, parse_path
from rebox.box.http_key import (
    KEY_HEADER,
    KEY_PLACE,
    http_key,
    refuse_in_body,
    refuse_in_header,
    refuse_in_query,
)
from rebox.box.service import (
    Answer,
    Failure,
    Reply,
    Request,
    ServiceOptions,
    Terms,
    host_of,
    numbers_of,
    png,
    png_base64,
    row_of,
    unreadable,
)
from rebox.box.service.labels import NamedService, Pairs
from rebox.errors import InvalidOption

IMAGE, IMAGES = "{image}", "{images}"
BATCH = 32


class HttpBox(NamedService):
    """A service that takes an image by HTTP and answers with JSON.

    Parameters
    ----------
    template : object or None
        The body, as JSON holds it, with places for images; None: the image itself.
    answer_format : AnswerFormat
        Where the scores stand in an answer.
    headers : mapping of str to str
        Sent with each request.
    **settings
        As for every `Service`.
    """

    def __init__(
        self,
        *,
        template: Any,
        answer_format: AnswerFormat,
        headers: Mapping[str, str],
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self._template, self._format, self._headers = template, answer_format, headers

    def request(self, images: Images) -> Request:
        """Return a request with the only image, or the template filled with all of them."""
        if self._template is None:
            content = png(images[0])
        else:
            files = [png_base64(image) for image in images]
            content = json.dumps(_filled(self._template, files)).encode()
        return Request(url=self.url, content=content, headers=self._headers)

    def read(self, reply: Reply, n: int) -> Sequence[Answer]:
        """Return the rows: by name where the answer names the classes, else by place."""
        return [self._row(given) for given in self._format.scores_in(reply.json(), n)]

    def named(self, reply: Reply, n: int) -> Sequence[Pairs | Failure]:
        """Return the names with their scores."""
        nameless = unreadable("the service does not name the classes it answers")
        given = self._format.scores_in(reply.json(), n)
        return [one if isinstance(one, Failure) else one.pairs or nameless for one in given]

    def _row(self, given: GivenScores | Failure) -> Answer:
        if isinstance(given, Failure):
            return given
        if given.pairs is None:
            return numbers_of(given.numbers, self.spec)
        return row_of(given.pairs, self.spec)


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


@dataclass(frozen=True, kw_only=True)
class AnswerOptions:
    """The options that say where the scores stand in an answer: paths, as in `AnswerFormat`."""

    scores: str = ""
    name: str | None = None
    score: str | None = None
    items: str | None = None

    def format(self, *, several: bool) -> AnswerFormat:
        """Return what they say of answers about one image, or about ``several``."""
        if self.items is not None and not several:
            raise InvalidOption(
                f'items is for bodies of several images: pass body= with "{IMAGES}".'
            )
        return AnswerFormat(
            scores=parse_path("scores", self.scores),
            name=None if self.name is None else parse_path("name", self.name),
            score=None if self.score is None else parse_path("score", self.score),
            items=parse_path("items", self.items or "") if several else None,
        )


def open_http(  # noqa: PLR0913 - keyword-only, one for each option of the URI
    target: str,
    *,
    body: str = "raw",
    content_type: str | None = None,
    header: Mapping[str, str],
    query: str = "",
    key_header: str = KEY_HEADER,
    key_prefix: str | None = None,
    answer: AnswerOptions,
    service: ServiceOptions,
    terms: Terms,
) -> HttpBox:
    """Open ``http:https://host/path?classes=a,b,c&scores=result.scores``.

    Parameters
    ----------
    target : str
        The address, without what stands behind its question mark: that is ``query``.
    body : str
        ``raw``, or a template of JSON.
    content_type : str or None
        None: that of a PNG file, or of JSON.
    header : mapping of str to str
        More headers, as ``header.NAME=VALUE``.
    key_prefix : str or None
        None: ``Bearer`` in the usual header, nothing in another.
    """
    host = host_of(target)
    template, several = _read_template(body)
    headers = _headers(content_type, header, raw=template is None)
    refuse_in_query(query)
    answer_format = answer.format(several=several)
    spec = service.spec(
        scheme="http",
        target=urlsplit(target).path.strip("/"),
        host=host,
        classes=service.names(),
        size=(224, 224),
        batch_size=BATCH if several else 1,
    )
    # a query or a body may name a model, or hold what is nobody's business: a hash tells it apart
    asked = json.dumps([query, template, headers, astuple(answer_format)], sort_keys=True)
    mark = hashlib.sha256(asked.encode()).hexdigest()[:12]
    in_body = any(KEY_PLACE in text for text in _texts(template))
    return HttpBox(
        spec=replace(spec, identity=f"{spec.identity}&asked={mark}"),
        url=f"{target}?{query}" if query else target,
        template=template,
        answer_format=answer_format,
        headers=headers,
        terms=terms,
        key=http_key(service, header=key_header, prefix=key_prefix, in_body=in_body),
        verify=service.ca,
    )


def _read_template(text: str) -> tuple[Any, bool]:
    """Return the template, None for the image itself, and whether it holds several images."""
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


def _headers(kind: str | None, more: Mapping[str, str], *, raw: bool) -> dict[str, str]:
    for name, value in more.items():
        refuse_in_header(name, value)
    return {"Content-Type": kind or ("image/png" if raw else "application/json"), **more}
