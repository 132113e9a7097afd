"""A served model over real HTTP: what it says, what it refuses, what it spends."""

import base64
import json
import logging
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("prometheus_client")

import recordings
from serving import SIDE, fitted, labelled, metrics_of, pictures, png, served

import rebox
from rebox.errors import BoxError, InvalidOption
from rebox.meter import Budget, Journal, accounts
from rebox.serve import ModelService, ServeLimits
from rebox.serve.backlog import Backlog, Job
from rebox.serve.day import DayAccounts
from rebox.serve.declined import STATUS
from rebox.serve.openapi import REFUSED
from rebox.serve.parcel import Parcel

PNG = {"Content-Type": "image/png"}
INFER = "/v2/models/grey/infer"


@pytest.fixture(scope="module")
def grey():
    """A model of grey pictures and a client of its server."""
    model, box = fitted()
    with served(model) as client:
        yield model, box, client


def said_of(model, picture):
    """Return what the model says in process, as the server words it."""
    shares = model.predict_proba(picture[None])[0].tolist()
    (label,) = model.predict(picture[None])
    return {"label": label, "probabilities": dict(zip(model.classes_, shares, strict=True))}


@pytest.mark.parametrize("media_type", ["image/png", "image/jpeg", "", "application/octet-stream"])
def test_a_picture_gets_what_the_model_says_of_it_in_process(grey, media_type):
    model, _, client = grey
    one = pictures(1, seed=5)[0]
    reply = client.post("/predict", content=png(one), headers={"Content-Type": media_type})
    assert reply.status_code == 200
    assert reply.json() == said_of(model, one)


def test_a_picture_may_stand_in_json(grey):
    model, _, client = grey
    one = pictures(1, seed=6)[0]
    body = {"picture": base64.b64encode(png(one)).decode()}
    assert client.post("/predict", json=body).json() == said_of(model, one)


def tensor_of(images, datatype="UINT8", **more):
    data = images.ravel().tolist()
    return {"name": "x", "datatype": datatype, "shape": list(images.shape), "data": data, **more}


def test_the_protocol_in_json(grey):
    model, _, client = grey
    some = pictures(5, seed=7)
    expected = model.predict_proba(some)
    files = [base64.b64encode(png(one)).decode() for one in some]
    for tensor in (
        tensor_of(some),
        tensor_of(some[..., None]),
        tensor_of(some.astype(np.float32) / np.float32(255), "FP32"),
        {"name": "pictures", "datatype": "BYTES", "shape": [5], "data": files},
    ):
        reply = client.post(INFER, json={"id": "seven", "inputs": [tensor]}).json()
        assert (reply["model_name"], reply["id"]) == ("grey", "seven")
        shares, labels = reply["outputs"]
        assert (shares["name"], shares["shape"]) == ("probabilities", [5, 2])
        assert np.reshape(shares["data"], (5, 2)) == pytest.approx(expected, abs=1e-6)
        assert labels["data"] == model.predict(some).tolist()


def test_the_protocol_in_bytes(grey):
    model, _, client = grey
    some = pictures(3, seed=8)
    tensor = tensor_of(some, parameters={"binary_data_size": some.nbytes})
    del tensor["data"]
    wanted = [
        {"name": name, "parameters": {"binary_data": True}} for name in ("label", "probabilities")
    ]
    head = json.dumps({"inputs": [tensor], "outputs": wanted}).encode()
    length = "Inference-Header-Content-Length"
    reply = client.post(INFER, content=head + some.tobytes(), headers={length: str(len(head))})
    told = int(reply.headers[length])
    outputs, rest = json.loads(reply.content[:told])["outputs"], reply.content[told:]
    assert [one["name"] for one in outputs] == ["label", "probabilities"]  # as they were named
    sizes = [one["parameters"]["binary_data_size"] for one in outputs]
    assert sum(sizes) == len(rest)
    shares = np.frombuffer(rest[sizes[0] :], "<f8").reshape(3, 2)
    assert (shares == model.predict_proba(some)).all()
    texts = b"".join(len(one).to_bytes(4, "little") + one.encode() for one in model.predict(some))
    assert rest[: sizes[0]] == texts


