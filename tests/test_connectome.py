"""The two published networks of autism, on matrices made here."""

import re
from copy import deepcopy

import numpy as np
import pytest

from rebox.errors import InvalidData, InvalidOption
from rebox.study.baseline.connectome import set_aside, triangles
from rebox.study.baseline.contract import Compute, Training
from rebox.study.baseline.names import baseline_from_name

pytest.importorskip("torch")
from rebox.study.baseline import diagnet_net, heinsfeld_net

SIDE = 12
FAST = {
    "heinsfeld": "heinsfeld?width1=20&width2=10&epochs1=30&epochs2=30&epochs=40&lr=0.001"
    "&lr_classifier=0.003&sparse=0.01",
    "diagnet": "diagnet?extremes=30&lr=0.01",
}


def matrices(n=80, seed=0):
    """Return correlations of series in which one class has two regions that go together."""
    rng = np.random.default_rng(seed)
    targets = np.arange(n) % 2
    series = rng.standard_normal((n, SIDE, 40))
    series[targets == 1, 1] += series[targets == 1, 0]
    return np.stack([np.corrcoef(one) for one in series]).astype(np.float32), targets


@pytest.mark.parametrize("name", FAST)
def test_it_learns_what_goes_together_and_repeats_itself(name):
    x, y = matrices()
    held_out, truth = matrices(60, seed=1)
    trainer = baseline_from_name(FAST[name])
    fitted, again = (trainer.fit(x, y, value_range=(-1, 1), seed=3) for _ in range(2))
    probabilities = fitted.predict_proba(held_out)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    np.testing.assert_array_equal(probabilities, again.predict_proba(held_out))
    assert (fitted.predict(held_out) == truth).mean() > 0.8
    assert fitted.curve[-1][1] < fitted.curve[0][1]
    assert len(fitted.curve) == trainer.epochs


@pytest.mark.parametrize("name", FAST)
def test_where_it_is_trained_changes_nothing_but_that(name):
    """``cpu:0`` is the same processor; a device that is not there is not passed over."""
    x, y = matrices(20)
    trainer = baseline_from_name(FAST[name])
    here, there = (
        trainer.fit(x, y, value_range=(-1, 1), compute=Compute(device=device))
        for device in ("cpu", "cpu:0")
    )
    np.testing.assert_array_equal(here.predict_proba(x), there.predict_proba(x))
    with pytest.raises(InvalidOption, match="device 'cuda:99' cannot be used"):
        trainer.fit(x, y, value_range=(-1, 1), compute=Compute(device="cuda:99"))


@pytest.mark.slow
@pytest.mark.parametrize("name", FAST)
def test_in_bfloat16_it_learns_as_in_float32_but_for_rounding(name):
    x, y = matrices()
    trainer = baseline_from_name(FAST[name])
    fine, coarse = (
        trainer.fit(x, y, value_range=(-1, 1), compute=Compute(dtype=dtype))
        for dtype in ("float32", "bfloat16")
    )
    assert (fine.precision, coarse.precision) == ("float32", "bfloat16")
    losses = np.array([[loss for _, loss in fitted.curve] for fitted in (fine, coarse)])
    assert 0 < np.abs(losses[1] - losses[0]).max() < 0.1
    held_out, truth = matrices(60, seed=1)
    assert (coarse.predict(held_out) == truth).mean() > 0.8
    with pytest.raises(InvalidOption, match="one of float32, bfloat16, found 'int8'"):
        trainer.fit(x, y, value_range=(-1, 1), compute=Compute(dtype="int8"))


@pytest.mark.long
def test_it_is_fitted_to_training_labels_alone():
    x, y = matrices()
    shuffled = np.random.default_rng(0).permutation(y)
    fitted = baseline_from_name(FAST["diagnet"]).fit(x, shuffled, value_range=(-1, 1))
    held_out, truth = matrices(60, seed=1)
    assert abs((fitted.predict(held_out) == truth).mean() - 0.5) < 0.3


def training(x, y, groups=None, value_range=(-1, 1)):
    return Training(
        x=x, y=y, whitebox=None, seed=0, value_range=value_range, test=None, class_weight=None,
        groups=groups,
    )  # fmt: skip


def test_triangles_are_the_users_own_values():
    x, y = matrices(6)
    above = np.triu_indices(SIDE, 1)
    np.testing.assert_allclose(triangles(training(x, y).images), x[:, *above], atol=1e-6)


@pytest.mark.parametrize(
    "x", [np.zeros((4, 5, 6)), np.zeros((4, 6, 6, 3)), np.zeros((4, 7)), np.zeros((4, 2, 2))]
)
@pytest.mark.parametrize("name", FAST)
def test_what_is_no_matrix_is_refused(name, x):
    x = x + np.linspace(0, 1, x.size).reshape(x.shape)
    with pytest.raises(InvalidData, match="square matrices"):
        baseline_from_name(FAST[name]).fit(x, [0, 1, 0, 1])


