"""``--hold-out``: a part of the data is kept from the fit, and the model measured on it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Self

import typer

from rebox.box import BlackBox, Nobody
from rebox.classifier import Measured, Reprogrammer, measured
from rebox.cli.per_prediction import PerPrediction
from rebox.cli.printing import dearest, usd_per_10k, usd_per_query
from rebox.errors import InvalidOption
from rebox.fit import Listener
from rebox.fit.reasons import INTERRUPTED
from rebox.meter import Spent
from rebox.sample import Dataset, SampleLoader

HoldOutOption = Annotated[
    float | None,
    typer.Option(
        "--hold-out",
        help="Share of the data, as 0.2, to keep from the fit, by subject, and to measure the "
        "model on; --budget and --max-usd pay for both.",
    ),
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Judged:
    """What a model is worth on what was held out, what that asked, and what kept it from it."""

    measured: Measured | None = None
    by_box: tuple[Spent, ...] = ()
    usd_per_10k: float | None = None
    error: Exception | KeyboardInterrupt | None = None

    def added_to(self, by_box: Sequence[Spent]) -> list[Spent]:
        """Return what each box was asked ``by_box`` and in measuring."""
        more = self.by_box or (Spent(),) * len(by_box)
        return [one + other for one, other in zip(by_box, more, strict=True)]


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """What is fitted on, what is held out, and what measuring may ask.

    Attributes
    ----------
    train : Dataset
    held_out : Dataset or None
        None: nothing is, and ``train`` is all of the data.
    queries, usd : int, float or None
        Set aside from the budget before the fit plans with the rest, so that both stay within it;
        dollars are None where a price is not known.
    """

    train: Dataset
    held_out: Dataset | None = None
    queries: int = 0
    usd: float | None = 0.0

    @classmethod
    def of(
        cls,
        task: Dataset,
        share: float | None,
        seed: int,
        per_prediction: PerPrediction,
        boxes: Sequence[BlackBox],
    ) -> Self:
        """Return ``task`` in two parts, drawn by ``seed``."""
        if share is None:
            return cls(train=task)
        train, held_out = task.split(share, seed)
        held_out = replace(held_out, name=f"a part of {task.name}, held out")
        queries = per_prediction.queries(boxes, len(held_out))
        usd = per_prediction.usd(boxes, len(held_out))
        return cls(train=train, held_out=held_out, queries=queries, usd=usd)

    def asked(self, boxes: Sequence[BlackBox]) -> list[tuple[BlackBox, int]]:
        """Return of whom measuring may ask how much, in what it costs at most."""
        box = dearest(boxes)
        price = usd_per_query(box)
        return [(box, math.ceil(self.usd / price) if price and self.usd else self.queries)]

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """What measuring asks about, and how much of it, for people."""
        if self.held_out is None:
            return ()
        images = f"{len(self.held_out):,} samples held out, by subject"
        return (("measuring, at most", f"{self.queries:,} for {images}"),)

    def rest_of(self, budget: int | None, max_usd: float | None) -> tuple[int | None, float | None]:
        """Return what is left of both caps for the fit.

        Raises
        ------
        InvalidOption
            Nothing is.
        """
        if not self.queries:
            return budget, max_usd
        queries = None if budget is None else budget - self.queries
        usd = None if max_usd is None else max_usd - (self.usd or 0.0)
        for cap, given, left in (("--budget", budget, queries), ("--max-usd", max_usd, usd)):
            if left is not None and left <= 0:
                raise InvalidOption(
                    f"measuring the model on the {len(self.held_out or ()):,} samples that are "
                    f"held out may ask {self.queries:,} queries, and {cap} {given:g} leaves "
                    f"nothing for the fit: raise it, or hold out less."
                )
        return queries, usd

    def check(self, value_range: tuple[float, float] | None, account: str | None) -> None:
        """Look at what is held out before a query is paid for: a fit looks at its own part alone.

        Raises
        ------
        InvalidData
            A file is damaged, or an image has a wrong shape, type or range.
        InvalidOption
            The budget is shared by an ``account``, which has one for fits and one for predictions:
            the first does not see what measuring asks.
        """
        if self.queries and account is not None:
            raise InvalidOption(
                "what --hold-out asks to measure the model would count for none of the fits that "
                f"share --account {account}: leave out one of the two; 'rebox evaluate' has an "
                "--account, too, and measures on other data."
            )
        if self.held_out is not None:
            train = SampleLoader.of_training(self.train.samples, value_range)
            SampleLoader(train.inputs, self.held_out.samples).check()

    def measure(self, model: Reprogrammer, encoder: str | None, listener: Listener) -> Judged:
        """Return what ``model`` is worth on the part that it has not seen.

        It is measured as it is saved, by an account of its own: ``rebox evaluate`` would ask the
        same. After Ctrl-C nothing more is asked.
        """
        if self.held_out is None or model.stop_reason_ == INTERRUPTED:
            return Judged()
        by_box: tuple[Spent, ...] = ()
        try:
            judge = self._judge(model, encoder, listener)
            try:
                found = measured(judge, self.held_out)
            finally:
                by_box = judge.spent_by_box_
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the model has been paid for, and is there
            return Judged(by_box=by_box, error=error)
        usd = usd_per_10k(judge.boxes_, by_box, len(self.held_out))
        return Judged(measured=found, by_box=by_box, usd_per_10k=usd)

    def _judge(self, model: Reprogrammer, encoder: str | None, listener: Listener) -> Reprogrammer:
        """Return ``model`` as its file has it."""
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model.rebox"
            model.save(path)
            return Reprogrammer.load(
                path,
                [box for box in model.boxes_ if not isinstance(box, Nobody)],
                encoder=encoder,
                predict_budget=self.queries or None,
                journal=model.journal,
                listeners=(listener,),
            )
