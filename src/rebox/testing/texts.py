"""The tests that a box passes that takes texts.

::

    class TestMyBox(TextBoxContract):
        @pytest.fixture
        def box(self):
            return MyBox()

pytest then finds and runs the tests of `TextBoxContract`.
"""

from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from rebox.box.canary import canary_texts
from rebox.box.contract import BlackBox
from rebox.errors import InvalidData
from rebox.sample.texts import Texts, as_texts
from rebox.testing.answers import AnswerContract

ODD = (
    "x",
    "two\nlines\r\n\tand a tab",
    "\"quoted\", 'so', \\too\\ & <b>marked</b> {text} {key} {image} %s %41 +",
    "Ünïcödé, \u0627\u0644\u0639\u0631\u0628\u064a\u0629, 这家店很好, 🎉\u200d👍🏽, e\u0301",
    "a\x00b \x1b[31m \u2028 \ufeff",
    " before and after ",
    "a long one: " + "very " * 400 + "long",
)
"""Texts that are as good as any other."""


class TextBoxContract(AnswerContract):
    """Inherit, supply a fixture ``box``, and pytest finds the tests.

    Fixtures and attributes are those of `BoxContract`. No test asks more than ``batch_size + 12``
    texts.
    """

    def queries(self, box: BlackBox, n: int) -> Texts:  # noqa: ARG002 - alike for all
        """Return n texts."""
        return canary_texts(n)

    def test_it_takes_texts(self, box: BlackBox) -> None:
        """The spec says so, and has no size."""
        assert box.spec.takes == "texts"
        assert box.spec.shape == (0, 0, 0)

    def test_other_forms_are_refused(self, box: BlackBox) -> None:
        """Images, numbers, ids, a column and no texts at all are refused."""
        texts = self.queries(box, 2)
        others: tuple[NDArray[Any], ...] = (
            np.zeros((2, 4, 4, 3), np.float32),
            np.arange(2),
            texts.astype(str),
            texts[:, None],
            texts[:0],
        )
        for other in others:
            with pytest.raises(InvalidData):
                box.ask(cast(Any, other))

    def test_any_text_is_answered(self, box: BlackBox) -> None:
        """Quotation marks, line ends, braces, NUL and any script are a text's own business."""
        odd = as_texts(list(ODD))
        for start in range(0, len(odd), box.spec.batch_size):
            some = odd[start : start + box.spec.batch_size]
            assert box.ask(some).shape == (len(some), len(box.spec.classes))

    def test_texts_are_not_changed(self, box: BlackBox) -> None:
        """The texts handed in stay as they are."""
        texts = self.queries(box, 2)
        before = texts.copy()
        box.ask(texts)
        assert texts.tolist() == before.tolist()
