import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import logm

from rebox.errors import InvalidData
from rebox.local import PlainFeatures
from rebox.local.matrix import logarithm
from rebox.local.picture import CENTRE, LEVELS, square

COLOUR = PlainFeatures(kind="picture", channels=3)
GREY = PlainFeatures(kind="picture", channels=1)


def noise(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).random(shape, dtype=np.float32)


def smooth(height=40, width=50, channels=3):
    """A picture of slow waves, whose features do not hang on single pixels."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(y / height * (3 + c)) * np.cos(x / width * (5 - c)) for c in range(channels)]
    return (0.5 + 0.4 * np.stack(waves, axis=-1)).astype(np.float32)


def levels(image):
    return np.rint(image * 255).astype(np.uint8)


def matrices(n=3, side=6):
    x = noise(n, side, side).astype(np.float64)
    return (x + x.transpose(0, 2, 1)) / 2


def block(features, name, image):
    return features.transform([image])[features.names.index(name)][0]


def test_kinds_are_seen():
    assert PlainFeatures.fit(noise(5, 7)) == PlainFeatures(kind="rows", size=7)
    assert PlainFeatures.fit(matrices()) == PlainFeatures(kind="matrix", size=6)
    assert PlainFeatures.fit(list(matrices()[..., None])).kind == "matrix"
    assert PlainFeatures.fit([noise(4, 5), noise(9, 3, 1)]) == GREY
    assert PlainFeatures.fit([noise(4, 5), noise(9, 3, 3)]) == COLOUR


@pytest.mark.parametrize(
    "images",
    [
        list(levels(matrices())),  # 8 bits: a picture
        [*matrices(), noise(6, 6)],  # one is not symmetric
        [*matrices(), *matrices(side=7)],  # two sizes
        [np.full((6, 6), 0.5)],  # grey all over
        [noise(1, 1)],
    ],
    ids=["uint8", "asymmetric", "sizes", "constant", "one pixel"],
)
def test_what_is_no_matrix_is_a_picture(images):
    assert PlainFeatures.fit(images) == GREY


def test_rows_are_features_as_they_are():
    rows = np.array([[1.0, -2.0], [1e300, 3.0]])
    features = PlainFeatures.fit(rows)
    (values,) = features.transform(rows)
    assert features.names == ("values",)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, [[1, -2], [np.finfo(np.float32).max, 3]])


def test_a_matrix_gives_its_upper_triangle():
    samples = matrices()
    features = PlainFeatures.fit(samples)
    (triangle,) = features.transform(samples)
    assert features.names == ("triangle",)
    assert triangle.shape == (3, 21)
    rows, columns = np.triu_indices(6)
    np.testing.assert_allclose(triangle, samples[:, rows, columns], rtol=1e-6)


def correlations(n=4, side=6, length=4, seed=0):
    """Correlations of series shorter than they are many: their matrices have eigenvalues of 0."""
    series = np.random.default_rng(seed).normal(size=(n, length, side))
    return np.stack([np.corrcoef(one, rowvar=False) for one in series])


def test_correlations_are_known_by_their_eigenvalues():
    shown = (correlations() + 1) / 2
    for samples in (shown, shown.astype(np.float16).astype(np.float32), shown[..., None]):
        assert PlainFeatures.fit(samples) == PlainFeatures(kind="covariance", size=6)
    distances = 1 - shown
    assert PlainFeatures.fit([*shown, distances[0]]).kind == "matrix"


def test_correlations_are_seen_by_the_logarithm_of_what_is_shrunk():
    shown = (correlations() + 1) / 2
    (seen,) = PlainFeatures.fit(shown).transform(shown)
    assert seen.dtype == np.float32
    for matrix, found in zip(shown, seen, strict=True):
        shrunk = (matrix + np.trace(matrix) / 6 * np.eye(6)) / 2
        np.testing.assert_allclose(found, logm(shrunk)[np.triu_indices(6)], atol=1e-5)


@given(st.floats(1e-3, 1.0), st.integers(0, 1000))
def test_a_logarithm_is_shifted_by_scale_alone(scale, seed):
    matrix = correlations(1, seed=seed)[0]
    apart = logarithm(scale * matrix) - logarithm(matrix)
    np.testing.assert_allclose(apart, np.log(scale) * np.eye(6), atol=1e-9)
    assert not logarithm(np.zeros((3, 3))).any()


def test_series_that_differ_in_what_links_them_directly_differ_in_the_logarithm():
    """What differs is lost among the chance of strong correlations, and stands out of theirs."""
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    common = rng.normal(size=(120, 60, 1))
    series = 3 * common + rng.normal(size=(120, 60, 12))
    series[y == 1, :, 1] += 0.7 * (series[y == 1, :, 0] - 3 * common[y == 1, :, 0])
    shown = (np.stack([np.corrcoef(one, rowvar=False) for one in series]) + 1) / 2
    upper = np.triu_indices(12)
    (seen,) = PlainFeatures.fit(shown).transform(shown)
    assert apart(seen, y) > 1.2 * apart(shown[:, upper[0], upper[1]], y)


def apart(x, y):
    """Return how far apart two classes are, at most along an axis, in deviations."""
    a, b = x[y == 0], x[y == 1]
    return np.max(np.abs(a.mean(0) - b.mean(0)) / (a.std(0) + b.std(0) + 1e-6))


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 90), st.integers(1, 90), st.sampled_from([1, 3])),
    seed=st.integers(0, 1000),
    features=st.sampled_from([COLOUR, GREY]),
)
def test_any_picture_has_finite_features_alike_in_bits_and_floats(shape, seed, features):
    image = levels(noise(*shape, seed=seed))
    bits = features.transform([image])
    floats = features.transform([image / 255])
    assert len(bits) == len(features.names)
    for one, other in zip(bits, floats, strict=True):
        assert one.shape[0] == 1
        assert one.dtype == np.float32
        assert np.isfinite(one).all()
        np.testing.assert_allclose(one, other, atol=2e-3)


def test_bits_and_floats_of_a_large_picture_are_nearly_alike():
    image = levels(smooth(1100, 700))
    for one, other in zip(
        COLOUR.transform([image]), COLOUR.transform([image / 255.0]), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=0.05)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("shape", [(1, 1, 3), (8, 8, 1), (300, 200, 3)])
def test_a_constant_picture_has_its_grey_and_no_edges(value, shape):
    image = np.full(shape, value, dtype=np.float32)
    np.testing.assert_allclose(block(COLOUR, "thumbnail", image), value, atol=1e-6)
    assert block(COLOUR, "orientations", image).max() < 5e-3
    assert np.isfinite(block(COLOUR, "covariances", image)).all()


def test_a_photograph_of_twelve_megapixels_works():
    image = np.zeros((3000, 4000, 3), dtype=np.uint8)
    image[:1500] = 255
    thumbnail = block(COLOUR, "thumbnail", image).reshape(3, 16, 16)
    np.testing.assert_allclose(thumbnail[:, :7], 1, atol=1e-6)
    np.testing.assert_allclose(thumbnail[:, 9:], 0, atol=1e-6)


def test_shapes():
    widths = {
        features.channels: [b.shape[1] for b in features.transform([noise(20, 30, 3)] * 2)]
        for features in (GREY, COLOUR)
    }
    assert widths == {1: [256, 26, 512, 88], 3: [768, 104, 512, 130]}


def test_a_sample_says_the_same_in_any_company():
    images = [noise(20, 30, 3), levels(smooth()), noise(5, 5)]
    together = COLOUR.transform(images)
    for index, image in enumerate(images):
        for one, all_ in zip(COLOUR.transform([image]), together, strict=True):
            assert one[0].tobytes() == all_[index].tobytes()


def test_a_mirrored_picture_keeps_its_quantiles_and_covariances():
    image = smooth(64, 64)
    for name in ("quantiles", "covariances"):
        np.testing.assert_allclose(
            block(COLOUR, name, image), block(COLOUR, name, image[:, ::-1]), atol=1e-3
        )
    moved = block(COLOUR, "thumbnail", image) - block(COLOUR, "thumbnail", image[:, ::-1])
    assert np.abs(moved).max() > 0.1


def test_orientations_mind_neither_light_nor_much_contrast():
    image = noise(64, 64, 3)
    dim = 0.2 + 0.5 * image
    change = np.abs(block(COLOUR, "orientations", image) - block(COLOUR, "orientations", dim))
    assert change.max() < 0.03
    assert np.abs(block(COLOUR, "orientations", image)).max() > 0.3


def test_orientations_tell_upright_from_level_edges():
    stripes = np.tile((np.arange(64) // 8 % 2).astype(np.float32), (64, 1))
    upright = block(GREY, "orientations", stripes).reshape(64, 8).mean(axis=0)
    level = block(GREY, "orientations", stripes.T).reshape(64, 8).mean(axis=0)
    assert upright.argmax() == 0
    assert level.argmax() == 4
    assert upright[1:].max() == pytest.approx(0, abs=1e-6)


def test_quantiles_are_numpys():
    image = noise(64, 64, 3)
    planes = square(image, 3)
    found = block(COLOUR, "quantiles", image)
    parts = [planes, planes[:, CENTRE, CENTRE]]
    expected = [np.quantile(p.reshape(3, -1), LEVELS, axis=1).T.ravel() for p in parts]
    np.testing.assert_allclose(found[:78], np.concatenate(expected), atol=1e-6)


def test_a_grey_picture_among_coloured_ones_is_seen_as_coloured():
    grey = noise(20, 30)
    for one, other in zip(
        COLOUR.transform([grey]), COLOUR.transform([np.stack([grey] * 3, axis=-1)]), strict=True
    ):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("features", "samples", "words"),
    [
        (COLOUR, [], "found no samples"),
        (COLOUR, noise(3, 4), "found rows of features; expected images"),
        (COLOUR, [noise(4, 4, 2)], "image 0 has shape"),
        (COLOUR, [noise(4, 4), np.zeros((0, 4, 3))], "image 1 has shape"),
        (COLOUR, [noise(4, 4) * 255], "spans"),
        (COLOUR, [np.full((4, 4), np.nan)], "NaN or infinity"),
        (COLOUR, [np.full((4, 4), "a")], "image 0 holds <U1"),
        (PlainFeatures(kind="rows", size=3), [noise(4, 4)], "found images; expected rows"),
        (PlainFeatures(kind="rows", size=3), noise(2, 4), "rows of 4 features; expected 3"),
        (PlainFeatures(kind="rows", size=1), np.array([[np.inf]]), "expected finite numbers"),
        (PlainFeatures(kind="matrix", size=3), [noise(4, 4)], "expected (3, 3, 1)"),
    ],
)
def test_unusable_samples_are_refused(features, samples, words):
    with pytest.raises(InvalidData) as caught:
        features.transform(samples)
    assert words in str(caught.value)


@pytest.mark.parametrize("samples", [[], np.empty((0, 4)), [noise(4, 4) * 2], np.empty((4, 0))])
def test_nothing_is_fitted_on_unusable_samples(samples):
    with pytest.raises(InvalidData):
        PlainFeatures.fit(samples)


@pytest.mark.parametrize("samples", [noise(5, 7), matrices(), [noise(4, 5, 3)]])
def test_a_description_travels_as_json(samples):
    features = PlainFeatures.fit(samples)
    assert PlainFeatures.restore(json.loads(json.dumps(features.describe()))) == features


@pytest.mark.parametrize(
    "described",
    [{}, {"kind": "sound", "size": 1}, {"kind": "rows"}, {"kind": "picture", "channels": 2}],
)
def test_a_wrong_description_is_refused(described):
    with pytest.raises(InvalidData):
        PlainFeatures.restore(described)
