"""Texts through a fit, to its file and back. Boxes here are functions: no service is rehearsed."""

import numpy as np
import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recordings import answers, recording, uri
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from texts import Keeping, reviews, scores, text_box

import rebox
from rebox.artefact import load, peek
from rebox.artefact.soundness import check_described
from rebox.box import FunctionBox, LimitedBox, canary_texts
from rebox.errors import ArtefactError, BoxError, Error, InvalidData, InvalidOption
from rebox.fit.question import Question
from rebox.meter import Budget, Journal, Meter
from rebox.meter.journal_account import JournalAccount
from rebox.program import TEMPLATES, Template, templates_of
from rebox.sample import as_texts

pytestmark = pytest.mark.slow

X, Y = reviews(120)
NEW, NEW_Y = reviews(60, seed=1)


def said(texts, **more):
    return rebox.Samples(texts=texts, **more)


def fitted(box, recipe="auto", **options):
    options = {"budget": 400, "random_state": 0, **options}
    return rebox.Reprogrammer(box, recipe, **options).fit(said(X), Y)


@pytest.mark.parametrize("recipe", ["auto", "map", "auto?class_weight=balanced", "map?rule=blm+"])
def test_a_box_of_texts_is_reprogrammed(recipe, tmp_path):
    box = text_box()
    model = fitted(box, recipe)
    assert model.score(NEW, NEW_Y) > 0.8
    assert model.artefact_.takes == "texts"
    model.save(tmp_path / "m.rebox")
    again = rebox.Reprogrammer.load(tmp_path / "m.rebox", box)
    np.testing.assert_array_equal(model.predict_proba(NEW), again.predict_proba(NEW))
    np.testing.assert_array_equal(model.predict(NEW), again.predict(np.array(NEW)))


@pytest.mark.parametrize("form", [list, tuple, np.array, pandas.Series, as_texts])
def test_texts_in_any_form_are_the_same_fit(form):
    expected = fitted(text_box(), "map").predict_proba(NEW)
    model = rebox.Reprogrammer(text_box(), "map", budget=400, random_state=0).fit(form(X), Y)
    assert model.artefact_.kind == "texts"
    np.testing.assert_array_equal(model.predict_proba(form(NEW)), expected)


def test_every_query_is_counted_and_shown_as_it_is():
    keeping = Keeping()
    model = fitted(text_box(keeping), "map")
    assert sorted(keeping.shown) == sorted(X)
    assert model.spent_.map == len(X)
    model.predict(NEW)
    assert keeping.shown[len(X) :] == NEW


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    paths = [tmp_path / "1.rebox", tmp_path / "2.rebox"]
    for path in paths:
        fitted(text_box(), queries_per_prediction=3, budget=2000).save(path)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_text_that_looks_like_a_path_is_a_text_to_a_model_of_texts():
    model = fitted(text_box())
    expected = model.predict_proba(said(["good.png", "bad.jpg"]))
    np.testing.assert_array_equal(model.predict_proba(["good.png", "bad.jpg"]), expected)


def test_several_boxes_of_texts(tmp_path):
    def shouted(texts):
        return scores([text + " good" for text in texts])

    boxes = [text_box(price_usd=0.01), text_box(shouted, price_usd=0.02)]
    model = fitted(boxes, queries_per_prediction=1.5)
    assert model.score(NEW, NEW_Y) > 0.8
    model.save(tmp_path / "m.rebox")
    again = rebox.Reprogrammer.load(tmp_path / "m.rebox", boxes)
    np.testing.assert_array_equal(model.predict_proba(NEW), again.predict_proba(NEW))


def test_a_model_is_moved_to_another_box_of_texts():
    def other(texts):
        return scores(texts) ** 2

    def third(texts):
        return scores(texts)[:, ::-1]

    model = fitted([text_box(), text_box(other)])
    old = model.boxes_[0].spec.identity
    model.move(old, text_box(third), said(X), Y, budget=400)
    assert model.score(NEW, NEW_Y) > 0.8


def test_a_box_of_ids_beside_one_of_texts(tmp_path):
    file = recording(tmp_path / "answers.npz")
    known = said(X[:60], ids=answers()["ids"][:60])
    boxes = [text_box(), uri(file)]
    model = rebox.Reprogrammer(boxes, random_state=0, journal=False).fit(known, Y[:60])
    assert model.artefact_.takes == "texts and ids"
    model.save(tmp_path / "m.rebox")
    again = rebox.Reprogrammer.load(tmp_path / "m.rebox", [text_box()], journal=False)
    np.testing.assert_array_equal(again.predict_proba(known), model.predict_proba(known))


