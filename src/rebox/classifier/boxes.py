"""The boxes of a fit, opened, and those that a model file names."""

import logging
import warnings
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from rebox.artefact import Artefact, BoxRecord, advice_for, check_box
from rebox.box import NOBODY, BlackBox, Nobody, beside, check_stays, open_box, open_foreign, worded
from rebox.box.spec import Kind
from rebox.errors import BoxError, BoxMismatch, InvalidOption, MissingExtra, ServiceError
from rebox.meter import Meter
from rebox.recipe import Recipe
from rebox.sample.samples import Samples

LOG = logging.getLogger(__name__)

BoxChoice = str | BlackBox | Sequence[str | BlackBox] | None
"""A box, or the URI of one, or several of them."""

GONE = (BoxError, InvalidOption, MissingExtra)
"""What a box may fail with when it is opened."""


def listed(box: BoxChoice) -> list[str | BlackBox]:
    """Return the boxes that were named: none, one or several."""
    one: Any = box  # `rebox.open_box` refuses what is no box
    named = list(box) if isinstance(box, list | tuple) else [] if box is None else [one]
    return [part for each in named for part in (worded(each) if isinstance(each, str) else [each])]


def open_asked(
    box: BoxChoice,
    recipe: Recipe,
    samples: Samples,
    *,
    batch: bool = False,
    local_only: bool = False,
) -> tuple[BlackBox, ...]:
    """Return the boxes that ``recipe`` asks about ``samples``, opened; `Nobody` where it asks none.

    Raises
    ------
    InvalidOption
        No box was given, or more than the recipe asks, or one that is elsewhere by ``local_only``,
        or none has batches; and as `open_each` does.
    BoxError
        One cannot be opened.
    """
    if not recipe.way.asks:
        return (Nobody(),)
    named = listed(box)
    if not named:
        raise InvalidOption(
            f"the recipe {recipe.name!r} asks a box: pass box=URI, or recipe='local', which asks "
            "nobody."
        )
    if len(named) > 1 and not recipe.way.several:
        raise InvalidOption(
            f"the recipe {recipe.name!r} asks one box, and {len(named)} were given: use "
            "recipe='auto'."
        )
    if local_only:
        check_stays(named)
    opened = open_each(named, samples.kind)
    if samples.texts is not None:
        opened = tuple(one.expecting(samples.texts) for one in opened)
    return in_batches(opened) if batch else opened


def open_each(boxes: Sequence[str | BlackBox], kind: Kind = "images") -> tuple[BlackBox, ...]:
    """Open ``boxes`` where need be, to take samples of a ``kind`` where they can.

    Raises
    ------
    BoxError
        One cannot be opened.
    InvalidOption
        Two of them are the same, or one shows a part of what another answers.
    """
    each = (box if isinstance(box, BlackBox) else open_box(box) for box in boxes)
    opened = tuple(box.taking(kind) for box in each)
    for place, box in enumerate(opened):
        box.share(opened[:place])
    names = [box.source.spec.identity for box in opened]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise InvalidOption(
                f"two of the boxes are {name}: name each once, as what one answers the other does."
            )
    return opened


def settled(boxes: Sequence[BlackBox], meter: Meter) -> tuple[BlackBox, ...]:
    """Return ``boxes`` as they are asked: a question to each of which that is not known finds out.

    It counts like any other, and is not put again by a fit that is repeated with its journal.

    Raises
    ------
    BoxError
        A box did not answer.
    BudgetExhausted
        The budget does not pay for it.
    """
    known, rows = [], {}
    for box in boxes:
        finder = box.finder
        after = box
        if finder is not None:
            if finder.about not in rows:
                rows[finder.about] = meter.asker(finder, "probe").ask(finder.question)[0]
            after = finder.found(rows[finder.about])
            meter.goes_on(finder, after)
            meter.goes_on(box, after)
            LOG.info("%s is asked as %s", box.spec.identity, after.spec.identity)
        known.append(after)
    return tuple(known)


def in_batches(boxes: Sequence[BlackBox]) -> tuple[BlackBox, ...]:
    """Return ``boxes`` with the questions of services in batches; what runs here is asked at once.

    Raises
    ------
    InvalidOption
        A service has no batches, or there is none.
    """
    if not any(box.source.remote for box in boxes):
        raise InvalidOption("no box is a service that takes batches: leave batch out.")
    return tuple(box.batched() if box.source.remote else box for box in boxes)


def open_recorded(
    artefact: Artefact,
    given: Sequence[str | BlackBox],
    path: Path,
    without: Sequence[str] = (),
) -> tuple[BlackBox, ...]:
    """Return a box for each record of ``artefact``; `Nobody` for one that is not asked.

    Those that are not ``given`` are opened from the URIs in the file at ``path``, but for those
    that it shall do ``without``. Of several, those that cannot be opened are left out, with a
    warning each.

    Raises
    ------
    BoxMismatch
        A box that was given is none of those.
    BoxError, InvalidOption
        The only box cannot be opened, or one that was given.
    ArtefactError
        A box does not take what the model asks.
    """
    if len(given) > len(artefact.boxes):
        raise InvalidOption(
            f"{path} asks {_count(artefact)}, and {len(given)} were given: pass box= for one that "
            "lies elsewhere than the file says."
        )
    opened = _opened(artefact, given, path, without)
    for place, box in enumerate(opened):
        if not isinstance(box, Nobody):
            check_box(artefact, box, place)
    return opened


