"""Does the box help? What methods that ask one are ahead of those that ask nobody, by setting."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rebox.fit.gain import MATTERS
from rebox.fit.verdict import LOCAL, WHOLE
from rebox.metric import Interval
from rebox.study.bench import Cell, TrialRow, compare_cells
from rebox.study.report.setting import REFERENCE, Setting, is_fair, label_of

METRIC = "macro_auc"
HELPS, NOTHING = "The box helps", "The box brings nothing"  # begin verdicts that say so

Answer = Literal["helps", "helps by little", "brings nothing", "cannot be told"]


@dataclass(frozen=True, kw_only=True, eq=False)
class BoxGain:
    """What asking the box brings in a setting.

    Attributes
    ----------
    answer : str
    gain : Interval
        Of macro AUC; without a width where only fits' verdicts tell.
    measured : bool
        Whether it is of test images: of one method over another; if not, it is the mean over
        verdicts of fits, each of training samples held out.
    words : str
        Of what over what, or of how many fits.
    """

    answer: Answer
    gain: Interval
    measured: bool
    words: str


def box_gain(setting: Setting) -> BoxGain | None:
    """Return what the box brings in a setting; None where nothing tells.

    On test images, of ``auto`` at its largest budget, or of the best that asks if that is not
    there, which flatters the box, over the best that asks nobody, which does not. Where no method
    was run without a box, fits' own verdicts tell.
    """
    asking = _fair([cell for cell in setting.cells if cell.box is not None and cell.asked > 0])
    alone = _fair([cell for cell in setting.cells if cell.box is None])
    named = [cell for cell in asking if cell.method == REFERENCE]
    ours = max(named, key=lambda cell: cell.size) if named else _best(asking)
    theirs = _best(alone)
    if ours is not None and theirs is not None:
        compared = compare_cells(ours, theirs, METRIC)
        if compared is not None:
            words = f"{label_of(ours)} over {label_of(theirs)}"
            gain = compared.difference
            return BoxGain(answer=_answer(gain), gain=gain, measured=True, words=words)
    return _by_verdicts(setting)


def _fair(cells: list[Cell]) -> list[Cell]:
    return [cell for cell in cells if is_fair(cell) and METRIC in cell.figures]


def _best(cells: list[Cell]) -> Cell | None:
    return max(cells, key=lambda cell: cell.figures[METRIC].value, default=None)


def _answer(gain: Interval) -> Answer:
    if gain.low > 0:
        return "helps" if gain.value >= MATTERS else "helps by little"
    return "brings nothing" if gain.high < MATTERS else "cannot be told"


def _by_verdicts(setting: Setting) -> BoxGain | None:
    """Return what verdicts of fits say, of those that compare with a local model."""
    trials = [trial for cell in setting.cells if not cell.copied for trial in cell.trials]
    told = [(trial, gain) for trial in trials if (gain := _gain_of(trial)) is not None]
    if not told:
        return None
    helped, idle = (
        sum(trial.verdict.startswith(words) for trial, _ in told) for words in (HELPS, NOTHING)
    )
    mean = float(np.mean([gain for _, gain in told]))
    answer: Answer = "cannot be told"
    if 2 * helped > len(told):
        answer = "helps" if mean >= MATTERS else "helps by little"
    elif 2 * idle > len(told):
        answer = "brings nothing"
    words = f"{helped:,} of {len(told):,} fits found that it helps"
    return BoxGain(answer=answer, gain=Interval(mean, mean, mean), measured=False, words=words)


def _gain_of(trial: TrialRow) -> float | None:
    """Return the macro AUC of a fit over its local model by its verdict; None: it says nothing."""
    areas = trial.verdict_areas
    return areas[WHOLE] - areas[LOCAL] if {WHOLE, LOCAL} <= set(areas) else None
