"""Figures of publications, as fixed rows to stand beside measured ones."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

SEED_STUDY = "Tsai, Chen and Ho, ICML 2020"


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published row.

    Attributes
    ----------
    task, box, method
        As the shipped plans name what repeats it; no box for models that ask none.
    accuracy, sensitivity, specificity : float or None
        Percent, as printed.
    queries : str
        As printed; empty where none are.
    apart : str
        Where no plan repeats it: what does, or why nothing can.
    """

    task: str
    box: str | None = None
    method: str
    accuracy: float
    sensitivity: float | None = None
    specificity: float | None = None
    queries: str = ""
    usd: float | None = None
    source: str = SEED_STUDY
    apart: str = ""

    @property
    def spelled(self) -> str:
        """The row as it is printed: accuracy / sensitivity / specificity."""
        figures = (self.accuracy, self.sensitivity, self.specificity)
        return " / ".join(f"{figure:.2f}" for figure in figures if figure is not None)


@cache
def published() -> tuple[Published, ...]:
    """Return all published rows, in the order of their tables."""
    text = files("rebox.study.bench").joinpath("published.toml").read_text(encoding="utf-8")
    return tuple(Published(**row) for row in tomllib.loads(text)["figures"])


def published_for(task: str, box: str | None, method: str) -> Published | None:
    """Return the published row that a method repeats.

    ``bar-5k`` repeats ``bar``, and a task ``ham10000-1500`` the published ``ham10000``.
    """
    own = [row for row in published() if row.box == box and _repeats(task, row.task)]
    for row in own:
        if row.method == method:
            return row
    if method.startswith("bar-as-released"):  # what the code does is not what the paper describes
        return None
    return next((row for row in own if method.startswith(f"{row.method}-")), None)


def _repeats(task: str, known: str) -> bool:
    return task == known or task.startswith(f"{known}-")
