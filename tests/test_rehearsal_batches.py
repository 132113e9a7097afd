"""Rehearsed batches of both protocols: answered later, at half price, in any order, or not at all.

A real server on the loopback interface, asked by httpx2; a fake thinks behind it.
"""

import itertools
import json
import time
from typing import ClassVar

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_rehearsal_chat import WordBox, about, ask, rehearse

from rebox.errors import InvalidOption
from rebox.rehearsal import Rehearsal, read_faults
from rebox.rehearsal.chat.batches import BatchLine, BatchQueue, answered
from rebox.rehearsal.message import Incoming, json_reply

HEADERS = {"Authorization": "Bearer k", "anthropic-version": "2026-10-21"}
LINE = b'{"custom_id":"a","method":"POST","url":"/v1/chat/completions","body":{}}\n'
WORDS = ("cat", "dog", "red fox")


def send(running, method, path, **given):
    return httpx2.request(
        method, f"{running.url}{path}", headers=HEADERS, trust_env=False, timeout=60, **given
    )


def body_of(text, model="rehearsal"):
    messages = [{"role": "user", "content": about(text)}]
    return {"model": model, "messages": messages, "max_tokens": 20, "temperature": 0}


class OpenAI:
    """Makes a batch of OpenAI's, and reads what came of it."""

    service = "chat"

    @staticmethod
    def make(running, bodies, **about):
        url = "/v1/chat/completions"
        rows = [
            {"custom_id": name, "method": "POST", "url": url, "body": body}
            for name, body in bodies.items()
        ]
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        return OpenAI.of_file(running, content, **about)

    @staticmethod
    def of_file(running, content, **about):
        stored = send(
            running,
            "POST",
            "/v1/files",
            data={"purpose": "batch"},
            files={"file": ("questions.jsonl", content)},
        )
        assert stored.status_code == 200, stored.text
        asked = {"input_file_id": stored.json()["id"], "endpoint": "/v1/chat/completions"}
        return send(
            running, "POST", "/v1/batches", json=asked | {"completion_window": "24h"} | about
        )

    @staticmethod
    def get(running, name):
        return send(running, "GET", f"/v1/batches/{name}").json()

    @staticmethod
    def ended(batch):
        return batch["status"] not in ("in_progress", "cancelling")

    @staticmethod
    def results(running, batch):
        """Return by custom_id what was said, or why nothing was; and the order of the rows."""
        found = {}
        for name in ("output_file_id", "error_file_id"):
            if batch[name] is None:
                continue
            content = send(running, "GET", f"/v1/files/{batch[name]}/content").content
            for row in map(json.loads, content.splitlines()):
                found[row["custom_id"]] = OpenAI.read(row)
        return found

    @staticmethod
    def read(row):
        if row["error"]:
            return row["error"]["code"]
        if row["response"]["status_code"] != 200:
            return row["response"]["status_code"]
        return row["response"]["body"]["choices"][0]["message"]["content"]

    cancel = staticmethod(
        lambda running, name: send(running, "POST", f"/v1/batches/{name}/cancel").json()
    )
    missed: ClassVar = {
        "half": "server_error",
        "expired": "batch_expired",
        "cancelled": "batch_cancelled",
    }


class Anthropic:
    """Makes a batch of Anthropic's, and reads what came of it."""

    service = "anthropic"

    @staticmethod
    def make(running, bodies):
        asked = [{"custom_id": name, "params": body} for name, body in bodies.items()]
        return send(running, "POST", "/v1/messages/batches", json={"requests": asked})

    @staticmethod
    def get(running, name):
        return send(running, "GET", f"/v1/messages/batches/{name}").json()

    @staticmethod
    def ended(batch):
        return batch["processing_status"] == "ended"

    @staticmethod
    def results(running, batch):
        path = batch["results_url"].removeprefix(running.url)
        rows = map(json.loads, send(running, "GET", path).content.splitlines())
        return {row["custom_id"]: Anthropic.read(row["result"]) for row in rows}

    @staticmethod
    def read(result):
        if result["type"] == "succeeded":
            return result["message"]["content"][0]["text"]
        if result["type"] == "errored":
            return result["error"]["error"]["type"]
        return result["type"]

    cancel = staticmethod(
        lambda running, name: send(running, "POST", f"/v1/messages/batches/{name}/cancel").json()
    )
    missed: ClassVar = {"half": "api_error", "expired": "expired", "cancelled": "canceled"}


both = pytest.mark.parametrize("protocol", [OpenAI, Anthropic])


def questions(n):
    return {f"q-{i}": body_of(f"a {WORDS[i % 3]}") for i in range(n)}


def marks(n):
    return {f"q-{i}": "ABC"[i % 3] for i in range(n)}


def run(protocol, n=6, *, options="", **given):
    """Return a batch of n questions at its end, its results, and the bill."""
    with rehearse(service=f"{protocol.service}{options}", **given) as running:
        made = protocol.make(running, questions(n))
        assert made.status_code == 200, made.text
        batch = protocol.get(running, made.json()["id"])
        assert protocol.ended(batch)
        return batch, protocol.results(running, batch), running.bill


