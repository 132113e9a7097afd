"""A rehearsed Anthropic reads, answers, refuses and bills by its own protocol.

A real server on the loopback interface, asked by httpx2; a fake thinks behind it.
"""

import base64
import itertools
import json

import httpx2
import pytest
from test_rehearsal_chat import (
    MARKS,
    PROMPT,
    about,
    file_of,
    make_images,
    picture_box,
    rehearse,
)

from rebox.rehearsal import Limits, read_faults
from rebox.rehearsal.chat.said import PROSE, REFUSAL

HEADERS = {"x-api-key": "k", "anthropic-version": "2026-10-21"}
SCHEMA = {"type": "object", "properties": {"answer": MARKS}}


def ask(running, content, *, headers=HEADERS, **fields):
    body = {
        "model": running.model,
        "max_tokens": 100,
        "messages": [{"role": "user", "content": content}],
    }
    return httpx2.post(
        f"{running.url}/v1/messages",
        json={name: value for name, value in (body | fields).items() if value is not None},
        headers=headers,
        trust_env=False,
        timeout=60,
    )


def picture(image, media="image/png"):
    data = base64.b64encode(file_of(image)).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": media, "data": data}}


def words(text):
    return {"type": "text", "text": text}


def said(reply):
    assert reply.status_code == 200, reply.text
    return "".join(block["text"] for block in reply.json()["content"])


def test_pictures_and_texts_are_answered_with_the_letter_of_the_box():
    images = make_images(6)
    best = picture_box().ask(images).argmax(axis=1)
    with rehearse(picture_box(), service="anthropic") as running:
        found = [said(ask(running, [picture(image), words(PROMPT)])) for image in images]
    assert found == ["ABC"[i] for i in best]
    with rehearse(service="anthropic") as running:
        assert said(ask(running, about("a dog"))) == "B"
        assert said(ask(running, "Text:\na dog", system=PROMPT)) == "B"
        told = ask(running, "Text:\na dog", system=[words(PROMPT)])
        assert said(told) == "B"


def test_a_reply_has_the_fields_of_the_protocol_and_its_bill():
    with rehearse(service="anthropic", limits=Limits(usd_per_m_in=1, usd_per_m_out=5)) as running:
        reply = ask(running, about("a dog")).json()
        bill = running.bill
    assert reply.keys() >= {"id", "type", "role", "model", "content", "stop_reason", "usage"}
    assert (reply["type"], reply["stop_reason"]) == ("message", "end_turn")
    used = reply["usage"]
    assert used["output_tokens"] == bill.tokens_out == 1
    assert used["input_tokens"] == bill.tokens_in > len(PROMPT) / 4
    assert bill.usd == pytest.approx((bill.tokens_in + 5) / 1e6)


def test_a_schema_is_followed():
    config = {"format": {"type": "json_schema", "schema": SCHEMA}}
    with rehearse(service="anthropic") as running:
        assert json.loads(said(ask(running, about("a dog"), output_config=config))) == {
            "answer": "B"
        }
        bad = ask(running, about("a dog"), output_config={"format": {"type": "json_schema"}})
    assert bad.status_code == 400


@pytest.mark.parametrize(
    ("fault", "text", "stop"),
    [
        ("refusal", REFUSAL, "refusal"),
        ("prose", PROSE, "end_turn"),
        ("unknown-letter", "D", "end_turn"),
        ("silence", "", "end_turn"),
        ("cut", "", "max_tokens"),
        ("content-filter", "", "refusal"),
    ],
)
def test_words_that_are_no_answer(fault, text, stop):
    with rehearse(service="anthropic", faults=read_faults([fault])) as running:
        reply = ask(running, about("a dog"))
    assert said(reply) == text
    assert reply.json()["stop_reason"] == stop
    assert running.bill.queries == 1


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [
        ("429:retry_after=2", 429, "rate_limit_error"),
        ("529", 529, "overloaded_error"),
        ("401", 401, "authentication_error"),
        ("500", 500, "api_error"),
        ("insufficient-quota", 400, "invalid_request_error"),
    ],
)
def test_refusals_have_a_type_and_cost_nothing(fault, status, kind):
    with rehearse(service="anthropic", faults=read_faults([fault])) as running:
        reply = ask(running, about("a dog"))
    assert reply.status_code == status
    assert (reply.json()["type"], reply.json()["error"]["type"]) == ("error", kind)
    assert (running.bill.queries, running.bill.usd) == (0, 0)


@pytest.mark.parametrize(
    ("content", "fields", "status", "found"),
    [
        (about("a dog"), {"max_tokens": None}, 400, "max_tokens: Field required"),
        (about("a dog"), {"model": "other"}, 404, "model: other"),
        (about("a dog"), {"stream": True}, 400, "stream"),
        (about("a dog"), {"headers": {"x-api-key": "k"}}, 400, "anthropic-version"),
        (about("a dog"), {"headers": {}}, 401, "x-api-key"),
        ([picture(make_images(1)[0], "image/tiff")], {}, 400, "media_type"),
        ([{"type": "image", "source": {"type": "url", "url": "a"}}], {}, 400, "base64"),
    ],
    ids=itertools.count(),
)
def test_what_is_no_question_is_refused_for_nothing(content, fields, status, found):
    with rehearse(service="anthropic") as running:
        reply = ask(running, content, **fields)
    assert reply.status_code == status
    assert found in reply.json()["error"]["message"]
    assert running.bill.usd == 0


def test_a_key_may_come_in_either_header():
    with rehearse(service="anthropic", key="right") as running:
        version = {"anthropic-version": "2023-06-01"}
        for headers in ({"x-api-key": "right"}, {"Authorization": "Bearer right"}):
            assert said(ask(running, about("a dog"), headers=headers | version)) == "B"
        assert ask(running, about("a dog")).status_code == 401


def test_a_field_that_a_model_does_not_know_is_refused():
    with rehearse(service="anthropic?refuses=temperature,top_k") as running:
        assert ask(running, about("a dog"), temperature=0).status_code == 400
        assert said(ask(running, about("a dog"))) == "B"


def test_models_are_listed_and_the_uri_names_prices():
    with rehearse(service="anthropic") as running:
        listed = httpx2.get(f"{running.url}/v1/models", headers=HEADERS, trust_env=False).json()
        assert running.uri.startswith(
            f"anthropic:rehearsal?base_url={running.url}&usd_per_m_in=0.2"
        )
    assert [model["id"] for model in listed["data"]] == ["rehearsal"]
