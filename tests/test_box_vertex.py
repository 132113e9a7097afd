"""Vertex AI: what is sent, how answers and errors are read, and where tokens come from.

No server is asked, but for the command that prints tokens, which is run.
"""

import copy
import json
import pickle
import shlex
import sys
import threading

import numpy as np
import pytest
from conftest import SECRET
from stub_transport import asked, misread, pictures, refused, says, stubbed

from rebox.box import google, open_box
from rebox.box.google import COMMAND, GoogleKey, Token, TokenStore
from rebox.box.origin import open_foreign
from rebox.box.rehearsal import RehearsalBox
from rebox.box.service import HeaderKey, NoKey, Secret, png_base64, price_of
from rebox.box.service.labels import open_labels
from rebox.box.vertex import KEY, LARGEST
from rebox.errors import BoxError, InvalidOption, KeyRefused, QuotaSpent, ServiceError
from rebox.rehearsal import Limits, Rehearsal
from rebox.rehearsal.fault import RefusedFault, Status

URI = "vertex:my-project/europe-west4/1234567890?classes=a,b,c&size=4"
FAST = "&back_off_s=0.001"
TOKENS = KEY.variables


def predicted(names="bca", scores=(0.7, 0.2, 0.1), **more):
    ids = [str(i) for i in range(len(names))]
    lists = {"ids": ids, "displayNames": list(names), "confidences": list(scores)}
    return {"predictions": [lists], "deployedModelId": "1", "model": "m"} | more


def problem(code, status, message="said", *details):
    return {"error": {"code": code, "message": message, "status": status, "details": details}}


# --- requests and answers -------------------------------------------------------------------


def test_it_is_sent_one_image_and_asked_for_all_classes():
    box = stubbed(URI, says(predicted()))
    scores, requests = asked(box, 2)
    assert len(requests) == 2
    assert requests[0].method == "POST"
    assert requests[0].url == (
        "https://europe-west4-aiplatform.googleapis.com/v1/projects/my-project/locations"
        "/europe-west4/endpoints/1234567890:predict"
    )
    assert requests[0].headers == {"Content-Type": "application/json"}
    sent = [json.loads(request.content) for request in requests]
    texts = {body["instances"][0].pop("content") for body in sent}
    assert sent[0] == {
        "instances": [{}],
        "parameters": {"confidenceThreshold": 0.0, "maxPredictions": 3},
    }
    assert texts == {png_base64(picture) for picture in pictures(box, 2)}
    np.testing.assert_allclose(scores, [[0.1, 0.7, 0.2]] * 2, rtol=1e-6)
    assert (box.key.header, box.key.prefix) == ("Authorization", "Bearer ")
    assert (box.spec.batch_size, box.spec.complete, box.spec.sums_to_one) == (1, True, True)


def test_it_may_be_asked_for_the_best_alone():
    box = stubbed(f"{URI}&top_k=2", says(predicted("bc", (0.7, 0.2))))
    scores, (request,) = asked(box)
    assert json.loads(request.content)["parameters"]["maxPredictions"] == 2
    np.testing.assert_allclose(scores, [[0, 0.7, 0.2]], rtol=1e-6)
    assert not box.spec.complete
    assert box.spec.identity != open_box(URI).spec.identity
    with pytest.raises(InvalidOption, match="1 to 3"):
        open_box(f"{URI}&top_k=4")


def test_one_who_knows_no_names_asks_for_many(monkeypatch):
    with Rehearsal("vertex", RehearsalBox(classes=30, size=8), record=True) as service:
        base = service.uri.partition("&classes=")[0]
        with open_labels(f"{base}&size=8") as box:
            box.ask(box.grey())
            assert len(box.names) == 30


def test_labels_may_be_several():
    box = stubbed(f"{URI}&multilabel=true", says(predicted("abc", (0.9, 0.8, 0.1))))
    np.testing.assert_allclose(asked(box)[0], [[0.9, 0.8, 0.1]], rtol=1e-6)
    assert not box.spec.sums_to_one


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, "one prediction"),
        ([], "one prediction"),
        ({"predictions": []}, "one prediction"),
        ({"predictions": [{}, {}]}, "one prediction"),
        ({"predictions": ["a"]}, "displayNames and confidences"),
        ({"predictions": [{"displayNames": ["a"]}]}, "displayNames and confidences"),
        (predicted("abc", (0.5, 0.5)), "3 names with 2 confidences"),
        (predicted("ab", (0.5, 0.5)), "complete=false"),
        (predicted("abd", (0.5, 0.3, 0.2)), "does not have: list it"),
        (predicted("abc", (0.5, None, 0.2)), "as a score"),
        (b"<html>", "no JSON"),
    ],
)
def test_answers_that_are_none(answer, words):
    assert words in misread(URI, says(answer))


