"""The task of the demo: scikit-learn's breast-cancer data, split once and for all."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

TEST_SHARE = 0.4
SPLIT_SEED = 0  # the split belongs to the task: another seed of the demo does not move it


@dataclass(frozen=True, eq=False)
class Patients:
    """569 patients, 30 figures measured on the cell nuclei of each, and the diagnosis.

    Attributes
    ----------
    train, test : (341, 30), (228, 30) float64
    train_labels, test_labels : (341,), (228,) str
        ``benign`` or ``malignant``.
    """

    train: NDArray[np.float64]
    test: NDArray[np.float64]
    train_labels: NDArray[Any]
    test_labels: NDArray[Any]


def load_patients() -> Patients:
    """Return the patients, 60 % of each diagnosis for training."""
    data = load_breast_cancer()
    labels = data.target_names[data.target]
    return Patients(
        *train_test_split(
            data.data, labels, test_size=TEST_SHARE, stratify=labels, random_state=SPLIT_SEED
        )
    )
