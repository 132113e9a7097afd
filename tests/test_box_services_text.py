"""What services are sent about texts, field by field, and how their answers are read.

Nobody is asked: behind each box stands a transport of ours that reads requests as the service's
documentation has them, and answers in its form. `test_hugging_face_as_its_client_asks` compares
with the official client where that is installed.
"""

import json
import struct
from urllib.parse import parse_qs

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from stub_transport import Stub, oip_of, says, stubbed
from texts import SOURCES, reviews, scores

import rebox
from rebox.box import FunctionBox, LimitedBox, open_box
from rebox.box.service import open_labels
from rebox.errors import BoxError, InvalidAnswer, InvalidData, InvalidOption
from rebox.sample import as_texts
from rebox.testing import TextBoxContract

CLASSES = f"classes={','.join(SOURCES)}"
HUGGING = f"huggingface:org/model?{CLASSES}"
HTTP = f"http:https://host.example/v1?{CLASSES}"
MLFLOW = f"mlflow:http://localhost:5000?{CLASSES}&takes=texts"


class Server:
    """A transport that reads texts out of a request, and answers with `scores` of them."""

    def __init__(self, texts_in, answer):
        self._texts_in, self._answer, self.shown = texts_in, answer, []

    def check_ready(self, url, key):
        pass

    def send(self, request, key, terms):
        texts = self._texts_in(request)
        self.shown.extend(texts)
        return says(self._answer(scores(texts).tolist()))

    def close(self):
        pass


def body_of(request):
    assert request.headers["Content-Type"] == "application/json"
    return json.loads(request.content)


def labelled(row):
    best = sorted(zip(SOURCES, row, strict=True), key=lambda one: -one[1])
    return [{"label": name, "score": score} for name, score in best]


def unpacked(content):
    """Return the texts in a BYTES tensor: each after its length, 4 bytes, little-endian."""
    texts = []
    while content:
        (length,) = struct.unpack_from("<I", content)
        texts.append(content[4 : 4 + length].decode())
        content = content[4 + length :]
    return texts


def tensors_in(request):
    """Return the texts of an inference request, in JSON or behind it."""
    told = request.headers.get("Inference-Header-Content-Length")
    head = json.loads(request.content[: int(told)] if told else request.content)
    (given,) = head["inputs"]
    assert (given["name"], given["datatype"]) == ("text", "BYTES")
    texts = given["data"] if told is None else unpacked(request.content[int(told) :])
    assert np.prod(given["shape"]) == len(texts)
    return texts


def inferred(rows):
    output = {"name": "scores", "datatype": "FP64", "shape": [len(rows), 3]}
    return {"outputs": [{**output, "data": np.ravel(rows).tolist()}]}


class Metadata:
    """A server that tells of a model of texts, and answers as one."""

    def __init__(self, shape=(-1,), extensions=()):
        self._told = {
            "inputs": [{"name": "text", "datatype": "BYTES", "shape": list(shape)}],
            "outputs": [{"name": "scores", "datatype": "FP64", "shape": [-1, 3]}],
        }
        self._extensions = list(extensions)
        self.server = Server(tensors_in, inferred)
        self.requests = []

    def check_ready(self, url, key):
        pass

    def send(self, request, key, terms):
        if request.method == "GET":
            about = {"extensions": self._extensions}
            return says(about if request.url.endswith("/v2") else self._told)
        self.requests.append(request)
        return self.server.send(request, key, terms)

    def close(self):
        pass


def served_by_oip(options=None, **metadata):
    return oip_of({"classes": ",".join(SOURCES), **(options or {})}, Metadata(**metadata))


def answering(uri, texts_in, answer):
    box = open_box(uri)
    box.transport = Server(texts_in, answer)
    return box


FORM = f"{HTTP}&body=form&form.text={{text}}&form.lang=en"
BOXES = {
    "huggingface": lambda: answering(
        f"{HUGGING}&takes=texts",
        lambda request: [body_of(request)["inputs"]],
        lambda rows: [labelled(rows[0])],
    ),
    "http": lambda: answering(
        f'{HTTP}&body={{"q":"{{text}}"}}&scores=p',
        lambda request: [body_of(request)["q"]],
        lambda rows: {"p": rows[0]},
    ),
    "http, several": lambda: answering(
        f'{HTTP}&body={{"q":"{{texts}}"}}&items=all&scores=p',
        lambda request: body_of(request)["q"],
        lambda rows: {"all": [{"p": row} for row in rows]},
    ),
    "http, form": lambda: answering(
        FORM,
        lambda request: parse_qs(request.content.decode(), strict_parsing=True)["text"],
        lambda rows: rows[0],
    ),
    "mlflow": lambda: answering(
        MLFLOW, lambda request: body_of(request)["inputs"], lambda rows: {"predictions": rows}
    ),
    "mlflow, column": lambda: answering(
        f"{MLFLOW}&input=review",
        lambda request: [row[0] for row in body_of(request)["dataframe_split"]["data"]],
        lambda rows: {"predictions": rows},
    ),
    "oip": served_by_oip,
    "oip, column": lambda: served_by_oip(shape=(-1, 1)),
    "oip, one": lambda: served_by_oip(shape=(1,)),
    "oip, bytes": lambda: served_by_oip(extensions=["binary_tensor_data"]),
}


