"""Samples that are known by ids: alone, or beside what they show."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from recordings import answers, recording, uri
from sklearn.model_selection import cross_val_score

import rebox
from rebox.errors import BudgetExhausted, InvalidData, InvalidOption
from rebox.sample import Dataset, SampleLoader, Samples
from rebox.sample.samples import as_ids

CONTENT = answers()
IDS, TRUTH = CONTENT["ids"], CONTENT["truth"]
BY_ID = rebox.Samples(ids=IDS)


def pictures(truth=TRUTH, seed=1):
    """Return images that say a little about the class: brighter by class, with noise."""
    noise = np.random.default_rng(seed).random((len(truth), 6, 6))
    return ((0.2 * truth[:, None, None] + 0.5 * noise) * 255).astype(np.uint8)


@pytest.fixture
def file(tmp_path):
    return recording(tmp_path / "answers.npz")


def model_of(box, recipe="auto", **more):
    settings = {"budget": 120, "journal": False, "random_state": 0} | more
    return rebox.Reprogrammer(box, recipe, **settings)


# --- what they are --------------------------------------------------------------------------------


GIVEN = {
    "numbers": [7, 12],
    "array": np.array([7, 12]),
    "texts": ["7", "12"],
    "series": pd.Series([7, 12]),
    "floats": [7.0, 12.0],
    "mixed": (b"7", 12),
}


@pytest.mark.parametrize("given", GIVEN)
def test_ids_are_texts(given):
    assert as_ids(GIVEN[given]).tolist() == ["7", "12"]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ("s1", "the one text 's1'"),
        ([["a"], ["b"]], r"the id of sample 0 is \['a'\]"),
        (np.array([["a"], ["b"]]), r"shape \(2, 1\)"),
        (["a", ""], "the id of sample 1 is empty"),
        (["a", "  "], "the id of sample 1 is empty"),
        (["a", None], "the id of sample 1 is None"),
        ([1, np.nan], "the id of sample 1 is nan"),
        ([1, 2.5], r"the id of sample 1 is 2\.5"),
        ([1, True], "the id of sample 1 is True"),
        (7, "ids are a int"),
    ],
)
def test_what_is_no_id_is_refused(ids, message):
    with pytest.raises(InvalidData, match=message):
        Samples(ids=ids)


def test_samples_are_known_by_something_and_as_many_by_each():
    with pytest.raises(InvalidData, match="known by nothing"):
        Samples()
    with pytest.raises(InvalidData, match="found 120 images and 3 ids"):
        Samples(images=pictures(), ids=IDS[:3])


FORMS = {
    "arrays": lambda x: x,
    "lists": list,
    "frames": lambda x: pd.DataFrame(x.reshape(len(x), -1)),
    "pictures": lambda x: [Image.fromarray(one) for one in x],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("rows", [[4, 1], slice(2, 5), np.arange(120) % 50 == 1])
def test_rows_of_samples_are_samples(form, rows):
    whole = Samples(images=FORMS[form](pictures()), ids=IDS)
    part = whole[rows]
    assert len(part) == part.shape[0] == len(part.images)
    assert part.ids.tolist() == IDS[rows].tolist()
    if form != "frames":
        np.testing.assert_array_equal(np.asarray(part.images[0]), pictures()[rows][0])
    assert whole[rows, ...].ids.tolist() == part.ids.tolist()


def test_one_row_alone_is_not_samples():
    with pytest.raises(TypeError, match=r"one alone is X\[\[3\]\]"):
        BY_ID[3]


def test_a_digest_is_that_of_the_images_unless_there_are_ids():
    def digest(**known):
        return SampleLoader.of_training(Samples(**known)).digest()

    x = pictures()
    alone = SampleLoader.of_training(x)
    assert digest(images=x) == alone.digest() == alone.images.digest()
    others = [digest(ids=IDS), digest(images=x, ids=IDS), digest(ids=IDS[::-1]), alone.digest()]
    assert len(set(others)) == 4


def test_they_say_what_they_are():
    assert repr(BY_ID) == "<Samples: 120, by ids>"
    assert repr(Samples(images=pictures(), ids=IDS)) == "<Samples: 120, by images and ids>"


# --- fitted and predicted -------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["auto", "map", "map?rule=best", "auto?class_weight=balanced"])
@pytest.mark.parametrize("service", ["Good", "Free"])
def test_a_recorded_box_is_fitted_by_ids(file, tmp_path, recipe, service):
    model = model_of(uri(file, service), recipe).fit(BY_ID[:90], TRUTH[:90])
    assert model.spent_.map == 90
    assert model.spent_.usd == (pytest.approx(0.09) if service == "Good" else 0)
    assert model.score(BY_ID[90:], TRUTH[90:]) > (0.7 if service == "Good" else 0.5)
    model.save(tmp_path / "m.rebox")
    loaded = rebox.Reprogrammer.load(tmp_path / "m.rebox", journal=False)
    expected = model.predict_proba(BY_ID[90:])
    np.testing.assert_array_equal(loaded.predict_proba(rebox.Samples(ids=IDS[90:])), expected)
    assert loaded.artefact_.inputs is None
    assert loaded.artefact_.facts()["takes"] == "ids"
    loaded.save(tmp_path / "again.rebox")
    assert (tmp_path / "again.rebox").read_bytes() == (tmp_path / "m.rebox").read_bytes()


def test_the_local_model_sees_nothing_of_an_id(file):
    model = model_of(uri(file), verdict=True).fit(BY_ID, TRUTH)
    assert model.artefact_.model.local is None
    assert [row.queries for row in model.verdict_.rows] == [0, 1]  # chance, and the box
    assert model.verdict_.finding is None
    mapped = model_of(uri(file), "map", verdict=True).fit(BY_ID, TRUTH)
    assert "better than chance" in mapped.verdict_.words


def test_pictures_are_seen_beside_the_ids(file, tmp_path):
    both = rebox.Samples(images=pictures(), ids=IDS)
    model = model_of(uri(file, "Poor")).fit(both[:90], TRUTH[:90])
    assert model.artefact_.model.local is not None
    assert [question.program for question in model.artefact_.model.questions] == [None]
    assert model.artefact_.facts()["takes"] == "6 x 6 images and ids"
    model.save(tmp_path / "m.rebox")
    loaded = rebox.Reprogrammer.load(tmp_path / "m.rebox", journal=False)
    said = loaded.predict_proba(both[90:])
    np.testing.assert_array_equal(said, model.predict_proba(both[90:]))
    alone = model_of(uri(file, "Poor")).fit(BY_ID[:90], TRUTH[:90])
    assert (said.argmax(1) == TRUTH[90:]).mean() > alone.score(BY_ID[90:], TRUTH[90:])


@pytest.mark.parametrize("form", FORMS)
def test_whatever_they_show_may_stand_beside_ids(file, form):
    both = rebox.Samples(images=FORMS[form](pictures()), ids=IDS)
    model = model_of(uri(file)).fit(both[:90], TRUTH[:90])
    assert model.score(both[90:], TRUTH[90:]) > 0.7


@pytest.mark.slow
def test_a_box_of_images_does_not_mind_ids():
    x = pictures()
    images, named = (
        model_of("rehearsal:?size=8", budget=60)
        .fit(given[:60], TRUTH[:60])
        .predict_proba(given[60:])
        for given in (x, rebox.Samples(images=x, ids=IDS))
    )
    np.testing.assert_array_equal(images, named)


def test_an_id_may_stand_for_several_samples(file):
    twice = np.r_[np.arange(60), np.arange(60)]
    model = model_of(uri(file)).fit(BY_ID[twice], TRUTH[twice], groups=IDS[twice])
    said = model.predict_proba(BY_ID[[3, 3]])
    np.testing.assert_array_equal(said[0], said[1])


def test_scikit_learn_splits_them(file):
    scores = cross_val_score(model_of(uri(file)), BY_ID, TRUTH, cv=3)
    assert scores.mean() > 0.7


def test_ids_are_asked_within_the_budget(file):
    model = model_of(uri(file), budget=40, predict_budget=10).fit(BY_ID, TRUTH)
    assert model.spent_.map == 40
    with pytest.raises(BudgetExhausted, match="11 more queries to predict"):
        model.predict(BY_ID[:11])
    assert model.spent_.predict == 0


def test_answers_by_id_are_remembered(file, tmp_path):
    journal = tmp_path / "j.sqlite"
    first = model_of(uri(file), journal=journal).fit(BY_ID[:60], TRUTH[:60])
    again = model_of(uri(file), journal=journal).fit(BY_ID[:60], TRUTH[:60])
    assert (first.spent_.billed, again.spent_.billed, again.spent_.saved) == (60, 0, 60)
    # asked among longer ids, an id is the same question
    mixed = rebox.Samples(ids=["s003.jpg", "s004.jpg"])
    assert again.predict_proba(mixed).shape == (2, 3)
    assert again.spent_.billed == 0


def test_what_costs_money_is_journalled_unless_told_otherwise(file, tmp_path, monkeypatch):
    own = tmp_path / "own.sqlite"
    monkeypatch.setattr("rebox.classifier.accounts.default_path", lambda: own)
    model_of(uri(file, "Free"), journal=None).fit(BY_ID, TRUTH)
    assert not own.exists()
    model_of(uri(file, "Good"), journal=None).fit(BY_ID, TRUTH)
    assert own.is_file()


# --- what does not go together --------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["bar", "zoo", "program", "cma-es"])
def test_nothing_is_added_to_an_id(file, recipe):
    with pytest.raises(InvalidOption, match="is asked by ids: use the recipe auto or map"):
        model_of(uri(file), recipe, budget=5000).fit(BY_ID, TRUTH)


def test_a_box_of_ids_wants_ids(file):
    model = model_of(uri(file))
    with pytest.raises(InvalidData, match="is asked by ids, and samples have none: hand"):
        model.fit(pictures(), TRUTH)
    model.fit(BY_ID, TRUTH)
    with pytest.raises(InvalidData, match="samples have none"):
        model.predict(pictures())
    assert model.spent_.predict == 0


def test_a_box_of_images_wants_images():
    model = model_of("rehearsal:?size=8", budget=60)
    with pytest.raises(InvalidData, match="takes images, and the samples are known by their ids"):
        model.fit(BY_ID, TRUTH)
    model.fit(rebox.Samples(images=pictures(), ids=IDS), TRUTH)
    with pytest.raises(InvalidData, match="known by their ids alone"):
        model.predict(BY_ID)
    assert model.spent_.predict == 0


def test_a_model_that_saw_pictures_wants_to_see_them_again(file):
    model = model_of(uri(file)).fit(rebox.Samples(images=pictures(), ids=IDS), TRUTH)
    with pytest.raises(InvalidData, match="the model looks at what it asks about"):
        model.predict(BY_ID)


def test_an_unknown_id_is_named_before_anything_is_paid_for(file):
    ids = np.append(IDS[:-1], "who")
    model = model_of(uri(file))
    with pytest.raises(InvalidData, match="no answer to 1 of 120 ids, 'who' the first"):
        model.fit(rebox.Samples(ids=ids), TRUTH)
    assert model.meter_.spent.total == 0
    model.fit(BY_ID, TRUTH)
    with pytest.raises(InvalidData, match="'who' the first"):
        model.predict(rebox.Samples(ids=ids))
    assert model.spent_.predict == 0


@pytest.mark.parametrize(
    ("box", "more", "message"),
    [
        (None, {"recipe": "local"}, "a model that asks nobody looks at samples"),
        ("Good", {"queries_per_prediction": 0}, "a model that asks nobody looks at samples"),
        ("Good", {"encoder": lambda images: np.ones((len(images), 2))}, "an encoder looks at"),
        ("Good", {"value_range": (0, 1)}, "value_range is for images"),
    ],
)
def test_nothing_looks_at_an_id(file, box, more, message):
    model = model_of(box and uri(file, box), **more)
    with pytest.raises(InvalidOption, match=message):
        model.fit(BY_ID, TRUTH)


def test_canaries_are_no_ids(file):
    with pytest.warns(UserWarning, match="canaries=3 were wanted.*is shown nothing"):
        model = model_of(uri(file), canaries=3).fit(BY_ID[:60], TRUTH[:60])
    assert model.spent_.probe == 0
    assert model.check_box() is None


def test_a_list_of_texts_is_a_list_of_paths(file):
    model = model_of(uri(file)).fit(BY_ID, TRUTH)
    with pytest.raises(InvalidData, match=r"hand over rebox\.Samples\(ids=\.\.\.\)"):
        model.predict(IDS.tolist())


def test_a_model_is_bound_to_the_answers(file, tmp_path):
    model_of(uri(file)).fit(BY_ID, TRUTH).save(tmp_path / "m.rebox")
    with pytest.raises(rebox.Error, match="but the model was fitted for recorded:Good@"):
        rebox.Reprogrammer.load(tmp_path / "m.rebox", uri(file, "Poor"))
    moved = (tmp_path / "sub").joinpath("m.rebox")
    moved.parent.mkdir()
    moved.write_bytes((tmp_path / "m.rebox").read_bytes())
    file.rename(moved.parent / file.name)
    found = rebox.Reprogrammer.load(moved, journal=False)
    assert found.score(BY_ID, TRUTH) > 0.7


def test_samples_of_one_id_are_held_out_together(file):
    """What was drawn twice is not judged by a fit that knew it; others' subjects go first."""
    rows = np.repeat(np.arange(12), 4)
    known = Samples(ids=IDS[rows])
    expected = rows.tolist()
    assert known.subjects().tolist() == expected
    assert known.subjects(np.arange(48) % 6).tolist() == (np.arange(48) % 6).tolist()
    assert Samples(ids=IDS[:12]).subjects() is None
    model = rebox.Reprogrammer(uri(file), budget=100, journal=False, random_state=0)
    model.fit(known, TRUTH[rows])
    assert "of 12 subjects" in model.verdict_.words
    assert model.spent_.map == 48  # each is asked about as often as it stands
    part, rest = Dataset(None, TRUTH[rows], "twice", ids=IDS[rows]).split(0.4, seed=0)
    assert not np.isin(part.ids, rest.ids).any()
