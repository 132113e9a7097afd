"""How answers become an opinion: mappings that read one, and a pool that reads several together."""

from rebox.reading.assignment import FrequencyMapping, RandomMapping
from rebox.reading.choice import rule_from_name
from rebox.reading.contract import Answers, Mapping, MappingRule, Reader
from rebox.reading.features import Answered
from rebox.reading.fitting import FittedReader, TrainingSet, fit_reader
from rebox.reading.named import NamedAnswers
from rebox.reading.reader import PooledReader
from rebox.reading.subsets import SubsetReader
from rebox.reading.view_loss import block_distances, leave_one_out_loss

__all__ = [
    "Answered",
    "Answers",
    "FittedReader",
    "FrequencyMapping",
    "Mapping",
    "MappingRule",
    "NamedAnswers",
    "PooledReader",
    "RandomMapping",
    "Reader",
    "SubsetReader",
    "TrainingSet",
    "block_distances",
    "fit_reader",
    "leave_one_out_loss",
    "rule_from_name",
]