@pytest.fixture(params=BOXES)
def service(request):
    return BOXES[request.param]


class TestService(TextBoxContract):
    @pytest.fixture
    def box(self, service):
        with service() as box:
            yield box

    @pytest.fixture
    def reopen(self, service):
        return service

    def test_it_answers_as_the_function_behind_it(self, box):
        texts = as_texts(reviews(9)[0])
        np.testing.assert_allclose(box.ask(texts), scores(texts.tolist()), rtol=0, atol=1e-6)

    def test_every_text_arrives_as_it_is(self, box):
        @given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
        def arrive(texts):
            try:
                valid = as_texts(texts)
            except InvalidData:
                return
            server = getattr(box.transport, "server", box.transport)
            server.shown.clear()
            box.ask(valid)
            assert sorted(server.shown) == sorted(texts)

        arrive()

    def test_a_model_is_fitted_and_predicts(self, box):
        texts, labels = reviews(80)
        model = rebox.Reprogrammer(box, "map", random_state=0, journal=False)
        model.fit(rebox.Samples(texts=texts), labels)
        assert model.score(texts, labels) > 0.8
        assert model.spent_.map == len(texts)


class TestFunction(TextBoxContract):
    @pytest.fixture(params=[3, 32])
    def box(self, request):
        return FunctionBox(scores, takes="texts", classes=SOURCES, batch_size=request.param)


class TestLimited(TextBoxContract):
    @pytest.fixture
    def box(self):
        return LimitedBox(FunctionBox(scores, takes="texts", classes=SOURCES), decimals=2)


def test_hugging_face_is_sent_the_text_alone():
    box = stubbed(f"{HUGGING}&takes=texts", says([labelled([0.5, 0.25, 0.25])]))
    np.testing.assert_array_equal(box.ask(as_texts(["hallo"])), [[0.5, 0.25, 0.25]])
    (request,) = box.transport.requests
    assert request.url == "https://router.huggingface.co/hf-inference/models/org/model"
    assert body_of(request) == {"inputs": "hallo", "parameters": {"top_k": 3}}
    assert "/org/model?takes=texts&classes=" in box.spec.identity
    assert "3 classes (up, down, flat), texts, price not known" in repr(box.spec)


def test_hugging_face_takes_what_the_samples_are():
    box = open_box(HUGGING)
    box.transport = Stub()
    assert box.spec.takes == "images"
    texts = box.taking("texts")
    assert texts.uri == f"{HUGGING}&takes=texts"
    assert texts.spec == open_box(texts.uri).spec
    assert texts.transport is box.transport
    assert box.taking("images") is box.taking("ids") is box
    assert texts.taking("texts") is texts
    told = open_box(f"{HUGGING}&takes=images")
    assert told.taking("texts") is told


def test_limits_are_kept_around_what_is_taken():
    box = open_box(f"{HUGGING}&decimals=2&labels_only=false").taking("texts")
    assert box.spec.takes == "texts"
    assert open_box(box.uri).spec == box.spec
    assert box.taking("texts") is box


def test_a_fitted_model_opens_it_again_as_it_was(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "no-real-one")
    texts, labels = reviews(40)
    box = open_box(HUGGING)
    box.transport = BOXES["huggingface"]().transport
    model = rebox.Reprogrammer(box, "map", random_state=0, journal=False)
    model.fit(rebox.Samples(texts=texts), labels).save(tmp_path / "m.rebox")
    again = rebox.Reprogrammer.load(tmp_path / "m.rebox", journal=False)
    assert again.box_.spec.takes == "texts"
    given_again = rebox.Reprogrammer.load(tmp_path / "m.rebox", box, journal=False)
    np.testing.assert_array_equal(given_again.predict(texts), model.predict(texts))


def test_labels_are_learned_from_a_text():
    with open_labels("huggingface:org/model?takes=texts") as labels:
        labels.transport = Stub(says([labelled([0.5, 0.25, 0.25])]))
        labels.ask(labels.grey())
        assert labels.names == tuple(sorted(SOURCES))
        assert body_of(labels.transport.requests[0])["inputs"]


def test_mlflow_is_sent_a_column():
    box = stubbed(f"{MLFLOW}&input=review", says({"predictions": [[0.5, 0.25, 0.25]] * 2}))
    box.ask(as_texts(["one", "two"]))
    (request,) = box.transport.requests
    assert request.url == "http://localhost:5000/invocations"
    expected = {"dataframe_split": {"columns": ["review"], "data": [["one"], ["two"]]}}
    assert body_of(request) == expected


