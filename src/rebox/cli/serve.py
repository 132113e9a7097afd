"""``rebox serve``: a model behind HTTP.

Several workers are processes of uvicorn's, each of which makes the application anew; what it is
made of is handed to them in the environment, as JSON in ``REBOX_SERVE``.
"""

import contextlib
import json
import math
import multiprocessing
import os
import signal
import socket
import tempfile
import threading
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

import rebox
from rebox.artefact import digest_of
from rebox.box import BlackBox
from rebox.classifier import Reprogrammer
from rebox.classifier.accounts import check_prices
from rebox.cli.app import app
from rebox.cli.console import out
from rebox.cli.model import need_canaries
from rebox.cli.options import JournalOption, ModelArgument, OtherBoxOption, YesOption, read_journal
from rebox.cli.printing import usd_per_query
from rebox.errors import InvalidOption, extra
from rebox.meter import Amount, Budget, Journal, counted, default_path
from rebox.money import dollars
from rebox.serve import ModelService, ServeLimits
from rebox.serve.contract import MEBIBYTE
from rebox.serve.day import DayAccounts
from rebox.serve.metrics import FOLDER

with extra("serve", "a server"):
    import uvicorn

VARIABLE = "REBOX_SERVE"
FACTORY = "rebox.cli.serve:application"
BACKLOG = 2048  # connections that the system holds before they are accepted


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """What a server is made of, as plain values that go from process to process."""

    model: str
    name: str
    boxes: list[str] | None
    journal: str | bool | None = field(repr=False)  # it may hold a password
    max_queries_per_day: int | None
    max_usd_per_day: float | None
    limits: dict[str, Any]

    @property
    def budget(self) -> Budget:
        """What a day may cost."""
        return Budget(queries=self.max_queries_per_day, usd=self.max_usd_per_day)

    @property
    def capped(self) -> bool:
        """Whether a day has a budget."""
        return (self.max_queries_per_day, self.max_usd_per_day) != (None, None)

    def load(self) -> Reprogrammer:
        """Return the model."""
        return Reprogrammer.load(self.model, self.boxes, journal=False)

    def open_journal(self, boxes: tuple[BlackBox, ...]) -> Journal | None:
        """Return where questions and the day's budget are kept; None: nowhere.

        Raises
        ------
        InvalidOption
            There is a budget, and no journal to hold it.
        """
        kept = self.journal
        if kept is None:
            kept = self.capped or any(box.source.journalled for box in boxes)
        if kept is False:
            if self.capped:
                raise InvalidOption(
                    "the budget of a day is held by a journal: name one by journal=FILE, the same "
                    "for all who share it."
                )
            return None
        return Journal(default_path() if kept is True else kept)


@app.command()
def serve(  # noqa: PLR0913, PLR0917 - Typer reads a command's options from its parameters
    model_path: ModelArgument,
    port: Annotated[int, typer.Option("--port", help="0: any that is free.")] = 8000,
    host: Annotated[
        str, typer.Option("--host", help="Whom it listens to: 0.0.0.0 is everybody.")
    ] = "127.0.0.1",
    max_usd_per_day: Annotated[
        float | None,
        typer.Option(
            "--max-usd-per-day", help="Most US dollars to spend in a day (UTC), by all workers."
        ),
    ] = None,
    max_queries_per_day: Annotated[
        int | None, typer.Option("--max-queries-per-day", help="Most queries to pay for in a day.")
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", help="Processes; one keeps a local box busy.")
    ] = 1,
    journal: JournalOption = None,
    name: Annotated[
        str | None, typer.Option("--name", help="What clients call it; default: as its file.")
    ] = None,
    box: OtherBoxOption = None,
    queue: Annotated[
        int, typer.Option("--queue", help="Most requests inside at a time: others get 503.")
    ] = 256,
    batch: Annotated[
        int, typer.Option("--batch", help="Most samples that are asked about together.")
    ] = 32,
    time_limit_s: Annotated[
        float, typer.Option("--time-limit-s", help="Longest wait for an answer: 504 then.")
    ] = 30.0,
    max_body_mb: Annotated[
        float, typer.Option("--max-body-mb", help="Longest body, in MiB: 413 beyond.")
    ] = 16.0,
    check_every_h: Annotated[
        float | None,
        typer.Option(
            "--check-every-h",
            help="Hours between two looks at whether a box has changed; its canaries are paid for. "
            "Default: never.",
        ),
    ] = None,
    yes: YesOption = False,
) -> None:
    """Serve a model by HTTP: the Open Inference Protocol v2, and a plain POST /predict.

    Keys of services come from the environment. Ctrl-C or SIGTERM ends it when what is inside is
    answered.
    """
    options = ServeOptions(
        model=str(model_path),
        name=model_path.stem if name is None else name,
        boxes=box,
        journal=read_journal(journal),
        max_queries_per_day=max_queries_per_day,
        max_usd_per_day=max_usd_per_day,
        limits=asdict(
            ServeLimits(
                requests=queue,
                together=batch,
                body_bytes=int(max_body_mb * MEBIBYTE),
                time_s=time_limit_s,
                check_every_s=None if check_every_h is None else 3600 * check_every_h,
            )
        ),
    )
    _check(options, workers, port)
    # what cannot be served is told before a worker is started, and tells it again
    model = options.load()
    check_prices(model.boxes_, options.budget)
    if check_every_h is not None:
        need_canaries(model, options.model)
    _check_spending(options, model, yes=yes)
    kept = options.open_journal(model.boxes_)
    # uvicorn ends well, and then passes on the signal that it has heard
    with contextlib.suppress(KeyboardInterrupt):
        if workers == 1:
            _run_alone(options, _service(options, model, kept), host, port)
        else:
            if kept is not None:
                kept.close()  # each worker opens it
            _run_workers(options, host, port, workers)
    _print_bill(model, kept)


