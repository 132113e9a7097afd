"""Another box in the place of one that a model asks: what hangs on that box is fitted anew.

That is how its answers are looked at and read, and the weights of every subset of questions that it
is among. What the others say, and what is made of them without it, stays as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox
from rebox.errors import InvalidOption
from rebox.fit.boxes import BoxesRun
from rebox.fit.boxes_plan import BoxesPlan, affordable, names_of
from rebox.fit.local import Blocks, LocalFeatures, seen_by
from rebox.fit.model import Model
from rebox.fit.opinions import Opinions
from rebox.fit.policy import Policy
from rebox.fit.question import Question
from rebox.fit.session import Session
from rebox.reading.subset_fitting import Evidence, SubsetFitting
from rebox.reading.subsets import Member, SubsetReader
from rebox.recipe import Views

SAMPLES_DIFFER = 0.1  # of a price: what other samples' lengths make of it


@dataclass(frozen=True, kw_only=True, eq=False)
class Moved:
    """A model that asks another box.

    Attributes
    ----------
    model : Model
    samples : int
        Labelled samples that it was fitted to.
    loss, without : float
        Log loss on them, held out, of all boxes and of all but the new one.
    """

    model: Model
    samples: int
    loss: float
    without: float

    @property
    def words(self) -> str:
        """What the new box brought, in a sentence."""
        return (
            f"fitted to {self.samples:,} samples: held out in turn, a log loss of {self.loss:.3f} "
            f"with the new box, {self.without:.3f} without"
        )


class MoveRun(BoxesRun):
    """Asks all boxes of a model about the same few samples, and fits what hangs on one of them.

    Parameters
    ----------
    model : Model
        Its questions name the boxes of ``session``.
    box : int
        Which of them is new.
    session : Session

    Raises
    ------
    InvalidOption
        The model reads its answers by one reader, or is not paced by a box of that price.
    """

    def __init__(self, model: Model, box: int, session: Session) -> None:
        if not isinstance(model.reader, SubsetReader):
            raise InvalidOption(
                "the model reads all answers by one reader, of which nothing would stay: fit it "
                "again with the new box."
            )
        super().__init__(Views(), session)
        self.model, self.reader, self.box = model, model.reader, box
        self._kept = [question.box for question in model.questions]
        for question in model.questions:
            if question.box != box:
                self._programs[question.box] = question.program
        images = len(session.samples)
        names = names_of([session.boxes[place] for place in self._kept])
        each = affordable(session, self._kept, images)
        self.plan = BoxesPlan(images=images, boxes=names, each=each)
        self._priced = priced(model, box, session.boxes[box])

    @property
    def number(self) -> int:
        """Of the question that the new box is asked."""
        return self._kept.index(self.box)

    @cached_property
    def _looked(self) -> tuple[LocalFeatures | None, Blocks]:
        """How samples are looked at, as before, and what is seen of those that are asked about."""
        local, samples = self.model.local, self.session.samples
        if local is None or not samples.shows:
            return local, []
        return local, seen_by(local, samples, self._order[: self.plan.each])

    def moved(self) -> Moved:
        """Ask, and return the model that asks the new box.

        Raises
        ------
        InvalidOption
            The budget does not pay for one sample; or answers of the new box have taken so many
            tokens that the model's policy does not allow for them.
        """
        if not self.plan.each:
            raise InvalidOption(
                f"the budget does not pay for one sample at {len(self._kept)} boxes: raise it."
            )
        self._ask(self._kept, self.plan.each)
        places = self._places(self._kept)
        fitting = self._fitting_of(places)
        fitted = fitting.fitted()
        every = tuple(range(len(self._kept)))
        others = tuple(k for k in every if k != self.number)
        losses = [fitting.targets.loss(fitted.out_of_fold[subset]) for subset in (every, others)]
        stacks = {
            subset: fitted.reader.stacks[subset] if self.number in subset else stack
            for subset, stack in self.reader.stacks.items()
        }
        reader = replace(self.reader, members=fitted.reader.members, stacks=stacks)
        paid = self._as_paid()
        questions = tuple(replace(one, program=self._programs[one.box]) for one in paid.questions)
        model = replace(paid, questions=questions, reader=reader)
        return Moved(model=model, samples=len(places), loss=losses[0], without=losses[1])

    def _as_paid(self) -> Model:
        """Return the model at the price that answers of the new box turned out to have.

        These few samples take some tokens more or less than those of the fit did: that alone is no
        other price.
        """
        paid, told = self.session.price_of(self.box), self._priced.questions[self.number].price_usd
        if paid.usd is None or paid.tokens is None:
            return self._priced
        if told and abs(paid.usd - told) <= SAMPLES_DIFFER * told:
            return self._priced
        questions = tuple(
            replace(one, tokens=paid.tokens) if one.box == self.box else one
            for one in self.model.questions
        )
        model = replace(self.model, questions=questions)
        return priced(model, self.box, self.session.boxes[self.box])

    def _fitting_of(self, places: NDArray[np.intp]) -> SubsetFitting:
        """Return what fits a stack for any subset, to the samples at ``places``.

        The others' readers are those of before, which may have been fitted to these very samples:
        what they say of them is taken from readers that were not.
        """
        blocks = [block[places] for block in self._looked[1]]
        opinions = Opinions(self.session, self._order[places], blocks, len(places))
        scores = [self._sheets[box].at(places) for box in self._kept]
        said: dict[int | None, list[Evidence]] = {
            number: opinions.of(number, self.session.boxes[box], scores[number])
            for number, box in enumerate(self._kept)
        }
        said[None] = opinions.local()
        evidence: list[Evidence] = []
        for member in self.reader.members:
            if member.question != self.number:
                evidence.append(self._as_before(member, said[member.question], scores))
            elif not any(one.member.question == self.number for one in evidence):
                evidence += said[self.number]
        return SubsetFitting(evidence, len(self._kept), opinions.targets)

    def _as_before(
        self,
        member: Member,
        held_out: Sequence[Evidence],
        scores: Sequence[NDArray[np.float32]],
    ) -> Evidence:
        if member.named is None or member.question is None:
            return replace(next(one for one in held_out if one.member.opinion), member=member)
        return Evidence.of_answers(member.question, member.named, scores[member.question])


def priced(model: Model, place: int, box: BlackBox) -> Model:
    """Return ``model`` with the price of ``box`` for the one at a ``place``.

    That is by the tokens that answers have taken, where they are known: a rule of thumb for those
    of another box would compare two kinds of price.

    Raises
    ------
    InvalidOption
        It asks where it pays, and the new price is higher: what a prediction may cost would not be
        held; or by rules that were learnt for another kind of price.
    """
    questions = tuple(
        _with_price_of(one, box) if one.box == place else one for one in model.questions
    )
    policy = model.policy
    for number, (before, after) in enumerate(zip(model.questions, questions, strict=True)):
        if policy is not None and before.price_usd != after.price_usd:
            policy = _repriced(policy, number, before.price_usd or 0.0, after.price_usd)
    return replace(model, questions=questions, policy=policy)


def _with_price_of(question: Question, box: BlackBox) -> Question:
    tokens = question.tokens
    usd = None if tokens is None else box.source.usd_by_tokens(*tokens)
    if usd is None:
        return replace(question, price_usd=box.spec.price_usd, tokens=None)
    return replace(question, price_usd=usd)


def _repriced(policy: Policy, number: int, old: float, new: float | None) -> Policy:
    """Return ``policy`` at another price of a question, which is no higher.

    A policy does not say whether it was fitted with a cap: of dollars, any of them may have been.
    """
    if new is None or new > old:
        price = "a price that is not known" if new is None else f"a higher one, ${new:g}"
        raise InvalidOption(
            f"the model asks where it pays, by what a prediction may cost with a box of ${old:g} a "
            f"query, and this one has {price}: fit again with it."
        )
    if policy.unit == "queries":
        return policy
    if policy.unit != "usd" or not new:
        raise InvalidOption(
            f"the model asks at a mean price, by rules that were learnt for a box of ${old:g} a "
            f"query, and this one costs ${new:g}: fit again with it."
        )
    costs = policy.costs.copy()
    costs[number] = new
    return replace(policy, costs=costs)
