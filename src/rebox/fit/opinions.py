"""What boxes, and a look without asking, say of training samples that were held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox
from rebox.fit.session import Session
from rebox.reading import Answered, FittedReader, fit_reader
from rebox.reading.as_named import NOBODY, named_places
from rebox.reading.named import NamedAnswers
from rebox.reading.subset_fitting import Evidence
from rebox.reading.targets import Targets

Scores = NDArray[np.float32]
Blocks = Sequence[NDArray[np.float32]]

NAMED = 2  # classes that have to have a name in common before votes are counted by name


@dataclass(frozen=True, eq=False)
class Opinions:
    """Makes evidence of answers to the boxes of a session.

    Parameters
    ----------
    session : Session
    rows : (n,) intp
        The samples that are looked at, those asked about first.
    seen : blocks (n, d)
        What can be seen of them; none: nothing.
    asked : int
        How many of them have answers.
    """

    session: Session
    rows: NDArray[np.intp]
    seen: Blocks
    asked: int

    @property
    def targets(self) -> Targets:
        """Classes and folds of the samples that have answers."""
        session, rows = self.session, self.rows[: self.asked]
        groups = session.subjects_of(rows)
        return Targets.dealt(session.targets[rows], session.n_targets, session.seed, groups)

    def local(self) -> list[Evidence]:
        """Return what a model says that looks without asking, if there is anything to look at."""
        if not self.seen:
            return []
        fitted = self._fitted((), self.rows, self.seen)
        return [Evidence.of_opinion(None, fitted.reader, fitted.out_of_fold[: self.asked])]

    def of(self, question: int, box: BlackBox, scores: Scores) -> list[Evidence]:
        """Return what answers (asked, source classes) of a box say: by name, and as read."""
        spec = box.spec
        places = places_of(box, self.session)
        evidence = []
        if spec.short or (places >= 0).any():
            looked = NamedAnswers.fit(spec, places, scores)
            evidence.append(Evidence.of_answers(question, looked, scores))
        if not spec.short:
            # Beside the only box, what is seen is read with its answers; beside several, once.
            seen = self.seen if len(self.session.boxes) == 1 else ()
            rows = self.rows if seen else self.rows[: self.asked]
            fitted = self._fitted([Answered(spec, scores)], rows, seen)
            said = fitted.out_of_fold[: self.asked]
            evidence.append(Evidence.of_opinion(question, fitted.reader, said))
        return evidence

    def _fitted(
        self, answers: Sequence[Answered], rows: NDArray[np.intp], seen: Blocks
    ) -> FittedReader:
        return fit_reader(self.session.training_set(rows, answers=answers, local=seen))


def places_of(box: BlackBox, session: Session) -> NDArray[np.intp]:
    """Return which class (K,) of a box bears the name of each of the user's; -1: none does.

    One name in common, of several classes, is taken for chance.
    """
    places = named_places(session.named, box.spec.classes, session.aliases)
    return places if (places >= 0).sum() >= NAMED else np.full_like(places, NOBODY)


def all_named(box: BlackBox, labels: Sequence[Any], aliases: Mapping[str, Any]) -> bool:
    """Return whether a box has a class for each of the user's, by name."""
    return bool(len(labels)) and bool((named_places(labels, box.spec.classes, aliases) >= 0).all())
