"""Every training sample is asked about once, and a map is fitted to the answers."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rebox.decision import HeldOut
from rebox.fit.asking import Asking, answered, chunk_of, shown_as
from rebox.fit.local import compare
from rebox.fit.model import Model
from rebox.fit.plan import MapPlan, plan_once
from rebox.fit.question import Question
from rebox.fit.reasons import ALL_ASKED, PARTLY_ASKED
from rebox.fit.run import Ending, Run
from rebox.fit.session import Session
from rebox.fit.sheet import NO_SAMPLES, Sheet
from rebox.program import Dressing
from rebox.reading.contract import Answers, Mapping
from rebox.reading.probabilistic import ProbabilisticRule
from rebox.recipe import Once
from rebox.sample.loader import chunks
from rebox.seed import Stream, generator

Scores = NDArray[np.float32]


class OnceRun(Run):
    """A fit of a map, and of all that is built on one."""

    plan: MapPlan

    def __init__(self, way: Once, session: Session) -> None:
        self.way = way
        self.session = session
        self.history = []
        self.program = self._program()
        self.plan = self._planned(len(session.samples), session.left("search"))
        self._position: Callable[[], NDArray[np.float64]] | None = None
        self._chunks = 0
        self._sheet = self._blank(NO_SAMPLES)
        self._mapping: Mapping | None = None
        self._opinions: HeldOut | None = None

    def _program(self) -> Dressing | None:
        """Return how samples are dressed; None for a box that is asked by their ids."""
        inputs, spec = self.session.samples.inputs, self.session.box.spec
        if spec.takes == "texts":
            return self.session.templates[0]
        if inputs is None or spec.takes == "ids":
            return None
        return self.way.program(inputs.size, spec.shape, blocky=inputs.blocky)

    @property
    def dimension(self) -> int:
        """How many numbers the program has."""
        return 0 if self.program is None else self.program.dimension

    def _planned(self, images: int, left: int | None) -> MapPlan:
        return plan_once(self.way, images, left)

    @property
    def mapping(self) -> Mapping:
        """How an answer is read; one that is usable before any answer."""
        if self._mapping is None:
            return self._mapping_of_nothing()
        return self._mapping

    @property
    def position(self) -> NDArray[np.float64]:
        """Where the program stands: at nothing added until a search has begun."""
        return np.zeros(self.dimension) if self._position is None else self._position()

    def go(self) -> str:
        """Fit the map and return why it ended."""
        return self.fit_mapping()

    def fit_mapping(self) -> str:
        """Ask training samples as the program stands, as many as planned, and fit the mapping."""
        indices = self._sample(self.plan.map)
        if len(indices):
            self._start("map", len(indices))
        if not len(self._sheet):  # else an answer takes the place of the one before
            self._sheet = self._blank(indices)
        self._mapping = None
        self._ask(self._sheet, range(len(indices)), self._point)
        self._map()
        return ALL_ASKED if len(indices) == len(self.session.samples) else PARTLY_ASKED

    def read(self) -> Ending:
        """Return the model, whose mapping is fitted to whatever was answered, and a comparison."""
        if self._mapping is None:
            self._map()
        places, session = self._sheet.places, self.session
        verdict = None
        if session.compare and len(places):
            verdict = compare(session, self._sheet.samples[places], self._sheet.at(places))
        return Ending(
            model=self._model(self.mapping),
            verdict=verdict,
            held_out=self._opinions,
            unread=self._unread,
        )

    def read_plain(self) -> Ending:
        """Return the model with the mapping as it is, compared with nothing."""
        unread = self._answered if self._mapping is None else self._unread
        return Ending(model=self._model(self.mapping), unread=unread)

    def read_nothing(self) -> Ending:
        """Return the model with a mapping that has seen no answer."""
        return Ending(model=self._model(self._mapping_of_nothing()), unread=self._answered)

    @property
    def _unread(self) -> int:
        """How many answers have moved nothing, and are not what the mapping is fitted to."""
        return 0

    def _model(self, mapping: Mapping) -> Model:
        price = self.session.price_of()
        question = Question(
            program=self.program,
            z=self.position.astype(np.float32),
            price_usd=price.usd,
            tokens=price.tokens,
        )
        return Model(questions=(question,), reader=mapping)

    def _map(self) -> None:
        places, rule = self._sheet.places, self.way.mapping
        answers = self._answers_of(self._sheet.at(places), self._sheet.samples[places])
        if not (self.way.holds_out and isinstance(rule, ProbabilisticRule)):
            self._mapping = rule.fit(answers)
            return
        fitted = rule.cross_fit(answers)
        self._mapping = fitted.mapping
        shift = -np.log(self.session.prior) if rule.class_weight else 0.0
        self._opinions = HeldOut(
            log_probabilities=fitted.logits + shift,
            targets=answers.targets,
            groups=answers.groups,
            assumed=self.session.assumed(rule.class_weight),
        )

    @property
    def _point(self) -> NDArray[np.float64] | None:
        """Where the program stands, (1, d); None where it adds nothing."""
        return None if self._position is None else self.position[None, :]

    def _blank(self, samples: NDArray[np.intp]) -> Sheet:
        """Return a sheet for answers to ``samples``."""
        return Sheet(samples, len(self.session.box.spec.classes))

    def _ask(self, sheet: Sheet, places: range, point: NDArray[np.float64] | None) -> None:
        """Fill ``places`` of a sheet with answers to samples dressed at ``point``, (1, d)."""
        heard = sheet.noting(places.start)
        asking = Asking(self.session.asker("map"), self.program, point, heard)
        chunk = chunk_of(self.session.box.at_once)
        indices = sheet.samples[places.start : places.stop]
        batches = (indices[few] for few in chunks(len(indices), chunk))
        for _ in answered({0: asking}, shown_as({0: self.program}, self.session.samples, batches)):
            self._chunks += 1
            self._step("map", self._chunks)

    def _sample(self, size: int) -> NDArray[np.intp]:
        """Return ``size`` training indices that hold every class as evenly as its share allows."""
        return np.sort(self.session.order[:size])

    def _mapping_of_nothing(self) -> Mapping:
        return self.way.mapping.fit(self._answers_of(self.session.no_scores, NO_SAMPLES))

    def _answers_of(self, scores: Scores, indices: NDArray[np.intp]) -> Answers:
        """Return ``scores`` of training samples with what a mapping rule wants to know."""
        seed = int(generator(self.session.seed, Stream.MAPPING).integers(2**31))
        return self.session.answers(scores, indices, seed)
