"""Servers that bill more than they were allowed: what is told is paid, and a cap in dollars holds.

Servers are made up here: each answers by what it is asked, so that one may heed the limit of an
answer under one name and not under another. Meters, accounts and threads are real.
"""

import io
import json
import threading
import time
import warnings

import numpy as np
import pytest
from rich.console import Console
from stub_transport import pictures, says
from test_box_chat import CHAT, TEXT, chosen
from test_box_chat_money import PRICED, priced, spent_on
from typer.testing import CliRunner

from rebox.box import open_box
from rebox.box.service import Reply
from rebox.cli.app import app
from rebox.cli.printing import receipt
from rebox.errors import BudgetExhausted, InvalidOption, ServiceError
from rebox.meter import Budget, Meter
from rebox.money import nano_usd
from rebox.sample.texts import as_texts

MANY = as_texts([f"text {i}" for i in range(400)])
OVER = "does not heed the limit"


class Server:
    """A transport whose replies ``answer(body)`` makes; it counts how many are under way."""

    def __init__(self, answer, nap_s=0.0):
        self.answer, self.nap_s = answer, nap_s
        self.bodies, self.out, self.most_out = [], 0, []
        self.lock = threading.Lock()

    def check_ready(self, url, key):
        pass

    def send(self, request, key, terms):
        body = json.loads(request.content)
        with self.lock:
            self.out += 1
            self.most_out.append(self.out)
            self.bodies.append(body)
        time.sleep(self.nap_s)
        told = self.answer(body)
        with self.lock:
            self.out -= 1
        return told if isinstance(told, Reply) else says(told)

    def close(self):
        pass


def box_at(answer, uri=f"{TEXT}&in_flight=8", nap_s=0.0):
    box = open_box(uri + PRICED)
    box.transport = Server(answer, nap_s)
    return box


def thinks(tokens):
    return lambda body: chosen("B", usage=(60, tokens))


def spent_within(box, usd):
    """Return what was told to be used within a cap, as the server counts and as the account."""
    meter = Meter([box], Budget(usd=usd))
    meter.reserve = lambda *_: None  # a plan by expected prices would end it first
    with box, pytest.raises(BudgetExhausted):
        meter.asker(box, "map").ask(MANY)
    return len(box.transport.bodies), meter.spent


@pytest.mark.parametrize("tokens", [150, 400, 5000])
def test_a_server_that_ignores_the_limit_breaks_no_cap(tokens):
    usd = 0.2
    with pytest.warns(UserWarning, match=OVER) as told:
        asked, spent = spent_within(box_at(thinks(tokens), nap_s=0.001), usd)
    bill = asked * (60 * 2 + tokens * 10) / 1e6
    assert spent.usd == pytest.approx(bill)  # as it was told, and not what was set aside
    assert bill <= usd
    assert len([one for one in told if OVER in str(one.message)]) == 1


def test_usage_is_paid_as_told_however_far_beyond_the_limit():
    box = priced(TEXT, chosen("B", usage=(9_000_000, 9_000_000)))
    with pytest.warns(UserWarning, match=OVER):
        spent = spent_on(box, as_texts(["a"]))
    assert spent.usd == pytest.approx(9 * 2 + 9 * 10)


def test_one_question_is_out_until_its_usage_is_known():
    box = box_at(thinks(3), nap_s=0.02)
    with box:
        Meter([box]).asker(box, "map").ask(MANY[:24])
    assert box.transport.most_out[:2] == [1, 1]
    assert max(box.transport.most_out) > 1  # and several after that


def test_a_server_that_tells_no_usage_is_asked_several_at_a_time_after_one():
    box = box_at(lambda body: chosen("B", usage=None), nap_s=0.02)
    with box:
        Meter([box]).asker(box, "map").ask(MANY[:24])
    assert max(box.transport.most_out) > 1


