"""The options that several commands take, and how they are read."""

import os
from pathlib import Path
from typing import Annotated

import typer

from rebox.cli import completion
from rebox.errors import InvalidOption
from rebox.recipe import RECIPES

AskedBoxOption = Annotated[
    list[str] | None,
    typer.Option(
        "--box",
        help="URI of the box, as onnx:model.onnx?preprocess=imagenet; several for as many boxes "
        "under one budget; the recipe local needs none.",
        autocompletion=completion.boxes,
    ),
]
OtherBoxOption = Annotated[
    list[str] | None,
    typer.Option(
        "--box",
        help="URI of the box, or of one of them; default: those in the model.",
        autocompletion=completion.boxes,
    ),
]
DataOption = Annotated[
    str,
    typer.Option(
        "--data",
        help="A folder per class, a CSV (path,label[,group], text,label or id,label), .npz (x, y[, "
        "groups], texts, y or ids, y), or a task, as abide:DIR.",
        autocompletion=completion.tasks,
    ),
]
PathColumnOption = Annotated[
    str | None, typer.Option("--path-column", help="What the CSV calls its column 'path'.")
]
TextColumnOption = Annotated[
    str | None,
    typer.Option("--text-column", help="What the CSV calls its column 'text'."),
]
LabelColumnOption = Annotated[
    str | None, typer.Option("--label-column", help="What the CSV calls its column 'label'.")
]
GroupColumnOption = Annotated[
    str | None,
    typer.Option("--group-column", help="Column of the CSV that says the subject, as patient_id."),
]
RecipeOption = Annotated[
    str,
    typer.Option(
        "--recipe",
        help=f"{', '.join(RECIPES)}; with options as in 'bar?q=5&inner=64'.",
        autocompletion=completion.recipes,
    ),
]
BudgetOption = Annotated[int | None, typer.Option("--budget", help="Most queries to ask.")]
PredictBudgetOption = Annotated[
    int | None,
    typer.Option(
        "--budget",
        help="Most queries that this command may ask; with --account, that all predictions under "
        "that name may be billed for, too.",
    ),
]
UsdOption = Annotated[float | None, typer.Option("--max-usd", help="Most US dollars to spend.")]
EncoderOption = Annotated[
    str | None,
    typer.Option("--encoder", help="A feature extractor of your own, as onnx:encoder.onnx."),
]
RangeOption = Annotated[
    str | None,
    typer.Option(
        "--value-range",
        help="Values that read black and white, as -1,1 for matrices; default: the task's own.",
    ),
]
TemplateOption = Annotated[
    list[str] | None,
    typer.Option(
        "--template",
        help="How texts are shown to a box, with {text} where the text goes, as 'Review: {text}'; "
        "several: the first is asked, the others are views.",
    ),
]
AliasOption = Annotated[
    list[str] | None,
    typer.Option(
        "--alias",
        help="What boxes call a class of yours, as joy=happiness; several for as many names.",
    ),
]
ObjectiveOption = Annotated[
    str,
    typer.Option(
        "--objective",
        help="What labels are decided for: accuracy, balanced_accuracy, kappa, "
        "'sensitivity:CLASS>=0.9', or costs:FILE.csv (what is said in its first line, what is true "
        "in its first column).",
    ),
]
OrderedOption = Annotated[
    bool,
    typer.Option(
        "--ordered",
        help="The classes are grades, in sorted order, numbers as numbers; default: the task's "
        "own word.",
    ),
]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Also write the figures here.")]


def _check_model(path: Path) -> Path:
    """Refuse a folder in a model's place: data is often named first."""
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises in a folder that is closed to us
        raise InvalidOption(
            f"{path} is a folder; expected a model, a file that 'rebox fit' wrote: name it before "
            "the data."
        )
    return path


ModelArgument = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="A model that 'rebox fit' wrote.", callback=_check_model),
]
JournalOption = Annotated[
    str | None,
    typer.Option(
        "--journal",
        help="What keeps every question and answer: a file, or postgresql://... for a team; none: "
        "keep nothing. Default: the user's own, for services that cost money.",
    ),
]
AccountOption = Annotated[
    str | None,
    typer.Option("--account", help="Whose budget it is, for several runs that share one."),
]
CanariesOption = Annotated[
    int | None,
    typer.Option(
        "--canaries",
        help="Fixed images asked at the end, to tell later whether the box has changed.",
    ),
]
BatchOption = Annotated[
    bool,
    typer.Option(
        "--batch",
        help="Ask services in batches: half price, within a day. Ctrl-C leaves a batch under way; "
        "the same command goes on with it.",
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", help="Fixes every random choice.")]
LocalOnlyOption = Annotated[
    bool, typer.Option("--local-only", help="Refuse boxes that are asked on other machines.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask before spending more than $1.")]


def read_aliases(texts: list[str] | None) -> dict[str, list[str]]:
    """Return what ``--alias`` says, as `rebox.Reprogrammer` takes it."""
    aliases: dict[str, list[str]] = {}
    for text in texts or ():
        label, _, name = (part.strip() for part in text.partition("="))
        if not label or not name:
            raise InvalidOption(f"--alias must look like CLASS=NAME, found {text!r}.")
        aliases.setdefault(label, []).append(name)
    return aliases


def read_range(text: str | None) -> tuple[float, float] | None:
    """Return what ``--value-range`` says."""
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError as error:
        raise InvalidOption(f"--value-range must look like -1,1, found {text!r}.") from error
    return low, high


def read_journal(text: str | None) -> str | bool | None:
    """Return what ``--journal`` says, as `rebox.Reprogrammer` takes it."""
    return False if text == "none" else text
