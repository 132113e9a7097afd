"""What is sent and what comes back: keys that are shown nowhere, replies that may hold anything."""

import contextlib
import copy
import json
import pickle
import re
import select
import socket
import ssl
import sys
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import keyring
import numpy as np
import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st
from keyring.errors import KeyringError, KeyringLocked

from rebox.box import open_box
from rebox.box.rehearsal import RehearsalBox
from rebox.box.service import Reply
from rebox.box.service.fault import Failure, Refusal
from rebox.box.service.key import HeaderKey, NoKey
from rebox.box.service.message import LONGEST_WAIT_S, Request, message_in
from rebox.box.service.secret import Secret, quoted
from rebox.box.service.terms import Terms
from rebox.box.service.transport import IDLE_S, HttpTransport, host_of, is_here
from rebox.errors import InvalidAnswer, InvalidOption, KeyRefused, QuotaSpent
from rebox.rehearsal import Rehearsal

KEY = 'quite/a "hushed"+key=='
VARIABLES = ("REBOX_TEST_KEY", "REBOX_TEST_KEY_2")
HEADER_KEY = HeaderKey(service="test", variables=VARIABLES, prefix="Key ")


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch):
    """No key but those that a test puts there."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(keyring, "get_password", lambda *_: None)


# --- where keys come from -------------------------------------------------------------------------


def revealed(key):
    secret = key.secret()
    return None if secret is None else secret.reveal()


def test_the_first_variable_that_is_set_counts(monkeypatch):
    monkeypatch.setenv(VARIABLES[1], "second")
    assert revealed(HEADER_KEY) == "second"
    monkeypatch.setenv(VARIABLES[0], "   ")  # as good as not set
    assert revealed(HEADER_KEY) == "second"
    monkeypatch.setenv(VARIABLES[0], " first\n")  # as files and shells leave them
    assert revealed(HEADER_KEY) == "first"


def test_the_keyring_is_asked_after_the_environment(monkeypatch):
    asked = []

    def get_password(*names):
        asked.append(names)
        return f"{KEY}\n"

    monkeypatch.setattr(keyring, "get_password", get_password)
    assert revealed(HEADER_KEY) == KEY
    assert asked == [("rebox", "test")]
    monkeypatch.setenv(VARIABLES[0], "mine")
    assert revealed(HEADER_KEY) == "mine"
    assert len(asked) == 1


@pytest.mark.parametrize("error", [KeyringError("no backend"), KeyringLocked("locked")])
def test_a_keyring_that_cannot_be_read_is_as_good_as_none(monkeypatch, error):
    def get_password(*_):
        raise error

    monkeypatch.setattr(keyring, "get_password", get_password)
    check_none()


def test_keyring_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)  # its import fails
    check_none()


def test_a_missing_key_is_told_with_the_ways_to_set_it():
    check_none()


def check_none():
    with pytest.raises(KeyRefused) as caught:
        HEADER_KEY.secret()
    assert VARIABLES[0] in str(caught.value)
    assert "keyring set rebox test" in str(caught.value)
    assert HeaderKey(service="test", variables=VARIABLES, required=False).secret() is None
    assert NoKey().secret() is None


def test_a_uri_may_name_another_variable(monkeypatch):
    uri = "clarifai:moderation-recognition?key_env=REBOX_TEST_KEY_2"
    monkeypatch.setenv(VARIABLES[0], "not this one")
    with open_box(uri) as box, pytest.raises(KeyRefused, match="REBOX_TEST_KEY_2"):
        box.ask(np.zeros((1, *box.spec.shape), dtype=box.spec.pixels))
    monkeypatch.setenv(VARIABLES[1], KEY)
    with open_box(uri) as box:
        sent = box.key.put(Request(url="u"), box.key.secret())
    assert dict(sent.headers) == {"Authorization": f"Key {KEY}"}


def test_the_header_is_the_services_own():
    key = HeaderKey(service="azure", variables=("A",), header="Prediction-Key", prefix="")
    assert dict(key.put(Request(url="u"), Secret(KEY)).headers) == {"Prediction-Key": KEY}


# --- where keys do not go -------------------------------------------------------------------------


def test_a_secret_shows_itself_nowhere():
    secret = Secret(KEY)
    shown = f"{secret} {secret!r} {secret!s} {[secret]} {(secret,)} {vars(HEADER_KEY)}"
    assert KEY not in shown
    assert not hasattr(secret, "__dict__")
    for write in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled or copied"):
            write(secret)


FORMS = {
    "as it is": KEY.replace('"', "'"),
    "in JSON": json.dumps(KEY)[1:-1],
    "in JSON by PHP": json.dumps(KEY)[1:-1].replace("/", "\\/"),
    "in an address": "quite%2Fa%20%22hushed%22%2Bkey%3D%3D",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_masked_however_it_is_written(form):
    written = FORMS[form]
    secret = Secret(written if form == "as it is" else KEY)
    assert secret.masked(f"<{written}>") == "<***>"
    assert Secret("").masked("all of it") == "all of it"


class Echo(ThreadingHTTPServer):
    """Answers what it is told to, and keeps what it is sent."""

    daemon_threads = True

    def __init__(self):
        self.status, self.headers, self.body, self.requests = 200, {}, b"{}", []
        self.callers = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/there"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(dict(self.headers))
        self.server.callers.append(self.client_address)
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_):
        pass


@pytest.fixture
def echo():
    with Echo() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def transport():
    sender = HttpTransport(Terms(timeout_s=60))
    yield sender
    sender.close()


def request(url):
    return Request(url=url, content=b"an image", headers={"Content-Type": "image/png"})


@pytest.mark.parametrize(("idle_s", "connections"), [(60.0, 1), (0.05, 2)])
def test_an_idle_connection_is_given_up_before_the_server_does(
    echo, monkeypatch, idle_s, connections
):
    """A question on a connection that the server is closing is lost, and counts as billed."""
    assert 0 < IDLE_S < 5  # as long as uvicorn waits, and behind it MLflow
    monkeypatch.setattr("rebox.box.service.transport.IDLE_S", idle_s)
    sender = HttpTransport(Terms(timeout_s=60))
    for _ in range(2):
        sender.send(request(echo.url), NoKey(), Terms())
        time.sleep(0.3)
    sender.close()
    assert len(set(echo.callers)) == connections


# --- one deadline for the whole exchange ----------------------------------------------------------


class Dripping:
    """A server that answers a piece at a time, until it is hung up on or has sent them all."""

    def __init__(self, head=b"", piece=b"", tail=b"", *, first=b"", tls=None):
        self.head, self.piece, self.tail = head, piece, tail
        self.first, self.tls = first, tls
        self.dripped, self.ended = 0, threading.Event()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._thread.join(60)
        self._socket.close()

    @property
    def url(self):
        port = self._socket.getsockname()[1]
        return f"http{'s' if self.tls else ''}://127.0.0.1:{port}/there"

    def _serve(self):
        plain, _ = self._socket.accept()
        line = plain if self.tls is None else self.tls.wrap_socket(plain, server_side=True)
        with line, contextlib.suppress(OSError):
            if self.first:  # a whole answer, so that the connection is used again
                self._hear(line)
                line.sendall(self.first)
            self._hear(line)
            line.sendall(self.head)
            while self.dripped < PIECES and not self._left(line):
                line.sendall(self.piece)
                self.dripped += 1
            if self.dripped == PIECES:
                line.sendall(self.tail)
        self.ended.set()

    @staticmethod
    def _hear(line):
        heard = b""
        while not heard.endswith(b"an image"):
            heard += line.recv(1000)

    @staticmethod
    def _left(line):
        """Wait for a moment; return whether the client has hung up."""
        ready, _, _ = select.select([line], [], [], PAUSE_S)
        return bool(ready) and line.recv(1) == b""


PIECES, PAUSE_S = 400, 0.02
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
END = b"\r\nContent-Length: 0\r\n\r\n"
DRIPS = {
    "headers": {"head": b"HTTP/1.1 200 OK\r\nX: ", "piece": b"x", "tail": END},
    "headers, on a connection that was used before": {
        "head": b"HTTP/1.1 200 OK\r\nX: ", "piece": b"x", "tail": END, "first": WHOLE,
    },
    "the status line": {"head": b"HTTP/1.1 200 O", "piece": b"K", "tail": END},
    "early hints": {
        "piece": b"HTTP/1.1 103 Early Hints\r\n\r\n", "tail": WHOLE,
    },
    "a body": {
        "head": b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n", "piece": b"x",
    },
    "a body in chunks": {
        "head": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "piece": b"1\r\nx\r\n", "tail": b"0\r\n\r\n",
    },
}  # fmt: skip


@pytest.mark.parametrize("drip", DRIPS)
def test_an_answer_that_drips_ends_at_the_timeout(drip):
    """No pause is as long as the timeout: all of them together are. A real socket drips."""
    terms = Terms(timeout_s=0.3)
    with Dripping(**DRIPS[drip]) as server:
        sender = HttpTransport(terms)
        if server.first:
            assert sender.send(request(server.url), NoKey(), terms).content == b"{}"
        with pytest.raises(Refusal, match=r"did not answer in full within 0\.3 s") as caught:
            sender.send(request(server.url), NoKey(), terms)
        sender.close()
        assert server.ended.wait(60)
    assert server.dripped < PIECES  # it was hung up on
    fault = caught.value.fault
    assert (fault.retry, fault.charged, fault.attempts) == (True, True, 2)


def test_headers_that_drip_end_at_the_timeout_behind_tls_too(tmp_path):
    authority, pem = trustme.CA(), tmp_path / "authority.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(pem)
    terms = Terms(timeout_s=1.0)
    with Dripping(**DRIPS["headers"], tls=context) as server:
        sender = HttpTransport(terms, str(pem))
        with pytest.raises(Refusal, match="did not answer in full"):
            sender.send(request(server.url), NoKey(), terms)
        sender.close()
    assert server.dripped < PIECES


class Sipping(Dripping):
    """A server that takes a question slowly; no pause is as long as the timeout."""

    def _serve(self):
        line, _ = self._socket.accept()
        with line, contextlib.suppress(OSError):
            while self.dripped < PIECES and line.recv(SIP):
                self.dripped += 1
                time.sleep(PAUSE_S)
            line.sendall(WHOLE)


SIP = 100_000


def test_a_server_that_sips_at_the_question_is_left_at_the_timeout():
    terms = Terms(timeout_s=0.3)
    with Sipping() as server:
        large = Request(url=server.url, content=bytes(PIECES * SIP))
        sender = HttpTransport(terms)
        with pytest.raises(Refusal, match="did not answer in full") as caught:
            sender.send(large, NoKey(), terms)
        sender.close()
    assert server.dripped < PIECES
    assert caught.value.fault.charged


def test_a_question_begins_its_own_deadline(echo):
    """A connection that one question has opened serves a later one for as long again."""
    terms = Terms(timeout_s=1.0)
    sender = HttpTransport(terms)
    for _ in range(3):
        sender.send(request(echo.url), NoKey(), terms)
        time.sleep(0.5)
    sender.close()
    assert len(echo.requests) == 3


@pytest.mark.parametrize("form", [form for form in FORMS if form != "as it is"])
def test_a_key_that_the_service_quotes_is_masked(echo, transport, monkeypatch, form):
    monkeypatch.setenv(VARIABLES[0], KEY)
    echo.status, echo.headers = 403, {"X-Said": KEY, "Location": f"/{FORMS[form]}"}
    echo.body = f'{{"message": "no such key {FORMS[form]}!"}}'.encode()
    reply = transport.send(request(echo.url), HEADER_KEY, Terms())
    assert echo.requests[0]["Authorization"] == f"Key {KEY}"  # it was sent as it is
    assert "hushed" not in f"{reply}"
    words = Secret(KEY).masked(reply.fault().words)  # as `Service.exchange` does
    assert words.startswith("the service answered 403 (no such key ***!)")
    assert "hushed" not in f"{vars(transport)}"


def test_an_answer_is_left_as_it_is(echo, transport, monkeypatch):
    monkeypatch.setenv(VARIABLES[0], "x")  # a rehearsal takes any key, short ones too
    echo.body = json.dumps({"explicit": 0.5, "sexy": 0.5}).encode()
    reply = transport.send(request(echo.url), HEADER_KEY, Terms())
    assert reply.json() == {"explicit": 0.5, "sexy": 0.5}


@pytest.mark.parametrize("key", ["secret\nkey", "secret\tkey", "sécret-key", "ключ"])
def test_a_key_that_cannot_be_sent_is_not_quoted(echo, transport, monkeypatch, key):
    monkeypatch.setenv(VARIABLES[0], key)  # a header holds visible ASCII alone
    with pytest.raises(Refusal) as caught:
        transport.send(request(echo.url), HEADER_KEY, Terms())
    assert not caught.value.fault.charged
    assert not caught.value.fault.retry
    told = "".join(traceback.format_exception(caught.value))
    assert key not in told
    assert repr(key)[1:-1] not in told
    assert echo.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://rebox.invalid/predict",
        "http://localhost.rebox.invalid/predict",
        "http://127.0.0.1.rebox.invalid/predict",
        "http://user@rebox.invalid:80/127.0.0.1",
    ],
)
def test_a_key_is_not_sent_in_the_clear(transport, monkeypatch, url):
    monkeypatch.setenv(VARIABLES[0], KEY)
    with pytest.raises(Refusal) as caught:
        transport.send(request(url), HEADER_KEY, Terms())
    fault = caught.value.fault
    assert "in the clear" in fault.words
    assert (fault.charged, fault.retry, fault.error) == (False, False, KeyRefused)
    with pytest.raises(Refusal) as caught:  # without a key it may be asked, were it there
        transport.send(request(url), NoKey(), Terms())
    assert "could not be reached" in caught.value.fault.words


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:80/", True),
        ("http://localhost/", True),
        ("http://[::1]:8000/", True),
        ("https://localhost.example.com/", False),
        ("http://192.168.0.1/", False),
        ("http://example.com/127.0.0.1", False),
    ],
)
def test_which_addresses_are_on_this_machine(url, here):
    assert is_here(url) is here


def test_a_key_is_looked_up_once_until_the_box_is_closed(echo, transport, monkeypatch):
    monkeypatch.setenv(VARIABLES[0], "first")
    transport.send(request(echo.url), HEADER_KEY, Terms())
    monkeypatch.setenv(VARIABLES[0], "second")
    transport.send(request(echo.url), HEADER_KEY, Terms())
    again = HttpTransport(Terms())
    again.send(request(echo.url), HEADER_KEY, Terms())
    again.close()
    sent = [headers["Authorization"] for headers in echo.requests]
    assert sent == ["Key first", "Key first", "Key second"]


def test_a_service_that_is_open_is_pickled_without_its_key(monkeypatch):
    monkeypatch.setenv(VARIABLES[0], KEY)
    box = RehearsalBox(classes=3, size=8, pixels="uint8")
    with (
        Rehearsal("clarifai", box, key=KEY) as service,
        open_box(f"{service.uri}&size=8&key_env={VARIABLES[0]}") as asked,
    ):
        asked.ask(np.zeros((1, 8, 8, 3), dtype=np.uint8))
        written = pickle.dumps(asked)
        assert b"hushed" not in written
        assert "hushed" not in f"{asked!r} {vars(asked)}"
        with pickle.loads(written) as other:  # noqa: S301 - our own
            other.ask(np.zeros((1, 8, 8, 3), dtype=np.uint8))


@pytest.mark.parametrize(
    "url", ["https://user:secret@host/x", "https://secret@host/x", "//user:secret@host/x"]
)
def test_a_password_in_an_address_is_refused_and_not_quoted(url):
    with pytest.raises(InvalidOption, match="leave keys and passwords out") as caught:
        host_of(url)
    assert "secret" not in str(caught.value)


# --- what came back -------------------------------------------------------------------------------


def reply(status=200, content=b"", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, headers=named, content=content)


AGAIN = {408, 425, 429, 500, 502, 503, 504}
UNBILLED = {503}


@pytest.mark.parametrize("status", range(200, 600))
def test_what_a_status_means(status):
    fault = reply(status, retry_after="7").fault()
    if status < 300:
        assert fault is None
        return
    assert fault.retry is (status in AGAIN)
    assert fault.after_s == (7 if status in AGAIN else None)
    assert fault.charged is (status >= 500 and status not in UNBILLED)
    assert fault.error in (KeyRefused, QuotaSpent) or status not in (401, 402, 403)
    assert str(status) in fault.words
    assert fault.words[-1] != "."


DATE = "Tue, 24 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "0"}, 0),
        ({"retry_after": " 1.5 "}, 1.5),
        ({"retry_after": "-3"}, 0),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "inf"}, LONGEST_WAIT_S),
        ({"retry_after": "1" * 400}, LONGEST_WAIT_S),
        ({"retry_after": "Fri, 31 Dec 9999 23:59:59 GMT"}, LONGEST_WAIT_S),
        ({"retry_after": "Mon, 99999999999999999999 Jan 1 GMT"}, None),
        ({"retry_after": "Mon, 01 Jan 0001 00:00:00 +2359"}, 0),
        ({"retry_after": "soon"}, None),
        ({"retry_after": ""}, None),
        ({}, None),
        ({"retry_after": DATE, "date": "Tue, 24 Nov 2026 09:59:30 GMT"}, 30),  # whatever ours says
        ({"retry_after": DATE, "date": "Tue, 24 Nov 2026 10:59:30 GMT"}, 0),
        ({"retry_after": DATE, "date": "yesterday"}, None),
        ({"retry_after": "Tue, 24 Nov 1026 10:00:00 GMT"}, 0),
    ],
    ids=str,
)
def test_retry_after(headers, seconds):
    assert reply(429, **headers).retry_after_s == seconds


@settings(max_examples=200, deadline=None)
@given(text=st.text(st.characters(codec="latin-1"), max_size=40), date=st.text(max_size=20))
def test_no_header_is_too_odd(text, date):
    seconds = reply(429, retry_after=text, date=date).retry_after_s
    assert seconds is None or seconds >= 0


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "status", "message", "detail", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(value=JSON)
def test_any_message_is_one_short_line(value):
    said = reply(500, json.dumps(value).encode()).said
    assert len(said) <= 160
    assert said == " ".join(said.split())


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"error": {"code": "x", "message": "no such\n model"}}, "no such model"),
        ({"status": "error", "message": "too small"}, "too small"),
        ({"error": True, "errorMessage": "too small"}, "too small"),
        ({"success": False, "Errors": ["too small"]}, "['too small']"),
        ({"error": "", "reason": {"msg": "too small"}}, "too small"),
        ({"status": {"code": 11009, "description": "Invalid API key"}}, "Invalid API key"),
        ({"error": "loading", "estimated_time": 20}, "loading"),
        ({"detail": [{"loc": 1}]}, "[{'loc': 1}]"),
        ({"code": 1}, ""),
        ({"error": False, "count": 3}, ""),
        (["error"], "error"),
        ("error", "error"),
    ],
)
def test_where_messages_are_found(value, said):
    assert reply(200, json.dumps(value).encode()).said == said


DEEP = b'{"error":' * 100_000


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b"\xff\xfe\x00", b"[" * 100_000, DEEP, b'{"a": 1'],
    ids=["nothing", "a page", "bytes", "a deep list", "a deep object", "half"],
)
def test_what_is_no_json_is_billed_and_asked_once_more(content):
    with pytest.raises(Refusal) as caught:
        reply(200, content, content_type="text/html").json()
    fault = caught.value.fault
    assert (fault.charged, fault.retry, fault.attempts) == (True, True, 2)
    assert fault.error is InvalidAnswer
    assert "text/html" in fault.words
    assert message_in(content) == ""
    assert isinstance(reply(500, content).fault(), Failure)


def test_an_object_that_names_something_twice_is_not_read():
    with pytest.raises(Refusal, match="'cat' twice"):
        reply(200, b'{"x": [{"cat": 0.1, "dog": 0.2, "cat": 0.7}]}').json()


def test_requests_and_replies_do_not_show_what_they_carry():
    shown = f"{Request(url='https://host', content=b'pixels')} {reply(200, b'pixels')}"
    assert "pixels" not in shown


# --- keys are masked before a sentence is cut -----------------------------------------------------

LONG_KEY = "q7Zp" * 11  # 44 characters
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4ifQ.dozjgNryP4J3jVmNHl0w5N"
TOKENS = [
    JWT,
    JWT[:60],
    "f3a9c1e5b7d2048691acde35f7b80246",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AKIAIOSFODNN7EXAMPLE",
    "hf_aBcDeFgH1jKlMnOpQrStUvWxYz012345",
]
WORDS = [
    "models/resnet50/versions/1/infer does not exist",
    "InvalidParameterValueException: ImageTooSmallForThisModel",
    "the model efficientnet-b0-imagenet-224-finetuned is being loaded, please be patient",
    "a-very-long-name-of-a-model-that-nobody-would-take-for-a-key",
]


def shown(text, at):
    """Return what is shown of a key that stands at any place of a message."""
    body = json.dumps({"error": f"{'.' * at} {text} {'-' * 300}"}).encode()
    return Reply(status=500, headers={}, content=body, secret=Secret(LONG_KEY)).fault().words


@pytest.mark.parametrize("text", [LONG_KEY, LONG_KEY[:40], LONG_KEY[5:], *TOKENS])
@pytest.mark.parametrize("at", range(0, 170, 7))
def test_no_piece_of_a_key_is_left_where_a_message_is_cut(text, at):
    words = shown(text, at)
    assert not any(text[i : i + 8] in words for i in range(len(text) - 7))
    assert len(words) < 250


@pytest.mark.parametrize("words", WORDS)
def test_words_are_no_keys(words):
    assert quoted(words) == words


def test_advice_at_the_end_survives_a_long_message():
    assert quoted(f"{'too long ' * 100}: pass complete=false", limit=100).endswith("complete=false")
    assert len(quoted("too long " * 100, limit=100)) == 100


def test_no_control_character_is_quoted():
    assert quoted("a\x1b[31mred\x07\u202egnp\nb\x9b2J") == "a [31mred gnp b 2J"


@pytest.mark.parametrize(
    "where", ["http://[", "//[::1", "http://a b/", "\x1b]0;x", "http://u:p@h/x?t=1"]
)
def test_no_address_is_too_odd_to_be_sent_to(where):
    words = reply(302, location=where).fault().words
    assert not any(hidden in words for hidden in ("\x1b", "u:p", "t=1"))


# --- two replies to one request -------------------------------------------------------------------


def said(body, *, chunked=False):
    if chunked:
        framing, body = b"Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    else:
        framing = b"Content-Length: %d" % len(body)
    return b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n" + body


class Chatty:
    """A server that says to the first request what it is told to, and to others 'right'."""

    def __init__(self, *pieces):
        self.pieces, self.connections = pieces, 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                line, _ = self._socket.accept()
                self.connections += 1
                with line:
                    while self._asked(line):
                        pieces, self.pieces = self.pieces, ()
                        for piece in pieces or (said(b"right"),):
                            line.sendall(piece)
                            time.sleep(0.02)

    @staticmethod
    def _asked(line):
        heard = b""
        while b"an image" not in heard:
            piece = line.recv(65536)
            if not piece:
                return False
            heard += piece
        return True

    def close(self):
        self._socket.close()


DOUBLED = {
    "at once": [said(b"one") + said(b"two")],
    "chunked": [said(b"one", chunked=True) + said(b"two", chunked=True)],
    "half a second one": [said(b"one") + b"HTTP/1.1 200 OK\r\nContent-Le"],
    "a line": [said(b"one") + b"\r\n"],
    "more than it says": [said(b"one") + b"and more"],
}


@pytest.mark.parametrize("pieces", DOUBLED.values(), ids=list(DOUBLED))
def test_of_two_replies_to_one_request_none_is_the_answer(transport, pieces):
    server = Chatty(*pieces)
    with pytest.raises(Refusal, match="more than one reply") as caught:
        transport.send(request(server.url), NoKey(), Terms())
    assert (caught.value.fault.retry, caught.value.fault.charged) == (True, True)
    for _ in range(3):
        assert transport.send(request(server.url), NoKey(), Terms()).content == b"right"
    assert server.connections == 2
    server.close()


@pytest.mark.parametrize(
    "pieces",
    [
        [said(b"one")],
        [said(b"one", chunked=True)],
        [b"HTTP/1.1 100 Continue\r\n\r\n", said(b"one")],
        [said(b"one")[:-3], b"o", b"ne"],
    ],
    ids=["whole", "chunked", "after an interim one", "in pieces"],
)
def test_one_reply_is_the_answer_and_its_connection_is_used_again(transport, pieces):
    server = Chatty(*pieces)
    answers = [transport.send(request(server.url), NoKey(), Terms()).content for _ in range(3)]
    assert answers[1:] == [b"right", b"right"]
    assert server.connections <= 2  # what comes late is never read
    server.close()


# --- the environment's proxies and certificates ---------------------------------------------------

UNUSABLE = {
    ("ALL_PROXY", "socks://127.0.0.1:7890"): "expected http://HOST:PORT or socks5://",
    ("HTTPS_PROXY", "http://proxy:port"): "mend it, or unset it",
    ("https_proxy", "ftp://proxy"): "Unknown scheme",
    ("SSL_CERT_FILE", "/nowhere.pem"): "expected certificates that can be read",
}


@pytest.mark.parametrize(("name", "text"), UNUSABLE)
def test_a_proxy_that_cannot_be_used_is_named_before_anything_is_reserved(
    monkeypatch, echo, name, text
):
    for known in ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        for spelled in (known, known.lower()):
            monkeypatch.delenv(spelled, raising=False)
    monkeypatch.setenv(name, text)
    options = "classes=a,b&size=4&price_usd=0&attempts=1"
    with open_box(f"http:https://elsewhere.example/x?{options}") as box:
        picture = np.zeros((1, 4, 4, 3), np.uint8)
        reserved = []
        with pytest.raises(InvalidOption, match=re.escape(UNUSABLE[name, text])) as caught:
            box.ask(picture, reserved.append)
        assert f"the environment has {name}={text}" in str(caught.value)
        assert reserved == []
    echo.body = b'{"a": 0.5, "b": 0.5}'
    with open_box(f"http:{echo.url}?{options}") as box:  # nobody looks at proxies here
        assert box.ask(picture).tolist() == [[0.5, 0.5]]


def test_a_missing_key_is_noticed_before_anything_is_reserved():
    reserved = []
    with (
        open_box(f"clarifai:nsfw-recognition?size=4&key_env={VARIABLES[0]}") as box,
        pytest.raises(KeyRefused, match=VARIABLES[0]),
    ):
        box.ask(np.zeros((1, 4, 4, 3), np.uint8), reserved.append)
    assert reserved == []


def test_no_password_of_a_proxy_is_shown(monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://me:hushed@proxy:port")
    sender = HttpTransport(Terms())
    with pytest.raises(InvalidOption) as caught:
        sender.client("https://elsewhere.example")
    assert "hushed" not in str(caught.value)


@pytest.mark.slow
def test_threads_that_share_connections_get_their_own_replies(echo):
    """What is looked at behind a reply is looked at before another thread may use the line."""
    sender = HttpTransport(Terms(timeout_s=60, in_flight=2))
    faults = []

    def ask():
        for _ in range(60):
            try:
                sender.send(request(echo.url), NoKey(), Terms())
            except Refusal as refusal:
                faults.append(refusal.fault.words)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sender.close()
    assert faults == []
    assert len(echo.requests) == 360
