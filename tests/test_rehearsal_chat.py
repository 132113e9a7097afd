"""A rehearsed chat model reads prompts, answers in words, and bills tokens.

Requests go by httpx2 to a real server on the loopback interface; what thinks behind it is a fake: a
rehearsal box for pictures, and a few words to look for in texts.
"""

import base64
import io
import itertools
import json
import math

import httpx2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rebox.box import BlackBox, BoxSpec
from rebox.box.rehearsal import RehearsalBox
from rebox.errors import InvalidOption
from rebox.rehearsal import REHEARSALS, Incoming, Limits, Rehearsal
from rebox.rehearsal.chat.answer import Choice, by_schema
from rebox.rehearsal.chat.pictures import by_area, by_tiles
from rebox.rehearsal.chat.prompt import Option, Turn, read_prompt
from rebox.rehearsal.format import Endpoint, Refused, Scored

CLASSES = ("cat", "dog", "red fox")
LETTERS = "A. cat\nB. dog\nC. red fox"
PROMPT = f"What is it? Answer with a letter.\n\n{LETTERS}"
PRICES = Limits(usd_per_m_in=0.2, usd_per_m_out=1.2)


class WordBox(BlackBox):
    """Takes texts, and a text for the class that it names most often."""

    def __init__(self):
        self.asked = []
        self.spec = BoxSpec(
            identity="words", classes=CLASSES, takes="texts", height=0, width=0, channels=0
        )

    def answer(self, texts):
        self.asked.extend(texts)
        counts = np.array([[1e-3 + text.count(name) for name in CLASSES] for text in texts])
        return counts / counts.sum(axis=1, keepdims=True)


def picture_box(**options):
    return RehearsalBox(**{"classes": 3, "size": 12, "seed": 4} | options)


def make_images(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 12, 12, 3), dtype=np.uint8)


def file_of(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def picture(image):
    url = f"data:image/png;base64,{base64.b64encode(file_of(image)).decode()}"
    return {"type": "image_url", "image_url": {"url": url, "detail": "low"}}


def words(text):
    return {"type": "text", "text": text}


def about(text, prompt=PROMPT):
    return f"{prompt}\n\n<text>\n{text}\n</text>"


def rehearse(box=None, service="chat", **options):
    usual = {"classes": CLASSES, "limits": PRICES, "record": True}
    return Rehearsal(service, box or WordBox(), **usual | options)


def ask(running, content, **fields):
    body = {"model": running.model, "messages": [{"role": "user", "content": content}]}
    body |= {"temperature": 0} | fields
    return httpx2.post(
        f"{running.url}/v1/chat/completions",
        json={name: value for name, value in body.items() if value is not None},
        headers={"Authorization": "Bearer k"},
        trust_env=False,
        timeout=60,
    )


def said(reply):
    assert reply.status_code == 200, reply.text
    (choice,) = reply.json()["choices"]
    return choice["message"]["content"]


# --- what is read of a prompt ----------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        about("a dog"),
        [words(PROMPT), words("a dog")],
        [words(about("a dog"))],
        f'{PROMPT}\n\n"""\na dog\n"""',
        f"{PROMPT}\n\nText:\na dog",
        f"What is it?\n\nText: a dog\n\n{LETTERS}",
        f"What is it?\n\na dog\n\n{LETTERS}",
        f"What is it?\n\n{LETTERS}\n\nText:\na dog\n\nAnswer with the letter alone.",
        f"What is it?\n\n{LETTERS}\n\na dog\n\nAnswer with the letter alone.",
    ],
    ids=itertools.count(),
)
def test_the_text_is_found_in_any_wording(content):
    box = WordBox()
    with rehearse(box) as running:
        assert said(ask(running, content)) == "B"
    assert box.asked == ["a dog"]


