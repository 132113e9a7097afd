"""The commands about boxes: list, probe, labels, check."""

import warnings
from pathlib import Path
from typing import Annotated

import typer

from rebox.box import (
    BOXES,
    ID_QUESTIONS,
    PROBE_QUESTIONS,
    TEXT_QUESTIONS,
    BlackBox,
    open_box,
    probe,
    probe_ids,
    probe_texts,
)
from rebox.classifier import Reprogrammer
from rebox.classifier.accounts import open_meter
from rebox.classifier.boxes import settled
from rebox.cli.app import app
from rebox.cli.completion import boxes
from rebox.cli.consent import confirm
from rebox.cli.console import err, out
from rebox.cli.model import accounted, canaries_of, is_fit_for_use, need_canaries
from rebox.cli.options import (
    JournalOption,
    ModelArgument,
    OtherBoxOption,
    YesOption,
    read_journal,
)
from rebox.cli.output import check_outputs, journal_files, write
from rebox.cli.printing import receipt
from rebox.errors import InvalidOption, ServiceError
from rebox.meter import Budget, Meter
from rebox.output import encoded

box_app = typer.Typer(help="Black boxes: who answers.", no_args_is_help=True)
app.add_typer(box_app, name="box")

KINDS = {  # what they are, and the extra that they need
    "anthropic": ("a chat model of Anthropic's: its name", "services"),
    "azure-custom-vision": ("an Azure Custom Vision project: PROJECT/PUBLISHED", "services"),
    "chat": ("a chat model behind OpenAI's protocol: its name", "services"),
    "clarifai": ("a model at Clarifai: its name, as moderation-recognition", "services"),
    "demo": ("the digit recogniser that comes with rebox: digits", ""),
    "http": ("any service that takes an image or a text and answers JSON: its URL", "services"),
    "huggingface": ("a model behind Hugging Face's inference providers: its name", "services"),
    "mlflow": ("a model that MLflow serves: its URL", "services"),
    "oip": (
        "a model behind KServe's Open Inference Protocol: its URL",
        "services",
    ),
    "onnx": ("an ONNX file, run here: its path", ""),
    "recorded": ("answers of services, recorded in a file and asked by id: its path", ""),
    "rehearsal": ("a fixed random network that costs nothing, to rehearse with: no target", ""),
    "torch": ("a model of timm, torchvision or a file of yours, run here: its name", "torch"),
    "vertex": ("a Google AutoML endpoint: PROJECT/LOCATION/ENDPOINT", "services"),
}

QUESTIONS = {"images": PROBE_QUESTIONS, "texts": TEXT_QUESTIONS, "ids": ID_QUESTIONS}
MOST_QUESTIONS = max(QUESTIONS.values()) + 1  # and one that finds out how it is read

URIArgument = Annotated[str, typer.Argument(help="URI of the box.", autocompletion=boxes)]


@box_app.command(name="list")
def list_boxes() -> None:
    """Say which kinds of boxes are known, and what has to be installed for each."""
    for scheme in BOXES:
        what, needed = KINDS.get(scheme, ("from another package", ""))
        extra = f" (pip install 'rebox[{needed}]')" if needed else ""
        out.print(f"{scheme}: {what}{extra}", highlight=False, soft_wrap=True)


@box_app.command(name="probe")
def probe_box(
    uri: URIArgument,
    budget: Annotated[
        int, typer.Option("--budget", help="Most questions to ask.")
    ] = MOST_QUESTIONS,
    journal: JournalOption = None,
    yes: YesOption = False,
) -> None:
    """Ask a box a few questions and say what it is."""
    box = open_box(uri)
    questions = QUESTIONS[box.spec.takes] + (box.finder is not None)
    if budget < questions:
        raise InvalidOption(
            f"a probe asks {questions} questions: --budget {budget} does not pay for them."
        )
    confirm([(box, questions)], "this probe", yes=yes)
    meter = _meter(box, "probe", Budget(queries=budget), journal)
    try:
        (box,) = settled([box], meter)
        lines, doubts = _probed(box, meter)
    except ServiceError as error:
        if box.spec.takes != "images" or box.source.prompt is None:
            raise
        raise type(error)(f"{error} If it sees no pictures, probe it with takes=texts.") from error
    for line in lines:
        out.print(line, highlight=False, markup=False, soft_wrap=True)
    for remark in box.source.remarks:
        out.print(remark, highlight=False, markup=False, soft_wrap=True)
    for doubt in doubts:
        warnings.warn(doubt, UserWarning, stacklevel=1)
    receipt(meter.spent, [box])


def _probed(box: BlackBox, meter: Meter) -> tuple[list[str], list[str]]:
    """Return what a probe says of ``box``, by whatever it takes, and what speaks against it."""
    ask = meter.asker(box, "probe").ask
    if box.spec.takes == "ids":
        return probe_ids(ask, box).lines(), []
    if box.spec.takes == "texts":
        return probe_texts(ask, box.spec).lines(), []
    report = probe(ask, box.spec)
    return report.lines(), report.doubts


@box_app.command(name="prompt")
def show_prompt(uri: URIArgument) -> None:
    """Show the words that a chat model is asked with; ask nobody."""
    box = open_box(uri).source
    words = box.prompt
    if words is None:
        raise InvalidOption(f"{uri} is asked without words: chat: and anthropic: have a prompt.")
    out.print(words, highlight=False, markup=False, soft_wrap=True)


@box_app.command(name="labels")
def labels(
    uri: URIArgument,
    path: Annotated[
        Path | None, typer.Option("--out", help="Write them here, one on each line.")
    ] = None,
    journal: JournalOption = None,
    yes: YesOption = False,
) -> None:
    """Ask a service one grey image, or a text, and say what its classes are called: one query."""
    from rebox.box.service import open_labels  # noqa: PLC0415 - HTTP, for services alone

    check_outputs(path, inputs=(uri, *journal_files(journal)))
    with open_labels(uri) as box:
        confirm([(box, 1)], "this question", yes=yes)
        meter = _meter(box, "labels", Budget(), journal)
        # names are not in the journal, so that they are always asked for anew
        meter.asker(box, "probe", afresh=True).ask(box.grey())
        names = box.names
    if path is not None:
        write(path, encoded("".join(f"{name}\n" for name in names)))
    for name in names:
        out.print(name, highlight=False, markup=False)
    receipt(meter.spent, [box], console=err)


def _meter(box: BlackBox, what: str, budget: Budget, journal: str | None) -> Meter:
    """Return a meter for questions that no fit asks, under an account of their own."""
    return open_meter(
        [box],
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
    need_canaries(model, str(model_path))
    confirm(canaries_of(model), "this check", yes=yes)
    with accounted(model):
        usable = is_fit_for_use(model)
    if not usable:
        raise typer.Exit(1)
