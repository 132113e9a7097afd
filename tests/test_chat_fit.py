"""Fits and predictions by a chat model, from the exact URIs of the documentation to the receipt.

The server is our own rehearsal over real sockets; what thinks behind it looks for words in texts,
or is a fixed random network for pictures.
"""

import numpy as np
import pytest
from test_rehearsal_chat import CLASSES, WordBox
from typer.testing import CliRunner

from rebox import Reprogrammer
from rebox.box import open_box, open_foreign
from rebox.box.rehearsal import RehearsalBox
from rebox.cli.app import app
from rebox.errors import BoxMismatch, InvalidOption, KeyRefused
from rebox.meter import Journal
from rebox.rehearsal import Limits, Rehearsal
from rebox.testing import BoxContract

PRICES = Limits(usd_per_m_in=0.2, usd_per_m_out=1.2)
FILLER = ("we saw", "there was", "he wrote of", "in the garden", "nobody liked", "once upon a time")


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-real-key")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "not-a-real-key")


def task(n, seed=0):
    """Return texts that name animals, and whether it is a pet."""
    rng = np.random.default_rng(seed)
    named = rng.integers(0, 3, n)
    filler = rng.choice(FILLER, n)
    texts = [f"{filler[i]} a {CLASSES[named[i]]} {rng.integers(99)}" for i in range(n)]
    return texts, np.where(named == 2, "wild", "pet")


def serving(service="chat", box=None, **options):
    usual = {"classes": CLASSES, "limits": PRICES}
    return Rehearsal(service, box or WordBox(), **usual | options)


@pytest.mark.parametrize("service", ["chat", "chat?logprobs=no", "anthropic"])
def test_a_task_of_texts_from_the_exact_uri_to_the_receipt(tmp_path, service):
    texts, labels = task(40)
    journal = tmp_path / "journal.sqlite"
    with serving(service) as running:
        scheme = service.partition("?")[0]
        base = f"{running.url}/v1"
        uri = (
            f"{scheme}:{running.model}?base_url={base}&classes=cat,dog,red%20fox"
            "&usd_per_m_in=0.2&usd_per_m_out=1.2&read=auto"
        )

        def fitted():
            return Reprogrammer(uri, budget=60, journal=journal, random_state=0).fit(texts, labels)

        model = fitted()
        billed = running.bill
        again = fitted()
        assert running.bill.queries == billed.queries  # the journal answered, the finding, too
        asked = model.box_.spec.identity
        assert again.box_.spec.identity == asked
        way = {"chat": "logprobs"}.get(service, "label")
        assert f"&read={way}&" in asked
        assert f"&read={way}" in model.box_.uri
        others, truth = task(30, seed=1)
        assert (model.predict(others) == truth).mean() > 0.9
        spent = model.spent_
        assert spent.probe >= 1
        assert spent.usd == pytest.approx(running.bill.usd, rel=1e-6)
        assert (spent.tokens_in, spent.tokens_out) == (
            running.bill.tokens_in,
            running.bill.tokens_out,
        )
        model.save(tmp_path / "m.rebox")
        loaded = Reprogrammer.load(tmp_path / "m.rebox", uri)  # as it was typed for the fit
        assert loaded.box_.spec.identity == asked
        np.testing.assert_array_equal(loaded.predict(others), model.predict(others))
        with pytest.raises(BoxMismatch):
            Reprogrammer.load(tmp_path / "m.rebox", uri.replace("cat,dog", "dog,cat"))


def test_a_journal_tells_the_tokens_of_a_fit(tmp_path):
    texts, labels = task(20)
    with serving() as running:
        Reprogrammer(
            f"{running.uri}&read=label", budget=20, journal=tmp_path / "j.sqlite", canaries=0
        ).fit(texts, labels)
    ((taken, given),) = Journal(tmp_path / "j.sqlite").rows(
        "SELECT sum(tokens_in), sum(tokens_out) FROM send"
    )
    assert (taken, given) == (running.bill.tokens_in, running.bill.tokens_out)


def test_several_orders_are_several_opinions():
    texts, labels = task(24)
    with serving() as running:
        model = Reprogrammer(
            f"{running.uri}&read=label&orders=2", budget=60, journal=False, canaries=0
        ).fit(texts, labels)
        assert [box.chat.wording.order for box in model.boxes_] == [0, 1]
        assert (model.predict(texts) == labels).mean() > 0.9


