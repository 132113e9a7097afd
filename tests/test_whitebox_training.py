"""Baselines that open the box: the probe, reprogramming, finetuning, training from scratch."""

from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

torch = pytest.importorskip("torch")

from small_nets import small_net, small_whitebox, waves  # noqa: E402 - needs torch
from told import told  # noqa: E402

from rebox.errors import InvalidData, InvalidOption  # noqa: E402 - with the others
from rebox.loss import Focal  # noqa: E402 - with the others
from rebox.program import Canvas, Full, Program  # noqa: E402 - with the others
from rebox.reading.assignment import FrequencyMapping, RandomMapping  # noqa: E402
from rebox.study.baseline import baseline_from_name  # noqa: E402 - with the others
from rebox.study.baseline.batches import batches  # noqa: E402 - with the others
from rebox.study.baseline.contract import Training  # noqa: E402 - with the others
from rebox.study.baseline.opening import open_whitebox  # noqa: E402 - needs torch
from rebox.study.baseline.released import released_assignment  # noqa: E402
from rebox.study.baseline.reprogramming import Descent, Reprogramming, answers  # noqa: E402 - needs torch
from rebox.study.bench import Places, read_ledger, read_plan, run  # noqa: E402 - with the others

WHITE = ("probe", "ar?epochs=2", "finetune?epochs=2", "scratch?epochs=2", "bar-as-released")


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small nets: threads cost more than they bring."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def training_on(x, y, whitebox, **more):
    given = {"seed": 0, "value_range": None, "test": None, "class_weight": None} | more
    return Training(x=x, y=y, whitebox=whitebox, **given)


def reprogramming(whitebox, *, overlay=False, clipped=True, loss=None, **descent):
    x, y = waves(30)
    training = training_on(x, y, whitebox)
    placement = training.placement(Canvas(fit="pad", overlay=overlay))
    nothing = told(
        scores=np.empty((0, 6), np.float32), targets=np.empty(0, np.intp), prior=np.full(3, 1 / 3)
    )
    return Reprogramming(
        training=training,
        program=Program(placement, Full(whitebox.shape, placement.mask)),
        mapping=RandomMapping(2).fit(nothing),
        loss=loss or Focal(2.0),
        weights=np.array([0.5, 1.0, 1.5]),
        descent=Descent(**({"optimiser": "adam", "eta": 0.05, "batch": 7, "epochs": 2} | descent)),
        clipped=clipped,
    )


@pytest.mark.parametrize(("overlay", "clipped"), [(False, True), (True, False)])
def test_the_gradient_is_that_of_central_differences(overlay, clipped):
    """In float64, along coordinates and random directions, through program, mapping and loss."""
    box = small_whitebox(dtype=torch.float64)
    parts = reprogramming(box, overlay=overlay, clipped=clipped)
    rng = np.random.default_rng(1)
    rows = np.arange(5)
    at = rng.normal(scale=0.3, size=(1, parts.program.dimension))
    z = torch.tensor(at, requires_grad=True)
    parts.losses(z, rows).mean().backward()
    gradient = z.grad.numpy()
    directions = [*np.eye(z.shape[1])[rng.choice(z.shape[1], 4)], *rng.normal(size=(4, z.shape[1]))]
    for direction in directions:
        step = 1e-5 * direction / np.linalg.norm(direction)
        with torch.no_grad():
            up, down = (
                float(parts.losses(torch.tensor(at + sign * step), rows).mean()) for sign in (1, -1)
            )
        along = float(gradient[0] @ step) / np.linalg.norm(step)
        assert (up - down) / 2e-5 == pytest.approx(along, rel=1e-6, abs=1e-10)
    assert np.abs(gradient).max() > 1e-6


