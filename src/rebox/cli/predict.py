"""``rebox predict``: labels for new images."""

from pathlib import Path
from typing import Annotated

import typer

from rebox.cli.app import app, err, out
from rebox.cli.model import confirm_predictions, load_model
from rebox.cli.options import (
    AccountOption,
    JournalOption,
    ModelArgument,
    OtherBoxOption,
    PathColumnOption,
    PredictBudgetOption,
    YesOption,
    check_outputs,
)
from rebox.cli.printing import (
    print_drift,
    receipt,
    write_predictions,
)
from rebox.cli.progress import ProgressBar
from rebox.sample import load_unlabelled


@app.command()
def predict(  # noqa: PLR0913, PLR0917 - Typer reads a command's options from its parameters
    model_path: ModelArgument,
    paths: Annotated[list[Path], typer.Argument(help="Images, folders, a CSV or an .npz.")],
    path_column: PathColumnOption = None,
    predictions: Annotated[Path, typer.Option("--out", help="The CSV to write.")] = Path(
        "predictions.csv"
    ),
    box: OtherBoxOption = None,
    budget: PredictBudgetOption = None,
    journal: JournalOption = None,
    account: AccountOption = None,
    check: Annotated[
        bool, typer.Option("--check", help="First ask whether the box has changed.")
    ] = False,
    yes: YesOption = False,
) -> None:
    """Label new images; each asks as many queries as the model was fitted for."""
    check_outputs(predictions)
    images, names = load_unlabelled(paths, path_column=path_column)
    with ProgressBar(err) as bar:
        model = load_model(model_path, box, budget, journal, account, bar)
        confirm_predictions(model, len(images), yes=yes, check=check)
        if check and not print_drift(model.check_box()):
            raise typer.Exit(1)
        probabilities = model.predict_proba(images)
    write_predictions(predictions, names, model.classes_, probabilities)
    receipt(model.spent_, model.box_)
    out.print(f"wrote {predictions}: {len(names):,} predictions.", highlight=False)
