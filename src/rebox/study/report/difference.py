"""What a setting's methods are compared with, and how they differ from it."""

from rebox.study.bench import Cell, Comparison, compare_cells
from rebox.study.bench.comparison import alike
from rebox.study.report.setting import Setting

REFERENCE = "auto"
COMPARED = ("accuracy", "macro_auc")


def reference_of(setting: Setting, reference: str | None = None) -> str | None:
    """Return the method that others are compared with: ``reference``, where the setting has it.

    Otherwise it is ``auto`` where that is there, or the first that did not peek.
    """
    fair = [cell.method for cell in setting.cells if not cell.peeks]
    for name in (reference, REFERENCE):
        if name in fair:
            return name
    return fair[0] if fair else None


def differences(setting: Setting, reference: str | None = None) -> list[dict[str, Comparison]]:
    """Return how each cell's accuracy and AUC differ from the reference's at the same budget.

    Methods without a budget are compared with the reference at its largest. Where nothing is in
    common, neither a seed nor a fold, there is no difference to tell.
    """
    name = reference_of(setting, reference)
    own = [cell for cell in setting.cells if cell.method == name]
    apart = []
    for cell in setting.cells:
        rival = None if cell.method == name else _rival(own, cell)
        if rival is None:
            continue
        compared = {metric: compare_cells(cell, rival, metric) for metric in COMPARED}
        figures = {metric: one for metric, one in compared.items() if one is not None}
        if figures:
            apart.append(figures)
    return apart


def _rival(own: list[Cell], cell: Cell) -> Cell | None:
    """Return the reference's cell of the same budget, and of as many queries if there is one."""
    if cell.budget is not None and any(c.budget is not None for c in own):
        own = [c for c in own if c.budget == cell.budget]
    return alike(own, cell)