def test_a_clip_has_no_slope_where_it_cuts():
    parts = reprogramming(small_whitebox(dtype=torch.float64), overlay=True)
    z = torch.full((1, parts.program.dimension), 3.0, dtype=torch.float64, requires_grad=True)
    parts.losses(z, np.array([0])).mean().backward()
    gradient = np.moveaxis(z.grad.numpy().reshape(3, 12, 12), 0, 2)
    placed = parts.program.placement.place(parts.training.images.take([0]))[0]
    cut = placed + 0.5 * np.tanh(3.0) > 1
    assert 0 < cut.sum() < cut.size
    assert not gradient[cut].any()
    assert np.abs(gradient[~cut]).min() > 0


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_an_epoch_is_what_a_plain_loop_does(optimiser):
    parts = reprogramming(
        small_whitebox(), optimiser=optimiser, eta=0.1, decay=0.5, decay_steps=2.0
    )
    found = list(parts.epochs())
    z = torch.zeros(1, parts.program.dimension, requires_grad=True)
    make = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimiser]
    plain, step = make([z], lr=0.1), 0
    for epoch in range(2):
        total = 0.0
        for rows in batches(30, 7, 0, epoch):
            plain.param_groups[0]["lr"] = 0.1 * 0.5 ** (step / 2.0)
            losses = parts.losses(z, rows)
            plain.zero_grad()
            losses.mean().backward()
            plain.step()
            total, step = total + losses.sum().item(), step + 1
        assert found[epoch][0] == pytest.approx(total / 30, rel=1e-6)
    np.testing.assert_allclose(found[-1][1], z.detach().numpy(), rtol=1e-5, atol=1e-7)


def test_reprogramming_lowers_the_loss_and_leaves_the_box_as_it_was():
    box = small_whitebox()
    before = {k: v.clone() for k, v in box.module.state_dict().items()}
    x, y = waves()
    model = baseline_from_name("ar?epochs=12&m=2&inner=6").fit(x, y, whitebox=box)
    assert all(torch.equal(before[k], v) for k, v in box.module.state_dict().items())
    assert not box.module.training
    epochs, losses = zip(*model.curve, strict=True)
    assert epochs == tuple(range(1, 13))
    assert losses[-1] < losses[0]
    shown = Canvas(fit="pad", inner=6).placement((6, 6), (12, 12, 3))
    assert model.program.shape == (12, 12, 3)
    assert np.abs(model.program).max() <= 0.5
    assert not model.program[~shown.mask].any()  # the mask keeps it off the data
    assert np.abs(model.program[shown.mask]).min() > 0
    by_hand = shown.place(list(x[:4])) + model.program.astype(np.float32)
    with torch.inference_mode():
        scores = box.scores(box.images(by_hand)).numpy()
    expected = model.mapping.of(scores.astype(np.float64))
    np.testing.assert_allclose(model.predict_proba(x[:4]), expected, atol=1e-6)
    assert model.note == ""


def test_the_frequencies_are_those_of_the_box_before_reprogramming():
    box = small_whitebox()
    x, y = waves()
    training = training_on(x, y, box)
    placement = Canvas(fit="pad").placement((6, 6), (12, 12, 3))
    known = answers(training, placement)
    with torch.inference_mode():
        scores = box.scores(box.images(placement.place(list(x)))).numpy()
    np.testing.assert_allclose(known.scores, scores, atol=1e-6)
    assert known.targets.tolist() == (np.arange(90) % 3).tolist()
    assert known.prior == pytest.approx(1 / 3)
    model = baseline_from_name("ar?epochs=1&m=2").fit(x, y, whitebox=box)
    assert np.array_equal(model.mapping.sources, FrequencyMapping(2).fit(known).sources)
    drawn = baseline_from_name("ar?epochs=1&m=2&mapping=random").fit(x, y, whitebox=box)
    assert np.array_equal(drawn.mapping.sources, RandomMapping(2).fit(known).sources)


