"""What the estimator accepts: scikit-learn's rules for rows and labels, ours for the rest."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from rebox.decision import Objective, Order, read_objective
from rebox.errors import Error, InvalidData, InvalidOption
from rebox.recipe import Recipe
from rebox.sample.labels import read_labels


class InvalidType(InvalidData, TypeError):
    """Data of a type that cannot be read, as scikit-learn wants it called."""


def check_prediction(recipe: Any, queries: Any, encoder: Any) -> None:
    """Refuse what the way of a recipe cannot do, and what none can."""
    if not isinstance(recipe, Recipe):
        raise InvalidOption(f"a recipe is a name or a Recipe, found {recipe!r}.")
    if isinstance(queries, bool) or not isinstance(queries, int | np.integer) or queries < 0:
        raise InvalidOption(
            f"queries_per_prediction must be a whole number, 0 or more, found {queries!r}."
        )
    if not recipe.way.several and (queries != 1 or encoder is not None):
        raise InvalidOption(
            f"the recipe {recipe.name!r} asks one query for each prediction and takes no "
            "encoder: use recipe='auto'."
        )


def checked_objective(
    recipe: Recipe, objective: Any, ordered: Order, classes: NDArray[Any]
) -> Objective:
    """Return what is decided for, or raise `InvalidOption` where the recipe cannot decide so."""
    read = read_objective(objective, classes, ordered)
    if read.kind != "accuracy" and not recipe.way.holds_out:
        raise InvalidOption(
            f"the recipe {recipe.name!r} has seen every training image that it reads, and a "
            f"decision for {read.kind.replace('_', ' ')} is chosen on images that were held out: "
            "use recipe='auto', 'local' or 'map'."
        )
    return read


def seed_of(random_state: Any) -> int:
    """Return an int as it is, and draw one from anything else that scikit-learn takes."""
    if not isinstance(random_state, int | np.integer):
        return int(check_random_state(random_state).randint(2**31 - 1))
    if random_state < 0:
        raise InvalidOption(f"random_state must be 0 or more, found {random_state}.")
    return int(random_state)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn scikit-learn's refusals into ours, on one line; its checks seek the words it chose."""
    try:
        yield
    except Error:
        raise
    except ValueError as error:
        raise InvalidData(" ".join(str(error).split())) from error
    except TypeError as error:
        raise InvalidType(" ".join(str(error).split())) from error


def checked_labels(y: Any) -> NDArray[Any]:
    """Return the (n,) labels of a classification, checked."""
    if y is None:
        raise InvalidData("Reprogrammer requires y to be passed, but the target y is None.")
    with refusals():
        labels = column_or_1d(read_labels(y), warn=True)
        assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
    return np.asarray(labels)


def check_lengths(X: Any, labels: NDArray[Any]) -> None:
    """Refuse samples without labels, and labels without samples."""
    if len(labels) != len(X):
        raise InvalidData(f"found {len(X)} images and {len(labels)} labels; expected one for each.")
