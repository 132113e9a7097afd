"""Every fit as a run of MLflow's, without a line more at each."""

import contextlib
import functools
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from rebox.box import BlackBox
from rebox.classifier import Reprogrammer
from rebox.classifier.boxes import listed
from rebox.errors import InvalidOption, extra
from rebox.meter import masked
from rebox.meter.address import MASK
from rebox.mlflow.flavour import log_model
from rebox.mlflow.listener import TAG, MLflowListener

with extra("mlflow", "a tracker of MLflow's"):
    import mlflow
    from mlflow.tracking.registry import UnsupportedModelRegistryStoreURIException

Fit = Callable[..., Reprogrammer]

_SECRET = re.compile(r"//[^/?#,\s]*@")

_FIT: Fit = Reprogrammer.fit


def autolog(*, disable: bool = False, log_models: bool = True) -> None:
    """Have every `rebox.Reprogrammer.fit` of this process logged, or no more, by ``disable``.

    Each fit is a run of its own, within the active one if there is one: its parameters, queries
    and dollars as they are spent, the verdict's figures, and the model. What cannot be started is
    raised before anything is asked; what cannot be logged at the end is warned of.

    Parameters
    ----------
    log_models : bool
        Whether the fitted model is logged, as by `log_model`, without a budget: whoever loads one
        whose boxes cost money names it.
    """
    fit = _FIT if disable else _logged(_FIT, log_models=log_models)
    Reprogrammer.fit = fit  # type: ignore[method-assign] # as MLflow's own flavours do


def _logged(fit: Fit, *, log_models: bool) -> Fit:
    """Return ``fit`` as a run."""

    @functools.wraps(fit)
    def logged(model: Reprogrammer, X: Any, y: Any, groups: Any = None) -> Reprogrammer:
        with _run() as run_id:
            mlflow.set_tag(f"{TAG}.fit", type(model).__name__)
            mlflow.log_params(params_of(model))
            before = model.listeners
            model.listeners = (*before, MLflowListener(run_id))
            try:
                fit(model, X, y, groups)
            finally:
                model.listeners = before
            if log_models:
                _log_fitted(model)
        return model

    return logged


@contextlib.contextmanager
def _run() -> Iterator[str]:
    """Give a run's id; a server that is gone when it ends must not take a fitted model along."""
    run = _started()
    status = "FAILED"
    try:
        yield run.info.run_id
        status = "FINISHED"
    finally:
        try:
            mlflow.end_run(status)
        except Exception as error:  # noqa: BLE001 - the fit is done, and paid for
            warnings.warn(f"the run was not ended: {error}", UserWarning, stacklevel=4)


def _started() -> mlflow.ActiveRun:
    try:
        return mlflow.start_run(nested=mlflow.active_run() is not None)
    except UnsupportedModelRegistryStoreURIException as error:
        uri = masked(mlflow.get_tracking_uri())
        raise InvalidOption(
            f"this MLflow cannot log to {uri}: name a tracking server in MLFLOW_TRACKING_URI, or "
            "`pip install mlflow`, as mlflow-skinny has no database of its own."
        ) from error


def _log_fitted(model: Reprogrammer) -> None:
    try:
        log_model(model)
    except Exception as error:  # noqa: BLE001 - the fit is done, and paid for
        warnings.warn(f"the model was not logged: {error}", UserWarning, stacklevel=3)


def params_of(model: Reprogrammer) -> dict[str, str]:
    """Return a model's parameters as texts; those that are None are left out."""
    given = model.get_params(deep=False)
    del given["listeners"]
    given["box"] = ", ".join(map(_named, listed(model.box))) or None
    if given["journal"] is not None:
        given["journal"] = masked(str(given["journal"]))
    return {name: _named(value) for name, value in given.items() if value is not None}


def _named(value: Any) -> str:
    if isinstance(value, BlackBox):
        return value.uri or value.spec.identity
    # a box refuses an address with a password in it, but only when the fit opens it
    return _SECRET.sub(rf"//{MASK}@", str(value))
