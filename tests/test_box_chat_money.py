"""Money by the token: the most is set aside, what was used is paid, and a cap holds to the last.

Servers are made up here: `stub_transport` keeps what is sent; journals and threads are real.
"""

import json
import threading
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stub_transport import Stub, pictures, says, stubbed
from test_box_chat import CHAT, CLAUDE, TEXT, blocks, chosen

from rebox.box import open_box
from rebox.box.chat.prices import USD, token_price
from rebox.box.chat.tokens import MOST_IMAGE, TokenPrice
from rebox.errors import BudgetExhausted, InvalidOption
from rebox.meter import Budget, Journal, JournalAccount, Meter
from rebox.money import nano_usd
from rebox.sample.texts import as_texts

PRICED = "&usd_per_m_in=2&usd_per_m_out=10"


def priced(uri, *replies):
    box = open_box(uri + PRICED)
    box.transport = Stub(*map(says, replies))
    return box


def spent_on(box, queries, **caps):
    meter = Meter([box], Budget(**caps))
    with box:
        meter.asker(box, "map").ask(queries)
    return meter.spent


def test_what_was_used_is_paid():
    spent = spent_on(priced(TEXT, chosen("B", usage=(40, 3))), as_texts(["a", "b"]))
    assert spent.usd == pytest.approx(2 * (40 * 2 + 3 * 10) / 1e6)
    assert (spent.tokens_in, spent.tokens_out) == (80, 6)
    assert "80 tokens read, 6 written" in spent.words


def test_anthropic_counts_cached_tokens_in_full():
    reply = blocks("B", usage=(40, 3))
    reply["usage"] |= {"cache_read_input_tokens": 100, "cache_creation_input_tokens": None}
    box = priced(CLAUDE, reply)
    assert spent_on(box, pictures(box)).tokens_in == 140


@pytest.mark.parametrize(
    "usage", [None, (-1, 3), (1.5, 2), (True, 1), ("40", 3), (10**12, 1), (40, 10**9)]
)
def test_a_usage_that_is_none_costs_what_was_set_aside(usage):
    box = priced(TEXT, chosen("B", usage=usage))
    most = box.most_nano_usd(as_texts(["a"]))
    spent = spent_on(box, as_texts(["a"]))
    assert nano_usd(spent.usd) == most
    assert spent.tokens == ""


def test_a_text_is_never_more_tokens_than_bytes():
    box = priced(TEXT, chosen("B"))
    words = "\N{GRINNING FACE}" * 50
    body = box.bodies([words])
    said = len(body["messages"][0]["content"].encode())
    assert box.most_tokens_in([words]) >= said > 200
    assert box.most_nano_usd(as_texts([words])) >= said * 2000 + 16 * 10_000


def test_a_picture_is_set_aside_generously_until_one_was_seen():
    box = priced(f"{CHAT}&read=label", chosen("B", usage=(900, 1)))
    images = pictures(box)
    before = box.most_tokens_in(images)
    box.ask(images)
    assert before > MOST_IMAGE
    assert 900 < box.most_tokens_in(images) < 1000


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    cents=st.integers(1, 40),
    used=st.lists(st.tuples(st.integers(1, 150), st.integers(0, 16)), min_size=1, max_size=20),
)
def test_a_cap_in_dollars_is_never_exceeded(cents, used):
    box = priced(f"{TEXT}&in_flight=4", *[chosen("B", usage=one) for one in used])
    usd = cents / 1e5
    meter = Meter([box], Budget(queries=100_000), account=None)
    meter.account._caps["fit"] = meter.account._budgets["fit"] = Budget(usd=usd)
    with box, pytest.raises(BudgetExhausted):
        meter.asker(box, "map").ask(as_texts([f"text {i}" for i in range(2000)]))
    assert 0 < nano_usd(meter.spent.usd or 1e-9) <= nano_usd(usd)


