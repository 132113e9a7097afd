"""What the library says in Python's words, in those of the command line.

Sentences are written once, for who calls from Python: ``pass budget=N``. Whoever stands at the
command line cannot follow that, and reads ``pass --budget N``.
"""

import re
import shlex
from collections.abc import Iterable

OPTIONS = {
    "account": "--account",
    "aliases": "--alias",
    "batch": "--batch",
    "box": "--box",
    "budget": "--budget",
    "canaries": "--canaries",
    "data": "--data",
    "encoder": "--encoder",
    "group_column": "--group-column",
    "hold_out": "--hold-out",
    "journal": "--journal",
    "label_column": "--label-column",
    "max_usd": "--max-usd",
    "max_queries_per_day": "--max-queries-per-day",
    "max_usd_per_day": "--max-usd-per-day",
    "max_usd_per_prediction": "--max-usd-per-prediction",
    "models": "--models",
    "objective": "--objective",
    "ordered": "--ordered",
    "path_column": "--path-column",
    "positive": "--positive",
    "predict_budget": "--budget",
    "queries_per_prediction": "--queries-per-prediction",
    "random_state": "--seed",
    "recipe": "--recipe",
    "silent_share": "--silent-share",
    "text_column": "--text-column",
    "thumbnails": "--thumbnails",
    "trusted": "--trust",
    "usd_per_prediction": "--usd-per-prediction",
    "value_range": "--value-range",
}
"""What the command line calls a parameter."""

VALUES = {("journal", "False"): "none", ("ordered", "True"): "", ("batch", "True"): ""}
"""What a value of a parameter is called there, if it is not written alike."""

_NAMES = "|".join(OPTIONS)
_UNLIKE_WORDS = "|".join(name for name in OPTIONS if "_" in name)
# not in a path, an URI or a quotation: those are the user's own words
_BEFORE, _AFTER = r"(?<![\w.?&/='\"-])", r"(?![\w=/'\"-]|\.\w)"
_VALUE = (
    r"\((?P<several>[^()]*)\)|(?P<quote>['\"])(?P<text>.*?)(?P=quote)|(?P<bare>[\w:/-]+(?:\.\w+)*)"
)
ASSIGNED = re.compile(rf"{_BEFORE}(?P<name>{_NAMES})=(?:{_VALUE})?")
NAMED = re.compile(rf"{_BEFORE}(?P<name>{_UNLIKE_WORDS}){_AFTER}")


def spoken(text: str, typed: Iterable[str] = ()) -> str:
    """Return ``text`` with parameters as the command line's options.

    ``recipe='auto'`` becomes ``--recipe auto``, and ``max_usd`` becomes ``--max-usd``.

    Parameters
    ----------
    text : str
    typed : iterable of str
        Arguments of the command line, as the name of a file ``budget=100.rebox``: where they are
        quoted, they stay as they were typed.
    """
    own = {part for word in typed for part in (word, word.partition("=")[2])}
    kept = sorted((part for part in own if _translated(part) != part), key=len, reverse=True)
    if not kept:
        return _translated(text)
    parts = re.split(f"({'|'.join(map(re.escape, kept))})", text)
    return "".join(part if part in own else _translated(part) for part in parts)


def _translated(text: str) -> str:
    text = ASSIGNED.sub(_assigned, text)
    return NAMED.sub(lambda match: OPTIONS[match["name"]], text)


def _assigned(match: re.Match[str]) -> str:
    option, value = OPTIONS[match["name"]], _value(match)
    return f"{option} {value}" if value else option


def _value(match: re.Match[str]) -> str:
    if match["several"] is not None:
        return ",".join(part.strip() for part in match["several"].split(","))
    if match["text"] is not None:
        return shlex.quote(match["text"])
    return VALUES.get((match["name"], match["bare"]), match["bare"] or "")
