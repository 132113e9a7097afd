"""What was found, put into a template of the page."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

from rebox.errors import extra


def need_drawing() -> None:
    """Raise `MissingExtra` where what pages are made with is not installed."""
    with extra("study", "a report"):
        import jinja2  # noqa: F401, PLC0415 - an extra
        import matplotlib  # noqa: F401, PLC0415 - an extra


def template_of(name: str) -> Any:
    """Return a template of the folder ``page``.

    Raises
    ------
    MissingExtra
        jinja2 is not installed.
    """
    with extra("study", "a report"):
        from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - an extra
    environment = Environment(
        loader=PackageLoader("rebox.study.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)


def rendered(template: Any, shown: Mapping[str, Any], when: datetime | None) -> str:
    """Return the page that shows it; ``when`` says when it was written, or nothing of it."""
    from rebox import __version__  # noqa: PLC0415 - the package itself, which is whole by now

    style = files("rebox.study.report").joinpath("page/style.css").read_text(encoding="utf-8")
    said = None if when is None else f"{when.astimezone(UTC):%Y-%m-%d %H:%M UTC}"
    return str(template.render(shown, style=style, version=__version__, when=said))
