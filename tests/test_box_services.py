"""What each service is sent, field by field, and how its answers are read; nobody is asked."""

import base64
import functools
import json
import re
from types import SimpleNamespace
from unittest.mock import ANY, Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stub_transport import (
    Stub,
    asked,
    misread,
    oip_of,
    picture_in,
    pictures,
    refused,
    says,
    stubbed,
)

from rebox.box import open_box
from rebox.box.http_answer import AnswerFormat, parse_path
from rebox.box.reservation import Settlement
from rebox.box.service import Failure, NoKey, Refusal
from rebox.box.service.labels import open_labels
from rebox.errors import InvalidAnswer, InvalidOption, KeyRefused, QuotaSpent, ServiceError

AZURE = "azure-custom-vision:p/it?endpoint=https://r.cognitiveservices.azure.com&classes=a,b,c"
CLARIFAI = "clarifai:moderation-recognition?size=4"
HUGGING = "huggingface:org/model?classes=a,b,c&size=4"
HTTP = "http:https://host.example/v1/predict?classes=a,b,c&size=4"
MLFLOW = "mlflow:http://localhost:5000?classes=a,b,c&size=4"
FAST = "&back_off_s=0.001"


# Clarifai


def concepts(code=10000, **scores):
    data = {"concepts": [{"id": n, "name": n.upper(), "value": p} for n, p in scores.items()]}
    return {"status": {"code": code, "description": "said"}, "data": data}


def clarified(*outputs, code=10000):
    return {"status": {"code": code, "description": "Ok"}, "outputs": list(outputs)}


MODERATED = {"gore": 0.5, "safe": 0.25, "drug": 0.125, "explicit": 0.125, "suggestive": 0}


def test_clarifai_is_sent_a_batch():
    box = stubbed(CLARIFAI, says(clarified(concepts(**MODERATED), concepts(**MODERATED))))
    scores, (request,) = asked(box, 2)
    assert request.url == (
        "https://api.clarifai.com/v2/users/clarifai/apps/main/models/moderation-recognition"
        "/versions/aa8be956dbaa4b7a858826a84253cab9/outputs"
    )
    assert request.headers == {"Content-Type": "application/json"}
    body = json.loads(request.content)
    assert body["model"] == {
        "model_version": {"output_info": {"output_config": {"max_concepts": 200}}}
    }
    for given_input, picture in zip(body["inputs"], pictures(box, 2), strict=True):
        file = base64.b64decode(given_input["data"]["image"].pop("base64"))
        assert given_input == {"data": {"image": {}}}
        np.testing.assert_array_equal(picture_in(file), picture)
    np.testing.assert_array_equal(scores, [[0.25, 0, 0.125, 0.125, 0.5]] * 2)
    assert (box.key.header, box.key.prefix) == ("Authorization", "Key ")
    assert box.spec.batch_size == 128


def test_clarifai_is_asked_again_for_what_is_missing():
    whole, broken = concepts(**MODERATED), concepts(code=40030)
    box = stubbed(
        CLARIFAI + FAST,
        says(clarified(whole, broken, whole, code=10010)),
        says(clarified(whole)),
    )
    _, requests = asked(box, 3)
    first, second = (json.loads(request.content)["inputs"] for request in requests)
    assert second == first[1:2]


@pytest.mark.parametrize(
    ("code", "error"),
    [(11006, QuotaSpent), (11009, KeyRefused), (11102, ServiceError), (30105, ServiceError)],
)
@pytest.mark.parametrize("whole", [True, False])
def test_clarifai_ends_the_run_for_good_reasons(code, error, whole):
    reply = clarified(code=code) if whole else clarified(concepts(code=code), code=10010)
    assert type(refused(CLARIFAI, says(reply))) is error


# Azure


def tags(**scores):
    return {
        "predictions": [{"tagName": n, "tagId": "1", "probability": p} for n, p in scores.items()]
    }


