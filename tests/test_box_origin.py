"""A file of a stranger's leads nobody's pictures, keys or money astray."""

import socket
from dataclasses import replace

import numpy as np
import pytest

from rebox import Reprogrammer
from rebox.artefact import save
from rebox.box import open_box, open_foreign
from rebox.box.rehearsal import RehearsalBox
from rebox.errors import InvalidOption
from rebox.rehearsal import Rehearsal

X = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
OWN = "clarifai:nsfw-recognition"


@pytest.fixture
def nobody(monkeypatch):
    """Nobody is contacted, and no name is looked up."""

    def refuse(*_, **__):
        raise AssertionError("somebody was contacted")

    monkeypatch.delenv("REBOX_TRUSTED", raising=False)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def of_a_stranger(uri, trusted=()):
    return open_foreign(uri, whose="model", way="pass box=", trusted=trusted)


ELSEWHERE = [
    "oip:https://elsewhere.example/m?classes=a,b",
    "oip:http://127.0.0.2:8000/m?classes=a,b",
    "mlflow:https://elsewhere.example?classes=a,b&size=8",
    "http:https://elsewhere.example/v1?classes=a,b",
    "http:http://localhost.elsewhere.example/v1?classes=a,b",
    f"{OWN}?base_url=https://elsewhere.example",
    f"{OWN}?base_url=https://api.clarifai.com.elsewhere.example",
    f"{OWN}?base_url=https://xapi.clarifai.com",
    "huggingface:o/m?classes=a,b&base_url=https://x.endpoints.huggingface.cloud",
    "azure-custom-vision:p/i?classes=a,b&endpoint=https://mine.cognitiveservices.azure.com",
    "azure-custom-vision:p/i?classes=a,b&base_url=https://mine.cognitiveservices.azure.com",
    f"{OWN}?base_url=https://elsewhere.example%5C.api.clarifai.com",
    f"{OWN}?base_url=https://api.clarifai.com%40elsewhere.example",
    f"{OWN}?base_url=https://api.clarifai.com.",
    f"{OWN}?base_url=https://api.clarifai.com%2Eelsewhere.example",
    f"{OWN}?base_url=https://user:word@api.clarifai.com",
    f"{OWN}?base_url=https://xn--api-clarifai.example",
    f"{OWN}?base_url=https://аpi.clarifai.com",  # noqa: RUF001 - another alphabet's a
    f"{OWN}?base_url=ftp://api.clarifai.com",
    f"{OWN}?base_url=//elsewhere.example",
    f"{OWN}?base_url=elsewhere.example",
    "oip:http://[::ffff:203.0.113.1]:8000/m?classes=a,b",
    "oip:http://2130706433:8000/m?classes=a,b",
    "oip:http://0x7f.1:8000/m?classes=a,b",
    "oip:http://localhost.:8000@elsewhere.example/m?classes=a,b",
    "http:http://127.0.0.1.elsewhere.example/v1?classes=a,b",
    "http:HTTPS://ELSEWHERE.EXAMPLE/v1?classes=a,b",
    "http:https:elsewhere.example/v1?classes=a,b",
    "http:https:///elsewhere.example/v1?classes=a,b",
    "mlflow:http://elsewhere.example#@localhost?classes=a,b&size=8",
    "huggingface:o/m?classes=a,b&base_url=https://huggingface.co.elsewhere.example",
    "huggingface:../../elsewhere.example/m?classes=a,b&base_url=https://elsewhere.example",
]


@pytest.mark.parametrize("uri", ELSEWHERE)
def test_a_file_leads_nowhere_but_to_the_services_own(nobody, uri):
    with pytest.raises(InvalidOption):
        of_a_stranger(uri)


def test_the_host_is_named_and_what_to_do(nobody):
    with pytest.raises(InvalidOption, match=r"box is at elsewhere.example, .*pass box="):
        of_a_stranger(ELSEWHERE[0])


@pytest.mark.parametrize(
    "uri",
    [
        OWN,
        f"{OWN}?base_url=https://API.clarifai.com",
        f"{OWN}?key_env=CLARIFAI_PAT",
        "huggingface:o/m?classes=a,b",
        "azure-custom-vision:p/i?classes=a,b&endpoint=https://uks.api.cognitive.microsoft.com",
        "http:http://localhost:1/v1?classes=a,b",
        "rehearsal:?classes=3&size=8",
    ],
)
def test_the_services_own_hosts_and_this_machine_are_open(nobody, uri):
    assert of_a_stranger(uri).uri == uri


def test_a_host_that_the_user_named_is_open(nobody, monkeypatch):
    uri = "http:https://elsewhere.example:8000/v1?classes=a,b"
    for name in ("elsewhere.example", "elsewhere.example:8000"):
        assert of_a_stranger(uri, [name]).uri == uri
    monkeypatch.setenv("REBOX_TRUSTED", "other.example, elsewhere.example")
    assert of_a_stranger(uri).uri == uri
    monkeypatch.setenv("AZURE_CUSTOM_VISION_ENDPOINT", "https://r.cognitiveservices.azure.com/")
    assert of_a_stranger("azure-custom-vision:p/i?classes=a,b").source.key.required