def test_texts_beside_pictures_cannot_be_asked_together():
    pictures = FunctionBox(lambda images: images[:, 0, 0, :2], size=4, classes=2, channels=3)
    with pytest.raises(InvalidData, match="takes images, and the samples are texts"):
        fitted(pictures)
    with pytest.raises(InvalidData, match="takes images, and the samples are texts"):
        fitted([text_box(), pictures])
    with pytest.raises(InvalidData, match="takes texts, and the samples are none"):
        rebox.Reprogrammer(text_box()).fit(np.zeros((4, 8, 8), np.uint8), [0, 1, 0, 1])
    with pytest.raises(InvalidData, match="takes texts, and the samples are known by their ids"):
        rebox.Reprogrammer(text_box()).fit(rebox.Samples(ids=["a", "b"]), [0, 1])


@pytest.mark.parametrize("recipe", ["bar", "zoo", "cma-es", "program", "ilm"])
def test_recipes_that_move_pixels_are_refused(recipe):
    box = text_box()
    with pytest.raises(InvalidOption, match="takes texts: use the recipe auto or map"):
        fitted(box, recipe)
    assert box.answered == 0


def test_a_model_of_one_kind_refuses_the_other():
    model = fitted(text_box())
    with pytest.raises(InvalidData, match="found images, but the model was fitted on texts"):
        model.predict(rebox.Samples(images=np.zeros((2, 8, 8), np.uint8)))
    box = FunctionBox(lambda images: images[:, 0, 0, :2], size=4, classes=2)
    pictures = np.random.default_rng(0).integers(0, 255, (20, 8, 8), np.uint8)
    model = rebox.Reprogrammer(box, random_state=0).fit(pictures, np.arange(20) % 2)
    with pytest.raises(InvalidData, match="found texts, but the model was fitted on images"):
        model.predict(said(NEW))


def test_value_range_is_for_images():
    with pytest.raises(InvalidOption, match="value_range is for images, and there are texts"):
        fitted(text_box(), value_range=(0, 1))


class TestTemplates:
    def test_the_first_is_what_is_asked(self):
        keeping = Keeping()
        fitted(text_box(keeping), "map", templates=["Review: {text}", "{text}"])
        assert sorted(keeping.shown) == sorted(f"Review: {text}" for text in X)

    def test_views_that_pay_are_kept_and_stored(self, tmp_path):
        def late(texts):  # reads what follows a colon alone
            return scores([text.partition(": ")[2] for text in texts])

        box = text_box(late)
        templates = ["{text}", "Review: {text}"]
        model = fitted(box, budget=4000, templates=templates)
        words = [one.program.words for one in model.artefact_.model.questions]
        assert words == ["Review: {text}"]
        assert model.score(NEW, NEW_Y) > 0.8
        model.save(tmp_path / "m.rebox")
        again = rebox.Reprogrammer.load(tmp_path / "m.rebox", box)
        assert [one.program.words for one in again.artefact_.model.questions] == words
        np.testing.assert_array_equal(model.predict_proba(NEW), again.predict_proba(NEW))

    def test_all_usual_ones_are_tried_where_the_budget_allows(self):
        keeping = Keeping()
        fitted(text_box(keeping), budget=4000, queries_per_prediction=6)
        shown = {template.dress(said(X).texts)[0] for template in TEMPLATES}
        assert shown <= set(keeping.shown)

    def test_other_templates_are_another_account(self, tmp_path):
        keeping = Keeping()
        for templates in (None, ["So: {text}"]):
            fitted(text_box(keeping), "map", journal=tmp_path / "j", templates=templates)
        assert len(keeping.shown) == 2 * len(X)

    @pytest.mark.parametrize(
        ("templates", "message"),
        [
            (["Review:"], "says where the text goes, as 'Review: {text}'; found 'Review:'"),
            ("{text}", "templates are a list of texts"),
            (["{text}", "{text}"], "two of the templates are the same"),
            ([3], "found 3"),
        ],
    )
    def test_what_is_no_template(self, templates, message):
        with pytest.raises(InvalidOption, match=message):
            fitted(text_box(), templates=templates)

    def test_nobody_is_asked_by_a_template(self):
        with pytest.raises(InvalidOption, match="asks nobody, and templates are for what is asked"):
            fitted(None, "local", templates=["{text}!"])

    @given(st.text(min_size=1).filter(str.strip), st.sampled_from(TEMPLATES))
    def test_no_dress_is_blank_and_none_loses_a_whole_text(self, text, template):
        (shown,) = template.dress(np.array([text], dtype=object))
        assert shown.strip()
        if template.part == "whole":
            assert text in shown
        else:
            assert shown in text

    def test_halves_make_the_whole(self):
        first, last = (
            Template(part=part).dress(said(["  abcde "]).texts)[0] for part in ("first", "last")
        )
        assert (first, last) == ("abc", "cde")

    def test_none_are_the_usual_ones(self):
        assert templates_of(None) == templates_of([]) == TEMPLATES
        assert TEMPLATES[0] == Template()

    def test_other_braces_stay(self):
        dressed = Template('{"a": "{text}", {b}}').dress(said(["{text}"]).texts)
        assert dressed.tolist() == ['{"a": "{text}", {b}}']


