"""Pages about a model, for the commands that write one; what draws is imported when it draws."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rebox.classifier import Measured, Reprogrammer
from rebox.cli.console import out
from rebox.cli.output import write
from rebox.errors import InvalidOption
from rebox.meter import Spent
from rebox.output import encoded
from rebox.sample import Dataset


def check_page(task: Dataset | None = None, *, thumbnails: bool = False) -> None:
    """Refuse what no page could be written of, before a query is paid for.

    Raises
    ------
    MissingExtra
        matplotlib or jinja2 is not installed.
    InvalidOption
        ``thumbnails`` are asked for of samples that show nothing, or the moment cannot be read.
    """
    from rebox.study.report.model import check_shown  # noqa: PLC0415 - what draws
    from rebox.study.report.template import need_drawing  # noqa: PLC0415 - what draws

    need_drawing()
    moment()
    if thumbnails and task is not None:
        check_shown(task)


def measured_page(
    path: Path,
    model: Reprogrammer,
    task: Dataset,
    judged: Measured,
    by_box: Sequence[Spent],
    usd_per_10k: float | None,
    *,
    thumbnails: bool = False,
    title: str = "",
) -> str:
    """Return the page of the model in ``path``, with what it was ``judged`` to be worth."""
    from rebox.study.report.model import model_report, worth_of  # noqa: PLC0415 - what draws

    worth = worth_of(model, task, judged, by_box, usd_per_10k, thumbnails=thumbnails)
    return model_report(path, title=title, worth=worth, when=moment())


def model_page(path: Path, *, title: str = "") -> str:
    """Return the page of the model in ``path``, by its file alone."""
    from rebox.study.report.model import model_report  # noqa: PLC0415 - what draws

    return model_report(path, title=title, when=moment())


def write_page(path: Path, page: str) -> None:
    """Write a page and say so."""
    content = encoded(page)
    write(path, content)
    out.print(
        f"wrote {path}, {len(content) / 1e6:.1f} MB", highlight=False, markup=False, soft_wrap=True
    )


def moment() -> datetime:
    """Return when a page is written: now, or when SOURCE_DATE_EPOCH says."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if not given:
        return datetime.now(UTC)
    try:
        return datetime.fromtimestamp(int(given), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidOption(
            f"SOURCE_DATE_EPOCH is {given!r}; expected seconds since 1970: unset it, or mend it."
        ) from error
