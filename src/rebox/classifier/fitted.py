"""The fitted half of the estimator: predict, save and load, ask whether the box has changed."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError

from rebox.artefact import Artefact, digest_of, load, save
from rebox.box import BlackBox, Drift, Encoder, Nobody, open_encoder
from rebox.classifier.accounts import JournalChoice, one_or_all, open_meter
from rebox.classifier.boxes import (
    BoxChoice,
    check_recorded_stays,
    in_batches,
    listed,
    open_recorded,
    warn_of_gone,
)
from rebox.classifier.canaries import drift_of
from rebox.classifier.checks import checked_samples
from rebox.classifier.deciding import Deciding
from rebox.classifier.going_on import KeepingAsker, batches_of_several
from rebox.classifier.hearing import hear
from rebox.decision import OperatingPoint
from rebox.errors import Error
from rebox.fit import (
    Batch,
    Listener,
    Model,
    PhaseStarted,
    ProgressLines,
    StepTaken,
    Verdict,
    tell,
)
from rebox.fit.rounds import MANY
from rebox.fit.suited import check_predictions
from rebox.meter import Budget, JournalParameter, Meter, Spent
from rebox.notebook import facts
from rebox.sample.loader import SampleLoader


class NotFitted(Error, NotFittedError):  # type: ignore[misc] # scikit-learn is untyped
    """A prediction was asked for before ``fit``."""


class Fitted(Deciding):
    """What a fitted, or loaded, model can do.

    Attributes
    ----------
    classes_, boxes_, box_, artefact_, meter_, stop_reason_, history_, verdict_, promised_
        As for `rebox.Reprogrammer`.
    """

    predict_budget: int | None
    journal = JournalParameter()
    account: str | None
    batch: bool
    listeners: Sequence[Listener]
    verbose: int
    classes_: NDArray[Any]
    boxes_: tuple[BlackBox, ...]
    artefact_: Artefact
    meter_: Meter
    stop_reason_: str
    history_: tuple[StepTaken, ...]
    verdict_: Verdict | None
    promised_: OperatingPoint | None

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return (n, classes) probabilities of ``X``, in the order of ``classes_``.

        As many queries for each image as ``queries_per_prediction_``.

        Raises
        ------
        NotFitted
            There is no fitted model.
        BudgetExhausted
            ``predict_budget`` does not pay for all of ``X``; nothing was asked.

        Notes
        -----
        What ends it midway, a box that fails, a quota, a listener or Ctrl-C, is raised with the
        probabilities of the first k images, which have been paid for, as its attribute
        ``answered``, of shape (k, classes).
        """
        self._check_fitted()
        batches = [np.empty((0, len(self.classes_)))]
        try:
            for batch in self.predict_proba_batches(X):
                batches.append(batch)
        except BaseException as error:
            error.answered = np.concatenate(batches)  # type: ignore[attr-defined] # one of our own
            raise
        return np.concatenate(batches)

    def predict_proba_batches(self, X: Any) -> Iterator[NDArray[np.float64]]:
        """Yield the rows of `predict_proba`, (k, classes) at a time, as the box answers them.

        Whoever leaves off has paid for the rows there are and for no more. All together are those
        of `predict_proba`, to the bit; it raises as that does, when the first are asked for.
        """
        return (batch.probabilities for batch in self.predict_batches(X))

    def predict_batches(self, X: Any) -> Iterator[Batch]:
        """Yield what `predict_proba_batches` does, with the boxes that were asked of each sample.

        ``asked`` of a batch is of shape (k, boxes): all of them, but of a model with a policy.
        """
        samples = self.checked(X)
        planned = len(samples) * self.queries_per_prediction_
        self.meter_.account.begin_predictions()
        policy = self._model.policy
        if policy is not None and policy.mean_asked is not None:
            planned = math.ceil(len(samples) * policy.mean_asked)
        if policy is None or len(samples) >= MANY:  # a few may ask less, or more
            self.meter_.check(planned, "predict")  # before the first of several batches is paid for
        samples.check()
        told = self._told
        tell(told, PhaseStarted(spent=self.meter_.spent, purpose="predict", planned=planned))
        for step, batch in enumerate(self._answered(samples), start=1):
            yield batch  # before others are told, who might interrupt
            tell(told, StepTaken(spent=self.meter_.spent, purpose="predict", step=step))

    def checked(self, X: Any) -> SampleLoader:
        """Return samples as the model takes them, whose images are not looked at yet; ask nobody.

        Raises `NotFitted`, and `InvalidData` where they are not known by what it and boxes take.
        """
        self._check_fitted()
        X = checked_samples(self, X, fitted=self.artefact_.kind)
        samples = SampleLoader(self.artefact_.inputs, X)
        check_predictions(self._model, self.boxes_, samples)
        return samples

    def _answered(self, samples: SampleLoader) -> Iterator[Batch]:
        """Yield what is said of ``samples``, a few at a time."""
        if len(self.boxes_) == 1:
            asker = self.meter_.asker(self.boxes_[0], "predict")
            yield from self._model.told_batches((asker,), samples)
            return
        records = self.artefact_.boxes
        yield from batches_of_several(
            self._model,
            [KeepingAsker(box, self.meter_) for box in self.boxes_],
            samples,
            lambda place, error: warn_of_gone(records[place], error),
        )

    @property
    def box_(self) -> BlackBox | None:
        """The first, or the only, box that is asked; None where nobody is."""
        return next((box for box in self.boxes_ if not isinstance(box, Nobody)), None)

    @property
    def _model(self) -> Model:
        """The model without the boxes that could not be opened."""
        model = self.artefact_.model
        for place, box in enumerate(self.boxes_):
            if isinstance(box, Nobody) and any(one.box == place for one in model.questions):
                model = model.without(place)
        return model

    @property
    def queries_per_prediction_(self) -> int:
        """How many queries the prediction of one image asks."""
        self._check_fitted()
        return sum(self.queries_by_box_)

    @property
    def queries_by_box_(self) -> tuple[int, ...]:
        """How many of them each of ``boxes_`` is asked."""
        self._check_fitted()
        asked = Counter(question.box for question in self._model.questions)
        return tuple(asked[place] for place in range(len(self.boxes_)))

    @property
    def spent_(self) -> Spent:
        """What the fit and every prediction since have asked."""
        self._check_fitted()
        return self.meter_.spent

    @property
    def spent_by_box_(self) -> tuple[Spent, ...]:
        """What each of ``boxes_`` has been asked, by the fit and every prediction since."""
        self._check_fitted()
        return self.meter_.spent_by_box

    def save(self, path: str | Path) -> None:
        """Write the model to ``path``, whole or not at all, through links.

        What is there is replaced, as by every ``save`` in Python; ``rebox fit`` asks for
        ``--force``, as its ``--out`` has a default. A pipe or a device is written to.

        Raises
        ------
        NotFitted
            There is no fitted model.
        OutputError
            It cannot be written there.
        """
        self._check_fitted()
        save(self.artefact_, path)

    @classmethod
    def load(  # noqa: PLR0913 - keyword-only, and each a thing that users ask to set
        cls,
        path: str | Path,
        box: BoxChoice = None,
        *,
        encoder: str | Encoder | Callable[[list[Any]], Any] | None = None,
        predict_budget: int | None = None,
        journal: JournalChoice = None,
        account: str | None = None,
        batch: bool = False,
        local_only: bool = False,
        listeners: Sequence[Listener] = (),
        without: Sequence[str] = (),
    ) -> Self:
        """Return the model in ``path``, ready to predict.

        Parameters
        ----------
        path : str or Path
            A file that ``save`` wrote.
        box : str, BlackBox, list of them or None
            The box it was fitted for; None: opened from the URI in the file, or no box at all for a
            model that answers without one. A model of the recipe ``local`` opens none whatever is
            given. Of several boxes, those that are given, and the others from their URIs: one that
            cannot be opened is left out with a warning, if the model has a reading without it.
        encoder : str, Encoder, callable or None
            The encoder it was fitted with; None: opened from the URI in the file, if there is one.
        predict_budget, journal, account, batch, local_only, listeners
            As for a new model; predictions without an account have one for this model alone.
        without : sequence of str
            Boxes, by their URIs or identities, that are not opened.

        Raises
        ------
        ArtefactError
            The file cannot be used.
        BoxMismatch
            The box is another one.
        """
        artefact = load(path, None if encoder is None else open_encoder(encoder))
        given = listed(box)
        if local_only:
            check_recorded_stays(artefact, given, without)
        opened = open_recorded(artefact, given, Path(path), without)
        named = [
            record.name if isinstance(one, Nobody) else one
            for one, record in zip(opened, artefact.boxes, strict=True)
        ]
        inputs = artefact.inputs
        model = cls(
            one_or_all(named),
            artefact.recipe,
            budget=None,
            queries_per_prediction=len(artefact.model.questions),
            predict_budget=predict_budget,
            journal=journal,
            account=account,
            batch=batch,
            local_only=local_only,
            objective=artefact.objective.value(artefact.classes.tolist()),
            ordered=artefact.objective.order(artefact.classes.tolist()),
            value_range=None if inputs is None else inputs.value_range,
            random_state=artefact.seed,
            listeners=listeners,
        )
        if inputs is not None and inputs.rows is not None:
            model.n_features_in_ = len(inputs.rows.low)
        if inputs is not None and inputs.features:
            model.feature_names_in_ = np.array(inputs.features, dtype=object)
        model._take(artefact, "loaded from a file", ())
        model._open(opened)
        return model

    def _html_repr(self) -> str:
        """Return scikit-learn's diagram, and below it what the fit brought."""
        diagram: str = super()._html_repr()
        if not self.__sklearn_is_fitted__():
            return diagram
        said = {**self.artefact_.facts(), "ended": self.stop_reason_, "spent": self.spent_.words}
        note = self.verdict_.words if self.verdict_ is not None else ""
        return diagram + facts("Fitted", said, note)

    @property
    def _told(self) -> tuple[Listener, ...]:
        """Who is told of every event."""
        own = (ProgressLines(self.verbose),) if self.verbose else ()
        return (*own, *self.listeners)  # a listener may end the fit

    def _take(self, artefact: Artefact, reason: str, history: tuple[StepTaken, ...]) -> None:
        """Become the model of ``artefact``."""
        self.artefact_, self.classes_, self.verdict_ = artefact, artefact.classes, artefact.verdict
        self.stop_reason_, self.history_ = reason, history
        self.promised_ = artefact.promised

    def _open(self, boxes: tuple[BlackBox, ...]) -> None:
        """Ask ``boxes`` from now on, out of an account of this model's own unless one is named."""
        if self.batch:
            boxes = in_batches(boxes)
        self.boxes_, prediction = boxes, Budget(queries=self.predict_budget)
        if self.box_ is None:
            self.meter_ = Meter(boxes, prediction=prediction)
            return
        _ = self._model  # a reading without those that are gone, if any are
        self.meter_ = open_meter(
            boxes,
            training=Budget(),
            prediction=prediction,
            journal=self.journal,
            fit=lambda _: f"model-{digest_of(self.artefact_)[:12]}",
            account=self.account,
        )
        hear(self, self.meter_)

    def check_box(self) -> Drift | dict[str, Drift] | None:
        """Ask the canaries again and say whether the box has changed under the model.

        Returns
        -------
        Drift or None
            None where the model has no canaries.
        dict of Drift
            Of a model of several boxes: one for each that has canaries, by its identity.

        Raises
        ------
        NotFitted
            There is no fitted model.
        """
        self._check_fitted()
        drifts = {
            record.identity: drift_of(box, record.canaries, self.meter_)
            for box, record in zip(self.boxes_, self.artefact_.boxes, strict=True)
            if len(record.canaries) and not isinstance(box, Nobody)
        }
        if len(self.boxes_) > 1:
            return drifts
        return next(iter(drifts.values()), None)

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise NotFitted(
                f"this {type(self).__name__} is not fitted yet: call fit, or load a model."
            )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "artefact_")
