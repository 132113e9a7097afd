"""A model from its file, and leave to ask with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from rebox.box import Drift
from rebox.classifier import Reprogrammer
from rebox.cli.consent import confirm
from rebox.cli.console import out
from rebox.cli.options import read_journal
from rebox.cli.printing import receipt
from rebox.cli.progress import ProgressBar
from rebox.errors import InvalidOption


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


def need_canaries(model: Reprogrammer, called: str) -> None:
    """Raise `InvalidOption` where nothing tells whether the box of ``model`` has changed."""
    if not model.artefact_.model.questions:
        raise InvalidOption(f"{called} asks no box: there is none that could change under it.")
    if not len(model.artefact_.box.canaries):
        raise InvalidOption(
            f"{called} has no canaries, so that it cannot be told whether its box has changed: fit "
            "with --canaries 3 to have some."
        )


def is_fit_for_use(model: Reprogrammer) -> bool:
    """Ask the canaries, which `need_canaries` has seen to be there, and print what they say."""
    drift = cast("Drift", model.check_box())
    out.print(drift.words, highlight=False)
    return drift.change != "changed"


@contextmanager
def accounted(model: Reprogrammer) -> Iterator[None]:
    """Print what was asked and what it cost, also where it ended early."""
    try:
        yield
    finally:
        receipt(model.spent_, model.box_)
