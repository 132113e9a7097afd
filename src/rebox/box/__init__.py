"""Who answers: classifiers that can only be asked.

The boxes themselves stand in modules of their own, imported when they are opened:
`rebox.box.onnx.OnnxBox`, `rebox.box.torch.TorchBox`, `rebox.box.rehearsal.RehearsalBox`.
"""

from rebox.box.contract import BlackBox, BoxSpec, Images, Scores, check_scores, parse_size
from rebox.box.function import FunctionBox
from rebox.box.preprocess import PRESETS, Preprocess
from rebox.box.probe import ProbeReport, probe
from rebox.box.registry import BoxURI, OptionReader, known_schemes, open_box
from rebox.box.scratch import Scratch

__all__ = [
    "PRESETS",
    "BlackBox",
    "BoxSpec",
    "BoxURI",
    "FunctionBox",
    "Images",
    "OptionReader",
    "Preprocess",
    "ProbeReport",
    "Scores",
    "Scratch",
    "check_scores",
    "known_schemes",
    "open_box",
    "parse_size",
    "probe",
]
