"""``rebox report``: a page about what ledgers say, or about one model."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rebox.artefact import is_model
from rebox.cli import completion
from rebox.cli.app import app
from rebox.cli.evaluation import Evaluation, PositiveOption
from rebox.cli.model import refuse_own_files
from rebox.cli.options import (
    AccountOption,
    GroupColumnOption,
    LabelColumnOption,
    LocalOnlyOption,
    OtherBoxOption,
    PathColumnOption,
    PredictBudgetOption,
    TextColumnOption,
    YesOption,
)
from rebox.cli.output import check_outputs
from rebox.cli.page import check_page, model_page, moment, worth_of, write_page
from rebox.cli.wording import OPTIONS
from rebox.errors import InvalidOption


@app.command("report")
def report_of(  # noqa: PLR0913, PLR0917 - Typer reads a command's options from its parameters
    given: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Ledgers, as `bench run` writes them; or a model, as `fit` writes it.",
        ),
    ],
    path: Annotated[Path, typer.Option("--out", help="The page to write.")] = Path("report.html"),
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="Labelled samples to measure the model on, whatever 'evaluate' takes: what it is "
            "worth on them is added to its page.",
            autocompletion=completion.tasks,
        ),
    ] = None,
    path_column: PathColumnOption = None,
    text_column: TextColumnOption = None,
    label_column: LabelColumnOption = None,
    group_column: GroupColumnOption = None,
    thumbnails: Annotated[
        bool,
        typer.Option(
            "--thumbnails",
            help="Show some samples of --data, small, or the first words of texts: whoever has "
            "the page sees them.",
        ),
    ] = False,
    box: OtherBoxOption = None,
    budget: PredictBudgetOption = None,
    positive: PositiveOption = None,
    journal: Annotated[
        list[str] | None,
        typer.Option(
            "--journal",
            help="Of ledgers: journals, for what services were paid. With --data: what keeps "
            "every question and answer, as for 'evaluate'.",
        ),
    ] = None,
    account: AccountOption = None,
    local_only: LocalOnlyOption = False,
    yes: YesOption = False,
    title: Annotated[str, typer.Option("--title", help="The page's heading.")] = "",
    reference: Annotated[
        str | None,
        typer.Option("--reference", help="The method others are compared with; default: auto."),
    ] = None,
) -> None:
    """Write one page of HTML: what ledgers measured, or whom a model asks and what that brings.

    Of a model: the verdict, what each box brought, the curve of accuracy against price, and which
    samples are asked about. With --data the model is asked about labelled samples, as 'evaluate'
    does, and the page says what it is worth: confusion, each class, ROC, calibration, the samples
    it is unsure of, and what that cost. The page needs no network and no script.
    SOURCE_DATE_EPOCH, if set, is when it was written.
    """
    models = [one for one in given if is_model(one)]
    columns = {
        "path_column": path_column,
        "text_column": text_column,
        "label_column": label_column,
        "group_column": group_column,
    }
    _check_together(given, models, data, journal, reference)
    if data is None:
        told = {"box": box, "budget": budget, "account": account, "positive": positive}
        _refuse_without_data({**columns, **told, "thumbnails": thumbnails})
        check_outputs(path, inputs=(*given, *(journal or ())))
        for one in models:
            refuse_own_files([path], one)
        write_page(path, _page(given, models, journal, title, reference))
        return
    evaluation = Evaluation.of(
        models[0],
        data,
        path,
        columns=columns,
        box=box,
        budget=budget,
        journal=journal[0] if journal else None,
        account=account,
        local_only=local_only,
    )
    check_page(evaluation.task, thumbnails=thumbnails)
    judged = evaluation.measure(positive, yes=yes)
    worth = worth_of(
        evaluation.model,
        evaluation.task,
        judged,
        by_box=evaluation.model.spent_by_box_,
        usd_per_10k=evaluation.usd_per_10k,
        thumbnails=thumbnails,
    )
    write_page(path, model_page(models[0], worth, title=title))


def _page(
    given: list[Path],
    models: list[Path],
    journal: list[str] | None,
    title: str,
    reference: str | None,
) -> str:
    """Return the page of a model, or of ledgers, that takes nobody's answers."""
    if models:
        return model_page(models[0], title=title)
    from rebox.study.report import report  # noqa: PLC0415 - what draws is imported when it draws
    from rebox.study.report.document import TITLE  # noqa: PLC0415 - what draws is imported when it draws

    return report(
        given, journals=journal or (), title=title or TITLE, reference=reference, when=moment()
    )


def _check_together(
    given: list[Path],
    models: list[Path],
    data: str | None,
    journal: list[str] | None,
    reference: str | None,
) -> None:
    """Refuse what a page of one model, or of ledgers, has no place for."""
    if data is not None and not models:
        raise InvalidOption(
            f"--data is what a model is measured on, and {given[0]} is none: name a model that "
            "'rebox fit' wrote, or leave --data out."
        )
    if models and len(given) > 1:
        raise InvalidOption(
            f"{models[0]} is a model, and {len(given)} files were named; expected ledgers, or one "
            "model: write a page for each."
        )
    if models and data is None and journal:
        raise InvalidOption(
            f"{models[0]} is a model, and nobody is asked for its page: leave --journal out, or "
            "name --data to measure it on."
        )
    if models and reference is not None:
        raise InvalidOption(
            f"{models[0]} is a model; --reference is for a page of ledgers: leave it out."
        )
    if data is not None and journal is not None and len(journal) > 1:
        raise InvalidOption(
            f"found {len(journal)} journals; expected one, which keeps what is asked: name one."
        )


def _refuse_without_data(told: dict[str, Any]) -> None:
    """Refuse options of a measurement where there is none."""
    for name, value in told.items():
        if value not in (None, False):
            raise InvalidOption(
                f"{OPTIONS[name]} is for measuring a model, and there is no --data: name labelled "
                f"samples, or leave {OPTIONS[name]} out."
            )
