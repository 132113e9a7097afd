"""Files of recorded answers, made up: what services said of samples, and what they are."""

import numpy as np

SERVICES = ("Good", "Free", "Poor")


def answers(n=120, classes=3, seed=0, **more):
    """Return the arrays of a file: the first service is right about nine in ten."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % classes
    labels = np.empty((n, len(SERVICES)), dtype=np.int16)
    for column, right in enumerate((0.9, 0.7, 0.5)):
        wrong = (truth + rng.integers(1, classes, n)) % classes
        labels[:, column] = np.where(rng.random(n) < right, truth, wrong)
    return {
        "ids": np.array([f"s{i:03}.jpg" for i in range(n)]),
        "truth": truth.astype(np.int16),
        "services": np.array(SERVICES),
        "usd_per_10k": np.array([10.0, 0.0, 5.0]),
        "labels": labels,
        "confidence": rng.uniform(0.4, 1, labels.shape).astype(np.float32),
    } | more


def recording(path, **more):
    """Write such a file; return its path."""
    np.savez(path, **answers(**more))
    return path


def uri(path, service="Good", **options):
    """Return how a service's answers in the file are opened."""
    named = "".join(f"&{name}={value}" for name, value in options.items())
    return f"recorded:{path}?service={service}{named}"
