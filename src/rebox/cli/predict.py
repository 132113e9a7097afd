"""``rebox predict``: labels for new samples."""

import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from rebox.artefact import digest_of
from rebox.classifier import Reprogrammer
from rebox.cli.app import app
from rebox.cli.console import err, out
from rebox.cli.model import (
    accounted,
    confirm_predictions,
    is_fit_for_use,
    load_model,
    need_canaries,
    refuse_own_files,
)
from rebox.cli.options import (
    AccountOption,
    BatchOption,
    JournalOption,
    LocalOnlyOption,
    ModelArgument,
    OtherBoxOption,
    PathColumnOption,
    PredictBudgetOption,
    TextColumnOption,
    YesOption,
)
from rebox.cli.output import check_outputs, journal_files, refuse_pictures
from rebox.cli.predictions import Predictions, fingerprint, partial_of
from rebox.cli.progress import ProgressBar
from rebox.cli.saying import Saying, SetsOption, SilentOption
from rebox.errors import InvalidData
from rebox.meter import JournalAccount
from rebox.sample import ImageFiles, SampleLoader, Samples, load_unlabelled
from rebox.sample.images import spelled_out


@app.command()
def predict(  # noqa: PLR0913, PLR0917 - Typer reads a command's options from its parameters
    model_path: ModelArgument,
    paths: Annotated[
        list[Path],
        typer.Argument(help="Images or .txt files, folders, a CSV (path, text or id) or an .npz."),
    ],
    path_column: PathColumnOption = None,
    text_column: TextColumnOption = None,
    predictions: Annotated[
        Path,
        typer.Option(
            "--out",
            help="The CSV to write, a row for each image; - is standard output. What is there is "
            "replaced when all rows are there; until then they stand in OUT.partial.",
        ),
    ] = Path("predictions.csv"),
    box: OtherBoxOption = None,
    budget: PredictBudgetOption = None,
    journal: JournalOption = None,
    account: AccountOption = None,
    batch: BatchOption = False,
    check: Annotated[
        bool, typer.Option("--check", help="First ask whether the box has changed.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on from OUT.partial, if the same prediction has left it. Not needed with a "
            "journal, which answers at no cost what was answered before.",
        ),
    ] = False,
    sets: SetsOption = None,
    silent_share: SilentOption = 0.0,
    skip_bad: Annotated[
        bool,
        typer.Option(
            "--skip-bad",
            help="Pass over files that cannot be read: their rows have a path and are empty else.",
        ),
    ] = False,
    local_only: LocalOnlyOption = False,
    yes: YesOption = False,
) -> None:
    """Label new samples; each asks as many queries as the model was fitted for."""
    inputs = (model_path, *paths, *(box or ()), *journal_files(journal))
    check_outputs(predictions, partial_of(predictions), inputs=inputs)
    images, names = load_unlabelled(
        paths, path_column=path_column, text_column=text_column, keep_bad=skip_bad
    )
    refuse_pictures([predictions], images)
    bar = ProgressBar(err)
    model = load_model(
        model_path, box, budget, journal, account, bar, batch=batch, local_only=local_only
    )
    refuse_own_files([predictions], model_path)
    saying = Saying(model, sets, silent_share)
    if check:
        need_canaries(model, str(model_path))
    bad = _bad_files(model, images, skipped=skip_bad)
    good = images if not bad else images[[i for i in range(len(names)) if i not in bad]]
    table = _table(predictions, model, saying, good, names, bad)
    paid = any(one.source.remote for one in model.boxes_)
    table.take_over(resume=resume, paid=paid)
    left = good[table.answered :]
    confirm_predictions(model, len(left), yes=yes, check=check)
    with accounted(model), bar:
        if check and not is_fit_for_use(model):
            raise typer.Exit(1)
        with table:
            for said in model.predict_batches(left) if len(left) else ():
                table.add(said)
    out.print(f"wrote {predictions}: {len(names) - len(bad):,} predictions.", highlight=False)


def _bad_files(model: Reprogrammer, images: Any, *, skipped: bool) -> dict[int, str]:
    """Return what is wrong with images that cannot be read, by their places, and say it.

    Raises
    ------
    InvalidData
        There are some, and they shall not be ``skipped``; or there are no others.
    """
    samples = model.checked(images)
    files = isinstance(Samples.of(images).images, ImageFiles)
    if not skipped or not files or samples.images is None:
        samples.check()  # before the canaries are paid for, too
        return {}
    bad = samples.images.faults()
    said = spelled_out(list(bad.values()))
    if len(bad) == len(images):
        raise InvalidData(f"none of {len(bad)} samples can be used: {said}.")
    if bad:
        warnings.warn(
            f"passed over {len(bad)} of {len(images)} samples: {said}.", UserWarning, stacklevel=1
        )
    return bad


def _table(
    path: Path,
    model: Reprogrammer,
    saying: Saying,
    samples: Any,
    names: list[str],
    bad: dict[int, str],
) -> Predictions:
    """Return the table that is written, marked with what it is made of."""
    account = model.meter_.account
    digest = SampleLoader(model.artefact_.inputs, samples).digest()
    return Predictions(
        path,
        names,
        saying,
        known_by=_known_by(samples, names),
        bad=bad,
        mark=fingerprint(digest_of(model.artefact_) + saying.mark, digest, names, bad),
        journal=account.journal.path if isinstance(account, JournalAccount) else None,
    )


def _known_by(samples: Any, names: list[str]) -> str:
    """Return what the names of samples are: ids, rows of a table of texts, or paths."""
    if not isinstance(samples, Samples) or samples.images is not None:
        return "path"
    if samples.texts is None or samples.ids is not None:
        return "id"
    return "row" if names[0].endswith("]") else "path"
