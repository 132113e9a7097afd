"""What a budget allows, before anything is asked."""

from dataclasses import dataclass

from rebox.recipe import Recipe

MAP_SHARE = 0.25  # most of a budget that a mapping may take where a search has to follow


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a fit would spend its budget.

    Attributes
    ----------
    map : int
        Training images asked for the mapping.
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
    images : int
        Training images.
    """

    map: int
    search: int
    steps: int
    evaluations: int
    batch: int
    dimension: int
    images: int

    @property
    def total(self) -> int:
        """Queries of the whole fit."""
        return self.map + self.search


def plan_fit(recipe: Recipe, dimension: int, images: int, left: int | None) -> Plan:
    """Return how ``recipe`` would spend ``left`` queries (None: without end) on n ``images``."""
    evaluations = 0 if recipe.search is None else recipe.search.evaluations(dimension)
    batch = min(recipe.batch, images)
    for_map = _affordable_answers(recipe, evaluations * _least(recipe, batch), images, left)
    rest = None if left is None else left - for_map
    if recipe.search is None:
        samples, steps = 0, 0
    elif recipe.same_batch:
        if rest is not None and rest < evaluations * batch:
            batch = max(1, rest // evaluations)
        steps = (rest or 0) // (evaluations * batch)
        samples = steps * batch
    else:
        # Every step but an epoch's last judges a whole batch; the budget's last may be cut short.
        whole = None if recipe.epochs is None else recipe.epochs * images
        affordable = None if rest is None else rest // evaluations
        samples = min(count for count in (whole, affordable) if count is not None)
        epochs, remainder = divmod(samples, images)
        steps = epochs * -(-images // batch) + -(-remainder // batch)
    return Plan(
        map=for_map,
        search=samples * evaluations,
        steps=steps,
        evaluations=evaluations,
        batch=batch,
        dimension=dimension,
        images=images,
    )


def _least(recipe: Recipe, batch: int) -> int:
    """Return the images that a step of the search has to judge to be worth its queries."""
    return max(1, batch // 5) if recipe.same_batch else 1


def _affordable_answers(recipe: Recipe, step: int, images: int, left: int | None) -> int:
    """Return how many training images are asked before the search, whose step costs ``step``."""
    if not recipe.mapping.needs_answers:
        return 0
    if left is None:
        return images
    share = int(MAP_SHARE * left)
    # Without a search, or without the means for one step of it, the mapping may have it all.
    if recipe.search is None or left - share < step:
        share = left
    return min(images, share)
