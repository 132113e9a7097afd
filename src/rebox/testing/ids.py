"""The tests that a box passes that is asked by the ids of samples.

::

    class TestMyBox(IdBoxContract):
        @pytest.fixture
        def box(self):
            return MyBox()

pytest then finds and runs the tests of `IdBoxContract`.
"""

from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from rebox.box.contract import BlackBox
from rebox.errors import InvalidData
from rebox.testing.answers import AnswerContract, Payer


class IdBoxContract(AnswerContract):
    """Inherit, supply a fixture ``box``, and pytest finds the tests.

    A box that does not say its ``ids`` needs `known`, too. Four of them have other answers.
    """

    def known(self, box: BlackBox) -> NDArray[np.str_]:
        """Return ids (n,) that there are answers to, 4 or more."""
        assert box.ids is not None
        return box.ids

    def queries(self, box: BlackBox, n: int) -> NDArray[np.str_]:
        """Return n ids, again from the first where there are fewer."""
        return np.resize(self.known(box), n)

    def test_it_takes_ids(self, box: BlackBox) -> None:
        """The spec says so, and has no size."""
        assert box.spec.takes == "ids"
        assert box.spec.shape == (0, 0, 0)

    def test_other_forms_are_refused(self, box: BlackBox) -> None:
        """Images, numbers, a column and no ids at all are refused."""
        ids = self.queries(box, 2)
        others = (np.zeros((2, 4, 4, 3), np.float32), np.arange(2), ids[:, None], ids[:0])
        for other in others:
            with pytest.raises(InvalidData):
                box.ask(cast(Any, other))

    def test_unknown_ids_are_refused_before_they_cost(self, box: BlackBox) -> None:
        """Where it says its ``ids``, another is refused by name, and nothing is reserved."""
        if box.ids is None:
            pytest.skip("the box does not say its ids")
        ids = np.append(self.queries(box, 2), "nobody's id")
        account = Payer()
        with pytest.raises(InvalidData, match="nobody's id"):
            box.ask(ids, account.reserve)
        assert account.reserved == []

    def test_width_does_not_matter(self, box: BlackBox) -> None:
        """An id is the same text in an array that has room for a longer one."""
        ids = self.queries(box, 3)
        wide = ids.astype(f"<U{ids.dtype.itemsize // 4 + 40}")
        self._check_same(box.ask(wide), box.ask(ids))
