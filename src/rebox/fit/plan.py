"""What a budget allows, before anything is asked."""

import abc
from dataclasses import dataclass

from rebox.notebook import facts
from rebox.recipe import Once, Refitted, Searched

MAP_SHARE = 0.25  # most of a budget that a mapping may take where a search has to follow
FEWEST_SCREENED = 30  # images that a view is screened on, at least
SCREENED_SHARE = 8  # one in so many images is asked about while views are screened
MOST_SCREENED = 250
SPARE = 2  # so many times the views that predictions may ask are tried on all images


@dataclass(frozen=True, kw_only=True)
class Plan(abc.ABC):
    """How a fit would spend its budget.

    Attributes
    ----------
    images : int
        Training images.
    """

    images: int

    @property
    @abc.abstractmethod
    def total(self) -> int:
        """Queries of the whole fit, at most."""

    @property
    @abc.abstractmethod
    def lines(self) -> tuple[tuple[str, str], ...]:
        """What it asks about, and how much of it, for people."""

    @property
    def by_box(self) -> tuple[int, ...]:
        """Most queries of each box."""
        return (self.total,)

    @property
    def most_per_prediction(self) -> int:
        """Queries that the prediction of one image asks, at most."""
        return 1

    def _repr_html_(self) -> str:
        rows = {**dict(self.lines), "queries, at most": f"{self.total:,}"}
        return facts("Plan of a fit", rows)


@dataclass(frozen=True, kw_only=True)
class UnaskedPlan(Plan):
    """Nothing is asked."""

    @property
    def total(self) -> int:
        """None."""
        return 0

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """What is looked at."""
        return (("local features", f"0, of {self.images:,} training samples"),)

    @property
    def most_per_prediction(self) -> int:
        """None."""
        return 0


@dataclass(frozen=True, kw_only=True)
class MapPlan(Plan):
    """A mapping, and perhaps a search.

    Attributes
    ----------
    map : int
        Training images asked for the mapping.
    maps : int
        How often they are asked: more than once where an iterative mapping is fitted anew.
    check : int
        Images asked a second time, to see whether the program that was found reads better than
        nothing added.
    search : int
        Queries of the search.
    steps : int
        Steps of the search.
    evaluations : int
        Programs judged per step; 0 without a search.
    batch : int
        Training images per step.
    dimension : int
        Numbers that the search moves; 0 without a program.
    """

    map: int
    maps: int = 1
    check: int = 0
    search: int = 0
    steps: int = 0
    evaluations: int = 0
    batch: int = 0
    dimension: int = 0

    @property
    def total(self) -> int:
        """Queries of the whole fit."""
        return self.map * self.maps + self.check + self.search

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """The mapping's images, and the search's steps."""
        mapping = ("mapping", f"{self.map:,} of {self.images:,} training samples")
        if not self.evaluations:
            return (mapping,)
        steps = f"{self.search:,} = {self.steps:,} steps, {self.evaluations} programs each"
        return mapping, ("search", f"{steps}, in {self.dimension:,} dimensions")


@dataclass(frozen=True, kw_only=True)
class ViewsPlan(Plan):
    """The plain view of all images, then others.

    Attributes
    ----------
    asked : int
        Images that are asked about: all of them, if the budget allows it.
    candidates : int
        Views that are screened, beside the plain one.
    screened : int
        Images that each of them is screened on; 0: views are tried in the order of the pool.
    tried : int
        Most views, beside the plain one, that are asked about all those images.
    """

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

    @property
    def most_per_prediction(self) -> int:
        """The plain view and each that is tried."""
        return 1 + self.tried

    @property
    def lines(self) -> tuple[tuple[str, str], ...]:
        """The plain view, what is screened, what is tried."""
        lines = [("plain view", f"{self.asked:,} of {self.images:,} training samples")]
        if self.candidates:
            screening = f"{self.candidates} views on {self.screened:,} samples each"
            lines.append(("screening", f"{self.screening:,} = {screening}"))
        if self.tried:
            trying = f"{self.tried} views on all {self.asked:,} samples"
            lines.append(("other views, at most", f"{self.trying:,} for {trying}"))
        return tuple(lines)


def plan_once(way: Once, images: int, left: int | None) -> MapPlan:
    """Return how ``way`` would spend ``left`` queries (None: without end) on n ``images``."""
    most = images if way.mapping.needs_answers else 0
    return MapPlan(images=images, map=most if left is None else min(most, left))