@both
def test_a_batch_answers_as_single_questions_do_at_half_price(protocol):
    _, found, bill = run(protocol, 12)
    assert found == marks(12)
    assert list(found) != list(marks(12))  # in another order
    single = [bill.tokens_in * 0.2, bill.tokens_out * 1.2]
    assert bill.usd == pytest.approx(sum(single) / 1e6 / 2)
    assert bill.queries == 12


def test_its_tokens_are_those_of_single_questions():
    _, _, bill = run(OpenAI, 3)
    with rehearse() as running:
        for word in WORDS:
            ask(running, about(f"a {word}"), max_tokens=20)
    assert (running.bill.tokens_in, running.bill.tokens_out) == (bill.tokens_in, bill.tokens_out)
    assert running.bill.usd == pytest.approx(2 * bill.usd)


@both
def test_a_batch_takes_its_time_and_costs_nothing_before(protocol):
    with rehearse(service=f"{protocol.service}?batch_s=0.5") as running:
        made = protocol.make(running, questions(3)).json()
        assert not protocol.ended(made)
        assert running.bill.usd == 0
        until = time.monotonic() + 30
        while not protocol.ended(batch := protocol.get(running, made["id"])):
            assert time.monotonic() < until
            time.sleep(0.05)
        assert protocol.results(running, batch) == marks(3)


@both
@pytest.mark.parametrize("fate", ["half", "expired"])
def test_some_lines_are_not_answered_and_not_billed(protocol, fate):
    batch, found, bill = run(protocol, 6, options=f"?batches={fate}")
    good = {name: mark for name, mark in found.items() if mark in "ABC"}
    assert good.items() <= marks(6).items()
    assert len(good) == bill.queries == 3
    assert set(found.values()) - set("ABC") == {protocol.missed[fate]}
    assert len(found) == 6
    assert batch["request_counts"].get("completed", batch["request_counts"].get("succeeded")) == 3


@both
def test_a_batch_may_fail_as_a_whole(protocol):
    with rehearse(service=f"{protocol.service}?batches=failed") as running:
        made = protocol.make(running, questions(3)).json()
        batch = protocol.get(running, made["id"])
        second = protocol.make(running, questions(3)).json()
        assert protocol.results(running, protocol.get(running, second["id"])) == marks(3)
        if protocol is OpenAI:
            assert batch["status"] == "failed"
            assert batch["errors"]["data"]
            assert batch["output_file_id"] is None
        else:
            assert set(protocol.results(running, batch).values()) == {"api_error"}
    assert running.bill.queries == 3  # of the second


@both
def test_a_batch_that_is_stuck_can_be_cancelled(protocol):
    with rehearse(service=f"{protocol.service}?batches=stuck") as running:
        name = protocol.make(running, questions(4)).json()["id"]
        assert not protocol.ended(protocol.get(running, name))
        batch = protocol.cancel(running, name)
        assert protocol.ended(batch)
        assert protocol.results(running, batch) == dict.fromkeys(
            marks(4), protocol.missed["cancelled"]
        )
        assert protocol.cancel(running, name) == batch  # what has ended stays
    assert running.bill.queries == 0


@both
def test_faults_befall_lines_as_they_befall_questions(protocol):
    faults = read_faults(["529:at=2", "close:at=3", "refusal:at=4"])
    _, found, bill = run(protocol, 5, faults=faults)
    assert found["q-0"] == "A"
    assert found["q-1"] in (529, "overloaded_error")
    assert found["q-2"] in (500, "api_error")  # no connection of its own could break
    assert found["q-3"].startswith("I'm sorry")
    assert bill.queries == 3


@both
def test_a_question_that_is_none_fails_alone(protocol):
    asked = questions(2) | {"odd": body_of("a dog", model="other")}
    with rehearse(service=protocol.service) as running:
        batch = protocol.get(running, protocol.make(running, asked).json()["id"])
        found = protocol.results(running, batch)
    assert found.pop("odd") in (404, "not_found_error")
    assert found == marks(2)


@both
def test_batches_are_listed_the_newest_first(protocol):
    path = "/v1/batches" if protocol is OpenAI else "/v1/messages/batches"
    after = "after" if protocol is OpenAI else "after_id"
    with rehearse(service=protocol.service) as running:
        names = [protocol.make(running, questions(1)).json()["id"] for _ in range(5)]
        pages, last = [], None
        while True:
            query = f"?limit=2&{after}={last}" if last else "?limit=2"
            page = send(running, "GET", path + query).json()
            pages += [batch["id"] for batch in page["data"]]
            last = page["last_id"]
            if not page["has_more"]:
                break
    assert pages == names[::-1]


@both
@pytest.mark.parametrize("limit", ["0", "many", "1001", "-1"])
def test_a_list_has_a_length(protocol, limit):
    path = "/v1/batches" if protocol is OpenAI else "/v1/messages/batches"
    with rehearse(service=protocol.service) as running:
        assert send(running, "GET", f"{path}?limit={limit}").status_code == 400


