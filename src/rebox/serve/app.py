"""The server as an ASGI application, which any server of such may run, or another application.

::

    body ── Room ──> threads: decode, check ──> Backlog ──> Clerk: the model ──> reply
"""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from rebox.artefact import digest_of
from rebox.artefact.form import SampleForm
from rebox.box.wire import JSON_LENGTH
from rebox.errors import Error, InvalidOption, extra
from rebox.meter import Budget, Journal
from rebox.serve import inference, openapi
from rebox.serve.backlog import Backlog, Job, JobAnswer, Room
from rebox.serve.clerk import Clerk
from rebox.serve.content import read_plain
from rebox.serve.contract import Servable, ServeLimits
from rebox.serve.day import DayAccounts
from rebox.serve.declined import Declined, declined_by
from rebox.serve.drift import DriftWatch
from rebox.serve.incoming import body_of, media_type_of, until_gone
from rebox.serve.metrics import CONTENT_TYPE, ServeMetrics
from rebox.serve.parcel import Parcel

with extra("serve", "a server"):
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

LOG = logging.getLogger(__name__)
READERS = 4  # threads that decode pictures: what each holds meanwhile is not in `Room` yet
REASONS = {404: "unknown", 405: "method"}

Read = TypeVar("Read")
Endpoint = Callable[[Request], Coroutine[Any, Any, Response]]


