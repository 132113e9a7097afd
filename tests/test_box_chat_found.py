"""read=auto: one question finds out how a model is read; it counts, and a rerun is spared it.

Servers are made up here, by what real ones are known to do: `stub_transport` keeps what is sent.
"""

import json

import numpy as np
import pytest
from stub_transport import Stub, pictures, says
from test_box_chat import CHAT, CLAUDE, FAST, blocks, chosen, top

from rebox.box import open_box
from rebox.errors import KeyRefused
from rebox.meter import Budget, Journal, JournalAccount, Meter
from rebox.sample.texts import as_texts


class Server(Stub):
    """Answers as one model does.

    Parameters
    ----------
    logprobs : {"told", "refused", "left out"}
    refuses : sequence of str
        Other fields that it knows nothing of.
    said : sequence of str
        What it says, the last again and again.
    """

    def __init__(self, logprobs="told", refuses=(), said=("A",), usage=(50, 1)):
        super().__init__(None)
        self.logprobs, self.refuses, self.usage = logprobs, list(refuses), usage
        self.said = list(said)
        self.bodies, self.refused = [], 0

    def send(self, request, key, terms):
        body = json.loads(request.content)
        refuses = [*self.refuses, *(["logprobs"] if self.logprobs == "refused" else [])]
        for name in refuses:
            if name in body:
                self.refused += 1
                words = f"Unsupported parameter: '{name}' is not supported with this model."
                error = {"message": words, "type": "invalid_request_error", "param": name}
                return says({"error": error}, 400)
        self.bodies.append(body)
        text = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        told = top(**{text or "x": 0.9, "B": 0.1}) if self.logprobs == "told" else None
        ended = "length" if text == "" else "stop"
        if "max_tokens" in body and "max_completion_tokens" not in body and self.usage == "claude":
            return says(blocks(text))
        return says(chosen(text, logprobs=told, usage=self.usage, finish_reason=ended))


def found(server, uri=CHAT):
    box = open_box(uri + FAST)
    box.transport = server
    finder = box.finder
    row = finder.ask(finder.question)[0]
    return finder.found(row)


@pytest.mark.parametrize(
    ("server", "read", "asked"),
    [
        (Server(), "logprobs", 1),
        (Server("refused"), "label", 1),
        (Server("left out"), "label", 1),
        (Server("refused", ["temperature", "seed", "max_completion_tokens"]), "label", 1),
        (Server("left out", said=["Well, it is", "I think so", '{"answer": "dog"}']), "enum", 3),
        (Server("refused", said=["Well, it is", "I think so"]), "label", 2),
        (Server("refused", said=[""]), "label&max_tokens=4096", 1),
    ],
)
def test_a_question_finds_out_how_a_model_is_read(server, read, asked):
    box = found(server)
    assert len(server.bodies) == asked
    assert f"&read={read}" in box.uri
    assert f"&read={read.partition('&')[0]}" in box.spec.identity
    again = open_box(box.uri)
    assert again.spec == box.spec
    assert again.finder is None


def test_a_refused_field_is_left_out_from_then_on_and_costs_nothing():
    server = Server("refused", ["seed", "max_completion_tokens"])
    box = found(server)
    server.refused = 0
    box.ask(pictures(box, 3))
    assert server.refused == 0
    assert all("seed" not in body and body["max_tokens"] == 16 for body in server.bodies[1:])


def test_anthropic_is_never_asked_for_log_probabilities():
    box = open_box(CLAUDE.replace("&read=label", ""))
    box.transport = Stub(says(blocks("B")))
    finder = box.finder
    assert finder.found(finder.ask(finder.question)[0]).uri.endswith("read=label")
    assert "logprobs" not in json.loads(box.transport.requests[0].content)


@pytest.mark.parametrize("texts", [False, True])
def test_the_question_counts_and_a_rerun_is_spared_it(tmp_path, texts):
    def asked():
        server = Server("refused")
        box = open_box(f"{CHAT}&usd_per_m_in=1&usd_per_m_out=10{FAST}")
        box.transport = server
        box = box.taking("texts") if texts else box
        journal = Journal(tmp_path / "journal.sqlite")
        account = JournalAccount(journal, name="a", training=Budget(), prediction=Budget())
        meter = Meter([box], account=account)
        finder = box.finder
        row = meter.asker(finder, "probe").ask(finder.question)[0]
        box_after = finder.found(row)
        meter.goes_on(finder, box_after)
        meter.goes_on(box, box_after)
        queries = as_texts(["one"]) if texts else pictures(box_after)
        meter.asker(box_after, "map").ask(queries)
        return meter, server, box_after

    meter, server, box = asked()
    (spent,) = meter.spent_by_box
    assert (spent.probe, spent.map, spent.billed) == (1, 1, 2)
    assert spent.usd == pytest.approx(2 * 60e-6)
    assert len(server.bodies) == 2
    meter, server, again = asked()
    assert server.bodies == []
    assert meter.spent.billed == 0
    assert again.spec == box.spec


