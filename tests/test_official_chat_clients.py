"""The official clients of OpenAI and Anthropic ask rehearsed models as rebox does.

They run in a virtual environment of their own, check each reply against the types of their
protocol, and ask a rehearsal in this process, which records what they send: field by field it is
what rebox sends, and they are answered what rebox is. Where they differ, a test says how.
"""

import base64
import json
import re

import numpy as np
import pytest
from environments import environment, run_script
from test_rehearsal_chat import (
    CLASSES,
    MARKS,
    WordBox,
    about,
    file_of,
    make_images,
    picture_box,
    rehearse,
)

import rebox
from rebox.box import open_box
from rebox.rehearsal import read_faults

pytestmark = pytest.mark.slow  # an environment is made for them

REQUIREMENTS = ("openai==3.57.0", "anthropic==2.14.0")
KEY = "not-a-real-key"
TEXTS = np.array(["a dog", "a cat, a cat and a dog", "red fox, größer als 狐"], dtype=object)
# what the clients say of themselves; rebox says who it is by its User-Agent
STATISTICS = "x-stainless-"
OWN_WORDS = {"user-agent", "content-length", "accept"}

OPENAI = """
import base64, json, sys
import openai

given = json.load(sys.stdin)
client = openai.OpenAI(
    base_url=given["url"] + "/v1", api_key=given["key"], max_retries=0,
    _strict_response_validation=True,
)

def content(one):
    if "picture" not in one:
        return one["words"]
    shown = {"url": "data:image/png;base64," + one["picture"]}
    if one.get("detail"):
        shown["detail"] = one["detail"]
    return [{"type": "text", "text": one["words"]}, {"type": "image_url", "image_url": shown}]

found = []
for one in given["asked"]:
    messages = [{"role": "user", "content": content(one)}]
    try:
        reply = client.chat.completions.create(messages=messages, **one["fields"])
    except openai.APIStatusError as error:
        found.append({"error": type(error).__name__, "code": error.code, "param": error.param})
        continue
    except openai.APIError as error:
        found.append({"error": type(error).__name__})
        continue
    choice = reply.choices[0]
    found.append({
        "content": choice.message.content, "refusal": choice.message.refusal,
        "finish": choice.finish_reason, "tokens": reply.usage.total_tokens,
        "top": choice.logprobs and [
            [t.token, t.logprob] for t in choice.logprobs.content[0].top_logprobs
        ],
    })
print(json.dumps(found))
"""

ANTHROPIC = """
import json, sys
import anthropic

given = json.load(sys.stdin)
client = anthropic.Anthropic(
    base_url=given["url"], api_key=given["key"], max_retries=0, _strict_response_validation=True
)

def content(one):
    if "picture" not in one:
        return one["words"]
    source = {"type": "base64", "media_type": "image/png", "data": one["picture"]}
    shown = {"type": "image", "source": source}
    return [{"type": "text", "text": one["words"]}, shown]

found = []
for one in given["asked"]:
    messages = [{"role": "user", "content": content(one)}]
    try:
        reply = client.messages.create(messages=messages, **one["fields"])
    except anthropic.APIStatusError as error:
        found.append({"error": type(error).__name__, "type": error.body["error"]["type"]})
        continue
    found.append({
        "content": "".join(block.text for block in reply.content), "stop": reply.stop_reason,
        "tokens": reply.usage.input_tokens + reply.usage.output_tokens,
    })
print(json.dumps(found))
"""

