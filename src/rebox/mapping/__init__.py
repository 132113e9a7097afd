"""How the answer is read: source-class scores in, target-class probabilities out."""

from rebox.mapping.assignment import Assignment, FrequencyMapping, RandomMapping
from rebox.mapping.contract import Answers, Mapping, MappingRule
from rebox.mapping.linear import LinearMap, LinearMapping

__all__ = [
    "Answers",
    "Assignment",
    "FrequencyMapping",
    "LinearMap",
    "LinearMapping",
    "Mapping",
    "MappingRule",
    "RandomMapping",
]
