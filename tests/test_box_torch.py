import collections
import copy
import importlib
import pickle
import sys
import warnings
from urllib.error import URLError

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from rebox.box import Preprocess, open_box  # noqa: E402 - torch is optional
from rebox.box.torch import TorchBox  # noqa: E402 - torch is optional
from rebox.box.torch import model as torch_model  # noqa: E402 - torch is optional
from rebox.box.torch.weights import load_weights  # noqa: E402 - torch is optional
from rebox.errors import BoxError, InvalidOption, MissingExtra  # noqa: E402 - torch is optional
from rebox.testing import BoxContract  # noqa: E402 - torch is optional


def tiny_net(seed=0, last=None):
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(inplace=True),
        torch.nn.Dropout(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Linear(4, 5),
        last or torch.nn.Identity(),
    )


class Careless(torch.nn.Module):
    """Works in place on its input."""

    def __init__(self):
        super().__init__()
        self.net = tiny_net()

    def forward(self, images):
        return self.net(images.mul_(2))


NETS = {
    "imagenet": lambda: TorchBox(tiny_net(), size=(9, 8), preprocess="imagenet"),
    "unit": lambda: TorchBox(tiny_net(), size=8, batch_size=3),
    "softmax": lambda: TorchBox(tiny_net(last=torch.nn.Softmax(dim=1)), size=8),
    "sigmoid": lambda: TorchBox(tiny_net(last=torch.nn.Sigmoid()), size=8, outputs="probabilities"),
    "careless": lambda: TorchBox(Careless(), size=8),
}


class TestTorchBox(BoxContract):
    @pytest.fixture(params=NETS)
    def reopen(self, request):
        return NETS[request.param]

    @pytest.fixture
    def box(self, reopen):
        return reopen()


def noise(box, n=3):
    return np.random.default_rng(5).random((n, *box.spec.shape), dtype=np.float32)


def test_answers_by_hand():
    net = tiny_net()
    box = TorchBox(net, size=8, preprocess=Preprocess(mean=(0.5,), std=(0.25,), scale=2.0))
    ready = torch.from_numpy(np.moveaxis(noise(box), 3, 1) * 8 - 2)
    expected = net.eval()(ready).softmax(dim=1).detach().numpy()
    np.testing.assert_allclose(box.ask(noise(box)), expected, atol=1e-6)


def test_what_comes_out_is_declared():
    assert NETS["imagenet"]().spec.sums_to_one
    assert NETS["softmax"]().spec.sums_to_one
    assert not NETS["sigmoid"]().spec.sums_to_one


def test_a_box_is_never_trained():
    net = tiny_net().double().train()
    box = TorchBox(net, size=8)
    assert not net.training
    first = box.ask(noise(box))
    net.train()
    statistics = net[1].running_mean.clone()
    np.testing.assert_array_equal(box.ask(noise(box)), first)
    assert torch.equal(net[1].running_mean, statistics)


def test_no_gradient_leaves_the_box():
    net = tiny_net()
    box = TorchBox(net, size=8)
    assert type(box.ask(noise(box))) is np.ndarray
    assert type(box.answer(noise(box))) is np.ndarray
    assert all(p.grad is None for p in net.parameters())
    public = [name for name in vars(box) if not name.startswith("_")]
    assert not any(isinstance(getattr(box, n), torch.nn.Module | torch.Tensor) for n in public)


def test_identity_is_the_weights():
    same = [
        TorchBox(tiny_net(seed=1), size=8, classes=list("abcde"), outputs="logits")
        for _ in range(2)
    ]
    other = TorchBox(tiny_net(seed=2), size=8, outputs="logits")
    assert same[0].spec.identity == same[1].spec.identity != other.spec.identity
    assert TorchBox(tiny_net(), size=8, identity="mine").spec.identity == "mine"
    assert TorchBox(tiny_net(), size=9).spec.identity != TorchBox(tiny_net(), size=8).spec.identity