@pytest.mark.parametrize("form", ["{}. {}", "{}) {}", "({}) {}", "{}: {}", "  {}.  {}"])
@pytest.mark.parametrize("marks", ["ABC", "123", ("AA", "AB", "AC")])
def test_options_are_found_in_any_form(form, marks):
    lines = "\n".join(form.format(m, c) for m, c in zip(marks, CLASSES, strict=True))
    prompt = read_prompt([Turn("system", (lines,)), Turn("user", ("a dog",))], CLASSES)
    assert prompt.options == tuple(Option(m, c) for m, c in zip(marks, CLASSES, strict=True))
    assert prompt.items == ("a dog",)


def test_options_are_those_that_name_classes_and_not_a_list_in_the_text():
    listed = "A. eggs\nB. milk\nC. bread\nD. a dog"
    box = WordBox()
    with rehearse(box) as running:
        assert said(ask(running, about(listed))) == "B"
    assert box.asked == [listed]


def test_in_another_order_another_letter_means_the_same():
    turned = "A. red fox\nB. cat\nC. dog"
    with rehearse() as running:
        assert said(ask(running, about("a dog", f"What?\n{turned}"))) == "C"


def test_without_options_it_answers_with_the_name():
    with rehearse() as running:
        assert said(ask(running, about("a dog", "Is it a cat, a dog or a red fox?"))) == "dog"


@given(st.text(min_size=1).filter(lambda text: text.strip() and "<" not in text))
def test_any_text_between_tags_is_read_as_it_is(text):
    # a form feed or a lone return is part of a text
    prompt = read_prompt([Turn("user", (f"{PROMPT}\n<text>\n{text}\n</text>",))], CLASSES)
    assert prompt.items == (text.removeprefix("\n").removesuffix("\n"),) or "\n" in text
    assert [option.word for option in prompt.options] == list(CLASSES)


@given(st.text())
def test_no_prompt_breaks_the_reader(text):
    try:
        prompt = read_prompt([Turn("user", (text,))], CLASSES)
    except Refused:
        assert not text.strip()
    else:
        assert prompt.items


# --- answers ---------------------------------------------------------------------------------


def test_pictures_are_answered_with_the_letter_of_the_box():
    images = make_images(12)
    best = picture_box().ask(images).argmax(axis=1)
    assert len(set(best)) > 1
    with rehearse(picture_box()) as running:
        found = [said(ask(running, [picture(image), words(PROMPT)])) for image in images]
        together = said(ask(running, [*map(picture, images), words(PROMPT)]))
    assert found == ["ABC"[i] for i in best]
    assert together.split("\n") == [f"{i + 1}: {mark}" for i, mark in enumerate(found)]
    assert running.bill.queries == 24


def test_log_probabilities_are_those_of_the_box():
    (image,) = images = make_images(1)
    (scores,) = picture_box().ask(images)
    with rehearse(picture_box()) as running:
        reply = ask(running, [picture(image), words(PROMPT)], logprobs=True, top_logprobs=20)
    (token,) = reply.json()["choices"][0]["logprobs"]["content"]
    top = {one["token"]: math.exp(one["logprob"]) for one in token["top_logprobs"]}
    found = np.array([top[mark] for mark in "ABC"])
    np.testing.assert_allclose(found / found.sum(), scores, rtol=1e-4)
    assert sum(top.values()) == pytest.approx(1)
    assert token["token"] == "ABC"[scores.argmax()]
    assert list(top.values()) == sorted(top.values(), reverse=True)


def test_as_many_log_probabilities_as_are_asked_for_are_told():
    with rehearse() as running:
        reply = ask(running, about("a dog"), logprobs=True, top_logprobs=1)
        none = ask(running, about("a dog"))
        too_many = ask(running, about("a dog"), logprobs=True, top_logprobs=21)
    (token,) = reply.json()["choices"][0]["logprobs"]["content"]
    assert [one["token"] for one in token["top_logprobs"]] == ["B"]
    assert none.json()["choices"][0]["logprobs"] is None
    assert too_many.status_code == 400


