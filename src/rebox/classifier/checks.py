"""What the estimator accepts: scikit-learn's rules for rows and labels, ours for the rest."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite, check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from rebox.box import BlackBox
from rebox.box.spec import Kind
from rebox.decision import Objective, Order, read_objective
from rebox.errors import Error, InvalidData, InvalidOption
from rebox.money import BY_OPTION, dollars
from rebox.notebook import few
from rebox.option import meant
from rebox.program import templates_of
from rebox.reading.as_named import named_places
from rebox.recipe import Recipe
from rebox.sample.forms import are_images
from rebox.sample.labels import read_labels, warn_of_spellings
from rebox.sample.samples import Samples

NEARLY = 1e-9  # share by which sums of dollars are no exact ones


class InvalidType(InvalidData, TypeError):
    """Data of a type that cannot be read, as scikit-learn wants it called."""


@dataclass(frozen=True, kw_only=True)
class PredictionPace:
    """How much a prediction may ask.

    Attributes
    ----------
    most : int
        Queries of one prediction.
    mean_queries, mean_usd : float or None
        Over many predictions; None: no mean is held.
    most_usd : float or None
        US dollars of one prediction.
    """

    most: int
    mean_queries: float | None = None
    mean_usd: float | None = None
    most_usd: float | None = None

    @property
    def of_session(self) -> dict[str, Any]:
        """The same by the names that a `rebox.fit.Session` has for it."""
        return {
            "queries_per_prediction": self.most,
            "mean_queries": self.mean_queries,
            "usd_per_prediction": self.mean_usd,
            "max_usd_per_prediction": self.most_usd,
        }


def check_prediction(recipe: Any, model: Any) -> None:
    """Refuse what the way of a recipe cannot do, and what none can."""
    if not isinstance(recipe, Recipe):
        raise InvalidOption(f"a recipe is a name or a Recipe, found {recipe!r}.")
    queries, usd = model.queries_per_prediction, model.usd_per_prediction
    if isinstance(queries, bool) or not isinstance(queries, Real | None) or not _is_count(queries):
        raise InvalidOption(
            "queries_per_prediction must be a whole number, 0 or more, or a mean above 0 as 0.3, "
            f"found {queries!r}."
        )
    for name in ("usd_per_prediction", "max_usd_per_prediction"):
        value = getattr(model, name)
        if value is not None and not (isinstance(value, Real) and 0 < float(value) < float("inf")):
            raise InvalidOption(f"{name} must be above 0, found {value!r}.")
    paced = usd is not None or model.max_usd_per_prediction is not None
    if model.templates is not None and not recipe.way.asks:
        raise InvalidOption(
            f"the recipe {recipe.name!r} asks nobody, and templates are for what is asked: leave "
            "them out."
        )
    templates_of(model.templates)
    plain = queries in {None, 1} and not paced and model.encoder is None
    if not recipe.way.several and not plain:
        raise InvalidOption(
            f"the recipe {recipe.name!r} asks one query for each prediction and takes no "
            "encoder: use recipe='auto'."
        )
    if not recipe.way.asks and paced:
        raise InvalidOption(
            f"the recipe {recipe.name!r} asks nobody: leave out what a prediction may cost."
        )


def check_pace(boxes: Sequence[BlackBox], model: Any) -> None:
    """Refuse what predictions may ask and cost where these boxes cannot keep to it.

    Parameters
    ----------
    boxes : sequence of BlackBox
        Those that are asked.
    model : object
        With ``queries_per_prediction``, ``usd_per_prediction`` and ``max_usd_per_prediction``.

    Raises
    ------
    InvalidOption
        The price of one is not known, the cap pays for none, the mean caps nothing, or several are
        to be answered for by a student.
    """
    if model.queries_per_prediction == 0 and len(boxes) > 1:
        raise InvalidOption(
            f"queries_per_prediction=0 has a student answer, which imitates one box, and "
            f"{len(boxes)} were given: give one box."
        )
    usd, most = model.usd_per_prediction, model.max_usd_per_prediction
    if usd is None and most is None:
        return
    name, cap = ("usd_per_prediction", usd) if most is None else ("max_usd_per_prediction", most)
    for box in boxes:
        if box.spec.price_usd is None:
            raise InvalidOption(
                f"{name} of {dollars(cap)} cannot be kept where the price of a query is not known: "
                f"name that of {box.uri or box.spec.identity} in its URI by {BY_OPTION}."
            )
    prices = [box.spec.price_usd or 0.0 for box in boxes]
    if most is not None and most < min(prices) * (1 - NEARLY):
        raise InvalidOption(
            f"max_usd_per_prediction of {dollars(most)} does not pay for one query: the cheapest "
            f"box costs {dollars(min(prices))} each. Raise it, or leave the box out."
        )
    if usd is not None and not any(prices):
        raise InvalidOption(
            "usd_per_prediction caps nothing on boxes that are free to ask: leave it out."
        )


def _is_count(queries: Any) -> bool:
    return queries is None or 0 <= queries < float("inf")


def pace_of(model: Any, boxes: int) -> PredictionPace:
    """Return how much a prediction may ask, where a fit asks so many boxes."""
    queries, usd, most_usd = (
        model.queries_per_prediction,
        model.usd_per_prediction,
        model.max_usd_per_prediction,
    )
    most, mean = boxes, None
    if queries is not None and queries % 1:
        mean = float(queries)
    elif queries is not None:
        most = int(queries)
    return PredictionPace(most=most, mean_queries=mean, mean_usd=usd, most_usd=most_usd)


def checked_objective(
    recipe: Recipe, objective: Any, ordered: Order, classes: NDArray[Any]
) -> Objective:
    """Return what is decided for, or raise `InvalidOption` where the recipe cannot decide so."""
    read = read_objective(objective, classes, ordered)
    if read.kind != "accuracy" and not recipe.way.holds_out:
        raise InvalidOption(
            f"the recipe {recipe.name!r} has seen every training sample that it reads, and a "
            f"decision for {read.kind.replace('_', ' ')} is chosen on samples that were held out: "
            "use recipe='auto', 'local' or 'map'."
        )
    return read


def check_aliases(aliases: Any, classes: NDArray[Any], boxes: Sequence[BlackBox]) -> None:
    """Refuse other names than those of a user's classes, for any class of a box."""
    if not isinstance(aliases or {}, Mapping):
        raise InvalidOption(
            "aliases say what a box calls a class of yours, as {'joy': 'happiness'}; found "
            f"{aliases!r:.80}."
        )
    own, theirs = [str(name) for name in classes], [box.spec.classes for box in boxes]
    for label, names in (aliases or {}).items():
        _check_named(f"aliases name a class {str(label)!r}", label, [own], "your labels are")
        for name in [names] if isinstance(names, str) else names:
            found = f"aliases say that a box calls {str(label)!r} {str(name)!r}"
            _check_named(found, name, theirs, "classes of boxes are")


