"""Who answers: classifiers that can only be asked.

The boxes themselves stand in modules of their own, imported when they are opened:
`rebox.box.onnx.OnnxBox`, `rebox.box.torch.TorchBox`, `rebox.box.rehearsal.RehearsalBox`.
"""

from rebox.box.canary import Drift, canaries, canary_images, canary_texts, drift_between
from rebox.box.contract import BlackBox, check_scores
from rebox.box.encoder import Encoder, FunctionEncoder, open_encoder
from rebox.box.function import FunctionBox
from rebox.box.limited import LimitedBox
from rebox.box.nobody import NOBODY, Nobody
from rebox.box.origin import is_service, open_foreign
from rebox.box.preprocess import PRESETS, Preprocess, Scratch
from rebox.box.privacy import check_stays, warn_of_leaving, words_of_leaving
from rebox.box.probe import PROBE_QUESTIONS, ProbeReport, probe
from rebox.box.probe_ids import ID_QUESTIONS, probe_ids
from rebox.box.probe_texts import TEXT_QUESTIONS, probe_texts
from rebox.box.registry import BOXES, BoxURI, beside, files_of, open_box, worded
from rebox.box.spec import BoxSpec, Images, Queries, Scores

__all__ = [
    "BOXES",
    "ID_QUESTIONS",
    "NOBODY",
    "PRESETS",
    "PROBE_QUESTIONS",
    "TEXT_QUESTIONS",
    "BlackBox",
    "BoxSpec",
    "BoxURI",
    "Drift",
    "Encoder",
    "FunctionBox",
    "FunctionEncoder",
    "Images",
    "LimitedBox",
    "Nobody",
    "Preprocess",
    "ProbeReport",
    "Queries",
    "Scores",
    "Scratch",
    "beside",
    "canaries",
    "canary_images",
    "canary_texts",
    "check_scores",
    "check_stays",
    "drift_between",
    "files_of",
    "is_service",
    "open_box",
    "open_encoder",
    "open_foreign",
    "probe",
    "probe_ids",
    "probe_texts",
    "warn_of_leaving",
    "worded",
    "words_of_leaving",
]
