"""Methods of others, as published: each function's defaults are its paper's settings."""

from typing import Literal

from rebox.errors import InvalidOption
from rebox.loss import CrossEntropy, Focal
from rebox.program import Canvas
from rebox.reading.assignment import FrequencyMapping, RandomMapping
from rebox.reading.contract import MappingRule
from rebox.recipe.contract import Recipe
from rebox.recipe.way import Searched
from rebox.search import (
    CMAES,
    SGD,
    SPSAGC,
    Adam,
    AdaptiveDescent,
    Antithetic,
    CoordinateDescent,
    GradientDescent,
    OneSided,
    Rademacher,
    RandomSearch,
    SegmentedUniform,
    Sphere,
)


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
) -> Recipe:
    """Black-box adversarial reprogramming, as published (Tsai, Chen and Ho, ICML 2020).

    Two scales are ours: class weights 1 / n_j are multiplied so that they average to 1 over the
    training images, and data larger than the input keeps its proportions (the paper squeezes
    600 x 450 lesions into 64 x 64).
    """
    return Recipe(
        citation="Tsai, Chen and Ho: Transfer Learning without Knowing, ICML 2020",
        way=Searched(
            canvas=Canvas(fit="pad", inner=inner, overlay=overlay),
            mapping=_mapping(mapping, m),
            subspace=subspace,
            search=GradientDescent(
                estimator=OneSided(directions=Sphere(), q=q, smoothing=eps, scale=scale),
                optimiser=SGD(learning_rate=eta, rate=decay, every=decay_steps),
            ),
            loss=Focal(gamma),
            batch=batch,
            epochs=epochs,
        ),
    )


def zoo(  # noqa: PLR0913 - as in BAR
    *,
    q: int = 16,  # coordinates of a step, 2 queries each for every sample; 128 for one image
    h: float = 0.1,  # the paper's 1e-4 is lost in 8 bits: this moves a pixel by a dozen levels
    eta: float = 0.01,  # the paper's, as are Adam's moments
    importance: bool = True,
    side: int = 8,  # the reduced attack space; 32 for images of 299 x 299
    batch: int = 20,
    m: int = 10,
    mapping: str = "frequency",
    inner: int | None = None,
    overlay: bool = True,  # the attack changes the image itself
    epochs: int | None = None,
) -> Recipe:
    """Descend along coordinates, each by an Adam of its own (Chen et al., AISec 2017).

    ZOO changes one image so that one answer changes; here it moves the program that all samples
    share, and its loss is the recipe's.
    """
    return Recipe(
        citation="Chen et al.: ZOO, AISec 2017",
        way=Searched(
            canvas=Canvas(fit="pad", inner=inner, overlay=overlay),
            mapping=_mapping(mapping, m),
            subspace=f"low-resolution-{side}",
            search=CoordinateDescent(
                q=q, smoothing=h, learning_rate=eta, importance=importance, side=side
            ),
            batch=batch,
            epochs=epochs,
        ),
    )


def autozoom(  # noqa: PLR0913 - as in BAR
    *,
    decoder: Literal["bilinear", "autoencoder"] = "bilinear",
    side: int = 8,  # of the reduced space; 32 for images of 299 x 299
    q: int = 4,  # directions once exploring has done what it could
    eps: float = 1.0,  # on the unit sphere; the released 1 / d is lost in 8 bits
    eta: float = 0.01,  # 0.002 for ImageNet, 0.01 for small images
    patience: int = 10,
    target: float = 0.0,
    pictures: str | None = None,
    batch: int = 20,
    m: int = 10,
    mapping: str = "frequency",
    inner: int | None = None,
    overlay: bool = True,
    epochs: int | None = None,
) -> Recipe:
    """Descend in a space that a decoder reduces, by one direction, later by several (AAAI 2019).

    ``decoder`` is ``bilinear`` or ``autoencoder``, a small convolutional net that is trained on
    the training pictures, or on those in the folder ``pictures``, before anybody is asked. AutoZOOM
    changes one image; here it moves the program that all samples share.
    """
    reduced = {"bilinear": "low-resolution", "autoencoder": "autoencoder"}[decoder]
    return Recipe(
        citation="Tu et al.: AutoZOOM, AAAI 2019",
        way=Searched(
            canvas=Canvas(fit="pad", inner=inner, overlay=overlay),
            mapping=_mapping(mapping, m),
            subspace=f"{reduced}-{side}",
            search=AdaptiveDescent(
                estimator=OneSided(directions=Sphere(), smoothing=eps),
                optimiser=Adam(learning_rate=eta),
                q=q,
                target=target,
                patience=patience,
            ),
            batch=batch,
            epochs=epochs,
            pictures=pictures,
        ),
    )


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
) -> Recipe:
    """Keep the best of random low-resolution programs, all judged on one fixed batch."""
    return Recipe(
        citation="Bergstra and Bengio, JMLR 2012: the baseline every search has to beat",
        way=Searched(
            canvas=Canvas(fit="pad", inner=inner, overlay=overlay),
            mapping=_mapping(mapping, m),
            subspace=subspace,
            search=RandomSearch(candidates=candidates, spread=spread),
            batch=batch,
            same_batch=True,
        ),
    )


