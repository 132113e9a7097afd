"""The scikit-learn estimator: fit, predict, predict_proba, score."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import validate_data

from rebox.artefact import Artefact, load, save
from rebox.box import BlackBox, Encoder, open_box, open_encoder
from rebox.classifier.checks import (
    are_images,
    check_prediction,
    checked_labels,
    refusals,
    seed_of,
)
from rebox.errors import InvalidData, InvalidOption, NotFitted
from rebox.fit import (
    Inputs,
    LaidOut,
    Listener,
    Outcome,
    PhaseStarted,
    StepTaken,
    compare,
    fit,
    fit_auto,
    tell,
)
from rebox.meter import Budget, Meter, MeteredBox, Spent
from rebox.recipe import Auto, Recipe, recipe_from_name


class Reprogrammer(ClassifierMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn is untyped
    """Teaches a classifier that can only be asked a task of your own, within a budget of queries.

    Parameters
    ----------
    box : str or BlackBox
        A box, or the URI of one, as ``onnx:model.onnx?preprocess=imagenet``.
    recipe : str or Recipe
        A method, with its options as in ``bar?q=5``: one of `rebox.recipe.RECIPES`. ``auto`` needs
        no choice but the budget.
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
        Most US dollars that ``fit`` may spend, at the box's price.
    predict_budget : int or None
        Most queries that all predictions together may ask; None: no cap.
    value_range : (low, high) or None
        Values of images and matrices that read black and white, as (-1, 1) for correlations;
        None: uint8, or floats in [0, 1]. Rows of features are scaled by training.
    random_state : int, RandomState or None
        Fixes every random choice; the same int gives the same model, byte for byte.
    listeners : sequence of callables
        Told of every event of a fit (`rebox.fit.events`).

    Attributes
    ----------
    classes_ : (target classes,)
        Labels, sorted.
    box_ : BlackBox or None
        The opened box; None for a loaded model that answers without one.
    artefact_ : Artefact
        What ``save`` writes.
    meter_ : Meter
        What was asked, by purpose.
    stop_reason_ : str
        Why the fit ended.
    history_ : tuple of StepTaken
        Every step of the search.
    verdict_ : Verdict or None
        What the box brought, by training images held out; None where no reading was held out.
    """

    box_: BlackBox | None

    def __init__(  # noqa: PLR0913 - keyword-only, and each a thing that users ask to set
        self,
        box: str | BlackBox,
        recipe: str | Recipe | Auto = "auto",
        *,
        budget: int | None = 1000,
        queries_per_prediction: int = 1,
        encoder: str | Encoder | Callable[[list[NDArray[Any]]], Any] | None = None,
        verdict: bool = False,
        max_usd: float | None = None,
        predict_budget: int | None = None,
        value_range: tuple[float, float] | None = None,
        random_state: int | np.random.RandomState | None = None,
        listeners: Sequence[Listener] = (),
    ) -> None:
        self.box = box
        self.recipe = recipe
        self.budget = budget
        self.queries_per_prediction = queries_per_prediction
        self.encoder = encoder
        self.verdict = verdict
        self.max_usd = max_usd
        self.predict_budget = predict_budget
        self.value_range = value_range
        self.random_state = random_state
        self.listeners = listeners

    def fit(self, X: Any, y: ArrayLike) -> Self:
        """Fit program and mapping.

        Parameters
        ----------
        X : (n, h, w[, channels]) array, sequence of images, ImageFiles, or (n, d) rows
            uint8 images, floats in [0, 1] or ``value_range``, or rows of features.
        y : (n,)
            Labels of at least two classes.

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
        recipe = recipe_from_name(self.recipe) if isinstance(self.recipe, str) else self.recipe
        check_prediction(recipe, self.queries_per_prediction, self.encoder)
        X, labels = self._checked_training(X, y)
        classes, targets = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise InvalidData(
                f"found one class only ({str(classes[0])!r}); a classifier needs 2 or more."
            )
        box = open_box(self.box) if isinstance(self.box, str) else self.box
        meter = self._meter(box)
        inputs = Inputs.fit(X, self.value_range)
        images = LaidOut(inputs, X)
        images.check()
        seed = seed_of(self.random_state)
        self.__dict__.pop("artefact_", None)  # of an earlier fit
        self.box_, self.meter_ = box, meter
        outcome = self._run(recipe, box, images, targets.astype(np.intp), seed)
        self.artefact_ = Artefact(
            inputs=inputs,
            model=outcome.model,
            classes=classes,
            recipe=recipe.name,
            seed=seed,
            box_identity=box.spec.identity,
            box_uri=box.uri,
            box_classes=len(box.spec.classes),
            queries=meter.spent.by_purpose(),
            verdict=outcome.verdict,
        )
        self.classes_, self.verdict_ = classes, outcome.verdict
        self.stop_reason_, self.history_ = outcome.reason, outcome.history
        if outcome.error is not None:
            raise outcome.error
        return self

    def _run(
        self,
        recipe: Recipe | Auto,
        box: BlackBox,
        images: LaidOut,
        targets: NDArray[np.intp],
        seed: int,
    ) -> Outcome:
        meter = self.meter_
        if isinstance(recipe, Recipe):
            outcome = fit(recipe, box, meter, images, targets, seed=seed, listeners=self.listeners)
            if self.verdict and len(outcome.scores):
                asked, scores = outcome.asked, outcome.scores
                found = compare(images, targets, asked, scores, box.spec, seed)
                return replace(outcome, verdict=found)
            return outcome
        return fit_auto(
            recipe,
            box,
            meter,
            images,
            targets,
            queries_per_prediction=int(self.queries_per_prediction),
            encoder=None if self.encoder is None else open_encoder(self.encoder),
            seed=seed,
            listeners=self.listeners,
        )

    def _meter(self, box: BlackBox) -> Meter:
        """Return the meter of a fit, refusing budgets that cap nothing or pay for nothing."""
        if self.budget is None and self.max_usd is None:
            raise InvalidOption("no budget was given: pass budget=N queries or max_usd=X.")
        meter = Meter(
            box.spec.price_usd,
            Budget(queries=self.budget, usd=self.max_usd),
            Budget(queries=self.predict_budget),
        )
        if meter.left() is None:
            raise InvalidOption("max_usd caps nothing on a free box: pass budget=N queries.")
        if meter.left() == 0:
            raise InvalidOption(
                f"${self.max_usd} does not pay for one query at ${box.spec.price_usd} each: "
                "raise max_usd."
            )
        return meter

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return (n, classes) probabilities of ``X``, in the order of ``classes_``.

        As many queries for each image as ``queries_per_prediction_``.

        Raises
        ------
        NotFitted
            There is no fitted model.
        BudgetExhausted
            ``predict_budget`` does not pay for all of ``X``; nothing was asked.
        """
        self._check_fitted()
        X = self._checked(X)
        planned = len(X) * self.queries_per_prediction_
        self.meter_.check(planned, "predict")  # before the first of several batches is paid for
        LaidOut(self.artefact_.inputs, X).check()
        box = None if self.box_ is None else MeteredBox(self.box_, self.meter_, "predict")
        tell(
            self.listeners,
            PhaseStarted(spent=self.meter_.spent, purpose="predict", planned=planned),
        )
        batches = []
        for step, batch in enumerate(self.artefact_.batches(box, X), start=1):
            batches.append(batch)
            answered = StepTaken(spent=self.meter_.spent, purpose="predict", step=step)
            tell(self.listeners, answered)
        return np.concatenate(batches)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the (n,) most probable labels of ``X``; it asks as `predict_proba` does."""
        probabilities = self.predict_proba(X)
        labels: NDArray[Any] = self.classes_[probabilities.argmax(axis=1)]
        return labels

    @property
    def queries_per_prediction_(self) -> int:
        """How many queries the prediction of one image asks."""
        self._check_fitted()
        return len(self.artefact_.model.questions)

    @property
    def spent_(self) -> Spent:
        """What the fit and every prediction since have asked."""
        self._check_fitted()
        return self.meter_.spent

    def save(self, path: str | Path) -> None:
        """Write the model to ``path``, whole or not at all."""
        self._check_fitted()
        save(self.artefact_, path)

    @classmethod
    def load(
        cls,
        path: str | Path,
        box: str | BlackBox | None = None,
        *,
        encoder: str | Encoder | Callable[[list[NDArray[Any]]], Any] | None = None,
        predict_budget: int | None = None,
        listeners: Sequence[Listener] = (),
    ) -> Self:
        """Return the model in ``path``, ready to predict.

        Parameters
        ----------
        path : str or Path
            A file that ``save`` wrote.
        box : str, BlackBox or None
            The box it was fitted for; None: opened from the URI in the file, or no box at all for a
            model that answers without one.
        encoder : str, Encoder, callable or None
            The encoder it was fitted with; None: opened from the URI in the file, if there is one.
        predict_budget : int or None
            Most queries that predictions may ask.
        listeners : sequence of callables
            Told how predictions go on.

        Raises
        ------
        ArtefactError
            The file cannot be used.
        BoxMismatch
            The box is another one.
        """
        artefact = load(path, None if encoder is None else open_encoder(encoder))
        source = box if box is not None else artefact.box_uri
        opened: BlackBox | None = None
        if artefact.model.questions or box is not None:
            if source is None:
                raise InvalidOption(
                    f"{path} was fitted for a box made in Python ({artefact.box_identity}): "
                    "pass it as box=."
                )
            opened = open_box(source) if isinstance(source, str) else source
            artefact.check_box(opened)
        model = cls(
            opened or artefact.box_uri or artefact.box_identity,
            artefact.recipe,
            budget=None,
            queries_per_prediction=len(artefact.model.questions),
            predict_budget=predict_budget,
            listeners=listeners,
        )
        model.artefact_, model.verdict_ = artefact, artefact.verdict
        model.stop_reason_, model.history_ = "loaded from a file", ()
        if artefact.inputs.rows is not None:
            model.n_features_in_ = len(artefact.inputs.rows.low)
        model.box_, model.classes_ = opened, artefact.classes
        price_usd = 0.0 if opened is None else opened.spec.price_usd
        model.meter_ = Meter(price_usd, prediction=Budget(queries=predict_budget))
        return model

    def _checked_training(self, X: Any, y: Any) -> tuple[Any, NDArray[Any]]:
        """Return X and y, checked; rows go by scikit-learn's rules, images by ours."""
        if y is None:
            raise InvalidData("Reprogrammer requires y to be passed, but the target y is None.")
        if isinstance(y, np.ndarray) and y.dtype.kind == "S":  # as some .npz files hold text
            y = y.astype(str)
        if are_images(X):
            return X, checked_labels(y, len(X))
        with refusals():
            X, y = validate_data(self, X, y, dtype=np.float64, ensure_min_samples=2)
        return X, checked_labels(y, len(X))

    def _checked(self, X: Any) -> Any:
        if are_images(X):
            return X
        with refusals():
            return validate_data(self, X, reset=False, dtype=np.float64)

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise NotFitted(
                f"this {type(self).__name__} is not fitted yet: call fit, or load a model."
            )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "artefact_")