def test_the_older_name_of_the_limit_is_tried_and_kept_where_it_is_heeded():
    def heeds_the_old(body):
        return chosen("B", usage=(60, min(400, body.get("max_tokens", 400))))

    box = box_at(heeds_the_old)
    before = box.most_nano_usd(MANY[:1])
    with pytest.warns(UserWarning, match=OVER):
        spent_on(box, MANY[:3])
    names = [{"max_tokens", "max_completion_tokens"} & set(one) for one in box.transport.bodies]
    assert names == [{"max_completion_tokens"}, {"max_tokens"}, {"max_tokens"}]
    assert box.most_nano_usd(MANY[:1]) == before  # it is heeded: no more is set aside


def test_a_server_that_refuses_the_older_name_is_asked_by_the_newer_again():
    def refuses_the_old(body):
        if "max_tokens" in body:
            error = {"message": "Unsupported parameter: 'max_tokens'", "param": "max_tokens"}
            return says({"error": error}, status=400)
        return chosen("B", usage=(60, 400))

    box = box_at(refuses_the_old)
    with pytest.warns(UserWarning, match=OVER):
        spent = spent_on(box, MANY[:3])
    assert spent.billed == 3
    assert "max_completion_tokens" in box.transport.bodies[-1]
    assert box.most_nano_usd(MANY[:1]) >= 2 * 400 * 10_000


def test_texts_that_are_more_tokens_than_bytes_are_learnt():
    box = box_at(lambda body: chosen("B", usage=(3000, 1)))
    short, long = as_texts(["a"]), as_texts(["a" * 1000])
    spent_on(box, short)
    assert box.most_tokens_in(short) >= 3000
    assert box.most_tokens_in(long) >= 3000 + 999


@pytest.mark.parametrize(
    ("size", "detail", "tokens"),
    # gpt-4o-mini's: 2,833 and 5,667 for each tile of 512 that is left of 2,048 and 768
    [(512, "", 8_500), (1024, "", 25_501), (2048, "", 25_501), (2048, "&detail=low", 2_833)],
)
def test_a_picture_is_set_aside_by_its_size_and_detail(size, detail, tokens):
    uri = f"chat:m?base_url=http://localhost:8/v1&classes=a,b&read=label&size={size}{detail}"
    box = box_at(lambda body: chosen("B", usage=(tokens, 1)), uri)
    assert box.most_tokens_in([None]) >= tokens
    low = open_box(f"{uri.partition('&detail')[0]}&detail=low{PRICED}")
    assert box.most_tokens_in([None]) >= low.most_tokens_in([None])


def test_other_words_beside_pictures_are_set_aside_too():
    box = box_at(lambda body: chosen("B", usage=(900, 1)), f"{CHAT}&read=label")
    box.ask(pictures(box))
    enum = box.otherwise(read="scores")
    more = len(enum.chat.wording.said()) - len(box.chat.wording.said())
    assert more > 0
    assert enum.most_tokens_in([None]) >= box.most_tokens_in([None]) + more


def test_a_usage_of_nothing_is_none():
    box = box_at(lambda body: chosen("B", usage=(0, 0)))
    most = box.most_nano_usd(as_texts(["a"]))
    assert nano_usd(spent_on(box, as_texts(["a"])).usd) == most > 0


def test_tokens_of_thinking_that_only_the_total_has_are_paid():
    def gemini(body):
        reply = chosen("B", usage=(50, 1))
        reply["usage"]["total_tokens"] = 900
        return reply

    box = box_at(gemini)
    with pytest.warns(UserWarning, match=OVER):
        spent = spent_on(box, as_texts(["a"]))
    assert (spent.tokens_in, spent.tokens_out) == (50, 850)


@pytest.mark.parametrize("first", [True, False])
def test_who_waits_for_room_sends_nothing_once_it_is_over(first):
    box = box_at(thinks(3), nap_s=0.3)
    if not first:  # what is waited for is money, and not that anything is known
        box.ask(MANY[:1])
    begun = len(box.transport.bodies)
    meter = Meter([box])
    meter.account._budgets["fit"] = Budget(usd=1.5 * box.most_nano_usd(MANY[:1]) / 1e9)

    def end():
        while len(box.transport.bodies) == begun:
            time.sleep(0.001)
        time.sleep(0.1)  # all of them wait in their threads
        box.close()  # as Ctrl-C does, it stops what has not left

    thread = threading.Thread(target=end)
    thread.start()
    started = time.monotonic()
    with pytest.raises(ServiceError, match="closed"):
        meter.asker(box, "map").ask(MANY[:6])
    thread.join()
    assert len(box.transport.bodies) == begun + 1
    assert time.monotonic() - started < 5
    assert meter.spent.billed == 1