OPENAI_BATCH = """
import io, json, sys, time
import openai

given = json.load(sys.stdin)
client = openai.OpenAI(
    base_url=given["url"] + "/v1", api_key=given["key"], max_retries=0,
    _strict_response_validation=True,
)
endpoint = "/v1/chat/completions"
lines = [
    {"custom_id": name, "method": "POST", "url": endpoint, "body": body}
    for name, body in given["bodies"].items()
]
content = "".join(json.dumps(line) + "\\n" for line in lines).encode()
stored = client.files.create(file=("questions.jsonl", content), purpose="batch")
made = client.batches.create(
    input_file_id=stored.id, endpoint=endpoint, completion_window="24h", metadata=given["metadata"]
)
if given["cancel"]:
    client.batches.cancel(made.id)
until = time.monotonic() + 60
while (batch := client.batches.retrieve(made.id)).status in ("validating", "in_progress"):
    assert time.monotonic() < until
    time.sleep(0.05)
rows = []
for name in (batch.output_file_id, batch.error_file_id):
    if name:
        rows += [json.loads(row) for row in client.files.content(name).text.splitlines()]
listed = [one.id for one in client.batches.list(limit=1)]
print(json.dumps({
    "status": batch.status, "rows": rows, "counts": batch.request_counts.to_dict(),
    "metadata": batch.metadata, "found": made.id in listed, "purpose": stored.purpose,
}))
"""

ANTHROPIC_BATCH = """
import json, sys, time
import anthropic

given = json.load(sys.stdin)
client = anthropic.Anthropic(
    base_url=given["url"], api_key=given["key"], max_retries=0, _strict_response_validation=True
)
made = client.messages.batches.create(
    requests=[{"custom_id": name, "params": body} for name, body in given["bodies"].items()]
)
if given["cancel"]:
    client.messages.batches.cancel(made.id)
until = time.monotonic() + 60
while (batch := client.messages.batches.retrieve(made.id)).processing_status != "ended":
    assert time.monotonic() < until
    time.sleep(0.05)
rows = [row.to_dict() for row in client.messages.batches.results(made.id)]
listed = [one.id for one in client.messages.batches.list(limit=1)]
print(json.dumps({
    "rows": rows, "counts": batch.request_counts.to_dict(), "found": made.id in listed,
}))
"""


@pytest.fixture(scope="session")
def python(pytestconfig):
    return environment("official-chat-clients", REQUIREMENTS, pytestconfig.cache)


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, KEY)


def as_text(image):
    return base64.b64encode(file_of(image)).decode()


def client(python, script, running, asked):
    return run_script(python, script, url=running.url, key=KEY, asked=asked)


def headers_of(request):
    """Return the headers by their names in small letters, which HTTP takes for the same."""
    found = {name.lower(): value for name, value in request.headers.items()}
    return {name: value for name, value in found.items() if not name.startswith(STATISTICS)}


def differing(ours, theirs):
    """Return the names of headers that one has alone, or that have not the same value."""
    return {name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)}


def body_of(request):
    return json.loads(request.body)


def words_of(content):
    """Return what a question of ours says, and its picture in base64 if it has one."""
    if isinstance(content, str):
        return {"words": content}
    words = next(part["text"] for part in content if part["type"] == "text")
    for part in content:
        if part["type"] == "image_url":
            url, detail = part["image_url"]["url"], part["image_url"].get("detail")
            return {"words": words, "picture": url.rpartition(",")[2], "detail": detail}
        if part["type"] == "image":
            return {"words": words, "picture": part["source"]["data"]}
    raise AssertionError(content)


def asked_by(request, *, but=()):
    """Return how a client is told to ask what ``request`` asks."""
    body = body_of(request)
    (message,) = body.pop("messages")
    fields = {name: value for name, value in body.items() if name not in but}
    return words_of(message["content"]) | {"fields": fields}


# --- the same questions ----------------------------------------------------------------------


def ours(service, kind, read, *, options=""):
    """Return a rehearsal at its end, with what a box of ours was answered."""
    thinker = picture_box() if kind == "images" else WordBox()
    running = rehearse(thinker, service=service, key=KEY)
    size = "&size=12" if kind == "images" else "&takes=texts"
    queries = make_images(3) if kind == "images" else TEXTS
    return running, f"{size}&read={read}&in_flight=1{options}", queries


