import functools

import numpy as np
import pytest

from rebox.box import FunctionBox
from rebox.errors import BoxError, InvalidOption
from rebox.testing import BoxContract


def darkness(images, sharpness=3.0):
    images *= sharpness  # in place, as careless functions do
    logits = np.stack(
        [images.mean((1, 2, 3)), images[:, 0, :, 0].mean(1), images[:, :, 0, 0].mean(1)]
    )
    powers = np.exp(logits.T)
    return powers / powers.sum(1, keepdims=True)


class TestFunctionBox(BoxContract):
    @pytest.fixture
    def box(self):
        return FunctionBox(darkness, size=(6, 5), classes=3)

    @pytest.fixture
    def reopen(self):
        return lambda: FunctionBox(darkness, size=(6, 5), classes=3)


class TestGreyBytes(BoxContract):
    @pytest.fixture
    def box(self):
        return FunctionBox(
            lambda images: np.stack([images.mean((1, 2, 3)), images[:, 0, 0, 0]], 1) / 255,
            size=8,
            classes=("dark", "light"),
            channels=1,
            pixels="uint8",
            identity="grey",
            batch_size=4,
            sums_to_one=False,
        )


def test_identity_is_the_qualified_name():
    identity = FunctionBox(darkness, size=4, classes=3).spec.identity
    assert identity.startswith(f"function:{__name__}.darkness?")
    partial = functools.partial(darkness, sharpness=2.0)
    assert FunctionBox(partial, size=4, classes=3).spec.identity == identity


def test_functions_of_one_name_and_another_shape_are_other_boxes():
    shapes = ({"size": 4, "classes": 3}, {"size": 5, "classes": 3}, {"size": 4, "classes": 2})
    assert len({FunctionBox(lambda x: x, **shape).spec.identity for shape in shapes}) == 3


def test_class_names_are_no_single_text():
    with pytest.raises(InvalidOption, match="cat"):
        FunctionBox(darkness, size=4, classes="cat")


def test_a_callable_object_is_named_by_its_class():
    class Asker:
        def __call__(self, images):
            return np.ones((len(images), 2)) / 2

    assert "Asker" in FunctionBox(Asker(), size=4, classes=2).spec.identity


def test_names_and_price():
    box = FunctionBox(darkness, size=4, classes=["a", "b", "c"], price_usd=0.002, complete=False)
    assert box.spec.classes == ("a", "b", "c")
    assert box.spec.price_usd == 0.002
    assert not box.spec.complete
    assert not box.spec.sums_to_one


def test_what_the_function_raises_becomes_a_box_error():
    def broken(images):
        raise KeyError("weights\nare gone")

    box = FunctionBox(broken, size=4, classes=2)
    with pytest.raises(BoxError, match=r"broken raised KeyError: .*weights") as caught:
        box.ask(np.zeros((2, 4, 4, 3), np.float32))
    assert isinstance(caught.value.__cause__, KeyError)
    assert "\n" not in str(caught.value)
    assert box.answered == 2


def test_no_callable_is_refused():
    with pytest.raises(InvalidOption, match="must be callable"):
        FunctionBox(3, size=4, classes=2)