def check_recorded_stays(
    artefact: Artefact, given: Sequence[str | BlackBox], without: Sequence[str] = ()
) -> None:
    """Refuse a model that would be asked elsewhere than on this machine; open nothing.

    Raises
    ------
    InvalidOption
        A box that was ``given``, or one that `open_recorded` would open, is asked elsewhere.
    """
    check_stays(given)
    if len(artefact.boxes) == 1 and given:
        return
    uris = (artefact.boxes[place].uri for place in sorted(_asked(artefact, without)))
    check_stays(uri for uri in uris if uri)


def _asked(artefact: Artefact, without: Sequence[str]) -> set[int]:
    """Return the places of the boxes that a model asks, but for those that it shall do without."""
    asked = {question.box for question in artefact.model.questions}
    records = artefact.boxes
    return {at for at in asked if not {records[at].uri, records[at].identity} & {*without}}


def _count(artefact: Artefact) -> str:
    n = len(artefact.boxes)
    return "one box" if n == 1 else f"{n} boxes"


def _opened(
    artefact: Artefact, given: Sequence[str | BlackBox], path: Path, without: Sequence[str]
) -> tuple[BlackBox, ...]:
    if len(artefact.boxes) > 1:
        return _several(artefact, given, path, without)
    if artefact.box.uri in without or artefact.box.identity in without:
        return (Nobody(),)
    return (_only(artefact, given[0] if given else None, path),)


def _only(artefact: Artefact, box: str | BlackBox | None, path: Path) -> BlackBox:
    """Return the box, given or named in the file, that a model of one box asks."""
    record = artefact.box
    if not artefact.model.questions and (box is None or record.identity == NOBODY):
        return Nobody()
    if box is None:
        opened = _from_file(record, path)
    else:
        opened = open_each([box], artefact.kind)[0].known_as(record.identity)
    record.check(opened)
    return opened


def _several(
    artefact: Artefact, given: Sequence[str | BlackBox], path: Path, without: Sequence[str]
) -> tuple[BlackBox, ...]:
    own = _assigned(artefact, open_each(given, artefact.kind))
    asked = _asked(artefact, without)
    return tuple(
        own.get(place) or (_found(record, path) if place in asked else Nobody())
        for place, record in enumerate(artefact.boxes)
    )


def _assigned(artefact: Artefact, given: Sequence[BlackBox]) -> dict[int, BlackBox]:
    """Return the boxes that were ``given``, by the places of their records."""
    places = {record.identity: place for place, record in enumerate(artefact.boxes)}
    given = [_known_among(box, places) for box in given]
    for box in given:
        if box.spec.identity not in places:
            raise BoxMismatch(
                f"the box is {box.spec.identity}, but the model was fitted for "
                f"{', '.join(places)}: {advice_for(box.spec.identity, places)}."
            )
        artefact.boxes[places[box.spec.identity]].check(box)
    return {places[box.spec.identity]: box for box in given}


def _known_among(box: BlackBox, identities: Collection[str]) -> BlackBox:
    """Return ``box`` as it has one of ``identities``, if it may have one; else as it is."""
    forms = (box.known_as(identity) for identity in identities)
    return next((form for form in forms if form.spec.identity in identities), box)


def _found(record: BoxRecord, path: Path) -> BlackBox:
    """Return one of several boxes as the file names it; `Nobody`, with a warning, if it is gone."""
    try:
        box = _from_file(record, path)
        record.check(box)
    except GONE as error:
        warn_of_gone(record, error)
        return Nobody()
    return box


def warn_of_gone(record: BoxRecord, error: Exception) -> None:
    """Say that a model goes on without one of its boxes, and why."""
    warnings.warn(
        f"the model goes on without the box {record.name}: {error}", UserWarning, stacklevel=2
    )


def _from_file(record: BoxRecord, path: Path) -> BlackBox:
    """Open the box that the model file at ``path`` names; its own files may lie beside it."""
    if record.uri is None:
        raise InvalidOption(
            f"{path} was fitted for a box made in Python ({record.identity}), which no file can "
            "name: use the model there, and pass the box to Reprogrammer.load."
        )
    uri = record.uri
    try:
        way = f"pass box={uri!r}"
        return open_foreign(beside(uri, path.parent), whose="model", way=way)
    except ServiceError:
        raise
    except BoxError as error:
        raise BoxError(
            f"{path} was fitted for {uri}, and {str(error).partition('; check its path')[0]}: pass "
            "box= if it lies elsewhere."
        ) from error