def test_azure_is_sent_the_file_alone():
    box = stubbed(AZURE, says(tags(c=0.2, a=0.5, b=3e-1)))
    scores, (request,) = asked(box)
    assert request.method == "POST"
    assert request.url == (
        "https://r.cognitiveservices.azure.com/customvision/v3.0/Prediction/p/classify/iterations"
        "/it/image/nostore"
    )
    accepted = {"Accept": "application/json"}  # as the official client asks
    assert request.headers == {"Content-Type": "application/octet-stream", **accepted}
    np.testing.assert_array_equal(picture_in(request.content), pictures(box)[0])
    np.testing.assert_allclose(scores, [[0.5, 0.3, 0.2]])
    assert (box.spec.height, box.spec.width, box.spec.batch_size) == (256, 256, 1)
    assert box.spec.sums_to_one
    assert box.spec.price_usd == 0.002
    assert box.terms.per_second == 20
    assert (box.key.header, box.key.prefix) == ("Prediction-Key", "")
    assert box.key.required


def test_azure_by_its_options(monkeypatch):
    monkeypatch.setenv("AZURE_CUSTOM_VISION_ENDPOINT", "https://other.example/")
    uri = "azure-custom-vision:p/my it?classes=a,b&store=true&version=v3.1&multilabel=true&size=8"
    box = stubbed(uri, says(tags(a=0.9, b=0.8)))
    _, (request,) = asked(box)
    assert request.url == (
        "https://other.example/customvision/v3.1/Prediction/p/classify/iterations/my%20it/image"
    )
    assert box.terms.per_second == 10
    assert not box.spec.sums_to_one
    assert "other.example" in box.spec.identity


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("azure-custom-vision:p/it?classes=a,b", "AZURE_CUSTOM_VISION_ENDPOINT"),
        ("azure-custom-vision:p?classes=a,b&endpoint=https://e.x", "PROJECT_ID/PUBLISHED_NAME"),
        ("azure-custom-vision:p/i/t?classes=a,b&endpoint=https://e.x", "PUBLISHED_NAME"),
        ("azure-custom-vision:p/it?endpoint=https://e.x", "classes=a,b,c"),
        (f"{AZURE}&version=v2.0", "v3.0, v3.1"),
        (f"{AZURE}&nonsense=1", "no option 'nonsense'"),
        ("azure-custom-vision:p/it?classes=a,b&endpoint=https://u:pw@e.x", "key_env"),
    ],
)
def test_azure_refuses_what_it_does_not_know(uri, words, monkeypatch):
    monkeypatch.delenv("AZURE_CUSTOM_VISION_ENDPOINT", raising=False)
    with pytest.raises(InvalidOption, match=words):
        open_box(uri)


@pytest.mark.parametrize(
    "body",
    [
        {"code": "BadRequestExceededQuota", "message": "Quota exceeded"},
        {"error": {"code": "403", "message": "Out of call volume quota. Replenished in 2 days."}},
        {"statusCode": 403, "message": "The hour limit of this resource is reached."},
    ],
)
@pytest.mark.parametrize("status", [403, 429])
def test_azure_says_that_a_quota_is_spent(body, status):
    error = refused(AZURE, says(body, status, retry_after="1"))
    assert isinstance(error, QuotaSpent)
    assert "quota" in str(error)


@pytest.mark.parametrize("wrapped", [True, False])
def test_azure_says_in_words_how_long_to_wait(wrapped):
    words = "exceeded rate limit of your current F0 pricing tier. Please retry after 7 second."
    body = {"code": "429", "message": words}
    box = stubbed(AZURE, says(tags(a=1, b=0, c=0)))
    fault = box.refusal(says({"error": body} if wrapped else body, 429))
    assert (fault.retry, fault.charged, fault.after_s) == (True, False, 7.0)
    # where a header says it too, HTTP's rules are enough
    assert box.refusal(says(body, 429, retry_after="3")) is None
    assert box.refusal(says({"message": "too many"}, 429)) is None


def test_azure_is_asked_again_after_a_refusal():
    busy = {"error": {"code": "429", "message": "Please retry after 0 seconds."}}
    box = stubbed(AZURE + FAST, says(busy, 429), says(tags(a=1, b=0, c=0)))
    scores, requests = asked(box)
    assert len(requests) == 2
    np.testing.assert_array_equal(scores, [[1, 0, 0]])


def test_azure_refuses_a_wrong_key():
    body = {"error": {"code": "401", "message": "Access denied due to invalid subscription key"}}
    assert isinstance(refused(AZURE, says(body, 401)), KeyRefused)


def test_an_image_too_large_for_azure_is_not_sent():
    box = stubbed(f"{AZURE}&size=1300x1100", says(tags(a=1, b=0, c=0)))
    with box, pytest.raises(ServiceError, match="smaller size"):
        box.ask(pictures(box))
    assert not box.transport.requests