def test_faked_log_probabilities_say_nothing_but_the_answer():
    texts = [f"a dog and {'a cat ' * n}" for n in (0, 1)]
    with rehearse(service="chat?logprobs=faked") as running:
        replies = [ask(running, about(t), logprobs=True, top_logprobs=3).json() for t in texts]
    first, second = (r["choices"][0]["logprobs"]["content"][0] for r in replies)
    assert first["logprob"] == pytest.approx(second["logprob"], abs=0.1)
    assert math.exp(first["logprob"]) > 0.9


@pytest.mark.parametrize("field", ["logprobs", "top_logprobs"])
def test_a_model_without_log_probabilities_refuses_them_for_nothing(field):
    fields = {"logprobs": True} | ({"top_logprobs": 5} if field == "top_logprobs" else {})
    with rehearse(service=f"chat?refuses={field}") as running:
        reply = ask(running, about("a dog"), **fields)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert (error["param"], error["code"]) == (field, "unsupported_parameter")
    assert (running.bill.queries, running.bill.usd, running.bill.refused) == (0, 0, 1)


def test_logprobs_no_and_ignored():
    with rehearse(service="chat?logprobs=no") as running:
        assert ask(running, about("a dog"), logprobs=True).status_code == 400
        assert said(ask(running, about("a dog"))) == "B"
    with rehearse(service="chat?logprobs=ignored") as running:
        reply = ask(running, about("a dog"), logprobs=True, top_logprobs=5)
    assert said(reply) == "B"
    assert reply.json()["choices"][0]["logprobs"] is None


@pytest.mark.parametrize(
    ("style", "text"),
    [
        ("mark", "B"),
        ("dot", "B."),
        ("bracket", "(B)"),
        ("bold", "**B**"),
        ("sentence", "The answer is B."),
        ("both", "B. dog"),
        ("word", "dog"),
    ],
)
def test_models_word_their_choice_in_many_ways(style, text):
    with rehearse(service=f"chat?style={style}") as running:
        assert said(ask(running, about("a dog"))) == text


def schema_of(schema):
    return {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": schema}}


MARKS = {"type": "string", "enum": ["A", "B", "C"]}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "object", "properties": {"answer": MARKS}}, {"answer": "B"}),
        ({"type": "object", "properties": {"answer": {"enum": list(CLASSES)}}}, {"answer": "dog"}),
        ({"type": "object", "properties": {"answer": {"type": "string"}}}, {"answer": "B"}),
        ({"type": "array", "items": MARKS}, ["B"]),
        ({"$ref": "#/$defs/a", "$defs": {"a": MARKS}}, "B"),
        ({"anyOf": [{"const": 3}, {"type": "null"}]}, 3),
        ({"type": "object", "properties": {"a": {"enum": ["x", "y"]}}}, {"a": "x"}),
        ({"type": "object", "properties": {"a": {"type": "boolean"}}}, {"a": True}),
        ({"$ref": "#"}, None),
    ],
    ids=itertools.count(),
)
def test_answers_fit_a_schema(schema, expected):
    with rehearse() as running:
        reply = ask(running, about("a dog"), response_format=schema_of(schema))
    assert json.loads(said(reply)) == expected


def test_scores_by_schema_are_those_of_the_box():
    numbers = {"type": "object", "properties": {name: {"type": "number"} for name in CLASSES}}
    text = "a dog, a dog and a cat"
    with rehearse() as running:
        reply = ask(running, about(text), response_format=schema_of(numbers))
    expected = dict(zip(CLASSES, [1 / 3, 2 / 3, 0], strict=True))
    assert json.loads(said(reply)) == pytest.approx(expected, abs=2e-3)