def test_what_was_set_aside_is_given_back_where_it_ended_meanwhile():
    box = box_at(thinks(3))
    meter = Meter([box])
    set_aside = meter.account.set_aside

    def stopping(*args, **options):
        held = set_aside(*args, **options)
        box.close()  # Ctrl-C, while the account was asked
        return held

    meter.account.set_aside = stopping
    with pytest.raises(ServiceError, match="closed"):
        meter.asker(box, "map").ask(MANY[:1])
    assert box.transport.bodies == []
    assert meter.account._reserved["fit"].queries == 0


def test_answers_within_the_limit_warn_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(box_at(thinks(3)).ask(MANY[:2])[:, 1], [1, 1])


@pytest.mark.parametrize("name", ["usd_per_m_in", "usd_per_m_out"])
def test_a_price_beyond_all_reason_is_refused(name):
    other = {"usd_per_m_in", "usd_per_m_out"} - {name}
    with pytest.raises(InvalidOption, match=f"{name} must lie in 0 to 1,000,000"):
        open_box(f"{TEXT}&{name}=1e300&{other.pop()}=1")


@pytest.mark.parametrize("name", ["price_usd", "usd_per_hour"])
def test_a_price_of_a_query_beyond_all_reason_is_refused(name):
    with pytest.raises(InvalidOption, match=f"{name} must .* 1,000,000"):
        open_box(f"{TEXT}&{name}=1e300")


def test_two_prices_of_one_question_are_refused():
    with pytest.raises(InvalidOption, match="keep one of them"):
        open_box(f"{TEXT}{PRICED}&price_usd=0.5")


def test_who_does_not_know_a_chat_models_price_is_told_how_tokens_are_priced():
    with pytest.raises(InvalidOption, match="usd_per_m_in= and usd_per_m_out="):
        Budget(usd=1.0).allows(None)


def table_of(tmp_path, n=12):
    """Return a file of texts of two kinds."""
    kinds = ("awful text,bad", "lovely text,good")
    rows = [kinds[i % 2].replace(",", f" {i},") for i in range(n)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["text,label", *rows]))
    return str(path)


def said_by(*command):
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.replace("│", " ").split())


def test_an_estimate_says_what_it_costs_if_the_model_has_to_think(tmp_path):
    uri = "chat:m?base_url=https://host.example/v1&classes=good,bad&tokens_in=1000"
    uri = f"{uri}&usd_per_m_in=1&usd_per_m_out=10"
    asked = ["estimate", "--data", table_of(tmp_path), "--budget", "10", "--box"]
    said = said_by(*asked, uri)
    usd = (1000 * 1 + 4096 * 10) / 1e6
    assert f"up to ${usd * 1000:.2f}" in said  # of 1,000 predictions
    assert "if it has to think first" in said
    for known in ("read=label", "max_tokens=50", "tokens_out=9"):
        assert "think first" not in said_by(*asked, f"{uri}&{known}")


@pytest.mark.parametrize(("tokens", "told"), [(1, False), (400, True)])
def test_the_receipt_says_what_a_query_was_paid_where_plans_took_it_for_less(tokens, told):
    box = box_at(thinks(tokens), f"{TEXT}&tokens_in=60&tokens_out=1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spent = spent_on(box, MANY[:3])
    file = io.StringIO()
    receipt(spent, [box], console=Console(file=file, width=500))
    words = "that is $4.12 per 1,000, and plans took it for $0.13 per 1,000: with tokens_in=60 and"
    assert (words in file.getvalue()) == told
    assert ("plans took it" in file.getvalue()) == told