# Hugging Face


def labelled(**scores):
    return [{"label": name, "score": score} for name, score in scores.items()]


def test_hugging_face_is_asked_for_all_classes():
    box = stubbed(HUGGING, says(labelled(b=0.7, c=0.2, a=0.1)))
    scores, (request,) = asked(box)
    assert request.url == "https://router.huggingface.co/hf-inference/models/org/model"
    assert request.headers == {"Content-Type": "application/json"}
    body = json.loads(request.content)
    assert body.keys() == {"inputs", "parameters"}
    assert body["parameters"] == {"top_k": 3}
    np.testing.assert_array_equal(picture_in(base64.b64decode(body["inputs"])), pictures(box)[0])
    np.testing.assert_allclose(scores, [[0.1, 0.7, 0.2]], rtol=1e-6)


def test_hugging_face_may_be_asked_for_the_best_alone():
    box = stubbed(f"{HUGGING}&top_k=2", says([labelled(b=0.7, c=0.2)]))
    scores, (request,) = asked(box)
    assert json.loads(request.content)["parameters"] == {"top_k": 2}
    np.testing.assert_allclose(scores, [[0, 0.7, 0.2]], rtol=1e-6)
    assert not box.spec.complete
    assert box.spec.identity != open_box(HUGGING).spec.identity
    with pytest.raises(InvalidOption, match="1 to 3"):
        open_box(f"{HUGGING}&top_k=4")


@pytest.mark.parametrize(
    ("where", "kept", "required"),
    [
        ("", True, True),
        ("&base_url=https://x.endpoints.huggingface.cloud", True, True),
        ("&base_url=http://127.0.0.1:8080", True, False),
        ("&base_url=https://elsewhere.example", False, None),
        ("&base_url=https://nothuggingface.co", False, None),
    ],
)
def test_the_token_of_hugging_face_is_for_hugging_face(where, kept, required):
    key = open_box(HUGGING + where).key
    assert isinstance(key, NoKey) != kept
    if kept:
        assert (key.variables, key.required) == (("HF_TOKEN",), required)


def test_another_endpoint_gets_the_key_that_is_named():
    key = open_box(f"{HUGGING}&base_url=https://elsewhere.example&key_env=THEIRS").key
    assert (key.variables, key.required) == (("THEIRS",), True)


def test_a_model_that_loads_is_waited_for():
    box = stubbed(HUGGING, says(labelled(a=1, b=0, c=0)))
    fault = box.refusal(says({"error": "Model is loading", "estimated_time": 20.5}, 503))
    assert (fault.retry, fault.charged, fault.after_s) == (True, False, 20.5)
    for other in (says(b"<html>", 503), says({"error": "down"}, 503), says([], 503)):
        assert box.refusal(other) is None
    error = refused(HUGGING, says({"error": "loading", "estimated_time": 999}, 503))
    assert "999" in str(error)


# Any service by HTTP


def test_http_is_sent_the_image_itself():
    box = stubbed(
        f"{HTTP}&scores=result.scores", says({"result": {"scores": {"b": 1, "c": 0, "a": 0}}})
    )
    scores, (request,) = asked(box)
    assert request.url == "https://host.example/v1/predict"
    assert request.headers == {"Content-Type": "image/png"}
    np.testing.assert_array_equal(picture_in(request.content), pictures(box)[0])
    np.testing.assert_array_equal(scores, [[0, 1, 0]])
    assert isinstance(box.key, NoKey)


def test_http_fills_a_template():
    body = '{"model":"m","images":[{"url":"data:image/png;base64,{image}"}],"n":1}'
    options = "&query=version%3D2&header.X-Tenant=us&content_type=application/x-json"
    box = stubbed(f"{HTTP}&body={body}{options}", says([0.1, 0.2, 0.7]))
    scores, (request,) = asked(box)
    assert request.url == "https://host.example/v1/predict?version=2"
    assert request.headers == {"Content-Type": "application/x-json", "X-Tenant": "us"}
    found = json.loads(request.content)
    url = found["images"][0].pop("url")
    assert found == {"model": "m", "images": [{}], "n": 1}
    file = base64.b64decode(url.removeprefix("data:image/png;base64,"))
    np.testing.assert_array_equal(picture_in(file), pictures(box)[0])
    np.testing.assert_allclose(scores, [[0.1, 0.2, 0.7]], rtol=1e-6)


