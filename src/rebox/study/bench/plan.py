"""What is to be measured: every trial of tasks, boxes, methods, budgets, seeds and folds.

`rebox.study.bench.plan_file` reads these from TOML.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rebox.errors import InvalidOption
from rebox.recipe import recipe_from_name
from rebox.study.baseline import baseline_from_name


@dataclass(frozen=True, kw_only=True)
class PlannedTask:
    """Training and test images of one data set.

    Attributes
    ----------
    name, data : str
        The data are as `rebox.sample.open_task` takes them, options included; or files of your own
        in the folder of the data, ``./lesions`` or ``./faces.csv``, as `rebox.load` takes them.
    test : int or None
        Most test images; None where ``folds`` say which.
    train, per_class : int or None
        Training images, or those of each class; neither where ``folds`` say it.
    folds : int or None
        Every image is tested once, in one of so many folds.
    resampled : bool
        Whether classes are balanced by drawing images again *before* they are split, so that
        copies of one image are trained on and tested: a fault of published protocols, kept to
        measure what it is worth.
    """

    name: str
    data: str
    test: int | None = None
    train: int | None = None
    per_class: int | None = None
    folds: int | None = None
    resampled: bool = False

    def __post_init__(self) -> None:
        if self.folds is not None:
            if self.folds < 2 or (self.test, self.train, self.per_class) != (None, None, None):
                raise InvalidOption(
                    f"task {self.name!r} has folds = {self.folds}: give 2 or more of them, and "
                    "neither test, train nor per_class beside them."
                )
        elif self.test is None or (self.train is None) == (self.per_class is None):
            raise InvalidOption(
                f"task {self.name!r} needs test and either train or per_class, or folds."
            )
        if self.resampled and self.train is None:
            raise InvalidOption(f"task {self.name!r} is resampled: it needs train and test.")

    @property
    def split(self) -> str:
        """How it is split, in a few characters."""
        if self.folds is not None:
            return f"{self.folds} folds"
        size = self.train if self.per_class is None else f"{self.per_class}/class"
        return f"{size}+{self.test}" + (" resampled" if self.resampled else "")


@dataclass(frozen=True, kw_only=True)
class Served:
    """A service's protocol and prices, played on this machine before the box.

    Attributes
    ----------
    service : str
        As `rebox.rehearsal.Rehearsal` names it.
    price_usd : float
        US dollars for an image.
    size, batch_size : int
        Side in pixels of the pictures that are sent, which the service resizes for its model, and
        most of them in a request.
    model, classes : str or None, tuple of str or None
        What the service calls the model and its classes; None: the latter as the box does.
    """

    service: str
    price_usd: float
    size: int
    batch_size: int = 1
    model: str | None = None
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class PlannedBox:
    """A box by its URI, what is hidden of its answers, and how it is served.

    Attributes
    ----------
    name : str
    uri : str
        ``{models}`` stands for the folder of the models.
    otherwise : str or None
        The URI that is opened where the file of ``uri`` is not at hand: the same architecture from
        a library that downloads its weights.
    weights : str or None
        The same model with its weights, for the baselines that need gradients, as
        `rebox.study.baseline.open_whitebox` takes it; None: ``uri``.
    untrained : str or None
        Its architecture alone, for what is trained from scratch, where the weights are not at
        hand: ``torch:densenet121?weights=none``.
    top_k, decimals, labels_only
        As `rebox.box.limited.LimitedBox` takes them.
    served : Served or None
        The service that the box is asked through; None: it is asked directly.
    """

    name: str
    uri: str
    otherwise: str | None = None
    weights: str | None = None
    untrained: str | None = None
    top_k: int | None = None
    decimals: int | None = None
    labels_only: bool = False
    served: Served | None = None

    @property
    def limits(self) -> dict[str, Any]:
        """What is hidden; empty where nothing is."""
        limits = {
            "top_k": self.top_k,
            "decimals": self.decimals,
            "labels_only": self.labels_only or None,
        }
        return {name: value for name, value in limits.items() if value is not None}

    @property
    def address(self) -> str:
        """What tells the box from others in a key."""
        limits = "".join(f"&{name}={value}" for name, value in self.limits.items())
        served = self.served
        behind = ""
        if served is not None:
            names = "" if served.classes is None else f" as {','.join(served.classes)}"
            behind = (
                f" by {served.service} {served.model or ''} ${served.price_usd:g} "
                f"{served.size}px {served.batch_size} at once{names}"
            )
        weights = "" if self.weights is None else f" weights {self.weights}"
        return f"{self.uri}{limits}{behind}{weights}"


@dataclass(frozen=True, kw_only=True)
class Method:
    """A recipe or a baseline, and how many queries a prediction may cost.

    Attributes
    ----------
    name : str
    recipe, baseline : str or None
        One of them, as `rebox.Reprogrammer` or `rebox.study.baseline.baseline_from_name` takes it.
    queries_per_prediction : int
        0: the box is not asked at all once the model is fitted.
    budget : int or None
        Queries of its fit, whatever the plan's budgets are.
    remember : bool
        Whether its answers are worth keeping on disk: a search asks nothing twice, and a
        thousand scores take 4 kB.
    """

    name: str
    recipe: str | None = None
    baseline: str | None = None
    queries_per_prediction: int = 1
    budget: int | None = None
    remember: bool = True

    def __post_init__(self) -> None:
        if (self.recipe is None) == (self.baseline is None):
            raise InvalidOption(f"method {self.name!r} needs either a recipe or a baseline.")
        # an unknown name is told before anything runs
        if self.baseline is not None:
            baseline_from_name(self.baseline)
        else:
            recipe_from_name(self.recipe or "")

    @property
    def asks(self) -> bool:
        """Whether it asks a box."""
        return self.recipe is not None

    @property
    def peeks(self) -> bool:
        """Whether it chooses anything on test images."""
        return self.baseline is not None and baseline_from_name(self.baseline).peeks

    @property
    def fresh(self) -> bool:
        """Whether it draws a network's weights anew, and needs its architecture alone."""
        trainer = None if self.baseline is None else baseline_from_name(self.baseline)
        return getattr(trainer, "fresh", False)

    @property
    def needs_box(self) -> bool:
        """Whether it needs a box, to ask or for its weights."""
        return self.baseline is None or baseline_from_name(self.baseline).needs_whitebox

    @property
    def spelled(self) -> str:
        """What tells the method from others in a key."""
        if self.recipe is None:
            return f"baseline {self.baseline}"
        return f"{self.recipe} Q={self.queries_per_prediction}"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One fit and its test.

    Attributes
    ----------
    plan, task, box, method
        No box for methods that need none.
    budget : int or None
        Queries of the fit; None for baselines, which ask nothing.
    seed, fold : int, int or None
        Of the split and of the fit; no fold where the task has none.
    """

    plan: str
    task: PlannedTask
    box: PlannedBox | None
    method: Method
    budget: int | None
    seed: int
    fold: int | None = None

    @property
    def key(self) -> str:
        """Everything that the plan says of the trial: a ledger holds each key once."""
        task, box = self.task, self.box
        where = "no box" if box is None else f"{box.name} ({box.address})"
        data = f"{task.name} ({task.data} {task.split})"
        return f"{data} | {where} | {self.method.spelled} | {self._draw}"

    @property
    def label(self) -> str:
        """The trial in a few words."""
        box = "no box" if self.box is None else self.box.name
        return f"{self.task.name} | {box} | {self.method.name} | {self._draw}"

    @property
    def _draw(self) -> str:
        budget = "no queries" if self.budget is None else self.budget
        return f"{budget} | {self.seed}" + ("" if self.fold is None else f" fold {self.fold}")


@dataclass(frozen=True, kw_only=True)
class StudyPlan:
    """A frozen grid of trials.

    Attributes
    ----------
    name, title : str
    trials : tuple of Trial
        In order, none twice.
    about : mapping
        What the plan says of itself for a reader: ``note``, a paragraph.
    """

    name: str
    title: str
    trials: tuple[Trial, ...]
    about: Mapping[str, str] = field(default_factory=dict)
