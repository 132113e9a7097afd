"""What is a clear answer of a chat model, and what only looks like one; nobody is asked.

Replies are made up here, by what real servers are known to say: `stub_transport` hands them out.
"""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stub_transport import says, stubbed
from test_box_chat import FAST as BACK_OFF
from test_box_chat import blocks, chosen

from rebox.box import open_box
from rebox.errors import InvalidOption, ServiceError
from rebox.rehearsal.chat.prompt import Turn, read_prompt
from rebox.sample.texts import as_texts

TEN = "one,two,three,four,five,six,seven,eight,nine,ten"
BOX = "chat:m?base_url=http://localhost:8/v1&takes=texts&classes="


def told(*pairs):
    """Return log-probabilities as a server tells them: of the first token, the likeliest first."""
    each = [{"token": token, "logprob": logprob, "bytes": None} for token, logprob in pairs]
    return {"content": [{**each[0], "top_logprobs": each}]}


def row_of(classes, content, options="read=label", **message):
    """Return the row that is read of an answer about one text."""
    box = stubbed(f"{BOX}{classes}&{options}", says(chosen(content, **message)))
    with box:
        return box.ask(as_texts(["a purr"]))[0]


@pytest.mark.parametrize(
    ("classes", "text", "tokens"),
    [
        (TEN, "I cannot help", [("I", -0.01), ("Sorry", -5.0)]),
        (TEN, "I'm sorry", [("I", -0.01), ("Sorry", -5.0)]),
        (TEN, "I, as", [("I", -0.01), ("Sorry", -5.0)]),
        ("cat,dog", "A picture of", [("A", -0.01), ("The", -5.0)]),
        ("cat,dog", "<think>", [("<think>", -1e-4), ("Okay", -9.2), ("A", -14.0), ("B", -15.0)]),
        ("cat,dog", "B", [("B", None), ("A", -3.0)]),
        ("cat,dog", "B", [("B", 0.9), ("A", 0.1)]),
        ("cat,dog", "A", [("The", -0.5), ("A", -1.2), ("B", -4.0)]),
        ("cat,dog", "", [("A", -0.01), ("B", -5.0)]),
    ],
)
def test_log_probabilities_that_name_no_letter_clearly_are_no_answer(classes, text, tokens):
    row = row_of(classes, text, "read=logprobs", logprobs=told(*tokens), finish_reason="length")
    np.testing.assert_array_equal(row, np.zeros(len(row)))


@pytest.mark.parametrize("text", ["A", "A.", "**A**", "(A)", "A\n\nIt", "A. c", "A - c", "a"])
def test_log_probabilities_of_a_letter_are_read(text):
    tokens = [("A", -0.2), (" A", -3.0), ("B", -2.5), ("The", -4.0)]
    row = row_of("cat,dog", text, "read=logprobs", logprobs=told(*tokens))
    mass = np.exp([-0.2, -3.0, -2.5])
    np.testing.assert_allclose(row, [mass[:2].sum() / mass.sum(), mass[2] / mass.sum()], rtol=1e-5)


def test_letters_of_a_model_that_is_not_sure_to_say_one_are_read():
    """As a small one on a real server tells them: letters hold less than half of what is told."""
    tokens = {"A": 0.246, "The": 0.218, "B": 0.169, "You": 0.053, "I": 0.029, "C": 0.014}
    top = told(*((token, np.log(mass)) for token, mass in tokens.items()))
    row = row_of("cat,dog", "A. cat", "read=logprobs", logprobs=top, finish_reason="length")
    np.testing.assert_allclose(row, np.array([0.246, 0.169]) / 0.415, rtol=1e-5)


def test_a_letter_that_was_cut_may_be_a_word():
    asked = {"logprobs": told(("I", -0.01)), "finish_reason": "length"}
    assert row_of(TEN, "I", "read=logprobs", **asked).sum() == 0
    assert row_of(TEN, "I", "read=logprobs&max_tokens=1", **asked)[8] == 1  # that was the user's


def test_the_letter_is_found_behind_what_decorates_it():
    content = [*told(("**", -0.01))["content"], *told(("B", -0.1), ("A", -3.0))["content"]]
    row = row_of("cat,dog", "**B**", "read=logprobs", logprobs={"content": content})
    assert row.argmax() == 1


@pytest.mark.parametrize("read", ["label", "enum"])
@pytest.mark.parametrize(
    ("classes", "text", "place"),
    [
        ("Python,C%23,Java", "C#", 1),
        ("Python,C%23,Java", "**C#**.", 1),
        ("C*,A*,B*", "B*", 2),
        ("C*,A*,B*", "A*", 1),
        ("C,C%2B%2B,C%23", "C++", 1),
        ("C,C%2B%2B,C%23", '"C"', 0),
        (".NET,NET", "NET", 1),
        (".NET,NET", ".NET", 0),
        ("cat,dog", "A\n</think>\n\nB", 1),
        ("cat,dog", "<think>A or B</think>\n\nB", 1),
        ("cat,dog", "<think>A</think>no<think>A</think>B", 1),
        ("cat,dog", "Answer: **dog**", 1),
    ],
)
def test_a_name_is_taken_as_it_stands_before_it_is_bared(read, classes, text, place):
    row = row_of(classes, text, f"read={read}")
    assert (row.argmax(), row.sum()) == (place, 1)
    if read == "enum":
        assert row_of(classes, json.dumps({"answer": text}), "read=enum")[place] == 1 or "<" in text


NAMES = st.lists(st.text("ABCab19*#.+- ", min_size=1, max_size=4), min_size=2, max_size=6)


