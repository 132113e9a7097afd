"""A box of your own: any function of images that returns a row of scores for each.

This one is a colour detector that knows red, green and blue; the task is to tell ripe fruit. It
is asked at most 80 times, and counts.
"""

import numpy as np

import rebox


def detector(images: np.ndarray) -> np.ndarray:
    """Return how red, green and blue images (n, height, width, 3) in [0, 1] are."""
    return images.mean(axis=(1, 2))


rng = np.random.default_rng(0)
ripe = np.arange(120) % 2 == 0
fruit = rng.normal(0.5, 0.25, (120, 8, 8, 3)) + np.where(ripe, 0.06, -0.06)[:, None, None, None]
pixels = (255 * np.clip(fruit, 0, 1)).astype(np.uint8)
labels = np.where(ripe, "ripe", "green")

box = rebox.FunctionBox(detector, size=(8, 8), classes=["red", "green", "blue"], price_usd=0.001)
model = rebox.Reprogrammer(box, budget=80, random_state=0).fit(pixels[:80], labels[:80])
print(f"accuracy {model.score(pixels[80:], labels[80:]):.3f}")
print(model.spent_)
model.save("fruit.rebox")
again = rebox.Reprogrammer.load("fruit.rebox", box)
print("the saved model says the same:", (again.predict(pixels) == model.predict(pixels)).all())
