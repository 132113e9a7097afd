"""What of an answer is looked at: by hand, and whichever box it came from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from told import told

from rebox.reading.features import FLOOR, KINDS, AnswerFeatures, features_of
from rebox.reading.linear import LinearMapping


def answers(scores=None, **known):
    scores = np.array([[0.5, 0.3, 0.2]], dtype=np.float32) if scores is None else scores
    return told(
        scores=scores, targets=np.zeros(len(scores), dtype=int), prior=np.full(2, 0.5), **known
    )


def features_for(known, view="logs"):
    return features_of(known.spec, known.scores, view)


@pytest.mark.parametrize(
    ("known", "view", "expected"),
    [
        ({}, "logs", AnswerFeatures("log-ratios", FLOOR)),
        ({"decimals": 1}, "logs", AnswerFeatures("log-ratios", 0.05)),
        (
            {"complete": False, "sums_to_one": False},
            "logs",
            AnswerFeatures("log-ratios", FLOOR, True),
        ),
        ({"sums_to_one": False}, "logs", AnswerFeatures("log-odds", FLOOR)),
        ({"labels_only": True, "complete": False}, "logs", AnswerFeatures("plain", FLOOR)),
        ({"labels_only": True, "complete": False}, "roots", AnswerFeatures("plain", FLOOR)),
        ({}, "roots", AnswerFeatures("roots", FLOOR)),
        ({"complete": False, "sums_to_one": False}, "roots", AnswerFeatures("roots", FLOOR)),
        ({"sums_to_one": False}, "roots", AnswerFeatures("roots-of-odds", FLOOR)),
        ({}, "plain", AnswerFeatures("plain", FLOOR)),
    ],
)
def test_the_box_decides(known, view, expected):
    assert features_for(answers(**known), view) == expected


def test_scores_beyond_one_have_no_odds():
    large = answers(np.array([[3.0, 0.1, 0.0]], dtype=np.float32), sums_to_one=False)
    assert features_for(large).kind == "logs"
    assert features_for(large, "roots").kind == "roots"


def test_log_ratios_by_hand():
    p = np.array([[0.5, 0.3, 0.2]])
    logs = np.log(p + 0.05)
    np.testing.assert_allclose(AnswerFeatures("log-ratios", 0.05)(p), logs - logs.mean())
    np.testing.assert_allclose(AnswerFeatures("logs", 0.05)(p), logs)


def test_log_odds_by_hand():
    p = np.array([[0.5, 0.9, 0.0, 1.0]])
    found = AnswerFeatures("log-odds", 0.01)(p)
    expected = [0, np.log(0.91 / 0.11), np.log(0.01 / 1.01), np.log(1.01 / 0.01)]
    np.testing.assert_allclose(found, [expected], atol=1e-12)


def test_all_sigmoids_moving_together_are_seen_in_log_odds_alone():
    """Which is why they are not centred."""
    low, high = (np.full((1, 4), p) for p in (0.1, 0.9))
    np.testing.assert_allclose(AnswerFeatures()(low), AnswerFeatures()(high), atol=1e-12)
    assert (AnswerFeatures("log-odds")(high) - AnswerFeatures("log-odds")(low) > 4).all()


def test_roots_by_hand():
    p = np.array([[0.25, 0.0, 0.75]])
    np.testing.assert_allclose(AnswerFeatures("roots")(p), np.sqrt(p))
    both = AnswerFeatures("roots-of-odds")(p)
    np.testing.assert_allclose(both, np.hstack([np.sqrt(p), np.sqrt(1 - p)]))


def test_what_a_top_k_answer_leaves_out_is_half_of_the_least_shown():
    p = np.array([[0.5, 0.0, 0.2], [0.0, 0.9, 0.0], [0.0, 0.0, 0.0]])
    logs = AnswerFeatures("logs", 1e-7, censored=True)(p)
    np.testing.assert_allclose(
        np.exp(logs), [[0.5, 0.1, 0.2], [0.45, 0.9, 0.45], [1, 1, 1]], rtol=1e-5
    )
    np.testing.assert_allclose(AnswerFeatures(censored=True)(p)[2], 0)  # it tells nothing


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    floor=st.sampled_from([FLOOR, 0.5, 0.005]),
    censored=st.booleans(),
    seed=st.integers(0, 999),
)
def test_features_are_finite_ordered_and_survive_their_arrays(kind, floor, censored, seed):
    rng = np.random.default_rng(seed)
    scores = (rng.random((4, 6)) ** 20).astype(np.float32)
    scores[rng.random((4, 6)) < 0.4] = 0
    features = AnswerFeatures(kind, floor, censored)
    found = features(scores)
    assert found.dtype == np.float64
    assert np.isfinite(found).all()
    ranked = np.take_along_axis(found[:, :6], np.argsort(scores, axis=1), axis=1)
    assert (np.diff(ranked, axis=1) >= 0).all()  # a higher score never reads as less
    assert AnswerFeatures.from_arrays(features.arrays()) == features


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("censored", [False, True])
def test_torch_gives_the_same_and_a_gradient(kind, censored):
    torch = pytest.importorskip("torch")
    scores = np.array([[0.7, 0.3, 0.0], [0.1, 0.0, 0.9]], dtype=np.float32)
    tensor = torch.tensor(scores, requires_grad=True)
    features = AnswerFeatures(kind, 1e-3, censored)
    found = features(tensor)
    np.testing.assert_allclose(found.detach().numpy(), features(scores))
    (found**2).sum().backward()
    assert torch.isfinite(tensor.grad).all()


def test_a_model_saved_before_there_was_a_choice_reads_log_ratios():
    arrays = {"weights": np.eye(2), "bias": np.zeros(2), "floor": np.array([0.05])}
    assert LinearMapping.from_arrays(arrays).features == AnswerFeatures("log-ratios", 0.05)