def test_scores_may_be_asked_for_in_per_cent_and_of_several():
    numbers = {"type": "object", "properties": {mark: {"type": "number"} for mark in "ABC"}}
    each = {"type": "object", "properties": {"1": numbers, "2": numbers, "3": numbers}}
    asked = f"{PROMPT}\nFrom 0 to 100.\n\nText 1:\na dog\n\nText 2:\na cat"
    with rehearse() as running:
        found = json.loads(said(ask(running, asked, response_format=schema_of(each))))
    assert found["1"] == pytest.approx({"A": 0, "B": 100, "C": 0}, abs=0.3)
    assert found["2"] == pytest.approx({"A": 100, "B": 0, "C": 0}, abs=0.3)
    assert found.keys() == {"1", "2", "3"}  # a place more than there are texts


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"answers": {"type": "array", "items": MARKS}}},
        {"type": "object", "properties": {"1": MARKS, "2": MARKS}},
        {"type": "array", "items": {"type": "object", "properties": {"answer": MARKS}}},
    ],
    ids=itertools.count(),
)
def test_several_texts_in_a_question_are_answered_in_their_order(schema):
    asked = f"{PROMPT}\n<text 1>\na dog\n</text 1>\n<text 2>\na cat\n</text 2>"
    with rehearse() as running:
        reply = ask(running, asked, response_format=schema_of(schema))
        plainly = f"{PROMPT}\n\nText 1:\na dog\n\nText 2:\na cat\n\nAnswer by numbers."
        assert said(ask(running, plainly, response_format=schema_of(schema))) == said(reply)
    found = json.dumps(json.loads(said(reply)))
    assert 0 < found.index('"B"') < found.index('"A"')
    assert running.bill.queries == 4


# --- randomness ------------------------------------------------------------------------------


def tell(running, times=24, **fields):
    mixed = about("a dog and a cat")
    return [said(ask(running, mixed, **fields)) for _ in range(times)]


@pytest.mark.slow
def test_without_a_temperature_it_draws_and_by_a_seed_it_draws_again():
    with rehearse() as running:
        assert len(set(tell(running, temperature=None))) > 1
        assert len(set(tell(running, temperature=None, seed=3))) == 1
        assert len(set(tell(running))) == 1


@pytest.mark.slow
def test_noise_is_the_questions_own_and_wobble_is_not():
    texts = [f"a dog and a cat {i}" for i in range(24)]
    with rehearse() as running:
        quiet = [said(ask(running, about(text))) for text in texts]
    with rehearse(service="chat?noise=2") as running:
        noisy = [[said(ask(running, about(text))) for text in texts] for _ in range(2)]
    assert noisy[0] == noisy[1] != quiet
    with rehearse(service="chat?wobble=1") as running:
        assert len(set(tell(running))) > 1


def test_bias_favours_what_is_offered_first():
    evenly = about("a dog and a cat", "What?\nA. dog\nB. cat\nC. red fox")
    with rehearse(service="chat?bias=1") as running:
        assert said(ask(running, evenly)) == "A"
        assert said(ask(running, about("a dog and a cat"))) == "A"


# --- money -----------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None)  # a picture of 27 MB is packed
@given(st.integers(1, 3000), st.integers(1, 3000))
def test_tokens_of_pictures_follow_the_published_rules(height, width):
    file = file_of(np.zeros((height, width, 3), dtype=np.uint8))
    assert by_tiles(file, "low") == 85
    assert by_tiles(file, "high") in {85 + 170 * tiles for tiles in range(1, 17)}
    assert by_area(file) == math.ceil(height * width / 750)


def test_known_pictures_count_as_documented():
    def tokens(side):
        return by_tiles(file_of(np.zeros((*side, 3), dtype=np.uint8)), "high")

    assert tokens((1024, 1024)) == 765  # OpenAI's own examples
    assert tokens((4096, 2048)) == 1105