def test_http_asks_about_several_images_at_once():
    answer = {"out": [{"p": [0.1, 0.2, 0.7]}, {"p": [0.5, 0.5, 0.0]}]}
    uri = f'{HTTP}&body={{"i":"{{images}}"}}&items=out&scores=p'
    box = stubbed(uri, says(answer))
    scores, (request,) = asked(box, 2)
    files = json.loads(request.content)["i"]
    for file, picture in zip(files, pictures(box, 2), strict=True):
        np.testing.assert_array_equal(picture_in(base64.b64decode(file)), picture)
    np.testing.assert_allclose(scores, [[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]], rtol=1e-6)
    assert "1 images" in misread(uri, says(answer))


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ("", {"c": 0.7, "a": 0.1, "b": 0.2}),
        ("", [0.1, 0.2, 0.7]),
        ("&scores=r[1].s", {"r": [0, {"s": [0.1, 0.2, 0.7]}]}),
        ("&scores=[0]", [{"c": 0.7, "a": 0.1, "b": 0.2}]),
        ("&score=p", {"c": {"p": 0.7}, "a": {"p": 0.1}, "b": {"p": 0.2}}),
        (
            "&scores=t[*]&name=tag.id&score=v[0]",
            {"t": [{"tag": {"id": n}, "v": [p]} for n, p in (("b", 0.2), ("c", 0.7), ("a", 0.1))]},
        ),
        ("&scores=t[*]&score=p", {"t": [{"p": 0.1}, {"p": 0.2}, {"p": 0.7}]}),
    ],
)
def test_http_finds_the_scores(options, answer):
    scores, _ = asked(stubbed(HTTP + options, says(answer)))
    np.testing.assert_allclose(scores, [[0.1, 0.2, 0.7]], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "answer", "words"),
    [
        ("&scores=a.b", {"a": 1}, "without scores at a.b"),
        ("&scores=a[3]", {"a": [1]}, r"without scores at a\[3\]"),
        ("", 7, "at the top"),
        ("", b'{"a": 0.1, "a": 0.2, "b": 0.1, "c": 0}', "'a' twice"),
        ("", {"a": 0.1, "b": 0.2}, "complete=false"),
        ("", [0.1, 0.2], "shape"),
        ("", ["0.1", "0.2", "much"], "no list of numbers"),
        ("&scores=[*]&name=n&score=p", [{"n": "a", "p": 1}, 5], "name of a class"),
        ("&scores=[*]&name=n&score=p", [{"n": "a", "p": True}], "as a score"),
        ("", {"a": 1e300, "b": 0, "c": 0}, "score of 1e"),
    ],
)
def test_http_answers_that_are_none(options, answer, words):
    assert re.search(words, misread(HTTP + options, says(answer)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("&body={image}", "template of JSON"),
        ('&body={"a":"b"}', "must hold a text"),
        ('&body={"a":"{image}","b":"{images}"}', "must hold a text"),
        ("&items=a", "several images"),
        ("&label=a&scores=b", "label is for answers without scores"),
        ("&scores=a..b", "scores must be a path"),
        ("&scores=.a", "scores must be a path"),
        ("&scores=a[b]", "scores must be a path"),
        ("&scores=a[*].b", "scores must be a path"),
        ("&header.X-Api-Key=1234", "key_env=VARIABLE"),
        ("&header.Authorization=Basic", "key_env=VARIABLE"),
        ("&header.X=Bearer%201234", "key_env=VARIABLE"),
        ("&heder.X=1", "no option 'heder.X'"),
        ("&query=api_key=1234", "the parameter api_key in query .* key_env=VARIABLE"),
        ("&query=v=1%26accessToken=1234", "the parameter accessToken in query"),
        ("&query=subscription-key={key}", "the parameter subscription-key in query"),
        ("&query=a=Bearer%2B1234", "the parameter a in query"),
        ('&body={"image":"{image}","apiKey":"1234"}', "the field apiKey in body .* key_env"),
        ('&body={"image":"{image}","who":{"user":"me","password":"1234"}}', "field password"),
        ('&body={"image":"{image}","tokens":1,"token":["1234"]}', "the field token in body"),
        ('&body={"image":"{image}","headers":{"a":"Basic 1234"}}', "the field a in body"),
        ('&body=["{image}","Bearer 1234"]', "the field of no name in body"),
        ('&body={"image":"{image}","key":"{key}"}', "a place for a key, {key}: .*key_env=VARIABLE"),
        ('&body={"api_key":"1234"', "is no JSON"),
        ('&body={"api_key":"1234"}', "the field api_key in body"),
    ],
)
def test_http_refuses_what_it_does_not_know(options, words):
    with pytest.raises(InvalidOption, match=words) as caught:
        open_box(HTTP + options)
    assert "1234" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        "&query=max_tokens=5%26keywords=cats%26model=turbo",
        '&body={"image":"{image}","max_tokens":5,"keywords":["cat"],"key":"{image}","token":7}',
    ],
)
def test_http_takes_what_only_begins_like_a_key(options):
    assert isinstance(open_box(HTTP + options).key, NoKey)


