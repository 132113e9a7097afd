"""What a prediction may ask and cost, as the options say, and what many of them take at most."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from rebox.box import BlackBox, Nobody
from rebox.classifier.checks import PredictionPace, pace_of
from rebox.cli.printing import usd_per_query
from rebox.fit.rounds import MANY

QueriesOption = Annotated[
    float | None,
    typer.Option(
        "--queries-per-prediction",
        help="Most queries for each prediction, or as 0.3 a mean over many, each of which asks as "
        "far as it pays; 0 answers without the box. Default: one query of each box.",
    ),
]
MeanUsdOption = Annotated[
    float | None,
    typer.Option(
        "--usd-per-prediction",
        help="Mean US dollars for a prediction over many: each asks as far as it pays.",
    ),
]
MostUsdOption = Annotated[
    float | None,
    typer.Option("--max-usd-per-prediction", help="Most US dollars for any one prediction."),
]


@dataclass(frozen=True, kw_only=True)
class PerPrediction:
    """What a prediction may ask and cost; the names are those of `rebox.Reprogrammer`."""

    queries_per_prediction: float | None = None
    usd_per_prediction: float | None = None
    max_usd_per_prediction: float | None = None

    @property
    def options(self) -> dict[str, Any]:
        """How they are handed over to `rebox.Reprogrammer`."""
        queries = self.queries_per_prediction
        whole = queries is not None and queries % 1 == 0  # typed as 5, and read as 5.0
        return asdict(self) | {"queries_per_prediction": int(queries or 0) if whole else queries}

    def pace(self, boxes: Sequence[BlackBox]) -> PredictionPace:
        """Return how many queries one of ``boxes`` may be; none of `Nobody`."""
        if isinstance(boxes[0], Nobody):
            return PredictionPace(most=0)
        return pace_of(self, len(boxes))

    def queries(self, boxes: Sequence[BlackBox], samples: int) -> int:
        """Return how many queries the predictions of so many samples ask at most."""
        pace = self.pace(boxes)
        most = samples * pace.most
        if pace.mean_queries is None:
            return most
        few = pace.most if samples < MANY else 0  # of a few, one may ask all
        return min(most, math.ceil(samples * pace.mean_queries) + few)

    def usd(self, boxes: Sequence[BlackBox], samples: int) -> float | None:
        """Return what they cost at most; None: the price of a box is not known."""
        pace = self.pace(boxes)
        if not pace.most:
            return 0.0
        prices = [usd_per_query(box) for box in boxes]
        known = sorted((price for price in prices if price is not None), reverse=True)
        if len(known) < len(boxes):
            return None
        # one query of each box, or several views of the only one
        each = sum(known[: pace.most]) if len(boxes) > 1 else pace.most * known[0]
        if self.max_usd_per_prediction is not None:
            each = min(each, self.max_usd_per_prediction)
        means = [samples * each]
        if pace.mean_usd is not None:
            means.append(samples * pace.mean_usd + (each if samples < MANY else 0.0))
        if pace.mean_queries is not None:
            means.append(self.queries(boxes, samples) * known[0])
        return min(means)
