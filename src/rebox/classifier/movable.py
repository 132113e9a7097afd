"""What a fitted model can do whose boxes change: have another one in the place of one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rebox.artefact import BoxRecord
from rebox.box import BlackBox, Nobody, open_box
from rebox.classifier.accounts import account_of, checked_budgets, one_or_all, open_meter
from rebox.classifier.boxes import settled
from rebox.classifier.canaries import ask_canaries
from rebox.classifier.checks import check_aliases, check_lengths, checked_labels, checked_samples
from rebox.classifier.fitted import Fitted
from rebox.errors import InvalidData, InvalidOption
from rebox.fit import Session
from rebox.fit.moving import Moved, MoveRun, priced
from rebox.fit.suited import check_asked
from rebox.sample.labels import places_of
from rebox.sample.loader import SampleLoader

CANARIES = 3  # of a service that is new


class Movable(Fitted):
    """A fitted model that may be moved from one box to another.

    Attributes
    ----------
    moved_ : Moved or None
        What the last move fitted anew; None: nothing.
    """

    aliases: Mapping[str, str | Sequence[str]] | None
    moved_: Moved | None

    def move(
        self,
        old: str,
        new: str | BlackBox,
        X: Any = None,
        y: Any = None,
        *,
        budget: int | None = None,
        max_usd: float | None = None,
        groups: Any = None,
        aliases: Mapping[str, str | Sequence[str]] | None = None,
    ) -> Self:
        """Have another box answer in the place of one of several that the model asks.

        A box that only lies elsewhere, of the same identity, is asked from there, and nothing is
        fitted. Of another one, what hangs on it is fitted anew to a few labelled samples, about
        which all boxes of the model are asked: what the journal has of the others costs nothing.
        Decisions stay; the verdict, and what was promised of decisions and sets, went with the old
        box.

        Parameters
        ----------
        old : str
            URI or identity of the box, as `rebox show` has it.
        new : str or BlackBox
        X, y, groups
            Labelled samples, as for ``fit``: those of the fit itself are good ones.
        budget, max_usd : int, float or None
            Most that all boxes together may be asked, and cost.
        aliases : mapping or None
            What boxes call the model's classes, as for the model; None: as it was fitted, if that
            was in this process. A file does not keep them.

        Raises
        ------
        InvalidOption
            There is no such box; the new one is one of the others; the budget does not pay for one
            sample; the model has one reader for all boxes; or nobody has a name of ``aliases``.
        InvalidData
            Another box takes labelled samples, and there are none, or not of every class.
        BoxError
            A box could not be opened, or did not answer. The model is as it was; what was paid for
            stands in the journal.
        """
        self._check_fitted()
        place = self._place_of(old)
        box = (new if isinstance(new, BlackBox) else open_box(new)).taking(self.artefact_.kind)
        records = self.artefact_.boxes
        box = box.known_as(records[place].identity)
        if box.spec.identity == records[place].identity:
            records[place].check(box)
            model = priced(self.artefact_.model, place, box)
            self.artefact_ = replace(self.artefact_, model=model)
            record = replace(records[place], uri=box.uri, price_usd=box.spec.price_usd)
            self._put(place, box, record.priced(model.questions, place))
            self.moved_ = None
            return self
        self._check_new(box, place)
        if X is None or y is None:
            raise InvalidData(
                f"{box.spec.identity} is another box than {records[place].identity}: hand over "
                "labelled samples (data=) and a budget, to fit what hangs on it anew."
            )
        self._refit(place, box, X, y, groups, (budget, max_usd), aliases)
        return self

    def _place_of(self, old: str) -> int:
        """Return the place of a box by its URI or identity."""
        records = self.artefact_.boxes
        for place, record in enumerate(records):
            if old in {record.uri, record.identity}:
                return place
        known = " and ".join(record.name for record in records)
        raise InvalidOption(f"the model has no box {old}: it was fitted for {known}.")

    def _check_new(self, box: BlackBox, place: int) -> None:
        """Refuse a box that the model asks already, and to move what it does not ask."""
        for number, record in enumerate(self.artefact_.boxes):
            if number != place and record.identity == box.spec.identity:
                raise InvalidOption(f"the model asks {record.name} already: name another box.")
        if all(question.box != place for question in self.artefact_.model.questions):
            name = self.artefact_.boxes[place].name
            raise InvalidOption(f"predictions do not ask {name}: there is nothing to move.")

    def _refit(
        self,
        place: int,
        box: BlackBox,
        X: Any,
        y: Any,
        groups: Any,
        caps: tuple[int | None, float | None],
        aliases: Mapping[str, str | Sequence[str]] | None,
    ) -> None:
        boxes = tuple(box if k == place else one for k, one in enumerate(self.boxes_))
        model = self.artefact_.model
        for question in model.questions:
            if isinstance(boxes[question.box], Nobody):
                name = self.artefact_.boxes[question.box].name
                raise InvalidOption(f"{name} cannot be opened: move that box first.")
        if aliases is not None:  # those of the fit may have been for the old box
            check_aliases(aliases, self.classes_, [boxes[one.box] for one in model.questions])
        samples, targets, subjects = self._labelled(X, y, groups, boxes)
        session = self._session_of(boxes, samples, targets, subjects, caps)
        names = self.aliases if aliases is None else aliases
        box = session.boxes[place]
        run = MoveRun(model, place, replace(session, aliases=names or {}))
        meter = run.session.meter
        moved = run.moved()
        asked = {place: box}
        canaries = ask_canaries(asked, meter, None, CANARIES)
        queries = meter.spent_by_box[place].by_purpose()
        record = replace(
            BoxRecord.of(box, queries).priced(moved.model.questions, place),
            canaries=canaries.get(place, np.empty((0, 0), np.float32)),
        )
        # what was measured of the model with the old box says nothing of this one
        artefact = replace(
            self.artefact_, model=moved.model, verdict=None, promised=None, sets=None
        )
        self._take(artefact, f"moved to {record.name}", self.history_)
        self.meter_ = meter
        self._put(place, box, record)
        self.moved_ = moved

    def _put(self, place: int, box: BlackBox, record: BoxRecord) -> None:
        """Have ``box`` and its record in the place of another."""
        records, boxes = list(self.artefact_.boxes), list(self.boxes_)
        records[place], boxes[place] = record, box
        self.artefact_ = replace(self.artefact_, boxes=tuple(records))
        self.boxes_ = tuple(boxes)

    def _labelled(
        self, X: Any, y: Any, groups: Any, boxes: tuple[BlackBox, ...]
    ) -> tuple[SampleLoader, NDArray[np.intp], NDArray[np.int64] | None]:
        """Return samples as all boxes take them, their classes by place, and their subjects."""
        known = checked_samples(self, X, fitted=self.artefact_.kind)
        labels = checked_labels(y)
        check_lengths(known, labels)
        targets = places_of(labels, self.classes_)
        missing = np.setdiff1d(np.arange(len(self.classes_)), targets)
        if (targets < 0).any() or len(missing):
            what = labels[targets < 0][0] if (targets < 0).any() else self.classes_[missing[0]]
            how = "has no class" if (targets < 0).any() else "takes at least one sample of"
            raise InvalidData(
                f"the model {how} {str(what)!r}: hand over labelled samples of its classes."
            )
        samples = SampleLoader(self.artefact_.inputs, known)
        for place in sorted({question.box for question in self.artefact_.model.questions}):
            check_asked(boxes[place], samples)
        samples.check()
        return samples, targets, known.subjects(groups)

    def _session_of(
        self,
        boxes: tuple[BlackBox, ...],
        samples: SampleLoader,
        targets: NDArray[np.intp],
        subjects: NDArray[np.int64] | None,
        caps: tuple[int | None, float | None],
    ) -> Session:
        """Return what a fit of a few samples is handed, with an account of its own."""
        recipe, seed, local = self.artefact_.recipe, self.artefact_.seed, self.artefact_.model.local
        training, prediction = checked_budgets(boxes, *caps, self.predict_budget)
        meter = open_meter(
            boxes,
            training=training,
            prediction=prediction,
            journal=self.journal,
            fit=lambda epochs: account_of(
                boxes, f"move {recipe}", samples, targets, seed, subjects, epoch=one_or_all(epochs)
            ),
            account=self.account,
        )
        return Session(
            boxes=settled(boxes, meter),
            meter=meter,
            samples=samples,
            targets=targets,
            seed=seed,
            subjects=subjects,
            named=self.classes_.tolist(),
            encoder=None if local is None else local.encoder,
            listeners=self._told,
        )
