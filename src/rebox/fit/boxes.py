"""Ask several boxes, about each sample only as far as it pays.

All boxes are asked about every training sample; where the budget does not reach so far, all about a
few, and those that pay about more. What they say, by the names of their classes and as a reader has
learnt to read it, is stacked for every subset of them; a policy learns from that whom to ask about
which sample.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rebox.decision import HeldOut, worth_of
from rebox.fit.asking import Asking, answered, chunk_of, shown_as
from rebox.fit.box_verdict import verdict_of_boxes
from rebox.fit.boxes_plan import BoxesPlan, affordable, costs_of, names_of, plan_boxes
from rebox.fit.looking import LookingRun
from rebox.fit.model import Model
from rebox.fit.opinions import Opinions
from rebox.fit.playing import Played
from rebox.fit.policy import Policy
from rebox.fit.policy_fitting import Spending, fit_policy
from rebox.fit.question import Question
from rebox.fit.reasons import ALL_ASKED, PARTLY_ASKED
from rebox.fit.run import Ending
from rebox.fit.session import Session
from rebox.fit.sheet import NO_SAMPLES, Sheet
from rebox.fit.verdict import Verdict
from rebox.program import Canvas, Dressing, Program
from rebox.reading import fit_reader
from rebox.reading.contract import Matrix
from rebox.reading.subset_fitting import FittedSubsets, SubsetFitting
from rebox.recipe import Views
from rebox.sample.loader import chunks
from rebox.subject import group_split

MOST = 6  # boxes that every subset of is read: there are 64
PAYS = 0.002  # share of the log loss that a box has to save, as another view has to


class BoxesRun(LookingRun):
    """A fit of a reader, and perhaps of a policy, to the answers of several boxes."""

    plan: BoxesPlan

    def __init__(self, way: Views, session: Session) -> None:
        self.way = way
        self.session = session
        self.history = []
        self.plan = plan_boxes(session)
        self._programs = [_program(session, place) for place in range(len(session.boxes))]
        self._sheets = [Sheet(self._order, len(box.spec.classes)) for box in session.boxes]
        self._kept = list(range(len(session.boxes)))
        self._chosen_by = 0  # places, the first of them, whose subjects told which boxes pay

    @cached_property
    def _split(self) -> tuple[NDArray[np.intp], int]:
        """All samples in the order of asking, and how many of the first tell which boxes pay.

        No subject is among these and others, on which alone what was chosen is judged.
        """
        session, plan = self.session, self.plan
        if not plan.more and len(session.boxes) <= MOST:
            return session.order, 0
        size = plan.each if plan.more else max(1, plan.each // 2)
        first, rest = group_split(session.targets, session.seed, session.subjects, size)
        return np.concatenate([first, rest]), len(first)

    @property
    def _asked(self) -> int:
        return self.plan.each + self.plan.more

    def go(self) -> str:
        """Ask all boxes, then those that pay."""
        _ = self._looked  # may refuse a sample: before anything is paid for
        self._ask(self._kept, self.plan.each)
        if self.plan.more or len(self._kept) > MOST:
            self._work("choosing boxes")
            self._kept = self._worth_asking()
        if self.plan.more:
            more = affordable(self.session, self._kept, self.plan.more)
            self._ask(self._kept, self.plan.each + more)
        asked = min((len(self._sheets[box]) for box in self._kept), default=0)
        return ALL_ASKED if asked == self.plan.images else PARTLY_ASKED

    def _ask(self, boxes: Sequence[int], count: int) -> None:
        """Ask boxes about the first ``count`` samples, chunk by chunk: none runs ahead."""
        begin = min(len(self._sheets[box]) for box in boxes) if boxes else count
        self._start("map", len(boxes) * max(0, count - begin))
        askings = {
            box: Asking(
                self.session.asker("map", box),
                self._programs[box],
                heard=self._sheets[box].noting(begin),
            )
            for box in boxes
        }
        most = max((self.session.boxes[box].at_once for box in boxes), default=0)
        rows = self._order[begin:count]
        few = (rows[part.start : part.stop] for part in chunks(len(rows), chunk_of(most)))
        shown = shown_as({box: self._programs[box] for box in boxes}, self.session.samples, few)
        for step, _ in enumerate(answered(askings, shown), start=1):
            self._step("map", step)

    def _worth_asking(self) -> list[int]:
        """Return the boxes that lower the loss of what all say together, by what they cost."""
        places, choosing = self._places(self._kept), self._split[1]
        places = places[places < choosing]
        if not len(places):
            return self._kept[:MOST]
        self._chosen_by = choosing
        fitting = self._fitting(self._kept, places)
        kept = list(range(len(self._kept)))
        prices = costs_of([self.session.price_of(box) for box in self._kept])
        for number in sorted(kept, key=lambda one: (-prices[one], one)):
            others = [one for one in kept if one != number]
            if not others:
                break
            spared = fitting.loss(tuple(others)) <= (1 + PAYS) * fitting.loss(tuple(kept))
            kept = others if spared else kept
        while len(kept) > MOST:
            kept.remove(min(kept, key=lambda one: fitting.loss(tuple(k for k in kept if k != one))))
        return [self._kept[number] for number in kept]

    def _places(self, boxes: Sequence[int]) -> NDArray[np.intp]:
        """Return the places, in the order of asking, of samples that all of ``boxes`` answered."""
        if not boxes:
            return NO_SAMPLES
        places = self._sheets[boxes[0]].places
        for box in boxes[1:]:
            places = np.intersect1d(places, self._sheets[box].places)
        return places

    def _fitting(self, boxes: Sequence[int], places: NDArray[np.intp]) -> SubsetFitting:
        """Return what fits a stack for any subset of ``boxes``, to the samples at ``places``."""
        blocks = self._looked[1]
        these = self._first(places) if blocks else places
        rows = (self._seen if blocks else self._order)[these]
        opinions = Opinions(self.session, rows, [block[these] for block in blocks], len(places))
        evidence = opinions.local()
        for number, box in enumerate(boxes):
            evidence += opinions.of(number, self.session.boxes[box], self._sheets[box].at(places))
        return SubsetFitting(evidence, len(boxes), opinions.targets)

    def read(self) -> Ending:
        """Return the model that all answers so far make, and what they brought."""
        boxes, places = self._to_read()
        if not len(places):
            return self.read_nothing()
        fitting = self._fitting(boxes, places)
        fitted = fitting.fitted()
        asked_all = self._held_out(fitting, fitted.out_of_fold[*range(len(boxes)),], places)
        policy, played = self._policy(boxes, fitting, fitted, asked_all)
        reader = fitted.reader
        if self.way.class_weight == "balanced":
            reader = reader.balanced(fitting.targets.log_prior)
        model = Model(
            questions=self._questions(boxes),
            reader=reader,
            local=self._looked[0],
            policy=policy,
        )
        said = None if played is None else played.log_probabilities
        return Ending(
            model=model,
            verdict=self._verdict(boxes, fitting, fitted, played, self._fresh(places)),
            held_out=asked_all if said is None else self._held_out(fitting, said, places),
            unread=self._answered - len(places) * len(boxes),
        )

    def _to_read(self) -> tuple[list[int], NDArray[np.intp]]:
        """Return the boxes whose answers are read, and the places of samples that all answered."""
        boxes = [box for box in self._kept if len(self._sheets[box])]
        places = self._places(boxes)
        longest = max((len(self._sheets[box]) for box in boxes), default=0)
        while 2 * len(places) < longest and len(boxes) > 1:  # one lags, and would waste the others
            boxes.remove(min(boxes, key=lambda box: len(self._sheets[box])))
            places = self._places(boxes)
        return boxes[:MOST], places

    def _policy(
        self,
        boxes: Sequence[int],
        fitting: SubsetFitting,
        fitted: FittedSubsets,
        asked_all: HeldOut,
    ) -> tuple[Policy | None, Played | None]:
        """Return whom a prediction asks, and what that does about training samples, if not all."""
        pace = self._pace(boxes)
        if pace is None:
            return None, None
        worth = worth_of(self.session.objective, asked_all)
        return fit_policy(fitted.out_of_fold, fitting.targets, pace, worth)

    def _held_out(self, fitting: SubsetFitting, said: Matrix, places: NDArray[np.intp]) -> HeldOut:
        """Return what was said (n, K) of the samples at ``places``, each held out from it.

        Those that chose which boxes are asked are not fresh.
        """
        targets, weight = fitting.targets, self.way.class_weight
        return HeldOut(
            log_probabilities=said if weight is None else said - targets.log_prior,
            targets=targets.index,
            groups=targets.groups,
            assumed=self.session.assumed(weight),
            fresh=self._fresh(places),
        )

    def _fresh(self, places: NDArray[np.intp]) -> NDArray[np.bool_] | None:
        """Return which samples had no part in the choice of boxes; None: there was no choice."""
        return places >= self._chosen_by if self._chosen_by else None

    def _pace(self, boxes: Sequence[int]) -> Spending | None:
        """Return what a prediction may cost; None: each box is asked about every sample."""
        session = self.session
        usd, queries = session.usd_per_prediction, session.mean_queries
        prices = costs_of([session.price_of(box) for box in boxes])
        ones, most = np.ones(len(boxes)), session.queries_per_prediction
        longest = most if most < len(boxes) else None
        pace = Spending(
            unit="queries",
            costs=ones,
            mean=queries,
            longest=longest,
            usd=prices,
            dearest=session.max_usd_per_prediction,
        )
        if usd is None:
            held = (queries, longest, pace.dearest) != (None, None, None)
            return pace if held else None
        if queries is None:
            return replace(pace, unit="usd", costs=prices, mean=usd)
        # whichever is the larger share of its mean: both are held then
        return replace(pace, unit="mixed", costs=np.maximum(prices / usd, ones / queries), mean=1.0)

    def _verdict(
        self,
        boxes: Sequence[int],
        fitting: SubsetFitting,
        fitted: FittedSubsets,
        played: Played | None,
        fresh: NDArray[np.bool_] | None,
    ) -> Verdict | None:
        """Return the verdict on ``fresh`` samples; None where there are none."""
        targets, said = fitting.targets, fitted.out_of_fold
        if fresh is not None and not fresh.any():
            return None
        if fresh is not None:
            targets, said = targets.take(fresh), {one: said[one][fresh] for one in said}
            played = None if played is None else played.take(fresh)
        return verdict_of_boxes(
            names_of([self.session.boxes[box].live for box in boxes]),
            [self.session.price_of(box) for box in boxes],
            targets,
            said,
            played,
            local=bool(self._looked[1]),
            seed=self.session.seed,
        )

    def _questions(self, boxes: Sequence[int]) -> tuple[Question, ...]:
        prices = (self.session.price_of(box) for box in boxes)
        return tuple(
            Question(program=self._programs[box], box=box, price_usd=price.usd, tokens=price.tokens)
            for box, price in zip(boxes, prices, strict=True)
        )

    def read_plain(self) -> Ending:
        """Return a reader of what can be seen without asking, if anything can."""
        local, blocks = self._looked
        if not blocks:
            return self.read_nothing()
        known = self.session.training_set(self._seen, local=blocks)
        model = Model(questions=(), reader=fit_reader(known).reader, local=local)
        return Ending(model=model, unread=self._answered)


def _program(session: Session, place: int) -> Dressing | None:
    """Return how samples are shown to a box as they are; None: it is asked by their ids."""
    spec, images = session.boxes[place].spec, session.samples.images
    if spec.takes == "texts":
        return session.templates[0]
    if spec.takes == "ids" or images is None:
        return None
    inputs = images.inputs
    placement = Canvas(fit="contain").placement(inputs.size, spec.shape, blocky=inputs.blocky)
    return Program(placement)
