"""``rebox report``: a page about what ledgers say, or about one model."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from rebox.artefact import is_model
from rebox.cli.app import app
from rebox.cli.console import out
from rebox.cli.output import check_outputs, write
from rebox.errors import InvalidOption
from rebox.output import encoded


@app.command("report")
def write_page(
    given: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="Ledgers, as `bench run` writes them; or a model, as `fit` writes it.",
        ),
    ],
    path: Annotated[Path, typer.Option("--out", help="The page to write.")] = Path("report.html"),
    journal: Annotated[
        list[str] | None, typer.Option("--journal", help="Journals, for what services were paid.")
    ] = None,
    title: Annotated[str, typer.Option("--title", help="The page's heading.")] = "",
    reference: Annotated[
        str | None,
        typer.Option("--reference", help="The method others are compared with; default: auto."),
    ] = None,
) -> None:
    """Write one page of HTML: what ledgers measured, or whom a model asks and what that brings.

    Of a model: the verdict, what each box brought, the curve of accuracy against price, and which
    samples are asked about. It needs no network and no script. SOURCE_DATE_EPOCH, if set, is when
    it was written.
    """
    check_outputs(path, inputs=(*given, *(journal or ())))
    models = [one for one in given if is_model(one)]
    if models:
        _check_alone(given, models, journal, reference)
        from rebox.study.report.model import model_report  # noqa: PLC0415 - what draws is imported when it draws

        page = model_report(models[0], title=title, when=_moment())
    else:
        from rebox.study.report import report  # noqa: PLC0415 - what draws is imported when it draws
        from rebox.study.report.document import TITLE  # noqa: PLC0415 - what draws is imported when it draws

        page = report(
            given,
            journals=journal or (),
            title=title or TITLE,
            reference=reference,
            when=_moment(),
        )
    content = encoded(page)
    write(path, content)
    out.print(
        f"wrote {path}, {len(content) / 1e6:.1f} MB", highlight=False, markup=False, soft_wrap=True
    )


def _check_alone(
    given: list[Path], models: list[Path], journal: list[str] | None, reference: str | None
) -> None:
    """Refuse what a page of one model has no place for."""
    if len(given) > 1:
        raise InvalidOption(
            f"{models[0]} is a model, and {len(given)} files were named; expected ledgers, or one "
            "model: write a page for each."
        )
    if journal or reference is not None:
        raise InvalidOption(
            f"{models[0]} is a model; --journal and --reference are for a page of ledgers: leave "
            "them out."
        )


def _moment() -> datetime:
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if not given:
        return datetime.now(UTC)
    try:
        return datetime.fromtimestamp(int(given), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidOption(
            f"SOURCE_DATE_EPOCH is {given!r}; expected seconds since 1970: unset it, or mend it."
        ) from error
