"""What a baseline is: how it is trained, and what a trained one does."""

import abc
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rebox.errors import InvalidData, InvalidOption
from rebox.program import Canvas, Placement
from rebox.sample import ImageLoader, Inputs
from rebox.subject import encode_groups

if TYPE_CHECKING:
    from torch import Tensor

    from rebox.study.baseline.whitebox import WhiteBox


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Where a network of a baseline's own is trained, and how precisely.

    Attributes
    ----------
    device : str
        As ``cpu`` or ``cuda``.
    dtype : {"float32", "bfloat16"}
        Of the products within layers, where they take the time; weights stay in float32.
    """

    device: str = "cpu"
    dtype: str = "float32"


@dataclass(frozen=True, kw_only=True, eq=False)
class Baseline(abc.ABC):
    """A fitted model that asks nobody.

    Attributes
    ----------
    classes, note : (K,), str
        Labels, sorted, and what has to be said beside its figures.
    curve : tuple of (epoch, loss)
        Mean training loss of each epoch, counted from 1; empty where there are no epochs.
    program : (height, width, channels) float64 or None
        What is added to each image in [0, 1]; None: nothing.
    precision : str or None
        Of what a network of its own was trained in; None: it has none, or is an opened box's.
    """

    classes: NDArray[Any]
    note: str = ""
    curve: tuple[tuple[int, float], ...] = ()
    program: NDArray[np.float64] | None = None
    precision: str | None = None

    @abc.abstractmethod
    def predict_proba(self, x: Any) -> NDArray[np.float64]:
        """Return (n, K) probabilities of n images or rows, in the order of ``classes``."""

    def predict(self, x: Any) -> NDArray[Any]:
        """Return the (n,) most probable labels."""
        return np.asarray(self.classes[self.predict_proba(x).argmax(axis=1)])


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenedBaseline(Baseline):
    """A fitted model that looks at samples through an opened box.

    Attributes
    ----------
    inputs : Inputs
        How samples become images.
    placement : Placement
        Where they sit in the box's input.
    whitebox : WhiteBox
    """

    inputs: Inputs
    placement: Placement
    whitebox: "WhiteBox"

    def over(self, x: Any, see: "Callable[[Tensor], Tensor]") -> NDArray[np.float64]:
        """Return (n, d): what ``see`` makes of n samples, see `WhiteBox.over`."""
        return self.whitebox.over(ImageLoader(self.inputs, x), self.placement, see)


@dataclass(frozen=True, kw_only=True, eq=False)
class Training:
    """What a baseline is trained on: see `Trainer.fit`; subjects are counted from 0."""

    x: Any
    y: ArrayLike
    whitebox: "WhiteBox | None"
    seed: int
    value_range: tuple[float, float] | None
    test: tuple[Any, ArrayLike] | None
    class_weight: str | None
    groups: NDArray[np.intp] | None = None
    compute: Compute = field(default_factory=Compute)

    def __post_init__(self) -> None:
        labels = np.asarray(self.y)
        if labels.ndim != 1 or len(labels) != len(self.x) or len(labels) == 0:
            raise InvalidData(
                f"found {len(self.x)} samples and labels of shape {labels.shape}; expected one "
                "label for each of at least 1 sample."
            )
        if self.class_weight not in (None, "balanced"):
            raise InvalidOption(
                f"class_weight must be balanced or left out, found {self.class_weight!r}."
            )

    @cached_property
    def _counted(self) -> tuple[NDArray[Any], NDArray[np.intp], NDArray[np.intp]]:
        return np.unique(np.asarray(self.y), return_inverse=True, return_counts=True)

    @property
    def classes(self) -> NDArray[Any]:
        """Labels (K,), sorted."""
        return self._counted[0]

    @property
    def targets(self) -> NDArray[np.intp]:
        """Class (n,) of each sample, counted from 0."""
        return self._counted[1].astype(np.intp)

    @property
    def counts(self) -> NDArray[np.intp]:
        """Samples (K,) of each class."""
        return self._counted[2].astype(np.intp)

    @property
    def prior(self) -> NDArray[np.float64]:
        """Share (K,) of each class."""
        return np.asarray(self.counts / self.counts.sum())

    @property
    def even_weights(self) -> NDArray[np.float64]:
        """Omega_j = 1 / n_j (K,), scaled to a mean of 1 over the samples."""
        return np.asarray(len(self.targets) / (len(self.counts) * self.counts))

    @cached_property
    def images(self) -> ImageLoader:
        """The samples as images."""
        return ImageLoader(Inputs.fit(self.x, self.value_range), self.x)

    @property
    def opened(self) -> "WhiteBox":
        """The white box, which `Trainer.fit` has made sure of."""
        if self.whitebox is None:
            raise InvalidOption("this baseline opens the box: pass whitebox=open_whitebox(URI).")
        return self.whitebox

    def placement(self, canvas: Canvas) -> Placement:
        """Return where the samples sit in the white box's input."""
        inputs = self.images.inputs
        return canvas.placement(inputs.size, self.opened.shape, blocky=inputs.blocky)

    def framed(self, canvas: Canvas, *, instead: str) -> Placement:
        """Return where the samples sit, with room for a program.

        Raises
        ------
        InvalidOption
            The samples fill the whole input; ``instead`` is the option that needs no frame.
        """
        placement = self.placement(canvas)
        if not placement.mask.any():
            raise InvalidOption(
                "the data fills the whole input and leaves no frame for the program: choose a "
                f"smaller inner, or {instead}."
            )
        return placement

    def need_two_of_each(self) -> None:
        """Raise InvalidData where a class has one sample only, or is the only one."""
        if len(self.classes) < 2 or self.counts.min() < 2:
            rarest = self.classes[self.counts.argmin()]
            raise InvalidData(
                f"found {len(self.classes)} classes, {self.counts.min()} samples of {rarest!r}; "
                "cross-validation needs 2 classes or more and 2 samples of each: add samples or "
                "leave the class out."
            )