def test_rebox_asks_a_served_model_as_a_box(grey):
    model, _, client = grey
    uri = f"oip:{client.base_url}/grey?classes=dark,light&size={SIDE}&layout=nhwc&channels=1"
    uri += "&preprocess=unit"
    some = pictures(4, seed=9).astype(np.float32)[..., None] / np.float32(255)
    with rebox.open_box(uri) as box:
        assert box.ask(some) == pytest.approx(model.predict_proba(some), abs=1e-6)


def test_what_is_told_of_server_and_model(grey):
    _, _, client = grey
    assert client.get("/v2").json()["extensions"] == ["binary_tensor_data"]
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/grey/ready", "/health"):
        assert client.get(path).status_code == 200
    about = client.get("/v2/models/grey").json()
    assert client.get("/v2/models/grey/versions/1").json() == about
    assert [one["name"] for one in about["inputs"]] == ["pictures"]
    assert about["parameters"]["classes"] == ["dark", "light"]
    assert client.get("/health").json()["takes"] == ["pictures"]


def a_tensor(**changes):
    return json.dumps({"inputs": [tensor_of(pictures(1)) | changes]}).encode()


REFUSALS = {
    "no picture": ("/predict", b"hello", PNG, "unreadable", "not an image"),
    "half a picture": ("/predict", png(pictures(1)[0])[:60], PNG, "unreadable", "decoded"),
    "nothing": ("/predict", b"", PNG, "unreadable", "empty"),
    "a text": ("/predict", b"hello", {"Content-Type": "text/plain"}, "unreadable", "a picture"),
    "a form": ("/predict", b"x", {"Content-Type": "multipart/form-data"}, "media_type", "curl"),
    "packed": ("/predict", b"x", PNG | {"Content-Encoding": "gzip"}, "media_type", "packed"),
    "no JSON": ("/predict", b"{", {"Content-Type": "application/json"}, "unreadable", "no JSON"),
    "NaN": ("/predict", b'{"row": [NaN]}', {"Content-Type": "application/json"}, "unreadable", ""),
    "a list": ("/predict", b"[]", {"Content-Type": "application/json"}, "unreadable", "object"),
    "deep": ("/predict", b"[" * 60_000, {"Content-Type": "application/json"}, "unreadable", ""),
    "an odd key": (
        "/predict",
        b'{"image": "x"}',
        {"Content-Type": "application/json"},
        "unreadable",
        '"picture"',
    ),
    "no base64": (
        "/predict",
        b'{"picture": "?"}',
        {"Content-Type": "application/json"},
        "unreadable",
        "base64",
    ),
    "too long": ("/predict", b"x" * 70_000, PNG, "too_large", "longer"),
    "another model": ("/v2/models/other/infer", b"{}", {}, "unknown", "'grey'"),
    "another version": ("/v2/models/grey/versions/2/infer", b"{}", {}, "unknown", "version 1"),
    "no inputs": (INFER, b"{}", {}, "unreadable", "inputs"),
    "an odd datatype": (INFER, a_tensor(datatype="FP128"), {}, "unreadable", "UINT8"),
    "a short tensor": (INFER, a_tensor(data=[1, 2]), {}, "unreadable", "fill its shape"),
    "levels beyond 255": (INFER, a_tensor(data=[256] * 64), {}, "unreadable", "UINT8"),
    "words in a tensor": (INFER, a_tensor(data=["a"] * 64), {}, "unreadable", "UINT8"),
    "no pixels": (INFER, a_tensor(shape=[0, 8, 8], data=[]), {}, "unreadable", "shape"),
    "a negative shape": (INFER, a_tensor(shape=[-1, 8, 8]), {}, "unreadable", "lengths"),
    "figures out of range": (
        INFER,
        a_tensor(datatype="FP32", data=[2.0] * 64),
        {},
        "unreadable",
        "[0, 1]",
    ),
    "bytes that are missing": (
        INFER,
        a_tensor(parameters={"binary_data_size": 64}),
        {},
        "unreadable",
        "0 of its 64",
    ),
    "too many": (
        INFER,
        json.dumps({"inputs": [tensor_of(pictures(9))]}).encode(),
        {},
        "too_large",
        "at most 8",
    ),
}


