"""A box that brings nothing, and a library that says so.

A recogniser of handwritten digits is asked about tumours: 341 patients, 30 figures each. The model
works, the box has no part in that, and the verdict names what to run instead.
"""

import rebox
from rebox.demo import load_patients, open_digits

patients = load_patients()
model = rebox.Reprogrammer(open_digits(), budget=341, random_state=0)
model.fit(patients.train, patients.train_labels)
print(f"with the box: accuracy {model.score(patients.test, patients.test_labels):.3f}")
print(f"the fit asked {model.spent_.training} times")
print(model.verdict_)

alone = rebox.Reprogrammer(None, recipe="local", random_state=0)
alone.fit(patients.train, patients.train_labels)
print(f"asking nobody: accuracy {alone.score(patients.test, patients.test_labels):.3f}")
