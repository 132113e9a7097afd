"""The fitted half of the estimator: predict, save and load, ask whether the box has changed."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import validate_data

from rebox.artefact import Artefact, check_box, digest_of, load, save
from rebox.box import (
    NOBODY,
    BlackBox,
    Drift,
    Encoder,
    Images,
    beside,
    canary_images,
    drift_between,
    open_box,
    open_encoder,
    open_foreign,
)
from rebox.classifier.accounts import JournalChoice, open_meter
from rebox.classifier.checks import refusals
from rebox.classifier.deciding import Deciding
from rebox.decision import OperatingPoint
from rebox.errors import BoxError, Error, InvalidOption, ServiceError
from rebox.fit import Listener, PhaseStarted, ProgressLines, StepTaken, Verdict, tell
from rebox.meter import Account, Budget, Meter, Spent
from rebox.notebook import facts
from rebox.sample.forms import are_images, as_samples
from rebox.sample.loader import ImageLoader


class NotFitted(Error, NotFittedError):  # type: ignore[misc] # scikit-learn is untyped
    """A prediction was asked for before ``fit``."""


class Fitted(Deciding):
    """What a fitted, or loaded, model can do.

    Attributes
    ----------
    classes_, box_, artefact_, meter_, stop_reason_, history_, verdict_, promised_
        As for `rebox.Reprogrammer`.
    """

    predict_budget: int | None
    journal: JournalChoice
    account: str | None
    listeners: Sequence[Listener]
    verbose: int
    classes_: NDArray[Any]
    box_: BlackBox | None
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
        self._check_fitted()
        with refusals():
            X = as_samples(X)
            if not are_images(X):
                X = validate_data(self, X, reset=False, dtype=np.float64)
        planned = len(X) * self.queries_per_prediction_
        self.meter_.account.begin_predictions()
        self.meter_.check(planned, "predict")  # before the first of several batches is paid for
        images = ImageLoader(self.artefact_.inputs, X)
        images.check()
        askers = () if self.box_ is None else (self.meter_.asker(self.box_, "predict"),)
        told = self._told
        tell(told, PhaseStarted(spent=self.meter_.spent, purpose="predict", planned=planned))
        for step, batch in enumerate(self.artefact_.model.batches(askers, images), start=1):
            yield batch  # before others are told, who might interrupt
            answered = StepTaken(spent=self.meter_.spent, purpose="predict", step=step)
            tell(told, answered)

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
    def load(
        cls,
        path: str | Path,
        box: str | BlackBox | None = None,
        *,
        encoder: str | Encoder | Callable[[list[NDArray[Any]]], Any] | None = None,
        predict_budget: int | None = None,
        journal: JournalChoice = None,
        account: str | None = None,
        listeners: Sequence[Listener] = (),
    ) -> Self:
        """Return the model in ``path``, ready to predict.

        Parameters
        ----------
        path : str or Path
            A file that ``save`` wrote.
        box : str, BlackBox or None
            The box it was fitted for; None: opened from the URI in the file, or no box at all for a
            model that answers without one. A model of the recipe ``local`` opens none whatever is
            given.
        encoder : str, Encoder, callable or None
            The encoder it was fitted with; None: opened from the URI in the file, if there is one.
        predict_budget, journal, account, listeners
            As for a new model; predictions without an account have one for this model alone.

        Raises
        ------
        ArtefactError
            The file cannot be used.
        BoxMismatch
            The box is another one.
        """
        artefact = load(path, None if encoder is None else open_encoder(encoder))
        opened = _opened(artefact, box, path)
        model = cls(
            opened or artefact.box.name,
            artefact.recipe,
            budget=None,
            queries_per_prediction=len(artefact.model.questions),
            predict_budget=predict_budget,
            journal=journal,
            account=account,
            objective=artefact.objective.value(artefact.classes.tolist()),
            ordered=artefact.objective.order(artefact.classes.tolist()),
            value_range=artefact.inputs.value_range,
            random_state=artefact.seed,
            listeners=listeners,
        )
        if artefact.inputs.rows is not None:
            model.n_features_in_ = len(artefact.inputs.rows.low)
        if artefact.inputs.features:
            model.feature_names_in_ = np.array(artefact.inputs.features, dtype=object)
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

    def _open(self, box: BlackBox | None) -> None:
        """Ask ``box`` from now on, out of an account of this model's own unless one is named."""
        self.box_, prediction = box, Budget(queries=self.predict_budget)
        if box is None:
            self.meter_ = Meter(prediction=prediction)
            return
        self.meter_ = open_meter(
            box,
            training=Budget(),
            prediction=prediction,
            journal=self.journal,
            fit=lambda _: f"model-{digest_of(self.artefact_)[:12]}",
            account=self.account,
        )

    def check_box(self) -> Drift | None:
        """Ask the canaries again and say whether the box has changed under the model.

        Returns
        -------
        Drift or None
            None where the model has no canaries.

        Raises
        ------
        NotFitted
            There is no fitted model.
        """
        self._check_fitted()
        before = self.artefact_.box.canaries
        if self.box_ is None or not len(before):
            return None
        spec, account = self.box_.spec, self.meter_.account
        images = canary_images(spec, len(before))
        stale = _remembers(account, images, before, self.box_)
        # under the budget of predictions: a fit may have spent its own to the last query
        asked = self.meter_.asker(self.box_, "predict", afresh=True).ask(images)
        drift = drift_between(before, asked, spec)
        if drift.change == "changed" and stale:
            account.forget()  # or else a new fit would be given the answers of the old box
        return drift

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise NotFitted(
                f"this {type(self).__name__} is not fitted yet: call fit, or load a model."
            )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "artefact_")


def _opened(artefact: Artefact, box: str | BlackBox | None, path: str | Path) -> BlackBox | None:
    """Return the box, given or named in the file, that a model asks; None where it asks nobody."""
    record = artefact.box
    if not artefact.model.questions and (box is None or record.identity == NOBODY):
        return None
    if box is None and record.uri is None:
        raise InvalidOption(
            f"{path} was fitted for a box made in Python ({record.identity}), which no file can "
            "name: use the model there, and pass the box to Reprogrammer.load."
        )
    if isinstance(box, BlackBox):
        opened = box
    elif box is not None:
        opened = open_box(box)
    else:
        opened = _open_from_file(record.name, Path(path))
    record.check(opened)
    check_box(artefact, opened)
    return opened


def _open_from_file(uri: str, path: Path) -> BlackBox:
    """Open the box that the model file at ``path`` names; its own files may lie beside it."""
    try:
        way = f"pass box={uri!r}"
        return open_foreign(beside(uri, path.parent), whose="model", way=way)
    except ServiceError:
        raise
    except BoxError as error:
        raise BoxError(
            f"{path} was fitted for {uri}, and {str(error).partition('; check its path')[0]}: pass "
            "box= if it lies elsewhere."
        ) from error


def _remembers(
    account: Account, images: Images, before: NDArray[np.float32], box: BlackBox
) -> bool:
    """Return whether the journal answers as the box did when the model was fitted."""
    known = account.peek(images)
    if len(known) < len(before):
        return False
    rows = box.shown(np.stack([known[place] for place in range(len(before))]))
    return drift_between(before, rows, box.spec).change != "changed"