@pytest.mark.parametrize(
    "uri",
    [
        "vertex:?classes=a,b",
        "vertex:p/l?classes=a,b",
        "vertex:p/l/e/f?classes=a,b",
        "vertex:p/evil.example%23/e?classes=a,b",
        "vertex:p/evil.example#/e?classes=a,b",
        "vertex:p/a@evil/e?classes=a,b",
        "vertex:p/l/e:predict?classes=a,b",
        "vertex:p q/l/e?classes=a,b",
    ],
)
def test_a_place_is_a_project_a_region_and_an_endpoint(uri):
    with pytest.raises(InvalidOption, match="expected vertex:PROJECT/LOCATION/ENDPOINT"):
        open_box(uri)


def test_a_request_too_large_is_not_sent():
    box = stubbed(URI.replace("size=4", "size=640"), says(predicted()))
    with box, pytest.raises(ServiceError, match=r"1\.6 MB as PNG in base64.*smaller size"):
        box.ask(pictures(box))
    assert not box.transport.requests
    assert LARGEST == 1_500_000


# --- errors ---------------------------------------------------------------------------------

RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7.500s"}
UNPAID = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "BILLING_DISABLED"}
A_DAY = {"metadata": {"quota_limit": "PredictRequestsPerDayPerProject"}}


@pytest.mark.parametrize(
    ("status", "reply", "error", "words"),
    [
        (400, problem(400, "INVALID_ARGUMENT", "too large"), ServiceError, "400 .too large"),
        (400, problem(400, "FAILED_PRECONDITION", "no deployed model"), ServiceError, "deployed"),
        (401, problem(401, "UNAUTHENTICATED"), KeyRefused, COMMAND),
        (403, problem(403, "PERMISSION_DENIED", "no predict"), KeyRefused, "no predict"),
        (403, problem(403, "PERMISSION_DENIED", "pay", UNPAID), QuotaSpent, "paid for first"),
        (404, problem(404, "NOT_FOUND"), ServiceError, "no such model"),
        (429, problem(429, "RESOURCE_EXHAUSTED", "x", A_DAY), QuotaSpent, "quota is spent"),
        (429, problem(429, "RESOURCE_EXHAUSTED", "Quota per day"), QuotaSpent, "quota is spent"),
        (501, problem(501, "UNIMPLEMENTED"), ServiceError, "501"),
    ],
)
def test_errors_that_end_the_run(status, reply, error, words):
    raised = refused(URI, says(reply, status))
    assert type(raised) is error
    with pytest.raises(error, match=words):
        raise raised


@pytest.mark.parametrize(
    ("status", "code"),
    [(429, "RESOURCE_EXHAUSTED"), (500, "INTERNAL"), (503, "UNAVAILABLE"), (504, "DEADLINE")],
)
def test_errors_that_pass(status, code):
    box = stubbed(URI + FAST, says(problem(status, code), status), says(predicted()))
    assert len(asked(box)[1]) == 2


@pytest.mark.parametrize(
    ("details", "header", "after_s"),
    [([RETRY], {}, 7.5), ([], {"retry_after": "3"}, 3.0), ([{"retryDelay": "soon"}], {}, None)],
)
def test_it_says_how_long_to_wait(details, header, after_s):
    body = problem(429, "RESOURCE_EXHAUSTED", "often", *details)
    fault = stubbed(URI, says({})).refusal(says(body, 429, **header))
    assert (fault.retry, fault.charged, fault.after_s) == (True, False, after_s)


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"error": "x"}', b'{"error": {"details": 1}}']
)
def test_an_error_in_any_other_shape_is_read_by_its_status(body):
    assert isinstance(refused(URI + FAST, says(body, 403)), KeyRefused)
    assert "asked 5 times" in str(refused(URI + FAST, says(body, 429)))


