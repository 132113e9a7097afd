"""How answers become an opinion: mappings that read one, and a pool that reads several together."""

from rebox.reading.assignment import FrequencyMapping, RandomMapping
from rebox.reading.choice import rule_from_name
from rebox.reading.contract import Answers, Mapping, MappingRule, Reader
from rebox.reading.fitting import FittedReader, TrainingSet, fit_reader
from rebox.reading.likeness import distances, quick_loss
from rebox.reading.reader import PooledReader

__all__ = [
    "Answers",
    "FittedReader",
    "FrequencyMapping",
    "Mapping",
    "MappingRule",
    "PooledReader",
    "RandomMapping",
    "Reader",
    "TrainingSet",
    "distances",
    "fit_reader",
    "quick_loss",
    "rule_from_name",
]
