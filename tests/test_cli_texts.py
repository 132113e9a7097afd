"""Texts on the command line, before rehearsed services: HTTP is real, the models are not."""

import csv
import json
import re

import pytest
from texts import reviews, text_box
from typer.testing import CliRunner

import rebox
from rebox.cli.app import app
from rebox.rehearsal import Limits, Rehearsal

X, Y = reviews(80)


@pytest.fixture
def service():
    with Rehearsal("http", text_box(), limits=Limits(), record=True) as rehearsal:
        yield rehearsal


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "reviews.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *zip(X, Y, strict=True)])
    return path


def run(*arguments, code=0):
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == code, (done.output, done.exception)
    return re.sub(r"\s+", " ", done.output)


def fit(service, data, out, *more):
    box = f"{service.uri}&price_usd=0"
    return run(
        "fit",
        "--data",
        data,
        "--box",
        box,
        "--budget",
        400,
        "--out",
        out,
        "--journal",
        "none",
        *more,
    )


def test_fit_predict_evaluate_and_show(service, data, tmp_path):
    model = tmp_path / "m.rebox"
    fit(service, data, model, "--canaries", 2, "--template", "Say: {text}")
    sent = {json.loads(request.body)["text"] for request in service.requests}
    assert {f"Say: {text}" for text in X} <= sent
    assert "'Say: {text}'" in run("show", model)
    assert json.loads(run("show", model, "--json"))["templates"] == ["'Say: {text}'"]
    run("predict", model, data, "--out", tmp_path / "said.csv", "--journal", "none")
    assert (tmp_path / "said.csv").read_text().count("\n") == len(X) + 1
    assert "answers as it did" in run("box", "check", model, "--journal", "none")
    assert rebox.Reprogrammer.load(model, journal=False).score(X, Y) > 0.8


def test_an_estimate_asks_nobody(service, data):
    said = run("estimate", "--data", data, "--box", service.uri, "--budget", 400)
    assert "80 of 80 training" in said
    assert service.bill.queries == 0


def test_a_box_of_either_kind_takes_what_the_data_are(data, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "no-real-one")
    with Rehearsal("huggingface", text_box(), limits=Limits()) as service:
        uri = service.uri.replace("takes=texts&", "").replace("&takes=texts", "")
        assert "takes=" not in uri
        box = f"{uri}&price_usd=0"
        out = tmp_path / "m.rebox"
        run("estimate", "--data", data, "--box", box, "--budget", 400)
        run("fit", "--data", data, "--box", box, "--budget", 400, "--out", out, "--journal", "none")
        assert "takes=texts" in run("show", out)
        assert rebox.Reprogrammer.load(out, journal=False).score(X, Y) > 0.8


def test_a_probe_and_labels(service, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "no-real-one")
    said = run("box", "probe", service.uri, "--journal", "none")
    assert "takes texts" in said
    assert "same answer" in said
    assert service.bill.queries == 17
    with Rehearsal("huggingface", text_box(), limits=Limits()) as named:
        uri = re.sub(r"&classes=[^&]*", "", named.uri)
        assert run("box", "labels", uri, "--journal", "none").startswith("down flat up")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--recipe", "bar"), "takes texts: use the recipe auto or map"),
        (("--template", "no place"), "says where the text goes"),
        (("--value-range", "0,1"), "is for images, and there are texts"),
    ],
)
def test_what_does_not_go_with_texts_is_refused_for_nothing(
    service, data, tmp_path, options, words
):
    out = ["--out", str(tmp_path / "m.rebox"), "--journal", "none"]
    asked = ["fit", "--data", str(data), "--box", service.uri, "--budget", "400", *options, *out]
    assert words in str(CliRunner().invoke(app, asked).exception)
    assert service.bill.queries == 0