# --- where tokens go, and where they come from ----------------------------------------------


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ("", GoogleKey),
        ("&base_url=https://us-east1-aiplatform.googleapis.com", GoogleKey),
        ("&base_url=https://9.us-east1-7.prediction.vertexai.goog", GoogleKey),
        ("&base_url=http://127.0.0.1:8600", GoogleKey),
        ("&base_url=https://elsewhere.example", NoKey),
        ("&base_url=https://aiplatform.googleapis.com.evil.example", NoKey),
        ("&base_url=https://evilaiplatform.googleapis.com", NoKey),
        ("&base_url=https://elsewhere.example&key_env=THEIRS", HeaderKey),
    ],
)
def test_a_token_goes_to_google_alone(options, key):
    box = open_box(URI + options)
    assert type(box.key) is key
    if key is HeaderKey:  # that variable, and neither a command nor Google's own credentials
        assert box.key.variables == ("THEIRS",)


@pytest.mark.parametrize(
    "option", ["token_command=touch x", "command=touch x", "key_command=touch x"]
)
def test_a_uri_names_no_command(option):
    with pytest.raises(InvalidOption, match="no option"):
        open_box(f"{URI}&{option}")


def test_a_file_leads_to_google_and_nowhere_else():
    strangers = {"whose": "model", "way": "pass it by --box"}
    assert open_foreign(URI, **strangers).spec.usd_per_hour == 1.375
    for uri in (f"{URI}&base_url=https://elsewhere.example", f"{URI}&key_env=AWS_SECRET"):
        with pytest.raises(InvalidOption, match="REBOX_TRUSTED"):
            open_foreign(uri, **strangers)


@pytest.mark.parametrize(("told", "counts"), [("0", 1.375), ("0.01", 1.375), ("9.5", 9.5)])
def test_a_file_lowers_no_price_of_an_hour(told, counts):
    box = open_foreign(f"{URI}&usd_per_hour={told}", whose="model", way="pass it")
    assert box.spec.usd_per_hour == counts


@pytest.fixture
def no_tokens(monkeypatch):
    """Nothing in the environment, and nothing left of earlier tests."""
    for name in (*TOKENS, COMMAND):
        monkeypatch.delenv(name, raising=False)
    KEY.store.forget()
    yield
    KEY.store.forget()


@pytest.fixture
def command(no_tokens, monkeypatch, tmp_path):
    """A command that prints another token each time, and the number of times it was run."""
    script = tmp_path / "token.py"
    script.write_text(
        "import pathlib\n"
        f"runs = pathlib.Path({str(tmp_path / 'runs')!r})\n"
        "n = int(runs.read_text()) + 1 if runs.exists() else 1\n"
        "runs.write_text(str(n))\n"
        "print(f'token-number-{n}')\n"
    )
    monkeypatch.setenv(COMMAND, shlex.join([sys.executable, str(script)]))
    return lambda: int((tmp_path / "runs").read_text()) if (tmp_path / "runs").exists() else 0


@pytest.mark.parametrize("variable", TOKENS)
def test_a_variable_goes_before_the_command(command, monkeypatch, variable):
    monkeypatch.setenv(variable, SECRET)
    assert KEY.secret().reveal() == SECRET
    assert not KEY.renewable
    assert command() == 0