@pytest.mark.parametrize("kind", ["finetune", "scratch"])
@pytest.mark.parametrize("optimiser", ["adam", "adamw", "sgd"])
def test_training_is_what_a_plain_torch_script_does(kind, optimiser):
    """Issue 5, acceptance 6: the same model, seed and batches give the same losses."""
    x, y = waves()
    name = f"{kind}?epochs=4&batch=16&lr=0.01&weight_decay=0.001&optimiser={optimiser}&canvas=pad"
    model = baseline_from_name(name).fit(x, y, whitebox=small_whitebox(7), seed=3)

    net = small_net(7) if kind == "finetune" else small_net(3)
    torch.manual_seed(3)
    net[7] = torch.nn.Linear(16, 3)
    made = {
        "adam": torch.optim.Adam, "adamw": torch.optim.AdamW,
        "sgd": lambda p, **k: torch.optim.SGD(p, momentum=0.9, **k),
    }[optimiser](net.parameters(), lr=0.01, weight_decay=0.001)  # fmt: skip
    pixels = torch.full((90, 3, 12, 12), 0.5)
    pixels[:, :, 3:9, 3:9] = torch.from_numpy(x)[:, None]
    pixels = (pixels - 0.5) / 0.5
    targets = torch.from_numpy(np.unique(y, return_inverse=True)[1])
    net.train()
    losses = []
    for epoch in range(4):
        order, total = np.random.default_rng([3, 2**31, epoch]).permutation(90), 0.0
        for start in range(0, 90, 16):
            rows = order[start : start + 16]
            loss = torch.nn.functional.cross_entropy(net(pixels[rows]), targets[rows])
            made.zero_grad()
            loss.backward()
            made.step()
            total += loss.item() * len(rows)
        losses.append(total / 90)
    assert [loss for _, loss in model.curve] == pytest.approx(losses, rel=1e-4)
    assert losses[-1] < losses[0]
    expected = net.eval()(pixels).softmax(dim=1).detach().numpy()
    np.testing.assert_allclose(model.predict_proba(x), expected, atol=1e-3)


@pytest.mark.parametrize("kind", ["finetune", "scratch"])
def test_a_trained_network_learns_the_task(kind):
    x, y = waves(120)
    model = baseline_from_name(f"{kind}?epochs=15&lr=0.01").fit(
        x[:90], y[:90], whitebox=small_whitebox()
    )
    assert (model.predict(x[90:]) == y[90:]).mean() > 0.9
    assert not model.module.training


def test_batch_norm_keeps_its_statistics_in_eval_mode_and_learns_them_in_train_mode():
    x, y = waves(30)
    box = small_whitebox()
    for norm, kept in (("eval", True), ("train", False)):
        model = baseline_from_name(f"finetune?epochs=1&norm={norm}").fit(x, y, whitebox=box)
        layer = next(m for m in model.module.modules() if isinstance(m, torch.nn.BatchNorm2d))
        assert torch.equal(layer.running_mean, box.module[1].running_mean) == kept


def test_balanced_classes_weigh_the_loss():
    x, y = waves(60)
    keep = np.flatnonzero((y != "flat") | (np.arange(60) % 5 == 0))
    x, y = x[keep], y[keep]
    box = small_whitebox()
    plain, even = (
        baseline_from_name("finetune?epochs=3&lr=0.003").fit(x, y, whitebox=box, class_weight=w)
        for w in (None, "balanced")
    )
    flat = plain.classes.tolist().index("flat")
    assert even.predict_proba(x)[:, flat].mean() > plain.predict_proba(x)[:, flat].mean()


def test_the_probe_reads_the_penultimate_features():
    x, y = waves(150)
    box = small_whitebox()
    model = baseline_from_name("probe?canvas=stretch").fit(x[:100], y[:100], whitebox=box)
    placed = Canvas(fit="stretch").placement((6, 6), (12, 12, 3)).place(list(x))
    with torch.inference_mode():
        features = box.features(box.normalised(box.images(placed))).numpy()
    plain = LogisticRegression(C=100, max_iter=5000).fit(features[:100], y[:100])
    assert (model.predict(x[100:]) == y[100:]).mean() >= plain.score(features[100:], y[100:]) - 0.05
    logits = features @ model.weights + model.bias
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(x), expected, atol=1e-5)


