"""What several boxes are called beside each other, and in how many orders options can be asked."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebox.box.chat.wording import order_of
from rebox.errors import InvalidOption
from rebox.fit.boxes_plan import distinct_names

CHAT = "chat:m?base_url=http://127.0.0.1/v1&classes=a,b"


def test_boxes_that_are_called_alike_are_told_apart_by_the_options_in_which_they_differ() -> None:
    names = distinct_names(
        [(f"{CHAT}&order=0", "1"), (f"{CHAT}&order=1", "2"), ("onnx:d/e.onnx", "3")]
    )
    assert names == ("chat:m order=0", "chat:m order=1", "onnx:e.onnx")


def test_boxes_without_a_difference_are_told_apart_by_their_place() -> None:
    assert distinct_names([(CHAT, "1"), (CHAT, "2")]) == ("chat:m (1)", "chat:m (2)")


@given(
    st.lists(st.sampled_from([CHAT, f"{CHAT}&order=1", "onnx:a/m", "onnx:b/m", None]), min_size=1)
)
def test_no_two_boxes_have_one_name(uris: list[str | None]) -> None:
    names = distinct_names([(uri, f"function:f{at}") for at, uri in enumerate(uris)])
    assert len(set(names)) == len(uris)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_few_options_are_asked_in_each_order_once(n: int) -> None:
    count = len(list(itertools.permutations(range(n))))
    orders = {tuple(order_of(number, n).tolist()) for number in range(count)}
    assert len(orders) == count
    with pytest.raises(InvalidOption, match=f"{n} options have {count} orders"):
        order_of(count, n)


@given(st.integers(0, 50), st.integers(2, 40))
def test_an_order_has_every_option_once(number: int, n: int) -> None:
    if n > 4:
        np.testing.assert_array_equal(np.sort(order_of(number, n)), np.arange(n))
