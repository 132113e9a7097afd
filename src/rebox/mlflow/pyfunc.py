"""A model as MLflow runs it: data frames in, data frames out."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.artefact.form import SampleForm
from rebox.classifier import Reprogrammer
from rebox.errors import BoxError, BudgetExhausted, Error, InvalidInput, QuotaSpent, extra
from rebox.mlflow.columns import parts_of, read_frame, said, samples_of
from rebox.mlflow.job import WhenSpent

with extra("mlflow", "a model of MLflow's"):
    import pandas as pd
    from mlflow.exceptions import MlflowException
    from mlflow.protos import databricks_pb2 as codes

STATUS: tuple[tuple[type[Error], int], ...] = (
    (BudgetExhausted, codes.RESOURCE_EXHAUSTED),  # a server's 429
    (QuotaSpent, codes.RESOURCE_EXHAUSTED),
    (InvalidInput, codes.INVALID_PARAMETER_VALUE),
    (BoxError, codes.TEMPORARILY_UNAVAILABLE),
    (Error, codes.INTERNAL_ERROR),
)


class PyfuncModel:
    """What ``mlflow.pyfunc.load_model`` wraps.

    Parameters
    ----------
    model : Reprogrammer
        Nobody else asks it.
    when_spent : {"raise", "mark"}
        As for `JobOptions`.
    """

    def __init__(self, model: Reprogrammer, when_spent: WhenSpent) -> None:
        self.model, self._when_spent = model, when_spent
        self._form = SampleForm.of(model.artefact_)
        self._turn = threading.Lock()  # a server asks from several threads

    def predict(self, model_input: Any) -> pd.DataFrame:
        """Return ``label`` and a column of probabilities for each class, with the input's index.

        Raises
        ------
        MlflowException
            As MLflow's servers know what to answer: 400 for what cannot be read, 429 for a spent
            budget, 503 for a box that fails. It was caused by an error of rebox's.
        """
        try:
            frame = read_frame(model_input)
            with self._turn:
                answers = self._answers(frame)
        except Error as error:
            code = next(code for kind, code in STATUS if isinstance(error, kind))
            raise MlflowException(str(error), error_code=code) from error
        model = self.model
        labels = model.classes_[model.artefact_.model.decide(answers)]
        return said(answers, labels, model.classes_, frame.index)

    def _answers(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Return the probabilities (k, classes) of the first k rows, all unless they are marked."""
        rows = [np.empty((0, len(self.model.classes_)))]
        try:
            rows.extend(self._asked(frame))
        except BudgetExhausted:
            if self._when_spent == "raise":
                raise
            # what is left may pay for a few, though not for as many as are sent together
            with contextlib.suppress(BudgetExhausted):
                for at in range(sum(map(len, rows)), len(frame)):
                    rows.extend(self._asked(frame.iloc[at : at + 1]))
        return np.concatenate(rows)

    def _asked(self, frame: pd.DataFrame) -> Iterator[NDArray[np.float64]]:
        """Yield the probabilities of a few rows at a time."""
        for part in parts_of(frame):
            yield from self.model.predict_proba_batches(samples_of(part, self._form))
