"""The scikit-learn estimator: how it is fitted; `Fitted` and `Movable` are what it can do then."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rebox.artefact import Artefact, BoxRecord
from rebox.box import BlackBox, Encoder, open_encoder, warn_of_leaving, words_of_leaving
from rebox.classifier.accounts import (
    JournalChoice,
    account_of,
    checked_budgets,
    one_or_all,
    open_meter,
)
from rebox.classifier.boxes import BoxChoice, open_asked, settled
from rebox.classifier.canaries import MOST_CANARIES, ask_canaries, warn_of_none
from rebox.classifier.checks import (
    PredictionPace,
    check_aliases,
    check_pace,
    check_prediction,
    checked_objective,
    checked_training,
    pace_of,
    seed_of,
)
from rebox.classifier.hearing import hear
from rebox.classifier.movable import Movable
from rebox.decision import Order
from rebox.errors import InvalidOption
from rebox.fit import Leaving, Listener, Question, Session, fit, tell
from rebox.fit.opinions import all_named
from rebox.meter import Budget
from rebox.option import whole
from rebox.program import TEMPLATES, templates_of
from rebox.recipe import Recipe, Searched, recipe_from_name
from rebox.sample.loader import SampleLoader

LOG = logging.getLogger(__name__)


class Reprogrammer(Movable):
    """Teaches a classifier that can only be asked a task of your own, within a budget of queries.

    Parameters
    ----------
    box : str, BlackBox, list of them or None
        A box, or the URI of one, as ``onnx:model.onnx?preprocess=imagenet``; several that may be
        asked, each at its price; the recipe ``local`` needs none, and opens none.
    recipe : str or Recipe
        A method, with its options as in ``bar?q=5``: one of `rebox.recipe.RECIPES`. ``auto`` needs
        no choice but the budget; ``local`` asks nobody and needs none.
    budget : int or None
        Most queries (images answered by a box) that ``fit`` may ask, of all boxes together.
        Predictions are counted apart.
    queries_per_prediction : int, float or None
        A whole number: most queries that the prediction of one sample may ask; 0 answers without
        the box, by a local student of it. Another number, as 0.3: the mean over many predictions,
        each of which asks only as far as it pays. None: one query of each box. All recipes but
        ``auto`` take 1.
    usd_per_prediction : float or None
        Mean US dollars that a prediction may cost over many, as for a mean of queries; both hold
        where both are given.
    max_usd_per_prediction : float or None
        Most US dollars that any one prediction may cost; boxes that cost more are not asked
        together.
    aliases : mapping or None
        What boxes call your classes where they have other names for them: ``{"joy": "happiness"}``.
    verdict : bool
        Whether fits of named recipes are compared with a local model, which takes seconds and asks
        nobody; ``auto`` always is.
    templates : sequence of str or None
        How texts are shown to a box, each with ``{text}`` where the text goes, as ``["Review:
        {text}"]``; the first is the one that they are asked about by, the others are views, which
        ``auto`` asks about where they pay. None: the text as it is, and a few usual ones.
    encoder : str, Encoder, callable or None
        A feature extractor of your own, as ``onnx:encoder.onnx?preprocess=imagenet`` or a function
        of a list of images, or of texts, which runs here; ``auto`` reads its features beside the
        answers.
    max_usd : float or None
        Most US dollars that ``fit`` may spend on all boxes together, at their prices, which have to
        be known.
    predict_budget : int or None
        Most queries that all predictions of this object together may ask, and with an ``account``
        all that it has ever paid for; None: no cap.
    journal : str, Path, bool or None
        File that keeps every question and answer, so that nothing is paid for twice. True: the
        user's own; False: none; None: the user's own for services that cost money.
    account : str or None
        Who pays: the budgets hold for all that the journal has under this name, by whatever
        process, and a fit plans with what others have left of it. None: an account for this fit
        alone, the same when it is repeated.
    batch : bool
        Whether a service's questions leave in batches, all of a round together, which it answers
        within a day at half price. They are written down in the journal before they leave: whatever
        ends this process, the same fit run again finds them, waits and goes on. For ``auto`` and
        recipes that ask once; canaries are asked at once, at the usual price.
    local_only : bool
        Whether boxes that are asked elsewhere are refused, before one is opened: nothing leaves
        this machine.
    canaries : int or None
        Fixed images that a fit asks at its end, from what is left of the budget, so that
        `check_box` can tell later whether the box has changed. None: 3 for ``auto`` on a service,
        else 0.
    objective : str or dict
        What `predict` decides for: ``accuracy``, ``balanced_accuracy``, ``kappa`` (quadratic; of
        ordered classes), ``{"sensitivity": {"class": NAME, "at_least": 0.9}}`` or ``{"costs":
        matrix}``, what it costs to say each class (columns) of each true one (rows), in the order
        of ``classes_``; also ``"sensitivity:NAME>=0.9"`` and ``"costs:FILE.csv"``. Chosen on
        training samples held out; all but accuracy take ``auto``, ``local`` or ``map``.
        `predict_proba` is the same for all.
    ordered : bool or sequence
        Whether the classes are grades in their sorted order; or all of them, from the least on.
    value_range : (low, high) or None
        Values of images and matrices that read black and white, as (-1, 1) for correlations;
        None: uint8, or floats in [0, 1]. Rows of features are scaled by training.
    random_state : int, RandomState or None
        Fixes every random choice; the same int gives the same model, byte for byte.
    listeners : sequence of callables
        Told of every event of a fit (`rebox.fit.events`).
    verbose : int
        0: say nothing; 1: print each phase, what it asked and cost, and the verdict; 2: every step.

    Attributes
    ----------
    classes_ : (target classes,)
        Labels, sorted.
    boxes_ : tuple of BlackBox
        The opened boxes, as questions name them by their place; `rebox.box.Nobody` for one that is
        not asked.
    box_ : BlackBox or None
        The first of them that is asked, or the only one; None where nobody is.
    artefact_ : Artefact
        What ``save`` writes.
    meter_ : Meter
        What was asked, by purpose.
    stop_reason_ : str
        Why the fit ended.
    n_answered_, n_read_ : int
        Answers that came in for the fit, and how many of them had a part in the model: all, unless
        it was cut short in the middle of a step.
    history_ : tuple of StepTaken
        Every step of the search.
    verdict_ : Verdict or None
        What the box brought, by training samples held out; None where no reading was held out.
    promised_ : OperatingPoint or None
        What decisions are worth by the objective, by training samples held out.
    note_ : str
        What the objective leaves undone, in a sentence; empty where there is nothing to say.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, and each a thing that users ask to set
        self,
        box: BoxChoice = None,
        recipe: str | Recipe = "auto",
        *,
        budget: int | None = 1000,
        queries_per_prediction: float | None = None,
        usd_per_prediction: float | None = None,
        max_usd_per_prediction: float | None = None,
        aliases: Mapping[str, str | Sequence[str]] | None = None,
        templates: Sequence[str] | None = None,
        encoder: str | Encoder | Callable[[list[Any]], Any] | None = None,
        verdict: bool = False,
        max_usd: float | None = None,
        predict_budget: int | None = None,
        journal: JournalChoice = None,
        account: str | None = None,
        batch: bool = False,
        local_only: bool = False,
        canaries: int | None = None,
        objective: str | Mapping[str, Any] = "accuracy",
        ordered: Order = False,
        value_range: tuple[float, float] | None = None,
        random_state: int | np.random.RandomState | None = None,
        listeners: Sequence[Listener] = (),
        verbose: int = 0,
    ) -> None:
        self.box = box
        self.recipe = recipe
        self.budget = budget
        self.queries_per_prediction = queries_per_prediction
        self.usd_per_prediction = usd_per_prediction
        self.max_usd_per_prediction = max_usd_per_prediction
        self.aliases = aliases
        self.templates = templates
        self.encoder = encoder
        self.verdict = verdict
        self.max_usd = max_usd
        self.predict_budget = predict_budget
        self.journal = journal
        self.account = account
        self.batch = batch
        self.local_only = local_only
        self.canaries = canaries
        self.objective = objective
        self.ordered = ordered
        self.value_range = value_range
        self.random_state = random_state
        self.listeners = listeners
        self.verbose = verbose

    def fit(self, X: Any, y: ArrayLike, groups: Any = None) -> Self:
        """Fit program and mapping.

        Parameters
        ----------
        X : (n, h, w[, channels]) array, images or paths in a list, ImageFiles, (n, d) rows, Samples
            uint8 images, floats in [0, 1] or ``value_range``, Pillow's images, files, or rows of
            features; also as arrays, series and frames of other libraries. `rebox.Samples` are
            known by ids, for a box that is asked by those, alone or beside what they show.
        y : (n,)
            Labels of at least two classes.
        groups : (n,) labels that can be hashed, or None
            The subject, such as a patient or a lesion, that each sample shows. What is held out to
            choose and to judge is then held out with all samples of its subject; without them, or
            with a subject for each sample, several images of one would be on both sides, and the
            verdict would be too good. None: samples of the same id, or of the same text, show one,
            all others their own.

        Raises
        ------
        InvalidInput
            The data or an option cannot be used; nothing was asked.
        BoxError
            The box could not be opened or did not answer.

        Notes
        -----
        Whatever ends a fit after some answers have come in, Ctrl-C or a failing box, is raised, but
        the model keeps what they taught it: it can predict and be saved. ``meter_`` has the count.
        """
        recipe = self.checked_recipe()
        X, classes, targets = checked_training(self, X, y)
        objective = checked_objective(recipe, self.objective, self.ordered, classes)
        subjects = X.subjects(groups)
        boxes = open_asked(self.box, recipe, X, batch=self.batch, local_only=self.local_only)
        check_aliases(self.aliases, classes, boxes)
        budgets = Budget(), Budget()
        if recipe.way.asks:
            check_pace(boxes, self)
            budgets = checked_budgets(boxes, self.budget, self.max_usd, self.predict_budget)
        names = getattr(self, "feature_names_in_", ())
        samples = SampleLoader.of_training(X, self.value_range, names)
        samples.check()
        if samples.images is not None:
            samples.images.warn_of_range()
        session = self._session(recipe, boxes, budgets, samples, classes, targets, subjects)
        outcome = fit(recipe, replace(session, objective=objective))
        artefact = Artefact(
            inputs=samples.inputs,
            model=outcome.model,
            classes=classes,
            recipe=recipe.name,
            seed=session.seed,
            boxes=self._records(outcome.model.questions, {}),
            verdict=outcome.verdict,
            objective=objective,
            promised=outcome.decided.promised,
            sets=outcome.decided.sets,
            texts=samples.texts is not None,
        )
        self._take(artefact, outcome.reason, outcome.history)
        self.n_answered_, self.n_read_ = outcome.answered, outcome.read
        self.note_ = outcome.decided.note
        if outcome.error is not None:
            raise outcome.error
        asked = {question.box for question in artefact.model.questions}
        those = {place: self.boxes_[place].live for place in sorted(asked)}
        canaries = ask_canaries(those, self.meter_, self.canaries, recipe.way.canaries)
        records = self._records(artefact.model.questions, canaries)
        self.artefact_ = replace(artefact, boxes=records)
        if self.canaries:
            warn_of_none(those, canaries, self.meter_, self.canaries)
        return self

    def _records(
        self, questions: Sequence[Question], canaries: Mapping[int, NDArray[np.float32]]
    ) -> tuple[BoxRecord, ...]:
        """Return what is written of each box, with the ``canaries`` that it has answered."""
        boxes = (box.live for box in self.boxes_)  # whatever this fit's batches cost
        each = enumerate(zip(boxes, self.meter_.spent_by_box, strict=True))
        records = (
            (place, BoxRecord.of(box, spent.by_purpose()).priced(questions, place))
            for place, (box, spent) in each
        )
        return tuple(
            replace(record, canaries=canaries[place]) if place in canaries else record
            for place, record in records
        )

    def checked_recipe(self) -> Recipe:
        """Return the recipe, or raise `InvalidOption` where other options do not go with it."""
        recipe = recipe_from_name(self.recipe) if isinstance(self.recipe, str) else self.recipe
        check_prediction(recipe, self)
        whole("verbose", self.verbose, at_least=0)
        if self.batch and isinstance(recipe.way, Searched):
            raise InvalidOption(
                f"the recipe {recipe.name!r} asks again after every answer, and a batch takes up "
                "to a day: leave batch out, or use recipe='auto'."
            )
        if self.canaries is not None and not 0 <= self.canaries <= MOST_CANARIES:
            raise InvalidOption(
                f"canaries must lie in 0 to {MOST_CANARIES}, found {self.canaries}."
            )
        return recipe

    def _session(
        self,
        recipe: Recipe,
        boxes: tuple[BlackBox, ...],
        budgets: tuple[Budget, Budget],
        samples: SampleLoader,
        classes: NDArray[Any],
        targets: NDArray[np.intp],
        groups: NDArray[np.int64] | None,
    ) -> Session:
        """Return what a fit is handed, and become the model of these boxes and this meter."""
        seed, pace = seed_of(self.random_state), pace_of(self, len(boxes))
        encoder = None if self.encoder is None else open_encoder(self.encoder)
        # recipes of a user's own may share a name, and must not share an account
        method = recipe.name if isinstance(self.recipe, str) else repr(recipe)
        meter = open_meter(
            boxes,
            training=budgets[0],
            prediction=budgets[1],
            journal=self.journal if recipe.way.asks else False,
            fit=lambda epochs: account_of(
                boxes,
                method,
                samples,
                targets,
                seed,
                groups,
                epoch=one_or_all(epochs),
                **self._asks(pace, boxes, classes),
            ),
            account=self.account if recipe.way.asks else None,
        )
        self.__dict__.pop("artefact_", None)  # of an earlier fit
        for words in words_of_leaving(boxes):
            tell(self._told, Leaving(spent=meter.spent, words=words))
        if not self._told and not LOG.isEnabledFor(logging.INFO):  # nobody has heard that
            warn_of_leaving(boxes)
        boxes = settled(boxes, meter)
        self.boxes_, self.meter_ = boxes, meter
        hear(self, meter)
        return Session(
            boxes=boxes,
            meter=meter,
            samples=samples,
            targets=targets,
            seed=seed,
            subjects=groups,
            **pace.of_session,
            named=classes.tolist(),
            aliases=self.aliases or {},
            templates=templates_of(self.templates),
            encoder=encoder,
            compare=self.verdict,
            listeners=self._told,
        )

    def _asks(
        self, pace: PredictionPace, boxes: tuple[BlackBox, ...], classes: NDArray[Any]
    ) -> dict[str, Any]:
        """Return what else tells a fit from others, as other questions are asked for it."""
        aliases = self.aliases or {}
        means = pace.mean_queries, pace.mean_usd, self.max_usd_per_prediction
        named = len(boxes) == 1 and all_named(boxes[0], classes.tolist(), aliases)
        return {
            "views": pace.most,
            **({"paced": True} if any(mean is not None for mean in means) else {}),
            **({"named": True} if named else {}),
            **({"aliases": sorted(aliases.items())} if aliases else {}),
            **({"templates": own} if (own := templates_of(self.templates)) != TEMPLATES else {}),
        }
