"""``rebox move``: another box in the place of one that a model asks."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rebox.artefact import content_of, peek
from rebox.box import BlackBox, open_box
from rebox.classifier import Reprogrammer
from rebox.cli.app import app
from rebox.cli.consent import confirm
from rebox.cli.console import err, out
from rebox.cli.interruption import signals
from rebox.cli.options import (
    AccountOption,
    AliasOption,
    BudgetOption,
    GroupColumnOption,
    JournalOption,
    LabelColumnOption,
    ModelArgument,
    PathColumnOption,
    TextColumnOption,
    UsdOption,
    YesOption,
    read_aliases,
    read_journal,
)
from rebox.cli.output import check_outputs, journal_files, refuse_pictures, write
from rebox.cli.printing import receipt_of
from rebox.cli.progress import ProgressBar
from rebox.errors import InvalidOption
from rebox.sample import Dataset, load


@app.command()
def move(  # noqa: PLR0913, PLR0917 - Typer reads a command's options from its parameters
    model_path: ModelArgument,
    box: Annotated[
        str,
        typer.Option(
            "--box",
            help="OLD=NEW: a box of the model by its URI or number, as 'rebox show' has them, and "
            "the URI of the one that is to answer in its place.",
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option("--data", help="Labelled samples, as for 'rebox fit', if it is another box."),
    ] = None,
    path_column: PathColumnOption = None,
    text_column: TextColumnOption = None,
    label_column: LabelColumnOption = None,
    group_column: GroupColumnOption = None,
    budget: BudgetOption = None,
    max_usd: UsdOption = None,
    alias: AliasOption = None,
    model_out: Annotated[
        Path | None,
        typer.Option("--out", help="The model to write; default: it takes the place of MODEL."),
    ] = None,
    journal: JournalOption = None,
    account: AccountOption = None,
    yes: YesOption = False,
) -> None:
    """Have another box answer in the place of one of several that a model asks.

    Of a box that only lies elsewhere nothing is asked. Of another one, what hangs on it is fitted
    anew to a few labelled samples that all boxes are asked about: the journal has the others'.
    """
    path, aliases = model_out or model_path, read_aliases(alias) if alias else None
    inputs = (data, *([] if path == model_path else [model_path]), *journal_files(journal))
    check_outputs(path, inputs=inputs, replaced=[path])
    task = None
    if data is not None:
        columns = (path_column, text_column, label_column, group_column)
        names = ("path_column", "text_column", "label_column", "group_column")
        task = load(data, **dict(zip(names, columns, strict=True)))
        refuse_pictures([path], task.images)
    bar = ProgressBar(err)
    old, new = _names(box, peek(model_path)[1]["boxes"])
    opened = open_box(new)
    model = Reprogrammer.load(
        model_path,
        journal=read_journal(journal),
        account=account,
        listeners=(bar,),
        without=[old],
    )
    if task is not None:
        _confirm(model, old, opened, budget, max_usd, yes=yes)
    before = model.artefact_.boxes
    with bar:
        _move(model, old, opened, task, (budget, max_usd), aliases)
    with signals.held():
        write(path, content_of(model.artefact_))
        if model.moved_ is not None:
            out.print(f"{model.moved_.words}.", highlight=False)
        name = next(one.name for one in before if one.identity == old)
        out.print(f"wrote {path}: {name} is {new} now.", highlight=False, markup=False)
        receipt_of(model)


def _names(given: str, boxes: list[dict[str, Any]]) -> tuple[str, str]:
    """Return the identity of the old box and the URI of the new: each may hold a ``=``."""
    names = {str(number): box["identity"] for number, box in enumerate(boxes, start=1)}
    names |= {box[name]: box["identity"] for box in boxes for name in ("uri", "identity")}
    for name in sorted(filter(None, names), key=len, reverse=True):
        if given.startswith(f"{name}=") and len(given) > len(name) + 1:
            return names[name], given[len(name) + 1 :]
    known = " or ".join(
        f"{number} ({box['uri'] or box['identity']})" for number, box in enumerate(boxes, start=1)
    )
    raise InvalidOption(
        f"--box must be OLD=NEW, where OLD is the number or the URI of {known}, found {given!r}."
    )


def _confirm(
    model: Reprogrammer,
    old: str,
    new: BlackBox,
    budget: int | None,
    max_usd: float | None,
    *,
    yes: bool,
) -> None:
    """Ask whether the move may cost what it can."""
    pairs = zip(model.boxes_, model.artefact_.boxes, strict=True)
    boxes = [new if old == record.identity else box for box, record in pairs]
    prices = [box.spec.price_usd or 0.0 for box in boxes]
    if budget is None or (max_usd is not None and sum(prices) * budget > max_usd * len(boxes)):
        total = sum(prices)
        budget = int((max_usd or 0.0) / total * len(boxes)) if total else 0
    confirm([(box, budget // len(boxes)) for box in boxes], "this move", yes=yes)


def _move(
    model: Reprogrammer,
    old: str,
    new: BlackBox,
    task: Dataset | None,
    caps: tuple[int | None, float | None],
    aliases: dict[str, list[str]] | None,
) -> None:
    if task is None:
        model.move(old, new)
        return
    try:
        model.move(
            old,
            new,
            task.samples,
            task.labels,
            budget=caps[0],
            max_usd=caps[1],
            groups=task.groups,
            aliases=aliases,
        )
    except BaseException:
        receipt_of(model)
        raise