def test_a_command_is_run_once_for_many_threads_and_boxes(command):
    keys = [open_box(URI).key for _ in range(4)]
    found = []
    threads = [threading.Thread(target=lambda k=key: found.append(k.secret())) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {secret.reveal() for secret in found} == {"token-number-1"}
    assert command() == 1


def test_a_token_is_had_anew_before_it_expires(command, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(google.time, "time", lambda: now[0])
    assert KEY.secret().reveal() == "token-number-1"
    now[0] += google.KEPT_S - 1
    assert KEY.secret().reveal() == "token-number-1"
    now[0] += 1
    assert KEY.secret().reveal() == "token-number-2"


def test_a_refused_token_is_had_anew_once(command):
    box = RehearsalBox(classes=3, size=8)
    faults = [None, RefusedFault("expired_key"), None]
    with (
        Rehearsal("vertex", box, faults=faults, record=True, limits=Limits()) as service,
        open_box(f"{service.uri}&size=8&in_flight=1{FAST}") as asked_box,
    ):
        asked_box.ask(pictures(asked_box, 3))
        sent = [request.header("Authorization") for request in service.requests]
    assert sent == [f"Bearer token-number-{n}" for n in (1, 1, 2, 2)]


def test_a_second_refusal_ends_the_run(command):
    with (
        Rehearsal("vertex", RehearsalBox(classes=3, size=8), key="another") as service,
        open_box(f"{service.uri}&size=8&in_flight=1{FAST}") as box,
        pytest.raises(KeyRefused, match=r"401.*asked 2 times"),
    ):
        box.ask(pictures(box))
    assert service.bill.requests == 2
    assert service.bill.queries == 0


def test_what_another_thread_has_renewed_is_not_forgotten():
    store, ends = TokenStore(), 10.0**12
    old, new = Secret("old"), Secret("new")
    assert store.current(lambda: Token(old, ends)) is old
    store.forget(old)
    assert store.current(lambda: Token(new, ends)) is new
    store.forget(old)  # a thread that was refused with the old one, too, but later
    assert store.current(lambda: Token(old, ends)) is new


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["-c", "raise SystemExit('not logged in')"], "exit code 1: not logged in"),
        (["-c", "pass"], "it printed nothing"),
        (["-c", r"print('two\nlines')"], "cannot be sent in a header"),
    ],
)
def test_a_command_that_gives_no_token(no_tokens, monkeypatch, words, found):
    monkeypatch.setenv(COMMAND, shlex.join([sys.executable, *words]))
    with open_box(URI) as box, pytest.raises(KeyRefused, match=found):
        box.ask(pictures(box))


@pytest.mark.parametrize("command_line", ["/no/such/program", '"unclosed'])
def test_a_command_that_cannot_be_run(no_tokens, monkeypatch, command_line):
    monkeypatch.setenv(COMMAND, command_line)
    with pytest.raises(KeyRefused, match="cannot be run"):
        KEY.secret()


def test_no_shell_reads_the_command(no_tokens, monkeypatch, tmp_path):
    made = tmp_path / "made"
    print_it = shlex.join([sys.executable, "-c", "import sys; print(len(sys.argv))"])
    monkeypatch.setenv(COMMAND, f"{print_it} ; touch {made}")
    assert KEY.secret().reveal() == "4"
    assert not made.exists()


def test_a_command_that_takes_too_long(no_tokens, monkeypatch):
    monkeypatch.setattr(google, "COMMAND_S", 0.2)
    monkeypatch.setenv(COMMAND, shlex.join([sys.executable, "-c", "import time; time.sleep(9)"]))
    with pytest.raises(KeyRefused, match="longer than"):
        KEY.secret()


def test_without_any_token_it_says_the_ways(no_tokens, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.auth", None)
    with open_box(URI) as box, pytest.raises(KeyRefused) as caught:
        box.ask(pictures(box))
    for word in (TOKENS[0], COMMAND, "Application Default Credentials", "rebox[google]"):
        assert word in str(caught.value)


def test_a_token_is_in_no_copy(command):
    box = open_box(URI)
    secret = box.key.secret().reveal()
    copied = copy.deepcopy(box)
    said = f"{box!r} {vars(box)} {copied.key!r} {box.key.store!r}"
    assert secret not in said
    assert secret.encode() not in pickle.dumps(box)
    assert copied.key == box.key
    assert copied.key.secret().reveal() == "token-number-2"


def test_an_error_does_not_tell_a_token_of_the_command(command):
    def quoting(k):
        return Status(400, body=f"the header said Bearer token-number-{k} and no more".encode())

    with (
        Rehearsal("vertex", RehearsalBox(classes=3, size=8), faults=quoting) as service,
        open_box(f"{service.uri}&size=8") as box,
        pytest.raises(BoxError) as caught,
    ):
        box.ask(pictures(box))
    assert "token-number" not in str(caught.value)


def test_its_price_is_that_of_an_hour():
    known = price_of("vertex:p/l/e")
    assert (known.usd, known.per) == (1.375, "hour")
    assert "cloud.google.com" in known.source
    spec = open_box(URI).spec
    assert (spec.price_usd, spec.usd_per_hour) == (0.0, 1.375)
    assert open_box(f"{URI}&usd_per_hour=2.75").spec.usd_per_hour == 2.75
