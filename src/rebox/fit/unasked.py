"""Nobody is asked: a reader of what can be seen of the samples."""

from rebox.decision import HeldOut
from rebox.fit.local import LocalFeatures, look
from rebox.fit.model import Model
from rebox.fit.plan import UnaskedPlan
from rebox.fit.reasons import NOBODY_ASKED
from rebox.fit.run import Ending, Run
from rebox.fit.session import Session
from rebox.fit.verdict import WHOLE, give_verdict
from rebox.reading import FittedReader, fit_reader
from rebox.recipe import Unasked


class UnaskedRun(Run):
    """A fit of a local model."""

    def __init__(self, way: Unasked, session: Session) -> None:
        self.way = way
        self.session = session
        self.history = []
        self.plan = UnaskedPlan(images=len(session.targets))

    def go(self) -> str:
        """Look at all samples, and fit a reader to what is seen."""
        session, order = self.session, self.session.order  # a reader's landmarks are the first
        local, seen = look(session.samples, order, session.encoder)
        fitted = fit_reader(session.training_set(order, local=seen))
        self._take(fitted, local)
        return NOBODY_ASKED

    def _take(self, fitted: FittedReader, local: LocalFeatures | None) -> None:
        balanced = self.way.class_weight == "balanced"
        reader = fitted.reader.balanced() if balanced else fitted.reader
        self._model = Model(questions=(), reader=reader, local=local)
        self._out_of_fold = fitted.out_of_fold + reader.offset
        session, order = self.session, self.session.order
        self._held_out = HeldOut(
            log_probabilities=self._out_of_fold,
            targets=session.targets[order],
            groups=session.subjects_of(order),
            assumed=session.assumed(self.way.class_weight),
        )

    def read(self) -> Ending:
        """Return the model, and how it does beside the majority."""
        session = self.session
        verdict = give_verdict(
            session.targets[session.order],
            {WHOLE: (0, self._out_of_fold)},
            session.n_targets,
            session.seed,
            session.subjects_of(session.order),
        )
        return Ending(model=self._model, verdict=verdict, held_out=self._held_out)

    def read_plain(self) -> Ending:
        """Return the model, compared with nothing."""
        return Ending(model=self._model)

    def read_nothing(self) -> Ending:
        """Return the model: there is no simpler one to have."""
        return Ending(model=self._model)
