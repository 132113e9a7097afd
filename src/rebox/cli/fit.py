"""``rebox fit``: a model of one's own, within the budget."""

import shlex
import time
from pathlib import Path
from typing import Annotated

import typer

from rebox.artefact import content_of
from rebox.box import BlackBox
from rebox.classifier import Reprogrammer
from rebox.classifier.boxes import open_asked
from rebox.cli.app import app
from rebox.cli.consent import confirm, dearest_plan, plan
from rebox.cli.console import err, out
from rebox.cli.hold_out import HoldOutOption, Judged, Parts
from rebox.cli.interruption import signals
from rebox.cli.measured import print_measured
from rebox.cli.options import (
    AccountOption,
    AliasOption,
    AskedBoxOption,
    BatchOption,
    BudgetOption,
    CanariesOption,
    DataOption,
    EncoderOption,
    GroupColumnOption,
    JournalOption,
    JsonOption,
    LabelColumnOption,
    LocalOnlyOption,
    ObjectiveOption,
    OrderedOption,
    PathColumnOption,
    RangeOption,
    RecipeOption,
    SeedOption,
    TemplateOption,
    TextColumnOption,
    UsdOption,
    YesOption,
    read_aliases,
    read_journal,
    read_range,
)
from rebox.cli.output import (
    check_model_output,
    check_outputs,
    journal_files,
    refuse_pictures,
    write_model,
)
from rebox.cli.page import check_page_of, model_page, worth_of, write_page
from rebox.cli.per_prediction import MeanUsdOption, MostUsdOption, PerPrediction, QueriesOption
from rebox.cli.policy import print_policy
from rebox.cli.printing import (
    print_cut_short,
    print_decided,
    print_verdict,
    receipt,
    receipt_of,
    say_under_way,
    write_record,
)
from rebox.cli.progress import ProgressBar
from rebox.cli.wording import OPTIONS
from rebox.meter import Spent
from rebox.recipe import recipe_from_name
from rebox.sample import Dataset, load
from rebox.sample.samples import Samples


@app.command()
def fit(  # noqa: PLR0913, PLR0917 - Typer reads a command's options from its parameters
    data: DataOption,
    box: AskedBoxOption = None,
    path_column: PathColumnOption = None,
    text_column: TextColumnOption = None,
    label_column: LabelColumnOption = None,
    group_column: GroupColumnOption = None,
    recipe: RecipeOption = "auto",
    budget: BudgetOption = None,
    max_usd: UsdOption = None,
    queries_per_prediction: QueriesOption = None,
    usd_per_prediction: MeanUsdOption = None,
    max_usd_per_prediction: MostUsdOption = None,
    alias: AliasOption = None,
    template: TemplateOption = None,
    encoder: EncoderOption = None,
    objective: ObjectiveOption = "accuracy",
    ordered: OrderedOption = False,
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
    batch: BatchOption = False,
    canaries: CanariesOption = None,
    hold_out: HoldOutOption = None,
    page: Annotated[
        Path | None,
        typer.Option(
            "--report",
            help="Also write a page about the model here, as 'rebox report' does: with --hold-out "
            "it says what the model is worth there, else what training tells.",
        ),
    ] = None,
    local_only: LocalOnlyOption = False,
    yes: YesOption = False,
) -> None:
    """Fit a model to your data, within the budget.

    Ctrl-C, SIGTERM and a box that fails leave a model of every answer that was paid for.

    Exit codes: 0, all was asked that the budget allows; 2, an error, told in one line, with or
    without such a model; 130, Ctrl-C; 143, SIGTERM.
    """
    started = time.perf_counter()
    costs = objective if objective.startswith("costs:") else None
    inputs = (data, *(box or ()), encoder, costs, *journal_files(journal))
    check_outputs(model_path, json, page, inputs=inputs, replaced=[model_path])
    check_model_output(model_path, force=force)
    if page is not None:
        check_page_of(model_path)
    columns = {
        "path_column": path_column,
        "text_column": text_column,
        "label_column": label_column,
        "group_column": group_column,
    }
    task = load(data, **columns)
    chosen_range = read_range(value_range) or task.value_range
    refuse_pictures([model_path, json, page], task.images)
    opened = open_asked(
        box,
        recipe_from_name(recipe),
        Samples.of(task.samples),
        batch=batch,
        local_only=local_only,
    )
    bar = ProgressBar(err)
    per_prediction = PerPrediction(
        queries_per_prediction=queries_per_prediction,
        usd_per_prediction=usd_per_prediction,
        max_usd_per_prediction=max_usd_per_prediction,
    )
    parts = Parts.of(task, hold_out, seed, per_prediction, opened)
    parts.check(chosen_range, account)
    queries, usd = parts.rest_of(budget, max_usd)
    model = Reprogrammer(
        opened,
        recipe,
        budget=queries,
        encoder=encoder,
        verdict=True,
        max_usd=usd,
        journal=read_journal(journal),
        account=account,
        batch=batch,
        canaries=canaries,
        objective=objective,
        ordered=ordered or task.grades,
        value_range=chosen_range,
        random_state=seed,
        listeners=(bar,),
        aliases=read_aliases(alias),
        templates=template,
        **per_prediction.options,
    )
    _confirm(model, opened, parts, yes=yes)
    with bar:
        cut = _fit_or_keep(model, parts.train)
    late = _write(model_path, model, force=force)
    read = {"data": data, **columns, "value_range": value_range, "encoder": encoder}
    print_verdict(model.verdict_, _local_command(read))
    out.print(f"wrote {model_path}: {model.stop_reason_}.", highlight=False)
    ended = cut is not None or late is not None
    judged = Judged(error=late) if ended else _judged(parts, model, encoder, bar)
    by_box = judged.added_to(model.spent_by_box_)
    receipt(sum(by_box, Spent()), opened, by_box)
    print_decided(model)
    print_policy(model)
    if json is not None:
        seconds = time.perf_counter() - started
        write_record(json, model, seconds, by_box, judged.measured, judged.usd_per_10k)
    if cut is not None:
        again = "again" if force or not model_path.is_file() else "with --force"
        print_cut_short(model, again)
    if page is not None:
        write_page(page, _page(model_path, model, parts, judged))
    if (error := cut or judged.error) is not None:
        raise error


