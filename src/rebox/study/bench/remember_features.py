"""A white box that keeps the features it computed, for the folds that look at the same images."""

import time
from dataclasses import dataclass, field, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rebox.study.baseline.whitebox import WhiteBox
from rebox.study.bench.remember import image_digest


@dataclass(eq=False)
class Kept:
    """Features by digest of an image, and the seconds that they took and saved."""

    features: dict[bytes, NDArray[np.float64]] = field(default_factory=dict)
    seconds: float = 0.0
    saved_s: float = 0.0

    @property
    def seconds_per_image(self) -> float:
        """Mean seconds that the features of an image took."""
        return self.seconds / len(self.features) if self.features else 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class RememberingWhiteBox(WhiteBox):
    """Computes the features of an image once, whichever fold asks for them.

    They are kept in memory, by the image's exact bytes, as long as this white box is; their last
    bits may depend on the images that they were first computed beside.

    Attributes
    ----------
    kept : Kept
    """

    kept: Kept = field(default_factory=Kept, repr=False)

    @classmethod
    def around_box(cls, opened: WhiteBox, *, precision: str) -> Self:
        """Return an opened box that remembers, and computes in this precision."""
        parts = {part.name: getattr(opened, part.name) for part in fields(opened)}
        return cls(**{**parts, "precision": precision})

    @property
    def saved_s(self) -> float:
        """Seconds that what was remembered would have taken, by the mean of what was computed."""
        return self.kept.saved_s

    def features_at(self, placed: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return (k, d) penultimate features of k placed images, computed where they are new."""
        kept, keys = self.kept, [image_digest(image) for image in placed]
        new = {key: i for i, key in enumerate(keys) if key not in kept.features}
        if new:
            started = time.perf_counter()
            computed = super().features_at(placed[list(new.values())])
            kept.seconds += time.perf_counter() - started
            kept.features |= dict(zip(new, computed, strict=True))
        kept.saved_s += (len(keys) - len(new)) * kept.seconds_per_image
        return np.stack([kept.features[key] for key in keys])