def test_pickled_and_copied_boxes_answer_alike():
    box = TorchBox(tiny_net(), size=8)
    for twin in (pickle.loads(pickle.dumps(box)), copy.deepcopy(box)):  # noqa: S301 - our own bytes
        np.testing.assert_array_equal(twin.ask(noise(box)), box.ask(noise(box)))


def test_what_is_no_classifier_is_refused():
    with pytest.raises(BoxError, match="expected"):
        TorchBox(torch.nn.Identity(), size=8)
    with pytest.raises(BoxError, match="cannot answer images"):
        TorchBox(tiny_net(), size=1)
    with pytest.raises(InvalidOption, match="takes a torch"):
        TorchBox(lambda x: x, size=8)
    with pytest.raises(InvalidOption, match="device"):
        TorchBox(tiny_net(), size=8, device="abacus")


@pytest.fixture(scope="module")
def saved(torchvision, tmp_path_factory):
    """Networks of 5 classes, saved in three ways, and the folder of their state dicts."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(3)
    resnet = torchvision.models.resnet18(weights=None, num_classes=5)
    squeezenet = torchvision.models.squeezenet1_1(weights=None, num_classes=5)
    torch.save(resnet.state_dict(), folder / "w.pt")
    torch.save({"state_dict": squeezenet.state_dict(), "epoch": 3}, folder / "w.pth")
    safetensors = importlib.import_module("safetensors.torch")
    safetensors.save_file(squeezenet.state_dict(), folder / "w.safetensors")
    return {"resnet18": resnet, "squeezenet1_1": squeezenet}, folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("resnet18", "w.pt"),
        ("torchvision/squeezenet1_1", "w.pth"),
        ("squeezenet1_1", "w.safetensors"),
    ],
)
def test_a_name_with_local_weights(saved, name, file):
    modules, folder = saved
    box = open_box(f"torch:{name}?weights={folder / file}&classes=5&size=40&outputs=logits")
    module = modules[name.rpartition("/")[2]]
    by_hand = TorchBox(module, size=40, preprocess="imagenet", outputs="logits")
    assert box.spec == by_hand.spec
    np.testing.assert_array_equal(box.ask(noise(box)), by_hand.ask(noise(box)))


def test_weights_that_do_not_fit(saved):
    _, folder = saved
    (folder / "cut.pt").write_bytes((folder / "w.pt").read_bytes()[:1000])
    (folder / "cut.safetensors").write_bytes(b"\xff" * 100)
    for file in ("cut.pt", "cut.safetensors", "missing.pt"):
        with pytest.raises(BoxError, match="cannot be read") as caught:
            open_box(f"torch:squeezenet1_1?weights={folder / file}")
        assert "\n" not in str(caught.value)
    with pytest.raises(BoxError, match="pass classes="):
        open_box(f"torch:squeezenet1_1?weights={folder / 'w.pth'}")


def test_untrained_weights_come_from_the_seed(torchvision):
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    boxes = [
        open_box(f"torch:squeezenet1_1?weights=none&size=32&seed={s}&outputs=logits")
        for s in (1, 1, 2)
    ]
    assert torch.equal(torch.random.get_rng_state(), before)
    first, same, other = (box.spec.identity for box in boxes)
    assert first == same != other
    assert boxes[0].spec.classes[0] == "tench"
    assert len(set(boxes[0].spec.classes)) == 1000
    assert "preprocess=imagenet" in first


def test_no_network_asks_for_a_file(torchvision, monkeypatch):
    def unreachable(*args, **kwargs):
        raise URLError("no route")

    api = importlib.import_module("torchvision.models._api")
    monkeypatch.setattr(api, "load_state_dict_from_url", unreachable)
    with pytest.raises(BoxError, match=r"no route.*pass weights=FILE"):
        open_box("torch:resnet18")


@pytest.mark.slow
def test_timm_by_name(torchvision):
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    module = timm.create_model("test_resnet", num_classes=6).eval()
    box = open_box("torch:timm/test_resnet?weights=none&classes=6")
    assert box.spec.shape == (160, 160, 3)
    assert "preprocess=symmetric" in box.spec.identity
    images = noise(box, 1)
    ready = torch.from_numpy(np.moveaxis(images, 3, 1) * 2 - 1)
    expected = module(ready.contiguous()).softmax(dim=1).detach().numpy()
    np.testing.assert_allclose(box.ask(images), expected, atol=1e-5)
    by_search = open_box("torch:test_resnet?weights=none&classes=6&size=64")
    assert by_search.spec.shape == (64, 64, 3)


@pytest.mark.parametrize(
    "uri",
    [
        "torch:resnet_of_mine",
        "torch:torchvision/test_resnet",
        "torch:resnet18?weights=none&colour=1",
        "torch:resnet18?classes=3",
        "torch:squeezenet1_1?weights=none&outputs=x&size=32",
    ],
)
def test_bad_names_and_options_are_refused(torchvision, uri):
    with pytest.raises(InvalidOption):
        open_box(uri)


def test_missing_libraries_are_named(monkeypatch):
    def failing(error):
        def import_module(name):
            raise error

        monkeypatch.setattr(torch_model, "import_module", import_module)

    failing(ImportError("No module named 'torchvision'"))
    with pytest.raises(MissingExtra, match=r"rebox\[torch\]"):
        open_box("torch:resnet18?weights=none")
    failing(RuntimeError("operator torchvision::nms does not exist"))
    with pytest.raises(BoxError, match="same build"):
        open_box("torch:resnet18?weights=none")


def test_missing_torch_names_the_extra(monkeypatch):
    monkeypatch.delitem(sys.modules, "rebox.box.torch")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtra, match=r"pip install 'rebox\[torch\]'"):
        open_box("torch:resnet18")


class Several(torch.nn.Module):
    """Answers as ``form`` says."""

    def __init__(self, form, features=7):
        super().__init__()
        self.net, self.form = tiny_net(), form
        self.side = torch.nn.Linear(4, features)

    def forward(self, images):
        seen = self.net[:6](images)
        return self.form(self.side(seen), self.net[6](seen))


class Output(dict):
    """As those of transformers: a mapping with a field of another kind."""


Pair = collections.namedtuple("Pair", ["logits", "aux"])
TUPLES = {
    "tuple": (lambda f, z: (f, z), {"classes": list("abcde")}, "1"),
    "list": (lambda f, z: [z, f], {"output": "0"}, "0"),
    "mapping": (lambda f, z: Output(features=f, logits=z, loss=None), {}, "logits"),
    "named tuple": (lambda f, z: Pair(z, f), {}, "logits"),
    "one in a tuple": (lambda f, z: (z,), {}, "0"),
}


@pytest.mark.filterwarnings("ignore:of the outputs")
@pytest.mark.parametrize("name", TUPLES)
def test_one_of_several_outputs(name):
    form, options, chosen = TUPLES[name]
    module = Several(form)
    box = TorchBox(module, size=8, outputs="logits", **options)
    assert len(box.spec.classes) == 5
    assert f"&output={chosen}" in box.spec.identity
    plain = TorchBox(module.net, size=8, outputs="logits")
    np.testing.assert_array_equal(box.ask(noise(box)), plain.ask(noise(box)))


def test_several_outputs_are_asked_for():
    with pytest.raises(InvalidOption, match=r"could be the scores: 0 \(n, 7\), 1 \(n, 5\)"):
        TorchBox(Several(lambda f, z: (f, z)), size=8)
    with pytest.raises(InvalidOption, match="no output called 'x'; it has 0, 1"):
        TorchBox(Several(lambda f, z: (f, z)), size=8, output="x")
    with pytest.warns(UserWarning, match="logits is read, by its name"):
        TorchBox(Several(lambda f, z: Pair(z, f)), size=8, outputs="logits")


@pytest.mark.parametrize("shape", [(-1, 1), (-1,), (-1, 1, 1, 1)])
def test_one_column_is_two_classes(shape):
    class Head(torch.nn.Module):
        def forward(self, images):
            return images.mean(dim=(1, 2, 3)).reshape(shape)

    box = TorchBox(Head(), size=8, outputs="probabilities", classes=["blank", "white"])
    p = noise(box).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(box.ask(noise(box)), np.stack([1 - p, p], axis=1), atol=1e-6)
    logit = TorchBox(Head(), size=8, outputs="sigmoid")
    np.testing.assert_allclose(logit.ask(noise(box))[:, 1], 1 / (1 + np.exp(-p)), atol=1e-6)
    with pytest.warns(UserWarning, match="second of two classes"):
        TorchBox(Head(), size=8)


def test_blue_before_red():
    net = tiny_net()
    figures = Preprocess(mean=(0.1, 0.2, 0.3), order="bgr")
    box = TorchBox(net, size=8, preprocess=figures, outputs="logits")
    ready = torch.from_numpy(np.moveaxis(noise(box)[..., ::-1] - [0.1, 0.2, 0.3], 3, 1).copy())
    expected = net(ready.float()).softmax(dim=1).detach().numpy()
    np.testing.assert_allclose(box.ask(noise(box)), expected, atol=1e-6)
    assert "order:bgr" in box.spec.identity


def test_no_run_holds_more_images_than_told():
    class One(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.last = torch.nn.Linear(192, 4)

        def forward(self, images):
            return self.last(images.reshape(1, 192))

    with pytest.raises(BoxError, match="cannot answer images"):
        TorchBox(One(), size=8)
    box = TorchBox(One(), size=np.int64(8), batch_size=np.int64(1), outputs="logits")
    assert box.ask(noise(box)).shape == (3, 4)


def test_quantised_weights_are_part_of_the_box():
    def quantised(seed):
        torch.manual_seed(seed)
        net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 4))
        return torch.ao.quantization.quantize_dynamic(net, dtype=torch.qint8)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch announces another way to quantise
        one, same, two = (
            TorchBox(quantised(s), size=8, outputs="logits").spec.identity for s in (0, 0, 1)
        )
    assert one == same != two


def wrapped(weights):
    ema = {name: w + 1 for name, w in weights.items()}
    return {
        "model": {"model": weights},
        "model_state_dict": {"epoch": 3, "model_state_dict": weights, "optimizer": {"lr": 0.1}},
        "net": {"net": weights, "acc": torch.tensor(0.5)},
        "DataParallel": {f"module.{k}": v for k, v in weights.items()},
        "Lightning": {"state_dict": {f"model.{k}": v for k, v in weights.items()}},
        "compiled": {f"module._orig_mod.{k}": v for k, v in weights.items()},
        "nested": {"checkpoint": {"state_dict": weights}},
        "no counters": {k: v for k, v in weights.items() if "num_batches" not in k},
        "averaged too": {"model": weights, "model_ema": ema},
        "with a loss": {f"net.{k}": v for k, v in weights.items()} | {"loss.weight": ema["6.bias"]},
        "averaged": {f"module.{k}": v for k, v in weights.items()} | {"n_averaged": ema["6.bias"]},
    }


@pytest.mark.filterwarnings("ignore:of weights.pth,", "ignore:weights.pth holds weights under")
@pytest.mark.parametrize("name", wrapped(tiny_net().state_dict()))
def test_weights_are_unwrapped(tmp_path, name):
    expected = tiny_net(seed=5).state_dict()
    torch.save(wrapped(expected)[name], tmp_path / "weights.pth")
    net = tiny_net(seed=6)
    load_weights(net, tmp_path / "weights.pth")
    for key, value in net.state_dict().items():
        assert torch.equal(value, expected[key])


def test_what_is_left_of_a_checkpoint_is_said(tmp_path):
    found = wrapped(tiny_net(seed=5).state_dict())
    path = tmp_path / "weights.pth"
    torch.save(found["with a loss"], path)
    with pytest.warns(UserWarning, match=r"behind net\. are read, and not loss\.weight"):
        load_weights(tiny_net(), path)
    torch.save(found["averaged too"], path)
    with pytest.warns(UserWarning, match="under model, model_ema: those under model are read"):
        load_weights(tiny_net(), path)
    torch.save(found["DataParallel"] | found["compiled"], path)
    with pytest.raises(BoxError, match=r"several networks, module\., module\._orig_mod\."):
        load_weights(tiny_net(), path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: w | {"6.weight": torch.zeros(9, 4), "6.bias": torch.zeros(9)}, "pass classes=9"),
        (lambda w: w | {"0.weight": torch.zeros(4, 1, 3, 3)}, "pass channels=1"),
        (lambda w: w | {"0.weight": torch.zeros(4, 3, 5, 5)}, "open the model that they were"),
        (
            lambda w: {f"x{k}": v for k, v in w.items()},
            r"they lack 0\.weight and .*hold x0\.weight",
        ),
        (lambda w: w | {"7.weight": torch.zeros(1)}, r"they hold 7\.weight"),
        (lambda w: [1, 2], "the file holds list; expected a state dict"),
    ],
)
def test_weights_that_do_not_fit_say_where(tmp_path, change, said):
    torch.save(change(dict(tiny_net().state_dict())), tmp_path / "w.pth")
    with pytest.raises(BoxError, match=said) as caught:
        load_weights(tiny_net(), tmp_path / "w.pth")
    assert "\n" not in str(caught.value)
    assert ("classes=" in str(caught.value)) == ("classes=" in said)


def test_channels_are_heeded(torchvision, tmp_path):
    timm = pytest.importorskip("timm")
    module = timm.create_model("test_resnet", num_classes=3, in_chans=1)
    torch.save(module.state_dict(), tmp_path / "grey.pth")
    uri = f"torch:timm/test_resnet?weights={tmp_path / 'grey.pth'}&classes=3&outputs=logits"
    box = open_box(f"{uri}&channels=1&mean=0.5&std=0.5&size=32")
    assert box.spec.shape == (32, 32, 1)
    ready = torch.from_numpy(np.moveaxis(noise(box), 3, 1) * 2 - 1)
    expected = module.eval()(ready.contiguous()).softmax(dim=1).detach().numpy()
    np.testing.assert_allclose(box.ask(noise(box)), expected, atol=1e-5)
    with pytest.raises(BoxError, match="pass channels=1"):
        open_box(uri)
    with pytest.raises(InvalidOption, match="torchvision's models take 3 channels"):
        open_box("torch:resnet18?weights=none&channels=1")


def test_a_model_made_for_one_size_is_made_for_another(torchvision):
    pytest.importorskip("timm")
    box = open_box("torch:timm/test_vit?weights=none&classes=3&size=96&outputs=logits")
    assert box.ask(noise(box, 1)).shape == (1, 3)


def test_colours_figures_for_grey_are_said(torchvision):
    pytest.importorskip("timm")
    with pytest.warns(UserWarning, match=r"averages 0\.449 and 0\.226 are taken for grey"):
        box = open_box("torch:timm/resnet10t?weights=none&classes=3&channels=1&outputs=logits")
    assert "mean:0.449;std:0.226" in box.spec.identity


@pytest.mark.parametrize(
    ("save", "said"),
    [
        (lambda path: torch.save(tiny_net(), path), "it holds Python objects, such as a whole"),
        (lambda path: torch.save({"model": tiny_net()}, path), "it holds Python objects"),
        (lambda path: path.write_bytes(b""), "cannot be read"),
        (lambda path: path.write_text("weights"), "cannot be read"),
    ],
)
def test_no_advice_to_run_what_a_file_holds(tmp_path, save, said):
    save(tmp_path / "w.pth")
    with pytest.raises(BoxError, match=said) as caught:
        load_weights(tiny_net(), tmp_path / "w.pth")
    assert "weights_only" not in str(caught.value)
    assert "expected a state dict saved as" in str(caught.value)


def test_a_module_without_weights_takes_none(tmp_path):
    torch.save({"a": torch.zeros(1)}, tmp_path / "w.pth")
    with pytest.raises(BoxError, match="they hold a"):
        load_weights(torch.nn.ReLU(), tmp_path / "w.pth")
