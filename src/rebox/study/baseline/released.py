"""``bar-as-released``: what the authors' code of BAR does, fault by fault.

It is here to be compared, so that a table can show what each fault is worth:

- The zeroth-order estimate of the gradient is computed and then not used: W moves by the true
  gradient. The estimate is not computed here, as it changes nothing; with it in use, the method is
  the recipe ``bar``.
- The program of the epoch that is best on the test images is kept (``select=last`` does not).
- The mask M is all ones: the program is added on top of the data, too (``mask=frame`` is as
  published). The sum is not clipped to an image, as the paper's formula has no clip.
- Source classes are found by their mean probability among the 30 highest of each target class, but
  a reshape then deals them out across the classes (``assignment=straight`` keeps them where they
  belong).
- The focal loss has gamma = 4 and one weight, alpha = 0.8, for all classes. A constant factor: Adam
  takes the same steps without it.
- Positive and negative predictive value are reported as sensitivity and specificity: these are
  `rebox.metric.predictive_value` of either class.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from rebox.errors import InvalidOption
from rebox.loss import Focal
from rebox.program import Canvas, Full, Program
from rebox.reading.assignment import Assignment
from rebox.reading.contract import Answers
from rebox.study.baseline.contract import Baseline, Trainer, Training

TOP = 30
CHOICES = {
    "select": ("test", "last"),
    "mask": ("ones", "frame"),
    "assignment": ("scrambled", "straight"),
    "gradient": ("true",),
}


@dataclass(frozen=True, kw_only=True)
class BarAsReleased(Trainer):
    """BAR as its code was released.

    Parameters
    ----------
    select : {"test", "last"}
        Which epoch's program is kept.
    mask : {"ones", "frame"}
        Where the program is added.
    assignment : {"scrambled", "straight"}
        Whether the reshape deals the source classes out across the target classes.
    gradient : {"true"}
        What W moves by; the recipe ``bar`` estimates it.
    epochs, batch, m : int
    eta, gamma, alpha : float
        Of Adam and of the focal loss.
    inner : int or None
        Longer side of the data within the frame, in pixels; None: as `Canvas` says.
    """

    kind: ClassVar[str] = "bar-as-released"
    citation: ClassVar[str] = (
        "the released code of Tsai, Chen and Ho: Transfer Learning without Knowing, ICML 2020"
    )
    needs_whitebox: ClassVar[bool] = True
    select: str = "test"
    mask: str = "ones"
    assignment: str = "scrambled"
    gradient: str = "true"
    epochs: int = 9
    batch: int = 10
    m: int = 6
    eta: float = 0.01
    gamma: float = 4.0
    alpha: float = 0.8
    inner: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for option, known in CHOICES.items():
            value = getattr(self, option)
            if value not in known:
                hint = "; the recipe bar estimates it" if option == "gradient" else ""
                raise InvalidOption(
                    f"{option} must be one of {', '.join(known)}{hint}, found {value!r}."
                )
        if self.m < 1 or not self.alpha > 0:
            raise InvalidOption(
                f"m must be at least 1 and alpha above 0, found {self.m} and {self.alpha}."
            )

    @property
    def peeks(self) -> bool:
        """Whether the epoch is chosen on test images."""
        return self.select == "test"

    def _fit(self, training: Training) -> Baseline:
        from rebox.study.baseline.reprogramming import Descent, Reprogramming, answers  # noqa: PLC0415 - loads torch

        whole = self.mask == "ones"
        canvas = Canvas(fit="pad", inner=self.inner, overlay=whole)
        placement = training.framed(canvas, instead="mask=ones")
        known = answers(training, placement)
        parts = Reprogramming(
            training=training,
            program=Program(placement, Full(training.opened.shape, placement.mask), "full"),
            mapping=released_assignment(known, self.m, scrambled=self.assignment == "scrambled"),
            loss=Focal(self.gamma),
            weights=np.full(len(training.classes), self.alpha),
            descent=Descent(optimiser="adam", eta=self.eta, batch=self.batch, epochs=self.epochs),
            clipped=False,
        )
        kept = np.zeros((1, parts.program.dimension))
        curve: list[tuple[int, float]] = []
        accuracies: list[float] = []
        for epoch, (loss, z) in enumerate(parts.epochs(), start=1):
            curve.append((epoch, loss))
            if training.test is not None:
                accuracies.append(_accuracy(parts.fitted(z), *training.test))
            if not self.peeks or accuracies[-1] > max(accuracies[:-1], default=-1.0):
                kept = z
        return parts.fitted(kept, curve=tuple(curve), note=_note(accuracies))


def _accuracy(model: Baseline, x: Any, y: ArrayLike) -> float:
    return float((model.predict(x) == np.asarray(y)).mean())


def _note(accuracies: list[float]) -> str:
    if not accuracies:
        return ""
    each = " ".join(f"{value:.4f}" for value in accuracies)
    return (
        f"peeks: accuracy on the test images after each epoch {each}; "
        f"epoch {int(np.argmax(accuracies)) + 1} was chosen by it"
    )


def released_assignment(answers: Answers, m: int, *, scrambled: bool) -> Assignment:
    """Return m source classes for each target class, by mean probability.

    Each target class in turn takes those of its 30 highest that no other has taken; where these run
    out, the next highest. The list, m for the first class, m for the second and so on, is then
    read as if it had one of each class in turn: that is the scrambling.

    The answers are those to all training images, of which each target class has one. Where there
    are not so many source classes, m is lower.

    Raises
    ------
    InvalidOption
        There are fewer source classes than target classes.
    """
    n_targets, n_sources = len(answers.prior), answers.scores.shape[1]
    if n_sources < n_targets:
        raise InvalidOption(
            f"the box has {n_sources} classes for {n_targets} of the task; the released mapping "
            "gives each source class to one: take a box with more classes."
        )
    m = min(m, n_sources // n_targets)
    taken: list[int] = []
    for target in range(n_targets):
        mean = answers.scores[answers.targets == target].mean(axis=0, dtype=np.float64)
        highest = np.argsort(-mean, kind="stable")
        free = [int(source) for source in highest if source not in taken]
        among = [source for source in free if source in set(highest[:TOP].tolist())]
        taken += (among + [source for source in free if source not in among])[:m]
    flat = np.array(taken, dtype=np.intp)
    return Assignment(flat.reshape(m, n_targets).T if scrambled else flat.reshape(n_targets, m))
