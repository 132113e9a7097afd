"""``auto``: spend a budget where it pays, with nothing for the user to choose.

Every training image is asked about once, as it is. What is left of the budget looks at the images
from other sides: views are screened on a few images, the best are asked about all of them, and
those that pay are kept, as many as a prediction may cost. A reader takes the answers together with
what can be seen of the images without asking, and the verdict says what each brought.
"""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox
from rebox.box.encoder import Encoder
from rebox.errors import InvalidData
from rebox.fit.choosing import SAMPLES, Chooser
from rebox.fit.events import Event, Listener, PhaseStarted, StepTaken, StopFit, Stopped, tell
from rebox.fit.looking import features_for, look
from rebox.fit.loop import Outcome
from rebox.fit.model import AllAnswers, Model, Question, Sight, answer_blocks
from rebox.fit.plan_auto import AutoPlan, plan_auto
from rebox.fit.reasons import ALL_ASKED, FAILED, INTERRUPTED, PARTLY_ASKED, carry_out
from rebox.fit.showing import CHUNK, Stage, ahead, place_views
from rebox.fit.verdict import LOCAL, MAP, VIEWS, WHOLE, Verdict, give_verdict
from rebox.meter import Meter, Purpose
from rebox.program import Canvas, Program, view_pool
from rebox.reading import Evidence, Reading, fit_reader
from rebox.reading.features import AnswerFeatures
from rebox.recipe import Auto
from rebox.sample.inputs import LaidOut
from rebox.subject import group_split, stratified_order

Scores = NDArray[np.float32]

VIEWS_TRIED = "the views that pay have been asked about"


def fit_auto(  # noqa: PLR0913 - what a fit is given, each by its name
    recipe: Auto,
    box: BlackBox,
    meter: Meter,
    images: LaidOut,
    targets: NDArray[np.intp],
    *,
    queries_per_prediction: int = 1,
    encoder: Encoder | None = None,
    groups: NDArray[np.intp] | None = None,
    seed: int,
    listeners: Sequence[Listener] = (),
) -> Outcome:
    """Run ``auto`` and return the model that it ends with.

    Parameters
    ----------
    recipe : Auto
    box : BlackBox
        Who answers; asked through ``meter`` alone.
    meter : Meter
        Holds the budget.
    images : LaidOut
        n training images.
    targets : (n,) intp
        Target class of each, counted from 0.
    queries_per_prediction : int
        Most queries that a prediction may ask; 0 answers without the box.
    encoder : Encoder or None
        Features of the user's own, beside the plain ones.
    groups : (n,) intp or None
        Subject of each image, held out with all its images; None: each image shows its own.
    seed : int
        Fixes every random choice.
    listeners : sequence of callables
        Told of every event.

    Raises
    ------
    BoxError
        The box did not answer, or not with scores, before anything was learnt. Whatever else ends
        a fit early is in the outcome, beside what was learnt.
    """
    run = _Run(
        recipe,
        box,
        meter,
        images,
        targets,
        groups,
        queries_per_prediction,
        encoder,
        seed,
        tuple(listeners),
    )
    reason, error = carry_out(run.ask, lambda: run.learnt)
    try:
        model, verdict = run.read()
    except KeyboardInterrupt as stopped:  # reading takes a while; what was paid for is kept
        reason, error = INTERRUPTED, stopped
        model, verdict = run.read_plain(), None
    if reason != FAILED:  # what failed may be a listener: it is not told again
        with contextlib.suppress(StopFit):
            tell(listeners, Stopped(spent=meter.spent, reason=reason))
    return Outcome(
        model=model, reason=reason, history=tuple(run.history), verdict=verdict, error=error
    )


def programs_of(images: LaidOut, box: BlackBox, queries_per_prediction: int = 1) -> list[Program]:
    """Return a program for each view of the pool that the box's input has room for.

    Where a box tells labels only, every vote counts: there are as many views as a prediction may
    ask.
    """
    inputs, spec = images.inputs, box.spec
    grey = not inputs.blocky and not images.coloured
    programs = []
    least = queries_per_prediction if spec.labels_only else 0
    pool = view_pool(grey=grey, cells=inputs.blocky, channels=spec.channels, least=least)
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