def test_whoever_asks_it_as_it_is_pays_for_the_question(tmp_path):
    box = open_box(f"{CHAT}{FAST}")
    box.transport = Server("refused")
    meter = Meter([box], Budget(queries=10))
    rows = meter.asker(box, "map").ask(pictures(box, 2))
    np.testing.assert_array_equal(rows, [[1, 0, 0]] * 2)
    assert meter.spent.billed == 3


@pytest.mark.parametrize("kind", ["images", "texts"])
@pytest.mark.parametrize("way", ["logprobs", "label", "enum"])
def test_a_box_is_known_again_by_its_identity(kind, way):
    stored = open_box(f"{CHAT}&read={way}&takes={kind}").spec
    assert open_box(CHAT).known_as(stored.identity).spec == stored
    assert open_box(CHAT).known_as("another").spec.identity == open_box(CHAT).spec.identity


def test_a_model_that_was_cut_while_it_thought_is_given_room():
    words = "Could not finish the message because max_tokens or model output limit was reached."
    box = open_box(f"{CHAT}&per_call=2{FAST}")  # which is never asked for log-probabilities
    box.transport = Stub(says({"error": {"message": words, "type": "invalid"}}, 400))
    finder = box.finder
    assert "read=label&max_tokens=4096" in finder.found(finder.ask(finder.question)[0]).uri


class Odd(Server):
    """Refuses log-probabilities in words of its own, or more than so many of them."""

    def __init__(self, status=403, most=None, **kwargs):
        super().__init__(**kwargs)
        self.status, self.most = status, most

    def send(self, request, key, terms):
        body = json.loads(request.content)
        if self.most is None and "logprobs" in body:
            words = "You are not allowed to request logprobs from this model"
            return says({"error": {"message": words, "param": None}}, self.status)
        if self.most is not None and body.get("top_logprobs", 0) > self.most:
            words = f"top_logprobs must be less than or equal to {self.most}"
            return says({"error": {"message": words, "param": "top_logprobs"}}, 400)
        return super().send(request, key, terms)


@pytest.mark.parametrize("status", [403, 500])
def test_log_probabilities_that_may_not_be_had_are_done_without(status):
    server = Odd(status)
    assert found(server).uri.endswith("&read=label")
    assert len(server.bodies) == 1


def test_a_key_that_may_ask_nothing_is_still_refused():
    box = open_box(f"{CHAT}{FAST}")
    box.transport = Stub(says({"error": {"message": "You have no access to this project"}}, 403))
    with pytest.raises(KeyRefused):
        box.finder.ask(box.finder.question)


@pytest.mark.parametrize(("most", "read"), [(5, "logprobs"), (2, "label")])
def test_a_server_that_tells_fewer_tokens_is_asked_for_fewer(most, read):
    server = Odd(most=most)
    box = found(server)
    assert box.uri.endswith(f"&read={read}")
    box.ask(pictures(box))
    assert [body.get("top_logprobs") for body in server.bodies] == [5 if most == 5 else None] * 2


def test_fewer_tokens_are_asked_for_where_log_probabilities_are_pinned():
    box = open_box(f"{CHAT}&read=logprobs{FAST}")
    box.transport = server = Odd(most=5)
    with box:
        assert box.ask(pictures(box)).argmax() == 0
    assert [body["top_logprobs"] for body in server.bodies] == [5]


@pytest.mark.parametrize("texts", [False, True])
@pytest.mark.parametrize("said", ["I cannot help with that.", "I'm sorry"])
def test_a_refusal_is_asked_about_something_else_in_the_same_way(said, texts):
    server = Server(said=[said, "A"])
    box = open_box(f"{CHAT}{FAST}{'&takes=texts' if texts else ''}")
    box.transport = server
    finder = box.finder
    assert finder.found(finder.ask(finder.question)[0]).uri.endswith("read=logprobs")
    first, second = (body["messages"][0]["content"] for body in server.bodies)
    assert first != second
    assert all("logprobs" in body for body in server.bodies)


def test_a_model_that_always_declines_reads_as_a_label():
    server = Server(said=["I cannot help with that."])
    assert found(server).uri.endswith("&read=label")
    assert len(server.bodies) == 4  # the first question, another one, and that in each other way


def test_a_way_is_no_attempt():
    server = Server("left out", said=["Well, it is", "I think so", '{"answer": "dog"}'])
    assert found(server, f"{CHAT}&attempts=1").uri.endswith("&read=enum")


@pytest.mark.parametrize("words", ["<think>", "<think>\nOkay", "<thinking>"])
def test_a_thought_is_given_room(words):
    server = Server(said=[words])
    assert "read=label&max_tokens=4096" in found(server).uri


def test_log_probabilities_that_nobody_asked_for_do_not_pin_them():
    class Unasked(Server):
        def send(self, request, key, terms):
            reply = super().send(request, key, terms)
            told = json.loads(reply.content)
            if "logprobs" in json.loads(request.content):
                told["choices"][0]["message"]["content"] = "Well"
            return says(told)

    assert found(Unasked()).uri.endswith("&read=label")
