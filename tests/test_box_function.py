import functools

import numpy as np
import pytest

from rebox.box import FunctionBox
from rebox.errors import BoxError, InvalidAnswer, InvalidOption
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


SCORES = np.array([[0.25, 0.75], [0.5, 0.5], [0.125, 0.875]], np.float32)
ASKED = np.zeros((3, 4, 4, 3), np.float32)


def answering(answer, **options):
    return FunctionBox(lambda images: answer, size=4, **{"classes": 2} | options)


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("form", ["tensor", "list of rows", "list of numbers", "parameter"])
def test_a_torch_answer_is_read_with_its_gradient(dtype, form):
    torch = pytest.importorskip("torch")
    tensor = torch.tensor(SCORES, requires_grad=True).to(getattr(torch, dtype)) * 1
    forms = {
        "tensor": lambda: tensor,
        "list of rows": lambda: list(tensor),
        "list of numbers": lambda: [list(row) for row in tensor],
        "parameter": lambda: torch.nn.Parameter(tensor.detach()),
    }
    np.testing.assert_array_equal(answering(forms[form]()).ask(ASKED), SCORES)


@pytest.mark.parametrize(
    "answer", [[["a", "b"]] * 3, object(), None, [[0.5, 0.5], [1.0]], {"a": 1}]
)
def test_what_is_no_array_of_numbers_is_an_error_of_ours(answer):
    with pytest.raises(BoxError):
        answering(answer).ask(ASKED)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (np.float32([[-2e-7, 1.0000002]] * 3), [0, 1]),
        (np.float64([[-1e-9, 1 + 1e-9]] * 3), [0, 1]),
        (np.float16([[-0.001, 1.001]] * 3), [0, 1]),
        ([[-5e-6, 1.0]] * 3, [0, 1]),
    ],
)
def test_rounding_is_clipped_at_both_ends(answer, expected):
    scores = answering(answer).ask(ASKED)
    np.testing.assert_array_equal(scores, np.float32([expected] * 3))
    assert scores.dtype == np.float32


@pytest.mark.parametrize("low", [-1e-4, -0.001, -3.0])
def test_what_is_no_rounding_is_refused(low):
    with pytest.raises(InvalidAnswer, match=r"negative scores.*return their softmax"):
        answering(np.float32([[low, 1]] * 3)).ask(ASKED)


def test_scores_that_are_no_probabilities_stay():
    kept = np.float32([[3, 250.5], [1.01, 0], [0.5, 0.999]])
    np.testing.assert_array_equal(answering(kept, sums_to_one=False).ask(ASKED), kept)


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_one_probability_is_two_classes(shape):
    box = answering(SCORES[:, 1].reshape(shape), classes=1)
    np.testing.assert_array_equal(box.ask(ASKED), SCORES)
    assert box.spec.classes == ("class_0", "class_1")
    named = answering(SCORES[:, 1].reshape(shape), classes=["nsfw"])
    assert named.spec.classes == ("not nsfw", "nsfw")
    assert named.spec.sums_to_one


@pytest.mark.parametrize("answer", [SCORES, np.float32(0.5), np.float32([0.1, 0.2])])
def test_one_probability_for_each_image(answer):
    with pytest.raises(InvalidAnswer, match="probabilities of the second of two classes"):
        answering(answer, classes=1).ask(ASKED)


NAMES = ("cat", "dog", "owl")


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        (np.int64(3), ("class_0", "class_1", "class_2")),
        (np.uint8(3), ("class_0", "class_1", "class_2")),
        ({0: "cat", 1: "dog", 2: "owl"}, NAMES),
        ({2: "owl", 0: "cat", 1: "dog"}, NAMES),
        ({"0": "cat", "1": "dog", "2": "owl"}, NAMES),
        ({"owl": 2, "cat": 0, "dog": np.int64(1)}, NAMES),
        (np.array(NAMES), NAMES),
        ((name for name in NAMES), NAMES),
        ([7, 8, 9], ("7", "8", "9")),
        ({0: 7, 1: 8, 2: 9}, ("7", "8", "9")),
    ],
)
def test_numbers_and_names_in_many_forms(classes, names):
    spec = FunctionBox(darkness, size=np.int64(4), classes=classes, decimals=np.int8(2)).spec
    assert spec.classes == names
    assert all(type(name) is str for name in spec.classes)
    assert (type(spec.height), type(spec.decimals)) == (int, int)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": "8x8"}, "size must be a whole number or"),
        ({"size": (8, 8, 3)}, "size must be"),
        ({"size": 8.0}, "size must be"),
        ({"size": 0}, "size must be"),
        ({"size": (8, None)}, "size must be"),
        ({"classes": {"cat", "dog"}}, "classes must be a number or a list"),
        ({"classes": 2.0}, "classes must be a whole number"),
        ({"classes": None}, "classes must be a whole number"),
        ({"classes": {1: "cat", 2: "dog"}}, "must name 0 to 1"),
        ({"classes": {"a": "cat", "b": "dog"}}, "must name 0 to 1"),
        ({"classes": b"cat"}, "classes must be"),
        ({"channels": "3"}, "channels must be a whole number"),
        ({"batch_size": 2.5}, "batch_size must be a whole number"),
        ({"decimals": "2"}, "decimals must be a whole number"),
        ({"price_usd": "1"}, "price_usd must be 0 or more, and up to 1,000,000, found '1'"),
    ],
)
def test_what_is_no_number_is_refused(options, said):
    with pytest.raises(InvalidOption, match=said):
        FunctionBox(darkness, **{"size": 8, "classes": 3} | options)
