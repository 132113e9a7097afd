"""A model from its file, and leave to ask with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rebox.classifier import Reprogrammer
from rebox.cli.consent import confirm
from rebox.cli.options import (
    read_journal,
)
from rebox.cli.printing import receipt
from rebox.cli.progress import ProgressBar


def load_model(
    path: Path,
    box: str | None,
    budget: int | None,
    journal: str | None,
    account: str | None,
    bar: ProgressBar,
) -> Reprogrammer:
    """Return the model that ``path`` holds, with its box and whoever pays for it."""
    return Reprogrammer.load(
        path,
        box,
        predict_budget=budget,
        journal=read_journal(journal),
        account=account,
        listeners=(bar,),
    )


def confirm_predictions(
    model: Reprogrammer, images: int, *, yes: bool, check: bool = False
) -> None:
    """Refuse what the budget does not allow, and ask before much money is spent."""
    queries = images * model.queries_per_prediction_
    if check:
        queries += len(model.artefact_.box.canaries)
    model.meter_.check(queries, "predict")  # before the first of them is paid for
    confirm(model.box_, queries, f"the prediction of {images:,} images", yes=yes)


@contextmanager
def accounted(model: Reprogrammer) -> Iterator[None]:
    """Print what was asked and what it cost, also where it ended early."""
    try:
        yield
    finally:
        receipt(model.spent_)