@pytest.mark.parametrize("kind", ["images", "texts"])
@pytest.mark.parametrize("read", ["logprobs", "label", "enum", "scores"])
def test_our_request_is_that_of_the_openai_client(python, kind, read):
    """Method, path, headers and body, field by field; and so are the answers."""
    running, options, queries = ours("chat", kind, read)
    with running:
        with open_box(running.uri + options) as box:
            scores = box.ask(queries)
        mine = running.requests
        found = client(python, OPENAI, running, list(map(asked_by, mine)))
        theirs = running.requests[len(mine) :]
    assert len(mine) == len(theirs) == 3
    for our, their in zip(mine, theirs, strict=True):
        assert (our.method, our.path) == (their.method, their.path)
        assert body_of(our) == body_of(their)
        assert differing(headers_of(our), headers_of(their)) <= OWN_WORDS
    best = [read_best(one, read) for one in found]
    assert best == [CLASSES[i] for i in scores.argmax(axis=1)]
    if read == "logprobs":
        for row, one in zip(scores, found, strict=True):
            top = {token: np.exp(logprob) for token, logprob in one["top"]}
            told = np.array([top[mark] for mark in "ABC"])
            np.testing.assert_allclose(told / told.sum(), row, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["images", "texts"])
@pytest.mark.parametrize("read", ["label", "enum", "scores"])
def test_our_request_is_that_of_the_anthropic_client(python, kind, read):
    """All but two things: the newest client sends its key as a Bearer, and no temperature.

    Both headers are documented; models that refuse a temperature are asked without one.
    """
    running, options, queries = ours("anthropic", kind, read)
    with running:
        with open_box(running.uri + options) as box:
            scores = box.ask(queries)
        mine = running.requests
        told = [asked_by(request, but={"temperature"}) for request in mine]
        found = client(python, ANTHROPIC, running, told)
        theirs = running.requests[len(mine) :]
    assert len(mine) == len(theirs) == 3
    for our, their in zip(mine, theirs, strict=True):
        assert (our.method, our.path) == (their.method, their.path)
        body = body_of(our)
        assert body.pop("temperature", 0) == 0
        assert in_any_order(body) == in_any_order(body_of(their))
        key = {"x-api-key", "authorization", "anthropic-version"}
        assert differing(headers_of(our), headers_of(their)) <= OWN_WORDS | key
    assert [read_best(one, read) for one in found] == [CLASSES[i] for i in scores.argmax(axis=1)]


def in_any_order(body):
    """Return a body whose parts of a content stand in one order: the picture may come first."""
    (message,) = body["messages"]
    if isinstance(message["content"], list):
        message["content"].sort(key=lambda part: part["type"])
    return body


def read_best(one, read):
    """Return the class that an answer means."""
    if read in ("logprobs", "label"):
        return CLASSES["ABC".index(one["content"])]
    value = json.loads(one["content"])
    if read == "enum":
        return value["answer"]
    return CLASSES["ABC".index(max(value, key=value.get))]


# --- what the clients make of the rehearsal ---------------------------------------------------

ASKED = {"words": about("a dog"), "fields": {"model": "rehearsal", "temperature": 0}}
SCHEMA = {"type": "object", "properties": {"answer": MARKS}}


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("401", {"error": "AuthenticationError", "code": "invalid_api_key"}),
        ("429", {"error": "RateLimitError", "code": "rate_limit_exceeded"}),
        ("insufficient-quota", {"error": "RateLimitError", "code": "insufficient_quota"}),
        ("500", {"error": "InternalServerError", "code": None}),
        ("503", {"error": "InternalServerError", "code": None}),
        ("filtered-prompt", {"error": "BadRequestError", "code": "content_filter"}),
        ("close", {"error": "APIConnectionError"}),
    ],
)
def test_the_openai_client_understands_refusals(python, fault, error):
    with rehearse(faults=read_faults([fault])) as running:
        (found,) = client(python, OPENAI, running, [ASKED])
    assert found.items() >= error.items()


def test_the_openai_client_is_told_which_field_is_refused(python):
    asked = ASKED | {"fields": ASKED["fields"] | {"logprobs": True, "top_logprobs": 5}}
    with rehearse(service="chat?logprobs=no") as running:
        found = client(python, OPENAI, running, [asked, ASKED])
    assert (found[0]["error"], found[0]["param"]) == ("BadRequestError", "logprobs")
    assert found[1]["content"] == "B"