def test_a_cap_holds_in_a_journal_that_threads_share(tmp_path):
    usd = 0.02
    box = priced(f"{TEXT}&in_flight=4", chosen("B", usage=(60, 2)))
    journal = Journal(tmp_path / "journal.sqlite")

    def ask(part):
        account = JournalAccount(
            journal, name="all", fit=f"f{part}", training=Budget(usd=usd), prediction=Budget()
        )
        with pytest.raises(BudgetExhausted):
            Meter([box], account=account).asker(box, "map").ask(
                as_texts([f"{part} {i}" for i in range(200)])
            )

    threads = [threading.Thread(target=ask, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    billed = journal.billed("all", "fit")
    assert billed.nano_usd <= nano_usd(usd)
    assert billed.nano_usd > 0.6 * nano_usd(usd)  # what is set aside in vain is given back


def test_the_journal_has_the_tokens_and_the_version(tmp_path):
    box = priced(TEXT, chosen("B", usage=(60, 2)))
    journal = Journal(tmp_path / "journal.sqlite")
    account = JournalAccount(journal, name="a", training=Budget(), prediction=Budget())
    Meter([box], account=account).asker(box, "map").ask(as_texts(["one"]))
    rows = journal.rows("SELECT tokens_in, tokens_out, version, nano_usd_each FROM send")
    assert rows == [(60, 2, "m-1 fp", 140_000)]
    assert journal.versions(box.spec.identity) == {"m-1 fp"}


def fingerprint(name):
    return chosen("B") | {"system_fingerprint": name}


def test_another_version_is_told_of_once(tmp_path):
    told = []

    def ask(text, *names):
        box = priced(TEXT, *map(fingerprint, names))
        journal = Journal(tmp_path / "journal.sqlite")
        account = JournalAccount(journal, name="a", training=Budget(), prediction=Budget())
        account.changed = told.append
        meter = Meter([box], account=account)
        for i in range(len(names)):
            meter.asker(box, "map").ask(as_texts([f"{text}{i}"]))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ask("a", "one", "one")
    with pytest.warns(UserWarning, match=r"another version of its model, m-1 two; .* m-1 one"):
        ask("b", "one", "two", "one", "two")  # another process: the journal knows the first
    assert len(told) == 1


@pytest.mark.parametrize(
    ("uri", "usd"),
    [
        ("chat:gpt-5.4-nano-2026-03-01?classes=a,b", (0.2, 1.25)),
        ("chat:gpt-5.4-nano?classes=a,b&usd_per_m_in=9&usd_per_m_out=8", (9, 8)),
        ("anthropic:claude-haiku-4-5?classes=a,b", (1, 5)),
        ("chat:m?classes=a,b&base_url=http://127.0.0.1:8080/v1", (0, 0)),
        ("chat:nobody-knows?classes=a,b", None),
        ("chat:gpt-5.4-nano?classes=a,b&base_url=https://elsewhere.example/v1", None),
    ],
)
def test_prices_are_known_by_host_and_model(uri, usd):
    box = open_box(uri)
    price = box.chat.price
    assert (None if price is None else (price.usd_in, price.usd_out)) == usd
    assert (box.spec.price_usd is None) == (usd is None)


def test_every_price_has_a_source_and_a_date():
    for (host, model), _ in USD.items():
        price = token_price(model, f"https://{host}/v1")
        assert price.source
        assert "2026" in price.as_of


def test_a_price_for_a_query_is_that_whatever_it_uses():
    box = stubbed(f"{TEXT}&price_usd=0.5", says(chosen("B")))
    assert box.most_nano_usd(as_texts(["a"])) is None
    assert spent_on(box, as_texts(["a"])).usd == 0.5


def test_what_is_expected_can_be_told():
    box = open_box(f"{TEXT}{PRICED}&tokens_in=1000&tokens_out=10")
    assert box.spec.price_usd == pytest.approx(0.0021)


@pytest.mark.parametrize(
    "more",
    ["&usd_per_m_in=1", "&usd_per_m_in=-1&usd_per_m_out=1", "&tokens_in=-1", "&max_tokens=0"],
)
def test_options_of_money_that_say_nothing_are_refused(more):
    with pytest.raises(InvalidOption):
        open_box(TEXT + more)


@given(st.integers(0, 10**9), st.integers(0, 10**6))
def test_tokens_cost_no_less_than_their_price(tokens_in, tokens_out):
    price = TokenPrice(usd_in=0.2, usd_out=1.25)
    exact = tokens_in * 200 + tokens_out * 1250
    assert exact <= price.nano_usd(tokens_in, tokens_out) * 1 <= exact + 1


def test_an_answer_about_several_pays_its_tokens_once():
    reply = chosen(json.dumps({"1": "A", "2": "B", "3": "C"}), usage=(100, 10))
    box = priced(f"{TEXT}&per_call=3", reply)
    meter = Meter([box])
    rows = meter.asker(box, "map").ask(as_texts(["x", "y", "z"]))
    np.testing.assert_array_equal(rows, np.eye(3))
    assert meter.spent.usd == pytest.approx(300e-6, rel=1e-4)
    assert meter.spent.billed == 3