class TestJournal:
    def test_a_rerun_asks_nothing(self, tmp_path):
        keeping, options = Keeping(), {"journal": tmp_path / "j", "budget": 2000}
        for _ in range(2):
            model = fitted(text_box(keeping), queries_per_prediction=2, **options)
            model.predict(NEW)
            asked = len(keeping.shown)
        again = fitted(text_box(keeping), queries_per_prediction=2, **options)
        assert len(keeping.shown) == asked
        assert again.score(NEW, NEW_Y) == model.score(NEW, NEW_Y)

    def test_keys_are_of_the_bytes_alone(self, tmp_path):
        """A text is the same question whatever stands beside it; an id of the same word is not."""
        box, budget = text_box(), Budget()
        with Journal(tmp_path / "j") as journal:
            account = JournalAccount(journal, name="a", fit="a", training=budget, prediction=budget)
            Meter([box], account=account).asker(box, "map").ask(said(["é short"]).texts)
            both = said(["é short", "a much, much longer text"]).texts
            assert list(account.peek(both, box.spec.identity)) == [0]
            assert not account.peek(np.array(["é short"]), box.spec.identity)


class TestCanaries:
    def test_they_are_asked_and_tell_a_change(self, tmp_path):
        box = text_box()
        model = fitted(box, canaries=4)
        assert model.artefact_.boxes[0].canaries.shape == (4, 3)
        assert model.check_box().change == "none"
        model.save(tmp_path / "m.rebox")
        identity = box.spec.identity
        changed = text_box(lambda texts: scores(texts)[:, ::-1], identity=identity)
        assert (
            rebox.Reprogrammer.load(tmp_path / "m.rebox", changed).check_box().change == "changed"
        )

    def test_they_are_the_same_for_ever(self):
        assert canary_texts(3).tolist() == [
            "My delivery was wonderful, thank you!",
            "Yesterday the account did not work, and nobody cared.",
            "To be honest, our telephone is at number 12.",
        ]
        assert len(set(canary_texts(210))) == 210


