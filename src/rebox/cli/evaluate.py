"""``rebox evaluate``: what a model is worth on labelled data."""

import time
from typing import Annotated

import typer

from rebox.cli.app import app, err
from rebox.cli.model import confirm_predictions, load_model
from rebox.cli.options import (
    AccountOption,
    DataOption,
    GroupColumnOption,
    JournalOption,
    JsonOption,
    LabelColumnOption,
    ModelArgument,
    OtherBoxOption,
    PathColumnOption,
    PredictBudgetOption,
    YesOption,
    check_outputs,
)
from rebox.cli.printing import (
    print_metrics,
    receipt,
    write_record,
)
from rebox.cli.progress import ProgressBar
from rebox.metric import evaluate
from rebox.sample import load
from rebox.sample.labels import known_labels


@app.command(name="evaluate")
def evaluate_model(  # noqa: PLR0913, PLR0917 - Typer reads a command's options from its parameters
    model_path: ModelArgument,
    data: DataOption,
    path_column: PathColumnOption = None,
    label_column: LabelColumnOption = None,
    group_column: GroupColumnOption = None,
    box: OtherBoxOption = None,
    budget: PredictBudgetOption = None,
    positive: Annotated[
        str | None,
        typer.Option(
            "--positive", help="The class that sensitivity speaks of; default: the task's own."
        ),
    ] = None,
    json: JsonOption = None,
    journal: JournalOption = None,
    account: AccountOption = None,
    yes: YesOption = False,
) -> None:
    """Measure a model on labelled data: every metric with its 95 % interval."""
    started = time.perf_counter()
    check_outputs(json)
    task = load(data, path_column=path_column, label_column=label_column, group_column=group_column)
    with ProgressBar(err) as bar:
        model = load_model(model_path, box, budget, journal, account, bar)
        labels = known_labels(task.labels, model.classes_)
        confirm_predictions(model, len(task.images), yes=yes)
        probabilities = model.predict_proba(task.images)
    if positive is None and task.positive in model.classes_.tolist():
        positive = str(task.positive)
    chosen = None if positive is None else known_labels([positive], model.classes_)[0]
    metrics = evaluate(
        labels,
        probabilities,
        list(model.classes_),
        positive=chosen,
        grades=task.grades,
        groups=task.groups,
    )
    print_metrics(metrics)
    receipt(model.spent_, model.box_)
    if json is not None:
        write_record(json, model, time.perf_counter() - started, metrics)