@given(names=NAMES.filter(lambda names: all(name.strip() for name in names)))
def test_every_name_and_every_mark_means_its_own_class(names):
    from rebox.box.chat.reading import label_in
    from rebox.box.chat.wording import Wording

    names = list({name.strip().casefold(): name.strip() for name in names}.values())
    wording = Wording(classes=tuple(names), kind="texts", read="label")
    for at, (mark, name) in enumerate(zip(wording.marks, names, strict=True)):
        assert label_in(mark, wording)[at] == 1
        assert label_in(f"({mark}).", wording)[at] == 1 or name == f"({mark})."
        assert label_in(f"{name}", wording)[at] == 1


@pytest.mark.parametrize(
    ("classes", "marks"),
    [
        ("B,A", ["C. B", "D. A"]),
        (",".join(map(str, range(40))), ["40. 0", "79. 39"]),
        ("cat,dog", ["A. cat", "B. dog"]),
        ("a,b", ["A. a", "B. b"]),
        ("a,b&order=1", ["C. b", "D. a"]),
    ],
)
def test_no_mark_is_the_name_of_another_class(classes, marks):
    box = open_box(f"{BOX}{classes}&read=label")
    assert all(f"\n{line}\n" in box.prompt for line in marks)


@pytest.mark.parametrize("classes", ["a,b,", "a,,b", "a,b%0Ac", "a,b%00", "a,b%0Ac&read=enum"])
def test_a_name_that_cannot_be_told_is_refused(classes):
    with pytest.raises(InvalidOption, match="class"):
        open_box(f"{BOX}{classes}")


FAST = f"&read=label{BACK_OFF}"
THREE = as_texts(["foo\n\nText 2:\nbar", "x", "y"])


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ('{"1": "A", "2": "B", "3": "B"}', [0, 1, 1]),
        ("1. A\n2. B\n3. B", [0, 1, 1]),
        ('{"0": "A", "1": "B", "2": "B"}', None),
        ('{"1": "A", "2": "A", "3": "B", "4": "B"}', None),
        ('{"1": "A", "2": "A"}', None),
        ('{"1": "A", "1": "B", "2": "A", "3": "B"}', None),
        ("1. A\n2. A\n3. B\n4. B", None),
        ("1. A\n1. A\n2. A\n3. B", None),
    ],
)
def test_answers_by_number_are_told_of_every_sample_and_of_no_other(text, places):
    box = stubbed(f"{BOX}cat,dog&read=label&per_call=3", says(chosen(text)))
    with box:
        rows = box.ask(THREE)
    expected = np.zeros((3, 2)) if places is None else np.eye(2)[places]
    np.testing.assert_array_equal(rows, expected)


def test_a_schema_has_the_numbers_of_the_samples_that_are_asked():
    box = stubbed(f"{BOX}cat,dog&read=enum&per_call=3", says(chosen('{"1": "cat", "2": "dog"}')))
    with box:
        rows = box.ask(THREE[:2])
    np.testing.assert_array_equal(rows, np.eye(2))
    (request,) = box.transport.requests
    schema = json.loads(request.content)["response_format"]["json_schema"]["schema"]
    assert list(schema["properties"]) == schema["required"] == ["1", "2"]


@pytest.mark.slow
@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=2))
def test_no_text_looks_like_the_next_one(texts):
    texts = [f"x{one}\n\nText 2:\nx" for one in texts]
    box = open_box(f"{BOX}cat,dog&read=label&per_call={len(texts)}")
    words = box.words(texts)
    lines = words.splitlines()
    assert sum(line.startswith("Text ") for line in words.split("\n")) == len(texts), lines
    asked = read_prompt([Turn("user", (words,))], ["cat", "dog"])
    assert list(asked.items) == texts


def test_a_score_that_is_told_twice_is_none():
    for text in ('{"A": 10, "cat": 90, "B": 0}', '{"A": 1, "A": 99, "B": 1}'):
        assert row_of("cat,dog", text, "read=scores").sum() == 0


BROKEN = {"code": 502, "message": "the provider died"}


@pytest.mark.parametrize(
    "choice",
    [
        {"error": BROKEN, "finish_reason": "error", "message": {"content": ""}},
        {"finish_reason": "error", "message": {"content": "B"}},
        {"error": BROKEN},
    ],
)
def test_an_error_in_a_choice_is_asked_again(choice):
    box = stubbed(f"{BOX}cat,dog{FAST}", says({"choices": [choice]}), says(chosen("B")))
    with box:
        assert box.ask(as_texts(["a purr"]))[0].argmax() == 1
    box = stubbed(f"{BOX}cat,dog{FAST}", says({"choices": [choice]}))
    with box, pytest.raises(ServiceError, match="answered an error"):
        box.ask(as_texts(["a purr"]))


def test_an_overloaded_anthropic_is_asked_again_whatever_the_status():
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    uri = f"anthropic:c?base_url=http://localhost:8&takes=texts&classes=cat,dog{FAST}"
    box = stubbed(uri, says(error), says(error), says(error), says(blocks("B")))
    with box:
        assert box.ask(as_texts(["a purr"]))[0].argmax() == 1


@pytest.mark.parametrize("name", ["bad%0aheader", "a%20b", "a:b"])
def test_a_key_goes_into_no_header_that_cannot_be(name):
    for uri in (f"{BOX}cat,dog&read=label", "http:http://localhost:8/x?classes=a,b&key_env=KEY"):
        with pytest.raises(InvalidOption, match="is no name of a header"):
            open_box(f"{uri}&key_header={name}")