@pytest.fixture(scope="module")
def small():
    """A server that takes little."""
    model, box = fitted()
    limits = ServeLimits(body_bytes=2**16, samples=8, time_s=20)
    with served(model, limits=limits) as client:
        yield box, client


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_read_is_refused_in_words(small, case):
    box, client = small
    path, body, headers, reason, words = REFUSALS[case]
    reply = client.post(path, content=body, headers=headers)
    told = reply.json()
    assert (told["reason"], reply.status_code) == (reason, STATUS[reason])
    assert words in told["error"]
    assert box.asked == 0
    assert client.get("/health").status_code == 200


def test_a_body_without_a_length_is_cut_off_as_well(small):
    _, client = small
    parts = (b"x" * 20_000 for _ in range(9))  # in chunks
    assert client.post("/predict", content=parts, headers=PNG).status_code == 413


def test_routes_that_are_not_there(small):
    _, client = small
    assert client.get("/").json()["reason"] == "unknown"
    wrong = client.get("/predict")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")


ROWS = np.random.default_rng(0).normal(size=(40, 3))


NAMELESS = "ignore:X does not have valid feature names"  # figures come in a list, or in order


@pytest.fixture(scope="module")
def rows():
    """A model of rows that asks nobody, and a client of its server."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(ROWS, columns=["age", "weight", "height"])
    model = rebox.Reprogrammer(recipe="local", random_state=0)
    model.fit(frame, np.where(ROWS[:, 0] > 0, 1, 0))
    with served(model, "rows") as client:
        yield model, frame, client


@pytest.mark.filterwarnings(NAMELESS)
def test_a_row_is_a_list_or_named_figures(rows):
    model, frame, client = rows
    expected = model.predict_proba(frame[:1])[0]
    for row in (ROWS[0].tolist(), dict(zip(frame.columns, ROWS[0].tolist(), strict=True))):
        reply = client.post("/predict", json={"row": row}).json()
        assert list(reply["probabilities"].values()) == pytest.approx(expected)
        assert reply["label"] == str(model.predict(frame[:1])[0])


@pytest.mark.filterwarnings(NAMELESS)
@pytest.mark.parametrize(
    ("row", "words"),
    [
        ([1, 2], "rows of 2 figures; expected 3"),
        ([1, 2, "x"], "no number"),
        ([1, 2, None], "finite"),
        ({"age": 1, "weight": 2}, "'height' is missing"),
        ({"age": 1, "weight": 2, "height": 3, "shoe": 4}, "'shoe' is none"),
        ([[1, 2, 3]], "list of finite figures"),
    ],
)
def test_odd_rows(rows, row, words):
    reply = rows[2].post("/predict", json={"row": row})
    assert reply.status_code == 400
    assert words in reply.json()["error"]


@pytest.mark.filterwarnings(NAMELESS)
def test_rows_by_the_protocol(rows):
    model, frame, client = rows
    tensor = tensor_of(ROWS[:4], "FP64")
    reply = client.post("/v2/models/rows/infer", json={"inputs": [tensor]}).json()
    found = np.reshape(reply["outputs"][0]["data"], (4, 2))
    assert found == pytest.approx(model.predict_proba(frame[:4]))


def test_a_model_that_is_asked_by_ids(tmp_path):
    box = rebox.open_box(recordings.uri(recordings.recording(tmp_path / "answers.npz")))
    known = recordings.answers()
    model = rebox.Reprogrammer(box, "map", budget=len(known["ids"]), random_state=0)
    model.fit(rebox.Samples(ids=known["ids"]), known["truth"])
    name = str(known["ids"][3])
    expected = model.predict_proba(rebox.Samples(ids=[name]))[0]
    with served(model, "ids") as client:
        for reply in (
            client.post("/predict", json={"id": name}),
            client.post("/predict", content=f"{name}\n", headers={"Content-Type": "text/plain"}),
        ):
            assert list(reply.json()["probabilities"].values()) == pytest.approx(expected)
        unknown = client.post("/predict", json={"id": "nobody"})
        assert (unknown.status_code, unknown.json()["reason"]) == (400, "unreadable")


class Letters:
    """A box of texts: how many of the letters are vowels."""

    def __init__(self):
        self.asked = []

    def __call__(self, texts):
        self.asked += texts
        shares = [sum(letter in "aeiou" for letter in text) / len(text) for text in texts]
        return np.array([[share, 1 - share] for share in shares])


@pytest.fixture(scope="module")
def words():
    """A model of texts, and a client of its server."""
    box = Letters()
    own = rebox.FunctionBox(box, takes="texts", classes=2, price_usd=0.001)
    texts = [f"{'aeiou' * (i % 5 + 1)}{'xyz' * (5 - i % 5)} {i}" for i in range(40)]
    model = rebox.Reprogrammer(own, "map", budget=40, random_state=0)
    model.fit(rebox.Samples(texts=texts), ["few" if i % 5 < 2 else "many" for i in range(40)])
    with served(model, "words") as client:
        yield model, box, client


def test_a_text_gets_what_the_model_says_of_it_in_process(words):
    model, box, client = words
    text = "ei, ou — déjà vu"
    expected = model.predict_proba(rebox.Samples(texts=[text]))[0]
    box.asked.clear()
    for sent in (
        {"json": {"text": text}},
        {"content": text.encode(), "headers": {"Content-Type": "text/plain; charset=utf-8"}},
        {
            "content": text.encode(),
            "headers": {"Content-Type": "application/x-www-form-urlencoded"},
        },
    ):
        reply = client.post("/predict", **sent).json()
        assert list(reply["probabilities"].values()) == pytest.approx(expected)
    assert box.asked == [text] * 3
    tensor = {"name": "texts", "datatype": "BYTES", "shape": [2], "data": [text, "xyz"]}
    reply = client.post("/v2/models/words/infer", json={"inputs": [tensor]}).json()
    assert reply["outputs"][0]["data"][:2] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("content", "media_type", "words_of"),
    [
        (b" \n", "text/plain", "empty"),
        (b"\xff\xfe", "text/plain", "UTF-8"),
        (b'{"text": 3}', "application/json", "a JSON number"),
        (b'{"text": "\\ud800"}', "application/json", "half a character"),
        (b'{"id": "a"}', "application/json", "expected a text"),
        (b"\x89PNG", "image/png", "not an image"),
    ],
)
def test_odd_texts(words, content, media_type, words_of):
    reply = words[2].post("/predict", content=content, headers={"Content-Type": media_type})
    assert reply.status_code == 400
    assert words_of in reply.json()["error"]


# -- what a day may cost


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


def ask_all(client, some, threads=8):
    """Return the replies to pictures that several clients send at a time."""
    with ThreadPoolExecutor(threads) as pool:
        send = lambda one: client.post("/predict", content=png(one), headers=PNG)  # noqa: E731
        return list(pool.map(send, some))


@pytest.mark.parametrize(
    "budget", [Budget(queries=7), Budget(usd=0.07), Budget(queries=9, usd=0.07)]
)
def test_a_day_pays_for_its_budget_to_the_last_query_and_for_no_more(journal, budget):
    model, box = fitted()
    with served(model, journal=journal, budget=budget) as client:
        replies = ask_all(client, pictures(20, seed=11))
        codes = [reply.status_code for reply in replies]
        assert (codes.count(200), codes.count(429)) == (7, 13)
        assert box.asked == 7
        refused = next(reply for reply in replies if reply.status_code == 429)
        assert refused.json()["reason"] == "budget_spent"
        assert "7 queries, $0.07" in refused.json()["error"]
        assert 0 < int(refused.headers["retry-after"]) <= 86_400
        health = client.get("/health").json()["day"]
        assert (health["queries"], health["usd"]) == (7, pytest.approx(0.07))
        # what the journal knows costs nothing, also when the day is spent
        known = codes.index(200)
        again = client.post("/predict", content=png(pictures(20, seed=11)[known]), headers=PNG)
        assert again.json() == replies[known].json()
        figures = metrics_of(client)
    assert figures["rebox_day_queries"] == 7
    assert figures["rebox_day_dollars"] == pytest.approx(0.07)
    assert box.asked == 7


def test_a_restart_begins_no_new_budget_and_midnight_does(journal, tmp_path):
    model, box = fitted()
    for seed in (1, 2):
        with served(model, journal=journal, budget=Budget(queries=4)) as client:
            ask_all(client, pictures(6, seed=seed))
    assert box.asked == 4
    (line,) = [one for one in accounts(journal) if "served" in one.name]
    assert (line.billed, line.usd) == (4, pytest.approx(0.04))

    tomorrow = datetime.now(UTC) + timedelta(days=1)
    day = DayAccounts(model.boxes_, "d" * 64, Budget(queries=4), journal, lambda: tomorrow)
    today = DayAccounts(model.boxes_, "d" * 64, Budget(queries=4), journal)
    assert day.name != today.name
    assert day.spent().queries == 0


def test_a_new_day_has_a_new_meter(journal):
    now = datetime(2026, 1, 1, 23, 59, tzinfo=UTC)
    model, _ = fitted()
    day = DayAccounts(model.boxes_, "d" * 64, Budget(queries=1), journal, lambda: now)
    first = day.meter()
    assert day.meter() is first
    assert day.left_s() == 60
    now += timedelta(minutes=1)
    assert day.meter() is not first
    assert day.name.endswith("2026-01-02")


def test_dollars_need_a_price(journal):
    model, _ = fitted(price_usd=None)
    with pytest.raises(InvalidOption, match="price of a query is not known"):
        ModelService(model, budget=Budget(usd=1.0), journal=journal)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"budget": 100}, r"budget= must be a rebox.meter.Budget\(usd=5\), found 100"),
        ({"journal": "day.sqlite"}, r"journal= must be a rebox.meter.Journal\(FILE\), found 'day"),
        ({"budget": Budget(queries=5)}, "is held by a journal"),
        ({"limits": ServeLimits(check_every_s=60)}, "the model has none: fit with canaries=3"),
    ],
)
def test_what_nothing_would_hold_or_show_is_refused(options, words):
    with pytest.raises(InvalidOption, match=words):
        ModelService(fitted()[0], **options)


# -- who waits


def test_what_waits_is_asked_about_together_and_each_gets_its_own():
    model, box = fitted()
    some = pictures(12, seed=3)
    expected = model.predict_proba(some)
    box.asked = box.most = 0
    with served(model) as client:
        replies = held(box, client, some)
    found = [list(reply.json()["probabilities"].values()) for reply in replies]
    assert np.array(found) == pytest.approx(expected)
    assert box.asked == 12
    assert box.most >= 4  # of 12 clients, all but the first waited


def held(box, client, some):
    """Return the replies to pictures that are sent while the box is busy with the first."""
    box.until.clear()
    box.entered.clear()
    with ThreadPoolExecutor(len(some)) as pool:
        send = lambda one: client.post("/predict", content=png(one), headers=PNG)  # noqa: E731
        first = pool.submit(send, some[0])
        assert box.entered.wait(20)
        rest = [pool.submit(send, one) for one in some[1:]]
        wait_for_inside(client, len(some))
        box.until.set()
        return [future.result() for future in (first, *rest)]


def wait_for_inside(client, n):
    for _ in range(2000):
        if metrics_of(client)["rebox_requests_inside"] == n:
            return
    raise AssertionError(f"{n} requests never were inside")


def test_what_several_ask_at_once_is_asked_once():
    model, box = fitted()
    first, same = pictures(2, seed=4)
    with served(model) as client:
        replies = held(box, client, [first, *[same] * 6])
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.text for reply in replies[1:]}) == 1
    assert box.asked == 2


def test_a_full_queue_refuses_and_asks_nothing():
    model, box = fitted()
    limits = ServeLimits(requests=3, time_s=20)
    some = pictures(4, seed=5)
    with served(model, limits=limits) as client:
        box.until.clear()
        box.entered.clear()
        with ThreadPoolExecutor(3) as pool:
            send = lambda one: client.post("/predict", content=png(one), headers=PNG)  # noqa: E731
            inside = [pool.submit(send, one) for one in some[:3]]
            wait_for_inside(client, 3)
            refused = send(some[3])
            box.until.set()
            assert [future.result().status_code for future in inside] == [200] * 3
        assert (refused.status_code, refused.json()["reason"]) == (503, "busy")
        assert refused.headers["retry-after"] == "1"
        assert send(some[3]).status_code == 200
    assert box.asked == 4


def test_memory_that_is_taken_refuses_and_is_given_back():
    model, _ = fitted()
    limits = ServeLimits(memory_bytes=2000, time_s=20)
    one = png(pictures(1)[0])
    with served(model, limits=limits) as client:
        for _ in range(40):
            assert client.post("/predict", content=one, headers=PNG).status_code == 200
        full = client.post("/predict", content=one + b"x" * 2000, headers=PNG)
        assert (full.status_code, full.json()["reason"]) == (503, "busy")
        assert client.post("/predict", content=one, headers=PNG).status_code == 200


def test_who_waits_too_long_is_told_and_asked_for_no_more():
    model, box = fitted()
    first, late = pictures(2, seed=6)
    with served(model, time_s=0.6) as client:
        box.until.clear()
        box.entered.clear()
        with ThreadPoolExecutor(2) as pool:
            send = lambda one: client.post("/predict", content=png(one), headers=PNG)  # noqa: E731
            inside = pool.submit(send, first)
            assert box.entered.wait(20)
            refused = pool.submit(send, late).result()
            assert (refused.status_code, refused.json()["reason"]) == (504, "late")
            assert inside.result().status_code == 504
            box.until.set()
        assert send(first).status_code == 200  # it goes on
    assert box.asked == 2  # of the late one nobody was asked


def test_who_leaves_is_asked_for_no_more():
    import httpx2

    model, box = fitted()
    first, leaving = pictures(2, seed=7)
    with served(model) as client:
        box.until.clear()
        box.entered.clear()
        with ThreadPoolExecutor(1) as pool:
            inside = pool.submit(lambda: client.post("/predict", content=png(first), headers=PNG))
            assert box.entered.wait(20)
            with (
                httpx2.Client(base_url=client.base_url, timeout=0.5, trust_env=False) as other,
                pytest.raises(httpx2.ReadTimeout),
            ):
                other.post("/predict", content=png(leaving), headers=PNG)
            wait_for_inside(client, 1)
            box.until.set()
            assert inside.result().status_code == 200
    assert box.asked == 1


def test_what_is_inside_is_answered_when_the_server_ends():
    model, box = fitted()
    some = pictures(3, seed=8)
    box.until.clear()
    box.entered.clear()
    with ThreadPoolExecutor(3) as pool:
        with served(model) as client:
            url = f"{client.base_url}/predict"
            sent = [pool.submit(post, url, png(one)) for one in some]
            assert box.entered.wait(20)
            wait_for_inside(client, 3)
            threading.Timer(0.5, box.until.set).start()
        assert [future.result().status_code for future in sent] == [200] * 3


def post(url, content):
    import httpx2

    with httpx2.Client(timeout=60, trust_env=False) as client:
        return client.post(url, content=content, headers=PNG)


def waiting(*sizes):
    """Return a backlog of jobs about so many samples each, which nobody waits for."""
    backlog = Backlog()
    for size in sizes:
        backlog.put(Job(Parcel(ids=["a"] * size), answer=None, until_s=0.0))
    return backlog


def sizes_of(jobs):
    return [len(job.parcel) for job in jobs]


def test_what_is_taken_together():
    backlog = waiting(2, 1, 9, 1)
    assert sizes_of(backlog.take(4)) == [2, 1]
    assert sizes_of(backlog.take(4)) == [9]  # more than may go together, and alone
    assert sizes_of(backlog.take(4)) == [1]
    assert backlog.take(4, timeout_s=0.0) == []
    backlog.close()
    assert backlog.take(4) is None


def test_a_crowd_is_waited_for_and_no_longer_than_it_takes():
    backlog = waiting(1)
    begun = time.monotonic()
    assert sizes_of(backlog.take(8, crowd=2, linger_s=0.2)) == [1]
    assert time.monotonic() - begun >= 0.2
    backlog = waiting(1, 1)
    begun = time.monotonic()
    assert sizes_of(backlog.take(8, crowd=2, linger_s=20)) == [1, 1]
    backlog = waiting(1)
    late = Job(Parcel(ids=["b"] * 3), answer=None, until_s=0.0)
    threading.Timer(0.1, backlog.put, [late]).start()
    assert sizes_of(backlog.take(8, crowd=2, linger_s=20)) == [1, 3]
    assert time.monotonic() - begun < 15


# -- when something fails


def test_a_journal_that_is_gone_is_told_of(journal, tmp_path, caplog):
    model, box = fitted()
    one = png(pictures(1, seed=12)[0])
    with served(model, journal=journal, budget=Budget(queries=9)) as client:
        assert client.post("/predict", content=one, headers=PNG).status_code == 200
        for file in tmp_path.glob("journal.sqlite*"):
            file.unlink()
        with caplog.at_level(logging.ERROR):
            other = png(pictures(1, seed=13)[0])
            failed = client.post("/predict", content=other, headers=PNG)
        assert (failed.status_code, failed.json()["reason"]) == (500, "failed")
        assert "journal" in caplog.text
        assert client.get("/metrics").status_code == 200
    assert box.asked == 1  # what cannot be booked is not asked


def test_several_boxes_are_served_and_one_that_fails_is_left_out():
    own = [fitted()[1], fitted()[1]]
    own[1].flipped = True
    boxes = [
        rebox.FunctionBox(
            one, size=(SIDE, SIDE), classes=2, channels=1, identity=name, price_usd=price
        )
        for one, name, price in zip(own, ("cheap", "dear"), (0.001, 0.01), strict=True)
    ]
    model = rebox.Reprogrammer(boxes, budget=80, random_state=0)
    model.fit(*labelled(40))
    some = pictures(6, seed=14)
    expected = model.predict_proba(some)
    with served(model) as client:
        found = [list(one.json()["probabilities"].values()) for one in ask_all(client, some)]
        assert np.array(found) == pytest.approx(expected, abs=1e-6)
        assert re.search('box=".*cheap', client.get("/metrics").text)
        own[1].error = BoxError("gone")
        with pytest.warns(UserWarning, match="goes on without"):
            reply = client.post("/predict", content=png(some[0]), headers=PNG)
        assert reply.status_code == 200


def test_a_box_that_fails_tells_the_client_nothing_of_itself(caplog):
    model, box = fitted()
    one = png(pictures(1)[0])
    box.error = BoxError("the box at https://inside.example/secret failed")
    with served(model) as client, caplog.at_level(logging.ERROR):
        failed = client.post("/predict", content=one, headers=PNG)
        box.error = None
        assert client.post("/predict", content=one, headers=PNG).status_code == 200
        counts = metrics_of(client)
    assert (failed.status_code, failed.json()["reason"]) == (502, "box_failed")
    assert "example" not in failed.text
    assert "inside.example" in caplog.text
    assert counts['rebox_requests_total{route="/predict",status="502"}'] == 1


def test_an_error_that_is_none_of_ours_ends_no_server(caplog, monkeypatch):
    model, _ = fitted()
    one = png(pictures(1)[0])

    def broken(_):
        raise ZeroDivisionError("inside")

    with served(model) as client, caplog.at_level(logging.ERROR):
        with monkeypatch.context() as patch:
            patch.setattr(type(model), "predict_batches", lambda *_: broken(None))
            failed = client.post("/predict", content=one, headers=PNG)
        assert (failed.status_code, failed.json()["reason"]) == (500, "failed")
        assert "ZeroDivisionError" in caplog.text
        assert client.post("/predict", content=one, headers=PNG).status_code == 200


def test_metrics_count_what_was_asked_and_said():
    model, box = fitted()
    some = pictures(5, seed=9)
    with served(model) as client:
        labels = [reply.json()["label"] for reply in ask_all(client, some)]
        client.post("/predict", content=b"?", headers=PNG)
        counts = metrics_of(client)
    assert counts['rebox_requests_total{route="/predict",status="200"}'] == 5
    assert counts['rebox_requests_total{route="/predict",status="400"}'] == 1
    assert counts['rebox_request_seconds_count{route="/predict"}'] == 6
    assert counts["rebox_requests_inside"] == 0
    assert counts["rebox_batch_samples_sum"] == 5
    for label in set(labels):
        assert counts[f'rebox_said_total{{label="{label}"}}'] == labels.count(label)
    (queries,) = [n for name, n in counts.items() if name.startswith("rebox_queries_total")]
    (usd,) = [n for name, n in counts.items() if name.startswith("rebox_dollars_total")]
    assert (queries, usd, box.asked) == (5, pytest.approx(0.05), 5)


def test_a_box_that_has_changed_is_seen(caplog):
    model, box = fitted(canaries=3)
    limits = ServeLimits(time_s=20, check_every_s=3600)
    for flipped in (False, True):
        box.flipped = flipped
        with served(model, limits=limits) as client, caplog.at_level(logging.WARNING):
            for _ in range(500):
                counts = metrics_of(client)
                if 'rebox_drift_checks_total{result="done"}' in counts:
                    break
            (changed,) = [n for name, n in counts.items() if "drift_changed" in name]
            assert changed == flipped
    assert "is not the one that the model was fitted for" in caplog.text
    assert box.asked == 6


# -- what it says of itself


def test_its_description_names_all_that_is_there_and_nothing_else(grey, rows):
    for client in (grey[2], rows[2]):
        told = client.get("/openapi.json").json()
        for path, methods in told["paths"].items():
            assert client.get(path).status_code == (405 if "post" in methods else 200)
        found = set(re.findall(r"#/components/schemas/(\w+)", json.dumps(told)))
        assert found <= {*told["components"]["schemas"]}


def test_every_refusal_is_described():
    undescribed = {STATUS[name] for name in ("unknown", "method", "slow")}  # of any server
    assert {*STATUS.values()} - undescribed == {*REFUSED}


@pytest.mark.parametrize(
    "limits", [{"requests": 0}, {"time_s": 0.0}, {"check_every_s": -1.0}, {"time_s": np.inf}]
)
def test_limits_that_are_none(limits):
    with pytest.raises(InvalidOption, match=next(iter(limits))):
        ServeLimits(**limits)
