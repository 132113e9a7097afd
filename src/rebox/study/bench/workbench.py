"""Opens data sets, boxes and weights when a trial needs them, and keeps what the next needs too."""

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np

from rebox.box import BOXES, BlackBox, BoxURI, LimitedBox, open_box, open_foreign
from rebox.box.probe import synthetic_images
from rebox.errors import BoxError, InvalidData, InvalidOption, MissingExtra
from rebox.option import read_options, with_options, without_options
from rebox.rehearsal import Limits, Rehearsal
from rebox.sample import Dataset, load, open_task
from rebox.study.bench.plan import PlannedBox, PlannedTask, Served, Trial
from rebox.study.bench.remember import RememberingBox
from rebox.study.task import Split, fold, holdout, resampled

if TYPE_CHECKING:
    from rebox.study.bench.remember_features import RememberingWhiteBox

T = TypeVar("T")
KEY = "REBOX_REHEARSAL_KEY"
CPU = "cpu"
PROBED = 4  # synthetic images by which two ways to ask one file are compared
ALIKE = 1e-3  # of a probability: more tells another way to show or to read images
ABSENT = "weights not at hand"
OWN_FILES = "./"
"""What the name of a data set begins with that is files below the folder of the data, no task."""
Loader = Callable[[Path | None], Dataset]


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a bench finds what plans name; a worker on another machine needs the same places.

    Attributes
    ----------
    data, models, cache : Path or None
        Folders of the data sets, of the models, and of remembered answers; None where a plan needs
        none.
    threads : int
        Of a trial, in its box and in its arithmetic. One thread adds up in the same order on every
        machine; several trials at a time use several cores.
    device : str
        Where torch boxes, ONNX files and what is trained run, as ``cuda``. An ONNX file is asked
        through PyTorch anywhere but on the processor, if PyTorch can answer as it does.
    dtype : {"float32", "bfloat16"}
        Precision of what is trained through a network. Black boxes answer in their own: the
        differences that a search looks at would drown.
    loaders : tuple of (name, function)
        Data sets besides those of `rebox.sample.TASKS`: functions of the folder of the data sets.
    journal : str, bool or None
        Of services, as `rebox.Reprogrammer` takes it.
    trusted : tuple of str
        Hosts, and variables that hold keys, that a plan may name besides a service's own.
    """

    data: Path | None = None
    models: Path | None = None
    cache: Path | None = None
    threads: int = 1
    device: str = CPU
    dtype: str = "float32"
    loaders: tuple[tuple[str, Loader], ...] = ()
    journal: str | bool | None = field(default=None, repr=False)  # it may hold a password
    trusted: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AtHand:
    """A ``box`` as a trial asks it.

    Attributes
    ----------
    identity : str
        Whose answers they are: the model's, whatever port a service has.
    whole : RememberingBox or None
        The same with nothing hidden, which counts and remembers; None behind a service.
    service : Rehearsal or None
        What stands before it.
    """

    box: BlackBox
    identity: str
    whole: RememberingBox | None = None
    service: Rehearsal | None = None

    @property
    def asked(self) -> int:
        """Images that it was asked so far, by its own count."""
        if self.whole is not None:
            return self.whole.asked
        return 0 if self.service is None else int(self.service.bill.as_json()["queries"])

    @property
    def inside_s(self) -> float:
        """Seconds spent so far in the box that remembers; 0 behind a service."""
        return 0.0 if self.whole is None else self.whole.inside_s

    @property
    def seconds_per_image(self) -> float:
        """The box's own mean, over all that it was ever asked; 0 behind a service."""
        return 0.0 if self.whole is None else self.whole.seconds_per_image


