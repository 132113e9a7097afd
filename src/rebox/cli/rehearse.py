"""The command that plays a service on this machine."""

import threading
from dataclasses import replace
from typing import Annotated

import typer

from rebox.box import open_box
from rebox.cli.app import app
from rebox.cli.console import out
from rebox.money import dollars

PORT = 8600


@app.command()
def rehearse(  # noqa: PLR0913, PLR0917 - Typer reads a command's options from its parameters
    service: Annotated[str, typer.Argument(help="clarifai, azure-custom-vision, oip, mlflow, ...")],
    model: Annotated[
        str, typer.Option("--model", help="Who answers: the URI of a box, or an ONNX file.")
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", help="What the service calls it, as moderation-recognition."),
    ] = None,
    port: Annotated[int, typer.Option("--port", help="0: any that is free.")] = PORT,
    classes: Annotated[
        str | None, typer.Option("--classes", help="What the service calls them, as a,b,c.")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option("--fault", help="What goes wrong, as 429:every=10,retry_after=2."),
    ] = None,
    latency_s: Annotated[float, typer.Option("--latency-s", help="Seconds for an answer.")] = 0.0,
    price_usd: Annotated[
        float | None, typer.Option("--price-usd", help="Per image; default: the service's own.")
    ] = None,
    quota: Annotated[int | None, typer.Option("--quota", help="Most queries in all.")] = None,
) -> None:
    """Play a paid service on this machine, with its format, limits, prices and faults.

    Any key is taken. Ctrl-C ends it and shows the bill.
    """
    from rebox.rehearsal import Rehearsal, limits_of, read_faults  # noqa: PLC0415 - rarely used

    limits = replace(limits_of(service), latency_s=latency_s, quota=quota)
    if price_usd is not None:
        limits = replace(limits, price_usd=price_usd)
    names = None if classes is None else [name.strip() for name in classes.split(",")]
    faults = read_faults(fault or [])
    box = open_box(model if ":" in model else f"onnx:{model}")
    with Rehearsal(
        service, box, classes=names, model=name, limits=limits, faults=faults, port=port
    ) as running:
        out.print(f"--box '{running.uri}'", highlight=False, markup=False, soft_wrap=True)
        out.print(f"its bill: {running.url}/rehearsal/bill   Ctrl-C ends it", highlight=False)
        _wait()
        bill = running.bill
    out.print(
        f"billed {bill.queries:,} queries, {dollars(bill.usd)}, in {bill.requests:,} requests; "
        f"refused {bill.refused:,}",
        highlight=False,
    )


def _wait() -> None:
    """Wait for Ctrl-C."""
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return
