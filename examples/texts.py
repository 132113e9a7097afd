"""Write the texts of the tutorial: short reviews of a hotel, labelled good or bad.

    python texts.py

writes ``reviews.csv``, 100 of them with labels, ``new.csv``, 40 more without, and ``crowd.csv``,
800 that others have labelled: the tutorial makes of those a stand-in for a chat model.
"""

import csv
from pathlib import Path

import numpy as np

PRAISE = ("lovely", "spotless", "quiet", "generous", "friendly", "warm", "bright", "worth it")
BLAME = ("filthy", "noisy", "rude", "cold", "broken", "stale", "overpriced", "gloomy")
THINGS = ("room", "breakfast", "staff", "bed", "view", "shower", "lobby", "pool", "parking")


def review(rng: np.random.Generator) -> tuple[str, str]:
    """Return a review and its label: what it says of three or four things, by its majority."""
    things = rng.choice(THINGS, size=rng.choice([3, 5]), replace=False)
    good = rng.random(len(things)) < rng.choice([0.2, 0.8])
    said = [
        f"{thing} {'not ' if turned else ''}{rng.choice(PRAISE if fine != turned else BLAME)}"
        for thing, fine, turned in zip(things, good, rng.random(len(things)) < 0.2, strict=True)
    ]
    return ", ".join(said), "good" if 2 * good.sum() > len(things) else "bad"


def write(path: Path, rows: list[tuple[str, str]], *, labels: bool = True) -> None:
    """Write reviews as a CSV."""
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["text", "label"][: 2 if labels else 1])
        table.writerows(row[: 2 if labels else 1] for row in rows)


if __name__ == "__main__":
    generator = np.random.default_rng(0)
    reviews = [review(generator) for _ in range(940)]
    write(Path("crowd.csv"), reviews[:800])
    write(Path("reviews.csv"), reviews[800:900])
    write(Path("new.csv"), reviews[900:], labels=False)
    print("100 labelled reviews, 40 new ones, and 800 of a crowd's")