@pytest.mark.slow
@both
def test_a_batch_that_takes_long_holds_up_nobody(protocol):
    slow = WordBox()
    answer = slow.answer

    def slowly(texts):
        time.sleep(0.5)
        return answer(texts)

    slow.answer = slowly
    with rehearse(slow, service=protocol.service) as running:
        made = protocol.make(running, questions(6)).json()
        start = time.monotonic()
        assert not protocol.ended(protocol.get(running, made["id"]))
        assert time.monotonic() - start < 2.5
        until = time.monotonic() + 60
        while not protocol.ended(batch := protocol.get(running, made["id"])):
            assert time.monotonic() < until
        assert protocol.results(running, batch) == marks(6)
    assert running.bill.queries == len(slow.asked) == 6


@both
def test_what_is_not_there_is_not_found(protocol):
    path = "/v1/batches" if protocol is OpenAI else "/v1/messages/batches"
    with rehearse(service=protocol.service) as running:
        assert send(running, "GET", f"{path}/none").status_code == 404
        assert send(running, "POST", f"{path}/none/cancel").status_code == 404
        if protocol is OpenAI:
            assert send(running, "GET", "/v1/files/none").status_code == 404
            assert OpenAI.of_file(running, b"").json()["status"] in ("in_progress", "failed")


def test_metadata_comes_back_so_that_a_lost_batch_is_found():
    with rehearse() as running:
        OpenAI.make(running, questions(1), metadata={"rebox": "abc"})
        (found,) = send(running, "GET", "/v1/batches").json()["data"]
    assert found["metadata"] == {"rebox": "abc"}


def test_files_are_kept_listed_and_deleted():
    with rehearse() as running:
        OpenAI.make(running, questions(1))
        listed = send(running, "GET", "/v1/files").json()["data"]
        name = listed[-1]["id"]
        assert send(running, "GET", f"/v1/files/{name}").json()["purpose"] == "batch"
        assert send(running, "DELETE", f"/v1/files/{name}").json()["deleted"]
        assert send(running, "GET", f"/v1/files/{name}").status_code == 404
        other = send(
            running, "POST", "/v1/files", data={"purpose": "vision"}, files={"file": ("a", b"a")}
        )
    assert other.status_code == 400


@pytest.mark.parametrize(
    ("content", "code", "line"),
    [
        (b"", "invalid_file", None),
        (b"no json\n", "invalid_json_line", 1),
        (b'{"custom_id": "a"}\n', "invalid_json_line", 1),
        (b"[1]\n", "invalid_json_line", 1),
        (LINE.replace(b"POST", b"GET"), "invalid_json_line", 1),
        (2 * LINE, "duplicate_custom_id", 2),
    ],
    ids=itertools.count(),
)
def test_a_file_that_is_wrong_fails_its_batch(content, code, line):
    with rehearse() as running:
        made = OpenAI.of_file(running, content).json()
        batch = OpenAI.get(running, made["id"])
    assert batch["status"] == "failed"
    assert (batch["errors"]["data"][0]["code"], batch["errors"]["data"][0]["line"]) == (code, line)
    assert running.bill.queries == 0


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"requests": []}, "expected a list"),
        ({"requests": [{"custom_id": "a b", "params": {}}]}, "custom_id"),
        ({"requests": [{"custom_id": "a"}]}, "params"),
        ({"requests": [{"custom_id": "a", "params": {}}] * 2}, "more than once"),
    ],
)
def test_requests_that_are_wrong_are_no_batch(asked, words):
    with rehearse(service="anthropic") as running:
        reply = send(running, "POST", "/v1/messages/batches", json=asked)
    assert reply.status_code == 400
    assert words in reply.json()["error"]["message"]


def test_lines_may_hold_any_character():
    # a separator that is a new line to Python, and none to JSON
    strange = {"q-1": body_of("a dog\u2028\u0085\x0b and words")}
    with rehearse() as running:
        batch = OpenAI.get(running, OpenAI.make(running, strange).json()["id"])
        assert OpenAI.results(running, batch) == {"q-1": "B"}


@pytest.mark.parametrize(
    ("options", "words"), [("batches=halve", "did you mean 'half'"), ("batch_s=-1", "batch_s")]
)
def test_fates_that_are_none_are_refused(options, words):
    with pytest.raises(InvalidOption, match=words):
        Rehearsal(f"chat?{options}", WordBox())


@settings(max_examples=40)
@given(st.integers(1, 40), st.sampled_from(["completed", "half", "expired", "failed"]))
def test_every_line_comes_to_one_end(n, fate):
    batches = BatchQueue("b", 0.0, [fate])
    asked = []

    def answer(request):
        asked.append(request.path)
        return json_reply({})

    batches.ask = answer
    lines = [BatchLine(str(i), Incoming(method="POST", path=str(i))) for i in range(n)]
    name = batches.add(lines, {}).id
    batch = batches.get(name)
    assert batches.get(name) is batch
    assert batch.ended is not None
    assert sorted(line.custom_id for line, _ in batch.shuffled()) == sorted(map(str, range(n)))
    assert len(asked) == len(set(asked)) == batch.counted(answered)