def test_a_pipeline_of_transformers_tells_the_best_class():
    best = {"predictions": [{"label": "down", "score": 0.75}]}
    box = stubbed(f"{MLFLOW}&complete=false", says(best))
    np.testing.assert_array_equal(box.ask(as_texts(["no"])), [[0, 0.75, 0]])


def test_oip_is_sent_bytes_as_json_or_behind_it():
    plain = served_by_oip(shape=(-1, 1))
    plain.ask(as_texts(["é", "two"]))
    (request,) = plain.transport.requests
    (given_input,) = body_of(request)["inputs"]
    assert given_input == {
        "name": "text",
        "shape": [2, 1],
        "datatype": "BYTES",
        "data": ["é", "two"],
    }
    packed = served_by_oip({"binary": "true"})
    packed.ask(as_texts(["é", "two"]))
    (request,) = packed.transport.requests
    assert request.content.endswith(b"\x02\x00\x00\x00\xc3\xa9\x03\x00\x00\x00two")
    assert plain.spec.takes == packed.spec.takes == "texts"


def test_oip_without_metadata_is_told():
    transport = Metadata()
    box = oip_of({"classes": ",".join(SOURCES), "input": "text", "datatype": "BYTES"}, transport)
    box.ask(as_texts(["good"]))
    assert body_of(transport.requests[0])["inputs"][0]["shape"] == [1]


@pytest.mark.parametrize("shape", [(-1, 2), (-1, 1, 1), (4,)])
def test_other_axes_of_texts_are_refused(shape):
    with pytest.raises(BoxError, match=r"the model takes texts of shape"):
        served_by_oip(shape=shape)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        (f"{HUGGING}&takes=texts&size=4", "texts have no size and no channels"),
        (f"{HUGGING}&takes=sounds", "one of images, texts"),
        (f"{MLFLOW}&channels=1", "texts have no size and no channels"),
        (f"{MLFLOW}&preprocess=imagenet", "texts have no pixels"),
        (f"{MLFLOW}&layout=nhwc", "texts have no pixels"),
        (f"mlflow:http://localhost:5000?{CLASSES}", "or takes=texts for a model of texts"),
        (f'{HTTP}&body={{"q":"{{text}}"}}&size=4', "texts have no size and no channels"),
        (f'{HTTP}&body={{"q":"{{text}}"}}&format=jpeg', "texts have no format"),
        (f'{HTTP}&body={{"q":"{{text}}","i":"{{image}}"}}', r"it holds \{image\} and \{text\}"),
        (f'{HTTP}&body={{"q":"x"}}', "it holds none of them"),
        (f"{HTTP}&body=multipart&form.q={{text}}", "a text goes into body=form"),
        (f"{HTTP}&body=form&field=a&form.q={{text}}", "leave field and body=multipart out"),
    ],
)
def test_options_that_do_not_go_with_texts(uri, words):
    with pytest.raises(InvalidOption, match=words):
        open_box(uri)


@pytest.mark.parametrize("body", ['{"q":"{text}","k":"{key}"}', "form&form.q={text}&form.k={key}"])
def test_a_text_that_says_key_gets_none(body, monkeypatch):
    """The key goes where the body says so, and nowhere else."""
    monkeypatch.setenv("THEIRS", "s3cret")
    sent = []
    box = open_box(f"{HTTP}&body={body}&key_env=THEIRS")
    request = box.key.put(box.request(as_texts(["my {key} is"])), box.key.secret())
    sent.append(request.content.decode())
    assert sent[0].count("s3cret") == 1
    said = json.loads(sent[0])["q"] if body[0] == "{" else parse_qs(sent[0])["q"][0]
    assert said == "my {key} is"


def test_a_refusal_of_a_text_is_an_error():
    box = stubbed(f"{HUGGING}&takes=texts", says([[{"label": "sideways", "score": 1}]]))
    with pytest.raises(InvalidAnswer, match="sideways"):
        box.ask(as_texts(["what"]))


def test_hugging_face_as_its_client_asks(monkeypatch):
    """The body is that of the official client, recorded."""
    hub = pytest.importorskip("huggingface_hub")
    sent = {}
    client = hub.InferenceClient(model="http://127.0.0.1:9/m")

    def keep(parameters, **_):
        sent.update(parameters.json)
        return json.dumps([labelled([0.5, 0.25, 0.25])]).encode()

    monkeypatch.setattr(client, "_inner_post", keep)
    client.text_classification("hallo", top_k=3)
    box = stubbed(f"{HUGGING}&takes=texts", says([labelled([0.5, 0.25, 0.25])]))
    box.ask(as_texts(["hallo"]))
    assert body_of(box.transport.requests[0]) == sent
