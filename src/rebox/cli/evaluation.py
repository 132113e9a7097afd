"""A model that is measured on labelled data: all of it is looked at before anybody is asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from rebox.classifier import Measured, Reprogrammer, measured
from rebox.cli.console import err
from rebox.cli.model import accounted, confirm_predictions, load_model, refuse_own_files
from rebox.cli.output import check_outputs, journal_files, refuse_pictures
from rebox.cli.printing import print_usual_cost, usd_per_10k
from rebox.cli.progress import ProgressBar
from rebox.sample import Dataset, load
from rebox.sample.labels import known_labels

PositiveOption = Annotated[
    str | None,
    typer.Option(
        "--positive", help="The class that sensitivity speaks of; default: the task's own."
    ),
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """A model and the labelled samples that it is measured on.

    Attributes
    ----------
    model : Reprogrammer
    task : Dataset
    bar : ProgressBar
        What is told how far it has come.
    """

    model: Reprogrammer
    task: Dataset
    bar: ProgressBar

    @classmethod
    def of(
        cls,
        model_path: Path,
        data: str,
        *outputs: Path | None,
        columns: dict[str, str | None],
        box: list[str] | None,
        budget: int | None,
        journal: str | None,
        account: str | None,
        local_only: bool,
    ) -> "Evaluation":
        """Return what is measured; what cannot be, or written to ``outputs``, is refused."""
        inputs = (model_path, data, *(box or ()), *journal_files(journal))
        check_outputs(*outputs, inputs=inputs)
        task = load(data, **columns)
        refuse_pictures(outputs, task.images)
        bar = ProgressBar(err)
        model = load_model(model_path, box, budget, journal, account, bar, local_only=local_only)
        refuse_own_files(outputs, model_path)
        known_labels(task.labels, model.classes_)  # before anything is paid for
        return cls(model=model, task=task, bar=bar)

    def measure(self, positive: str | None, *, yes: bool) -> Measured:
        """Return what the model is worth; before much money is spent the user is asked."""
        confirm_predictions(self.model, len(self.task), yes=yes)
        with accounted(self.model), self.bar:
            return measured(self.model, self.task, positive)

    @property
    def usd_per_10k(self) -> float | None:
        """What 10,000 predictions cost, by what was asked; None: nobody knows."""
        return usd_per_10k(self.model.boxes_, self.model.spent_by_box_, len(self.task))

    def print_cost(self) -> None:
        """Print what predictions ask, and cost, in the mean."""
        print_usual_cost(self.usd_per_10k, self.model.spent_.predict, len(self.task))
