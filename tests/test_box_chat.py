"""What chat models are asked, field by field, and what is read of their answers; nobody is asked.

Replies are made up here, by the published forms of both protocols: `stub_transport` hands them out.
"""

import base64
import json

import numpy as np
import pytest
from stub_transport import misread, picture_in, pictures, says, stubbed

from rebox.box import open_box
from rebox.errors import InvalidOption
from rebox.sample.texts import as_texts

CHAT = "chat:m?base_url=http://localhost:8/v1&classes=cat,dog,newt&size=4"
TEXT = f"{CHAT}&takes=texts&read=label"
CLAUDE = "anthropic:c?base_url=http://localhost:8&classes=cat,dog,newt&size=4&read=label"
FAST = "&back_off_s=0.001"
OPTIONS = "A. cat\nB. dog\nC. newt"


def chosen(content, *, usage=(20, 1), finish_reason="stop", **message):
    """Return a reply of OpenAI's form."""
    logprobs = message.pop("logprobs", None)
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content, **message},
        "logprobs": logprobs,
        "finish_reason": finish_reason,
    }
    told = {} if usage is None else {"usage": dict(zip(USAGE, usage, strict=True))}
    return {"id": "x", "model": "m-1", "system_fingerprint": "fp", "choices": [choice], **told}


USAGE = ("prompt_tokens", "completion_tokens")


def top(**tokens):
    """Return log-probabilities of the first token by its likeliest ones."""
    return tops({name.replace("_", " "): p for name, p in tokens.items()})


def tops(tokens):
    each = [{"token": t, "logprob": float(np.log(p)), "bytes": None} for t, p in tokens.items()]
    return {"content": [{**each[0], "top_logprobs": each}]}


def blocks(text, *, usage=(20, 1), stop_reason="end_turn"):
    """Return a reply of Anthropic's form."""
    told = dict(zip(("input_tokens", "output_tokens"), usage, strict=True))
    content = [] if text is None else [{"type": "text", "text": text}]
    return {"content": content, "stop_reason": stop_reason, "usage": told, "model": "c-1"}


def body_of(box, queries=None):
    """Return the one body that ``box`` sends about one sample."""
    texts = box.spec.takes == "texts"
    queries = as_texts(["a purr"]) if queries is None and texts else queries
    with box:
        box.ask(pictures(box) if queries is None else queries)
    (request,) = box.transport.requests
    return request, json.loads(request.content)


def test_a_text_is_asked_about_as_one_message():
    request, body = body_of(stubbed(TEXT, says(chosen("B"))))
    assert request.url == "http://localhost:8/v1/chat/completions"
    assert body == {
        "model": "m",
        "messages": [
            {
                "role": "user",
                "content": "Which of these describes the text best?\n\n"
                f"{OPTIONS}\n\nText:\na purr\n\nAnswer with the letter alone.",
            }
        ],
        "max_completion_tokens": 16,
        "temperature": 0,
        "seed": 0,
    }


def test_a_picture_is_shown_as_png_and_the_likeliest_letters_are_wanted():
    box = stubbed(f"{CHAT}&read=logprobs&detail=low", says(chosen("B", logprobs=top(B=0.7, A=0.2))))
    _, body = body_of(box)
    words, shown = body["messages"][0]["content"]
    assert words == {
        "type": "text",
        "text": f"Which of these does the picture show?\n\n{OPTIONS}\n\n"
        "Answer with the letter alone.",
    }
    head, _, file = shown["image_url"].pop("url").partition(",")
    assert (head, shown) == (
        "data:image/png;base64",
        {"type": "image_url", "image_url": {"detail": "low"}},
    )
    np.testing.assert_array_equal(picture_in(base64.b64decode(file)), pictures(box)[0])
    assert (body["logprobs"], body["top_logprobs"], body["max_completion_tokens"]) == (True, 20, 3)


def test_anthropic_is_shown_the_picture_first():
    box = stubbed(CLAUDE, says(blocks("B")))
    request, body = body_of(box)
    assert request.url == "http://localhost:8/v1/messages"
    assert request.headers["anthropic-version"] == "2023-06-01"
    shown, words = body["messages"][0].pop("content")
    assert body == {
        "model": "c",
        "max_tokens": 16,
        "temperature": 0,
        "messages": [{"role": "user"}],
    }
    assert words["text"].endswith(f"{OPTIONS}\n\nAnswer with the letter alone.")
    file = shown["source"].pop("data")
    assert shown == {"type": "image", "source": {"type": "base64", "media_type": "image/png"}}
    np.testing.assert_array_equal(picture_in(base64.b64decode(file)), pictures(box)[0])
    assert (box.key.header, box.key.prefix) == ("x-api-key", "")


def read(uri, reply):
    """Return what the box at ``uri`` reads of one reply."""
    with stubbed(uri, says(reply)) as box:
        texts = box.spec.takes == "texts"
        return box.ask(as_texts(["a purr"]) if texts else pictures(box))[0]


CLEAR = [
    "B",
    "b",
    " B\n",
    "(B)",
    "**B**",
    "B.",
    "B)",
    '"B"',
    "B. dog",
    "B) Dog",
    "**B: dog**",
    "dog",
]
CLEAR += ["Dog.", "Answer: B", "The answer is B.", "The correct answer is: **B**", "▁B", "option b"]
CLEAR += ['{"answer": "B"}', '{"answer": "dog"}', '```json\n{"answer": "B"}\n```', '["B"]']
CLEAR += ["<think>A? no.</think>\n\nB", [{"type": "text", "text": "B"}]]


