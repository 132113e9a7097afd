"""What was measured in each setting, a task and a box, and what could not be run."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rebox.errors import InvalidData
from rebox.metric import METRICS
from rebox.study.bench import Cell, Comparison, Row, TrialRow, compare_cells, in_cells, read_row
from rebox.study.bench.comparison import alike
from rebox.study.bench.summary import told_apart
from rebox.study.report.words import box_name

PEEKED = "peeked at test data"
PEEKING = " (peeked)"  # the same where there is little room
REFERENCE = "auto"
CHANCE = 0.5  # the area of scores that are all alike
COMPARED = ("accuracy", "macro_auc")


def label_of(cell: Cell) -> str:
    """Return a cell's name, and that it peeked: what stands in figures, which have no marks."""
    return f"{cell.name}{PEEKING}" if cell.peeks else cell.name


def says_one_class(cell: Cell) -> bool:
    """Return whether a method says one and the same class of whatever it is shown."""
    told = [trial.answers for trial in cell.trials if trial.answers is not None]
    if told:
        return all(len(np.unique(one.probabilities.argmax(axis=1))) == 1 for one in told)
    area = cell.figures.get("macro_auc")
    return area is not None and area.low == area.value == area.high == CHANCE


def is_fair(cell: Cell) -> bool:
    """Return whether a method may be the best: it saw no test data, and says several classes."""
    return not (cell.peeks or cell.copied or says_one_class(cell))


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """A task and a box, and what was measured there.

    Attributes
    ----------
    cells : tuple of Cell
        In the ledger's order of methods, then by budget; methods that ask no box are in every
        setting of their task.
    """

    plan: str
    task: str
    box: str | None
    cells: tuple[Cell, ...]

    @property
    def title(self) -> str:
        """The task and the box."""
        return f"{self.task}, {box_name(self.box)}"

    @property
    def copied(self) -> bool:
        """Whether methods were trained on copies of test images: the task is split so, for all."""
        return any(cell.copied for cell in self.cells)

    @property
    def labels(self) -> tuple[str, ...]:
        """Its methods' labels, each once, in the ledger's order."""
        return tuple(dict.fromkeys(label_of(cell) for cell in self.cells))

    @property
    def metrics(self) -> tuple[str, ...]:
        """The figures that any cell has, in the order of tables."""
        held = {name for cell in self.cells for name in cell.figures}
        return tuple(name for name in METRICS if name in held)

    def best(self, metric: str) -> list[Cell]:
        """Return the cells of the highest value, among those that saw no test data.

        Nor is one called the best that says the same class of every image, which is right as often
        as that class is frequent. Of the others only the ones tested on as many images as any: a
        fold says less than ten.
        """
        fair = [c for c in self.cells if metric in c.figures and is_fair(c)]
        most = max((cell.tested for cell in fair), default=0)
        whole = [cell for cell in fair if cell.tested == most]
        top = max((cell.figures[metric].value for cell in whole), default=0.0)
        return [cell for cell in whole if cell.figures[metric].value >= top - 1e-12]

    def largest(self) -> list[Cell]:
        """Return each method once, at its largest budget."""
        last = {label_of(cell): cell for cell in sorted(self.cells, key=lambda c: c.size)}
        return [last[label] for label in self.labels]

    def reference(self, wanted: str | None = None) -> str | None:
        """Return the method that others are compared with: ``wanted``, where it is there.

        Otherwise it is ``auto`` where that is there, or the first that did not peek.
        """
        fair = [cell.method for cell in self.cells if not cell.peeks]
        for name in (wanted, REFERENCE):
            if name in fair:
                return name
        return fair[0] if fair else None

    def differences(self, reference: str | None = None) -> list[dict[str, Comparison]]:
        """Return how each cell's accuracy and AUC differ from the reference's at the same budget.

        Methods without a budget are compared with the reference at its largest. Where nothing is in
        common, neither a seed nor a fold, there is no difference to tell.
        """
        name = self.reference(reference)
        own = [cell for cell in self.cells if cell.method == name]
        apart = []
        for cell in self.cells:
            rival = None if cell.method == name else _rival(own, cell)
            if rival is not None:
                compared = {metric: compare_cells(cell, rival, metric) for metric in COMPARED}
                apart.append({metric: one for metric, one in compared.items() if one is not None})
        return [figures for figures in apart if figures]


def _rival(own: list[Cell], cell: Cell) -> Cell | None:
    """Return the reference's cell of the same budget, and of as many queries if there is one."""
    if cell.budget is not None and any(c.budget is not None for c in own):
        own = [c for c in own if c.budget == cell.budget]
    return alike(own, cell)


@dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """Everything that the ledgers hold: trials that were run, and those that could not be."""

    settings: tuple[Setting, ...]
    unavailable: tuple[TrialRow, ...]
    trials: tuple[TrialRow, ...]


def findings_of(rows: Iterable[Row]) -> Findings:
    """Return what a ledger's rows tell: those of `rebox.study.report.open_ledger`.

    Raises
    ------
    InvalidData
        There are no rows, or one cannot be read.
    """
    trials = [read_row(row) for row in rows]
    if not trials:
        raise InvalidData("there are no trials to report: give the rows of a ledger that has some.")
    done = [trial for trial in trials if trial.why is None]
    missing = tuple(trial for trial in trials if trial.why is not None)
    grouped: dict[tuple[str, str], list[TrialRow]] = {}
    for trial in done:
        grouped.setdefault((trial.plan, trial.task), []).append(trial)
    settings = [one for (plan, _), part in grouped.items() for one in _settings(plan, part)]
    return Findings(settings=tuple(settings), unavailable=missing, trials=tuple(done))


def _settings(plan: str, trials: list[TrialRow]) -> Iterable[Setting]:
    """Yield the settings of one plan and task."""
    cells = in_cells(trials)
    boxes: list[str | None] = list(dict.fromkeys(t.box for t in trials if t.box is not None))
    for box in boxes or [None]:
        # those without a box first, and each part in the ledger's order
        here = sorted((t for t in trials if t.box in {None, box}), key=lambda t: t.box is not None)
        order = list(dict.fromkeys(trial.method for trial in here))
        own = told_apart([cell for cell in cells if cell.box in {None, box}])
        own.sort(key=lambda cell: (order.index(cell.method), *cell.size))
        yield Setting(plan=plan, task=trials[0].task, box=box, cells=tuple(own))
