"""Methods of our own: a fitted map, a program that it is fitted to, and a budget well spent."""

from typing import Any

from rebox.errors import InvalidOption
from rebox.program import Canvas
from rebox.reading.choice import rule_from_name
from rebox.recipe.contract import Recipe
from rebox.recipe.way import Once, Refitted, Unasked, Views
from rebox.search import CMAES, Adam, Antithetic, GradientDescent, Orthogonal, Rademacher, Search

MAP_CITATIONS = {
    "linear": "rebox: multinomial logistic regression on centred log-answers",
    "ridge": "Hoerl and Kennard: Ridge Regression, Technometrics 1970, on centred log-answers",
    "lda": "Friedman: Regularized Discriminant Analysis, JASA 1989, on centred log-answers",
    "kernel": "rebox: kernel logistic regression on centred log-answers",
    "hellinger": "rebox: kernel logistic regression on the square roots of the answers",
    "blm": "Cai et al.: Bayesian-guided Label Mapping, NeurIPS 2024: BLM, smoothed to the prior",
    "blm+": "Cai et al.: Bayesian-guided Label Mapping, NeurIPS 2024: BLM+, smoothed to the prior",
    "best": "rebox: the rule with the lowest held-out log loss on the training answers",
}
LOCAL_CITATION = "rebox: a pool of kernel readings of plain features, no box"


def map_only(
    *, rule: str = "linear", class_weight: str | None = None, fit: str = "contain"
) -> Recipe:
    """No program: every training image is asked once, and a map is fitted to the answers.

    ``rule`` is how: `rebox.reading.rule_from_name` knows the names.
    """
    mapping = rule_from_name(rule, class_weight)
    return Recipe(citation=MAP_CITATIONS[rule], way=Once(canvas=Canvas(fit=fit), mapping=mapping))


def program(
    *,
    search: str = "spsa",
    frequencies: int = 4,
    change: float = 0.08,
    batch: int = 200,
    rule: str = "lda",  # the fastest of those that read well: it is fitted to every candidate
    class_weight: str | None = None,
    fit: str = "contain",
) -> Recipe:
    """Add few low frequencies over the whole image, judged by the mapping that suits them.

    Every candidate has the mapping fitted to the answers that it gets, and is judged by held-out
    log loss. The program stays only if it reads fresh images better than nothing added does.

    ``search`` is ``spsa`` (antithetic differences, directions for each sample of its own), ``lsq``
    (antithetic differences along all orthogonal directions: least squares) or ``cma`` (CMA-ES, on
    one batch).
    ``change`` is the root mean square by which the first candidates change a pixel, as a share of
    the range from black to white; it fixes the step size, which needs no tuning then.
    """
    return Recipe(
        citation="rebox: a program with the mapping refitted for every candidate",
        way=Refitted(
            canvas=Canvas(fit=fit, overlay=True),
            mapping=rule_from_name(rule, class_weight),
            subspace=f"dct-{frequencies}",
            search=_sized_search(search, frequencies, change),
            batch=batch,
            same_batch=search == "cma",
        ),
    )


def _sized_search(kind: str, frequencies: int, change: float) -> Search[Any]:
    """Return a search whose first candidates change a pixel by ``change`` in root mean square.

    Each of the frequencies² waves of a channel has a root mean square of 1, and they are
    orthogonal: coordinates of standard deviation s make a W of s · frequencies. What is added is
    tanh(W) / 2, for small W half of it: s = 2 · change / frequencies.
    """
    if frequencies < 1 or not 0 < change <= 0.5:
        raise InvalidOption(
            "frequencies must be at least 1, and change above 0 and at most 0.5, "
            f"found {frequencies} and {change}."
        )
    size = 2 * change / frequencies
    adam = Adam(learning_rate=size)
    spsa = Antithetic(directions=Rademacher(), q=1, smoothing=size, per_sample=True)
    lsq = Antithetic(directions=Orthogonal(long=True), smoothing=size)
    searches: dict[str, Search[Any]] = {
        "cma": CMAES(spread=size),
        "spsa": GradientDescent(estimator=spsa, optimiser=adam),
        "lsq": GradientDescent(estimator=lsq, optimiser=adam, all_directions=True),
    }
    if kind not in searches:
        raise InvalidOption(f"search must be one of {', '.join(searches)}, found {kind!r}.")
    return searches[kind]


def auto(*, stack: bool = True, class_weight: str | None = None) -> Recipe:
    """Look from several sides, pool what reads the answers, and plain local features beside."""
    return Recipe(
        citation="rebox: views, and a pool of kernel readings of their answers",
        way=Views(stack=stack, class_weight=class_weight),
    )


def local(*, class_weight: str | None = None) -> Recipe:
    """Ask nobody: a pool of kernel readings of plain local features, or an encoder's beside."""
    return Recipe(citation=LOCAL_CITATION, way=Unasked(class_weight=class_weight))
