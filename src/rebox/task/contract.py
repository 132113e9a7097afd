"""What every task is: images, and a label for each."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from rebox.errors import InvalidData
from rebox.task.images import ImageFiles

Images = ImageFiles | NDArray[Any]
"""Files decoded when asked, or an array (n, h, w), (n, h, w, channels) or (n, features)."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled images.

    Parameters
    ----------
    images : ImageFiles or ndarray
        n images.
    labels : (n,) ndarray
        The class of each; strings where they come from folders or a CSV.
    name : str
        What reports call it.

    Raises
    ------
    InvalidData
        There is not one label for each image.
    """

    images: Images
    labels: NDArray[Any]
    name: str

    def __post_init__(self) -> None:
        if self.labels.ndim != 1:
            raise InvalidData(
                f"{self.name}: labels have shape {self.labels.shape}; expected one label for each "
                "image: give a one-dimensional array."
            )
        if len(self.images) != len(self.labels):
            raise InvalidData(
                f"{self.name}: found {len(self.images)} images and {len(self.labels)} labels; "
                "expected one label for each image: give as many of one as of the other."
            )
