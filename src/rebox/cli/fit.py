"""``rebox fit``: a model of one's own, within the budget."""

import shlex
import time
from pathlib import Path
from typing import Annotated

import typer

from rebox.artefact import content_of
from rebox.classifier import Reprogrammer
from rebox.cli.app import app
from rebox.cli.consent import confirm, plan
from rebox.cli.console import err, out
from rebox.cli.hold_out import HoldOutOption, Judged, Parts
from rebox.cli.interruption import signals
from rebox.cli.measured import print_measurement
from rebox.cli.options import (
    AccountOption,
    AskedBoxOption,
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
    most_asked,
    open_asked,
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
    print_cut_short,
    print_verdict,
    receipt,
    write_record,
)
from rebox.cli.progress import ProgressBar
from rebox.errors import Error
from rebox.sample import Dataset, ImageFiles, load


@app.command()
def fit(  # noqa: PLR0913, PLR0917 - Typer reads a command's options from its parameters
    data: DataOption,
    box: AskedBoxOption = None,
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
    """Fit a model to your data, within the budget.

    Ctrl-C, SIGTERM and a box that fails leave a model of every answer that was paid for.

    Exit codes: 0, all was asked that the budget allows; 2, an error, told in one line, with or
    without such a model; 130, Ctrl-C; 143, SIGTERM.
    """
    started = time.perf_counter()
    inputs = (data, box, encoder, *journal_files(journal))
    check_outputs(model_path, json, inputs=inputs, replaced=[model_path])
    check_model_output(model_path, force=force)
    task = load(data, path_column=path_column, label_column=label_column, group_column=group_column)
    chosen_range = read_range(value_range) or task.value_range
    if isinstance(task.images, ImageFiles):
        refuse_inputs([model_path, *([json] if json else [])], task.images.paths)
    opened, bar = open_asked(box, recipe), ProgressBar(err)
    parts = Parts.of(task, hold_out, seed, most_asked(opened, per_prediction))
    parts.check(chosen_range)
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
        cut = _fit_or_keep(model, parts.train)
    with signals.held():
        _write(model_path, model, force=force)
    columns = {"path": path_column, "label": label_column, "group": group_column}
    others = {f"--{name}-column": column for name, column in columns.items()}
    others |= {"--value-range": value_range, "--encoder": encoder}
    print_verdict(model.verdict_, _local_command(data, others))
    out.print(f"wrote {model_path}: {model.stop_reason_}.", highlight=False)
    judged = Judged()
    if cut is None:
        with bar:
            judged = parts.measure(model, encoder, bar)
    if judged.measurement is not None:
        print_measurement(judged.measurement)
    spent, error = model.spent_ + judged.spent, cut or judged.error
    receipt(spent)
    if json is not None:
        write_record(json, model, time.perf_counter() - started, spent, judged.measurement)
    if cut is not None:
        replaced = model_path.is_file() and not force
        print_cut_short(model, opened, "with --force" if replaced else "again")
    if error is not None:
        raise error


def _write(path: Path, model: Reprogrammer, *, force: bool) -> None:
    """Write the model; where that fails, what was asked for it is told all the same."""
    try:
        write_model(path, content_of(model.artefact_), force=force)
    except OSError:
        receipt(model.spent_)
        raise


def _local_command(data: str, others: dict[str, str | None]) -> str:
    """Return the command that fits the local model to the same data, and asks nobody."""
    given = "".join(f" {name}={shlex.quote(text)}" for name, text in others.items() if text)
    return f"rebox fit --recipe local --data {shlex.quote(data)}{given} --out local.rebox"


def _fit_or_keep(model: Reprogrammer, task: Dataset) -> Error | KeyboardInterrupt | None:
    """Fit; return what cut it short, if a usable model was left."""
    try:
        model.fit(task.images, task.labels, groups=task.groups)
    except (Error, KeyboardInterrupt) as error:
        if not hasattr(model, "artefact_"):
            if hasattr(model, "meter_"):
                receipt(model.meter_.spent)
            raise
        return error
    return None
