"""Mean and variance of every gradient estimator, on a quadratic in 50 dimensions.

Run ``python benchmarks/estimators.py``.

f(w) = ½ wᵀHw + gᵀw; 20,000 draws of q = 10 directions each, as 200 steps of 100 samples that have
the same loss and directions of their own. Columns: ‖mean‖ / ‖gradient‖ - 1; the cosine between
them; E‖ĝ - gradient‖² over theory (the table in `rebox.search.directions`).

The second table has 20 samples with gradients of their own, gᵢ = common + spread * (noise - mean
noise): the mean squared error with shared directions over that with directions for each sample, at
equal queries, against theory: n ‖mean gᵢ‖² / mean ‖gᵢ‖².
"""

import numpy as np

from rebox.search import (
    Antithetic,
    Coordinate,
    Gaussian,
    OneSided,
    Orthogonal,
    Rademacher,
    SegmentedUniform,
    Sphere,
)

D, Q = 50, 10
STEPS, COPIES, SAMPLES = 200, 100, 20
SMOOTHING = 1e-5
VARIANCE = {
    Sphere(): (D - 1) / Q,
    Rademacher(): (D - 1) / Q,
    Gaussian(): (D + 1) / Q,
    SegmentedUniform(): 7 / 6 * (D - 1) / Q,
    Coordinate(): D / Q - 1,
    Orthogonal(): D / Q - 1,
}


def estimates(estimator, loss, w, samples, steps):
    """Return one estimate a step (steps, d); ``loss`` maps points (1 or n, d) to losses."""
    found = []
    for step in range(steps):
        points = estimator.points(w, seed=0, step=step, samples=samples)
        losses = np.stack([np.broadcast_to(loss(point), samples) for point in points])
        found.append(estimator.estimate(losses, len(w), seed=0, step=step))
    return np.array(found)


def moments(estimator, variance):
    rng = np.random.default_rng(0)
    root = rng.normal(size=(D, D)) / np.sqrt(D)
    hessian, slope, w = root @ root.T, rng.normal(size=D), rng.normal(size=D)
    gradient = hessian @ w + slope
    found = estimates(
        estimator,
        lambda points: ((points @ hessian) * points).sum(axis=1) / 2 + points @ slope,
        w,
        COPIES,
        STEPS,
    )
    mean, norm = found.mean(axis=0), np.linalg.norm(gradient)
    cosine = mean @ gradient / np.linalg.norm(mean) / norm
    squared = COPIES * np.sum((found - gradient) ** 2, axis=1).mean() / norm**2
    return np.linalg.norm(mean) / norm - 1, cosine, squared / variance


def shared_over_own(kind, directions, spread):
    rng = np.random.default_rng(2)
    common, noise = rng.normal(size=D), rng.normal(size=(SAMPLES, D))
    slopes = common + spread * (noise - noise.mean(axis=0))
    errors = [
        np.sum((found - slopes.mean(axis=0)) ** 2, axis=1).mean()
        for per_sample in (False, True)
        for found in [
            estimates(
                kind(directions=directions, q=Q, per_sample=per_sample),
                lambda points: (points * slopes).sum(axis=1),
                np.zeros(D),
                SAMPLES,
                STEPS,
            )
        ]
    ]
    theory = SAMPLES * np.sum(slopes.mean(axis=0) ** 2) / np.mean(np.sum(slopes**2, axis=1))
    return errors[0] / errors[1], theory


def main():
    print(f"{'estimator':30}{'magnitude':>12}{'cosine':>10}{'variance/theory':>18}")
    for kind in (OneSided, Antithetic):
        for directions, variance in VARIANCE.items():
            estimator = kind(directions=directions, q=Q, smoothing=SMOOTHING, per_sample=True)
            magnitude, cosine, ratio = moments(estimator, variance)
            name = f"{kind.__name__} {type(directions).__name__}"
            print(f"{name:30}{magnitude:>+12.2%}{cosine:>10.5f}{ratio:>18.3f}")
    print(f"\n{'shared / per-sample MSE':30}{'spread':>12}{'measured':>10}{'theory':>18}")
    for directions in VARIANCE:
        for spread in (0.0, 1.0, 10.0):
            measured, theory = shared_over_own(OneSided, directions, spread)
            name = f"OneSided {type(directions).__name__}"
            print(f"{name:30}{spread:>12g}{measured:>10.2f}{theory:>18.2f}")


if __name__ == "__main__":
    main()
