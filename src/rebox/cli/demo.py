"""``rebox demo``: what rebox does, shown offline in a minute."""

from pathlib import Path
from typing import Annotated

import typer

from rebox.cli.app import app
from rebox.cli.console import out


@app.command()
def demo(
    folder: Annotated[Path, typer.Option("--out", help="Where model and picture go.")] = Path(
        "rebox-demo"
    ),
    seed: Annotated[int, typer.Option("--seed")] = 0,
) -> None:
    """Show a task that a box helps with, and one that it does not; offline."""
    from rebox.demo.table import print_demo  # noqa: PLC0415 - loads the demo's data

    print_demo(folder, seed=seed, console=out)