def plan_refitted(way: Refitted, dimension: int, images: int, left: int | None) -> MapPlan:
    """Return how ``way`` would spend ``left`` queries, as `plan_once` does.

    The mapping's answers come last and are reserved first: it has to be that of the program that
    is kept, and it brings more than a program does.
    """
    evaluations = way.search.evaluations(dimension)
    batch = min(way.batch, images, max(1, images // 2))  # as many again judge what was found
    for_map = images if left is None else min(images, left)
    steps = 0 if left is None else max(0, left - for_map - batch) // (evaluations * batch)
    return MapPlan(
        images=images,
        map=for_map,
        check=batch if steps else 0,
        search=steps * batch * evaluations,
        steps=steps,
        evaluations=evaluations,
        batch=batch,
        dimension=dimension,
    )


def plan_searched(way: Searched, dimension: int, images: int, left: int | None) -> MapPlan:
    """Return how ``way`` would spend ``left`` queries, as `plan_once` does."""
    evaluations, batch = way.search.evaluations(dimension), min(way.batch, images)
    for_map, maps = _affordable_answers(way, evaluations, batch, images, left), 1
    rest = None if left is None else left - for_map
    if way.same_batch:
        if rest is not None and rest < evaluations * batch:
            batch = max(1, rest // evaluations)
        steps = (rest or 0) // (evaluations * batch)
        samples = steps * batch
    else:
        maps, samples = _epochs(way, evaluations, for_map, images, rest)
        # Every step but an epoch's last judges a whole batch; the budget's last may be cut.
        epochs, remainder = divmod(samples, images)
        steps = epochs * -(-images // batch) + -(-remainder // batch)
    return MapPlan(
        images=images,
        map=for_map,
        maps=maps,
        search=samples * evaluations,
        steps=steps,
        evaluations=evaluations,
        batch=batch,
        dimension=dimension,
    )


def affords_remap(left: int | None, images: int, evaluations: int) -> bool:
    """Return whether ``left`` pays for asking ``images`` anew and for one sample of the search."""
    return images > 0 and (left is None or left >= images + evaluations)


def _epochs(
    way: Searched, evaluations: int, for_map: int, images: int, rest: int | None
) -> tuple[int, int]:
    """Return how often the mapping is fitted, and how many samples all epochs judge."""
    whole = None if way.epochs is None else way.epochs * images
    if not way.remaps:
        affordable = None if rest is None else rest // evaluations
        return 1, min(count for count in (whole, affordable) if count is not None)
    maps, samples, epoch = 1, 0, 0
    while way.epochs is None or epoch < way.epochs:
        if epoch and affords_remap(rest, for_map, evaluations):
            maps += 1
            rest = None if rest is None else rest - for_map
        taken = images if rest is None else min(images, rest // evaluations)
        samples, epoch = samples + taken, epoch + 1
        if rest is not None:
            rest -= taken * evaluations
            if rest < evaluations:
                break
    return maps, samples


def _least(way: Searched, batch: int) -> int:
    """Return the images that a step of the search has to judge to be worth its queries."""
    return max(1, batch // 5) if way.same_batch else 1


def _affordable_answers(
    way: Searched, evaluations: int, batch: int, images: int, left: int | None
) -> int:
    """Return how many training samples are asked before the search."""
    if not way.mapping.needs_answers:
        return 0
    most = images
    if way.remaps:  # every epoch pays for a mapping of its own
        most = min(images, max(1, int(images * evaluations * MAP_SHARE / (1 - MAP_SHARE))))
    if left is None:
        return most
    share = int(MAP_SHARE * left)
    # Without the means for one step of the search, the mapping may have it all.
    if left - share < evaluations * _least(way, batch):
        share, most = left, images
    return min(most, share)


def plan_views(images: int, left: int | None, views: int, queries_per_prediction: int) -> ViewsPlan:
    """Return how `Views` would spend ``left`` queries.

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
        return ViewsPlan(images=images, asked=asked, candidates=0, screened=0, tried=0)
    wanted = min(others, max(1, queries_per_prediction - 1))
    if rest >= others * asked and queries_per_prediction > 1:
        return ViewsPlan(images=images, asked=asked, candidates=0, screened=0, tried=others)
    few = min(MOST_SCREENED, max(FEWEST_SCREENED, asked // SCREENED_SHARE), max(1, asked // 2))
    # Fewer images than that do not tell which of many views to ask about in place of the plain one.
    enough = few >= FEWEST_SCREENED or queries_per_prediction > 1
    if rest >= others * few + wanted * (asked - few) and others and enough:
        affordable = (rest - others * few) // max(1, asked - few)
        tried = min(others, SPARE * wanted + 1, affordable)
        return ViewsPlan(images=images, asked=asked, candidates=others, screened=few, tried=tried)
    tried = 0 if queries_per_prediction == 1 else min(wanted, rest // asked)
    return ViewsPlan(images=images, asked=asked, candidates=0, screened=0, tried=tried)
