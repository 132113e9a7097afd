"""What may go wrong at a chat model is played as told, and billed as a service would bill it.

A real server on the loopback interface, asked by httpx2; a fake thinks behind it.
"""

import json

import pytest
from test_rehearsal_chat import LETTERS, PROMPT, about, ask, picture_box, rehearse, schema_of

from rebox.errors import InvalidOption
from rebox.rehearsal import read_faults
from rebox.rehearsal.chat.said import PROSE, REFUSAL
from rebox.rehearsal.fault import Says

ANSWER = {"type": "object", "properties": {"answer": {"enum": ["A", "B", "C"]}}}


def played(fault, *, service="chat", **fields):
    """Return the reply to a question at which a fault is played, and the bill."""
    with rehearse(service=service, faults=read_faults([fault])) as running:
        reply = ask(running, about("a dog"), **fields)
        return reply, running.bill


# fault: what stands in content, finish_reason, and by a schema: content, refusal
SAID = {
    "refusal": (REFUSAL, "stop", None, REFUSAL),
    "prose": (PROSE, "stop", PROSE, None),
    "unknown-letter": ("D", "stop", '{"answer":"D"}', None),
    "silence": ("", "stop", "", None),
    "cut": ("", "length", '{"answe', None),
    "content-filter": ("", "content_filter", "", None),
}


@pytest.mark.parametrize("fault", SAID)
def test_words_that_are_no_answer_are_billed(fault):
    content, finish, by_schema, refusal = SAID[fault]
    reply, bill = played(fault)
    choice = reply.json()["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (content, finish)
    assert choice["message"]["refusal"] is None
    assert (bill.queries, bill.faults) == (1, 1)
    assert bill.tokens_out == reply.json()["usage"]["completion_tokens"] >= 1
    reply, _ = played(fault, response_format=schema_of(ANSWER))
    message = reply.json()["choices"][0]["message"]
    assert (message["content"], message["refusal"]) == (by_schema, refusal)


def test_what_is_cut_costs_all_tokens_that_it_was_given():
    reply, bill = played("cut", max_completion_tokens=50)
    assert reply.json()["usage"]["completion_tokens"] == bill.tokens_out == 50


def test_prose_comes_with_log_probabilities_that_are_of_no_letter():
    reply, _ = played("prose", logprobs=True, top_logprobs=5)
    content = reply.json()["choices"][0]["logprobs"]["content"]
    assert "".join(token["token"] for token in content) == PROSE
    assert content[0]["token"] not in LETTERS


def test_beyond_the_last_letter_comes_none():
    listed = "\n".join(
        f"{mark}. {word}" for mark, word in zip("XYZ", ("cat", "dog", "red fox"), strict=True)
    )
    with rehearse(faults=[Says("unknown"), Says("unknown")]) as running:
        letter = ask(running, about("a dog", f"What?\n{listed}")).json()
        number = ask(running, about("a dog", "What?\n1. cat\n2. dog\n3. red fox")).json()
    assert letter["choices"][0]["message"]["content"] == "Z0"
    assert number["choices"][0]["message"]["content"] == "4"


@pytest.mark.parametrize(
    ("fault", "status", "code", "headers"),
    [
        ("429", 429, "rate_limit_exceeded", {"retry-after": None}),
        ("429:retry_after=2", 429, "rate_limit_exceeded", {"retry-after": "2"}),
        ("rate-reset", 429, "rate_limit_exceeded", {"x-ratelimit-reset-requests": "1s"}),
        ("insufficient-quota", 429, "insufficient_quota", {}),
        ("401", 401, "invalid_api_key", {}),
        ("expired-key", 401, "invalid_api_key", {}),
        ("529", 529, None, {}),
        ("500", 500, None, {}),
        ("filtered-prompt", 400, "content_filter", {}),
    ],
)
def test_refusals_cost_nothing(fault, status, code, headers):
    reply, bill = played(fault)
    assert reply.status_code == status
    assert reply.json()["error"]["code"] == code
    for name, value in headers.items():
        assert reply.headers.get(name) == value
    assert (bill.queries, bill.usd, bill.refused) == (0, 0, 1)


def test_usage_may_be_wrong_or_missing_and_the_bill_is_right():
    right, truth = played("503:at=9")
    wrong, bill = played("wrong-usage:times=3")
    tokens = right.json()["usage"]["prompt_tokens"]
    assert wrong.json()["usage"]["prompt_tokens"] == 3 * tokens
    assert bill.tokens_in == truth.tokens_in == tokens
    missing, bill = played("missing-usage")
    assert "usage" not in missing.json()
    assert bill.usd == truth.usd > 0


def test_another_model_may_answer():
    reply, _ = played("other-model:name=new")
    assert (reply.json()["model"], reply.json()["system_fingerprint"]) == ("new", "fp_new")


def test_a_reply_may_hold_no_choice_or_no_log_probabilities():
    assert played("no-choices")[0].json()["choices"] == []
    reply, _ = played("no-logprobs", logprobs=True, top_logprobs=3)
    choice = reply.json()["choices"][0]
    assert (choice["logprobs"], choice["message"]["content"]) == (None, "B")


def test_json_that_is_cut_on_its_way_is_billed():
    reply, bill = played("truncated")
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(reply.content)
    assert (bill.queries, bill.tokens_in > 0) == (1, True)


def test_an_edit_leaves_a_refusal_as_it_is():
    with rehearse(faults=read_faults(["missing-usage"])) as running:
        reply = ask(running, about("a dog"), model="another")
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "model_not_found"


def test_services_that_answer_in_numbers_do_not_refuse_in_words():
    rehearse(picture_box(), service="anthropic", faults=[Says("prose")])
    with pytest.raises(InvalidOption, match="Says cannot be played: http does not answer in words"):
        rehearse(picture_box(), service="http", faults=[Says("prose")])


def test_each_question_has_a_fault_of_its_own():
    with rehearse(faults=read_faults(["refusal:every=2"])) as running:
        found = [
            ask(running, about("a dog", PROMPT)).json()["choices"][0]["message"]["content"]
            for _ in range(4)
        ]
    assert found == ["B", REFUSAL, "B", REFUSAL]
    assert running.bill.queries == 4
