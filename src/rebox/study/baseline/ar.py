"""White-box adversarial reprogramming: the program moves by the true gradient.

Elsayed, Goodfellow and Sohl-Dickstein: Adversarial Reprogramming of Neural Networks, ICLR 2019,
as run by Tsai, Chen and Ho, ICML 2020, beside their black-box method: the same program, mapping and
loss as the recipe ``bar``. The classifier stays frozen and in eval mode throughout, and the program
of the last epoch is the one that is used.
"""

from dataclasses import dataclass
from typing import ClassVar

from rebox.errors import InvalidOption
from rebox.loss import Focal
from rebox.program import Canvas, Program, subspace_from_name
from rebox.reading.assignment import FrequencyMapping, RandomMapping
from rebox.study.baseline.contract import Baseline, Trainer, Training

MAPPINGS: dict[str, type[FrequencyMapping] | type[RandomMapping]] = {
    "frequency": FrequencyMapping,
    "random": RandomMapping,
}


@dataclass(frozen=True, kw_only=True)
class AR(Trainer):
    """Adds a program P = tanh(W * M) to padded images, W by gradient descent.

    Parameters
    ----------
    epochs : int
        Passes over the training images: as many as the released code of BAR takes.
    m : int
        Source classes per target class: 10 for retinopathy and melanoma, 5 or 6 for ASD.
    mapping : {"frequency", "random"}
        How they are found: by how often each is answered before reprogramming, or drawn.
    optimiser : {"adam", "sgd"}
        The paper has both: SGD for BAR, Adam in variants.
    eta, decay, decay_steps : float
        Step size, which shrinks by ``decay`` in ``decay_steps`` steps, as in the recipe ``bar``.
    batch : int
        Images per step.
    gamma : float
        Of the focal loss; its weights are omega_j = 1 / n_j, scaled to a mean of 1.
    inner : int or None
        Longer side of the data within the frame, in pixels; None: as `Canvas` says.
    overlay : bool
        Whether the program is added on top of the data as well.
    subspace : str
        As in `subspace_from_name`.
    """

    kind: ClassVar[str] = "ar"
    citation: ClassVar[str] = (
        "Elsayed, Goodfellow and Sohl-Dickstein: Adversarial Reprogramming of Neural Networks, "
        "ICLR 2019, as run by Tsai, Chen and Ho, ICML 2020"
    )
    needs_whitebox: ClassVar[bool] = True
    epochs: int = 9
    m: int = 10
    mapping: str = "frequency"
    optimiser: str = "adam"
    eta: float = 0.05
    decay: float = 0.96
    decay_steps: float = 100.0
    batch: int = 20
    gamma: float = 2.0
    inner: int | None = None
    overlay: bool = False
    subspace: str = "full"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mapping not in MAPPINGS:
            raise InvalidOption(
                f"mapping must be one of {', '.join(MAPPINGS)}, found {self.mapping!r}."
            )

    def _program(self, training: Training) -> Program:
        canvas = Canvas(fit="pad", inner=self.inner, overlay=self.overlay)
        placement = training.framed(canvas, instead="overlay=true")
        subspace = subspace_from_name(self.subspace, training.opened.shape, placement.mask)
        return Program(placement, subspace, self.subspace)

    def _fit(self, training: Training) -> Baseline:
        from rebox.study.baseline.reprogramming import Descent, Reprogramming, answers  # noqa: PLC0415 - loads torch

        program = self._program(training)
        rule = MAPPINGS[self.mapping](self.m)
        parts = Reprogramming(
            training=training,
            program=program,
            mapping=rule.fit(answers(training, program.placement, ask=rule.needs_answers)),
            loss=Focal(self.gamma),
            weights=training.even_weights,
            descent=Descent(
                optimiser=self.optimiser,
                eta=self.eta,
                decay=self.decay,
                decay_steps=self.decay_steps,
                batch=self.batch,
                epochs=self.epochs,
            ),
        )
        losses, programs = zip(*parts.epochs(), strict=True)
        return parts.fitted(programs[-1], curve=tuple(enumerate(losses, start=1)))
