"""What can be seen of samples without asking, and how far that gets by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebox.box import Encoder
from rebox.fit.asking import CHUNK
from rebox.fit.session import Session
from rebox.fit.verdict import ANSWERS, LOCAL, Verdict, give_verdict
from rebox.local import PlainFeatures, TextFeatures
from rebox.reading import Answered, fit_reader
from rebox.sample.loader import SampleLoader, chunks

Scores = NDArray[np.float32]
Blocks = list[NDArray[np.float32]]

SEEN = 10_000  # most samples that are looked at beside those asked about: more tell little more


@dataclass(frozen=True, eq=False)
class LocalFeatures:
    """How samples are looked at: plain features, or an encoder's beside them.

    Attributes
    ----------
    plain : PlainFeatures or TextFeatures
    encoder : Encoder or None
        The user's own.
    """

    plain: PlainFeatures | TextFeatures
    encoder: Encoder | None = None

    def blocks(self, samples: Any) -> Blocks:
        """Return features (n, d) of a few samples, a block for each kind.

        Raises
        ------
        InvalidData, InvalidAnswer
            The samples are not of the kind that was fitted, or the encoder failed.
        """
        plain = list(self.plain.transform(samples))
        return plain if self.encoder is None else [*plain, self.encoder.encode(samples)]


def seen_of(order: NDArray[np.intp], asked: int) -> NDArray[np.intp]:
    """Return which samples are looked at: the first of ``order``, those asked about among them."""
    return order[: max(asked, SEEN)]


def look(
    samples: SampleLoader, order: NDArray[np.intp], encoder: Encoder | None = None
) -> tuple[LocalFeatures | None, Blocks]:
    """Return how to look at samples, and what is seen of those in ``order``: blocks (n, d).

    Those that are known by their ids alone show nothing: there is no way to look, and no block.
    """
    if not samples.shows:
        return None, []
    plain: PlainFeatures | TextFeatures
    if samples.texts is None:
        plain = PlainFeatures.fit(samples.seen(order[:CHUNK]))
    else:
        plain = TextFeatures.fit(samples.seen(order))
    local = LocalFeatures(plain, encoder)
    return local, seen_by(local, samples, order)


def seen_by(local: LocalFeatures, samples: SampleLoader, order: NDArray[np.intp]) -> Blocks:
    """Return what is seen of samples in ``order``: blocks (n, d)."""
    seen: Blocks = []
    for few in chunks(len(order), CHUNK):
        blocks = local.blocks(samples.seen(order[few]))
        # Into its place at once: of matrices, both the parts and the whole would be gigabytes.
        seen = seen or [np.empty((len(order), block.shape[1]), np.float32) for block in blocks]
        for whole, block in zip(seen, blocks, strict=True):
            whole[few] = block
    return seen


def compare(session: Session, asked: NDArray[np.intp], scores: Scores) -> Verdict | None:
    """Return how a local model and a map of the answers do, each on samples held out from it.

    Parameters
    ----------
    session : Session
    asked : (a,) intp
        Which samples were asked about.
    scores : (a, source classes)
        The answers.
    """
    everybody = np.arange(len(session.targets))
    order = seen_of(np.concatenate([asked, np.setdiff1d(everybody, asked)]), len(asked))
    _, seen = look(session.samples, order)

    def out_of_fold(rows: NDArray[np.intp], **blocks: Sequence[Any]) -> NDArray[np.float64]:
        known = session.training_set(rows, **blocks)
        return fit_reader(known).out_of_fold[: len(asked)]

    predictions = {LOCAL: (0, out_of_fold(order, local=seen))} if seen else {}
    answers = [Answered(session.box.spec, scores)]
    predictions[ANSWERS] = 1, out_of_fold(asked, answers=answers)
    return give_verdict(
        session.targets[asked],
        predictions,
        session.n_targets,
        session.seed,
        session.subjects_of(asked),
        session.price_of(),
    )