def _confirm(model: Reprogrammer, boxes: tuple[BlackBox, ...], parts: Parts, *, yes: bool) -> None:
    """Ask whether the fit, and what measures it, may cost what it can."""
    if any(box.source.remote for box in boxes):  # else nobody is paid, and a plan takes a look
        planned, left = plan(model, boxes, parts.train)
        most = [
            n if allowed is None else min(n, allowed)
            for n, allowed in zip(dearest_plan(boxes, planned), left, strict=True)
        ]
        asked = [*zip(boxes, most, strict=True), *parts.asked(boxes)]
        confirm(asked, "this fit", yes=yes)


def _write(path: Path, model: Reprogrammer, *, force: bool) -> KeyboardInterrupt | None:
    """Write the model; return the Ctrl-C that came meanwhile.

    Where writing fails, what was asked for the model is told all the same.
    """
    try:
        with signals.held():
            write_model(path, content_of(model.artefact_), force=force)
    except OSError:
        receipt_of(model)
        raise
    except KeyboardInterrupt as late:
        return late
    return None


def _page(path: Path, model: Reprogrammer, parts: Parts, judged: Judged) -> str:
    """Return the page of the model, with what it is worth on what was held out, if that is told."""
    if judged.measured is None or parts.held_out is None:
        return model_page(path)
    paid = {"by_box": judged.by_box, "usd_per_10k": judged.usd_per_10k}
    worth = worth_of(model, parts.held_out, judged.measured, **paid, apart=True)
    return model_page(path, worth)


def _judged(parts: Parts, model: Reprogrammer, encoder: str | None, bar: ProgressBar) -> Judged:
    """Return what the model is worth on what was held out, if anything was, and print it."""
    with bar:
        judged = parts.measure(model, encoder, bar)
    if judged.measured is not None:
        print_measured(judged.measured)
    return judged


def _local_command(read: dict[str, str | None]) -> str:
    """Return the command that fits the local model to what was ``read``, and asks nobody."""
    given = " ".join(f"{OPTIONS[name]}={shlex.quote(text)}" for name, text in read.items() if text)
    return f"rebox fit --recipe local {given} --out local.rebox"


def _fit_or_keep(model: Reprogrammer, task: Dataset) -> Exception | KeyboardInterrupt | None:
    """Fit; return what cut it short, if a usable model was left.

    That is not always an error of ours: nobody may read the progress any more, or memory be full.
    """
    try:
        model.fit(task.samples, task.labels, groups=task.groups)
    except (Exception, KeyboardInterrupt) as error:
        say_under_way(error)
        if not hasattr(model, "artefact_"):
            if hasattr(model, "meter_"):
                receipt_of(model)
            raise
        return error
    return None