@pytest.mark.parametrize("name", WHITE)
def test_the_same_seed_gives_the_same_model(name):
    x, y = waves(40)
    state = torch.random.get_rng_state()
    first, second, other = (
        baseline_from_name(name)
        .fit(x, y, whitebox=small_whitebox(), seed=seed, test=(x, y))
        .predict_proba(x)
        for seed in (1, 1, 2)
    )
    assert np.array_equal(first, second)
    assert np.isfinite(first).all()
    if name != "probe":
        assert not np.array_equal(first, other)
    torch.random.set_rng_state(state)


def test_rows_and_grey_boxes():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 5))
    y = x[:, 0] > 0
    for name in WHITE:
        box = small_whitebox(channels=1)
        model = baseline_from_name(name).fit(x, y, whitebox=box, test=(x, y))
        assert model.predict_proba(x).shape == (30, 2)
        with pytest.raises(InvalidData, match="rows of features"):
            model.predict(np.zeros((2, 6, 6)))


def test_a_full_box_has_no_frame():
    x, y = waves(12, size=12)
    for name in ("ar?inner=12", "bar-as-released?mask=frame&inner=12"):
        with pytest.raises(InvalidOption, match="leaves no frame"):
            baseline_from_name(name).fit(x, y, whitebox=small_whitebox(), test=(x, y))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"optimiser": "lion"}, "must be adam or sgd"),
        ({"eta": 0.0}, "must be above 0"),
        ({"decay": 1.5}, "decay in"),
        ({"batch": 0}, "batch and epochs"),
    ],
)
def test_a_descent_that_cannot_be(options, words):
    with pytest.raises(InvalidOption, match=words):
        reprogramming(small_whitebox(), **options)


def test_batches_hold_every_sample_once_and_none_is_alone():
    for n, size in ((10, 3), (7, 7), (9, 20), (5, 1)):
        found = batches(n, size, seed=1, epoch=0)
        assert sorted(np.concatenate(found)) == list(range(n))
        assert min(map(len, found)) >= min(2, size)
        assert max(map(len, found)) <= size + (size > 1)
    first, again, other = (batches(20, 5, 1, epoch)[0].tolist() for epoch in (0, 0, 1))
    assert first == again != other


def test_bar_as_released_peeks_and_says_so():
    x, y = waves(60)
    box = small_whitebox()
    tried = baseline_from_name("bar-as-released?epochs=6&eta=0.1&m=2")
    model = tried.fit(x[:40], y[:40], whitebox=box, test=(x[40:], y[40:]))
    accuracies = [float(word) for word in model.note.split("epoch ")[1].split(";")[0].split()]
    assert len(accuracies) == len(model.curve) == 6
    assert model.note.endswith(f"epoch {int(np.argmax(accuracies)) + 1} was chosen by it")
    assert (model.predict(x[40:]) == y[40:]).mean() == pytest.approx(max(accuracies), abs=1e-4)
    inner = ~Canvas(fit="pad").placement((6, 6), (12, 12, 3)).mask
    assert np.abs(model.program[inner]).max() > 0  # the mask is all ones
    assert not model.clipped
    framed = baseline_from_name("bar-as-released?epochs=1&m=2&mask=frame").fit(
        x[:40], y[:40], whitebox=box, test=(x[40:], y[40:])
    )
    assert not framed.program[inner].any()


def test_without_peeking_the_last_epoch_is_kept_whatever_the_test_images_say():
    x, y = waves(60)
    name = "bar-as-released?select=last&epochs=3&m=2"
    blind, shown = (
        baseline_from_name(name).fit(x[:40], y[:40], whitebox=small_whitebox(), test=test)
        for test in (None, (x[40:], y[40:][::-1]))
    )
    assert np.array_equal(blind.predict_proba(x), shown.predict_proba(x))
    assert blind.note == shown.note == ""