class TestWaysOfAsking:
    def test_a_student_answers_without_the_box(self, tmp_path):
        box = text_box()
        model = fitted(box, queries_per_prediction=0)
        asked = box.answered
        assert model.score(NEW, NEW_Y) > 0.7
        assert box.answered == asked
        model.save(tmp_path / "m.rebox")
        again = rebox.Reprogrammer.load(tmp_path / "m.rebox")
        np.testing.assert_array_equal(again.predict(NEW), model.predict(NEW))

    def test_a_mean_of_queries_is_held(self):
        box = text_box()
        model = fitted(box, queries_per_prediction=0.5)
        asked, (many, truth) = box.answered, reviews(200, seed=2)
        assert model.score(many, truth) > 0.8
        assert box.answered - asked <= 100

    def test_a_map_is_compared_with_what_texts_show(self):
        assert fitted(text_box(), "map", verdict=True).verdict_ is not None

    def test_groups_and_objectives(self):
        model = rebox.Reprogrammer(text_box(), random_state=0, objective="balanced_accuracy")
        model.fit(X, Y, groups=np.arange(len(X)) // 2)
        assert model.promised_ is not None
        assert len(model.predict_set(NEW, 0.9)) == len(NEW)

    def test_a_budget_smaller_than_the_data_is_kept(self):
        box = text_box()
        model = fitted(box, budget=50)
        assert box.answered == model.spent_.training == 50


class TestScikitLearn:
    def test_a_list_of_texts_is_split(self):
        model = rebox.Reprogrammer(text_box(), "map", random_state=0)
        assert cross_val_score(model, X, Y, cv=3).mean() > 0.75

    def test_cross_validation_and_pipelines(self):
        lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
        reader = rebox.Reprogrammer(text_box(), "map", random_state=0)
        pipeline = make_pipeline(FunctionTransformer(said), reader)
        assert cross_val_score(pipeline, np.array(X, dtype=object), Y, cv=3).mean() > 0.75
        model = make_pipeline(lower, FunctionTransformer(said), reader).fit(X, Y)
        assert set(model.predict(NEW)) <= {"praise", "blame"}

    def test_a_clone_has_the_same_templates(self):
        model = rebox.Reprogrammer(text_box(), templates=["{text}."])
        assert clone(model).get_params()["templates"] == ["{text}."]

    def test_samples_of_texts_are_split(self):
        model = rebox.Reprogrammer(text_box(), "map", random_state=0)
        assert cross_val_score(model, said(X), Y, cv=3).mean() > 0.75


class TestFile:
    @pytest.fixture
    def stored(self, tmp_path):
        fitted(text_box(), templates=["Hm: {text}"]).save(tmp_path / "m.rebox")
        return peek(tmp_path / "m.rebox")[1:]

    def test_it_says_texts_and_templates(self, stored):
        description, _ = stored
        assert description["texts"] is True
        assert description["inputs"] is None
        assert description["questions"][0]["template"] == {"words": "Hm: {text}", "part": "whole"}

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda d: d.pop("texts"),
            lambda d: d.update(texts=1),
            lambda d: d["questions"][0].update(template={"words": "Hm: {text}"}),
            lambda d: d["questions"][0].update(template={"words": 3, "part": "whole"}),
            lambda d: d["questions"][0].update(template={"words": "{text}", "part": "middle"}),
            lambda d: d["questions"][0].update(subspace="full"),
            lambda d: d.update(inputs={"size": [8, 8], "value_range": None}),
        ],
    )
    def test_what_no_fit_writes_is_refused(self, stored, spoil):
        description, tensors = stored
        check_described(description, tensors)
        spoil(description)
        with pytest.raises(ValueError, match=r"."):
            check_described(description, tensors)

    def test_a_box_of_ids_is_none_of_texts(self, tmp_path):
        box = text_box()
        fitted(box).save(tmp_path / "m.rebox")

        class ById(FunctionBox):
            def __init__(self):
                super().__init__(scores, takes="texts", classes=3, identity=box.spec.identity)
                object.__setattr__(self.spec, "takes", "ids")

        with pytest.raises(ArtefactError, match="asks about texts of shape"):
            rebox.Reprogrammer.load(tmp_path / "m.rebox", ById())

    def test_a_file_shows_its_questions(self, tmp_path):
        fitted(text_box(), templates=["Hm: {text}"]).save(tmp_path / "m.rebox")
        (question,) = load(tmp_path / "m.rebox").model.questions
        assert "a text as 'Hm: {text}'" in repr(question)
        assert isinstance(question, Question)


def test_limits_around_a_box_of_texts():
    model = fitted(LimitedBox(text_box(), labels_only=True))
    assert model.score(NEW, NEW_Y) > 0.8


def test_cut_short_it_keeps_what_was_paid_for():
    calls = []

    def failing(texts):
        calls.append(len(texts))
        if len(calls) > 2:
            raise RuntimeError("gone")
        return scores(texts)

    model = rebox.Reprogrammer(text_box(failing), random_state=0)
    with pytest.raises(BoxError, match="RuntimeError: gone"):
        model.fit(said(X), Y)
    assert model.n_answered_ == 64
    assert model.artefact_.texts


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda box: box.ask(np.array(["a"])), "the box takes texts, an array .n,. of objects"),
        (lambda _: rebox.Reprogrammer(text_box()).fit(X, Y[:-1]), "found 120 texts and 119 labels"),
        (lambda _: fitted(text_box(lambda texts: [[1, 2]])), r"answered .1, 2. to 32 texts"),
        (lambda _: text_box(size=8), "texts have no size, found size=8"),
        (lambda _: FunctionBox(scores, classes=2), "pass size=, such as 224, or takes='texts'"),
        (lambda _: FunctionBox(scores, takes="sounds", size=8, classes=2), "found 'sounds'"),
    ],
)
def test_what_is_said_of_texts_says_texts(ask, words):
    with pytest.raises(Error, match=words):
        ask(text_box())


def test_one_probability_of_the_second_class():
    box = FunctionBox(lambda texts: [len(text) / 100 for text in texts], takes="texts", classes=1)
    np.testing.assert_allclose(box.ask(as_texts(["a", "bb"])), [[0.99, 0.01], [0.98, 0.02]])
