"""A fitted model as one of MLflow's, and fits as its runs; extra ``mlflow``.

``mlflow models serve``, its Docker images and its Spark UDFs run what `save_model` writes. MLflow 3
is taken as ``mlflow-skinny``, which has all of that and none of the tracking server's database,
plots and pipelines; whoever has ``mlflow`` has it, too.
"""

from rebox.mlflow.autolog import autolog
from rebox.mlflow.flavour import load_model, load_pyfunc, log_model, save_model
from rebox.mlflow.job import JobOptions
from rebox.mlflow.listener import MLflowListener

_load_pyfunc = load_pyfunc  # the name by which MLflow seeks it

__all__ = ["JobOptions", "MLflowListener", "autolog", "load_model", "log_model", "save_model"]
