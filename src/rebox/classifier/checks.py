"""What the estimator accepts: scikit-learn's rules for rows and labels, ours for the rest."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from rebox.box import BoxURI
from rebox.errors import InvalidData, InvalidOption
from rebox.recipe import Auto, Recipe
from rebox.task import ImageFiles


def check_prediction(recipe: Any, queries: Any, encoder: Any) -> None:
    """Refuse what only ``auto`` can do, and what nothing can."""
    if not isinstance(recipe, Recipe | Auto):
        raise InvalidOption(f"a recipe is a name, a Recipe or Auto, found {recipe!r}.")
    if isinstance(queries, bool) or not isinstance(queries, int | np.integer) or queries < 0:
        raise InvalidOption(
            f"queries_per_prediction must be a whole number, 0 or more, found {queries!r}."
        )
    if isinstance(recipe, Recipe) and (queries != 1 or encoder is not None):
        raise InvalidOption(
            f"the recipe {recipe.name!r} asks one query for each prediction and takes no "
            "encoder: use recipe='auto'."
        )


def seed_of(random_state: Any) -> int:
    """Return an int as it is, and draw one from anything else that scikit-learn takes."""
    if not isinstance(random_state, int | np.integer):
        return int(check_random_state(random_state).randint(2**31 - 1))
    if random_state < 0:
        raise InvalidOption(f"random_state must be 0 or more, found {random_state}.")
    return int(random_state)


def are_images(X: Any) -> bool:
    """Return whether X holds images: files, an array of 3 or 4 axes, or a sequence of such."""
    if isinstance(X, ImageFiles):
        return True
    if isinstance(X, np.ndarray):
        return X.ndim in (3, 4)
    return isinstance(X, Sequence) and len(X) > 0 and np.ndim(X[0]) in (2, 3)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn scikit-learn's refusals into ours, on one line; its checks seek the words it chose."""
    try:
        yield
    except ValueError as error:
        raise InvalidData(" ".join(str(error).split())) from error


def checked_labels(y: Any, n: int) -> NDArray[Any]:
    """Return the (n,) labels of a classification, checked."""
    with refusals():
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
    if len(labels) != n:
        raise InvalidData(f"found {n} images and {len(labels)} labels; expected one for each.")
    return np.asarray(labels)


def checked_groups(groups: Any, n: int) -> NDArray[np.intp] | None:
    """Return the subject of each of n samples as a number, or None where each is its own.

    Numbers go by first appearance, so that what subjects are called changes nothing.

    Parameters
    ----------
    groups : (n,) array or sequence of labels that can be hashed, or None

    Raises
    ------
    InvalidData
        There is not one label for each sample, one is missing, or all are the same.
    """
    if groups is None:
        return None
    labels = groups.tolist() if isinstance(groups, np.ndarray) else groups
    if isinstance(labels, str | bytes) or not hasattr(labels, "__iter__"):
        raise InvalidData(
            f"groups must hold the subject of each sample, found {groups!r}: give {n} labels, or "
            "leave groups out."
        )
    labels = list(labels)
    if len(labels) != n:
        raise InvalidData(
            f"found {n} samples and {len(labels)} groups; expected one for each: give the subject "
            "of each sample, or leave groups out."
        )
    numbers: dict[Any, int] = {}
    found = np.array([_number(label, numbers, at) for at, label in enumerate(labels)], np.intp)
    if len(numbers) == n:
        return None
    if len(numbers) < 2:
        raise InvalidData(
            f"found one group only ({labels[0]!r}); at least 2 are needed, so that one can be held "
            "out: give the subject of each sample, or leave groups out."
        )
    return found


def _number(label: Any, numbers: dict[Any, int], at: int) -> int:
    try:
        number = numbers.setdefault(label, len(numbers))
        missing = label is None or bool(label != label)  # noqa: PLR0124 - NaN and NaT differ
    except (TypeError, ValueError) as error:  # pandas.NA is neither equal to itself nor not
        raise InvalidData(
            f"the group of sample {at} is {label!r}; expected a label that can be hashed and "
            "compared, as a number or a string: convert it."
        ) from error
    if missing:
        raise InvalidData(
            f"the group of sample {at} is missing ({label}); expected its subject: fill it in, or "
            "give a sample that stands alone a label of its own."
        )
    return number


def refuse_foreign_key(uri: str | None) -> None:
    """Refuse a URI out of a model file that names the variable which holds a key.

    A file from somebody else could name any of them, and have its value sent anywhere.
    """
    if uri is not None and "key_env" in BoxURI.parse(uri).options:
        raise InvalidOption(
            "the model's box takes its key from a variable that the file names: pass the URI as "
            "box= (--box) if you trust it with your key."
        )
