"""The commands of the bench: run a plan, show what ledgers say, write a report of it."""

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from fnmatch import fnmatch
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from rebox.box import BlackBox, is_service
from rebox.cli.app import app
from rebox.cli.consent import confirm
from rebox.cli.console import err, out
from rebox.cli.options import JournalOption, UsdOption, YesOption, read_journal
from rebox.cli.output import check_outputs, write
from rebox.cli.printing import usd_per_query
from rebox.cli.standard import standard_output
from rebox.cli.wording import spoken
from rebox.errors import InvalidData, InvalidOption, MissingExtra
from rebox.money import dollars
from rebox.output import encoded

if TYPE_CHECKING:
    from rebox.study.bench import Places, StudyPlan, Trial, TrialEnded
    from rebox.study.report.markdown import Section

# The bench opens every kind of box and baseline: it is imported when it is asked for.

bench_app = typer.Typer(
    help="Measure methods against each other: a plan, trials, a ledger.", no_args_is_help=True
)
app.add_typer(bench_app, name="bench")

# Clusters that joblib does not know until they are told to make themselves known to it.
REGISTERED_BY = {"ray": "ray.util.joblib:register_ray"}

PlanArgument = Annotated[str, typer.Argument(help="A TOML file, or the name of a shipped plan.")]
LedgersArgument = Annotated[list[Path], typer.Argument(help="Ledgers, as `bench run` writes them.")]


@bench_app.command(name="plans")
def plans() -> None:
    """List the plans that come with rebox."""
    from rebox.study.bench import read_plan, shipped_plans  # noqa: PLC0415 - see above

    table = Table("plan", "trials", "what")
    for name in shipped_plans():
        plan = read_plan(name)
        table.add_row(name, f"{len(plan.trials):,}", plan.title)
    out.print(table)


@bench_app.command(name="run")
def run_plan(  # noqa: PLR0913, PLR0917 - Typer reads a command's options from its parameters
    plan: PlanArgument,
    ledger: Annotated[
        Path | None, typer.Option("--ledger", help="Rows are appended. Default: PLAN.jsonl here.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", envvar="REBOX_DATA", help="The folder of the data sets."),
    ] = None,
    models: Annotated[
        Path | None,
        typer.Option("--models", help="The folder of the models. Default: DATA/models."),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", help="A folder that keeps answers of free boxes.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", help="Trials at a time. Default: 1; all workers of a --backend.", min=1
        ),
    ] = None,
    threads: Annotated[int, typer.Option("--threads", help="Threads of a trial.", min=1)] = 1,
    device: Annotated[
        str,
        typer.Option(
            "--device", help="Where torch and ONNX models run, and what is trained: cpu, cuda, ..."
        ),
    ] = "cpu",
    dtype: Annotated[
        str, typer.Option("--dtype", help="Of what is trained through a network: float32, bfloat16")
    ] = "float32",
    backend: Annotated[
        str | None, typer.Option("--backend", help="A joblib backend: loky, dask, ray, ...")
    ] = None,
    only: Annotated[
        str, typer.Option("--only", help="A pattern of 'task | box | method | budget | seed'.")
    ] = "*",
    listed: Annotated[bool, typer.Option("--list", help="Show what would run.")] = False,
    trusted: Annotated[
        list[str] | None,
        typer.Option("--trust", help="A host, or a key's variable, that the plan may name."),
    ] = None,
    max_usd: UsdOption = None,
    journal: JournalOption = None,
    yes: YesOption = False,
) -> None:
    """Run the trials of a plan that the ledger does not hold.

    A run that was cut short goes on where it stopped. Exit code 1: some trials failed.
    """
    from rebox.study.bench import (  # noqa: PLC0415 - see above
        Places,
        check_ledger,
        is_done,
        read_ledger,
        read_plan,
        run,
    )

    planned = read_plan(plan)
    trials = _chosen(planned, only)
    ledger = Path(f"{planned.name}.jsonl") if ledger is None else ledger
    if listed:
        _list_trials(trials, ledger)
        return
    if models is None and data is not None:
        models = data / "models"
    places = Places(
        data=data,
        models=models,
        cache=cache,
        threads=threads,
        device=device,
        dtype=dtype,
        journal=read_journal(journal),
        trusted=tuple(trusted or ()),
    )
    check_ledger(ledger)  # before it is asked whether money may be spent
    done = {row["key"] for row in read_ledger(ledger) if is_done(row)}
    _confirm([trial for trial in trials if trial.key not in done], places, max_usd, yes=yes)
    if jobs is None:
        jobs = 1 if backend is None else -1
    with _in_force(backend):
        ended = run(trials, ledger, places, jobs=jobs, listeners=(tell_trial,))
    out.print(
        f"{ended.done:,} measured, {ended.skipped:,} held already, {ended.unavailable:,} not at "
        f"hand, {ended.failed:,} failed: {ledger}",
        highlight=False,
    )
    if ended.failed:
        raise typer.Exit(1)


def _chosen(planned: "StudyPlan", only: str) -> "list[Trial]":
    chosen = [trial for trial in planned.trials if fnmatch(trial.label, only)]
    if not chosen:
        raise InvalidOption(
            f"no trial of {planned.name} is like --only {only!r}: --list shows how they are "
            f"called, as {planned.trials[0].label!r}."
        )
    return chosen


