"""The rule that reads held-out training answers best."""

from collections.abc import Callable
from dataclasses import dataclass, field

from rebox.errors import InvalidOption
from rebox.reading.bayesian import BayesianMap
from rebox.reading.contract import Answers
from rebox.reading.discriminant import DiscriminantMap
from rebox.reading.kernel import KernelMap
from rebox.reading.linear import LinearMap
from rebox.reading.probabilistic import CrossFitted, ProbabilisticRule
from rebox.reading.ridge import RidgeMap
from rebox.reading.targets import Targets

CANDIDATES: dict[str, Callable[[str | None], ProbabilisticRule]] = {
    "linear": LinearMap,
    "ridge": RidgeMap,
    "lda": DiscriminantMap,
    "kernel": KernelMap,
    "hellinger": lambda class_weight: KernelMap(class_weight, features="roots"),
    "blm": BayesianMap,
    "blm+": lambda class_weight: BayesianMap(class_weight, ratio=0.15),
}


@dataclass(frozen=True)
class BestMap(ProbabilisticRule):
    """Fits every candidate and returns the mapping with the lowest held-out log loss.

    All candidates hold out the same folds of the same answers. Log loss is that of the classes as
    often as they occur, whatever the class weight: it only shifts the bias of what is chosen. On a
    tie, the candidate named first wins.

    Parameters
    ----------
    class_weight : {None, "balanced"}
        As in `ProbabilisticRule`.
    candidates : tuple of str
        Names among `CANDIDATES`.
    """

    candidates: tuple[str, ...] = field(default=tuple(CANDIDATES))

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = [name for name in self.candidates if name not in CANDIDATES]
        if unknown or not self.candidates:
            raise InvalidOption(
                f"candidates must be among {', '.join(CANDIDATES)}, "
                f"found {', '.join(unknown) or 'none'}."
            )

    def _cross_fit(self, answers: Answers, targets: Targets) -> CrossFitted:  # noqa: ARG002 - each deals the same
        fits = (fitted for _, fitted in self._compare(answers))
        return min(fits, key=lambda fitted: fitted.loss)

    def _compare(self, answers: Answers) -> list[tuple[str, CrossFitted]]:
        return [(name, CANDIDATES[name](None).cross_fit(answers)) for name in self.candidates]

    def losses(self, answers: Answers) -> dict[str, float]:
        """Return the held-out log loss in nats of each candidate, to show why one was chosen."""
        return {name: fitted.loss for name, fitted in self._compare(answers)}


def rule_from_name(name: str, class_weight: str | None = None) -> ProbabilisticRule:
    """Return the rule of ``name``: ``best``, or one of `CANDIDATES`.

    Raises
    ------
    InvalidOption
        There is no such rule.
    """
    if name == "best":
        return BestMap(class_weight)
    if name not in CANDIDATES:
        known = ", ".join([*CANDIDATES, "best"])
        raise InvalidOption(f"rule must be one of {known}, found {name!r}.")
    return CANDIDATES[name](class_weight)
