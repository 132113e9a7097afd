"""Published methods as compositions: what is added, how it is read, judged and moved.

A recipe's name may carry options, as a URL does: ``bar?q=5&inner=64&mapping=random``.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from types import UnionType
from typing import Any, get_args
from urllib.parse import parse_qsl

from rebox.errors import InvalidOption
from rebox.loss import CrossEntropy, Focal, Loss
from rebox.mapping import FrequencyMapping, LinearMap, MappingRule, RandomMapping
from rebox.program import Canvas, Program, subspace_from_name
from rebox.search import (
    CMAES,
    SGD,
    SPSAGC,
    Antithetic,
    GradientDescent,
    OneSided,
    RandomSearch,
    Search,
    SegmentedUniform,
    Sphere,
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One method, whole.

    Attributes
    ----------
    name : str
        Its name with the options given, as `recipe_from_name` takes it.
    citation : str
        Where it was published.
    canvas : Canvas
        Where the data sits.
    mapping : MappingRule
        How the answers are read.
    subspace : str or None
        Which program may move (`rebox.program.subspace_from_name`); None: no program.
    search : Search or None
        How it moves; None: it does not.
    loss : Loss
        How a reading is judged.
    batch : int
        Training images per step.
    same_batch : bool
        Whether every step judges the same images, so that losses of different steps compare.
    epochs : int or None
        Passes over the training images at most; None: until the budget ends.
    """

    name: str
    citation: str
    canvas: Canvas
    mapping: MappingRule
    subspace: str | None = None
    search: Search[Any] | None = None
    loss: Loss = field(default_factory=Focal)
    batch: int = 20
    same_batch: bool = False
    epochs: int | None = None

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise InvalidOption(f"batch must be at least 1, found {self.batch}.")
        if self.epochs is not None and self.epochs < 1:
            raise InvalidOption(f"epochs must be at least 1, found {self.epochs}.")

    def program(
        self, data: tuple[int, int], box: tuple[int, int, int], *, blocky: bool = False
    ) -> Program:
        """Return the program for data of (height, width) in a box of (height, width, channels).

        ``blocky`` enlarges by repeating pixels, for rows of features.
        """
        placement = self.canvas.placement(data, box, blocky=blocky)
        if self.subspace is None:
            return Program(placement)
        if not placement.mask.any():
            raise InvalidOption(
                f"the data fills the whole {box[0]} x {box[1]} input and leaves no frame for the "
                "program: choose a smaller inner, or overlay=true."
            )
        return Program(placement, subspace_from_name(self.subspace, box, placement.mask))


def _mapping(name: str, m: int) -> MappingRule:
    rules: dict[str, Callable[[], MappingRule]] = {
        "frequency": lambda: FrequencyMapping(m),
        "random": lambda: RandomMapping(m),
    }
    if name not in rules:
        raise InvalidOption(f"mapping must be one of {', '.join(rules)}, found {name!r}.")
    return rules[name]()


def bar(  # noqa: PLR0913 - a published method has as many settings as it has
    *,
    q: int = 25,  # random directions per step: 25 for ASD, 55 for retinopathy
    eps: float = 0.1,  # smoothing: the released code's; the paper gives none
    scale: float | None = None,  # b of the estimate: "d or tuned"; None is d
    eta: float = 0.05,  # initial step size of SGD
    decay: float = 0.96,  # "exponentially decayed": the rate is not published,
    decay_steps: int = 100,  # nor is the interval
    batch: int = 20,  # batch size
    m: int = 10,  # source classes per target: 10 for retinopathy and melanoma, 5 or 6 for ASD
    mapping: str = "frequency",  # random for the paid services, to save queries
    gamma: float = 2.0,  # focal loss with gamma = 2, class weights 1 / n_j
    inner: int | None = None,  # 200 x 200 matrices as they are; skin lesions at 64 x 64
    overlay: bool = False,  # the mask M keeps the program off the data
    subspace: str = "full",  # every pixel outside the data: d = 148,203 for ASD at 299 x 299
    epochs: int | None = None,
) -> dict[str, Any]:
    """Black-box adversarial reprogramming, as published (Tsai, Chen and Ho, ICML 2020).

    Two scales are ours: class weights 1 / n_j are multiplied so that they average to 1 over the
    training images, and data larger than the input keeps its proportions (the paper squeezes
    600 x 450 lesions into 64 x 64).
    """
    return {
        "citation": "Tsai, Chen and Ho: Transfer Learning without Knowing, ICML 2020",
        "canvas": Canvas(fit="pad", inner=inner, overlay=overlay),
        "mapping": _mapping(mapping, m),
        "subspace": subspace,
        "search": GradientDescent(
            estimator=OneSided(directions=Sphere(), q=q, smoothing=eps, scale=scale),
            optimiser=SGD(learning_rate=eta, rate=decay, every=decay_steps),
        ),
        "loss": Focal(gamma),
        "batch": batch,
        "epochs": epochs,
    }


