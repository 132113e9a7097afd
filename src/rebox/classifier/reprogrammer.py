"""The scikit-learn estimator: how it is fitted; `Fitted` is what it can do then."""

import contextlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import validate_data

from rebox.artefact import Artefact, BoxRecord
from rebox.box import BlackBox, Encoder, Nobody, canary_images, open_box, open_encoder
from rebox.classifier.accounts import JournalChoice, account_of, checked_budgets, open_meter
from rebox.classifier.checks import (
    check_lengths,
    check_prediction,
    checked_labels,
    checked_objective,
    refusals,
    seed_of,
)
from rebox.classifier.fitted import Fitted
from rebox.decision import Order
from rebox.errors import Error, InvalidData, InvalidOption
from rebox.fit import Listener, Session, fit
from rebox.meter import Budget
from rebox.option import whole
from rebox.recipe import Recipe, recipe_from_name
from rebox.sample.forms import are_images, as_array, as_samples
from rebox.sample.inputs import Inputs
from rebox.sample.labels import warn_of_spellings
from rebox.sample.loader import ImageLoader
from rebox.subject import encode_groups

MOST_CANARIES = 100


class Reprogrammer(Fitted):
    """Teaches a classifier that can only be asked a task of your own, within a budget of queries.

    Parameters
    ----------
    box : str, BlackBox or None
        A box, or the URI of one, as ``onnx:model.onnx?preprocess=imagenet``; the recipe ``local``
        needs none, and opens none.
    recipe : str or Recipe
        A method, with its options as in ``bar?q=5``: one of `rebox.recipe.RECIPES`. ``auto`` needs
        no choice but the budget; ``local`` asks nobody and needs none.
    budget : int or None
        Most queries (images answered by the box) that ``fit`` may ask. Predictions are counted
        apart.
    queries_per_prediction : int
        Most queries that the prediction of one image may ask; 0 answers without the box, by a local
        student of it. All recipes but ``auto`` take 1.
    verdict : bool
        Whether fits of named recipes are compared with a local model, which takes seconds and asks
        nobody; ``auto`` always is.
    encoder : str, Encoder, callable or None
        A feature extractor of your own, as ``onnx:encoder.onnx?preprocess=imagenet`` or a function
        of a list of images, which runs here; ``auto`` reads its features beside the answers.
    max_usd : float or None
        Most US dollars that ``fit`` may spend, at the box's price, which has to be known.
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
    canaries : int or None
        Fixed images that a fit asks at its end, from what is left of the budget, so that
        `check_box` can tell later whether the box has changed. None: 3 for ``auto`` on a service,
        else 0.
    objective : str or dict
        What `predict` decides for: ``accuracy``, ``balanced_accuracy``, ``kappa`` (quadratic; of
        ordered classes), ``{"sensitivity": {"class": NAME, "at_least": 0.9}}`` or ``{"costs":
        matrix}``, what it costs to say each class (columns) of each true one (rows), in the order
        of ``classes_``; also ``"sensitivity:NAME>=0.9"`` and ``"costs:FILE.csv"``. Chosen on
        training images held out; all but accuracy take ``auto``, ``local`` or ``map``.
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
    box_ : BlackBox or None
        The opened box; None where nobody is asked, and for a loaded model that answers without one.
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
        What the box brought, by training images held out; None where no reading was held out.
    promised_ : OperatingPoint or None
        What decisions are worth by the objective, by training images held out.
    note_ : str
        What the objective leaves undone, in a sentence; empty where there is nothing to say.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, and each a thing that users ask to set
        self,
        box: str | BlackBox | None = None,
        recipe: str | Recipe = "auto",
        *,
        budget: int | None = 1000,
        queries_per_prediction: int = 1,
        encoder: str | Encoder | Callable[[list[NDArray[Any]]], Any] | None = None,
        verdict: bool = False,
        max_usd: float | None = None,
        predict_budget: int | None = None,
        journal: JournalChoice = None,
        account: str | None = None,
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
        self.encoder = encoder
        self.verdict = verdict
        self.max_usd = max_usd
        self.predict_budget = predict_budget
        self.journal = journal
        self.account = account
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
        X : (n, h, w[, channels]) array, list of images or of paths, ImageFiles, or (n, d) rows
            uint8 images, floats in [0, 1] or ``value_range``, Pillow's images, files, or rows of
            features; also as arrays, series and frames of other libraries.
        y : (n,)
            Labels of at least two classes.
        groups : (n,) labels that can be hashed, or None
            The subject, such as a patient or a lesion, that each sample shows. What is held out to
            choose and to judge is then held out with all samples of its subject; without them, or
            with a subject for each sample, several images of one would be on both sides, and the
            verdict would be too good.

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
        X, classes, targets = self._checked_training(X, y)
        objective = checked_objective(recipe, self.objective, self.ordered, classes)
        subjects = encode_groups(as_array(groups), len(X), least=2)
        box = self._opened(recipe)
        budgets = Budget(), Budget()
        if recipe.way.asks:
            budgets = checked_budgets(box, self.budget, self.max_usd, self.predict_budget)
        names = getattr(self, "feature_names_in_", ())
        images = ImageLoader(Inputs.fit(X, self.value_range, names), X)
        images.check()
        images.warn_of_range()
        session = self._session(recipe, box, budgets, images, targets, subjects)
        outcome = fit(recipe, replace(session, objective=objective))
        artefact = Artefact(
            inputs=images.inputs,
            model=outcome.model,
            classes=classes,
            recipe=recipe.name,
            seed=session.seed,
            boxes=(BoxRecord.of(box, self.meter_.spent.by_purpose()),),
            verdict=outcome.verdict,
            objective=objective,
            promised=outcome.decided.promised,
            sets=outcome.decided.sets,
        )
        self._take(artefact, outcome.reason, outcome.history)
        self.n_answered_, self.n_read_ = outcome.answered, outcome.read
        self.note_ = outcome.decided.note
        if outcome.error is not None:
            raise outcome.error
        canaries = self._ask_canaries(box, recipe.way.canaries)  # last: the model is there
        queries = self.meter_.spent.by_purpose()
        record = replace(artefact.box, canaries=canaries, queries=queries)
        self.artefact_ = replace(artefact, boxes=(record,))
        self._warn_of_canaries()
        return self

    def checked_recipe(self) -> Recipe:
        """Return the recipe, or raise `InvalidOption` where other options do not go with it."""
        recipe = recipe_from_name(self.recipe) if isinstance(self.recipe, str) else self.recipe
        check_prediction(recipe, self.queries_per_prediction, self.encoder)
        whole("verbose", self.verbose, at_least=0)
        if self.canaries is not None and not 0 <= self.canaries <= MOST_CANARIES:
            raise InvalidOption(
                f"canaries must lie in 0 to {MOST_CANARIES}, found {self.canaries}."
            )
        return recipe

    def _opened(self, recipe: Recipe) -> BlackBox:
        """Return the box, opened if need be, or `Nobody` for a recipe that asks none."""
        if not recipe.way.asks:
            return Nobody()
        if self.box is None:
            raise InvalidOption(
                f"the recipe {recipe.name!r} asks a box: pass box=URI, or recipe='local', which "
                "asks nobody."
            )
        return self.box if isinstance(self.box, BlackBox) else open_box(self.box)

    def _session(
        self,
        recipe: Recipe,
        box: BlackBox,
        budgets: tuple[Budget, Budget],
        images: ImageLoader,
        targets: NDArray[np.intp],
        groups: NDArray[np.int64] | None,
    ) -> Session:
        """Return what a fit is handed, and become the model of this box and this meter."""
        seed, views = seed_of(self.random_state), int(self.queries_per_prediction)
        encoder = None if self.encoder is None else open_encoder(self.encoder)
        # recipes of a user's own may share a name, and must not share an account
        method = recipe.name if isinstance(self.recipe, str) else repr(recipe)
        meter = open_meter(
            box,
            training=budgets[0],
            prediction=budgets[1],
            journal=self.journal if recipe.way.asks else False,
            fit=lambda epoch: account_of(
                box, method, images, targets, seed, groups, views=views, epoch=epoch
            ),
            account=self.account if recipe.way.asks else None,
        )
        self.__dict__.pop("artefact_", None)  # of an earlier fit
        self.box_, self.meter_ = box if recipe.way.asks else None, meter
        return Session(
            box=box,
            meter=meter,
            samples=images,
            targets=targets,
            seed=seed,
            subjects=groups,
            queries_per_prediction=views,
            encoder=encoder,
            compare=self.verdict,
            listeners=self._told,
        )

    def _ask_canaries(self, box: BlackBox, usual: int) -> NDArray[np.float32]:
        """Return the box's answers to the canaries, or none where they are not paid for."""
        k = self.canaries if self.canaries is not None else usual if box.source.remote else 0
        left = self.meter_.left("probe")
        if k and self.artefact_.model.questions and (left is None or left >= k):
            # a canary that is not answered must not cost the model that has just been paid for
            with contextlib.suppress(Error):
                return self.meter_.asker(box, "probe").ask(canary_images(box.spec, k))
        return np.empty((0, 0), dtype=np.float32)

    def _warn_of_canaries(self) -> None:
        """Say that canaries were wanted, and the model has none: a later check would be refused."""
        if not self.canaries or len(self.artefact_.box.canaries):
            return
        if not self.artefact_.model.questions:
            why = "the model asks no box that could change"
        elif self.spent_.probe:
            why = "the box failed to answer them"
        else:
            left = self.meter_.left("probe") or 0
            why = f"the budget had {left} queries left for them: raise it by {self.canaries - left}"
        warnings.warn(
            f"canaries={self.canaries} were wanted, and there are none: {why}.",
            UserWarning,
            stacklevel=3,
        )

    def _checked_training(self, X: Any, y: Any) -> tuple[Any, NDArray[Any], NDArray[np.intp]]:
        """Return X, the classes, and the class of each row; scikit-learn's rules hold for rows."""
        for fact in ("n_features_in_", "feature_names_in_"):  # of an earlier fit
            self.__dict__.pop(fact, None)
        with refusals():
            X = as_samples(X)
            if not are_images(X):
                X = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        labels = checked_labels(y)
        check_lengths(X, labels)
        classes, targets = np.unique(labels, return_inverse=True)
        warn_of_spellings(classes)
        if len(classes) < 2:
            raise InvalidData(
                f"found one class only ({str(classes[0])!r}); a classifier needs 2 or more."
            )
        return X, classes, targets.astype(np.intp)
