import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from rebox.box import open_box
from rebox.box.rehearsal import RehearsalBox
from rebox.errors import InvalidOption
from rebox.testing import BoxContract

URIS = [
    "rehearsal:",
    "rehearsal:?classes=10&size=32&top_k=5&decimals=3&price_usd=0.002&channels=1&seed=3",
    "rehearsal:?classes=4&size=7x45&pixels=float32&batch_size=5",
]


class TestRehearsalBox(BoxContract):
    tolerance = 0.0  # bit for bit

    @pytest.fixture(params=URIS)
    def box(self, request):
        return open_box(request.param)

    @pytest.fixture
    def reopen(self, box):
        return lambda: open_box(box.uri)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(0, 1000))
def test_company_changes_no_bit(n, seed):
    box = RehearsalBox(pixels="float32", size=24, batch_size=64)
    images = np.random.default_rng(seed).random((n, 24, 24, 3), dtype=np.float32)
    together = box.ask(images)
    alone = np.concatenate([box.ask(image[None]) for image in images])
    assert together.tobytes() == alone.tobytes()


def test_seeds_and_options_are_in_the_identity():
    boxes = [
        RehearsalBox(**o) for o in ({}, {"seed": 1}, {"top_k": 3}, {"size": 16}, {"decimals": 2})
    ]
    assert len({box.spec.identity for box in boxes}) == len(boxes)
    assert RehearsalBox(price_usd=1.0).spec.identity == boxes[0].spec.identity


def test_top_k_names_k_classes():
    scores = RehearsalBox(top_k=3).ask(np.full((2, 32, 32, 3), 90, np.uint8))
    assert ((scores > 0).sum(axis=1) == 3).all()
    full = RehearsalBox().ask(np.full((2, 32, 32, 3), 90, np.uint8))
    np.testing.assert_array_equal(scores[scores > 0], np.where(scores > 0, full, 0)[scores > 0])


def test_answers_are_smooth():
    box = RehearsalBox(pixels="float32")
    rng = np.random.default_rng(0)
    images = rng.uniform(0.2, 0.8, (8, 32, 32, 3)).astype(np.float32)
    step = rng.choice([-1, 1], images.shape).astype(np.float32)
    base = np.log(box.ask(images))
    changes = [np.abs(np.log(box.ask(images + e * step)) - base).max() for e in (0.002, 0.004)]
    assert 0 < changes[0] < changes[1] < 0.5
    assert changes[1] / changes[0] == pytest.approx(2, rel=0.1)


def test_log_scores_spread_over_several_units():
    images = np.random.default_rng(0).integers(0, 256, (16, 4, 4, 3))
    images = images.repeat(8, axis=1).repeat(8, axis=2).astype(np.uint8)
    logs = np.log(RehearsalBox().ask(images))
    assert (np.ptp(logs, axis=1) > 2).all()
    assert (logs.std(axis=0) > 0.3).all()


def test_a_linear_map_of_its_log_scores_learns_a_table():
    x, y = load_breast_cancer(return_X_y=True)
    x, y = x[::2], y[::2]
    low, high = np.percentile(x, [1, 99], axis=0)
    cells = np.zeros((len(x), 36))
    cells[:, :30] = np.clip((x - low) / (high - low), 0, 1)
    inner = cells.reshape(-1, 6, 6).repeat(5, axis=1).repeat(5, axis=2)
    images = np.full((len(x), 32, 32, 3), 0.5, np.float32)
    images[:, 1:31, 1:31] = inner[..., None]
    answers = np.log(RehearsalBox(pixels="float32").ask(images))
    model = make_pipeline(StandardScaler(), LogisticRegression())
    assert cross_val_score(model, answers, y, cv=5).mean() > 0.88


@pytest.mark.parametrize(
    "uri",
    [
        "rehearsal:?top_k=11",
        "rehearsal:?top_k=0",
        "rehearsal:?decimals=0",
        "rehearsal:?pixels=float64",
        "rehearsal:?classes=1",
        "rehearsal:?classes=-1",
        "rehearsal:?channels=2",
        "rehearsal:?seed=-1",
        "rehearsal:?batch_size=0",
        "rehearsal:?price_usd=-1",
        "rehearsal:thing",
    ],
)
def test_bad_options_are_refused(uri):
    with pytest.raises(InvalidOption):
        open_box(uri)
