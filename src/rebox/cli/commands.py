"""The commands of ``rebox``: arguments only; the work is done by what they call."""

import sys
import time
import warnings
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

import rebox
from rebox.artefact import check_writable
from rebox.box import open_box, probe
from rebox.classifier import Reprogrammer
from rebox.classifier.checks import check_prediction
from rebox.cli.progress import ProgressBar
from rebox.cli.record import write_predictions, write_record
from rebox.errors import Error, InvalidOption
from rebox.fit import AutoPlan, Inputs, LaidOut, Plan, Verdict, plan_auto, plan_fit, programs_of
from rebox.meter import Budget, Meter, MeteredBox, Spent
from rebox.metric import Interval, evaluate
from rebox.recipe import RECIPES, Auto, recipe_from_name
from rebox.task import Dataset, load, load_unlabelled

out = Console()
err = Console(stderr=True)

app = typer.Typer(
    name="rebox",
    help="Teach a classifier that you can only ask a task of your own, within a query budget.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
box_app = typer.Typer(help="Black boxes: who answers.", no_args_is_help=True)
app.add_typer(box_app, name="box")

BoxOption = Annotated[
    str, typer.Option("--box", help="URI of the box, as onnx:model.onnx?preprocess=imagenet.")
]
OtherBoxOption = Annotated[
    str | None, typer.Option("--box", help="URI of the box; default: the one in the model.")
]
DataOption = Annotated[
    Path, typer.Option("--data", help="A folder per class, a CSV (path,label), or .npz (x, y).")
]
RecipeOption = Annotated[
    str,
    typer.Option("--recipe", help=f"{', '.join(RECIPES)}; with options as in 'bar?q=5&inner=64'."),
]
BudgetOption = Annotated[int | None, typer.Option("--budget", help="Most queries to ask.")]
UsdOption = Annotated[float | None, typer.Option("--max-usd", help="Most US dollars to spend.")]
PerPredictionOption = Annotated[
    int,
    typer.Option(
        "--queries-per-prediction",
        help="Most queries for each prediction; 0 answers without the box.",
    ),
]
EncoderOption = Annotated[
    str | None,
    typer.Option("--encoder", help="A feature extractor of your own, as onnx:encoder.onnx."),
]
RangeOption = Annotated[
    str | None,
    typer.Option("--value-range", help="Values that read black and white, as -1,1 for matrices."),
]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")]
ModelArgument = Annotated[Path, typer.Argument(help="A model that 'rebox fit' wrote.")]


def main() -> None:
    """Run the command line; an error of ours is one line on stderr and exit code 2."""
    warnings.showwarning = _show_warning
    try:
        app()
    except Error as error:
        err.print(f"rebox: error: {' '.join(str(error).split())}", markup=False, soft_wrap=True)
        sys.exit(2)


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    err.print(f"rebox: warning: {message}", markup=False, soft_wrap=True)


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    """Teach a classifier that you can only ask a task of your own, within a query budget."""
    if show:
        out.print(f"rebox {rebox.__version__}", highlight=False)
        raise typer.Exit


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--out", help="Where model and picture go.")] = Path(
        "rebox-demo"
    ),
    seed: Annotated[int, typer.Option("--seed")] = 0,
) -> None:
    """Teach a digit recogniser to diagnose tumours, offline, in a minute."""
    from rebox.demo import print_demo  # noqa: PLC0415 - the demo's data is loaded when it runs

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
    chosen = recipe_from_name(recipe)
    check_prediction(chosen, per_prediction, None)  # as a fit would
    opened, task = open_box(box), load(data)
    left = Budget(queries=budget, usd=max_usd).allows(opened.spec.price_usd)
    if left is None:
        raise InvalidOption("no budget was given: pass --budget N, or --max-usd X for a paid box.")
    inputs = Inputs.fit(task.images, _range(value_range))
    images = LaidOut(inputs, task.images)
    if isinstance(chosen, Auto):
        pool = len(programs_of(images, opened))
        planned = plan_auto(len(images), left, pool, per_prediction)
        rows, total = _auto_rows(planned)
        per_prediction = min(per_prediction, 1 + planned.tried)
    else:
        program = chosen.program(inputs.size, opened.spec.shape, blocky=inputs.blocky)
        rows, total = _recipe_rows(plan_fit(chosen, program.dimension, len(images), left))
    table = Table("", "queries", title=f"{recipe} with at most {left:,} queries", title_style="")
    for name, queries in rows:
        table.add_row(name, queries)
    table.add_row("left over", f"{left - total:,}")
    table.add_row("each prediction", f"{per_prediction} at most")
    price = opened.spec.price_usd
    table.add_row("cost of the fit", f"${total * price:,.2f}")
    table.add_row("cost of 1000 predictions", f"${1000 * per_prediction * price:,.2f}")
    out.print(table)


