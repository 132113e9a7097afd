"""A service on the loopback interface that any box stands behind."""

import ssl
from collections.abc import Sequence
from typing import Literal, Self

from rebox.box import BlackBox
from rebox.door import Door
from rebox.errors import InvalidOption
from rebox.option import read_name
from rebox.rehearsal.bill import Bill
from rebox.rehearsal.exchange import Exchange
from rebox.rehearsal.fault import Faults, scheduled
from rebox.rehearsal.format import Endpoint, Format
from rebox.rehearsal.limits import Limits
from rebox.rehearsal.message import Incoming
from rebox.rehearsal.server import Server

REHEARSALS = Door(
    "rebox.rehearsals",
    "rehearsal",
    {
        "anthropic": "rebox.rehearsal.chat.anthropic:Anthropic",
        "azure": "rebox.rehearsal.azure:Azure",
        "azure-custom-vision": "rebox.rehearsal.azure:Azure",
        "chat": "rebox.rehearsal.chat.openai:OpenAI",
        "clarifai": "rebox.rehearsal.clarifai:Clarifai",
        "http": "rebox.rehearsal.http:PlainHttp",
        "huggingface": "rebox.rehearsal.huggingface:HuggingFace",
        "mlflow": "rebox.rehearsal.mlflow:MLflow",
        "oip": "rebox.rehearsal.open_inference:OpenInference",
        "vertex": "rebox.rehearsal.vertex:Vertex",
    },
)
"""The `Format` of each service that can be rehearsed, by its name."""


class Rehearsal:
    """A service on the loopback interface that any box stands behind.

    It answers in the service's own format, with its limits and prices, and goes wrong where it is
    told to. ``GET /rehearsal/bill`` shows the bill and costs nothing.

    Parameters
    ----------
    service : str
        One of `REHEARSALS`: clarifai, azure-custom-vision (or azure), oip, .... Options stand
        behind a question mark, as in ``chat?logprobs=no``.
    box : BlackBox
        Who answers. Pictures of another size are resized to its own; it is asked by one thread at
        a time. Chat models answer about texts where it takes them.
    classes : sequence of str or None
        What the service calls the box's classes; None: as the box does, or as a public model of
        as many classes that ``model`` names.
    model : str or None
        What the service calls the model; None: the public one of the same classes, or
        ``rehearsal``. Azure: ``PROJECT/PUBLISHED`` or ``PUBLISHED``.
    limits : Limits or None
        None: those that the service documents; `limits_of` tells them.
    faults : sequence of (Fault or None), or callable
        What goes wrong at the first question, the second, ...; or a function from the number of a
        question (from 1, in the order of arrival, refused ones too) to its fault or None.
    key : str or None
        The only key that is accepted. None: any, where the service wants one.
    port : int
        0: any that is free.
    tls : ssl.SSLContext or None
        A server's context, for https.
    record : bool
        Whether requests are kept, bodies and keys too.
    layout : {"nhwc", "nchw"}
        Order of the axes that the model is said to take, where tensors are sent.
    gzip : bool
        Whether replies of ``oip`` are packed for clients that accept it, as Triton does.

    Raises
    ------
    InvalidOption
        There is no such service, the classes are not as many as the box's, a fault cannot occur in
        the format, or (when it starts) the port is taken.
    """

    def __init__(  # noqa: PLR0913 - keyword-only, one for each option
        self,
        service: str,
        box: BlackBox,
        *,
        classes: Sequence[str] | None = None,
        model: str | None = None,
        limits: Limits | None = None,
        faults: Faults = (),
        key: str | None = None,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        record: bool = False,
        layout: Literal["nhwc", "nchw"] = "nhwc",
        gzip: bool = False,
    ) -> None:
        name, options = read_name(service, REHEARSALS, "rehearsal", but="served")
        kind: type[Format] = REHEARSALS[name]
        if box.spec.takes not in kind.takes:
            taken = "is asked by ids" if box.spec.takes == "ids" else f"takes {box.spec.takes}"
            raise InvalidOption(
                f"{box.spec.identity} {taken}, and a service is shown {' or '.join(kind.takes)}: "
                "ask the box itself."
            )
        if classes is None and model is not None:
            public = kind.public_classes(model)
            classes = public if len(public) == len(box.spec.classes) else None
        form = kind(
            Endpoint(
                spec=box.spec,
                classes=_classes_of(box, classes),
                model=model,
                layout=layout,
                gzip=gzip,
                limits=limits,
            ),
            **options,
        )
        self.limits = form.limits if limits is None else limits
        self._form, self._port, self._tls = form, port, tls
        self._exchange = Exchange(
            form, box, limits=self.limits, faults=scheduled(faults, form), key=key, record=record
        )
        self._server: Server | None = None

    def start(self) -> Self:
        """Begin to serve and return it."""
        try:
            self._server = Server(self._exchange, port=self._port, tls=self._tls)
        except (OSError, OverflowError) as error:
            raise InvalidOption(
                f"the port {self._port} cannot be used ({error}): name another, or 0 for any."
            ) from error
        self._server.start()
        return self

    def stop(self) -> None:
        """Hang up on all clients and free the port; the bill and the requests stay."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it is reached, as ``http://127.0.0.1:PORT``.

        Raises
        ------
        InvalidOption
            It has not been started.
        """
        if self._server is None:
            raise InvalidOption("the rehearsal is not running: start it, or open it by `with`.")
        return self._server.url

    @property
    def uri(self) -> str:
        """The URI by which `rebox.open_box` opens it."""
        return self._form.uri(self.url)

    @property
    def model(self) -> str:
        """What the service calls the model."""
        return self._form.model

    @property
    def bill(self) -> Bill:
        """What was asked and billed up to now."""
        return self._exchange.bill

    @property
    def requests(self) -> tuple[Incoming, ...]:
        """The requests up to now, in order, if they are recorded; those for the bill are not."""
        return tuple(self._exchange.requests)


def limits_of(service: str) -> Limits:
    """Return the limits and the price that a service documents."""
    kind: type[Format] = REHEARSALS[service.partition("?")[0]]
    return kind.limits


def _classes_of(box: BlackBox, classes: Sequence[str] | None) -> tuple[str, ...]:
    if classes is None:
        return box.spec.classes
    names, most = tuple(classes), len(box.spec.classes)
    if len(names) != most or len(set(names)) != most:
        raise InvalidOption(
            f"the box has {most} classes: name as many different ones, found {len(names)}."
        )
    return names
