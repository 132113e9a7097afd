"""What every box owes whoever asks it, whatever it takes."""

import abc
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pytest

from rebox.box.contract import BlackBox
from rebox.box.reservation import Settlement
from rebox.box.spec import BoxSpec
from rebox.errors import BudgetExhausted


class AnswerContract(abc.ABC):
    """The tests of `BoxContract`, `IdBoxContract` and `TextBoxContract` that look at answers alone.

    A fixture ``reopen`` may return a function that opens the same box again; the tests then hold
    its identity and its answers to be the same.

    Attributes
    ----------
    tolerance : float
        Largest difference between two scores that count as the same. 0: bit for bit.
    """

    tolerance: ClassVar[float] = 1e-5

    @abc.abstractmethod
    def queries(self, box: BlackBox, n: int) -> Any:
        """Return n things that ``box`` can be asked about; the same ones whenever it is called."""

    @pytest.fixture
    def reopen(self) -> Callable[[], BlackBox] | None:
        """Return what opens the same box again, or None."""
        return None

    def test_spec_is_whole(self, box: BlackBox) -> None:
        """The spec is a `BoxSpec` with an identity and named classes."""
        assert isinstance(box.spec, BoxSpec)
        assert box.spec.identity.strip() == box.spec.identity != ""
        assert all(isinstance(name, str) and name for name in box.spec.classes)

    def test_one_row_for_each_image(self, box: BlackBox) -> None:
        """Answers are (n, classes) finite scores, none negative."""
        for n in (1, 3):
            scores = box.ask(self.queries(box, n))
            assert scores.shape == (n, len(box.spec.classes))
            assert scores.dtype == np.float32
            assert np.isfinite(scores).all()
            assert (scores >= 0).all()

    def test_answer_itself_keeps_the_contract(self, box: BlackBox) -> None:
        """A full batch is answered in one call."""
        n = box.spec.batch_size
        scores = np.asarray(box.answer(self.queries(box, n)))
        assert scores.shape == (n, len(box.spec.classes))

    def test_large_batches_keep_their_order(self, box: BlackBox) -> None:
        """More images than ``batch_size`` are answered as their parts would be."""
        n = box.spec.batch_size + 1
        images = self.queries(box, n)
        scores = box.ask(images)
        assert len(scores) == n
        self._check_same(scores[-1:], box.ask(images[-1:]))
        self._check_same(scores[:2], box.ask(images[:2]))

    def test_company_does_not_matter(self, box: BlackBox) -> None:
        """An image gets the same scores alone and within a batch, at any place."""
        images = self.queries(box, min(4, box.spec.batch_size))
        together, turned = box.ask(images), box.ask(images[::-1].copy())
        self._check_same(together, turned[::-1])
        for place, scores in enumerate(together):
            self._check_same(box.ask(images[[place]])[0], scores)

    def test_different_images_differ(self, box: BlackBox) -> None:
        """The scores depend on the image."""
        scores = box.ask(self.queries(box, 4))
        assert (scores != scores[0]).any()

    def test_read_only_images_are_answered(self, box: BlackBox) -> None:
        """Images that must not be written to are as good as others."""
        images = self.queries(box, 1)
        expected = box.ask(images)
        images.flags.writeable = False
        self._check_same(box.ask(images), expected)

    def test_every_image_is_counted(self, box: BlackBox) -> None:
        """``answered``, where the box has it, grows by exactly the images asked."""
        if not hasattr(box, "answered"):
            pytest.skip("the box does not count")
        for n in (1, 3, box.spec.batch_size + 1):
            before = box.answered
            box.ask(self.queries(box, n))
            assert box.answered - before == n

    def test_declared_sums_hold(self, box: BlackBox) -> None:
        """Rows add up to 1 if the spec says so, rounding allowed for."""
        if not box.spec.sums_to_one:
            pytest.skip("the spec promises no sum")
        scores = box.ask(self.queries(box, 4))
        decimals = box.spec.decimals
        rounding = 0.0 if decimals is None else 0.5 * 10.0**-decimals * scores.shape[1]
        np.testing.assert_allclose(scores.sum(axis=1), 1, rtol=0, atol=1e-3 + rounding)

    def test_declared_completeness_holds(self, box: BlackBox) -> None:
        """Every class has a score above 0 if the spec calls answers complete."""
        if not box.spec.complete or box.spec.decimals is not None:
            pytest.skip("the spec allows zeros")
        assert (box.ask(self.queries(box, 4)).max(axis=0) > 0).all()

    def test_declared_decimals_hold(self, box: BlackBox) -> None:
        """Scores are rounded to the decimals in the spec."""
        if box.spec.decimals is None:
            pytest.skip("the spec promises no rounding")
        scores = box.ask(self.queries(box, 4))
        rounded = np.round(scores.astype(np.float64), box.spec.decimals).astype(np.float32)
        np.testing.assert_array_equal(scores, rounded)

    def test_it_opens_again_as_itself(
        self, box: BlackBox, reopen: Callable[[], BlackBox] | None
    ) -> None:
        """Opened twice, it has the same spec and gives the same scores."""
        if reopen is None:
            pytest.skip("no fixture reopen")
        again = reopen()
        images = self.queries(box, 2)
        assert again.spec == box.spec
        self._check_same(again.ask(images), box.ask(images))

    def test_its_repr_names_it(self, box: BlackBox) -> None:
        """``repr`` tells the identity, and neither shows a path."""
        text = repr(box)
        assert box.spec.identity in text
        assert "\n" not in text
        assert not any(mark in text for mark in ("/home/", "/tmp/", "C:\\"))  # noqa: S108 - sought, not used

    def test_every_send_is_reserved_and_settled(self, box: BlackBox) -> None:
        """An account is told of every image before it leaves, and of its answer."""
        n = box.spec.batch_size + 1
        images, account = self.queries(box, n), Payer()
        scores = box.ask(images, account.reserve)
        self._check_same(scores[-2:], box.ask(images[-2:]))
        assert sorted(account.reserved) == sorted(account.answered) == list(range(n))
        assert account.billed == n

    def test_what_is_not_reserved_is_not_asked(self, box: BlackBox) -> None:
        """An account that refuses ends it, and nothing was sent."""
        before = getattr(box, "answered", None)
        with pytest.raises(BudgetExhausted):
            box.ask(self.queries(box, 2), Payer(empty=True).reserve)
        assert getattr(box, "answered", None) == before

    def _check_same(self, actual: object, expected: object) -> None:
        np.testing.assert_allclose(
            np.asarray(actual), np.asarray(expected), rtol=0, atol=self.tolerance
        )


class Payer:
    """Notes what it is told of every send; it is its own reservation."""

    def __init__(self, *, empty: bool = False) -> None:
        self.reserved: list[int] = []
        self.answered: list[int] = []
        self.billed = 0
        self._empty = empty

    def reserve(self, places: Sequence[int], **_: object) -> Self:
        """Note what is about to be sent, or refuse."""
        if self._empty:
            raise BudgetExhausted("the account is empty.")
        self.reserved.extend(places)
        return self

    def settle(self, settlement: Settlement) -> None:
        """Note what came of it."""
        self.answered.extend(settlement.answers)
        self.billed += settlement.billed
