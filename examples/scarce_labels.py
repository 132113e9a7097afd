"""A box that pays: 60 labels, noisy pictures, and a recogniser that knows what they show.

The box recognises digits and was never asked whether one is odd. It is asked once about each
picture; a local model sees the same pictures and asks nobody.
"""

from pictures import scans

import rebox
from rebox.demo import open_digits
from rebox.metric import accuracy, accuracy_gain

LABELS = 60

images, truth = scans()
train, test = slice(0, LABELS), slice(300, None)
model = rebox.Reprogrammer(open_digits(), budget=LABELS, random_state=0)
model.fit(images[train], truth[train])
alone = rebox.Reprogrammer(None, recipe="local", random_state=0).fit(images[train], truth[train])

said, said_alone = model.predict(images[test]), alone.predict(images[test])
print(f"with the box:   accuracy {accuracy(truth[test], said):.3f}")
print(f"asking nobody:  accuracy {accuracy(truth[test], said_alone):.3f}")
print(f"the box brings: {accuracy_gain(truth[test], said, said_alone):+.3f}")
print(model.verdict_)
