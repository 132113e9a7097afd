"""Pages about a model, for the commands that write one; what draws is imported when it draws."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rebox.classifier import Measured, Reprogrammer
from rebox.cli.console import out
from rebox.cli.output import write
from rebox.cli.standard import is_standard
from rebox.errors import InvalidOption
from rebox.output import encoded, is_stream
from rebox.sample import Dataset

if TYPE_CHECKING:
    from rebox.study.report.model import Worth


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


def check_page_of(model_path: Path) -> None:
    """Refuse, before a fit, a page that could not be written of its model.

    Raises
    ------
    MissingExtra, InvalidOption
        See `check_page`; or the model goes where it cannot be read again.
    """
    check_page()
    if is_standard(model_path) or is_stream(model_path):
        raise InvalidOption(
            f"--report is about the file of the model, and {model_path} keeps none: name a file "
            "by --out, or leave --report out."
        )


def model_page(path: Path, worth: "Worth | None" = None, *, title: str = "") -> str:
    """Return the page of the model in ``path``; with its ``worth``, as `worth_of` has it."""
    from rebox.study.report.model import model_report  # noqa: PLC0415 - what draws

    return model_report(path, title=title, worth=worth, when=moment())


def worth_of(model: Reprogrammer, task: Dataset, judged: Measured, **more: Any) -> "Worth":
    """Return what a page says of ``judged``: `rebox.study.report.model.worth_of`."""
    from rebox.study.report.model import worth_of as told  # noqa: PLC0415 - what draws

    return told(model, task, judged, **more)


def write_page(path: Path, page: str) -> None:
    """Write a page and say so."""
    content = encoded(page)
    write(path, content)
    size = f"{len(content) / 1e6:.1f} MB" if len(content) >= 1e5 else f"{len(content) / 1e3:.0f} kB"
    out.print(f"wrote {path}, {size}", highlight=False, markup=False, soft_wrap=True)


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
