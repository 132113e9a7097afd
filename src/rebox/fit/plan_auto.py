"""What ``auto`` does with a budget, before anything is asked."""

from dataclasses import dataclass

FEWEST_SCREENED = 30  # images that a view is screened on, at least
SCREENED_SHARE = 8  # one in so many images is asked about while views are screened
MOST_SCREENED = 250
SPARE = 2  # so many times the views that predictions may ask are tried on all images


@dataclass(frozen=True, kw_only=True)
class AutoPlan:
    """How a fit would spend its budget.

    Attributes
    ----------
    images : int
        Training images.
    asked : int
        Images that are asked about: all of them, if the budget allows it.
    candidates : int
        Views that are screened, beside the plain one.
    screened : int
        Images that each of them is screened on; 0: views are tried in the order of the pool.
    tried : int
        Most views, beside the plain one, that are asked about all those images.
    """

    images: int
    asked: int
    candidates: int
    screened: int
    tried: int

    @property
    def screening(self) -> int:
        """Queries for screening."""
        return self.candidates * self.screened

    @property
    def trying(self) -> int:
        """Queries for asking about the views tried, beyond what screening has asked already."""
        return self.tried * (self.asked - self.screened)

    @property
    def total(self) -> int:
        """Most queries of the whole fit."""
        return self.asked + self.screening + self.trying


def plan_auto(images: int, left: int | None, views: int, queries_per_prediction: int) -> AutoPlan:
    """Return how ``auto`` would spend ``left`` queries.

    Parameters
    ----------
    images : int
        Training images.
    left : int or None
        Queries that the budget allows; None: without end, which is what all views of all images
        take.
    views : int
        Views in the pool, the plain one among them.
    queries_per_prediction : int
        How many of them a prediction may ask; 0 answers without the box.
    """
    left = images * views if left is None else left
    asked = min(images, left)
    rest, others = left - asked, views - 1
    if queries_per_prediction == 0 or not asked:
        return AutoPlan(images=images, asked=asked, candidates=0, screened=0, tried=0)
    wanted = min(others, max(1, queries_per_prediction - 1))
    if rest >= others * asked and queries_per_prediction > 1:
        return AutoPlan(images=images, asked=asked, candidates=0, screened=0, tried=others)
    few = min(MOST_SCREENED, max(FEWEST_SCREENED, asked // SCREENED_SHARE), max(1, asked // 2))
    # Fewer images than that do not tell which of many views to ask about in place of the plain one.
    enough = few >= FEWEST_SCREENED or queries_per_prediction > 1
    if rest >= others * few + wanted * (asked - few) and others and enough:
        affordable = (rest - others * few) // max(1, asked - few)
        tried = min(others, SPARE * wanted + 1, affordable)
        return AutoPlan(images=images, asked=asked, candidates=others, screened=few, tried=tried)
    tried = 0 if queries_per_prediction == 1 else min(wanted, rest // asked)
    return AutoPlan(images=images, asked=asked, candidates=0, screened=0, tried=tried)