def map_only(*, class_weight: str | None = None, fit: str = "contain") -> dict[str, Any]:
    """No program: every training image is asked once, and a linear map is fitted to the answers."""
    return {
        "citation": "rebox: multinomial logistic regression on centred log-answers",
        "canvas": Canvas(fit=fit),
        "mapping": LinearMap(class_weight),
    }


def random_search(
    *,
    candidates: int = 10,
    spread: float = 1.0,
    batch: int = 50,
    subspace: str = "low-resolution-4",
    m: int = 10,
    mapping: str = "frequency",
    inner: int | None = None,
    overlay: bool = True,
) -> dict[str, Any]:
    """Keep the best of random low-resolution programs, all judged on one fixed batch."""
    return {
        "citation": "Bergstra and Bengio, JMLR 2012: the baseline every search has to beat",
        "canvas": Canvas(fit="pad", inner=inner, overlay=overlay),
        "mapping": _mapping(mapping, m),
        "subspace": subspace,
        "search": RandomSearch(candidates=candidates, spread=spread),
        "batch": batch,
        "same_batch": True,
    }


def cma_es(
    *,
    spread: float = 0.5,
    batch: int = 20,
    subspace: str = "low-resolution-4",
    m: int = 10,
    mapping: str = "frequency",
    inner: int | None = None,
    overlay: bool = True,
) -> dict[str, Any]:
    """Covariance matrix adaptation over a low-resolution program (Hansen 2016)."""
    return {
        "citation": "Hansen: The CMA Evolution Strategy, arXiv:1604.00772",
        "canvas": Canvas(fit="pad", inner=inner, overlay=overlay),
        "mapping": _mapping(mapping, m),
        "subspace": subspace,
        "search": CMAES(spread=spread),
        "batch": batch,
    }


def spsa_gc(
    *,
    q: int = 5,  # BlackVIP averages 5 estimates per step
    batch: int = 20,
    subspace: str = "low-resolution-8",
    m: int = 10,
    mapping: str = "frequency",
    inner: int | None = None,
    overlay: bool = True,
) -> dict[str, Any]:
    """SPSA with gradient correction: BlackVIP's optimiser without its network (Oh et al., 2023).

    As in every recipe here, rare classes weigh as much as frequent ones in the loss.
    """
    return {
        "citation": "Oh et al.: BlackVIP, CVPR 2023",
        "canvas": Canvas(fit="pad", inner=inner, overlay=overlay),
        "mapping": _mapping(mapping, m),
        "subspace": subspace,
        "search": GradientDescent(
            estimator=Antithetic(directions=SegmentedUniform(), q=q, smoothing=0.01, decay=0.1),
            optimiser=SPSAGC(),
        ),
        "loss": CrossEntropy(),
        "batch": batch,
    }


RECIPES: dict[str, Callable[..., dict[str, Any]]] = {
    "bar": bar,
    "map": map_only,
    "random-search": random_search,
    "cma-es": cma_es,
    "spsa-gc": spsa_gc,
}


def recipe_from_name(name: str) -> Recipe:
    """Return the recipe of ``name``, with options after a question mark.

    Raises
    ------
    InvalidOption
        The recipe or an option is unknown, or an option has the wrong type.
    """
    if not isinstance(name, str):
        raise InvalidOption(f"a recipe is a name or a Recipe, found {name!r}.")
    kind, _, query = name.partition("?")
    if kind not in RECIPES:
        raise InvalidOption(f"unknown recipe {kind!r}; choose one of {', '.join(RECIPES)}.")
    make = RECIPES[kind]
    known = inspect.signature(make).parameters
    options: dict[str, Any] = {}
    for key, text in _pairs(name, query):
        if key not in known:
            raise InvalidOption(
                f"recipe {kind!r} has no option {key!r}; it has {', '.join(known)}."
            )
        options[key] = _typed(key, text, known[key].annotation)
    return Recipe(name=name, **make(**options))


def _pairs(name: str, query: str) -> list[tuple[str, str]]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        raise InvalidOption(f"options must look like q=5&inner=64, found {name!r}.") from error
    if len(dict(pairs)) < len(pairs):
        raise InvalidOption(f"an option is given twice in {name!r}: give it once.")
    return pairs


def _typed(key: str, text: str, annotation: Any) -> Any:
    """Return ``text`` as the type that the recipe's signature asks for."""
    choices = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    kind = next(choice for choice in choices if choice is not type(None))
    if kind is bool:
        if text.lower() in ("1", "true", "yes", "0", "false", "no"):
            return text.lower() in ("1", "true", "yes")
        raise InvalidOption(f"option {key} must be true or false, found {text!r}.")
    try:
        return kind(text)
    except ValueError as error:
        raise InvalidOption(f"option {key} must be {kind.__name__}, found {text!r}.") from error
