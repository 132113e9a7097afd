"""Texts of two classes, and functions in the place of boxes that read them."""

import numpy as np

from rebox.box import FunctionBox

WORDS = {"praise": ("good", "lovely", "fresh"), "blame": ("bad", "stale", "rude")}
SOURCES = ("up", "down", "flat")


def reviews(n, seed=0):
    """Return n texts and their classes; one in eight says the opposite of what is meant."""
    rng = np.random.default_rng(seed)
    meant = rng.choice(list(WORDS), n)
    said = np.where(rng.random(n) < 1 / 8, np.where(meant == "blame", "praise", "blame"), meant)
    texts = [f"The soup was {rng.choice(WORDS[one])}, table {rng.integers(999)}" for one in said]
    return texts, meant


def _length(text):
    return 0.3 + len(text) % 7 / 100


def scores(texts):
    """Return (n, 3) probabilities by counting words, and a little by length."""
    counts = np.array(
        [
            [sum(map(text.count, WORDS[one])) + 0.2 for one in WORDS] + [_length(text)]
            for text in texts
        ]
    )
    return counts / counts.sum(axis=1, keepdims=True)


def text_box(function=scores, **options):
    """Return a box of texts; a function of another name is another box."""
    return FunctionBox(function, takes="texts", classes=SOURCES, **options)


class Keeping:
    """A function that keeps the texts that it is shown."""

    def __init__(self):
        self.shown = []

    def __call__(self, texts):
        self.shown.extend(texts)
        return scores(texts)
