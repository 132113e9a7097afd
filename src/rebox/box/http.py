"""Any service that takes an image, or a text, by HTTP and answers with JSON.

::

    http:https://host/predict?classes=cat,dog&scores=result.scores
    http:https://host/v1?classes=cat,dog&scores=predictions[*]&name=label&score=confidence
    http:https://host/v1?classes=cat,dog&body={"image":"{image}"}&scores=[0].p
    http:https://host/v1?classes=ham,spam&body={"text":"{text}"}&scores=p

The body is the image as PNG, a form with it, or a template of JSON (`rebox.box.http_body`). In the
answer, a path leads to the scores, or to the label alone (`rebox.box.http_answer`). A key is sent
where ``key_env`` names the environment variable that holds it, in the header ``key_header``
(Authorization) behind ``key_prefix`` (``Bearer%20``), or in the body where that says ``{key}``:
never write a key into a URI.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from rebox.box.http_answer import AnswerFormat, GivenScores, parse_path
from rebox.box.http_body import IMAGES, TEXTS, BodyOptions
from rebox.box.http_key import (
    KEY_HEADER,
    http_key,
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
    row_of,
    unreadable,
)
from rebox.box.service.labels import NamedService, Pairs
from rebox.box.service.naming import label_of
from rebox.box.spec import Queries
from rebox.errors import InvalidOption

BATCH = 32


class HttpBox(NamedService):
    """A service that takes an image, or a text, by HTTP and answers with JSON.

    Parameters
    ----------
    body : BodyOptions
        What is sent.
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
        body: BodyOptions,
        answer_format: AnswerFormat,
        headers: Mapping[str, str],
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self._body, self._format, self._headers = body, answer_format, headers

    def request(self, images: Queries) -> Request:
        """Return a request with the only one, or a template filled with all of them."""
        return Request(url=self.url, content=self._body.content(images), headers=self._headers)

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
        if self._format.label is not None:
            return label_of(given.label, self.spec)
        if given.pairs is not None:
            return row_of(given.pairs, self.spec)
        if given.beside is not None and tuple(given.beside[1]) != self.spec.classes:
            return unreadable(
                f"the service names its scores beside them, at {given.beside[0]}, and perhaps in "
                f"another order for each image: open the box with name={given.beside[0]}"
            )
        return numbers_of(given.numbers, self.spec)


@dataclass(frozen=True, kw_only=True)
class AnswerOptions:
    """The options that say where the scores stand in an answer: paths, as in `AnswerFormat`."""

    scores: str = ""
    name: str | None = None
    score: str | None = None
    items: str | None = None
    label: str | None = None

    def format(self, *, several: bool) -> AnswerFormat:
        """Return what they say of answers about one image, or about ``several``."""
        if self.items is not None and not several:
            raise InvalidOption(
                f'items is for bodies of several images, or texts: pass body= with "{IMAGES}" or '
                f'"{TEXTS}".'
            )
        if self.label is not None and (self.scores or self.name or self.score):
            raise InvalidOption(
                "label is for answers without scores: leave scores, name and score out."
            )
        texts = vars(self) | {"items": (self.items or "") if several else None}
        paths = {k: parse_path(k, text) for k, text in texts.items() if text is not None}
        return AnswerFormat(**paths)


def open_http(  # noqa: PLR0913 - keyword-only, one for each option of the URI
    target: str,
    *,
    content_type: str | None = None,
    header: Mapping[str, str],
    query: str = "",
    key_header: str = KEY_HEADER,
    key_prefix: str | None = None,
    body: BodyOptions,
    answer: AnswerOptions,
    service: ServiceOptions,
    terms: Terms,
) -> HttpBox:
    """Open ``http:https://host/path?classes=a,b,c&scores=result.scores``.

    Parameters
    ----------
    target : str
        The address, without what stands behind its question mark: that is ``query``.
    content_type : str or None
        None: that of the body.
    header : mapping of str to str
        More headers, as ``header.NAME=VALUE``.
    key_prefix : str or None
        None: ``Bearer`` in the usual header, nothing in another.
    """
    host = host_of(target)
    for name, value in header.items():
        refuse_in_header(name, value)
    headers = {"Content-Type": content_type or body.content_type, **header}
    refuse_in_query(query)
    answer_format = answer.format(several=body.several)
    spec = service.spec(
        scheme="http",
        target=urlsplit(target).path.strip("/"),
        host=host,
        classes=service.names(),
        size=(224, 224),
        takes=body.takes,
        batch_size=BATCH if body.several else 1,
    )
    # a query or a body may name a model, or hold what is nobody's business: a hash tells it apart
    label, paths = answer_format.label, astuple(answer_format)[:4]
    more = body.asked | ({} if label is None else {"label": label})
    asked = [query, body.template, headers, paths, *([more] if more else [])]
    mark = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]
    spec = replace(spec, identity=f"{spec.identity}&asked={mark}")
    if label is not None:
        spec = replace(spec, complete=False, sums_to_one=True, decimals=None, labels_only=True)
    return HttpBox(
        spec=spec,
        url=f"{target}?{query}" if query else target,
        body=body,
        answer_format=answer_format,
        headers=headers,
        terms=terms,
        key=http_key(service, header=key_header, prefix=key_prefix, written=body.key_place),
        verify=service.ca,
    )
