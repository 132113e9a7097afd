"""Every training sample is asked about once, and a map is fitted to the answers."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.fit.asking import Asking, answered, chunk_of
from rebox.fit.local import compare
from rebox.fit.model import Model, Question
from rebox.fit.plan import MapPlan, plan_once
from rebox.fit.reasons import ALL_ASKED, PARTLY_ASKED
from rebox.fit.run import Run
from rebox.fit.session import Session
from rebox.fit.verdict import Verdict
from rebox.reading.contract import Answers, Mapping
from rebox.recipe import Once
from rebox.sample.loader import chunks
from rebox.seed import Stream, generator

Scores = NDArray[np.float32]


class OnceRun(Run):
    """A fit of a map, and of all that is built on one."""

    plan: MapPlan

    def __init__(self, way: Once, session: Session) -> None:
        inputs, spec = session.samples.inputs, session.box.spec
        self.way = way
        self.session = session
        self.history = []
        self.program = way.program(inputs.size, spec.shape, blocky=inputs.blocky)
        self.plan = self._planned(len(session.samples), session.left("search"))
        self._position: Callable[[], NDArray[np.float64]] | None = None
        self._chunks = 0
        self._scores: list[Scores] = []
        self._asked: NDArray[np.intp] = np.empty(0, dtype=np.intp)
        self._mapping: Mapping | None = None

    def _planned(self, images: int, left: int | None) -> MapPlan:
        return plan_once(self.way, images, left)

    @property
    def mapping(self) -> Mapping:
        """How an answer is read; one that is usable before any answer."""
        if self._mapping is None:
            return self.way.mapping.fit(self._answers_of(self.session.no_scores, self._asked[:0]))
        return self._mapping

    @property
    def learnt(self) -> bool:
        """Whether any answer has come in that would be lost."""
        return bool(self._scores or self.history)

    @property
    def scores(self) -> Scores:
        """Answers that the mapping is fitted to, (a, source classes)."""
        return np.concatenate([self.session.no_scores, *self._scores])

    @property
    def asked(self) -> NDArray[np.intp]:
        """Which training samples those are, (a,)."""
        return self._asked[: len(self.scores)]

    @property
    def position(self) -> NDArray[np.float64]:
        """Where the program stands: at nothing added until a search has begun."""
        return np.zeros(self.program.dimension) if self._position is None else self._position()

    def go(self) -> str:
        """Fit the map and return why it ended."""
        return self.fit_mapping()

    def fit_mapping(self) -> str:
        """Ask training samples as the program stands, as many as planned, and fit the mapping."""
        indices = self._sample(self.plan.map)
        if len(indices):
            self._start("map", len(indices))
        self._asked, self._scores = indices, []
        point = None if self._position is None else self.position[None, :]
        for scores in self._answered(indices, point):
            self._scores.append(scores)
        self._map()
        return ALL_ASKED if len(indices) == len(self.session.samples) else PARTLY_ASKED

    def read(self) -> tuple[Model, Verdict | None]:
        """Return the model, whose mapping is fitted to whatever was answered, and a comparison."""
        if self._mapping is None:
            self._map()
        compared = self.session.compare and len(self.scores) > 0
        verdict = compare(self.session, self.asked, self.scores) if compared else None
        return self._model(self.mapping), verdict

    def read_plain(self) -> tuple[Model, None]:
        """Return the model with the mapping as it is, compared with nothing."""
        return self._model(self.mapping), None

    def read_nothing(self) -> tuple[Model, None]:
        """Return the model with a mapping that has seen no answer."""
        nothing = self._answers_of(self.session.no_scores, self._asked[:0])
        return self._model(self.way.mapping.fit(nothing)), None

    def _model(self, mapping: Mapping) -> Model:
        question = Question(
            program=self.program,
            z=self.position.astype(np.float32),
            price_usd=self.session.box.spec.price_usd,
        )
        return Model(questions=(question,), reader=mapping)

    def _map(self) -> None:
        self._mapping = self.way.mapping.fit(self._answers())

    def _answered(self, indices: NDArray[np.intp], point: Any = None) -> Iterator[Scores]:
        """Yield the answers to training samples dressed by the program at ``point`` (1, d)."""
        asking = Asking(self.session.asker("map"), self.program, point)
        chunk = chunk_of(self.session.box.at_once)
        place, take = self.program.placement.place, self.session.samples.take
        placed = ((0, place(take(indices[few]))) for few in chunks(len(indices), chunk))
        for _, scores in answered({0: asking}, placed):
            yield scores
            self._chunks += 1
            self._step("map", self._chunks)

    def _sample(self, size: int) -> NDArray[np.intp]:
        """Return ``size`` training indices that hold every class as evenly as its share allows."""
        return np.sort(self.session.order[:size])

    def _answers(self) -> Answers:
        return self._answers_of(self.scores, self.asked)

    def _answers_of(self, scores: Scores, indices: NDArray[np.intp]) -> Answers:
        """Return ``scores`` of training samples with what a mapping rule wants to know."""
        seed = int(generator(self.session.seed, Stream.MAPPING).integers(2**31))
        return self.session.answers(scores, indices, seed)