@pytest.mark.parametrize("fault", ["refusal", "content-filter", "cut", "silence", "prose"])
def test_the_openai_client_reads_what_is_no_answer(python, fault):
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}
    asked = ASKED | {"fields": ASKED["fields"] | {"response_format": form}}
    with rehearse(faults=read_faults([fault])) as running:
        found = client(python, OPENAI, running, [ASKED, asked])
    finish = {"content-filter": "content_filter", "cut": "length"}.get(fault, "stop")
    assert [one["finish"] for one in found] == [finish] * 2
    assert (found[1]["refusal"] is None) == (fault != "refusal")


@pytest.mark.parametrize(
    ("fault", "error", "kind"),
    [
        ("401", "AuthenticationError", "authentication_error"),
        ("429:retry_after=1", "RateLimitError", "rate_limit_error"),
        ("529", "OverloadedError", "overloaded_error"),
        ("500", "InternalServerError", "api_error"),
        ("insufficient-quota", "BadRequestError", "invalid_request_error"),
    ],
)
def test_the_anthropic_client_understands_refusals(python, fault, error, kind):
    asked = {"words": about("a dog"), "fields": {"model": "rehearsal", "max_tokens": 5}}
    with rehearse(service="anthropic", faults=read_faults([fault])) as running:
        (found,) = client(python, ANTHROPIC, running, [asked])
    assert found == {"error": error, "type": kind}


def test_the_anthropic_client_reads_a_refusal(python):
    asked = {"words": about("a dog"), "fields": {"model": "rehearsal", "max_tokens": 50}}
    with rehearse(service="anthropic", faults=read_faults(["refusal"])) as running:
        (found,) = client(python, ANTHROPIC, running, [asked])
    assert found["stop"] == "refusal"


# --- batches ---------------------------------------------------------------------------------


def bodies(n, **fields):
    return {
        f"q-{i}": {
            "model": "rehearsal",
            "messages": [{"role": "user", "content": about(f"a {CLASSES[i % 3]}")}],
        }
        | fields
        for i in range(n)
    }


@pytest.mark.parametrize("fate", ["completed", "half", "expired", "failed", "stuck"])
def test_the_openai_client_makes_batches_and_reads_what_came_of_them(python, fate):
    given = {"bodies": bodies(6, temperature=0), "metadata": {"a": "b"}, "cancel": fate == "stuck"}
    with rehearse(service=f"chat?batches={fate}", key=KEY) as running:
        found = run_script(python, OPENAI_BATCH, url=running.url, key=KEY, **given)
    status = {"half": "completed", "stuck": "cancelled"}.get(fate, fate)
    assert (found["status"], found["metadata"], found["found"]) == (status, {"a": "b"}, True)
    done = {
        row["custom_id"]: row["response"]["body"]["choices"][0]["message"]["content"]
        for row in found["rows"]
        if row["response"]
    }
    n = {"completed": 6, "half": 3, "expired": 3}.get(fate, 0)
    assert len(done) == found["counts"]["completed"] == running.bill.queries == n
    assert all(mark == "ABC"[int(name[2:]) % 3] for name, mark in done.items())


@pytest.mark.parametrize("fate", ["completed", "half", "expired", "failed", "stuck"])
def test_the_anthropic_client_makes_batches_and_reads_what_came_of_them(python, fate):
    given = {"bodies": bodies(6, max_tokens=5), "cancel": fate == "stuck"}
    with rehearse(service=f"anthropic?batches={fate}", key=KEY) as running:
        found = run_script(python, ANTHROPIC_BATCH, url=running.url, key=KEY, **given)
    kinds = {row["custom_id"]: row["result"]["type"] for row in found["rows"]}
    assert len(kinds) == 6
    assert found["found"]
    done = {
        row["custom_id"]: row["result"]["message"]["content"][0]["text"]
        for row in found["rows"]
        if row["result"]["type"] == "succeeded"
    }
    n = {"completed": 6, "half": 3, "expired": 3}.get(fate, 0)
    assert len(done) == found["counts"]["succeeded"] == running.bill.queries == n
    assert all(mark == "ABC"[int(name[2:]) % 3] for name, mark in done.items())
    missed = {"half": "errored", "expired": "expired", "failed": "errored", "stuck": "canceled"}
    assert set(kinds.values()) - {"succeeded"} == set(filter(None, [missed.get(fate)]))