def cma_es(
    *,
    spread: float = 0.5,
    batch: int = 20,
    subspace: str = "low-resolution-4",
    m: int = 10,
    mapping: str = "frequency",
    inner: int | None = None,
    overlay: bool = True,
) -> Recipe:
    """Covariance matrix adaptation over a low-resolution program (Hansen 2016)."""
    return Recipe(
        citation="Hansen: The CMA Evolution Strategy, arXiv:1604.00772",
        way=Searched(
            canvas=Canvas(fit="pad", inner=inner, overlay=overlay),
            mapping=_mapping(mapping, m),
            subspace=subspace,
            search=CMAES(spread=spread),
            batch=batch,
        ),
    )


def spsa_gc(
    *,
    q: int = 5,  # BlackVIP averages 5 estimates per step
    batch: int = 20,
    subspace: str = "low-resolution-8",
    m: int = 10,
    mapping: str = "frequency",
    inner: int | None = None,
    overlay: bool = True,
) -> Recipe:
    """SPSA with gradient correction: BlackVIP's optimiser without its network (Oh et al., 2023).

    As in every recipe here, rare classes weigh as much as frequent ones in the loss.
    """
    return Recipe(
        citation="Oh et al.: BlackVIP, CVPR 2023",
        way=Searched(
            canvas=Canvas(fit="pad", inner=inner, overlay=overlay),
            mapping=_mapping(mapping, m),
            subspace=subspace,
            search=GradientDescent(
                estimator=Antithetic(directions=SegmentedUniform(), q=q, smoothing=0.01, decay=0.1),
                optimiser=SPSAGC(),
            ),
            loss=CrossEntropy(),
            batch=batch,
        ),
    )


def ilm(  # noqa: PLR0913 - as in BAR
    *,
    q: int = 1,  # for the same queries, steps bring more than directions
    eta: float = 0.01,  # the released code's
    batch: int = 20,
    m: int = 1,  # one source class for each target class
    eps: float = 0.1,  # 8 grey levels in root mean square
    subspace: str = "low-resolution-8",
    inner: int | None = None,
    overlay: bool = False,  # as in the paper: a frame around the data
    epochs: int | None = None,
) -> Recipe:
    """Fit the mapping anew at the start of every epoch (ILM-VP: iterative label mapping).

    The paper follows the true gradient; here it is estimated by antithetic differences in few
    dimensions, with directions for each sample of its own.
    """
    return Recipe(
        citation="Chen et al.: Understanding and Improving Visual Prompting, CVPR 2023",
        way=Searched(
            canvas=Canvas(fit="pad", inner=inner, overlay=overlay),
            mapping=FrequencyMapping(m, iterative=True),
            subspace=subspace,
            search=GradientDescent(
                estimator=Antithetic(directions=Rademacher(), q=q, smoothing=eps, per_sample=True),
                optimiser=Adam(learning_rate=eta),
            ),
            loss=CrossEntropy(),
            batch=batch,
            epochs=epochs,
        ),
    )


def _mapping(name: str, m: int) -> MappingRule:
    rules: dict[str, type[FrequencyMapping | RandomMapping]] = {
        "frequency": FrequencyMapping,
        "random": RandomMapping,
    }
    if name not in rules:
        raise InvalidOption(f"mapping must be one of {', '.join(rules)}, found {name!r}.")
    return rules[name](m)