def test_the_epoch_is_chosen_by_whole_subjects_of_the_training_set():
    x, y = matrices(40)
    subjects = np.arange(40) // 4
    y = subjects % 2
    rest, held_out = set_aside(training(x, y, subjects), 0.2)
    assert sorted([*rest, *held_out]) == list(range(40))
    assert not set(subjects[rest]) & set(subjects[held_out])
    assert len(np.unique(y[held_out])) == 2


def test_neighbours_are_the_likest_of_the_class():
    x, y = matrices(20)
    vectors = triangles(training(x, y).images)
    near = diagnet_net.nearest(vectors, y, 3)
    spectra = [np.linalg.eigh(one) for one in x.astype(np.float64)]
    for row in range(20):
        assert (y[near[row]] == y[row]).all()
        assert row not in near[row]
        assert len(near[row]) == 3
    shares = np.mean([v[::-1][:2] / v.sum() for v, _ in spectra], axis=0)
    weights = shares / shares.sum()

    def likeness(a, b):
        return sum(
            w * (spectra[a][1][:, -1 - k] @ spectra[b][1][:, -1 - k]) for k, w in enumerate(weights)
        )

    others = [b for b in range(20) if b != 4 and y[b] == y[4]]
    best = sorted(others, key=lambda b: -likeness(4, b))[:3]
    assert set(best) == set(near[4].tolist())


def test_the_extremes_are_the_highest_and_lowest_on_average():
    vectors = np.array([[0.1, 0.9, -0.5, 0.3, 0.0]] * 3, dtype=np.float32)
    np.testing.assert_array_equal(diagnet_net.extremes(vectors, 1), [1, 2])
    np.testing.assert_array_equal(diagnet_net.extremes(vectors, 99), [1, 2, 3, 4])


def test_the_penalty_is_least_where_units_are_as_active_as_asked():
    import torch

    net = heinsfeld_net.Denoiser(4, 3)
    with torch.no_grad():
        net.encoder.weight.zero_()
        losses = {}
        for activity in (0.05, 0.2, 0.6):
            net.encoder.bias.fill_(float(np.arctanh(activity)))
            losses[activity] = float(net.loss(torch.zeros(5, 4), 0.5, 1000.0))
    assert losses[0.2] < min(losses[0.05], losses[0.6])
    assert losses[0.2] == pytest.approx(0.0, abs=2.0)


@pytest.mark.parametrize(("patience", "epochs"), [(None, 12), (4, 7), (9, 12), (1, 1 + 1)])
def test_a_training_ends_where_patience_does_and_keeps_its_best_epoch(patience, epochs):
    """Of twelve epochs the third is best; each adds 1 to the only weight."""
    import torch

    module = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(module.weight)
    losses = torch.tensor([4.0, 4.0, 1.0, *[2.0] * 9])
    rows, held_out = np.arange(6), np.arange(6, 8)
    schedule = heinsfeld_net._Schedule(rows, held_out, 0, patience)

    def step(few):
        assert set(few) <= set(rows)
        with torch.no_grad():
            module.weight += len(few) / len(rows)
        return 1.0

    def loss(few):
        np.testing.assert_array_equal(few, held_out)
        return losses[round(module.weight.item()) - 1]

    best, curve = schedule.train(module, step, loss, 12, 2)
    assert [epoch for epoch, _ in curve] == list(range(1, epochs + 1))
    assert module.weight.item() == pytest.approx(best)
    assert best == (1 if patience == 1 else 3)


def test_how_far_each_network_was_trained_is_noted():
    x, y = matrices()
    fit = baseline_from_name(f"{FAST['heinsfeld']}&patience=5").fit(x, y, value_range=(-1, 1))
    assert re.fullmatch(r"kept epochs \d+, \d+ and \d+ of 30, 30 and 40", fit.note)


@pytest.mark.parametrize("sparse", [0.0, 0.5])
def test_a_step_with_its_derivatives_written_out_is_torchs_own(sparse):
    """Also where a unit is hardly active, whose activity is held above zero."""
    import torch

    x = torch.from_numpy(triangles(training(*matrices(10)).images))
    net = heinsfeld_net.Denoiser(x.shape[1], 7)
    with torch.no_grad():
        net.encoder.weight[0].mul_(1e-8)
    again = deepcopy(net)
    rate = 0.05
    with torch.random.fork_rng():
        torch.manual_seed(5)
        loss = net.loss(x, 0.4, sparse)
        loss.backward()
        torch.optim.SGD(net.parameters(), lr=rate).step()
        torch.manual_seed(5)
        assert again.descend(x, 0.4, sparse, rate) == pytest.approx(loss.item(), rel=1e-6)
    assert net.encoder.bias.grad.norm() > 0.001  # or nothing is compared
    for one, other in zip(net.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    "name",
    ["heinsfeld?validation=0.9", "heinsfeld?patience=0", "heinsfeld?corruption1=1",
     "heinsfeld?epochs=0", "diagnet?batch=0", "diagnet?neighbours=-1"],
)  # fmt: skip
def test_nonsense_is_refused(name):
    with pytest.raises(InvalidOption):
        baseline_from_name(name)
