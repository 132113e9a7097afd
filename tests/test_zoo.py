"""ZOO and AutoZOOM: what their searches and the autoencoder of the latter do."""

import math

import numpy as np
import pytest

from rebox import FunctionBox, Reprogrammer
from rebox.errors import InvalidOption
from rebox.program import Autoencoded, LowResolution, subspace_from_name
from rebox.program.codec import Codec, Layer
from rebox.recipe import recipe_from_name
from rebox.sample import Dataset
from rebox.search import AdaptiveDescent, CoordinateDescent, OneSided, Sphere

D = 12
CURVATURE = np.linspace(0.5, 2.0, D)


def quadratic(points):
    return ((points - 1) ** 2 @ CURVATURE) / 2


def losses_at(search, state, samples=3):
    return np.stack([np.broadcast_to(quadratic(p), samples) for p in search.ask(state, samples)])


@pytest.mark.parametrize("h", [1e-4, 0.1, 2.0])
def test_a_coordinate_slope_of_a_quadratic_is_exact(h):
    search = CoordinateDescent(q=D, smoothing=h, importance=False)
    start = np.linspace(-1, 1, D)
    state = search.init(start, 0)
    slopes = np.empty(D)
    slopes[search._chosen(state)] = search.slopes(losses_at(search, state))
    np.testing.assert_allclose(slopes, CURVATURE * (start - 1), rtol=1e-6)


def test_a_step_moves_the_coordinates_asked_and_no_other():
    search = CoordinateDescent(q=3, smoothing=1e-3, learning_rate=0.05)
    state = search.init(np.zeros(D), 7)
    asked = {int(np.flatnonzero(p[0])[0]) for p in search.ask(state, 1)}
    after = search.tell(state, losses_at(search, state))
    assert set(np.flatnonzero(after.position)) == asked
    # Adam's first step is its learning rate, whatever the slope
    np.testing.assert_allclose(after.position[list(asked)], 0.05, rtol=1e-6)
    assert after.times.sum() == 3


def test_each_coordinate_counts_its_own_steps():
    search = CoordinateDescent(q=1, smoothing=1e-3, learning_rate=0.05, importance=False)
    state = search.init(np.zeros(D), 0)
    for _ in range(40):
        state = search.tell(state, losses_at(search, state))
    often = state.times
    assert often.sum() == 40
    # a bias corrected by the number of all steps would move late-comers by far less
    first = state.position[often == 1]
    np.testing.assert_allclose(first, 0.05, rtol=1e-6)


def test_importance_draws_beside_what_has_changed():
    search = CoordinateDescent(q=1, side=5, evenly=0.2)
    state = search.init(np.zeros(75), 0)
    assert search.probabilities(state) is None
    grid = np.zeros((5, 5, 3))
    grid[2, 2, 1] = 0.4
    moved = search.init(np.zeros(75), 0)
    moved.position[:] = grid.ravel()
    moved = type(moved)(**{**vars(moved), "start": np.zeros(75)})
    shares = search.probabilities(moved).reshape(5, 5, 3)
    assert shares.sum() == pytest.approx(1)
    near = shares[1:4, 1:4, 1]
    np.testing.assert_allclose(near, 0.8 / 9 + 0.2 / 75)
    assert shares.min() == pytest.approx(0.2 / 75)


def test_without_importance_all_are_alike():
    search = CoordinateDescent(q=1, importance=False)
    state = search.init(np.zeros(D), 0)
    state.position[0] = 1.0
    assert search.probabilities(state) is None


@pytest.mark.parametrize("q", [1, 4])
def test_the_estimate_of_autozoom_has_the_magnitude_of_the_gradient(q):
    """Its mean over draws is the gradient; its variance (d - 1) / q of it (AutoZOOM, sec. 3.2)."""
    estimator = OneSided(directions=Sphere(), q=q, smoothing=1e-6)
    search = AdaptiveDescent(estimator=estimator, q=q, patience=1)
    gradient = -CURVATURE
    estimates = []
    for seed in range(3000):
        points = estimator.points(np.zeros(D), seed=seed, step=0, samples=1)
        losses = np.stack([quadratic(p) for p in points])
        estimates.append(estimator.estimate(losses, D, seed=seed, step=0))
    mean, norm = np.mean(estimates, axis=0), np.linalg.norm(gradient)
    error = math.sqrt((D - 1) / q / len(estimates))
    assert np.linalg.norm(mean - gradient) < 3 * error * norm
    spread = np.mean(np.sum((np.array(estimates) - gradient) ** 2, axis=1)) / norm**2
    assert spread == pytest.approx((D - 1) / q, rel=0.1)
    assert search.evaluations(D) == 2