def test_an_address_holds_no_key_either():
    with pytest.raises(InvalidOption, match="leave keys out of addresses") as caught:
        open_box(f"{HUGGING}&base_url=https://elsewhere.example/m%3Ftoken=1234")
    assert "1234" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "price"),
    [
        (CLARIFAI, 0.0012),
        (AZURE, 0.002),
        (HUGGING, None),
        (HTTP, None),
        (f"{HUGGING}&base_url=https://mine.endpoints.huggingface.cloud", None),
        (f"{HUGGING}&base_url=http://127.0.0.1:8080", 0.0),
        (HTTP.replace(HTTP.partition("?")[0], "http:http://localhost:5000/p"), 0.0),
        (MLFLOW.replace("http://localhost:5000", "https://models.example"), 0.0),
        (f"{HTTP}&price_usd=0", 0.0),
        (f"{HTTP}&price_usd=0.01", 0.01),
    ],
)
def test_a_price_is_told_or_not_known_or_nothing(uri, price):
    """Servers of one's own and what runs here are free; nobody knows what another takes."""
    assert open_box(uri).spec.price_usd == price


def test_http_sends_the_key_that_is_named():
    key = open_box(f"{HTTP}&key_env=THEIRS").key
    assert (key.variables, key.header, key.prefix) == (("THEIRS",), "Authorization", "Bearer ")
    key = open_box(f"{HTTP}&key_env=THEIRS&key_header=X-Api-Key").key
    assert (key.header, key.prefix) == ("X-Api-Key", "")
    key = open_box(f"{HTTP}&key_env=THEIRS&key_prefix=Token%20").key
    assert key.prefix == "Token "


def test_what_changes_the_answers_changes_the_identity_of_http():
    uris = [HTTP, f"{HTTP}&scores=a", f"{HTTP}&query=model=2", f'{HTTP}&body={{"i":"{{image}}"}}']
    identities = {open_box(uri).spec.identity for uri in uris}
    assert len(identities) == len(uris)
    assert not any("model=2" in identity for identity in identities)


cached = functools.cache(open_box)


@functools.cache
def every_box():
    about = {
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3, 4, 4]}],
        "outputs": [{"name": "outputs", "datatype": "FP32", "shape": [-1, 3]}],
    }
    served = oip_of({"classes": "a,b,c"}, Stub(says(about)))
    return [*map(open_box, (AZURE, CLARIFAI, HUGGING, HTTP, MLFLOW)), served]


NAMES = st.text("abcdefgh_ ", min_size=1, max_size=5).filter(str.strip)


@given(st.lists(st.one_of(NAMES, st.integers(0, 99)), max_size=5))
def test_paths_are_read_as_they_are_written(steps):
    text = "".join(f"[{s}]" if isinstance(s, int) else f".{s}" for s in steps)
    written = text.removeprefix(".")
    assert parse_path("scores", written) == tuple(steps)


