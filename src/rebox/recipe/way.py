"""The ways in which a method may spend its budget, and their settings.

A recipe says its way; `rebox.fit` goes it. `Once` asks about every training sample and fits a map;
`Searched` then moves a program by the losses of a search; `Refitted` judges each program by the map
that suits it; `Views` looks at samples from several sides and reads all answers together; `Unasked`
reads what can be seen without asking, alone.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from rebox.errors import InvalidOption
from rebox.loss import Focal, Loss
from rebox.program import Canvas, Program, subspace_from_name
from rebox.reading.assignment import FrequencyMapping
from rebox.reading.contract import MappingRule
from rebox.reading.probabilistic import ProbabilisticRule
from rebox.search import Search


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a budget is spent.

    Attributes
    ----------
    asks : bool
        Whether a box is asked; without, none is opened.
    several : bool
        Whether a prediction may ask several queries, or none, and an encoder is read beside them.
    dresses : bool
        Whether samples are dressed before they are shown to a box.
    canaries : int
        Canaries that a service is asked unless the user says otherwise.
    """

    asks: ClassVar[bool] = True
    several: ClassVar[bool] = False
    dresses: ClassVar[bool] = False
    canaries: ClassVar[int] = 0

    @property
    def holds_out(self) -> bool:
        """Whether training samples are read by fits that did not know them: decisions need it."""
        return False


@dataclass(frozen=True, kw_only=True)
class Once(Way):
    """Every training sample is asked about as it is, and a map is fitted to the answers.

    Attributes
    ----------
    canvas : Canvas
        Where the data sits.
    mapping : MappingRule
        How the answers are read.
    """

    canvas: Canvas
    mapping: MappingRule

    @property
    def holds_out(self) -> bool:
        """Whether the rule reads what it has not seen."""
        return isinstance(self.mapping, ProbabilisticRule)

    def program(
        self, data: tuple[int, int], box: tuple[int, int, int], *, blocky: bool = False
    ) -> Program:
        """Return the program for data of (height, width) in a box of (height, width, channels).

        ``blocky`` enlarges by repeating pixels, for rows of features.
        """
        return Program(self.canvas.placement(data, box, blocky=blocky))


@dataclass(frozen=True, kw_only=True)
class Searched(Once):
    """A search moves the program, judged by a loss under a mapping fitted before.

    Attributes
    ----------
    subspace : str
        Which program may move (`rebox.program.subspace_from_name`).
    search : Search
        How it moves.
    loss : Loss
        How a reading is judged.
    batch : int
        Training samples per step.
    same_batch : bool
        Whether every step judges the same samples, so that losses of different steps compare.
    epochs : int or None
        Passes over the training samples at most; None: until the budget ends.
    pictures : str or None
        Folder of unlabelled pictures that an autoencoder is trained on; None: the training samples.
    """

    dresses: ClassVar[bool] = True
    subspace: str
    search: Search[Any]
    loss: Loss = field(default_factory=Focal)
    batch: int = 20
    same_batch: bool = False
    epochs: int | None = None
    pictures: str | None = None

    def __post_init__(self) -> None:
        if self.remaps and self.same_batch:
            raise InvalidOption("an iterative mapping needs epochs: leave same_batch at False.")
        if self.batch < 1:
            raise InvalidOption(f"batch must be at least 1, found {self.batch}.")
        if self.epochs is not None and self.epochs < 1:
            raise InvalidOption(f"epochs must be at least 1, found {self.epochs}.")

    @property
    def holds_out(self) -> bool:
        """No: the program has seen all training samples."""
        return False

    @property
    def remaps(self) -> bool:
        """Whether the mapping is fitted anew at the start of every epoch."""
        return isinstance(self.mapping, FrequencyMapping) and self.mapping.iterative

    def program(
        self, data: tuple[int, int], box: tuple[int, int, int], *, blocky: bool = False
    ) -> Program:
        """Return the program, which may move, as `Once.program` does."""
        placement = self.canvas.placement(data, box, blocky=blocky)
        if not placement.mask.any():
            raise InvalidOption(
                f"the data fills the whole {box[0]} x {box[1]} input and leaves no frame for the "
                "program: choose a smaller inner, or overlay=true."
            )
        subspace = subspace_from_name(self.subspace, box, placement.mask)
        return Program(placement, subspace, self.subspace)


@dataclass(frozen=True, kw_only=True)
class Refitted(Searched):
    """A program is judged by the held-out log loss of a mapping fitted to the answers it gets.

    The mapping is asked for last, at the program that is kept.
    """

    mapping: ProbabilisticRule

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.mapping, ProbabilisticRule):
            raise InvalidOption(
                "what is refitted is compared by held-out losses: choose a mapping rule that has "
                f"them, such as ridge or lda; found {self.mapping!r}."
            )


@dataclass(frozen=True, kw_only=True)
class Views(Way):
    """Asks about the samples as they are, then about views of them that pay; reads all together.

    Attributes
    ----------
    stack : bool
        Whether what can be seen of a sample without asking is read beside the answers, so that the
        result is no worse than a local model's.
    class_weight : {None, "balanced"}
        None reads each class as often as it occurs in training; ``balanced`` as if the classes were
        equally frequent, which raises the sensitivity for rare ones.
    """

    several: ClassVar[bool] = True
    canaries: ClassVar[int] = 3
    stack: bool = True
    class_weight: str | None = None

    @property
    def holds_out(self) -> bool:
        """Yes: every opinion of the reader's is cross-fitted."""
        return True

    def __post_init__(self) -> None:
        _check_weight(self.class_weight)


@dataclass(frozen=True, kw_only=True)
class Unasked(Way):
    """Asks nobody; reads what can be seen of a sample, and an encoder's features beside.

    Attributes
    ----------
    class_weight : {None, "balanced"}
        As for `Views`.
    """

    asks: ClassVar[bool] = False
    several: ClassVar[bool] = True
    class_weight: str | None = None

    @property
    def holds_out(self) -> bool:
        """Yes: every opinion of the reader's is cross-fitted."""
        return True

    def __post_init__(self) -> None:
        _check_weight(self.class_weight)


def _check_weight(class_weight: str | None) -> None:
    if class_weight not in (None, "balanced"):
        raise InvalidOption(f"class_weight must be balanced or left out, found {class_weight!r}.")