def our_batch(service, journal):
    """Return a rehearsal of which a fit has asked in one batch, and the fit's model."""
    words = [f"{text} {i}" for i, text in enumerate(["a dog", "a cat", "a red fox", "no dog"] * 5)]
    labels = ["pet" if "fox" not in text else "wild" for text in words]
    settings = {"budget": 40, "random_state": 0, "canaries": 0, "journal": journal}
    with rehearse(service=service, key=KEY) as running:
        uri = f"{running.uri}&takes=texts&read=label"
        model = rebox.Reprogrammer(uri, batch=True, **settings).fit(words, labels)
    assert running.bill.queries == model.spent_.billed == len(words)
    assert model.spent_.usd == pytest.approx(running.bill.usd, abs=1e-9)  # half of the price
    return running


def first(running, method, route):
    return next(one for one in running.requests if (one.method, one.route) == (method, route))


def form_of(request):
    """Return the parts of a form, without its boundary."""
    (boundary,) = re.findall('boundary="?([^";]+)', request.header("Content-Type"))
    parts = [part.strip(b"\r\n") for part in request.body.split(b"--" + boundary.encode())[1:-1]]
    return [re.sub(b'filename="[^"]*"', b'filename=""', part) for part in parts]


def test_our_batch_is_that_of_the_openai_client(python, tmp_path):
    """The form of the file and its lines, and the batch; and so is what it says."""
    ours = our_batch("chat", tmp_path / "journal")
    mine = [first(ours, "POST", route) for route in ("/v1/files", "/v1/batches")]
    lines = [json.loads(row) for row in form_of(mine[0])[1].partition(b"\r\n\r\n")[2].splitlines()]
    given = {line["custom_id"]: line["body"] for line in lines}
    made = body_of(mine[1])
    told = {"bodies": given, "metadata": made["metadata"], "cancel": False}
    with rehearse(key=KEY) as running:
        found = run_script(python, OPENAI_BATCH, url=running.url, key=KEY, **told)
    theirs = [first(running, "POST", route) for route in ("/v1/files", "/v1/batches")]
    assert [one.path for one in mine] == [one.path for one in theirs]
    for our, their in zip(mine, theirs, strict=True):
        assert differing(headers_of(our), headers_of(their)) <= OWN_WORDS | {"content-type", "host"}
    purpose, file = form_of(mine[0])
    their_purpose, their_file = form_of(theirs[0])
    assert purpose == their_purpose
    head, _, content = file.partition(b"\r\n\r\n")
    their_head, _, their_content = their_file.partition(b"\r\n\r\n")
    assert head == their_head
    assert [json.loads(row) for row in content.splitlines()] == [
        json.loads(row) for row in their_content.splitlines()
    ]
    asked = body_of(theirs[1])
    assert made.keys() == asked.keys()
    differ = {name for name in made if made[name] != asked[name]}
    assert differ == {"input_file_id"}
    assert found["counts"] == {"completed": 20, "failed": 0, "total": 20}


def test_our_batch_is_that_of_the_anthropic_client(python, tmp_path):
    ours = our_batch("anthropic", tmp_path / "journal")
    mine = first(ours, "POST", "/v1/messages/batches")
    given = {one["custom_id"]: one["params"] for one in body_of(mine)["requests"]}
    with rehearse(service="anthropic", key=KEY) as running:
        told = {"bodies": given, "cancel": False}
        found = run_script(python, ANTHROPIC_BATCH, url=running.url, key=KEY, **told)
    theirs = first(running, "POST", "/v1/messages/batches")
    assert mine.path == theirs.path
    assert body_of(mine) == body_of(theirs)
    key = {"x-api-key", "authorization", "anthropic-version", "host"}
    assert differing(headers_of(mine), headers_of(theirs)) <= OWN_WORDS | key
    assert found["counts"]["succeeded"] == len(given) == 20
