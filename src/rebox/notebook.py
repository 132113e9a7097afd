"""How things show themselves in a notebook: a short table in the colours of the page.

Whatever a file, a service or a user called something is escaped: a name is text and nothing else.
"""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

FIRST = 5  # of many names, those that are shown
LONGEST = 200  # characters of one text
LINE = "1px solid #8886"  # seen on white and on black
CELL = f"padding:.15em .8em .15em 0;text-align:left;vertical-align:top;border-bottom:{LINE}"
FRAME = (
    "color:inherit;font-size:inherit;background:none;border:0;border-collapse:collapse;"
    "margin:.3em 0"
)


def table(
    title: str, rows: Iterable[Sequence[object]], headings: Sequence[str] = (), note: str = ""
) -> str:
    """Return ``rows`` as HTML, with a title above and a note below."""
    head = _row(headings, "th") if headings else ""
    body = "".join(_row(row, "td") for row in rows)
    below = f'<div style="max-width:48em">{_text(note)}</div>' if note else ""
    return (
        f'<div class="rebox" style="color:inherit;background:none"><strong>{_text(title)}</strong>'
        f'<table style="{FRAME}">{head}{body}</table>{below}</div>'
    )


def facts(title: str, said: Mapping[str, object], note: str = "") -> str:
    """Return what is known of one thing as HTML; None is not known, and not shown."""
    return table(title, [row for row in said.items() if row[1] is not None], note=note)


def few(names: Iterable[object], counts: Mapping[object, int] | None = None) -> str:
    """Return the first of many names, with how many there are of each, in a line."""
    every = list(names)
    shown = [_named(name, counts) for name in every[:FIRST]]
    return ", ".join([*shown, f"and {len(every) - FIRST:,} more"] if len(every) > FIRST else shown)


def _named(name: object, counts: Mapping[object, int] | None) -> str:
    text = shortened(str(name), LONGEST // FIRST)
    return text if counts is None else f"{text} ({counts[name]:,})"


def shortened(text: str, most: int = LONGEST) -> str:
    """Return ``text`` in one line of printable characters, ``most`` of them."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= most else f"{line[: most - 3]}..."


def _row(cells: Sequence[object], tag: str) -> str:
    marked = [f'<{tag} style="{CELL}">{_text(cell)}</{tag}>' for cell in cells]
    return f"<tr>{''.join(marked)}</tr>"


def _text(text: object) -> str:
    return escape(shortened(str(text), 10 * LONGEST))
