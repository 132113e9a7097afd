"""``rebox fit``: a model of one's own, within the budget."""

import time
from pathlib import Path
from typing import Annotated

import typer

from rebox.artefact import content_of
from rebox.box import open_box
from rebox.classifier import Reprogrammer
from rebox.cli.app import app
from rebox.cli.consent import confirm, plan
from rebox.cli.console import err, out
from rebox.cli.hold_out import HoldOutOption, Judged, Parts
from rebox.cli.measured import print_measurement
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
    SeedOption,
    UsdOption,
    YesOption,
    read_journal,
    read_range,
)
from rebox.cli.output import (
    check_model_output,
    check_outputs,
    journal_files,
    refuse_inputs,
    write_model,
)
from rebox.cli.printing import (
    print_verdict,
    receipt,
    write_record,
)
from rebox.cli.progress import ProgressBar
from rebox.errors import Error
from rebox.sample import Dataset, ImageFiles, load


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
    seed: SeedOption = 0,
    model_path: Annotated[
        Path, typer.Option("--out", help="The model to write; - is standard output.")
    ] = Path("model.rebox"),
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Replace what --out names; without it nothing is asked where a file is there, as "
            "the model of an earlier fit may have cost more than this one.",
        ),
    ] = False,
    value_range: RangeOption = None,
    json: JsonOption = None,
    journal: JournalOption = None,
    account: AccountOption = None,
    canaries: CanariesOption = None,
    hold_out: HoldOutOption = None,
    yes: YesOption = False,
) -> None:
    """Fit a model to your data, within the budget."""
    started = time.perf_counter()
    inputs = (data, box, encoder, *journal_files(journal))
    check_outputs(model_path, json, inputs=inputs, replaced=[model_path])
    check_model_output(model_path, force=force)
    task = load(data, path_column=path_column, label_column=label_column, group_column=group_column)
    chosen_range = read_range(value_range) or task.value_range
    if isinstance(task.images, ImageFiles):
        refuse_inputs([model_path, *([json] if json else [])], task.images.paths)
    opened, bar = open_box(box), ProgressBar(err)
    parts = Parts.of(task, hold_out, seed, per_prediction)
    queries, usd = parts.rest_of(budget, max_usd, opened.spec.price_usd)
    model = Reprogrammer(
        opened,
        recipe,
        budget=queries,
        queries_per_prediction=per_prediction,
        encoder=encoder,
        verdict=True,
        max_usd=usd,
        journal=read_journal(journal),
        account=account,
        canaries=canaries,
        value_range=chosen_range,
        random_state=seed,
        listeners=(bar,),
    )
    if opened.source.remote:
        planned, _ = plan(model, opened, parts.train.images)
        confirm(opened, planned.total + parts.queries, "this fit", yes=yes)
    with bar:
        error = _fit_or_keep(model, parts.train)
    write_model(model_path, content_of(model.artefact_))
    print_verdict(model.verdict_)
    out.print(f"wrote {model_path}: {model.stop_reason_}.", highlight=False)
    judged = Judged()
    if error is None:
        with bar:
            judged = parts.measure(model, encoder, bar)
    if judged.measurement is not None:
        print_measurement(judged.measurement)
    spent, error = model.spent_ + judged.spent, error or judged.error
    receipt(spent)
    if json is not None:
        write_record(json, model, time.perf_counter() - started, spent, judged.measurement)
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
                receipt(model.meter_.spent)
            raise
        return error
    return None
