import copy
import importlib
import pickle
import sys
from urllib.error import URLError

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from rebox.box import Preprocess, open_box  # noqa: E402 - torch is optional
from rebox.box.torch import TorchBox  # noqa: E402 - torch is optional
from rebox.box.torch import model as torch_model  # noqa: E402 - torch is optional
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
