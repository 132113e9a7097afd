"""How the answer is read: source-class scores in, target-class probabilities out."""

from rebox.mapping.assignment import Assignment, FrequencyMapping, RandomMapping
from rebox.mapping.bayesian import BayesianMap, BayesianMapping
from rebox.mapping.choice import CANDIDATES, BestMap, rule_from_name
from rebox.mapping.contract import Answers, Mapping, MappingRule
from rebox.mapping.discriminant import DiscriminantMap
from rebox.mapping.features import AnswerFeatures, features_of
from rebox.mapping.kernel import KernelMap, KernelMapping
from rebox.mapping.linear import LinearMap, LinearMapping
from rebox.mapping.probabilistic import BiasedMapping, CrossFitted, ProbabilisticRule
from rebox.mapping.ridge import RidgeMap

__all__ = [
    "CANDIDATES",
    "AnswerFeatures",
    "Answers",
    "Assignment",
    "BayesianMap",
    "BayesianMapping",
    "BestMap",
    "BiasedMapping",
    "CrossFitted",
    "DiscriminantMap",
    "FrequencyMapping",
    "KernelMap",
    "KernelMapping",
    "LinearMap",
    "LinearMapping",
    "Mapping",
    "MappingRule",
    "ProbabilisticRule",
    "RandomMapping",
    "RidgeMap",
    "features_of",
    "rule_from_name",
]
