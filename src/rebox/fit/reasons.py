"""Why a fit ended, in the words that its user reads."""

from collections.abc import Callable

from rebox.errors import BudgetExhausted
from rebox.fit.events import StopFit

BUDGET_ENDED = "the budget is spent"
SPENT_ELSEWHERE = (
    "the budget is spent: sends that failed, answers that cost more than was planned, other "
    "processes, or hours that are paid for took a part of it"
)
TOO_SMALL = "the budget does not pay for one step of the search"
EPOCHS_DONE = "every epoch is done"
NOBODY_ASKED = "the recipe asks nobody"
ALL_ASKED = "every training sample has been asked"
PARTLY_ASKED = "the budget is spent before every training sample was asked"
INTERRUPTED = "interrupted by the user"
STOPPED = "stopped by a listener"
FAILED = "cut short by an error"
NOT_BETTER = "the program that was found reads no better than nothing added, and is left out"


def carry_out(
    work: Callable[[], str], learnt: Callable[[], bool]
) -> tuple[str, BaseException | None]:
    """Return why ``work`` ended, and what cut it short after something had been ``learnt``.

    What comes before that is raised at once.
    """
    try:
        return work(), None
    except StopFit:
        return STOPPED, None
    except BudgetExhausted:
        # plans keep to the budget; sends that had to be repeated, or another process, have spent it
        if not learnt():
            raise
        return SPENT_ELSEWHERE, None
    except (Exception, KeyboardInterrupt) as error:
        if not learnt():
            raise
        return INTERRUPTED if isinstance(error, KeyboardInterrupt) else FAILED, error
