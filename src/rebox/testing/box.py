"""The tests that every box passes.

::

    class TestMyBox(BoxContract):
        @pytest.fixture
        def box(self):
            return MyBox()

pytest then finds and runs the tests of `BoxContract`.
"""

from typing import cast

import numpy as np
import pytest

from rebox.box.contract import BlackBox
from rebox.box.probe import synthetic_images
from rebox.box.spec import BoxSpec, Images
from rebox.errors import InvalidData
from rebox.testing.answers import AnswerContract


class BoxContract(AnswerContract):
    """Inherit, supply a fixture ``box``, and pytest finds the tests.

    A fixture ``reopen`` may return a function that opens the same box again; the tests then hold
    its identity and its answers to be the same. No test asks more than
    ``batch_size + 12`` images.

    Attributes
    ----------
    tolerance : float
        Largest difference between two scores that count as the same. 0: bit for bit.
    """

    def queries(self, box: BlackBox, n: int) -> Images:
        """Return n synthetic images."""
        return _images(box.spec, n)

    def test_other_sizes_are_refused(self, box: BlackBox) -> None:
        """Images of another height, width, channels or rank, and none at all, are refused."""
        n, height, width, channels = 2, *box.spec.shape
        shapes = [
            (n, height + 1, width, channels),
            (n, height, width + 1, channels),
            (n, height, width, 4 - channels),
            (height, width, channels),
            (0, height, width, channels),
        ]
        for shape in shapes:
            with pytest.raises(InvalidData):
                box.ask(cast(Images, np.zeros(shape, dtype=box.spec.pixels)))

    def test_other_types_are_refused(self, box: BlackBox) -> None:
        """Pixels of another type than the spec's are refused."""
        for dtype in {"float32", "float64", "uint8", "int64"} - {box.spec.pixels}:
            with pytest.raises(InvalidData):
                box.ask(cast(Images, np.zeros((1, *box.spec.shape), dtype=dtype)))

    def test_other_ranges_are_refused(self, box: BlackBox) -> None:
        """Float images outside [0, 1], or with NaN, are refused."""
        if box.spec.pixels == "uint8":
            pytest.skip("every uint8 is a grey level")
        for value in (-0.1, 1.1, np.nan, np.inf):
            images = _images(box.spec, 1)
            images[0, 0, 0, 0] = value
            with pytest.raises(InvalidData):
                box.ask(images)

    def test_memory_layout_does_not_matter(self, box: BlackBox) -> None:
        """Contiguous images, planar ones and views get the same scores."""
        images = _images(box.spec, 3)
        expected = box.ask(images)
        planar = np.moveaxis(np.moveaxis(images, 3, 1).copy(), 1, 3)
        spaced = cast(Images, np.repeat(images, 2, axis=2)[:, :, ::2])
        for same in (planar, spaced):
            self._check_same(box.ask(same), expected)

    def test_images_are_not_changed(self, box: BlackBox) -> None:
        """The images handed in stay as they are, in every layout."""
        images = _images(box.spec, 2)
        planar = np.moveaxis(np.moveaxis(images, 3, 1).copy(), 1, 3)
        before = images.copy()
        for handed in (images, planar):
            box.ask(handed)
            np.testing.assert_array_equal(handed, before)


def _images(spec: BoxSpec, n: int) -> Images:
    return synthetic_images(spec.shape, n, pixels=spec.pixels)