class Workbench:
    """What trials need, opened once."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self._dataset: tuple[str, Dataset] | None = None  # one at a time: ABIDE takes 165 MB
        self._boxes: dict[str, BlackBox] = {}
        self._served: dict[PlannedBox, AtHand] = {}
        self._weights: tuple[str, RememberingWhiteBox] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the services and close the files of remembered answers."""
        self._stack.close()

    def dataset(self, task: PlannedTask) -> Dataset:
        """Return the data set of a task.

        Raises
        ------
        InvalidData
            It is not at hand.
        """
        if self._dataset is None or self._dataset[0] != task.data:
            self._dataset = task.data, self._loaded(task.data)
        return self._dataset[1]

    def _loaded(self, data: str) -> Dataset:
        own, folder = dict(self.places.loaders), self.places.data
        if folder is None and data not in own and not data.startswith("synthetic"):
            raise InvalidOption(f"the data set {data!r} is read from files: pass data=FOLDER.")
        try:
            if data in own:
                return own[data](folder)
            if data.startswith(OWN_FILES) and folder is not None:
                return replace(load(folder / _below(data)), name=data)
            return open_task(data, folder or ".")
        except InvalidData as error:
            raise InvalidData(self._private(error)) from error

    def split(self, trial: Trial) -> Split:
        """Return the rows that a trial trains on and tests."""
        dataset, task = self.dataset(trial.task), trial.task
        if trial.fold is not None and task.folds is not None:
            return fold(dataset, trial.fold, folds=task.folds, seed=trial.seed)
        test = task.test or 0
        if task.resampled:
            return resampled(dataset, train=task.train or 0, test=test, seed=trial.seed)
        try:
            return holdout(
                dataset, test=test, train=task.train, per_class=task.per_class, seed=trial.seed
            )
        except InvalidData as error:
            raise InvalidData(f"task {task.name!r}: {error}") from error

    def box(self, planned: PlannedBox) -> AtHand:
        """Return the box of a plan.

        Raises
        ------
        BoxError
            It is not at hand.
        """
        if planned.served is not None:
            if planned not in self._served:
                self._served[planned] = self._behind(planned, planned.served)
            return self._served[planned]
        if planned.uri not in self._boxes:
            opened = self._first(planned.uri, planned.otherwise, self._opened)
            if not opened.source.remote:  # a journal remembers those, and their account counts
                opened = RememberingBox(opened, self.places.cache, where=self.places.device)
                self._stack.callback(opened.close)
            self._boxes[planned.uri] = opened
        whole = self._boxes[planned.uri]
        limits = planned.limits
        box = LimitedBox(whole, **limits) if limits else whole
        counted = whole if isinstance(whole, RememberingBox) else None
        return AtHand(box=box, identity=box.spec.identity, whole=counted)

    def _behind(self, planned: PlannedBox, served: Served) -> AtHand:
        from rebox.box.service import Service  # noqa: PLC0415 - HTTP, for services alone

        inner = self._first(planned.uri, planned.otherwise, self._opened)
        if inner.source.remote:
            raise InvalidOption(
                f"the box {planned.name} is a service itself: leave out its served, or name a "
                "model that runs on this machine."
            )
        limits = Limits(batch_size=served.batch_size, price_usd=served.price_usd)
        rehearsal = Rehearsal(
            served.service, inner, classes=served.classes, model=served.model, limits=limits
        )
        service = self._stack.enter_context(rehearsal)
        os.environ.setdefault(KEY, "none")  # a rehearsal takes any; nobody's own is shown to it
        settings = f"size={served.size}&price_usd={served.price_usd:g}&per_second=100000"
        box = open_box(f"{service.uri}&{settings}&key_env={KEY}")
        if isinstance(box, Service):
            self._stack.callback(box.close)
        return AtHand(box=box, identity=inner.spec.identity, service=service)

    def weights(self, planned: PlannedBox, *, fresh: bool = False) -> "RememberingWhiteBox":
        """Return a box's model with its weights, or, ``fresh``, with any: they are drawn anew.

        It keeps the features that it computed until another is asked for.

        Raises
        ------
        BoxError
            They are not at hand.
        MissingExtra
            PyTorch is not installed.
        """
        uri = planned.weights or planned.uri
        if fresh and planned.untrained is not None:
            uri = planned.untrained
        if self._weights is None or self._weights[0] != uri:
            from rebox.box.torch.device import use_true_float32  # noqa: PLC0415 - imports torch
            from rebox.study.baseline.opening import open_whitebox  # noqa: PLC0415 - likewise
            from rebox.study.baseline.whitebox import use_threads  # noqa: PLC0415 - likewise
            from rebox.study.bench.remember_features import (  # noqa: PLC0415 - likewise
                RememberingWhiteBox,
            )

            use_threads(self.places.threads)
            use_true_float32()
            opened = self._first(
                uri,
                planned.otherwise,
                lambda at: open_whitebox(with_options(at, device=self.places.device)),
            )
            precision = self.places.dtype
            self._weights = uri, RememberingWhiteBox.around_box(opened, precision=precision)
        return self._weights[1]

    def _first(self, uri: str, otherwise: str | None, opened: Callable[[str], T]) -> T:
        """Return what is at one of two addresses; if at neither, say why not at the first."""
        try:
            return opened(self._uri(uri))
        except BoxError as error:
            if otherwise is not None:
                with suppress(BoxError, MissingExtra):
                    return opened(self._uri(otherwise))
            said = self._private(error).removeprefix(f"{ABSENT}: ")
            raise BoxError(f"{ABSENT}: {said}") from error

    def _private(self, error: Exception) -> str:
        """Return an error's text without the folders of this machine."""
        said = " ".join(str(error).split())
        for name in ("models", "data", "cache"):
            folder = getattr(self.places, name)
            if folder is not None:
                said = said.replace(str(folder.absolute()), f"{{{name}}}")
                if len(folder.parts) > 1:  # a bare name, or a dot, stands in other words, too
                    said = said.replace(str(folder), f"{{{name}}}")
        return said

    def _opened(self, uri: str) -> BlackBox:
        if uri.startswith("onnx:"):
            if self.places.device != CPU:
                return self._on_device(uri)
            uri = with_options(uri, threads=self.places.threads)
        elif uri.startswith("torch:"):
            uri = with_options(uri, device=self.places.device)
        return self._foreign(uri)

    def _foreign(self, uri: str) -> BlackBox:
        way = "pass trusted= with it"
        return open_foreign(uri, whose="plan", way=way, trusted=self.places.trusted)

    def _on_device(self, uri: str) -> BlackBox:
        """Return the box of an ONNX file, on the device if PyTorch answers there as it does."""
        from rebox.box.torch.device import check_device  # noqa: PLC0415 - imports torch
        from rebox.study.baseline.opening import open_whitebox  # noqa: PLC0415 - likewise

        parts, device = BoxURI.parse(uri), self.places.device
        check_device(device)
        _, limits = read_options(f"box {parts.scheme!r}", parts.options, BOXES["onnx"], LimitedBox)
        uri = without_options(uri, limits)
        box = self._foreign(with_options(uri, threads=self.places.threads))
        with suppress(BoxError, InvalidOption):
            there = open_whitebox(with_options(uri, device=device)).as_box(box.spec)
            box = there if _answers_as(there, box) else box
        return LimitedBox(box, **limits) if limits else box

    def _uri(self, uri: str) -> str:
        if "{models}" in uri and self.places.models is None:
            raise InvalidOption(f"the box {uri} is a file: pass models=FOLDER.")
        return uri.replace("{models}", str(self.places.models))


def _answers_as(one: BlackBox, other: BlackBox) -> bool:
    """Return whether two boxes take, promise and say the same, but for rounding."""
    spec = replace(one.spec, identity=other.spec.identity, batch_size=other.spec.batch_size)
    if spec != other.spec:
        return False
    images = synthetic_images(spec.shape, PROBED, pixels=spec.pixels)
    return bool(np.abs(one.ask(images) - other.ask(images)).max() <= ALIKE)


def _below(data: str) -> Path:
    """Return where the files of ``data`` lie; a plan from elsewhere leads nowhere further up."""
    path = Path(data)
    if ".." in path.parts:
        raise InvalidData(
            f"the data set {data!r} leads out of the folder of the data: name files in it."
        )
    return path
