"""After a fit, a chat model's price is that of the tokens that its answers took.

The server is our own rehearsal over real sockets; it counts more tokens around a question than the
rule of thumb takes it for, as real ones do.
"""

import json
import re

import numpy as np
import pytest
from test_chat_fit import serving, task
from test_rehearsal_chat import WordBox
from typer.testing import CliRunner

from rebox import Reprogrammer
from rebox.box import FunctionBox, open_box
from rebox.box.batch import BATCH_SHARE
from rebox.cli.app import app
from rebox.errors import InvalidOption
from rebox.fit.question import QueryPrice
from rebox.meter import Account, Budget
from rebox.money import dollars
from rebox.rehearsal.chat import question
from rebox.study.report.model.source import open_model

pytestmark = pytest.mark.slow

AROUND = 300  # tokens that the server counts for every message
BY_TOKENS = "by the tokens that answers took"


@pytest.fixture(autouse=True)
def dear(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-real-key")
    monkeypatch.setattr(question, "EACH_TURN", AROUND)


def uri_of(running, usd_in=0.2):
    return (
        f"chat:{running.model}?base_url={running.url}/v1&classes=cat,dog,red%20fox&read=label"
        f"&usd_per_m_in={usd_in}&usd_per_m_out=1.2"
    )


def fitted(uri, **options):
    texts, labels = task(40)
    return Reprogrammer(uri, budget=60, random_state=0, canaries=0, **options).fit(texts, labels)


def paid_each(running):
    return running.bill.usd / running.bill.queries


@pytest.mark.parametrize("journal", [False, True])
def test_the_verdict_and_the_model_go_by_what_was_paid(tmp_path, journal):
    kept = tmp_path / "journal.sqlite" if journal else False
    with serving() as running:
        model = fitted(uri_of(running), journal=kept)
        paid = paid_each(running)
        (asked,) = model.artefact_.model.questions
        assert asked.price_usd == pytest.approx(paid, rel=1e-6)
        assert asked.price_usd > 2 * model.box_.spec.price_usd  # the rule of thumb
        said = f"its price of {dollars(1000 * asked.price_usd)} per 1,000 predictions, {BY_TOKENS}"
        assert said in model.verdict_.words
        model.save(tmp_path / "m.rebox")
        if journal:
            billed = running.bill.queries
            again = fitted(uri_of(running), journal=kept)
            assert running.bill.queries == billed
            again.save(tmp_path / "again.rebox")
            assert (tmp_path / "again.rebox").read_bytes() == (tmp_path / "m.rebox").read_bytes()


def test_a_prediction_is_not_priced_as_a_batch(tmp_path):
    kept = tmp_path / "journal.sqlite"
    with serving() as running:
        model = fitted(uri_of(running), journal=kept, batch=True)
        (asked,) = model.artefact_.model.questions
        assert BATCH_SHARE * asked.price_usd == pytest.approx(paid_each(running), rel=1e-2)


def test_what_shows_a_model_says_what_its_price_goes_by(tmp_path):
    with serving() as running:
        fitted(uri_of(running)).save(tmp_path / "m.rebox")
        paid = paid_each(running)
        each = running.bill.tokens_in / running.bill.queries
    show = ["show", str(tmp_path / "m.rebox")]
    facts = json.loads(CliRunner().invoke(app, [*show, "--json"]).stdout)
    assert facts["price_usd"] == pytest.approx(paid, rel=1e-6)
    assert facts["tokens_per_query"][0] == pytest.approx(each)
    table = CliRunner().invoke(app, show).stdout  # its lines end where the terminal does
    said = " ".join(re.sub("[│┃]", " ", table).split())
    assert f"{each:,.1f} tokens read" in said
    assert BY_TOKENS in said
    assert open_model(tmp_path / "m.rebox").price_usd == pytest.approx(paid, rel=1e-6)


def test_a_policy_counts_what_was_paid(tmp_path):
    with serving() as running, serving(box=WordBox()) as other:
        both = [uri_of(running), uri_of(other, usd_in=2)]
        texts, labels = task(40)
        model = Reprogrammer(
            both, budget=100, random_state=0, usd_per_prediction=0.0004, canaries=0
        ).fit(texts, labels)
        prices = [paid_each(running), other.bill.tokens_in / other.bill.queries * 2e-6]
        model.save(tmp_path / "m.rebox")
    policy, asked = model.artefact_.model.policy, model.artefact_.model.questions
    assert asked[0].price_usd == pytest.approx(prices[0], rel=1e-6)
    assert policy.unit == "usd"
    assert list(policy.costs) == [one.price_usd for one in asked]
    assert [record.price_usd for record in model.artefact_.boxes] == list(policy.costs)
    facts = json.loads(
        CliRunner().invoke(app, ["show", str(tmp_path / "m.rebox"), "--json"]).stdout
    )
    assert [one["tokens_per_query"] is not None for one in facts["boxes"]] == [True, True]


def test_a_model_that_is_opened_elsewhere_keeps_its_tokens(tmp_path):
    with serving() as running:
        model = fitted(uri_of(running))
        (asked,) = model.artefact_.model.questions
        model.save(tmp_path / "m.rebox")
        loaded = Reprogrammer.load(tmp_path / "m.rebox", uri_of(running))
        dearer = uri_of(running, usd_in=20)
        loaded.move(loaded.artefact_.boxes[0].uri, dearer)
    (moved,) = loaded.artefact_.model.questions
    assert moved.tokens == asked.tokens
    read, written = asked.tokens
    assert moved.price_usd == pytest.approx((20 * read + 1.2 * written) / 1e6)
    assert loaded.artefact_.boxes[0].price_usd == moved.price_usd


@pytest.mark.parametrize(("around", "accepted"), [(AROUND, True), (4 * AROUND, False)])
def test_another_box_is_compared_by_tokens_of_one_kind(monkeypatch, around, accepted):
    """One of the same price may take its place; one whose answers take more is refused, as dearer.

    By the rule of thumb both would be a third of what either costs.
    """
    texts, labels = task(40)
    with serving() as running, serving(box=WordBox()) as other, serving() as third:
        both = [uri_of(running), uri_of(other, usd_in=2)]
        model = Reprogrammer(
            both, budget=100, random_state=0, usd_per_prediction=0.0004, canaries=0
        ).fit(texts, labels)
        before = model.artefact_.model
        monkeypatch.setattr(question, "EACH_TURN", around)
        new, move = uri_of(third), {"X": texts[:20], "y": labels[:20], "budget": 60}
        if accepted:
            model.move(model.artefact_.boxes[0].uri, new, **move)
            after = model.artefact_.model
            assert after.questions[0].price_usd == pytest.approx(before.questions[0].price_usd)
            assert after.questions[0].price_usd == pytest.approx(paid_each(third), rel=0.1)
            assert list(after.policy.costs) == [one.price_usd for one in after.questions]
            assert model.artefact_.boxes[0].price_usd == after.questions[0].price_usd
        else:
            with pytest.raises(InvalidOption, match="a higher one"):
                model.move(model.artefact_.boxes[0].uri, new, **move)
            assert model.artefact_.model is before


def test_where_no_tokens_are_told_the_price_is_as_it_was():
    free = FunctionBox(lambda x: np.full((len(x), 2), 0.5), size=4, classes=2, identity="f")
    paid = FunctionBox(
        lambda x: np.full((len(x), 2), 0.5), size=4, classes=2, identity="p", price_usd=0.25
    )
    account = Account(Budget(), Budget())
    assert QueryPrice.of(free, account) == QueryPrice(usd=0.0)
    assert QueryPrice.of(paid, account) == QueryPrice(usd=0.25)
    with serving() as running:
        box = open_box(uri_of(running))
        price = QueryPrice.of(box, account)
        assert (price.usd, price.basis) == (box.spec.price_usd, "estimated")
        assert price.words == ", by an estimate of its tokens"
