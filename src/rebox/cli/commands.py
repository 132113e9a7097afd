"""The commands that plan, fit, measure and predict: the work is done by what they call."""

import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.table import Table

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
    JournalOption,
    JsonOption,
    ModelArgument,
    OtherBoxOption,
    PerPredictionOption,
    PredictBudgetOption,
    RangeOption,
    RecipeOption,
    UsdOption,
    YesOption,
    check_outputs,
    read_journal,
    read_range,
)
from rebox.cli.printing import (
    print_drift,
    print_metrics,
    print_price,
    print_verdict,
    receipt,
    write_predictions,
    write_record,
)
from rebox.cli.progress import ProgressBar
from rebox.errors import Error, InvalidOption
from rebox.metric import evaluate
from rebox.money import dollars
from rebox.sample import Dataset, load, load_unlabelled


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--out", help="Where model and picture go.")] = Path(
        "rebox-demo"
    ),
    seed: Annotated[int, typer.Option("--seed")] = 0,
) -> None:
    """Teach a digit recogniser to diagnose tumours, offline, in a minute."""
    from rebox.demo.table import print_demo  # noqa: PLC0415 - the demo's data is loaded when it runs

    print_demo(folder, seed=seed, console=out)


@app.command()
def estimate(
    box: BoxOption,
    data: DataOption,
    recipe: RecipeOption = "auto",
    budget: BudgetOption = None,
    max_usd: UsdOption = None,
    per_prediction: PerPredictionOption = 1,
    value_range: RangeOption = None,
) -> None:
    """Say what a budget allows, without asking anything."""
    opened, task = open_box(box), load(data)
    model = Reprogrammer(
        opened,
        recipe,
        budget=budget,
        queries_per_prediction=per_prediction,
        max_usd=max_usd,
        value_range=read_range(value_range) or task.value_range,
    )
    planned, left = plan(model, opened, task.images)
    table = Table("", "queries", title=f"{recipe} with at most {left:,} queries", title_style="")
    for name, queries in planned.lines:
        table.add_row(name, queries)
    most, price = min(per_prediction, planned.most_per_prediction), opened.spec.price_usd
    table.add_row("left over", f"{left - planned.total:,}")
    table.add_row("each prediction", f"{most} at most")
    table.add_row("cost of the fit", _cost(planned.total, price))
    table.add_row("cost of 1,000 predictions", _cost(1000 * most, price))
    out.print(table)
    print_price(box, price)


def _cost(queries: int, price_usd: float | None) -> str:
    return dollars(None if price_usd is None else queries * price_usd)


@app.command()
def fit(  # noqa: PLR0913, PLR0917 - Typer reads a command's options from its parameters
    box: BoxOption,
    data: DataOption,
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
    task = load(data)
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
    receipt(model.spent_)
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
                receipt(model.meter_.spent)
            raise
        return error
    return None


@app.command(name="evaluate")
def evaluate_model(  # noqa: PLR0913, PLR0917 - as above
    model_path: ModelArgument,
    data: DataOption,
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
    task = load(data)
    with ProgressBar(err) as bar:
        model = _loaded(model_path, box, budget, journal, account, bar)
        labels = _known_labels(task.labels, model.classes_)
        _confirm_predictions(model, len(task.images), yes=yes)
        probabilities = model.predict_proba(task.images)
    if positive is None and task.positive in model.classes_.tolist():
        positive = str(task.positive)
    chosen = None if positive is None else _known_labels(np.array([positive]), model.classes_)[0]
    metrics = evaluate(
        labels,
        probabilities,
        list(model.classes_),
        positive=chosen,
        grades=task.grades,
        groups=task.groups,
    )
    print_metrics(metrics)
    receipt(model.spent_)
    if json is not None:
        write_record(json, model, time.perf_counter() - started, metrics)


@app.command()
def predict(  # noqa: PLR0913, PLR0917 - as above
    model_path: ModelArgument,
    paths: Annotated[list[Path], typer.Argument(help="Images, folders, a CSV or an .npz.")],
    predictions: Annotated[Path, typer.Option("--out", help="The CSV to write.")] = Path(
        "predictions.csv"
    ),
    box: OtherBoxOption = None,
    budget: PredictBudgetOption = None,
    journal: JournalOption = None,
    account: AccountOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="First ask whether the box has changed.")
    ] = False,
    yes: YesOption = False,
) -> None:
    """Label new images; each asks as many queries as the model was fitted for."""
    check_outputs(predictions)
    images, names = load_unlabelled(paths)
    with ProgressBar(err) as bar:
        model = _loaded(model_path, box, budget, journal, account, bar)
        _confirm_predictions(model, len(images), yes=yes, check=check)
        if check and not print_drift(model.check_box()):
            raise typer.Exit(1)
        probabilities = model.predict_proba(images)
    write_predictions(predictions, names, model.classes_, probabilities)
    receipt(model.spent_)
    out.print(f"wrote {predictions}: {len(names):,} predictions.", highlight=False)


def _loaded(
    path: Path,
    box: str | None,
    budget: int | None,
    journal: str | None,
    account: str | None,
    bar: ProgressBar,
) -> Reprogrammer:
    return Reprogrammer.load(
        path,
        box,
        predict_budget=budget,
        journal=read_journal(journal),
        account=account,
        listeners=(bar,),
    )


def _confirm_predictions(
    model: Reprogrammer, images: int, *, yes: bool, check: bool = False
) -> None:
    queries = images * model.queries_per_prediction_
    if check:
        queries += len(model.artefact_.box.canaries)
    model.meter_.check(queries, "predict")  # before the first of them is paid for
    confirm(model.box_, queries, f"the prediction of {images:,} images", yes=yes)


def _known_labels(labels: Any, classes: Any) -> Any:
    """Return ``labels`` in the type of the model's classes; labels it never saw are refused."""
    by_text = {str(name): name for name in classes}
    unknown = sorted({str(label) for label in labels} - by_text.keys())
    if unknown:
        raise InvalidOption(
            f"the model knows no class {unknown[0]!r}; it knows {', '.join(by_text)}."
        )
    return np.array([by_text[str(label)] for label in labels], dtype=classes.dtype)
