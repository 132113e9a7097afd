"""A paid service, played on this machine: keys, a budget in dollars, a journal, and a rerun.

`rebox.rehearsal.Rehearsal` speaks Clarifai's format, keeps its limits and counts its bill; the
demo's digit recogniser answers. The second fit asks the same and pays nothing.
"""

import os
import tempfile
from pathlib import Path

from pictures import scans

import rebox
from rebox.demo import open_digits
from rebox.rehearsal import Rehearsal, limits_of

os.environ["CLARIFAI_PAT"] = "any key is taken here"
images, truth = scans()

with tempfile.TemporaryDirectory() as folder, Rehearsal(
    "clarifai", open_digits(), classes=[str(digit) for digit in range(10)],
    limits=limits_of("clarifai"),
) as service:  # fmt: skip
    journal = Path(folder) / "journal.sqlite"
    for attempt in ("first fit", "second fit"):
        model = rebox.Reprogrammer(
            service.uri, budget=60, max_usd=0.10, journal=journal, random_state=0
        )
        model.fit(images[:60], truth[:60])
        print(f"{attempt}: {model.spent_.training} queries counted, ${model.spent_.usd:.4f}")
        print(f"  the service has billed {service.bill.queries} in all, ${service.bill.usd:.4f}")
    print(f"accuracy {model.score(images[300:360], truth[300:360]):.3f}")
    print(f"billed in the end: {service.bill.queries} queries, ${service.bill.usd:.4f}")
