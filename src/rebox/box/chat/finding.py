"""How a model's answers are read where nobody has said: one question finds out.

It goes out with all that would be liked best, log-probabilities. A server that refuses them, by an
error that costs nothing, is asked without; one that leaves them out has named a letter all the
same. Only where its answer is no clear letter is it asked once more, for JSON. A model that
declines to answer is asked about something else once: that says nothing of how it is read.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, cast

import numpy as np

from rebox.box.canary import canary_images
from rebox.box.chat import reading
from rebox.box.chat.contract import ChatService
from rebox.box.chat.dialect import FieldRefused, field_refused
from rebox.box.chat.refusing import CUT
from rebox.box.chat.said import Said
from rebox.box.contract import BlackBox, Finder
from rebox.box.reservation import Row, Used
from rebox.box.service import Answer, Failure, Reply, Request, Service
from rebox.box.service.fault import Refusal
from rebox.sample.texts import text_array

WAYS = ("logprobs", "label", "enum", "thought")
"""What may be found; the last is a label that a model has to think about first."""
TOP, MOST_SAID = "top_logprobs", 4096
THOUGHT = 4096  # tokens for an answer that was thought about
REFUSING = (400, 404, 422, 501)
NAMING = (403, 500)  # statuses of much else: of log-probabilities where they name them
LOGPROBS = re.compile(r"log[ _-]?prob", re.IGNORECASE)
DECLINED = re.compile(
    r"\b(?:sorry|unable|apologi[sz]e|cannot|can't|can\u2019t|won't|won\u2019t)\b", re.IGNORECASE
)
"""What a model says that will not answer this question, but may answer others."""


class ReadFinder(Service, Finder):
    """Asks the one question that tells how ``box`` is read: its classes are the ways.

    Parameters
    ----------
    box : ChatService
        One of which that is not known.
    """

    def __init__(self, box: ChatService) -> None:
        spec = replace(
            box.spec,
            identity=f"{box.spec.identity}|finds how it is read",
            classes=WAYS,
            labels_only=True,
            sums_to_one=True,
            batch_size=1,
            price_usd=box.live.spec.price_usd,  # it is asked at once
        )
        super().__init__(spec=spec, url=box.url, terms=box.terms, key=box.key, verify=box.verify)
        self.transport = box.transport
        self._box = box
        self.join(box)
        self._at = 0
        self._declined = False

    @cached_property
    def _trials(self) -> list[ChatService]:
        """Return the box in each way that may be tried: made once one is."""
        return [cast("ChatService", self._box.otherwise(read=way).live) for way in _ways(self._box)]

    @property
    def question(self) -> Any:
        """What it is asked about: a picture of nothing, or a text that names the first class."""
        if self.spec.takes == "images":
            return canary_images(self._box.spec, 1)
        return text_array([f"This is about {self._box.spec.classes[0]}."])

    @property
    def _other(self) -> Any:
        """What it is asked about where a model declines to answer the first question."""
        if self.spec.takes == "images":
            return canary_images(self._box.spec, 2)[1:]
        return text_array(["The train leaves at noon, and the shops are open until six."])

    @property
    def about(self) -> str:
        """What it finds out is the same for other words, and other orders, of one model."""
        chat, wording = self._box.chat, self._box.chat.wording
        asked = (wording.kind, wording.per_call, len(wording.classes), chat.limit, chat.effort)
        return f"{self._box.url} {chat.model} {asked}"

    def found(self, row: Row) -> BlackBox:
        """Return the box that is read as was found."""
        return self._box.otherwise(**pinned(WAYS[int(row.argmax())]))

    @property
    def _trial(self) -> ChatService:
        return self._trials[self._at]

    @property
    def _last(self) -> bool:
        return self._at + 1 == len(self._trials)

    def request(self, images: Any) -> Request:
        """Return the question in the way that is tried."""
        return self._trial.request(self._other if self._declined else images)

    def used(self, reply: Reply, n: int) -> Used:
        """Return the tokens that a reply says, and what they cost."""
        return self._trial.used(reply, n)

    def most_nano_usd(self, images: Any) -> int | None:
        """Return the most that the question can cost in any way."""
        most = [trial.most_nano_usd(images) for trial in self._trials]
        known = [one for one in most if one is not None]
        return max(known) if known else None

    def _exchanged(self, images: Any) -> tuple[Sequence[Answer], Used | None]:
        """Ask again at once where a way, or a field, was refused: that is no query."""
        while True:
            try:
                return super()._exchanged(images)
            except FieldRefused as refusal:
                if refusal.name == WAYS[0]:
                    self._at += 1
                else:
                    self._box.dialect.learn(refusal.name)

    def refusal(self, reply: Reply) -> Failure | None:
        """Return what an error means: of log-probabilities, that they are not told."""
        trial = self._trial
        wanted = trial.chat.wording.read == WAYS[0]
        named = field_refused(reply, (*WAYS[:1], TOP))
        if wanted and named == TOP and TOP not in trial.dialect:
            raise FieldRefused(TOP, reply.said)
        words = reply.content[:MOST_SAID].decode(errors="replace")
        told = reply.status in NAMING and LOGPROBS.search(words)
        refused = reply.status in REFUSING and (named or not _is_known(trial, reply))
        if wanted and (told or refused):
            raise FieldRefused(WAYS[0], reply.said)
        fault = trial.refusal(reply)
        if fault is None or fault.instead is None:
            return fault
        # a filter says nothing of the way; a model that was cut thinks first
        cut = any(words in reply.said for words in CUT)
        if not cut and not self._declined:
            return self._elsewhere(fault.words)
        return replace(fault, instead=_row("thought" if cut else "label"), retry=False)

    def read(self, reply: Reply, n: int) -> Sequence[Answer]:  # noqa: ARG002 - it is one
        """Return the way that an answer shows, or why it has to be asked once more."""
        said = self._trial.said(reply.json())
        if not self._declined and (said.refused or DECLINED.search(said.text)):
            return [self._elsewhere("the model declines to answer a first question")]
        way = self._way(said)
        if way is not None:
            return [_row(way)]
        self._at += 1
        words = f"the model's answer, {said.text[:40]!r}, is not clear: it is asked in another way"
        return [Failure(words, retry=True, anew=True)]

    def _elsewhere(self, words: str) -> Failure:
        """Return the fault of a question after which another is asked, in the same way."""
        self._declined = True
        return Failure(f"{words}: it is asked about something else", retry=True, anew=True)

    def _way(self, said: Said) -> str | None:
        chat, wording = self._trial.chat, self._trial.chat.wording
        if said.thinks:
            return "thought"
        asked = wording.read == WAYS[0]  # some tell them unasked, of what they thought, perhaps
        if asked and said.top and reading.probabilities_in(said, wording, chat.limit) is not None:
            return "logprobs"
        if reading.label_in(said.text, wording) is not None:
            return "enum" if wording.read == "enum" else "label"
        if not asked and said.cut and not said.text:
            return "thought"
        return "label" if self._last or said.refused else None


def _row(way: str) -> Row:
    row = np.zeros(len(WAYS), dtype=np.float32)
    row[WAYS.index(way)] = 1
    return row


def pinned(way: str) -> dict[str, Any]:
    """Return the options of a box that is read in a ``way``."""
    return {"read": "label", "max_tokens": THOUGHT} if way == "thought" else {"read": way}


def _ways(box: ChatService) -> Sequence[str]:
    """Return the ways that may be tried, the best first."""
    wording = box.chat.wording
    one = wording.per_call == 1 and wording.lettered
    return WAYS[:3] if box.tells_logprobs and one else WAYS[1:3]


def _is_known(trial: ChatService, reply: Reply) -> bool:
    """Return whether a refusal is about something else, which is dealt with as ever."""
    try:
        fault = trial.refusal(reply)
    except FieldRefused:
        return True
    except Refusal:
        return False
    return fault is not None
