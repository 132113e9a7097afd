"""``rebox evaluate``: what a model is worth on labelled data."""

import time
from typing import Annotated

import typer

from rebox.cli.app import app
from rebox.cli.console import err
from rebox.cli.measured import measured, print_measured
from rebox.cli.model import accounted, confirm_predictions, load_model
from rebox.cli.options import (
    AccountOption,
    DataOption,
    GroupColumnOption,
    JournalOption,
    JsonOption,
    LabelColumnOption,
    LocalOnlyOption,
    ModelArgument,
    OtherBoxOption,
    PathColumnOption,
    PredictBudgetOption,
    TextColumnOption,
    YesOption,
)
from rebox.cli.output import check_outputs, journal_files, refuse_pictures
from rebox.cli.printing import print_usual_cost, usd_per_10k, write_record
from rebox.cli.progress import ProgressBar
from rebox.sample import load
from rebox.sample.labels import known_labels


@app.command(name="evaluate")
def evaluate_model(  # noqa: PLR0913, PLR0917 - Typer reads a command's options from its parameters
    model_path: ModelArgument,
    data: DataOption,
    path_column: PathColumnOption = None,
    text_column: TextColumnOption = None,
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
    local_only: LocalOnlyOption = False,
    yes: YesOption = False,
) -> None:
    """Measure a model on labelled data: every metric with its 95 % interval."""
    started = time.perf_counter()
    inputs = (model_path, data, *(box or ()), *journal_files(journal))
    check_outputs(json, inputs=inputs)
    task = load(
        data,
        path_column=path_column,
        text_column=text_column,
        label_column=label_column,
        group_column=group_column,
    )
    refuse_pictures([json], task.images)
    bar = ProgressBar(err)
    model = load_model(model_path, box, budget, journal, account, bar, local_only=local_only)
    known_labels(task.labels, model.classes_)  # before anything is paid for
    confirm_predictions(model, len(task), yes=yes)
    with accounted(model), bar:
        judged = measured(model, task, positive)
    print_measured(judged)
    by_box = model.spent_by_box_
    usd = usd_per_10k(model.boxes_, by_box, len(task))
    print_usual_cost(usd, model.spent_.predict, len(task))
    if json is not None:
        seconds = time.perf_counter() - started
        write_record(json, model, seconds, by_box, judged, usd)