def _auto_rows(planned: AutoPlan) -> tuple[list[tuple[str, str]], int]:
    rows = [("plain view", f"{planned.asked:,} of {planned.images:,} training images")]
    if planned.candidates:
        screening = f"{planned.candidates} views on {planned.screened:,} images each"
        rows.append(("screening", f"{planned.screening:,} = {screening}"))
    if planned.tried:
        trying = f"{planned.tried} views on all {planned.asked:,} images"
        rows.append(("other views, at most", f"{planned.trying:,} for {trying}"))
    return rows, planned.total


def _recipe_rows(planned: Plan) -> tuple[list[tuple[str, str]], int]:
    rows = [("mapping", f"{planned.map:,} of {planned.images:,} training images")]
    if planned.evaluations:
        steps = f"{planned.search:,} = {planned.steps:,} steps, {planned.evaluations} programs each"
        rows.append(("search", f"{steps}, in {planned.dimension:,} dimensions"))
    return rows, planned.total


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
) -> None:
    """Fit a model to your data, within the budget."""
    started = time.perf_counter()
    _check_outputs(model_path, json)
    task = load(data)
    if json is not None and json.resolve() == model_path.resolve():
        raise InvalidOption(f"--out and --json are both {json}: name two files.")
    with ProgressBar(err) as bar:
        model = Reprogrammer(
            open_box(box),
            recipe,
            budget=budget,
            queries_per_prediction=per_prediction,
            encoder=encoder,
            verdict=True,
            max_usd=max_usd,
            value_range=_range(value_range),
            random_state=seed,
            listeners=(bar,),
        )
        error = _fit_or_keep(model, task)
    model.save(model_path)
    if json is not None:
        write_record(json, model, time.perf_counter() - started, {})
    _print_verdict(model.verdict_)
    _receipt(model.spent_)
    out.print(f"wrote {model_path}: {model.stop_reason_}.", highlight=False)
    if error is not None:
        raise error


def _fit_or_keep(model: Reprogrammer, task: Dataset) -> Error | None:
    """Fit; return the error that cut it short, if a usable model was left. Ctrl-C is none."""
    try:
        model.fit(task.images, task.labels)
    except KeyboardInterrupt:
        if not hasattr(model, "artefact_"):
            raise
    except Error as error:
        if not hasattr(model, "artefact_"):
            if hasattr(model, "meter_"):
                _receipt(model.meter_.spent)
            raise
        return error
    return None


@app.command(name="evaluate")
def evaluate_model(
    model_path: ModelArgument,
    data: DataOption,
    box: OtherBoxOption = None,
    budget: BudgetOption = None,
    positive: Annotated[
        str | None, typer.Option("--positive", help="The class that sensitivity speaks of.")
    ] = None,
    json: JsonOption = None,
) -> None:
    """Measure a model on labelled data: every metric with its 95 % interval."""
    started = time.perf_counter()
    _check_outputs(json)
    task = load(data)
    with ProgressBar(err) as bar:
        model = Reprogrammer.load(model_path, box, predict_budget=budget, listeners=(bar,))
        labels = _known_labels(task.labels, model.classes_)
        probabilities = model.predict_proba(task.images)
    chosen = None if positive is None else _known_labels(np.array([positive]), model.classes_)[0]
    metrics = evaluate(labels, probabilities, list(model.classes_), positive=chosen)
    _print_metrics(metrics)
    _receipt(model.spent_)
    if json is not None:
        write_record(json, model, time.perf_counter() - started, metrics)


