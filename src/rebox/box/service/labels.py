"""Services that answer by name, and how the names are learned from one answer."""

import abc
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote

import numpy as np

from rebox.box.canary import canary_texts
from rebox.box.registry import BOXES, BoxURI, open_box
from rebox.box.service.contract import Service
from rebox.box.service.fault import Failure, Refusal, unreadable
from rebox.box.service.message import Reply, Request
from rebox.box.service.naming import composed, name_of, row_of
from rebox.box.service.sending import Answer
from rebox.box.spec import Images, Queries
from rebox.errors import InvalidOption
from rebox.option import options_of

UNKNOWN = ("?", "??")
"""Classes of a box that is opened to learn their names."""

MID_GREY = 0.5

Pairs = Sequence[tuple[Any, Any]]
"""Names and scores as they came, unchecked and in any order."""


def pairs_in(entries: Any, name: str, score: str) -> Pairs:
    """Return the names and scores in a list of objects, by the fields that hold them."""
    return [(e.get(name), e.get(score)) if isinstance(e, dict) else (e, None) for e in entries]


class NamedService(Service):
    """A service that names the classes in its answers: a subclass says where they stand."""

    @abc.abstractmethod
    def named(self, reply: Reply, n: int) -> Sequence[Pairs | Failure]:
        """Return the names with their scores, for each of n images.

        Raises
        ------
        Refusal
            Why the whole reply holds none.
        """

    def read(self, reply: Reply, n: int) -> Sequence[Answer]:
        """Return the rows, in the order of the classes, whatever the order of the answer."""
        answers = self.named(reply, n)
        return [one if isinstance(one, Failure) else row_of(one, self.spec) for one in answers]


class BestService(NamedService):
    """A named service that has to be told how many classes to answer with, the best first.

    Parameters
    ----------
    top_k : int or None
        Classes in an answer; None: all.
    **settings
        As for every `Service`.

    Attributes
    ----------
    most : int
        Classes that are asked for where nobody knows how many there are.
    """

    most: ClassVar[int]

    def __init__(self, *, top_k: int | None, **settings: Any) -> None:
        super().__init__(**settings)
        self._top_k = top_k

    @property
    def wanted(self) -> int:
        """How many classes an answer is asked to have."""
        if self.spec.classes == UNKNOWN:
            return self.most
        return len(self.spec.classes) if self._top_k is None else self._top_k


class Labels(Service):
    """Asks as another service would, and answers with its scores in the order of their names.

    Attributes
    ----------
    names : tuple of str
        Names in the last answer, in alphabetical order; of a service that shows the best classes
        only, those that it showed.
    """

    def __init__(self, service: NamedService) -> None:
        settings = ("spec", "url", "terms", "key", "verify")
        super().__init__(**{name: getattr(service, name) for name in settings})
        self.transport = service.transport
        self.names: tuple[str, ...] = ()
        self._service = service

    def request(self, images: Images) -> Request:
        """Return the service's own request."""
        return self._service.request(images)

    def refusal(self, reply: Reply) -> Failure | None:
        """Return what is wrong by the service's own rules."""
        return self._service.refusal(reply)

    def read(self, reply: Reply, n: int) -> Sequence[Answer]:
        """Return the scores of the one image, and note their names."""
        (pairs,) = self._service.named(reply, n)
        if isinstance(pairs, Failure):
            return [pairs]
        told = (name_of(name) for name, _ in pairs)
        names = tuple(sorted({composed(name) for name in told if name is not None}))
        if len(names) < 2:
            words = f"the service named {len(names)} classes; expected at least 2"
            raise Refusal(unreadable(words))
        row = row_of(pairs, replace(self.spec, classes=names))
        self.names = names
        return [row]

    def grey(self) -> Queries:
        """Return the one mid-grey image (1, height, width, channels), or text (1,), it is asked."""
        if self.spec.takes == "texts":
            return canary_texts(1)
        level = MID_GREY if self.spec.pixels == "float32" else 128
        image: Images = np.full((1, *self.spec.shape), level, dtype=self.spec.pixels)
        return image


def open_labels(uri: str) -> Labels:
    """Open the service that ``uri`` names without knowing its classes: it tells their names.

    Raises
    ------
    InvalidOption
        ``uri`` names the classes itself, or a box that does not name them in its answers.
    """
    parts = BoxURI.parse(uri)
    given = set(parts.options) & {"classes", "labels"}
    if given:
        raise InvalidOption(
            f"the box's {min(given)} name its classes: leave them out to learn the service's own."
        )
    if options_of(BOXES[parts.scheme]).get("classes") != tuple[str, ...]:
        raise nameless(parts.scheme)
    placeholder = quote(",".join(UNKNOWN), safe=",")
    service = open_box(f"{uri}{'&' if '?' in uri else '?'}classes={placeholder}").source
    if not isinstance(service, NamedService):
        raise nameless(parts.scheme)
    return Labels(service)


def nameless(scheme: str) -> InvalidOption:
    """Return the error for boxes that do not name their classes in their answers."""
    return InvalidOption(
        f"{scheme} does not name the classes in its answers: write their names into a file, one on "
        "each line in the order of the scores, and open it by labels=FILE."
    )
