"""``rebox fit``: a model of one's own, within the budget."""

import time
from pathlib import Path
from typing import Annotated

import typer

from rebox.box import open_box
from rebox.classifier import Reprogrammer
from rebox.cli.app import app, err, out
from rebox.cli.consent import confirm, plan
from rebox.cli.options import (
    AccountOption,
    BoxOption,
    BudgetOption,
    CanariesOption,
    DataOption,
    EncoderOption,
    GroupColumnOption,
    JournalOption,
    JsonOption,
    LabelColumnOption,
    PathColumnOption,
    PerPredictionOption,
    RangeOption,
    RecipeOption,
    UsdOption,
    YesOption,
    check_outputs,
    read_journal,
    read_range,
)
from rebox.cli.printing import (
    print_verdict,
    receipt,
    write_record,
)
from rebox.cli.progress import ProgressBar
from rebox.errors import Error, InvalidOption
from rebox.sample import Dataset, load


@app.command()
def fit(  # noqa: PLR0913, PLR0917 - Typer reads a command's options from its parameters
    box: BoxOption,
    data: DataOption,
    path_column: PathColumnOption = None,
    label_column: LabelColumnOption = None,
    group_column: GroupColumnOption = None,
    recipe: RecipeOption = "auto",
    budget: BudgetOption = None,
    max_usd: UsdOption = None,
    per_prediction: PerPredictionOption = 1,
    encoder: EncoderOption = None,
    seed: Annotated[int, typer.Option("--seed", help="Fixes every random choice.")] = 0,
    model_path: Annotated[Path, typer.Option("--out", help="The model to write.")] = Path(
        "model.rebox"
    ),
    value_range: RangeOption = None,
    json: JsonOption = None,
    journal: JournalOption = None,
    account: AccountOption = None,
    canaries: CanariesOption = None,
    yes: YesOption = False,
) -> None:
    """Fit a model to your data, within the budget."""
    started = time.perf_counter()
    check_outputs(model_path, json)
    task = load(data, path_column=path_column, label_column=label_column, group_column=group_column)
    chosen_range = read_range(value_range) or task.value_range
    if json is not None and json.resolve() == model_path.resolve():
        raise InvalidOption(f"--out and --json are both {json}: name two files.")
    opened, bar = open_box(box), ProgressBar(err)
    model = Reprogrammer(
        opened,
        recipe,
        budget=budget,
        queries_per_prediction=per_prediction,
        encoder=encoder,
        verdict=True,
        max_usd=max_usd,
        journal=read_journal(journal),
        account=account,
        canaries=canaries,
        value_range=chosen_range,
        random_state=seed,
        listeners=(bar,),
    )
    if opened.source.remote:
        planned, _ = plan(model, opened, task.images)
        confirm(opened, planned.total, "this fit", yes=yes)
    with bar:
        error = _fit_or_keep(model, task)
    model.save(model_path)
    if json is not None:
        write_record(json, model, time.perf_counter() - started, {})
    print_verdict(model.verdict_)
    receipt(model.spent_, model.box_)
    out.print(f"wrote {model_path}: {model.stop_reason_}.", highlight=False)
    if error is not None:
        raise error


def _fit_or_keep(model: Reprogrammer, task: Dataset) -> Error | None:
    """Fit; return the error that cut it short, if a usable model was left. Ctrl-C is none."""
    try:
        model.fit(task.images, task.labels, groups=task.groups)
    except KeyboardInterrupt:
        if not hasattr(model, "artefact_"):
            raise
    except Error as error:
        if not hasattr(model, "artefact_"):
            if hasattr(model, "meter_"):
                receipt(model.meter_.spent, model.box_)
            raise
        return error
    return None