@app.command()
def predict(
    model_path: ModelArgument,
    paths: Annotated[list[Path], typer.Argument(help="Images, folders, a CSV or an .npz.")],
    predictions: Annotated[Path, typer.Option("--out", help="The CSV to write.")] = Path(
        "predictions.csv"
    ),
    box: OtherBoxOption = None,
    budget: BudgetOption = None,
) -> None:
    """Label new images; each asks as many queries as the model was fitted for."""
    _check_outputs(predictions)
    images, names = load_unlabelled(paths)
    with ProgressBar(err) as bar:
        model = Reprogrammer.load(model_path, box, predict_budget=budget, listeners=(bar,))
        probabilities = model.predict_proba(images)
    write_predictions(predictions, names, model.classes_, probabilities)
    _receipt(model.spent_)
    out.print(f"wrote {predictions}: {len(names):,} predictions.", highlight=False)


@box_app.command(name="probe")
def probe_box(
    uri: Annotated[str, typer.Argument(help="URI of the box.")],
    budget: Annotated[int, typer.Option("--budget", help="Most questions to ask.")] = 16,
) -> None:
    """Ask a box a few questions and say what it is."""
    box = open_box(uri)
    meter = Meter(box.spec.price_usd, Budget(queries=budget))
    report = probe(MeteredBox(box, meter, "probe").ask, box.spec)
    for line in report.lines():
        out.print(line, highlight=False, markup=False)
    spent = meter.spent
    out.print(f"asked {spent.total} questions, ${spent.usd:.2f}", highlight=False)


def _check_outputs(*paths: Path | None) -> None:
    for path in paths:
        if path is not None:
            check_writable(path)


def _range(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InvalidOption(f"--value-range must look like -1,1, found {text!r}.") from error
    return low, high


def _known_labels(labels: Any, classes: Any) -> Any:
    """Return ``labels`` in the type of the model's classes; labels it never saw are refused."""
    by_text = {str(name): name for name in classes}
    unknown = sorted({str(label) for label in labels} - by_text.keys())
    if unknown:
        raise InvalidOption(
            f"the model knows no class {unknown[0]!r}; it knows {', '.join(by_text)}."
        )
    return np.array([by_text[str(label)] for label in labels], dtype=classes.dtype)


def _print_metrics(metrics: dict[str, Interval]) -> None:
    table = Table("metric", "value", "95 % interval")
    for name, found in metrics.items():
        spelled = name.replace("_", " ")
        table.add_row(spelled, f"{found.value:.4f}", f"{found.low:.4f} to {found.high:.4f}")
    out.print(table)


def _print_verdict(verdict: Verdict | None) -> None:
    if verdict is None:
        return
    table = Table("held-out training images", "queries", "macro AUC", "accuracy")
    for row in verdict.rows:
        table.add_row(row.name, str(row.queries), _spelled(row.macro_auc), _spelled(row.accuracy))
    out.print(table)
    out.print(verdict.words, highlight=False)


def _spelled(figure: Interval) -> str:
    return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"


def _receipt(spent: Spent) -> None:
    counts = spent.by_purpose()
    total = counts.pop("total")
    parts = ", ".join(f"{count:,} to {purpose}" for purpose, count in counts.items() if count)
    of_them = f" ({parts})" if parts else ""
    out.print(f"asked {total:,} queries{of_them}, ${spent.usd:,.2f}", highlight=False)