def test_the_bill_is_what_the_replies_say_of_tokens():
    images = make_images(2)
    with rehearse(picture_box()) as running:
        replies = [ask(running, [picture(image), words(PROMPT)]).json() for image in images]
        bill = running.bill
    used = [reply["usage"] for reply in replies]
    # a token for 4 bytes, 85 for a small picture, 4 for the message and 3 around it
    assert used[0]["prompt_tokens"] == -(-len(PROMPT) // 4) + 85 + 4 + 3
    assert used[0]["total_tokens"] == used[0]["prompt_tokens"] + used[0]["completion_tokens"]
    assert bill.tokens_in == sum(one["prompt_tokens"] for one in used)
    assert bill.tokens_out == sum(one["completion_tokens"] for one in used) == 2
    assert bill.usd == pytest.approx((bill.tokens_in * 0.2 + bill.tokens_out * 1.2) / 1e6)
    assert bill.as_json()["tokens_in"] == bill.tokens_in


def test_an_answer_is_cut_where_it_may_be_no_longer():
    for name in ("max_tokens", "max_completion_tokens"):
        with rehearse(service="chat?style=sentence") as running:
            reply = ask(running, about("a dog"), **{name: 2}).json()
        assert reply["choices"][0]["message"]["content"] == "The answ"
        assert reply["choices"][0]["finish_reason"] == "length"
        assert reply["usage"]["completion_tokens"] == 2


def test_the_uri_says_what_a_token_costs():
    with rehearse(limits=Limits(usd_per_m_in=2, usd_per_m_out=12.5)) as running:
        assert running.uri == (
            f"chat:rehearsal?base_url={running.url}/v1&usd_per_m_in=2&usd_per_m_out=12.5"
            "&classes=cat,dog,red%20fox"
        )


# --- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "fields", "code", "words"),
    [
        ([words(PROMPT)], {"model": "other"}, 404, "does not exist"),
        ([{"type": "video"}], {}, 400, "part of a content"),
        (
            [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}],
            {},
            400,
            "downloads no pictures",
        ),
        (
            [{"type": "image_url", "image_url": {"url": "data:image/png;base64,%"}}],
            {},
            400,
            "no base64",
        ),
        (
            [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
            {},
            400,
            "picture",
        ),
        ("a dog", {}, 400, "was sent a text"),
        ([words(PROMPT)], {"temperature": 3}, 400, "temperature"),
        ([words(PROMPT)], {"max_tokens": 0}, 400, "max_completion_tokens"),
        ([words(PROMPT)], {"response_format": {"type": "json_schema"}}, 400, "response_format"),
        ([words(PROMPT)], {"messages": []}, 400, "messages"),
        ([words(PROMPT)], {"messages": [{"role": "system", "content": "a"}]}, 400, "role user"),
        ([words(PROMPT)], {"top_logprobs": 3}, 400, "logprobs"),
        ([words(PROMPT)], {"stream": True}, 400, "stream"),
    ],
    ids=itertools.count(),
)
def test_what_is_no_question_is_refused_for_nothing(content, fields, code, words):
    with rehearse(picture_box()) as running:
        reply = ask(running, content, **fields)
    assert reply.status_code == code
    assert words in reply.json()["error"]["message"]
    assert running.bill.usd == 0


def test_a_key_is_wanted_and_azures_header_is_one():
    with rehearse(key="right") as running:
        wrong = ask(running, about("a dog"))
        url = f"{running.url}/openai/deployments/{running.model}/chat/completions?api-version=1"
        body = {"messages": [{"role": "user", "content": about("a dog")}], "temperature": 0}
        right = httpx2.post(url, json=body, headers={"api-key": "right"}, trust_env=False)
        none = httpx2.post(url, json=body, trust_env=False)
    assert wrong.json()["error"]["code"] == "invalid_api_key"
    assert said(right) == "B"
    assert none.status_code == 401


def test_models_are_listed_for_nothing():
    with rehearse() as running:
        reply = httpx2.get(
            f"{running.url}/v1/models", headers={"Authorization": "Bearer k"}, trust_env=False
        )
        missing = httpx2.get(
            f"{running.url}/v1/none", headers={"Authorization": "Bearer k"}, trust_env=False
        )
    assert [model["id"] for model in reply.json()["data"]] == ["rehearsal"]
    assert missing.status_code == 404
    assert running.bill.requests == 0


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ("chat?noise=-1", "noise of a rehearsal must be 0 or more"),
        ("chat?style=loud", "style"),
        ("chat?nose=1", "did you mean 'noise'"),
        ("chatt", "did you mean 'chat'"),
        ("clarifai?noise=1", "no option 'noise'"),
    ],
)
def test_options_that_are_none_are_refused(service, words):
    with pytest.raises(InvalidOption, match=words):
        Rehearsal(service, picture_box())