def run(search, losses):
    state = search.init(np.zeros(D), 0)
    stages = []
    for loss in losses:
        stages.append((search.evaluations_at(state), state.exploiting))
        k = search.evaluations_at(state)
        state = search.tell(state, np.full((k, 2), loss))
    return stages, state


def test_it_exploits_when_progress_stalls():
    search = AdaptiveDescent(q=6, patience=3, memory=0.0)
    stages, state = run(search, [1.0, 0.9, 0.8, 0.85, 0.85, 0.85, 0.7])
    assert [k for k, _ in stages] == [2, 2, 2, 2, 2, 2, 7]
    assert state.exploiting


def test_it_exploits_when_the_objective_is_met():
    stages, _ = run(AdaptiveDescent(q=6, patience=99, target=0.5), [1.0, 0.4, 0.9, 0.9])
    assert [k for k, _ in stages] == [2, 2, 7, 7]


def test_it_never_goes_back():
    _, state = run(AdaptiveDescent(q=2, patience=1), [1.0, 1.0, 0.1, 0.01])
    assert state.exploiting


def test_its_optimiser_begins_anew():
    search = AdaptiveDescent(q=2, patience=1, memory=0.0)
    _, state = run(search, [1.0, 1.0])
    assert state.exploiting
    assert all(not array.any() for array in state.memory)
    assert state.since == 2


@pytest.mark.parametrize("options", [{"q": 0}, {"patience": 0}, {"memory": 1.0}])
def test_nonsense_is_refused(options):
    with pytest.raises(InvalidOption):
        AdaptiveDescent(**options)


@pytest.mark.parametrize("options", [{"q": 0}, {"smoothing": 0}, {"evenly": 1}, {"side": 0}])
def test_nonsense_is_refused_of_coordinates(options):
    with pytest.raises(InvalidOption):
        CoordinateDescent(**options)


def codec(channels=3, seed=0, side=4):
    rng = np.random.default_rng(seed)

    def layer(given, made):
        kernel = rng.standard_normal((3, 3, given, made), dtype=np.float32) / 5
        return Layer(kernel, rng.standard_normal(made, dtype=np.float32))

    net = (layer(channels, 16), layer(16, 16), layer(16, channels))
    still = Codec(
        encoder=net,
        decoder=net,
        mean=np.full(channels, 0.3, np.float32),
        spread=np.full(channels, 0.5, np.float32),
    )
    return still.scaled(side)


def decoded(mask=None, shape=(32, 40, 3)):
    mask = np.ones(shape[:2], bool) if mask is None else mask
    return Autoencoded(shape, mask, side=4, codec=codec(shape[2]))


