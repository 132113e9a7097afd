"""Spend a budget where it pays, with nothing for the user to choose.

Every training sample is asked about once, as it is. What is left of the budget looks at the samples
from other sides (test-time augmentation): views are screened on a few samples, the best are asked
about all of them, and those that pay are kept, as many as a prediction may cost. A reader takes the
answers together with what can be seen of the samples without asking, and the verdict says what each
brought.
"""

import functools
from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rebox.decision import HeldOut
from rebox.errors import InvalidData
from rebox.fit.asking import Asking, Shown, answered, chunk_of, shown_as
from rebox.fit.choosing import Chooser
from rebox.fit.looking import LookingRun
from rebox.fit.model import Model
from rebox.fit.plan import ViewsPlan, plan_views
from rebox.fit.question import Question
from rebox.fit.reasons import ALL_ASKED, PARTLY_ASKED
from rebox.fit.run import Ending
from rebox.fit.session import Session
from rebox.fit.sheet import NO_SAMPLES, Sheet, taken
from rebox.fit.verdict import LOCAL, MAP, VIEWS, WHOLE, Verdict, give_verdict
from rebox.meter import Purpose
from rebox.program import Canvas, Dressing, Program, view_pool
from rebox.reading import Answered, FittedReader, TrainingSet, fit_reader
from rebox.recipe import Views
from rebox.sample.loader import chunks
from rebox.subject import group_split

VIEWS_TRIED = "the views that pay have been asked about"