def _check(options: ServeOptions, workers: int, port: int) -> None:
    if workers < 1:
        raise InvalidOption(f"--workers must be at least 1, found {workers}.")
    if not 0 <= port < 2**16:
        raise InvalidOption(f"--port must be from 0 to 65535, found {port}.")
    if workers > 1 and not hasattr(socket, "AF_UNIX"):
        raise InvalidOption("workers share one socket, which this system cannot do: leave it at 1.")
    if not options.name or "/" in options.name:
        raise InvalidOption(f"--name stands in addresses, found {options.name!r}: leave out '/'.")


def _check_spending(options: ServeOptions, model: Reprogrammer, *, yes: bool) -> None:
    """Refuse to spend without an end, unless the user says so."""
    asked = zip(model.boxes_, model.queries_by_box_, strict=True)
    paid = [one for one, queries in asked if queries and one.source.remote]
    prices = [usd_per_query(one) for one in paid]
    if options.capped or yes or not any(price is None or price > 0 for price in prices):
        return
    raise InvalidOption(
        "whoever can reach the server spends your money without an end: name a budget by "
        "max_usd_per_day=, or max_queries_per_day=, or pass --yes."
    )


def _service(options: ServeOptions, model: Reprogrammer, journal: Journal | None) -> ModelService:
    # figures that are sent by name are put in order, and others are in order as they are
    warnings.filterwarnings("ignore", "X does not have valid feature names")
    turns = os.environ.get(FOLDER)
    return ModelService(
        model,
        options.name,
        budget=options.budget,
        journal=journal,
        limits=ServeLimits(**options.limits),
        turns=None if turns is None else Path(turns),
        version=rebox.__version__,
    )


def _settings(options: ServeOptions) -> dict[str, Any]:
    """Return what uvicorn is told: it says what goes wrong, and no more."""
    return {
        "log_config": None,
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "backlog": BACKLOG,
        "timeout_graceful_shutdown": math.ceil(options.limits["time_s"]) + 1,
    }


def _run_alone(options: ServeOptions, service: ModelService, host: str, port: int) -> None:
    listening = _listening(host, port)
    _announce(options, listening)
    config = uvicorn.Config(service.asgi, workers=1, **_settings(options))
    uvicorn.Server(config).run(sockets=[listening])


def _run_workers(options: ServeOptions, host: str, port: int, workers: int) -> None:
    with (
        contextlib.closing(_listening(host, port)) as listening,
        tempfile.TemporaryDirectory(prefix="rebox-serve-") as folder,
    ):
        _announce(options, listening)
        os.environ |= {VARIABLE: json.dumps(asdict(options)), FOLDER: folder}
        uvicorn.run(
            FACTORY, factory=True, workers=workers, fd=listening.fileno(), **_settings(options)
        )


def application() -> Any:
    """Return what a worker serves, by what its environment says."""
    options = ServeOptions(**json.loads(os.environ[VARIABLE]))
    model = options.load()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    return _service(options, model, options.open_journal(model.boxes_)).asgi


def _end_with_parent() -> None:
    """End this worker, when what is inside is answered, once whoever started it is gone.

    Killed, that cannot tell its workers, which would hold the port and go on.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()  # it may be gone already
        os.kill(os.getpid(), signal.SIGTERM)


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens there, or raise `InvalidOption`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise InvalidOption(
            f"{host}:{port} cannot be listened to ({error}): name another by --port or --host."
        ) from error
    # connections inherit it: an answer's body would wait for 40 ms until its head is acknowledged
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _announce(options: ServeOptions, listening: socket.socket) -> None:
    host, port = listening.getsockname()[:2]
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    address = f"{options.name}: POST {url}/predict, or {url}/v2/models/{options.name}/infer"
    out.print(address, highlight=False, soft_wrap=True)
    out.print(f"what it offers: {url}/openapi.json   Ctrl-C ends it", highlight=False)


def _print_bill(model: Reprogrammer, journal: Journal | None) -> None:
    if journal is None:
        return
    with journal:
        day = DayAccounts(model.boxes_, digest_of(model.artefact_), Budget(), journal)
        spent = day.spent() or Amount()
    out.print(
        f"today (UTC): {counted(spent.queries)} billed, {dollars(spent.usd)}",
        highlight=False,
    )