@given(st.permutations(["a", "b", "c"]), st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_the_order_of_an_answer_does_not_matter(order, values):
    scores = dict(zip("abc", values, strict=True))
    expected = np.array(values, dtype=np.float32)
    ordered = {name: scores[name] for name in order}
    cases = [
        (AZURE, tags(**ordered)),
        (HUGGING, labelled(**ordered)),
        (HTTP, ordered),
        (MLFLOW, {"predictions": [ordered]}),
    ]
    for uri, answer in cases:
        (row,) = cached(uri).read(says(answer), 1)
        np.testing.assert_array_equal(row, expected)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["predictions", "outputs", "data", "label", "score", "a", "tagName"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_is_answered_is_a_row_or_a_fault(answer):
    for box in every_box():
        reply = says(answer)
        try:
            box.refusal(reply)
            rows = box.read(reply, 1)
        except Refusal:
            continue
        assert all(isinstance(row, Failure) or np.isfinite(row).all() for row in rows)


# Classes


@pytest.mark.parametrize("uri", [AZURE, HUGGING, HTTP, MLFLOW])
def test_classes_that_are_left_out_read_0_where_that_is_agreed(uri):
    answers = {
        AZURE: tags(b=0.75),
        HUGGING: labelled(b=0.75),
        HTTP: {"b": 0.75},
        MLFLOW: {"predictions": [{"b": 0.75}]},
    }
    assert "complete=false" in misread(uri, says(answers[uri]))
    box = stubbed(f"{uri}&complete=false", says(answers[uri]))
    scores, _ = asked(box)
    np.testing.assert_array_equal(scores, [[0, 0.75, 0]])
    assert not box.spec.sums_to_one


def names_of(uri):
    """Return the names of a service's classes, learned by one question."""
    with open_labels(uri) as labels:
        labels.ask(labels.grey())
        return labels.names


def test_labels_are_learned_in_alphabetical_order(monkeypatch):
    stub = Stub(says(labelled(zebra=0.5, ant=0.25, cow=0.25)))
    monkeypatch.setattr("rebox.box.service.contract.HttpTransport", lambda *_: stub)
    settle, places = Mock(), []

    def reserve(some):
        places.append(list(some))
        return SimpleNamespace(settle=settle)

    with open_labels("huggingface:org/model?size=4") as labels:
        labels.ask(labels.grey(), reserve)
    assert labels.names == ("ant", "cow", "zebra")
    body = json.loads(stub.requests[0].content)
    assert body["parameters"]["top_k"] > 10_000
    picture = picture_in(base64.b64decode(body["inputs"]))
    assert (picture == 128).all()
    assert places == [[0]]
    settle.assert_called_once_with(Settlement(answers={0: ANY}, billed=1))
    np.testing.assert_array_equal(settle.call_args.args[0].answers[0], [0.25, 0.25, 0.5])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (labelled(only=1), "named 1 classes"),
        ([{"label": "a", "score": 1}] * 2, "named 1 classes"),
        (labelled(a=1, b=-2), "score of -2"),
        ({"error": "x"}, "without a list"),
    ],
)
def test_labels_are_not_learned_from_what_is_no_answer(answer, words, monkeypatch):
    stub = Stub(says(answer))
    monkeypatch.setattr("rebox.box.service.contract.HttpTransport", lambda *_: stub)
    with pytest.raises(InvalidAnswer, match=words):
        names_of("huggingface:org/model?size=4")


def test_labels_are_not_asked_of_those_who_cannot_tell():
    with pytest.raises(InvalidOption, match="leave them out"):
        names_of(HUGGING)
    with pytest.raises(InvalidOption, match="does not name the classes"):
        names_of("oip:http://localhost:8000/m?size=4")
    with pytest.raises(InvalidOption, match="demo does not name the classes"):
        names_of("demo:digits")


@pytest.mark.parametrize("uri", [AZURE, CLARIFAI, HUGGING, HTTP, MLFLOW])
def test_every_service_takes_the_options_of_all(uri):
    box = open_box(
        f"{uri}&in_flight=2&per_second=3&timeout_s=4&attempts=2&price_usd=0.5&identity=mine"
        "&key_env=THEIRS&decimals=3&channels=1"
    )
    assert (box.terms.in_flight, box.terms.per_second, box.terms.timeout_s) == (2, 3, 4)
    assert (box.spec.price_usd, box.spec.decimals, box.spec.channels) == (0.5, 3, 1)
    assert box.spec.identity.startswith("mine?")
    assert box.key.variables == ("THEIRS",)
    with pytest.raises(InvalidOption, match="no option 'wrong'"):
        open_box(f"{uri}&wrong=1")


def test_formats_of_answers_are_read_by_what_they_hold():
    shape = AnswerFormat(scores=parse_path("scores", "a[*]"))
    (found,) = shape.scores_in({"a": [1, 2]}, 1)
    assert (found.pairs, found.numbers) == (None, [1, 2])