class ViewsRun(LookingRun):
    """A fit of a reader to the answers to several views."""

    plan: ViewsPlan

    def __init__(self, way: Views, session: Session) -> None:
        self.way = way
        self.session = session
        self.history = []
        self._programs = _programs(session)
        self.plan = plan_views(
            len(session.targets),
            session.left("map"),
            len(self._programs),
            session.queries_per_prediction,
        )
        self._sheets: dict[int, Sheet] = {}
        self._done = False

    @cached_property
    def _split(self) -> tuple[NDArray[np.intp], int]:
        """All samples in the order of asking, and how many of the first choose between views."""
        session = self.session
        if not self.plan.tried:
            return session.order, 0
        half = max(1, self.plan.asked // 2)  # no subject may be in both halves
        first, rest = group_split(session.targets, session.seed, session.subjects, half)
        return np.concatenate([first, rest]), len(first)

    @property
    def _asked(self) -> int:
        return self.plan.asked

    def go(self) -> str:
        """Ask about the plain view, then about others as long as the budget and their gain last."""
        plan = self.plan
        _ = self._looked  # may refuse a sample: before anything is paid for
        self._ask([0], plan.asked, "map")
        if plan.candidates:
            self._ask(range(1, plan.candidates + 1), plan.screened, "search")
            self._work("choosing views")
            ranked = self._ranked()
            self._ask(ranked[: plan.tried], plan.asked, "search")
        elif plan.tried:
            self._ask(range(1, plan.tried + 1), plan.asked, "search")
        self._done = True
        if plan.tried:
            return VIEWS_TRIED
        return ALL_ASKED if plan.asked == plan.images else PARTLY_ASKED

    def _ask(self, numbers: Sequence[int], count: int, purpose: Purpose) -> None:
        """Ask about views of the first ``count`` samples, where they have not been asked about yet.

        Sample by sample and not view by view: a picture is then decoded once for all its views.
        """
        asked, classes = self._order[: self.plan.asked], len(self.session.box.spec.classes)
        sheets = {k: self._sheets.setdefault(k, Sheet(asked, classes)) for k in numbers}
        before = {k: len(sheet) for k, sheet in sheets.items()}
        self._start(purpose, sum(count - done for done in before.values()))
        asker = self.session.asker(purpose)
        begin = min(before.values(), default=count)
        askings = {
            k: Asking(asker, self._programs[k], heard=sheet.noting(begin))
            for k, sheet in sheets.items()
        }
        for step, _ in enumerate(answered(askings, self._placed(numbers, begin, count)), start=1):
            self._step(purpose, step)

    def _placed(self, numbers: Sequence[int], begin: int, end: int) -> Iterator[tuple[int, Shown]]:
        """Yield a view's number and some samples as it shows them."""
        asked, chunk = self._order[begin:end], chunk_of(self.session.box.at_once)
        batches = (asked[few] for few in chunks(len(asked), chunk))
        return shown_as({k: self._programs[k] for k in numbers}, self.session.samples, batches)

    def read(self) -> Ending:
        """Return the model that all answers so far make, and what they brought."""
        if not self._plain:
            blind = fit_reader(self._known([], NO_SAMPLES))
            held_out = self._held_out(blind, self._seen)
            return Ending(model=self._model([], blind), held_out=held_out)
        chosen, places = self._choose()
        whole = fit_reader(self._known(chosen, places))
        if not self._done and len(chosen) > 1:
            whole, chosen, places = self._better(whole, chosen, places)
        local = whole.without_answers
        alone = whole.without_local if chosen == [0] else None
        if alone is None:
            alone = fit_reader(self._known([0], places, local=False)).out_of_fold
        if self.session.queries_per_prediction == 0:
            whole = fit_reader(self._known([], places, imitated=chosen))
            chosen = []
        verdict = self._verdict(chosen, places, local, alone, whole)
        held_out = self._held_out(whole, self._order[places], places >= self._choosing)
        return Ending(model=self._model(chosen, whole), verdict=verdict, held_out=held_out)

    def read_plain(self) -> Ending:
        """Return a reader of the answers to the plain view, or of none, and of what is seen."""
        alone = [0] if self._plain and self.session.queries_per_prediction else []
        places = self._sheets[0].places if alone else NO_SAMPLES
        model = self._model(alone, fit_reader(self._known(alone, places)))
        return Ending(model=model, unread=self._answered - len(places))

    @property
    def _plain(self) -> bool:
        """Whether anything was answered about the samples as they are."""
        return 0 in self._sheets and len(self._sheets[0]) > 0

    def _ranked(self) -> list[int]:
        """Return the views that were screened, best first."""
        plain = self._sheets[0].places
        screened = {k: sheet.at(sheet.places) for k, sheet in self._sheets.items() if k}
        return self._chooser(plain).ranked(self._sheets[0].at(plain), screened)

    def _choose(self) -> tuple[list[int], NDArray[np.intp]]:
        """Return the views that pay, and the places of the samples that were asked about them."""
        others, places = self._others()
        most = self.session.queries_per_prediction
        if not others or not most:
            return [0], self._sheets[0].places
        whole = {k: self._sheets[k].at(places) for k in others}
        return self._chooser(places).chosen(self._sheets[0].at(places), whole, most), places

    def _others(self) -> tuple[list[int], NDArray[np.intp]]:
        """Return which views may be chosen beside the plain one, and what was asked about all.

        In a fit that was cut short, those that have come furthest.
        """
        plain = self._sheets[0].places
        counts = {k: len(sheet) for k, sheet in self._sheets.items() if k and len(sheet)}
        if self._done:
            return [k for k, count in counts.items() if count == len(plain)], plain
        others = [k for k, count in counts.items() if 2 * count >= max(counts.values())]
        each = (self._sheets[k].places for k in others)
        places = functools.reduce(np.intersect1d, each, plain)
        return (others, places) if len(places) else ([], plain)

    def _better(
        self, whole: FittedReader, chosen: list[int], places: NDArray[np.intp]
    ) -> tuple[FittedReader, list[int], NDArray[np.intp]]:
        """Return a reader of several views of some samples, or of the plain view of all.

        Whichever reads those samples better that both know: held out, by log loss.
        """
        every = self._sheets[0].places
        plain = fit_reader(self._known([0], every))
        truth = self.session.targets[self._order[places]][:, None]
        losses = (
            -np.take_along_axis(said, truth, axis=1).mean()
            for said in (whole.out_of_fold, plain.out_of_fold[np.isin(every, places)])
        )
        return (whole, chosen, places) if next(losses) < next(losses) else (plain, [0], every)

    def _chooser(self, places: NDArray[np.intp]) -> Chooser:
        """Return who judges views by answers about the samples at ``places``."""
        first = places[: np.searchsorted(places, self._choosing)]
        return Chooser(
            targets=self.session.targets[self._order[first]],
            n_targets=self.session.n_targets,
            spec=self.session.box.spec,
            local=[taken(block, first) for block in self._looked[1]],
            groups=self.session.subjects_of(self._order[first]),
        )

    @property
    def _choosing(self) -> int:
        """How many samples views are chosen by; the verdict is measured on the others."""
        return self._split[1] if len(self._sheets) > 1 else 0

    def _known(
        self,
        views: Sequence[int],
        places: NDArray[np.intp],
        *,
        local: bool = True,
        imitated: Sequence[int] = (),
    ) -> TrainingSet:
        """Return what a reader is fitted to: the answers to some views, and what is seen.

        The samples at ``places``, which were asked about, come first.
        """
        spec, sheets = self.session.box.spec, self._sheets
        these = self._first(places) if local else places
        return self.session.training_set(
            (self._seen if local else self._order)[these],
            answers=[Answered(spec, sheets[k].at(places)) for k in views],
            imitated=[Answered(spec, sheets[k].at(places)) for k in imitated],
            local=[block[these] for block in self._looked[1]] if local else (),
        )

    def _model(self, chosen: Sequence[int], fitted: FittedReader) -> Model:
        balanced = self.way.class_weight == "balanced"
        return Model(
            questions=self._questions(chosen),
            reader=fitted.reader.balanced() if balanced else fitted.reader,
            local=self._looked[0],
        )

    def _held_out(
        self,
        fitted: FittedReader,
        rows: NDArray[np.intp],
        fresh: NDArray[np.bool_] | None = None,
    ) -> HeldOut:
        """Return what was said of the samples ``rows``, the first that were read, held out.

        ``fresh`` are those that chose no view.
        """
        session, weight = self.session, self.way.class_weight
        said = fitted.out_of_fold[: len(rows)]
        return HeldOut(
            log_probabilities=said if weight is None else said + fitted.reader.balanced().offset,
            targets=session.targets[rows],
            groups=session.subjects_of(rows),
            assumed=session.assumed(weight),
            fresh=fresh,
        )

    def _questions(self, chosen: Sequence[int]) -> tuple[Question, ...]:
        price = self.session.price_of()
        return tuple(
            Question(program=self._programs[k], price_usd=price.usd, tokens=price.tokens)
            for k in chosen
        )

    def _verdict(
        self,
        chosen: Sequence[int],
        places: NDArray[np.intp],
        local: NDArray[np.float64] | None,
        alone: NDArray[np.float64],
        whole: FittedReader,
    ) -> Verdict | None:
        fresh = slice(int(np.searchsorted(places, self._choosing)), len(alone))
        said = {} if local is None else {LOCAL: (0, local[fresh])}
        said[MAP] = (1, alone[fresh])
        if len(chosen) > 1 and whole.without_local is not None:
            said[VIEWS] = (len(chosen), whole.without_local[fresh])
        said[WHOLE] = (len(chosen), whole.out_of_fold[fresh])
        if self.way.class_weight == "balanced":  # as the model does that is measured
            shift = whole.reader.balanced().offset
            said = {name: (asked, logs + shift) for name, (asked, logs) in said.items()}
        session, rows = self.session, self._order[places[fresh]]
        if not len(rows):
            return None
        return give_verdict(
            session.targets[rows],
            said,
            session.n_targets,
            session.seed,
            session.subjects_of(rows),
            session.price_of(),
        )


def _programs(session: Session) -> Sequence[Dressing | None]:
    """Return a program for each view of the pool that the box's input has room for.

    Where a box tells labels only, every vote counts: there are as many views as a prediction may
    ask. A text's views are templates, and an id has one view alone, None.
    """
    images, spec = session.samples.images, session.box.spec
    if spec.takes == "texts":
        return session.templates
    if images is None or spec.takes == "ids":
        return [None]
    inputs = images.inputs
    pool = view_pool(
        grey=not inputs.blocky and not images.coloured,
        cells=inputs.blocky,
        channels=spec.channels,
        least=session.queries_per_prediction if spec.labels_only else 0,
    )
    programs = []
    for number, view in enumerate(pool):
        canvas = Canvas(fit="contain", view=view)
        try:
            placement = canvas.placement(inputs.size, spec.shape, blocky=inputs.blocky)
        except InvalidData:
            if number == 0:
                raise
            continue
        programs.append(Program(placement))
    return programs
