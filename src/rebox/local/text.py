"""Plain features of one text: which runs of characters it holds, hashed, in any language.

Nothing is downloaded and nothing learnt: words have no boundaries in many languages, and runs of
one to four characters tell more of a text than its words do where few are labelled.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import HashingVectorizer

BLOCKS = ("characters",)
SPACE = 2**20  # places that runs of characters are hashed to, before they are folded
WIDTH = 4096  # features
RUNS = (1, 4)  # characters, fewest and most
READ = 16_384  # characters of a long text that are looked at, from its beginning and its end each


def text_blocks(text: str) -> tuple[NDArray[np.float32], ...]:
    """Return the features of one text, one array (d,) for each of `BLOCKS`.

    Counts by their logarithm, in proportion to their length: a text that is said twice is nearly
    the same. Of a text longer than twice `READ`, the middle is not looked at, which bounds time and
    memory.
    """
    if len(text) > 2 * READ:
        text = f"{text[:READ]} {text[-READ:]}"
    counts = _vectorizer().transform([text])
    place, sign = counts.indices % WIDTH, np.where(counts.indices // WIDTH % 2, -1.0, 1.0)
    folded = np.bincount(place, sign * (1.0 + np.log(counts.data)), WIDTH)
    length = np.linalg.norm(folded)
    return ((folded / (length or 1.0)).astype(np.float32),)


@cache
def _vectorizer() -> Any:
    return HashingVectorizer(
        analyzer="char", ngram_range=RUNS, n_features=SPACE, alternate_sign=False, norm=None
    )