def test_a_convolution_is_that_of_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 8, 12, 3), dtype=np.float32)
    made = codec()
    net, planar = [], torch.from_numpy(np.moveaxis(x, 3, 1).copy())
    for number, one in enumerate(made.encoder):
        conv = torch.nn.Conv2d(*one.weight.shape[2:], 3, padding=1)
        conv.weight.data = torch.from_numpy(one.weight.transpose(3, 2, 0, 1).copy())
        conv.bias.data = torch.from_numpy(one.bias)
        net += [conv] if number == 2 else [conv, torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
    expected = np.moveaxis(torch.nn.Sequential(*net)(planar).detach().numpy(), 1, 3)
    np.testing.assert_allclose(made.encode(x), expected, atol=1e-4)


@pytest.mark.slow
def test_what_holds_of_the_contract_of_a_subspace():
    """Shape, mask, zero and scale; a sum of steps is not the sum of their changes."""
    mask = np.ones((32, 40), bool)
    mask[:5] = False
    subspace = decoded(mask)
    assert subspace.dimension == 48
    z = np.random.default_rng(0).standard_normal((3, 48)).astype(np.float32)
    w = subspace.expand(z)
    assert w.shape == (3, 32, 40, 3)
    assert w.dtype == np.float32
    assert not w[:, :5].any()
    np.testing.assert_array_equal(subspace.expand(np.zeros((1, 48), np.float32)), 0)
    np.testing.assert_allclose(subspace.expand(z[0]), w[0], atol=1e-5)
    one = [np.abs(decoded().expand(step)).max() for step in np.eye(48, dtype=np.float32)]
    assert np.mean(one) == pytest.approx(1, abs=0.25)  # enlarging flattens a peak
    assert not np.allclose(subspace.expand(z[0] + z[1]), w[0] + w[1], atol=1e-2)


def test_torch_tensors_go_through_and_have_gradients():
    torch = pytest.importorskip("torch")
    subspace = decoded()
    z = np.random.default_rng(0).standard_normal((2, 48)).astype(np.float32)
    tensor = torch.from_numpy(z).requires_grad_()
    w = subspace.expand(tensor)
    np.testing.assert_allclose(w.detach().numpy(), subspace.expand(z), atol=1e-5)
    w.square().sum().backward()
    assert tensor.grad.abs().sum() > 0


def test_what_is_learnt_travels_by_name():
    subspace = decoded()
    again = subspace_from_name("autoencoder-4", subspace.shape, subspace.mask).with_arrays(
        subspace.arrays()
    )
    z = np.ones((1, 48), np.float32)
    np.testing.assert_array_equal(again.expand(z), subspace.expand(z))
    assert LowResolution(subspace.shape, subspace.mask).arrays() == {}


def test_an_untrained_one_says_so():
    subspace = subspace_from_name("autoencoder-4", (32, 32, 3), np.ones((32, 32), bool))
    assert subspace.dimension == 48
    with pytest.raises(ValueError, match="still to be trained"):
        subspace.expand(np.zeros((1, 48), np.float32))


def pictures(n=40, size=16, seed=0):
    """Return blobs of colour at random places."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    centre, colour = rng.uniform(3, size - 3, (n, 2, 1, 1)), rng.random((n, 1, 1, 3))
    blob = np.exp(-((y - centre[:, 0]) ** 2 + (x - centre[:, 1]) ** 2) / 8)
    return (blob[..., None] * colour).astype(np.float32)


@pytest.mark.slow
def test_training_learns_and_repeats_its_bytes(monkeypatch):
    pytest.importorskip("torch")
    from rebox.program import autoencoder

    monkeypatch.setattr(autoencoder, "STEPS", 200)
    x = pictures(200)
    first, again = (autoencoder.train_codec(x, seed=3) for _ in range(2))
    other = autoencoder.train_codec(x, seed=4)
    same = {name: array.tobytes() for name, array in first.arrays().items()}
    assert same == {name: array.tobytes() for name, array in again.arrays().items()}
    assert same["decoder.0.weight"] != other.arrays()["decoder.0.weight"].tobytes()
    held_out = pictures(50, seed=9)
    error = np.mean((first.decode(first.encode(held_out)) - held_out) ** 2)
    assert error < 0.5 * np.mean((held_out - x.mean(axis=0)) ** 2)


def answer(x):
    scores = np.stack([x[..., 0].mean((1, 2)), x[..., 1].mean((1, 2)), x.mean((1, 2, 3))], axis=1)
    exp = np.exp(5 * scores)
    return exp / exp.sum(axis=1, keepdims=True)


NAMES = ["zoo?q=3", "autozoom?q=3&patience=2", "autozoom?decoder=autoencoder&side=4&patience=2"]


@pytest.mark.parametrize("budget", [1, 7, 999, 1001])
@pytest.mark.parametrize("name", NAMES)
def test_budgets_are_held_to_the_image(name, budget, monkeypatch, tmp_path):
    if "autoencoder" in name:
        pytest.importorskip("torch")
        from rebox.program import autoencoder

        monkeypatch.setattr(autoencoder, "STEPS", 2)
    asked = 0

    def counting(x):
        nonlocal asked
        asked += len(x)
        return answer(x)

    box = FunctionBox(counting, classes=3, size=32)
    x = pictures(24)
    model = Reprogrammer(box, name, budget=budget, random_state=0).fit(x, np.arange(24) % 2)
    assert asked == model.spent_.by_purpose()["total"] <= budget
    assert budget - asked < 8 or budget == 7  # what is left pays for no image of another step
    probabilities = model.predict_proba(x)
    model.save(tmp_path / "m.rebox")
    again = Reprogrammer.load(tmp_path / "m.rebox", box)
    np.testing.assert_array_equal(again.predict_proba(x), probabilities)


def test_the_estimate_trains_nothing(monkeypatch):
    pytest.importorskip("torch")
    from rebox.fit import search

    monkeypatch.setattr(search, "trained", lambda *_: pytest.fail("it was trained"))
    model = Reprogrammer(FunctionBox(answer, classes=3, size=32), NAMES[2], budget=50)
    from rebox.cli.consent import plan

    task = Dataset(pictures(24), np.arange(24) % 2, "none")
    planned, left = plan(model, (model.box,), task)
    assert planned.total <= 50
    assert left == (50,)


def test_defaults_are_the_papers_where_eight_bits_allow():
    zoo, autozoom = (recipe_from_name(n).way for n in ("zoo", "autozoom"))
    assert zoo.search == CoordinateDescent(q=16, smoothing=0.1, learning_rate=0.01, side=8)
    assert autozoom.search.estimator == OneSided(directions=Sphere(), smoothing=1.0)
    assert autozoom.search.q == 4
    assert recipe_from_name("autozoom?decoder=autoencoder").way.subspace == "autoencoder-8"
    with pytest.raises(InvalidOption, match="bilinear, autoencoder"):
        recipe_from_name("autozoom?decoder=magic")