@dataclass
class _Run:
    """One fit under way: what is fixed, and the answers so far."""

    recipe: Auto
    box: BlackBox
    meter: Meter
    images: LaidOut
    targets: NDArray[np.intp]
    groups: NDArray[np.intp] | None
    queries_per_prediction: int
    encoder: Encoder | None
    seed: int
    listeners: tuple[Listener, ...]
    history: list[StepTaken] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._programs = programs_of(self.images, self.box, self.queries_per_prediction)
        plan = self.plan
        if plan.tried:  # views are chosen by the first half: no subject may be in both
            half = max(1, plan.asked // 2)
            first, rest = group_split(self.targets, self.seed, self.groups, half)
            self._order, self._half = np.concatenate([first, rest]), len(first)
        else:
            self._order, self._half = stratified_order(self.targets, self.seed, self.groups), 0
        self._targets = self.targets[self._order]
        self._groups = None if self.groups is None else self.groups[self._order]
        self._n_targets = int(self.targets.max()) + 1
        self._parts: dict[int, list[Scores]] = {}
        self._sight: Sight | None = None
        self._seen: list[NDArray[np.float32]] = []
        if self.recipe.stack or self.encoder is not None or self.queries_per_prediction == 0:
            self._sight, self._seen = look(self.images, self._order, self.encoder)

    @property
    def learnt(self) -> bool:
        """Whether any answer has come in that would be lost."""
        return bool(self._parts)

    @property
    def _answers(self) -> dict[int, Scores]:
        """Answers to each view, (images asked about, source classes), in the fair order."""
        for k, parts in self._parts.items():
            self._parts[k] = [np.concatenate(parts)] if len(parts) > 1 else parts
        return {k: parts[0] for k, parts in self._parts.items()}

    @property
    def plan(self) -> AutoPlan:
        """What the budget allows."""
        return plan_auto(
            len(self.targets),
            self.meter.left("map"),
            len(self._programs),
            self.queries_per_prediction,
        )

    def ask(self) -> str:
        """Ask about the plain view, then about others as long as the budget and their gain last."""
        plan = self.plan
        self._ask([0], plan.asked, "map")
        if plan.candidates:
            self._ask(range(1, plan.candidates + 1), plan.screened, "search")
            self._ask(self._ranked()[: plan.tried], plan.asked, "search")
        elif plan.tried:
            self._ask(range(1, plan.tried + 1), plan.asked, "search")
        if plan.tried:
            return VIEWS_TRIED
        return ALL_ASKED if plan.asked == plan.images else PARTLY_ASKED

    def _ask(self, numbers: Sequence[int], images: int, purpose: Purpose) -> None:
        """Ask about views of the first ``images``, where they have not been asked about yet.

        Image by image and not view by view: a picture is then decoded once for all its views.
        """
        before = {k: len(self._answers.get(k, ())) for k in numbers}
        planned = sum(images - count for count in before.values())
        self._tell(PhaseStarted(spent=self.meter.spent, purpose=purpose, planned=planned))
        asker = self.meter.asker(self.box, purpose)
        stages = {k: Stage(asker, self._programs[k]) for k in numbers}
        begin = min(before.values(), default=images)
        for step, (k, placed) in enumerate(self._placed(numbers, begin, images), start=1):
            scores = stages[k].show(placed)  # first of all: it may fail
            self._parts.setdefault(k, []).append(scores)
            self._tell(StepTaken(spent=self.meter.spent, purpose=purpose, step=step))

    def _placed(
        self, numbers: Sequence[int], begin: int, end: int
    ) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield a view's number and some images as it shows them; the next while the box works."""
        chunk = max(CHUNK, self.box.at_once)
        taken = (
            self.images.take(self._order[start : min(start + chunk, end)])
            for start in range(begin, end, chunk)
        )
        return ahead(place_views({k: self._programs[k].placement for k in numbers}, taken))

    def _ranked(self) -> list[int]:
        plain, others = self._features()
        return self._chooser().ranked(plain, others)

    def read(self) -> tuple[Model, Verdict | None]:
        """Return the model that all answers so far make, and what they brought."""
        if not self._answers:
            return self._model([], fit_reader(self._evidence([]))), None
        chosen = self._choose()
        whole = fit_reader(self._evidence(chosen))
        local = whole.without_answers
        alone = whole.without_sight if chosen == [0] else None
        if alone is None:
            alone = fit_reader(self._evidence([0], local=False)).held_out
        if self.queries_per_prediction == 0:
            whole = fit_reader(self._evidence([], imitated=chosen))
            chosen = []
        return self._model(chosen, whole), self._verdict(chosen, local, alone, whole)

    def read_plain(self) -> Model:
        """Return what can be had at once: the answers to the plain view alone, or none at all."""
        alone = [0] if self._answers and self.queries_per_prediction else []
        return self._model(alone, fit_reader(self._evidence(alone)))

    def _choose(self) -> list[int]:
        asked = len(self._answers[0])
        plain, others = self._features()
        whole = {k: x for k, x in others.items() if len(self._answers[k]) == asked}
        if not whole or self.queries_per_prediction == 0:
            return [0]
        return self._chooser().chosen(plain, whole, self.queries_per_prediction)

    def _chooser(self) -> Chooser:
        counted = self.box.spec.labels_only
        few = self._choosing
        groups = self._subjects(slice(few))
        return Chooser(self._targets[:few], self._n_targets, self._seen, counted, groups)

    @property
    def _choosing(self) -> int:
        """How many images views are chosen by; the verdict is measured on the others."""
        return self._half if len(self._answers) > 1 else 0

    def _subjects(self, rows: slice) -> NDArray[np.intp] | None:
        return None if self._groups is None else self._groups[rows]

    def _features(self) -> tuple[NDArray[np.float32], dict[int, NDArray[np.float32]]]:
        """Return features of the answers to the plain view, and to each other one: the first few.

        A choice looks at no more of them; those of all images would double what answers take.
        """
        features, answers = self._answer_features(), self._answers
        found = {k: features(x[:SAMPLES]).astype(np.float32) for k, x in answers.items()}
        return found.pop(0), found

    def _answer_features(self) -> AnswerFeatures:
        none = np.empty((0, len(self.box.spec.classes)), dtype=np.float32)
        return features_for(self.box.spec, self._answers.get(0, none))

    def _blocks(self, views: Sequence[int]) -> list[NDArray[np.float32]]:
        """Return what a reader is given of the answers to some views."""
        answers, counted = self._answers, self.box.spec.labels_only
        chosen = [answers[k] for k in views]
        return answer_blocks(chosen, self._answer_features(), counted=counted)

    def _evidence(
        self, views: Sequence[int], *, local: bool = True, imitated: Sequence[int] = ()
    ) -> Evidence:
        blocks = self._blocks(views)
        known = slice(None if local else len(blocks[0]))
        return Evidence(
            answers=blocks,
            local=self._seen if local else (),
            imitated=self._blocks(imitated),
            targets=self._targets[known],
            n_targets=self._n_targets,
            seed=self.seed,
            groups=self._subjects(known),
        )

    def _model(self, chosen: Sequence[int], reading: Reading) -> Model:
        balanced = self.recipe.class_weight == "balanced"
        reader = reading.reader.balanced() if balanced else reading.reader
        return Model(
            questions=tuple(Question(self._programs[k]) for k in chosen),
            reading=AllAnswers(
                reader=reader,
                features=self._answer_features(),
                counted=self.box.spec.labels_only,
                sight=self._sight,
            ),
        )

    def _verdict(
        self,
        chosen: Sequence[int],
        local: NDArray[np.float64] | None,
        alone: NDArray[np.float64],
        whole: Reading,
    ) -> Verdict | None:
        fresh = slice(self._choosing, len(alone))
        readings = {}
        if local is not None:
            readings[LOCAL] = (0, local[fresh])
        readings[MAP] = (1, alone[fresh])
        if len(chosen) > 1 and whole.without_sight is not None:
            readings[VIEWS] = (len(chosen), whole.without_sight[fresh])
        readings[WHOLE] = (len(chosen), whole.held_out[fresh])
        if self.recipe.class_weight == "balanced":  # as the model does that is measured
            shift = whole.reader.balanced().offset
            readings = {name: (asked, said + shift) for name, (asked, said) in readings.items()}
        targets, groups = self._targets[fresh], self._subjects(fresh)
        return give_verdict(targets, readings, self._n_targets, self.seed, groups)

    def _tell(self, event: Event) -> None:
        if isinstance(event, StepTaken) and event.purpose == "search":
            self.history.append(event)
        tell(self.listeners, event)
