"""Every method on one task: how many labelled samples, what accuracy, how many queries."""

from collections.abc import Callable
from dataclasses import dataclass

from rebox.box.onnx import OnnxBox
from rebox.classifier import Reprogrammer
from rebox.demo.digits import PRICE_USD
from rebox.demo.tasks import DemoTask
from rebox.fit import Verdict
from rebox.metric import Interval, accuracy
from rebox.study.baseline import baseline_from_name

METHODS = {
    "local": "local model",
    "map": "mapping only",
    "auto": "auto",
    "bar": "BAR, as published",
}
CURVES = ("local", "map", "auto")  # fitted with every number of labels; BAR with the one shown
BUDGET, VIEWS = 2_000, 5  # queries of a fit, and most for each prediction of auto
BAR_BUDGET = 25_000  # it searches: with as many as the others it stands where it began


@dataclass(frozen=True, kw_only=True)
class Row:
    """A method, fitted on so many labelled samples: a row of the table, a point of a curve.

    Attributes
    ----------
    method, recipe : str, str or None
        Its name in words; its recipe, or None where nothing is learnt.
    labels : int
        Labelled samples.
    accuracy : Interval
        On the test samples.
    queries, queries_per_prediction : int
        Asked to train it, and for each new sample.
    usd : float
        What the training queries would have cost, US dollars.
    """

    method: str
    recipe: str | None
    labels: int
    accuracy: Interval
    queries: int = 0
    queries_per_prediction: int = 0
    usd: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class TaskResult:
    """What came of one task.

    Attributes
    ----------
    task : DemoTask
    curves : dict of recipe to list of Row
        Accuracy against labels.
    majority, bar : Row
        Of as many labels as the table shows.
    verdict : Verdict or None
        Of ``auto`` there: from training samples alone.
    model : Reprogrammer
        ``auto`` there.
    counted : int
        Queries of all fits and predictions, by their meters.
    """

    task: DemoTask
    curves: dict[str, list[Row]]
    majority: Row
    bar: Row
    verdict: Verdict | None
    model: Reprogrammer
    counted: int

    @property
    def rows(self) -> tuple[Row, ...]:
        """The rows of the table, ``auto`` the last."""
        shown = {
            recipe: row
            for recipe, rows in self.curves.items()
            for row in rows
            if row.labels == self.task.shown
        }
        return (self.majority, shown["local"], shown["map"], self.bar, shown["auto"])


@dataclass(frozen=True, kw_only=True)
class Trials:
    """Fits on one task, and what they asked.

    Attributes
    ----------
    box : OnnxBox
    task : DemoTask
    seed : int
        Of the fits.
    write : callable
        Told in a line what is being done.
    """

    box: OnnxBox
    task: DemoTask
    seed: int
    write: Callable[[str], object]

    def run(self) -> TaskResult:
        """Return what every method reaches."""
        task = self.task
        curves: dict[str, list[Row]] = {recipe: [] for recipe in CURVES}
        fitted, counted = {}, 0
        for labels in task.labelled:
            for recipe, rows in curves.items():
                model, row = self._fit(recipe, labels)
                rows.append(row)
                counted += model.spent_.total
                fitted[recipe, labels] = model
        published, bar = self._fit("bar", task.shown)
        shown = fitted["auto", task.shown]
        return TaskResult(
            task=task,
            curves=curves,
            majority=self._majority(),
            bar=bar,
            verdict=shown.verdict_,
            model=shown,
            counted=counted + published.spent_.total,
        )

    def _fit(self, recipe: str, labels: int) -> tuple[Reprogrammer, Row]:
        task = self.task
        self.write(f"{task.title}: {METHODS[recipe]}, {labels} labelled")
        model = self._unfitted(recipe)
        model.fit(task.train[:labels], task.train_labels[:labels])
        queries = model.spent_.training
        row = Row(
            method=METHODS[recipe],
            recipe=recipe,
            labels=labels,
            accuracy=accuracy(task.test_labels, model.predict(task.test)),
            queries=queries,
            queries_per_prediction=len(model.artefact_.model.questions),
            usd=queries * PRICE_USD,
        )
        return model, row

    def _unfitted(self, recipe: str) -> Reprogrammer:
        if recipe == "local":
            return Reprogrammer(recipe=recipe, random_state=self.seed)
        if recipe == "auto":
            return Reprogrammer(
                self.box, budget=BUDGET, queries_per_prediction=VIEWS, random_state=self.seed
            )
        budget = BAR_BUDGET if recipe == "bar" else BUDGET
        return Reprogrammer(self.box, recipe, budget=budget, random_state=self.seed)

    def _majority(self) -> Row:
        task, n = self.task, self.task.shown
        majority = baseline_from_name("majority")
        model = majority.fit(task.train[:n], task.train_labels[:n], seed=self.seed)
        reached = accuracy(task.test_labels, model.predict(task.test))
        return Row(method="majority", recipe=None, labels=n, accuracy=reached)
