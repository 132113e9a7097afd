"""``rebox export``: a model as one ONNX file, for who has no rebox."""

from pathlib import Path
from typing import Annotated

import typer

from rebox.classifier import Reprogrammer
from rebox.cli.app import app
from rebox.cli.console import out
from rebox.cli.options import ModelArgument
from rebox.cli.output import check_outputs


@app.command()
def export(
    model_path: ModelArgument,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The ONNX file to write.")],
    pixels: Annotated[
        str,
        typer.Option(
            "--pixels", help="What images hold: uint8 levels, or float32 values in [0, 1]."
        ),
    ] = "uint8",
    channels: Annotated[
        int | None,
        typer.Option("--channels", help="1 (grey) or 3; default: as training images had."),
    ] = None,
) -> None:
    """Write a model as one ONNX file, which runs without rebox."""
    from rebox.export import export_onnx  # noqa: PLC0415 - an extra

    check_outputs(path, inputs=(model_path,))
    made = export_onnx(
        Reprogrammer.load(model_path),
        path,
        pixels=pixels,
        channels=channels,
    )
    out.print(
        f"wrote {path}: {made.bytes / 1e6:.2f} MB, takes {made.takes}; probabilities as rebox's on "
        f"synthetic samples, to {made.largest:.1g}.",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