def test_a_service_that_is_shown_pictures_takes_no_box_for_texts():
    with pytest.raises(InvalidOption, match="words takes texts, and a service is shown images"):
        Rehearsal("clarifai", WordBox())


# --- whatever comes in ------------------------------------------------------------------------

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
)
WORDS = """type text image_url url role content user properties items enum const anyOf $ref minItems
object array string number integer boolean json_schema schema source 1 2 A dog"""
NAMES = st.sampled_from(WORDS.split())
JSON = st.recursive(
    LEAVES | NAMES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(NAMES, JSON, max_size=4)
QUESTION = st.fixed_dictionaries(
    {"model": st.just("rehearsal")},
    optional={
        "messages": JSON
        | st.just([{"role": "user", "content": about("a dog")}])
        | st.builds(lambda c: [{"role": "user", "content": c}], JSON),
        "max_tokens": JSON | st.just(9),
        "temperature": JSON,
        "seed": JSON,
        "logprobs": JSON,
        "top_logprobs": JSON,
        "system": JSON,
        "response_format": JSON
        | st.builds(lambda s: {"type": "json_schema", "json_schema": {"schema": s}}, OBJECTS),
        "output_config": JSON
        | st.builds(lambda s: {"format": {"type": "json_schema", "schema": s}}, OBJECTS),
    },
)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(QUESTION, st.sampled_from(["chat", "anthropic"]))
def test_any_question_is_answered_or_refused(body, service):
    spec = WordBox().spec
    form = REHEARSALS[service](Endpoint(spec=spec, classes=CLASSES))
    request = Incoming(
        method="POST",
        path="/v1/messages",
        headers={"anthropic-version": "1"},
        body=json.dumps(body).encode(),
    )
    refused = None
    try:
        question = form.read(request)
    except Refused as error:
        refused = error
    if refused is not None:
        assert form.error(refused.kind, refused.words).status in {400, 404}
        return
    scored = [Scored(tuple(zip(CLASSES, (0.2, 0.5, 0.3), strict=True))) for _ in question.items]
    reply = form.write(scored, question)
    assert reply.status == 200
    json.loads(reply.body)
    assert reply.tokens.given >= 1


CHOICE = Choice(np.log(np.array([0.2, 0.5, 0.3])), 1)
SCHEMAS = st.recursive(
    OBJECTS | st.builds(lambda kind: {"type": kind}, NAMES),
    lambda inner: st.fixed_dictionaries(
        {"type": st.sampled_from(["object", "array", "string", "number"])},
        optional={
            "properties": st.dictionaries(NAMES, inner, max_size=3) | JSON,
            "items": inner | JSON,
            "enum": st.lists(LEAVES, max_size=3) | JSON,
            "minItems": st.integers(-1, 3) | JSON,
            "anyOf": st.lists(inner, max_size=2) | JSON,
            "$ref": st.sampled_from(["#/properties/A", "#", "#/items", "elsewhere"]) | JSON,
        },
    ),
    max_leaves=6,
)


def test_a_schema_that_refers_to_itself_is_answered_in_the_end():
    several = {name: {"$ref": "#"} for name in "abc"}
    prompt = read_prompt([Turn("user", (PROMPT,))], CLASSES)
    pieces = by_schema({"type": "object", "properties": several}, [CHOICE], prompt)
    assert len(pieces) < 100_000
    json.loads("".join(piece.text for piece in pieces))


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(SCHEMAS, st.integers(1, 3))
def test_any_schema_is_answered_with_json(schema, items):
    prompt = read_prompt([Turn("user", (PROMPT,))], CLASSES)
    text = "".join(piece.text for piece in by_schema(schema, [CHOICE] * items, prompt))
    json.loads(text)
