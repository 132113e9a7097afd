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
    maps: int = 1
    check: int = 0

    @property
    def total(self) -> int:
        """Queries of the whole fit."""
        return self.map * self.maps + self.check + self.search


def plan_fit(recipe: Recipe, dimension: int, images: int, left: int | None) -> Plan:
    """Return how ``recipe`` would spend ``left`` queries (None: without end) on n ``images``."""
    evaluations = 0 if recipe.search is None else recipe.search.evaluations(dimension)
    batch = min(recipe.batch, images)
    check, maps = 0, 1
    if recipe.refit:
        batch = min(batch, max(1, images // 2))  # as many again judge what was found
        for_map, check, steps = _refitted(evaluations * batch, batch, images, left)
        samples = steps * batch
    else:
        for_map = _affordable_answers(recipe, evaluations, batch, images, left)
        rest = None if left is None else left - for_map
        if recipe.search is None:
            samples, steps = 0, 0
        elif recipe.same_batch:
            if rest is not None and rest < evaluations * batch:
                batch = max(1, rest // evaluations)
            steps = (rest or 0) // (evaluations * batch)
            samples = steps * batch
        else:
            maps, samples = _epochs(recipe, evaluations, for_map, images, rest)
            # Every step but an epoch's last judges a whole batch; the budget's last may be cut.
            epochs, remainder = divmod(samples, images)
            steps = epochs * -(-images // batch) + -(-remainder // batch)
    return Plan(
        map=for_map,
        maps=maps,
        check=check,
        search=samples * evaluations,
        steps=steps,
        evaluations=evaluations,
        batch=batch,
        dimension=dimension,
        images=images,
    )


def affords_remap(left: int | None, images: int, evaluations: int) -> bool:
    """Return whether ``left`` pays for asking ``images`` anew and for one sample of the search."""
    return images > 0 and (left is None or left >= images + evaluations)


def _refitted(step: int, batch: int, images: int, left: int | None) -> tuple[int, int, int]:
    """Return the images asked for the mapping, those that check the program, and the steps.

    The mapping's answers come last and are reserved first: it has to be that of the program that
    is kept, and it brings more than a program does.
    """
    for_map = images if left is None else min(images, left)
    steps = 0 if left is None else max(0, left - for_map - batch) // step
    return for_map, batch if steps else 0, steps


def _epochs(
    recipe: Recipe, evaluations: int, for_map: int, images: int, rest: int | None
) -> tuple[int, int]:
    """Return how often the mapping is fitted, and how many samples all epochs judge."""
    whole = None if recipe.epochs is None else recipe.epochs * images
    if not recipe.remaps:
        affordable = None if rest is None else rest // evaluations
        return 1, min(count for count in (whole, affordable) if count is not None)
    maps, samples, epoch = 1, 0, 0
    while recipe.epochs is None or epoch < recipe.epochs:
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


def _least(recipe: Recipe, batch: int) -> int:
    """Return the images that a step of the search has to judge to be worth its queries."""
    return max(1, batch // 5) if recipe.same_batch else 1


def _affordable_answers(
    recipe: Recipe, evaluations: int, batch: int, images: int, left: int | None
) -> int:
    """Return how many training images are asked before the search."""
    if not recipe.mapping.needs_answers:
        return 0
    most = images
    if recipe.remaps:  # every epoch pays for a mapping of its own
        most = min(images, max(1, int(images * evaluations * MAP_SHARE / (1 - MAP_SHARE))))
    if left is None:
        return most
    share = int(MAP_SHARE * left)
    # Without a search, or without the means for one step of it, the mapping may have it all.
    if recipe.search is None or left - share < evaluations * _least(recipe, batch):
        share, most = left, images
    return min(most, share)
