"""The command that plays a service on this machine."""

import contextlib
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rebox.box import BlackBox, FunctionBox, open_box
from rebox.cli.app import app
from rebox.cli.console import out
from rebox.errors import InvalidOption
from rebox.money import dollars

if TYPE_CHECKING:
    from rebox.rehearsal import Bill

PORT = 8600
MODEL = ".rebox"  # what files of fitted models end in


@app.command()
def rehearse(  # noqa: PLR0913, PLR0917 - Typer reads a command's options from its parameters
    service: Annotated[str, typer.Argument(help="chat, clarifai, oip, chat?logprobs=no, ...")],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help="Who answers: the URI of a box, an ONNX file, or a .rebox model of texts.",
        ),
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
    usd_per_m_in: Annotated[
        float | None,
        typer.Option("--usd-per-m-in", help="Per million tokens read; default: the service's own."),
    ] = None,
    usd_per_m_out: Annotated[
        float | None,
        typer.Option("--usd-per-m-out", help="And per million tokens written."),
    ] = None,
    quota: Annotated[int | None, typer.Option("--quota", help="Most queries in all.")] = None,
    texts: Annotated[
        Path | None,
        typer.Option("--texts", help="A CSV (id,text) of a box that knows samples by their ids."),
    ] = None,
) -> None:
    """Play a paid service on this machine, with its format, limits, prices and faults.

    Any key is taken. Ctrl-C ends it and shows the bill.
    """
    from rebox.rehearsal import Rehearsal, limits_of, read_faults  # noqa: PLC0415 - rarely used

    limits = replace(limits_of(service), latency_s=latency_s, quota=quota)
    told = {"price_usd": price_usd, "usd_per_m_in": usd_per_m_in, "usd_per_m_out": usd_per_m_out}
    prices: dict[str, Any] = {name: usd for name, usd in told.items() if usd is not None}
    limits = replace(limits, **prices)
    names = None if classes is None else [name.strip() for name in classes.split(",")]
    faults = read_faults(fault or [])
    box = _thinker(model, texts)
    with Rehearsal(
        service, box, classes=names, model=name, limits=limits, faults=faults, port=port
    ) as running:
        with contextlib.suppress(KeyboardInterrupt):  # from the first line that says where it is
            out.print(f"--box '{running.uri}'", highlight=False, markup=False, soft_wrap=True)
            for variable in _variables(service):
                out.print(f"export {variable}=any", highlight=False)
            out.print(f"its bill: {running.url}/rehearsal/bill   Ctrl-C ends it", highlight=False)
            threading.Event().wait()
        bill = running.bill
    out.print(_billed(bill), highlight=False)


def _variables(service: str) -> Sequence[str]:
    """Return the variable that a key of any kind has to be in; none where it is looked for."""
    from rebox.box.service import KEYS  # noqa: PLC0415 - HTTP, for services alone

    known = KEYS.get(service.partition("?")[0])
    return () if known is None else known.variables[:1]


def _thinker(model: str, texts: Path | None) -> BlackBox:
    """Return who answers."""
    if model.endswith(MODEL) and ":" not in model:
        return _fitted(model)
    box = open_box(model if ":" in model else f"onnx:{model}")
    if texts is None:
        return box
    from rebox.rehearsal.on_record import TextsOnRecord  # noqa: PLC0415 - rarely used

    return TextsOnRecord(box, texts)


def _fitted(path: str) -> BlackBox:
    """Return a fitted model of texts as a box."""
    from rebox.classifier import Reprogrammer  # noqa: PLC0415 - rarely used

    model = Reprogrammer.load(path)
    if model.artefact_.kind != "texts":
        raise InvalidOption(
            f"{path} is a model of {model.artefact_.kind}; expected one of texts: rehearse the box "
            "that it asks."
        )
    names = [str(name) for name in model.classes_]
    identity = f"model:{Path(path).name}"
    return FunctionBox(model.predict_proba, classes=names, takes="texts", identity=identity)


def _billed(bill: "Bill") -> str:
    """Return a bill in words; tokens where there are any."""
    tokens = bill.tokens_in + bill.tokens_out
    of_tokens = f" of {bill.tokens_in:,} + {bill.tokens_out:,} tokens" if tokens else ""
    return (
        f"billed {bill.queries:,} queries{of_tokens}, {dollars(bill.usd)}, in {bill.requests:,} "
        f"requests; refused {bill.refused:,}"
    )
