"""A model from its file, and leave to ask with it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rebox.artefact import uris_in
from rebox.box import BlackBox, Drift
from rebox.classifier import Reprogrammer
from rebox.cli.consent import confirm
from rebox.cli.console import out
from rebox.cli.options import read_journal
from rebox.cli.output import refuse_inputs
from rebox.cli.printing import receipt_of, say_under_way
from rebox.cli.progress import ProgressBar
from rebox.cli.worst_case import dearest_queries, most_queries
from rebox.errors import InvalidOption


def load_model(
    path: Path,
    boxes: list[str] | None,
    budget: int | None,
    journal: str | None,
    account: str | None,
    bar: ProgressBar,
    *,
    batch: bool = False,
    local_only: bool = False,
) -> Reprogrammer:
    """Return the model that ``path`` holds, with its boxes and whoever pays for them."""
    return Reprogrammer.load(
        path,
        boxes,
        predict_budget=budget,
        journal=read_journal(journal),
        account=account,
        batch=batch,
        local_only=local_only,
        listeners=(bar,),
    )


def refuse_own_files(outputs: Iterable[Path | None], model: Path) -> None:
    """Raise `OutputError` where a file of a model's own boxes, or encoder, would be written over.

    Those that its file names: a command's options name none of them.
    """
    refuse_inputs([path for path in outputs if path is not None], uris_in(model))


def confirm_predictions(
    model: Reprogrammer, images: int, *, yes: bool, check: bool = False
) -> None:
    """Refuse what the budget does not allow, and ask before much money is spent."""
    canaries = canaries_of(model) if check else []
    # before the first of them is paid for
    most = most_queries(model, images) + sum(queries for _, queries in canaries)
    model.meter_.check(most, "predict")
    asked = [*zip(model.boxes_, dearest_queries(model, images), strict=True), *canaries]
    confirm(asked, f"the prediction of {images:,} samples", yes=yes)


def canaries_of(model: Reprogrammer) -> list[tuple[BlackBox, int]]:
    """Return how many canaries a check asks each box of ``model``."""
    records = zip(model.boxes_, model.artefact_.boxes, strict=True)
    return [(box, len(record.canaries)) for box, record in records]


def need_canaries(model: Reprogrammer, called: str) -> None:
    """Raise `InvalidOption` where nothing tells whether the box of ``model`` has changed."""
    if not model.artefact_.model.questions:
        raise InvalidOption(f"{called} asks no box: there is none that could change under it.")
    if not any(queries for _, queries in canaries_of(model)):
        raise InvalidOption(
            f"{called} has no canaries, so that it cannot be told whether its box has changed: fit "
            "with --canaries 3 to have some."
        )


def is_fit_for_use(model: Reprogrammer) -> bool:
    """Ask the canaries, which `need_canaries` has seen to be there, and print what they say."""
    drifts = model.check_box()
    if isinstance(drifts, Drift):
        out.print(drifts.words, highlight=False)
        return drifts.change != "changed"
    for name, drift in (drifts or {}).items():
        out.print(f"{name}: {drift.words}", highlight=False, markup=False)
    return all(drift.change != "changed" for drift in (drifts or {}).values())


@contextmanager
def accounted(model: Reprogrammer) -> Iterator[None]:
    """Print what was asked and what it cost, also where it ended early."""
    try:
        yield
    except KeyboardInterrupt as error:
        say_under_way(error)
        raise
    finally:
        receipt_of(model)
