"""Views that are geometrically alike share the work of placing, and show what each shows alone."""

import threading

import numpy as np
import pytest

from rebox.fit.asking import AHEAD, ahead, place_views
from rebox.program import Canvas, View, view_pool

PATIENCE_S = 20


def pictures(seed):
    """Return images of several sizes and kinds: whatever a folder may hold."""
    rng = np.random.default_rng([5, seed])
    shapes = [(9, 7, 3), (12, 12, 1), (8, 8, 3), (5, 14, 3), (7, 9)]
    levels = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]
    return [*levels, rng.random((6, 6, 3), dtype=np.float32)]


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("cells", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_view_shows_what_it_shows_alone(grey, cells, channels):
    pool = view_pool(grey=grey, cells=cells, channels=channels, least=40)
    placements = {
        k: Canvas(fit="contain", view=view).placement((9, 7), (16, 16, channels), blocky=cells)
        for k, view in enumerate(pool)
    }
    batches = [pictures(seed=0), pictures(seed=1)[:2]]
    found = list(place_views(placements, batches))
    assert [k for k, _ in found] == [*placements, *placements]
    alone = [placement.place(images) for images in batches for placement in placements.values()]
    for (_, placed), expected in zip(found, alone, strict=True):
        assert placed.shape == expected.shape
        assert placed.strides == expected.strides
        assert placed.tobytes() == expected.tobytes()


def test_a_box_that_writes_on_its_images_spoils_no_other_view():
    pool = view_pool(grey=False, cells=False)
    placements = {
        k: Canvas(fit="contain", view=view).placement((9, 7), (16, 16, 3))
        for k, view in enumerate(pool)
    }
    images = pictures(seed=0)
    for k, placed in place_views(placements, [images]):
        assert np.array_equal(placed, placements[k].place(images))
        placed[:] = 0


def test_the_next_batches_are_made_meanwhile_and_no_more_of_them():
    made = [threading.Event() for _ in range(6)]

    def make():
        for number, event in enumerate(made):
            event.set()
            yield number

    batches = ahead(make())
    assert next(batches) == 0
    assert all(made[number].wait(PATIENCE_S) for number in range(AHEAD + 1))
    assert not made[AHEAD + 1].is_set()
    assert list(batches) == [1, 2, 3, 4, 5]


def test_what_fails_is_raised_in_its_turn():
    def make():
        yield 0
        raise OSError("a file is gone")

    batches = ahead(make())
    assert next(batches) == 0
    with pytest.raises(OSError, match="gone"):
        next(batches)


@pytest.mark.parametrize("turn", range(8))
def test_a_turned_picture_is_shown_as_its_turned_pixels(turn):
    picture = pictures(seed=0)[0]
    turned = np.rot90(picture[:, ::-1] if turn >= 4 else picture, turn % 4).copy()
    shown = Canvas(fit="stretch", view=View(turn=turn)).placement((9, 7), (16, 16, 3))
    plain = Canvas(fit="stretch").placement(turned.shape[:2], (16, 16, 3))
    assert np.array_equal(shown.place([picture]), plain.place([turned]))
