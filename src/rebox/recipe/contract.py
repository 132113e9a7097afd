"""What a recipe is: the parts of one method, and their settings."""

from dataclasses import dataclass, field
from typing import Any

from rebox.errors import InvalidOption
from rebox.loss import Focal, Loss
from rebox.program import Canvas, Program, subspace_from_name
from rebox.reading.assignment import FrequencyMapping
from rebox.reading.contract import MappingRule
from rebox.reading.probabilistic import ProbabilisticRule
from rebox.search import Search


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
    refit : bool
        Whether a program is judged by the held-out log loss of a mapping fitted to the answers that
        it gets, instead of ``loss`` under a mapping fitted before. The mapping is then asked for
        last, at the program that is kept.
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
    refit: bool = False

    def __post_init__(self) -> None:
        if self.refit and not isinstance(self.mapping, ProbabilisticRule):
            raise InvalidOption(
                "refit compares held-out losses: choose a mapping rule that has them, such as "
                f"ridge or lda; found {self.mapping!r}."
            )
        if self.remaps and self.same_batch:
            raise InvalidOption("an iterative mapping needs epochs: leave same_batch at False.")
        if self.batch < 1:
            raise InvalidOption(f"batch must be at least 1, found {self.batch}.")
        if self.epochs is not None and self.epochs < 1:
            raise InvalidOption(f"epochs must be at least 1, found {self.epochs}.")

    @property
    def remaps(self) -> bool:
        """Whether the mapping is fitted anew at the start of every epoch."""
        return isinstance(self.mapping, FrequencyMapping) and self.mapping.iterative

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
        subspace = subspace_from_name(self.subspace, box, placement.mask)
        return Program(placement, subspace, self.subspace)


@dataclass(frozen=True, kw_only=True)
class Auto:
    """Spends a budget where it pays (`rebox.fit.auto`); there is nothing that has to be chosen.

    Attributes
    ----------
    name : str
        Its name with the options given.
    stack : bool
        Whether what can be seen of an image without asking is read beside the answers, so that the
        result is no worse than a local model's.
    class_weight : {None, "balanced"}
        None reads each class as often as it occurs in training; ``balanced`` as if the classes were
        equally frequent, which raises the sensitivity for rare ones.
    citation : str
    """

    name: str = "auto"
    stack: bool = True
    class_weight: str | None = None
    citation: str = "rebox: views, and a pool of kernel readings of their answers"

    def __post_init__(self) -> None:
        if self.class_weight not in (None, "balanced"):
            raise InvalidOption(
                f"class_weight must be balanced or left out, found {self.class_weight!r}."
            )
