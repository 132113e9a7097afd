"""Real MLflow and Triton with a model of texts answer through rebox as the model does here.

The model counts words (`texts.scores`, written out for their environments). Both are started as in
`test_real_servers`.
"""

import numpy as np
import pytest
from test_real_servers import served_by_mlflow, served_by_triton
from texts import SOURCES, reviews, scores

import rebox
from rebox.box import open_box
from rebox.sample import as_texts
from rebox.testing.texts import ODD

pytestmark = pytest.mark.slow  # environments are made for them, and servers started

CLASSES = f"classes={','.join(SOURCES)}&timeout_s=240"

COUNTS = """
import numpy as np

WORDS = ("good", "lovely", "fresh"), ("bad", "stale", "rude")

def scores(texts):
    said = [[sum(map(text.count, words)) + 0.2 for words in WORDS] for text in texts]
    length = [[0.3 + len(text) % 7 / 100] for text in texts]
    counts = np.hstack([said, length])
    return counts / counts.sum(axis=1, keepdims=True)
"""

SAVE = """
import sys
import mlflow
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema

class Counts(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        column = model_input.iloc[:, 0] if hasattr(model_input, "iloc") else model_input
        return scores([str(text) for text in column])

signature = ModelSignature(inputs=Schema([ColSpec("string", name="review")]))
mlflow.pyfunc.save_model(
    sys.argv[1], python_model=Counts(), signature=signature, pip_requirements=["numpy"]
)
"""

SERVE = """
import ctypes, json, pathlib, signal, sys, tempfile

given = json.loads(sys.argv[1])
try:
    ctypes.CDLL("libpython{}.{}.so.1.0".format(*sys.version_info))
except OSError:
    sys.exit(given["no_library"])

from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig

@batch
def infer(text):
    return {"scores": scores([one.decode() for one in text[:, 0]]).astype(np.float32)}

signal.signal(signal.SIGTERM, lambda *_: sys.exit())
config = TritonConfig(
    http_address="127.0.0.1", http_port=given["port"], allow_grpc=False, allow_metrics=False
)
with tempfile.TemporaryDirectory(prefix="triton-") as folder:  # the paths of sockets are short
    with Triton(config=config, workspace=pathlib.Path(folder, "workspace")) as triton:
        triton.bind(
            model_name="model",
            infer_func=infer,
            inputs=[Tensor(name="text", dtype=bytes, shape=(1,))],
            outputs=[Tensor(name="scores", dtype=np.float32, shape=(3,))],
            config=ModelConfig(max_batch_size=16),
        )
        triton.serve()
"""


def mlflow(folder, cache):
    server, url = served_by_mlflow(folder, cache, COUNTS + SAVE, folder / "model")
    uri = f"mlflow:{url}?{CLASSES}&takes=texts"
    return server, [uri, f"{uri}&input=review"]


def triton(folder, cache):
    server, url = served_by_triton(folder, cache, COUNTS + SERVE)
    uri = f"oip:{url}/model?{CLASSES}"
    return server, [uri, f"{uri}&binary=false"]


@pytest.fixture(scope="module", params=[mlflow, triton], ids=lambda one: one.__name__)
def uris(request, tmp_path_factory):
    """URIs of one server, which ask it in several ways."""
    folder = tmp_path_factory.mktemp(request.param.__name__)
    server, uris = request.param(folder, request.config.cache)
    with server:
        yield uris


def test_a_server_answers_as_the_model_does(uris):
    texts = as_texts([*reviews(20)[0], *ODD])
    for uri in uris:
        with open_box(uri) as box:
            assert box.spec.takes == "texts"
            np.testing.assert_allclose(box.ask(texts), scores(texts.tolist()), rtol=0, atol=1e-6)


def test_a_fit_through_a_server(uris, tmp_path):
    texts, labels = reviews(60)
    for uri in uris:
        model = rebox.Reprogrammer(uri, budget=60, random_state=0, journal=False)
        model.fit(texts, labels).save(tmp_path / "m.rebox")
        again = rebox.Reprogrammer.load(tmp_path / "m.rebox", journal=False)
        assert again.score(texts, labels) > 0.8
        np.testing.assert_array_equal(again.predict(texts), model.predict(texts))
