"""Classes of a box that bear the names of the user's: what it says of them is an opinion."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.sample.labels import meaning

NOBODY = -1  # the place of a class that the box has no name for
SHORT = 3  # letters of words that are no plurals: gas, bus, yes
ENDINGS = (("ies", "y"), ("sses", "ss"), ("ches", "ch"), ("shes", "sh"), ("xes", "x"), ("s", ""))
NO_PLURALS = ("ss", "us", "is")


def named_places(
    classes: Iterable[Any],
    names: Sequence[str],
    aliases: Mapping[str, str | Sequence[str]] | None = None,
) -> NDArray[np.intp]:
    """Return which class of a box has the name of each of the user's classes.

    Names are compared after case, spaces, hyphens and plural; a box's class may have several, with
    commas between. A name that two classes share, once it is read so, is nobody's.

    Parameters
    ----------
    classes : K labels
        The user's own.
    names : sequence of str
        The box's.
    aliases : mapping or None
        What the box calls a class of the user's, if otherwise: a name, or several.

    Returns
    -------
    (K,) places among ``names``; -1 where the box has no such class.
    """
    exact = {name: place for place, name in enumerate(names)}
    read = _once((text, place) for place, name in enumerate(names) for text in _readings(name))
    told = {} if aliases is None else {_plain(key): value for key, value in aliases.items()}
    wanted = [_wanted(label, told) for label in classes]
    own = [text for texts in wanted for text in {_plain(text) for text in texts}]
    places = []
    for texts in wanted:
        found = [exact[text] for text in texts if text in exact]
        found += [
            read[plain]
            for plain in map(_plain, texts)
            if plain in read and own.count(plain) == 1  # two classes of the user's may read alike
        ]
        places.append(found[0] if found else NOBODY)
    return np.array(places, dtype=np.intp)


def _wanted(label: Any, told: Mapping[str, str | Sequence[str]]) -> list[str]:
    """Return what a class may be called, what the user says first."""
    text = meaning(label)
    more = told.get(_plain(text), ())
    return [*([more] if isinstance(more, str) else more), str(label), text]


def _readings(name: str) -> set[str]:
    return {_plain(name), *(_plain(part) for part in name.split(",") if part.strip())}


def _once(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return the texts that one place alone has."""
    places: dict[str, set[int]] = {}
    for text, place in pairs:
        places.setdefault(text, set()).add(place)
    return {text: min(whose) for text, whose in places.items() if len(whose) == 1}


def _plain(name: Any) -> str:
    """Return a name without case, hyphens and plural: ``Brown_Dogs`` and ``brown dog`` are one."""
    words = re.split(r"[\s_\-/]+", meaning(name, case=False).strip())
    return " ".join(_singular(word) for word in words if word)


def _singular(word: str) -> str:
    if len(word) <= SHORT or word.endswith(NO_PLURALS) or not word.isalpha():
        return word
    for ending, instead in ENDINGS:
        if word.endswith(ending):
            return word.removesuffix(ending) + instead
    return word
