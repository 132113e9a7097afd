"""Real models on real data, small: skipped, with the reason, where neither is at hand."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import rebox

DATA = Path(os.environ.get("REBOX_DATA", Path(__file__).parents[2] / "shared" / "data"))
SQUEEZENET = DATA / "models" / "imagenet_squeezenet1_1.onnx"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not SQUEEZENET.is_file(), reason=f"no real models and data in {DATA}: set REBOX_DATA"
    ),
]


@pytest.fixture(scope="module")
def box():
    return rebox.open_box(f"onnx:{SQUEEZENET}?preprocess=imagenet")


def test_skin_lesions_by_an_imagenet_classifier(box, tmp_path):
    """Benign naevus or not, 150 lesions to learn from: far better than a guess."""
    folder = DATA / "ham10000"
    first = {}
    with (folder / "HAM10000_metadata.csv").open() as file:
        for row in csv.DictReader(file):
            first.setdefault(row["lesion_id"], row)
    rows = list(first.values())
    chosen = np.random.default_rng(0).permutation(len(rows))[:250]
    files = rebox.ImageFiles([folder / "images" / f"{rows[i]['image_id']}.jpg" for i in chosen])
    naevus = np.array([rows[i]["dx"] == "nv" for i in chosen])
    asked = box.answered
    model = rebox.Reprogrammer(box, "map", budget=150, random_state=0)
    model.fit(files[:150], naevus[:150])
    found = model.predict_proba(files[150:])[:, 1]
    assert roc_auc_score(naevus[150:], found) > 0.7
    assert model.spent_.total == box.answered - asked == 250


def test_auto_reads_lesions_with_what_can_be_seen_without_asking(box):
    folder = DATA / "ham10000"
    with (folder / "HAM10000_metadata.csv").open() as file:
        rows = list({row["lesion_id"]: row for row in csv.DictReader(file)}.values())
    chosen = np.random.default_rng(1).permutation(len(rows))[:250]
    files = rebox.ImageFiles([folder / "images" / f"{rows[i]['image_id']}.jpg" for i in chosen])
    naevus = np.array([rows[i]["dx"] == "nv" for i in chosen])
    model = rebox.Reprogrammer(box, budget=150, random_state=0).fit(files[:150], naevus[:150])
    assert roc_auc_score(naevus[150:], model.predict_proba(files[150:])[:, 1]) > 0.75
    assert [row.queries for row in model.verdict_.rows] == [0, 0, 1, 1]


def test_connectivity_matrices_by_an_imagenet_classifier(box, tmp_path):
    """BAR's own task: 200 x 200 correlations in the middle of 224 x 224, d as published."""
    with np.load(DATA / "abide" / "abide_cc200.npz") as abide:
        group = abide["dx_group"]
        chosen = np.sort(np.concatenate([np.flatnonzero(group == g)[:12] for g in (1, 2)]))
        upper, group = abide["correlation"][chosen].astype(np.float32), group[chosen]
    matrices = np.zeros((24, 200, 200), dtype=np.float32)
    rows, columns = np.triu_indices(200, 1)
    matrices[:, rows, columns] = matrices[:, columns, rows] = upper
    matrices[:, range(200), range(200)] = 1
    model = rebox.Reprogrammer(
        box, "bar?q=1&mapping=random&m=6&epochs=1", budget=48, value_range=(-1, 1), random_state=0
    ).fit(matrices, group)
    assert model.spent_.search == 48
    assert model.artefact_.model.questions[0].program.dimension == (224 * 224 - 200 * 200) * 3
    assert model.predict(matrices[:2]).shape == (2,)
    model.save(tmp_path / "m.rebox")
    again = rebox.Reprogrammer.load(tmp_path / "m.rebox")
    np.testing.assert_array_equal(
        again.predict_proba(matrices[:2]), model.predict_proba(matrices[:2])
    )
