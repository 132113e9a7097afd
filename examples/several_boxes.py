"""Two boxes at two prices, and predictions that ask only as far as it pays.

The cheap box says a digit's class and nothing else; the dear one says all ten scores. Predictions
may cost a mean of $0.001: whom to ask about which picture is learnt from pictures held out.
"""

from pictures import scans

import rebox
from rebox.demo import open_digits

digits = open_digits()
dear = rebox.FunctionBox(
    digits.answer, size=(16, 16), channels=1, classes=10, price_usd=0.002, identity="dear"
)
cheap = rebox.FunctionBox(
    lambda images: digits.answer(images) > 0.5,
    size=(16, 16), channels=1, classes=10, price_usd=0.0002, identity="cheap",
)  # fmt: skip

images, truth = scans()
model = rebox.Reprogrammer([dear, cheap], budget=400, usd_per_prediction=0.001, random_state=0).fit(
    images[:200], truth[:200]
)
print(model.verdict_)

before = model.spent_.usd
said = model.predict(images[300:500])
print(f"accuracy {(said == truth[300:500]).mean():.3f}")
print(f"${(model.spent_.usd - before) / 200:.5f} for each prediction, in the mean")
