"""The commands about boxes: probe, labels, check."""

import warnings
from pathlib import Path
from typing import Annotated

import typer

from rebox.artefact import write_atomically
from rebox.box import PROBE_QUESTIONS, BlackBox, open_box, probe
from rebox.classifier import Reprogrammer
from rebox.classifier.accounts import open_meter
from rebox.cli.app import app, err, out
from rebox.cli.consent import confirm
from rebox.cli.options import (
    JournalOption,
    ModelArgument,
    OtherBoxOption,
    YesOption,
    check_outputs,
    read_journal,
)
from rebox.cli.printing import print_drift, receipt
from rebox.errors import InvalidOption
from rebox.meter import Budget, Meter

box_app = typer.Typer(help="Black boxes: who answers.", no_args_is_help=True)
app.add_typer(box_app, name="box")

URIArgument = Annotated[str, typer.Argument(help="URI of the box.")]


@box_app.command(name="probe")
def probe_box(
    uri: URIArgument,
    budget: Annotated[
        int, typer.Option("--budget", help="Most questions to ask.")
    ] = PROBE_QUESTIONS,
    journal: JournalOption = None,
    yes: YesOption = False,
) -> None:
    """Ask a box a few questions and say what it is."""
    box = open_box(uri)
    if budget < PROBE_QUESTIONS:
        raise InvalidOption(
            f"a probe asks {PROBE_QUESTIONS} questions: --budget {budget} does not pay for them."
        )
    confirm(box, PROBE_QUESTIONS, "this probe", yes=yes)
    meter = _meter(box, "probe", Budget(queries=budget), journal)
    report = probe(meter.asker(box, "probe").ask, box.spec)
    for line in report.lines():
        out.print(line, highlight=False, markup=False, soft_wrap=True)
    for doubt in report.doubts:
        warnings.warn(doubt, UserWarning, stacklevel=1)
    receipt(meter.spent, box)


@box_app.command(name="labels")
def labels(
    uri: URIArgument,
    path: Annotated[
        Path | None, typer.Option("--out", help="Write them here, one on each line.")
    ] = None,
    journal: JournalOption = None,
    yes: YesOption = False,
) -> None:
    """Ask a service one grey image and say what its classes are called: one query."""
    from rebox.box.service import open_labels  # noqa: PLC0415 - HTTP, for services alone

    check_outputs(path)
    with open_labels(uri) as box:
        confirm(box, 1, "this question", yes=yes)
        meter = _meter(box, "labels", Budget(), journal)
        # names are not in the journal, so that they are always asked for anew
        meter.asker(box, "probe", afresh=True).ask(box.grey())
        names = box.names
    if path is not None:
        write_atomically(path, "".join(f"{name}\n" for name in names).encode())
    for name in names:
        out.print(name, highlight=False, markup=False)
    receipt(meter.spent, box, err)


def _meter(box: BlackBox, what: str, budget: Budget, journal: str | None) -> Meter:
    """Return a meter for questions that no fit asks, under an account of their own."""
    return open_meter(
        box,
        training=budget,
        prediction=Budget(),
        journal=read_journal(journal),
        fit=lambda _: f"{what}-{box.spec.identity}",
    )


@box_app.command(name="check")
def check_box(
    model_path: ModelArgument,
    box: OtherBoxOption = None,
    journal: JournalOption = None,
    yes: YesOption = False,
) -> None:
    """Ask a model's canaries again: exit code 1 if the box has changed under it."""
    model = Reprogrammer.load(model_path, box, journal=read_journal(journal))
    confirm(model.box_, len(model.artefact_.box.canaries), "this check", yes=yes)
    fit_for_use = print_drift(model.check_box())
    receipt(model.spent_, model.box_)
    if not fit_for_use:
        raise typer.Exit(1)