def _check_named(found: str, name: Any, known: Sequence[Sequence[str]], whose: str) -> None:
    if all((named_places([name], names) < 0).all() for names in known):
        every = list(dict.fromkeys(name for names in known for name in names))
        raise InvalidOption(f"{found}{meant(str(name), every)}: {whose} {few(every)}.")


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


def samples_of(X: Any, fitted: Kind | None = None) -> Samples:
    """Return ``X`` as samples, to a model of texts every str as a text.

    Raises
    ------
    InvalidData
        They are texts to a model of images, or images to one of texts.
    """
    own = fitted == "texts" and not isinstance(X, Samples)
    samples = Samples(texts=X) if own else Samples.of(X)
    if {fitted, samples.kind} == {"images", "texts"}:
        raise InvalidData(f"found {samples.kind}, but the model was fitted on {fitted}.")
    return samples


def checked_samples(estimator: Any, X: Any, *, fitted: Kind | None = None) -> Samples:
    """Return ``X`` as samples; rows by scikit-learn's rules.

    Parameters
    ----------
    fitted : {"images", "texts", "ids"} or None
        What ``estimator`` was fitted to; None: it has not been.

    Raises
    ------
    InvalidData
        They are not such samples.
    """
    with refusals():
        samples = samples_of(X, fitted)
        if fitted == "ids" or samples.images is None or are_images(samples.images):
            return samples
        least = {} if fitted else {"ensure_min_samples": 2}
        rows = samples.images
        return samples.showing(
            validate_data(estimator, rows, reset=not fitted, dtype=np.float64, **least)
        )


def checked_training(
    estimator: Any, X: Any, y: Any
) -> tuple[Samples, NDArray[Any], NDArray[np.intp]]:
    """Return X, the classes, and the class of each row; scikit-learn's rules hold for rows."""
    for fact in ("n_features_in_", "feature_names_in_"):  # of an earlier fit
        estimator.__dict__.pop(fact, None)
    samples = checked_samples(estimator, X)
    labels = checked_labels(y)
    check_lengths(samples, labels)
    classes, targets = np.unique(labels, return_inverse=True)
    warn_of_spellings(classes)
    if len(classes) < 2:
        raise InvalidData(
            f"found one class only ({str(classes[0])!r}); a classifier needs 2 or more."
        )
    return samples, classes, targets.astype(np.intp)


def checked_labels(y: Any) -> NDArray[Any]:
    """Return the (n,) labels of a classification, checked."""
    if y is None:
        raise InvalidData("Reprogrammer requires y to be passed, but the target y is None.")
    with refusals():
        labels = column_or_1d(read_labels(y), warn=True)
        assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
    return np.asarray(labels)


def check_lengths(X: Samples, labels: NDArray[Any]) -> None:
    """Refuse samples without labels, and labels without samples."""
    if len(labels) != len(X):
        what = "texts" if X.kind == "texts" else "images"
        raise InvalidData(f"found {len(X)} {what} and {len(labels)} labels; expected one for each.")
