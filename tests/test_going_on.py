"""A model that asks in rounds, where a box fails in the middle of a prediction."""

import warnings

import numpy as np
import pytest
from test_as_named import answers_of

import rebox
from rebox.box.recorded import RecordedBox
from rebox.classifier.going_on import KeepingAsker
from rebox.errors import ArtefactError, BoxError
from rebox.fit import rounds
from rebox.meter import Meter

pytestmark = pytest.mark.slow

SERVICES = ("Cheap", "Dear", "Free")
MEAN_USD = 0.001
BLOCK = 100
TRAINED, KNOWN = 240, 640


class Lost(RecordedBox):
    """Recorded answers, which come to an end after so many of them."""

    def __init__(self, target, /, *, service, after):
        super().__init__(target, service=service)
        self.after, self.told = after, []

    def answer(self, images):
        if len(self.told) + len(images) > self.after:
            raise BoxError("no route to host")
        self.told += images.tolist()
        return super().answer(images)


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    truth, scores = answers_of([0.75, 0.9, 0.6], KNOWN, 7)
    file = tmp_path_factory.mktemp("answers") / "three.npz"
    np.savez(
        file,
        ids=np.array([f"sample-{i}" for i in range(KNOWN)]),
        truth=truth,
        services=np.array(SERVICES),
        usd_per_10k=np.array([5.0, 20.0, 0.0]),
        labels=np.stack([one.argmax(axis=1) for one in scores], axis=1),
        confidence=np.stack([one.max(axis=1) for one in scores], axis=1),
    )
    return file, truth


def samples(begin, end):
    return rebox.Samples(ids=[f"sample-{i}" for i in range(begin, end)])


@pytest.fixture(params=[None, MEAN_USD], ids=["asks-all", "asks-where-it-pays"])
def model(request, answers, monkeypatch):
    monkeypatch.setattr(rounds, "BLOCK", BLOCK)
    file, truth = answers
    fitted = rebox.Reprogrammer(
        [f"recorded:{file}?service={name}" for name in SERVICES],
        budget=3 * TRAINED,
        usd_per_prediction=request.param,
        journal=False,
        random_state=0,
    )
    return fitted.fit(samples(0, TRAINED), truth[:TRAINED].astype(str))


def losing(model, file, lost):
    """Let the boxes at some places fail after so many answers; return all boxes."""
    boxes = [
        Lost(file, service=name, after=lost.get(place, KNOWN))
        for place, name in enumerate(SERVICES)
    ]
    model.boxes_, model.meter_ = tuple(boxes), Meter(boxes)
    return boxes


@pytest.mark.parametrize("after", [0, 25, 60])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_prediction_in_rounds_goes_on_without_a_box_that_fails(model, answers, place, after):
    whole = model.predict_proba(samples(TRAINED, KNOWN))
    boxes = losing(model, answers[0], {place: after})
    with pytest.warns(UserWarning, match=f"without the box .*{SERVICES[place]}.*no route") as told:
        said = model.predict_proba(samples(TRAINED, KNOWN))
    assert len(told) == 1
    assert said.shape == whole.shape
    np.testing.assert_allclose(said.sum(axis=1), 1)
    differs = np.flatnonzero((said != whole).any(axis=1))
    assert (len(differs) and differs[0]) >= after // BLOCK * BLOCK * (place == 2)
    assert len(boxes[place].told) <= after
    for box in boxes:  # what was answered before the failure was read, and not asked again
        assert len(set(box.told)) == len(box.told)
    assert len(boxes[2].told) == KNOWN - TRAINED or place == 2  # what is free is asked about all
    if model.artefact_.model.policy is not None:
        # what a block had paid for when it lost a box is beyond the mean
        assert model.spent_.usd <= MEAN_USD * (KNOWN - TRAINED + BLOCK)


def test_what_is_left_says_what_a_model_without_the_box_says(model, answers):
    losing(model, answers[0], {1: 0})
    with pytest.warns(UserWarning, match="goes on without"):
        said = model.predict_proba(samples(TRAINED, KNOWN))
    losing(model, answers[0], {})
    left = model.artefact_.model.without(1)
    askers = [model.meter_.asker(box, "predict") for box in model.boxes_]
    expected = np.concatenate(list(left.batches(askers, model.checked(samples(TRAINED, KNOWN)))))
    np.testing.assert_array_equal(said, expected)


def test_a_model_whose_boxes_all_fail_answers_nothing(model, answers):
    losing(model, answers[0], dict.fromkeys(range(3), 0))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with pytest.raises(BoxError, match="no route"):
            model.predict_proba(samples(TRAINED, KNOWN))
    assert len(told) == 2
    left = model.artefact_.model.without(0).without(1)
    with pytest.raises(ArtefactError, match="no reading without box 2"):
        left.without(2)


def test_boxes_that_cost_are_asked_where_the_free_one_is_gone(model, answers):
    boxes = losing(model, answers[0], {2: 0})
    with pytest.warns(UserWarning, match="goes on without"):
        said = model.predict(samples(TRAINED, KNOWN))
    assert 0 < len(boxes[0].told) <= KNOWN - TRAINED
    assert (said == answers[1][TRAINED:].astype(str)).mean() > 0.7  # the free one alone: 0.6


def test_the_free_box_is_asked_where_those_that_cost_are_gone(model, answers):
    boxes = losing(model, answers[0], {0: 0, 1: 0})
    with pytest.warns(UserWarning, match="goes on without"):
        model.predict(samples(TRAINED, KNOWN))
    assert len(boxes[2].told) == KNOWN - TRAINED


def test_what_was_kept_is_still_kept_when_another_box_fails(answers):
    box = Lost(answers[0], service="Cheap", after=KNOWN)
    asker = KeepingAsker(box, Meter([box]))
    ids = samples(0, 5).ids
    first = asker.ask(ids)
    asker.begin_again()
    asker.ask(ids[:2])  # a second box fails before the others are asked about
    asker.begin_again()
    np.testing.assert_array_equal(asker.ask(ids), first)
    assert box.told == ids.tolist()