@pytest.mark.parametrize(
    "uri",
    [
        f"{OWN}?key_env=AWS_SECRET_ACCESS_KEY",
        f"{OWN}?key_env=HF_TOKEN",
        "huggingface:o/m?classes=a,b&key_env=CLARIFAI_PAT",
        "http:http://localhost:1/v1?classes=a,b&key_env=HOME",
        "oip:http://localhost:1/m?classes=a,b&key_env=AWS_SECRET_ACCESS_KEY",
        f"{OWN}?key_env=clarifai_pat",
        f"{OWN}?key_env=CLARIFAI_PAT_OF_ALL",
        f"{OWN}?key_env=%41WS_SECRET_ACCESS_KEY",
    ],
)
def test_a_file_names_no_key_but_the_services_own(nobody, monkeypatch, uri):
    with pytest.raises(InvalidOption, match=r"takes its key from the variable .* expected"):
        of_a_stranger(uri)
    if not uri.startswith("oip") and "%" not in uri:
        assert of_a_stranger(uri, [uri.partition("key_env=")[2]]).source.key.required


@pytest.mark.parametrize(
    ("told", "usd"),
    [("0", 0.0012), ("0.0000001", 0.0012), ("nan", 0.0012), ("0.5", 0.5), ("x", 0.0012)],
)
def test_a_file_lowers_no_price(told, usd):
    box = of_a_stranger(f"{OWN}?price_usd={told}&decimals=3")
    assert (box.spec.price_usd, box.source.spec.price_usd) == (usd, usd)
    limited = of_a_stranger(f"{OWN}?price_usd={told}&top_k=1")
    assert (limited.spec.price_usd, limited.source.spec.price_usd) == (usd, usd)


@pytest.mark.parametrize("more", ["usd_per_m_in=1&usd_per_m_out=10", "price_usd=0.25"])
def test_a_price_that_nobody_else_knows_is_what_the_file_claims(more):
    uri = f"chat:m?base_url=https://host.example/v1&classes=a,b&read=label&{more}"
    box = open_foreign(uri, whose="model", way="pass it", trusted=["host.example"])
    own = open_box(uri)
    assert box.spec.price_usd == own.spec.price_usd > 0
    texts = np.array(["a"], dtype=object)
    box, own = box.taking("texts"), own.taking("texts")
    assert box.most_nano_usd(texts) == own.most_nano_usd(texts)


def test_a_file_of_an_earlier_release_may_name_both_prices():
    uri = "chat:m?base_url=https://host.example/v1&classes=a,b&read=label"
    uri = f"{uri}&usd_per_m_in=1&usd_per_m_out=10&price_usd=0.25"
    box = open_foreign(uri, whose="model", way="pass it", trusted=["host.example"])
    assert box.spec.price_usd == 0.25
    assert box.uri == uri


def test_a_file_makes_no_unknown_price_known():
    uri = "huggingface:o/m?classes=a,b&price_usd=0"
    assert open_box(uri).spec.price_usd == 0
    assert of_a_stranger(uri).spec.price_usd is None
    assert of_a_stranger(uri).journalled


@pytest.mark.parametrize(
    "uri",
    [
        "torch:squeezenet1_1",
        "torch:timm/resnet18?size=64",
        "torch:resnet50?weights=default&output=logits",
        "torch:resnet50?weights=%64efault",
        "torch:resnet50?top_k=3",
    ],
)
def test_a_file_has_no_weights_downloaded(nobody, uri):
    with pytest.raises(InvalidOption, match=r"downloaded: pass box= .* torch in REBOX_TRUSTED"):
        of_a_stranger(uri)


def test_weights_of_this_machine_and_those_that_the_user_allows_are_opened(nobody, monkeypatch):
    opened = []
    monkeypatch.setattr("rebox.box.origin.open_box", opened.append)
    of_a_stranger("torch:resnet50?weights=none&classes=3")
    of_a_stranger("torch:resnet50", ["torch"])
    monkeypatch.setenv("REBOX_TRUSTED", "elsewhere.example,torch")
    of_a_stranger("torch:timm/resnet18")
    assert len(opened) == 3


@pytest.mark.parametrize("uri", ELSEWHERE[:6])
def test_a_model_of_a_strangers_contacts_nobody(tmp_path, nobody, uri):
    model = Reprogrammer(RehearsalBox(classes=3, size=8), "map", budget=12, random_state=0)
    model.fit(X, np.arange(12) % 2)
    record = replace(model.artefact_.box, uri=uri)
    save(replace(model.artefact_, boxes=(record,)), tmp_path / "m.rebox")
    with pytest.raises(InvalidOption, match=r"box is at .*pass box='.*' if"):
        Reprogrammer.load(tmp_path / "m.rebox")


def test_a_model_of_ones_own_machine_is_loaded(tmp_path):
    with Rehearsal("clarifai", RehearsalBox(classes=3, size=8)) as service:
        uri = f"{service.uri}&size=8&price_usd=0.002&per_second=1000"
        model = Reprogrammer(uri, "map", budget=12, journal=False, random_state=0)
        model.fit(X, np.arange(12) % 2).save(tmp_path / "m.rebox")
        loaded = Reprogrammer.load(tmp_path / "m.rebox", journal=False)
        assert (loaded.predict_proba(X) == model.predict_proba(X)).all()
        assert loaded.spent_.usd == pytest.approx(12 * 0.002)
        loaded.box_.close()