def test_a_key_is_needed_only_where_it_is(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    open_box("chat:m?base_url=http://127.0.0.1:9/v1&classes=a,b").check_ready()
    open_box("chat:m?base_url=http://host.example/v1&classes=a,b").check_ready()
    open_box("chat:m?base_url=https://host.example/v1&classes=a,b").check_ready()
    with pytest.raises(KeyRefused, match="OPENAI_API_KEY"):
        open_box("chat:m?classes=a,b").check_ready()
    with pytest.raises(KeyRefused, match="MY_KEY"):
        open_box("chat:m?base_url=http://localhost:9/v1&classes=a,b&key_env=MY_KEY").check_ready()
    monkeypatch.setenv("MY_KEY", "k")
    with pytest.raises(KeyRefused, match="in the clear"):
        open_box("chat:m?base_url=http://host.example/v1&classes=a,b&key_env=MY_KEY").check_ready()


def test_azure_wants_its_key_in_a_header_of_its_own(monkeypatch):
    monkeypatch.setenv("AZURE_KEY", "k")
    box = open_box(
        "chat:d?base_url=https://r.openai.azure.com/openai/deployments/d%3Fapi-version=2024-10-21"
        "&classes=a,b&key_env=AZURE_KEY&key_header=api-key"
    )
    assert box.url == (
        "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-10-21"
    )
    assert (box.key.header, box.key.prefix, box.key.variables) == ("api-key", "", ("AZURE_KEY",))
    assert box.key.secret().reveal() == "k"


def test_box_probe_says_what_it_found(tmp_path):
    with serving("chat?logprobs=no") as running:
        arguments = ["box", "probe", f"{running.uri}&takes=texts", "--journal", "none"]
        result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "read=label" in result.output
    assert "tokens read" in result.output


class _Pictures(BoxContract):
    service, options = "chat", "read=logprobs"

    @pytest.fixture
    def rehearsal(self):
        behind = RehearsalBox(classes=5, size=12, seed=3, pixels="uint8")
        with Rehearsal(self.service, behind, classes=tuple("vwxyz"), limits=Limits()) as running:
            yield running

    @pytest.fixture
    def box(self, rehearsal):
        with open_box(f"{rehearsal.uri}&size=12&{self.options}") as box:
            yield box

    @pytest.fixture
    def reopen(self, rehearsal):
        return lambda: open_box(f"{rehearsal.uri}&size=12&{self.options}")

    def test_it_agrees_with_the_box_behind_it(self, box):
        images = np.random.default_rng(0).integers(0, 256, (9, 12, 12, 3), dtype=np.uint8)
        expected = RehearsalBox(classes=5, size=12, seed=3, pixels="uint8").ask(images)
        best = box.ask(images).argmax(axis=1)
        np.testing.assert_array_equal(best, expected.argmax(axis=1))


class TestPicturesByLogprobs(_Pictures):
    pass


class TestPicturesByLabel(_Pictures):
    options = "read=label"


class TestPicturesByEnum(_Pictures):
    options = "read=enum&order=5"


class TestPicturesByScores(_Pictures):
    options = "read=scores"


class TestPicturesOfAnthropic(_Pictures):
    service, options = "anthropic", "read=label"


class TestSeveralPicturesInACall(_Pictures):
    options = "read=label&per_call=3"


def test_an_estimate_says_what_it_assumes(tmp_path):
    texts, labels = task(12)
    table = tmp_path / "t.csv"
    rows = [f"{text},{label}" for text, label in zip(texts, labels, strict=True)]
    table.write_text("\n".join(["text,label", *rows]))
    uri = "chat:gpt-5.4-nano?classes=cat,dog&tokens_in=1000&tokens_out=10"
    result = CliRunner().invoke(
        app, ["estimate", "--data", str(table), "--box", uri, "--budget", "10"]
    )
    assert result.exit_code == 0, result.output
    said = " ".join(result.output.split())
    assert "1,000 tokens read and 10 written, at $0.20 and $1.25 a million" in said
    assert "5 August 2026" in said
    assert "found out by a question of its own" in said


def test_the_prompt_can_be_seen(tmp_path):
    result = CliRunner().invoke(app, ["box", "prompt", "chat:m?classes=a,b&takes=texts&read=label"])
    assert "A. a\nB. b\n\nText:\n{text}\n\nAnswer with the letter alone." in result.output
    refused = CliRunner().invoke(app, ["box", "prompt", "rehearsal:"])
    assert refused.exit_code


@pytest.mark.parametrize(
    ("claimed", "usd"),
    [
        ("usd_per_m_in=0&usd_per_m_out=0", 0.2),
        ("usd_per_m_in=9&usd_per_m_out=9", 9),
        ("tokens_in=0&tokens_out=0", 0.2),
    ],
)
def test_a_file_cannot_make_tokens_cheaper(claimed, usd):
    uri = f"chat:gpt-5.4-nano?classes=a,b&read=label&{claimed}"
    box = open_foreign(uri, whose="model", way="pass box=")
    assert box.chat.price.usd_in == usd
    assert box.spec.price_usd > 0
    assert box.uri == uri


@pytest.mark.parametrize(
    "uri",
    [
        "chat:m?classes=a,b&base_url=https://elsewhere.example/v1",
        "anthropic:m?classes=a,b&base_url=https://elsewhere.example",
        "chat:m?classes=a,b&key_env=AWS_SECRET_ACCESS_KEY",
    ],
)
def test_a_file_leads_nobody_elsewhere(uri):
    with pytest.raises(InvalidOption, match="REBOX_TRUSTED"):
        open_foreign(uri, whose="model", way="pass box=")
