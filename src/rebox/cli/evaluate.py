"""``rebox evaluate``: what a model is worth on labelled data."""

import time

from rebox.cli.app import app
from rebox.cli.evaluation import Evaluation, PositiveOption
from rebox.cli.measured import print_measured
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
from rebox.cli.printing import write_record


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
    positive: PositiveOption = None,
    json: JsonOption = None,
    journal: JournalOption = None,
    account: AccountOption = None,
    local_only: LocalOnlyOption = False,
    yes: YesOption = False,
) -> None:
    """Measure a model on labelled data: every metric with its 95 % interval."""
    started = time.perf_counter()
    evaluation = Evaluation.of(
        model_path,
        data,
        json,
        columns={
            "path_column": path_column,
            "text_column": text_column,
            "label_column": label_column,
            "group_column": group_column,
        },
        box=box,
        budget=budget,
        journal=journal,
        account=account,
        local_only=local_only,
    )
    judged = evaluation.measure(positive, yes=yes)
    print_measured(judged)
    evaluation.print_cost()
    if json is not None:
        seconds, model = time.perf_counter() - started, evaluation.model
        write_record(json, model, seconds, model.spent_by_box_, judged, evaluation.usd_per_10k)
