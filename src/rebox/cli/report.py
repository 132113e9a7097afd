"""The command that writes a report."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from rebox.cli.app import app, out
from rebox.cli.options import check_outputs
from rebox.errors import InvalidOption


@app.command("report")
def write(
    ledgers: Annotated[
        list[Path], typer.Argument(help="Ledgers, as 'rebox bench run' wrote them.")
    ],
    path: Annotated[Path, typer.Option("--out", help="The page to write, as report.html.")],
    journal: Annotated[
        list[Path] | None, typer.Option("--journal", help="Journals, for what services were paid.")
    ] = None,
    title: Annotated[str, typer.Option("--title", help="The page's heading.")] = "",
    reference: Annotated[
        str | None,
        typer.Option("--reference", help="The method others are compared with; default: auto."),
    ] = None,
) -> None:
    """Write one page of HTML: tables with intervals, figures, and what it cost.

    It needs no network and no script. SOURCE_DATE_EPOCH, if set, is when it was written.
    """
    from rebox.study.report import write_report  # noqa: PLC0415 - matplotlib and jinja2 are optional
    from rebox.study.report.document import TITLE  # noqa: PLC0415 - as above

    check_outputs(path)
    write_report(
        path,
        ledgers,
        journals=journal or (),
        title=title or TITLE,
        reference=reference,
        when=_moment(),
    )
    size = path.stat().st_size / 1e6
    out.print(f"wrote {path}, {size:.1f} MB", highlight=False, markup=False, soft_wrap=True)


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
