"""What is said is decided apart from how probable it is: a class that must not be missed.

The same opinions, decided for accuracy, for a sensitivity, and as sets of classes.
"""

import rebox
from rebox.demo import load_patients
from rebox.metric import measure

patients = load_patients()
for objective in ("accuracy", "sensitivity:malignant>=0.98"):
    model = rebox.Reprogrammer(None, recipe="local", objective=objective, random_state=0)
    model.fit(patients.train, patients.train_labels)
    promised = model.promised_.figures
    print(f"decided for {objective}; promised of new patients:")
    print("  " + ", ".join(f"{name} {figure:.3f}" for name, figure in promised.items()))
    said = model.predict(patients.test)
    missed = ((said == "benign") & (patients.test_labels == "malignant")).sum()
    alarms = ((said == "malignant") & (patients.test_labels == "benign")).sum()
    print(f"  of the test patients, malignant ones missed: {missed}; false alarms: {alarms}")

sets = model.predict_set(patients.test, 0.99)
print(f"sets that hold the true class 99 times of 100, whichever it is: {sets}")
print(measure(patients.test_labels, model.predict_proba(patients.test), model.classes_))