class ModelService:
    """A model behind HTTP, as an ASGI application: ``ModelService(model).asgi``.

    Parameters
    ----------
    model : Servable
        A fitted, or loaded, `rebox.Reprogrammer`; nobody else may ask it meanwhile.
    name : str
        What clients call it.
    budget : Budget or None
        Of each day of UTC, over all processes that serve the model with this journal.
    journal : Journal or None
        Keeps what was asked and answered, and holds the budget.
    limits : ServeLimits or None
        How much it takes on.
    turns : Path or None
        As for `DriftWatch`.
    version : str
        What clients are told that the server's is.

    Raises
    ------
    InvalidOption
        The budget is in dollars, and what a box costs is not known, or no journal holds it; or
        canaries are to be asked, and the model has none.
    """

    def __init__(
        self,
        model: Servable,
        name: str = "model",
        *,
        budget: Budget | None = None,
        journal: Journal | None = None,
        limits: ServeLimits | None = None,
        turns: Path | None = None,
        version: str = "unknown",
    ) -> None:
        self.name, self.limits, self._model = name, limits or ServeLimits(), model
        _check(model, budget, journal, self.limits)
        self._version = version
        self.form = SampleForm.of(model.artefact_)
        self._digest = digest_of(model.artefact_)
        self._names = [str(one) for one in model.classes_]
        self.day = DayAccounts(model.boxes_, self._digest, budget or Budget(), journal)
        self.metrics = ServeMetrics(self.day)
        self._backlog, self._room = Backlog(), Room(self.limits)
        watch = DriftWatch(self.limits.check_every_s, self.metrics, turns)
        self._clerk = Clerk(
            model,
            self.day,
            self._backlog,
            self.limits,
            self.metrics,
            watch,
            inside=lambda: self._room.requests,
        )
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="rebox-reader")

    @property
    def asgi(self) -> Starlette:
        """The application; it is started and stopped once."""
        about = "/v2/models/{model}"
        posts = {
            "/predict": self._predict,
            f"{about}/infer": self._infer,
            f"{about}/versions/{{version}}/infer": self._infer,
        }
        gets = {
            "/health": self._health,
            "/metrics": self._metrics,
            "/openapi.json": self._openapi,
            "/v2": self._server,
            "/v2/health/live": self._live,
            "/v2/health/ready": self._ready,
            about: self._about,
            f"{about}/ready": self._model_ready,
            f"{about}/versions/{{version}}": self._about,
            f"{about}/versions/{{version}}/ready": self._model_ready,
        }
        routes = [
            Route(path, self._told(path, way), methods=["POST"]) for path, way in posts.items()
        ]
        routes += [Route(path, way, methods=["GET"]) for path, way in gets.items()]
        return Starlette(
            routes=routes,
            lifespan=self._life,
            exception_handlers={HTTPException: _no_route, Declined: _declined, Error: _declined},
        )

    @contextlib.asynccontextmanager
    async def _life(self, _: Starlette) -> AsyncIterator[None]:
        self._clerk.start(asyncio.get_running_loop())
        try:
            yield
        finally:
            # its last answers are told by this loop, which must not wait for it
            await asyncio.to_thread(self._clerk.stop)
            self._readers.shutdown(cancel_futures=True)
            if self.day.journal is not None:
                self.day.journal.close()

    def _told(self, route: str, way: Endpoint) -> Endpoint:
        """Return an endpoint whose requests are counted, and whose refusals are told as JSON."""
        seconds = self.metrics.seconds.labels(route)

        async def counted(request: Request) -> Response:
            begun = time.perf_counter()
            with self.metrics.inside.track_inprogress():
                try:
                    response = await way(request)
                except Exception as error:
                    response = refusal(declined_by(error))
                    if not isinstance(error, Declined):
                        LOG.exception("a request could not be answered")
            seconds.observe(time.perf_counter() - begun)
            self.metrics.requests.labels(route, str(response.status_code)).inc()
            return response

        return counted

    async def _predict(self, request: Request) -> Response:
        media_type = media_type_of(request)
        _, said = await self._answered(
            request, lambda content: read_plain(content, media_type, self.form), lambda one: one
        )
        (shares,), (place,) = said.probabilities.tolist(), said.decided.tolist()
        answer = {
            "label": self._names[place],
            "probabilities": dict(zip(self._names, shares, strict=True)),
        }
        return JSONResponse(answer)

    async def _infer(self, request: Request) -> Response:
        self._check_model(request)
        length = request.headers.get(JSON_LENGTH)
        asked, said = await self._answered(
            request,
            lambda content: inference.read_infer(content, length, self.form),
            lambda one: one.parcel,
        )
        body, headers = inference.reply(self.name, asked, said, self._model.classes_)
        return Response(body, headers=headers)

    async def _answered(
        self,
        request: Request,
        read: Callable[[bytes], Read],
        parcel_of: Callable[[Read], Parcel],
    ) -> tuple[Read, JobAnswer]:
        """Read a request's body, have the model asked, and return what was read and said."""
        with self._room.place() as place:
            content = await body_of(request, place, self.limits)
            asked = await asyncio.get_running_loop().run_in_executor(
                self._readers, lambda: self._checked(read(content), parcel_of)
            )
            parcel = parcel_of(asked)
            place.hold(parcel.n_bytes)
            said = await self._waited_for(request, parcel)
        for number in said.decided.tolist():
            self.metrics.said.labels(self._names[number]).inc()
        return asked, said

    def _checked(self, asked: Read, parcel_of: Callable[[Read], Parcel]) -> Read:
        """Return what was read, which the model will not refuse: others are asked with it."""
        parcel = parcel_of(asked)
        if len(parcel) > self.limits.samples:
            most = self.limits.samples
            raise Declined("too_large", f"found {len(parcel)} samples; at most {most} at a time.")
        self._model.checked(parcel.samples()).check()
        return asked

    async def _waited_for(self, request: Request, parcel: Parcel) -> JobAnswer:
        """Return what the model says; whoever leaves is asked for no more."""
        answer: asyncio.Future[JobAnswer] = asyncio.get_running_loop().create_future()
        job = Job(parcel, answer, time.monotonic() + self.limits.time_s)
        self._backlog.put(job)
        leaving = asyncio.ensure_future(until_gone(request))
        try:
            await asyncio.wait(
                (answer, leaving),
                timeout=self.limits.time_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            leaving.cancel()
            job.gone = not answer.done()
        if not answer.done():
            answer.cancel()
            raise Declined("late", f"no answer in {self.limits.time_s:g} s.", self.limits.time_s)
        return answer.result()

    def _check_model(self, request: Request) -> None:
        model = request.path_params["model"]
        if model != self.name:
            raise Declined("unknown", f"the model here is {self.name!r}, found {model!r:.60}.")
        inference.check_version(request.path_params.get("version"))

    async def _health(self, _: Request) -> Response:
        spent = await asyncio.to_thread(self.day.spent)
        status = {"status": "ok" if self._clerk.alive else "failed", "model": self.name}
        about = {"version": self._version, "checksum": self._digest, "takes": self.form.names}
        return JSONResponse(
            status | about | {"day": self.day.figures(spent)},
            status_code=200 if self._clerk.alive else 500,
        )

    async def _metrics(self, _: Request) -> Response:
        text = await asyncio.to_thread(self.metrics.text)
        return Response(text, headers={"Content-Type": CONTENT_TYPE})

    async def _openapi(self, _: Request) -> Response:
        told = openapi.describe(self.name, self.form, self._names, self.limits, self._version)
        return JSONResponse(told)

    async def _server(self, _: Request) -> Response:
        extensions = list(inference.EXTENSIONS)
        return JSONResponse({"name": "rebox", "version": self._version, "extensions": extensions})

    async def _live(self, _: Request) -> Response:
        return JSONResponse({"live": self._clerk.alive}, 200 if self._clerk.alive else 500)

    async def _ready(self, _: Request) -> Response:
        return JSONResponse({"ready": self._clerk.alive}, 200 if self._clerk.alive else 503)

    async def _model_ready(self, request: Request) -> Response:
        self._check_model(request)
        ready = {"name": self.name, "ready": self._clerk.alive}
        return JSONResponse(ready, 200 if self._clerk.alive else 503)

    async def _about(self, request: Request) -> Response:
        self._check_model(request)
        return JSONResponse(inference.metadata(self.name, self.form, self._model.classes_))


def _check(
    model: Servable, budget: Budget | None, journal: Journal | None, limits: ServeLimits
) -> None:
    """Refuse a budget that nothing would hold, and looks at canaries that are not there."""
    if not isinstance(budget, Budget | None):
        raise InvalidOption(f"budget= must be a rebox.meter.Budget(usd=5), found {budget!r}.")
    if not isinstance(journal, Journal | None):
        raise InvalidOption(f"journal= must be a rebox.meter.Journal(FILE), found {journal!r}.")
    if budget and budget.words and journal is None:
        raise InvalidOption(
            "the budget of a day is held by a journal: pass one by journal=, the same for all who "
            "share it."
        )
    if limits.check_every_s and not any(len(one.canaries) for one in model.artefact_.boxes):
        raise InvalidOption(
            "check_every_s= asks canaries, and the model has none: fit with canaries=3."
        )


def refusal(declined: Declined) -> Response:
    """Return what is sent to whoever is not answered."""
    body = json.dumps(declined.body).encode()
    headers = {"Content-Type": "application/json", **declined.headers}
    return Response(body, status_code=declined.status, headers=headers)


async def _declined(_: Request, error: Exception) -> Response:
    if not isinstance(error, Declined):
        LOG.error("what the server tells of itself failed: %s", error)
    return refusal(declined_by(error))


async def _no_route(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    words = f"there is no {request.method} {request.url.path:.60}: see /openapi.json."
    told = refusal(Declined(REASONS.get(status, "unreadable"), words))
    told.headers.update(getattr(error, "headers", None) or {})
    return told
