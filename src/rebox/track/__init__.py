"""Listeners that write down how a fit goes, for `rebox.Reprogrammer`'s ``listeners``.

``rebox.mlflow.MLflowListener`` is another; any callable that takes an event is one.
"""

from rebox.track.figures import figures_of
from rebox.track.json_lines import JsonLinesListener
from rebox.track.notebook_bar import NotebookBar
from rebox.track.tensor_board import ScalarWriter, TensorBoardListener

__all__ = [
    "JsonLinesListener",
    "NotebookBar",
    "ScalarWriter",
    "TensorBoardListener",
    "figures_of",
]
