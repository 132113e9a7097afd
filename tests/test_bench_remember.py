"""The box that remembers: it answers as the box does, and asks once. A rehearsal box."""

from contextlib import closing

import numpy as np

from rebox.box.probe import synthetic_images
from rebox.box.rehearsal import RehearsalBox
from rebox.study.bench.remember import RememberingBox


def test_a_remembering_box_answers_as_the_box_and_asks_once(tmp_path):
    bare = RehearsalBox()
    images = synthetic_images((32, 32, 3), 5, pixels="uint8")
    twice = np.concatenate([images, images[:2]])
    with closing(RememberingBox(RehearsalBox(), tmp_path)) as box:
        np.testing.assert_array_equal(box.ask(twice), bare.ask(twice))
        assert (box.asked, box.answered) == (7, 5)
    inner = RehearsalBox()
    with closing(RememberingBox(inner, tmp_path)) as box:
        np.testing.assert_array_equal(box.ask(images), bare.ask(images))
        assert (box.asked, box.answered, inner.answered) == (5, 0, 0)
        assert box.seconds_per_image > 0
    with closing(RememberingBox(RehearsalBox(seed=1), tmp_path)) as other:
        assert (other.ask(images) != bare.ask(images)).any()
        assert other.answered == 5


def test_what_is_not_to_be_kept_is_asked_again(tmp_path):
    images = synthetic_images((32, 32, 3), 3, pixels="uint8")
    for folder in (tmp_path, None):
        with closing(RememberingBox(RehearsalBox(), folder)) as box:
            box.keep = False
            np.testing.assert_array_equal(box.ask(images), box.ask(images))
            assert box.answered == 6
            assert box.inside_s > 0