def _confirm(trials: "list[Trial]", places: "Places", max_usd: float | None, *, yes: bool) -> None:
    """Open the services that trials ask, and ask whether all of it may be spent."""
    from rebox.study.bench import Workbench  # noqa: PLC0415 - see above

    queries: Counter[BlackBox] = Counter()
    with Workbench(places) as bench:
        for trial in trials:
            planned = trial.box if trial.method.asks else None
            if planned is not None and planned.served is None and is_service(planned.uri):
                each = trial.method.queries_per_prediction
                whole = (trial.budget or 0) + each * len(bench.split(trial).test)
                queries[bench.box(planned).box.source] += whole
        usd = 0.0
        for box, count in queries.items():
            confirm([(box, count)], f"the trials that ask {box.spec.identity}", yes=yes)
            if box.spec.price_usd is None and max_usd is not None:
                raise InvalidOption(
                    f"a cap of {dollars(max_usd)} cannot be kept where the price of a query is not "
                    f"known, as of {box.spec.identity}: leave --max-usd out."
                )
            usd += count * (usd_per_query(box) or 0.0)
    if max_usd is not None and usd > max_usd:
        raise InvalidOption(
            f"the plan may cost up to {dollars(usd)}: raise --max-usd, or choose fewer trials by "
            "--only."
        )


def _list_trials(trials: "list[Trial]", ledger: Path) -> None:
    from rebox.study.bench import is_done, read_ledger  # noqa: PLC0415 - see above

    done = {row["key"] for row in read_ledger(ledger) if is_done(row)}
    for trial in trials:
        out.print("done" if trial.key in done else "    ", trial.label, highlight=False)


@bench_app.command(name="table")
def show_table(
    ledgers: LedgersArgument,
    reference: Annotated[
        str, typer.Option("--reference", help="The method that the others are compared with.")
    ] = "auto",
    equal_budgets: Annotated[
        bool,
        typer.Option(
            "--equal-budgets", help="Compare at equal budgets, not with the reference's largest."
        ),
    ] = False,
    preface: Annotated[
        Path | None, typer.Option("--preface", help="Markdown that stands before the tables.")
    ] = None,
    written: Annotated[
        Path | None, typer.Option("--out", help="Write Markdown here instead of printing.")
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print Markdown, as is done outside of a terminal.")
    ] = False,
) -> None:
    """Show what was published beside what was measured, with intervals."""
    from rebox.study.bench import merged, read_ledger  # noqa: PLC0415 - see above
    from rebox.study.report.markdown import render, sections  # noqa: PLC0415 - see above

    check_outputs(written, inputs=(*ledgers, preface))
    rows = merged(row for path in ledgers for row in _rows(path, read_ledger))
    before = "" if preface is None else f"{_read(preface).rstrip()}\n\n"
    if written is None and out.is_terminal and not markdown:
        out.print(Markdown(before))
        _print_sections(*sections(rows, reference=reference, equal_budgets=equal_budgets))
        return
    text = f"{before}{render(rows, reference=reference, equal_budgets=equal_budgets)}"
    if written is None:
        with standard_output():
            typer.echo(text)
    else:
        write(written, encoded(text))
        out.print(f"wrote {written}.", highlight=False)


def _print_sections(legend: Sequence[str], parts: "Sequence[Section]") -> None:
    """Print each section as a table whose columns are aligned."""
    from rebox.study.report.table import in_line  # noqa: PLC0415 - see above

    for part in parts:
        table = Table(title=part.title, title_justify="left", title_style="bold")
        shown = [column for column in part.columns if column.when(part.rows)]
        for column in shown:
            table.add_column(
                column.title, justify="right" if column.number else "left", overflow="fold"
            )
        for row in part.rows:
            table.add_row(*(Text(in_line(column, row)) for column in shown))
        out.print(table)
    for paragraph in legend:
        out.print(paragraph, highlight=False)


def tell_trial(event: "TrialEnded") -> None:
    """Print a line for a trial that ended."""
    console, said = (err, spoken(event.error)) if event.row is None else (out, _said(event.row))
    console.print(
        f"[{event.number}/{event.planned}] {event.label}: {said}; {_spelled(event.left_s)} to go",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _said(row: dict[str, Any]) -> str:
    if row["status"] != "done":
        return str(row["why"])
    accuracy, auc = row["metrics"]["accuracy"]["value"], row["metrics"].get("macro_auc")
    asked = row["fit_queries"]["total"]
    reached = "" if auc is None else f", macro AUC {auc['value']:.3f}"
    return f"accuracy {accuracy:.3f}{reached} after {asked:,} queries"


def _spelled(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {seconds:02} s"


def _rows(path: Path, read: Any) -> list[dict[str, Any]]:
    rows = list(read(path))
    if not rows:
        raise InvalidData(f"{path} holds no trials: name a ledger that `rebox bench run` wrote.")
    return rows


def _read(preface: Path) -> str:
    try:
        return preface.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidData(
            f"{preface} cannot be read ({error}); expected text in UTF-8: check --preface."
        ) from error


def _in_force(backend: str | None) -> Any:
    """Return a context in which joblib uses ``backend``."""
    if backend is None:
        return nullcontext()
    from joblib import parallel_config  # noqa: PLC0415 - see above

    if backend in REGISTERED_BY:
        module, function = REGISTERED_BY[backend].split(":")
        try:
            getattr(import_module(module), function)()
        except ImportError as error:
            raise MissingExtra(
                f"the backend {backend} needs a package: pip install {backend}."
            ) from error
    try:
        return parallel_config(backend=backend)
    except ValueError as error:
        raise InvalidOption(f"joblib has no backend {backend!r}: {error}.") from error