def answers_with(means, n_sources):
    """One answer for each target class: what it gives is its mean."""
    scores = np.zeros((len(means), n_sources), np.float32)
    for target, columns in enumerate(means):
        for rank, source in enumerate(columns):
            scores[target, source] = 1.0 - 0.1 * rank
    return told(scores=scores, targets=np.arange(len(means)), prior=np.full(len(means), 0.5))


def test_the_released_mapping_scrambles_its_classes():
    known = answers_with([[7, 3, 5], [3, 7, 2, 9, 1]], 10)
    straight = released_assignment(known, 3, scrambled=False).sources
    assert straight.tolist() == [[7, 3, 5], [2, 9, 1]]
    scrambled = released_assignment(known, 3, scrambled=True).sources
    assert scrambled.tolist() == [[7, 5, 9], [3, 2, 1]]
    few = released_assignment(answers_with([[1], [0]], 3), 6, scrambled=False).sources
    assert few.tolist() == [[1], [0]]
    with pytest.raises(InvalidOption, match="a box with more classes"):
        released_assignment(answers_with([[0], [0]], 1), 6, scrambled=True)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), [("resnet50", 64), ("densenet121", 64),
                                            ("inception_v3", 299)])  # fmt: skip
def test_the_published_models_take_one_step_on_every_path(torchvision, name, size):
    """Untrained copies of the study's three networks; Inception's auxiliary head goes unused."""
    white = open_whitebox(f"torch:{name}?weights=none&size={size}")
    x, y = waves(6, size=30)
    x, y = x[:4], np.arange(4) % 2
    for baseline in ("ar?epochs=1&m=2", "finetune?epochs=1", "probe"):
        model = baseline_from_name(baseline).fit(x, y, whitebox=white)
        found = model.predict_proba(x[:2])
        assert np.isfinite(found).all()
        assert found.sum(axis=1) == pytest.approx(1)


def test_a_bench_row_says_whose_weights_it_used_and_in_which_precision(tmp_path):
    """The demo's digit recogniser, a file of the package."""
    box = f"onnx:{files('rebox.demo') / 'digits.onnx'}?preprocess=unit"
    plan = tmp_path / "p.toml"
    plan.write_text(
        f'''
seeds = [0]
budgets = [10]
[tasks.synthetic]
data = "synthetic"
train = 12
test = 12
[boxes.digits]
uri = "{box}"
[methods.ar]
baseline = "ar?epochs=1&m=2&inner=4"
[methods.majority]
baseline = "majority"
[methods.map]
recipe = "map"
[[cells]]
'''
    )
    identity = open_whitebox(box).identity
    suffixes = {"float32": "", "bfloat16": "&precision=bfloat16"}
    for dtype, suffix in suffixes.items():
        ledger = tmp_path / f"{dtype}.jsonl"
        run(read_plan(plan).trials, ledger, Places(dtype=dtype))
        rows = {row["method"]: row for row in read_ledger(ledger)}
        assert rows["ar"]["box_identity"] == f"{identity}{suffix}"
        kept = {method: row["precision"] for method, row in rows.items()}
        assert kept == {"ar": dtype, "majority": None, "map": None}


def test_bfloat16_trains_alike_and_says_so():
    """Products in bfloat16, weights and losses in float32: the losses follow within a percent."""
    x, y = waves(30)
    exact = small_whitebox()
    coarse = replace(exact, precision="bfloat16")
    trainer = baseline_from_name("finetune?epochs=4&lr=0.01&batch=8")
    losses = [
        [loss for _, loss in trainer.fit(x, y, whitebox=box, seed=0).curve]
        for box in (exact, coarse)
    ]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.05)
    assert losses[0] != losses[1]
    assert "bfloat16" not in exact.identity
    assert coarse.identity == f"{exact.identity}&precision=bfloat16"
    with pytest.raises(InvalidOption, match="float32, bfloat16"):
        replace(exact, precision="int8")