@dataclass(frozen=True, kw_only=True)
class Trainer(abc.ABC):
    """How a baseline is trained: its options, whole.

    A subclass sets ``kind`` and ``citation`` and implements `_fit`.

    Attributes
    ----------
    name : str
        Its name with the options given, as `baseline_from_name` takes it.
    citation : str
        Where the method comes from.
    needs_whitebox : bool
        Whether it opens a box: `fit` needs ``whitebox``.
    """

    kind: ClassVar[str]
    citation: ClassVar[str]
    needs_whitebox: ClassVar[bool] = False
    name: str = ""

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.kind)

    @property
    def peeks(self) -> bool:
        """Whether it chooses anything on test images: `fit` needs ``test``."""
        return False

    def fit(  # noqa: PLR0913 - keyword-only, as the trial has them
        self,
        x: Any,
        y: ArrayLike,
        *,
        whitebox: "WhiteBox | None" = None,
        seed: int = 0,
        value_range: tuple[float, float] | None = None,
        test: tuple[Any, ArrayLike] | None = None,
        class_weight: str | None = None,
        groups: ArrayLike | None = None,
        compute: Compute | None = None,
    ) -> Baseline:
        """Return the baseline of samples and their labels; the same seed gives the same one.

        Parameters
        ----------
        x : ImageFiles, (n, h, w) or (n, h, w, 1 or 3) array, sequence of images, or (n, d) rows
        y : (n,)
            Labels.
        whitebox : WhiteBox or None
            The opened box (`rebox.study.baseline.opening.open_whitebox`), for those that need one.
        seed : int
            Fixes folds, batches and fresh weights.
        value_range : (low, high) or None
            Values of an array of images that read black and white; None: uint8 or [0, 1].
        test : (x, y) or None
            Test images and labels, for a baseline that peeks; no other one looks at them.
        class_weight : {None, "balanced"}
            ``balanced`` learns as if the classes were equally frequent; None: what the trainer's
            own option says. Reprogramming weighs classes as published, whatever this says.
        groups : (n,) or None
            Subjects: what is held out while fitting is held out with all images of its subject.
        compute : Compute or None
            Where networks of the baseline's own are trained; an opened box says it itself. None:
            on the processor, in float32.

        Raises
        ------
        InvalidData
            There are no samples, not one label for each, or they cannot be used.
        InvalidOption
            The white box or the test images are missing.
        """
        if self.needs_whitebox and whitebox is None:
            raise InvalidOption(
                f"the baseline {self.name!r} opens the box: pass whitebox=open_whitebox(URI)."
            )
        if self.peeks and test is None:
            raise InvalidOption(
                f"the baseline {self.name!r} chooses on test images: pass test=(x, y), or take "
                "one that does not, such as select=last."
            )
        training = Training(
            x=x,
            y=y,
            whitebox=whitebox,
            seed=seed,
            value_range=value_range,
            test=test if self.peeks else None,
            class_weight=class_weight or getattr(self, "class_weight", None),
            groups=encode_groups(groups, len(x), least=2),
            compute=compute or Compute(),
        )
        return self._fit(training)

    @abc.abstractmethod
    def _fit(self, training: Training) -> Baseline:
        """Return the fitted baseline."""