@pytest.mark.parametrize("content", CLEAR, ids=repr)
def test_clear_answers_are_read(content):
    np.testing.assert_array_equal(read(TEXT, chosen(content)), [0, 1, 0])


UNCLEAR = ["", "  ", None, "I cannot help with that.", "I'm sorry, but I can't.", "A dog, I think."]
UNCLEAR += ["D", "Z.", "A or B", "B. cat", "A picture of a dog", "dog or cat", "B because it barks"]
UNCLEAR += [
    "<think>It is B",
    "{}",
    "[]",
    '{"answer": "D"}',
    '{"answer": null}',
    "2",
    '{"a": 1, "b": 2}',
]
UNCLEAR += ["\x00", "[" * 5000, 7, {"answer": "B"}]


@pytest.mark.parametrize("content", UNCLEAR, ids=lambda one: repr(one)[:30])
def test_what_is_not_clear_is_no_answer(content):
    np.testing.assert_array_equal(read(TEXT, chosen(content)), [0, 0, 0])


@pytest.mark.parametrize(
    "reply",
    [
        chosen(None, refusal="I will not."),
        chosen("B", refusal="I will not."),
        chosen("B", finish_reason="content_filter"),
        chosen("", finish_reason="length"),
    ],
)
def test_refusals_and_cut_answers_are_no_answers(reply):
    np.testing.assert_array_equal(read(TEXT, reply), [0, 0, 0])


@pytest.mark.parametrize(
    ("reply", "row"),
    [
        (blocks("C"), [0, 0, 1]),
        (blocks(None), [0, 0, 0]),
        (blocks("C", stop_reason="refusal"), [0, 0, 0]),
        (blocks("I think", stop_reason="max_tokens"), [0, 0, 0]),
    ],
)
def test_anthropic_is_read_alike(reply, row):
    np.testing.assert_array_equal(read(CLAUDE, reply), row)


def test_tokens_of_one_letter_are_added_up_and_the_sum_is_one():
    told = tops({" B": 0.3, "B": 0.1, "▁B": 0.1, "b": 0.1, "Ġ(A": 0.2, "The": 0.1, "Z": 0.1})
    row = read(f"{CHAT}&read=logprobs", chosen("B", logprobs=told))
    np.testing.assert_allclose(row, [0.25, 0.75, 0], rtol=1e-6)


def test_blank_tokens_before_the_letter_are_passed_over():
    told = tops({"\n": 1.0})
    told["content"] += tops({"C": 0.5, "A": 0.5})["content"]
    row = read(f"{CHAT}&read=logprobs&max_tokens=3", chosen("\nC", logprobs=told))
    np.testing.assert_allclose(row, [0.5, 0, 0.5], rtol=1e-6)


def test_no_letter_among_the_likeliest_is_no_answer():
    told = top(Sorry=0.9, The=0.1)
    np.testing.assert_array_equal(
        read(f"{CHAT}&read=logprobs", chosen("Sorry", logprobs=told)), [0, 0, 0]
    )


def test_log_probabilities_that_are_missing_end_the_run():
    words = misread(f"{CHAT}&read=logprobs", says(chosen("B")))
    assert "without log-probabilities: open it with read=label" in words


def test_names_are_chosen_by_a_schema():
    box = stubbed(f"{CHAT}&read=enum", says(chosen('{"answer": "newt"}')))
    _, body = body_of(box)
    form = body["response_format"]["json_schema"]
    assert body["response_format"]["type"] == "json_schema"
    assert form["strict"]
    assert form["schema"]["properties"] == {
        "answer": {"type": "string", "enum": ["cat", "dog", "newt"]}
    }
    np.testing.assert_array_equal(
        read(f"{CHAT}&read=enum", chosen('{"answer": "newt"}')), [0, 0, 1]
    )


def test_scores_are_read_by_letter_as_they_are_told():
    scores = '{"A": 10, "B": 85.5, "C": 0}'
    np.testing.assert_allclose(read(f"{CHAT}&read=scores", chosen(scores)), [0.1, 0.855, 0])


@pytest.mark.parametrize("told", ['{"A": -1}', '{"A": "x"}', '{"D": 4}', "{}", "B", '{"A": NaN}'])
def test_scores_that_are_none_are_no_answer(told):
    np.testing.assert_array_equal(read(f"{CHAT}&read=scores", chosen(told)), [0, 0, 0])


def test_an_order_moves_the_options_and_not_the_classes():
    box = stubbed(f"{TEXT}&order=4", says(chosen("A")))
    _, body = body_of(box)
    listed = body["messages"][0]["content"]
    first = next(name for name in box.spec.classes if f"A. {name}" in listed)
    assert first != "cat"  # it is another order
    row = read(f"{TEXT}&order=4", chosen("A"))
    assert box.spec.classes[row.argmax()] == first
    assert box.spec.identity != open_box(TEXT).spec.identity


def test_many_classes_have_numbers():
    names = ",".join(f"c{i}" for i in range(30))
    uri = TEXT.replace("cat,dog,newt", names)
    assert read(uri, chosen("30")).argmax() == 29
    assert read(uri, chosen("B")).max() == 0
    with pytest.raises(InvalidOption, match="up to 26 classes"):
        open_box(uri.replace("read=label", "read=logprobs"))
