"""What the library says in Python's words, in those of the command line.

Sentences are written once, for who calls from Python: ``pass budget=N``. Whoever stands at the
command line cannot follow that, and reads ``pass --budget N``.
"""

import re
import shlex

OPTIONS = {
    "account": "--account",
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
    "models": "--models",
    "path_column": "--path-column",
    "predict_budget": "--budget",
    "queries_per_prediction": "--queries-per-prediction",
    "random_state": "--seed",
    "recipe": "--recipe",
    "trusted": "--trust",
    "value_range": "--value-range",
}
"""What the command line calls a parameter."""

VALUES = {("journal", "False"): "none"}
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


def spoken(text: str) -> str:
    """Return ``text`` with parameters as the command line's options.

    ``recipe='auto'`` becomes ``--recipe auto``, and ``max_usd`` becomes ``--max-usd``.
    """
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
