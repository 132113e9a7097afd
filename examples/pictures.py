"""Draw the pictures of the tutorials: 300 faded, noisy scans of digits, labelled odd or even.

    python pictures.py scans

writes ``scans/labelled/even``, ``scans/labelled/odd`` and 60 more without labels, ``scans/new``.
The digits are those of scikit-learn that the demo's recogniser was not trained on.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

LABELLED, NEW = 300, 60


def scans() -> tuple[np.ndarray, np.ndarray]:
    """Return pictures (719, 8, 8) in [0, 1] and what each is, ``even`` or ``odd``."""
    rng = np.random.default_rng(0)
    data = load_digits()
    _, digits, _, values = train_test_split(  # the recogniser's own split: it saw the rest
        data.images / 16, data.target, test_size=0.4, stratify=data.target, random_state=0
    )
    order = rng.permutation(len(values))
    digits, values = digits[order], values[order]
    noisy = 0.2 + 0.6 * digits + rng.normal(0, 0.2, digits.shape)
    return np.clip(noisy, 0, 1), np.where(values % 2, "odd", "even")


def write(folder: Path) -> None:
    """Write the pictures as PNG files."""
    images, labels = scans()
    for at in range(LABELLED + NEW):
        kind = folder / "labelled" / labels[at] if at < LABELLED else folder / "new"
        kind.mkdir(parents=True, exist_ok=True)
        pixels = (255 * images[at]).astype(np.uint8)
        Image.fromarray(pixels).save(kind / f"{at:03}.png")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "scans"))
    print(f"{LABELLED} labelled pictures, and {NEW} new ones")
