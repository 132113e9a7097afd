"""The key is nowhere: not in files, logs, errors, models or journals; and the scan would find it.

The scan itself is in conftest.py and covers the whole suite. The services are rehearsals.
"""

import base64
import copy
import json
import logging
import pickle
import tempfile
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from conftest import SECRET, files_with_key

from rebox import Reprogrammer
from rebox.box import open_box
from rebox.box.rehearsal import RehearsalBox
from rebox.box.service.secret import Secret, quoted
from rebox.errors import Error
from rebox.rehearsal import Rehearsal
from rebox.rehearsal.fault import RefusedFault, Status

X = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
Y = np.arange(24) % 2
SERVICES = ("clarifai", "azure-custom-vision", "huggingface")


def test_the_scan_finds_a_key():
    with tempfile.TemporaryDirectory() as folder:  # not where the suite's own scan looks
        Path(folder, "deep").mkdir()
        Path(folder, "deep", "journal.sqlite").write_bytes(b"\0\1" + SECRET.encode() + b"\2")
        Path(folder, "clean").write_text("nothing")
        assert [path.name for path in files_with_key(folder)] == ["journal.sqlite"]


@pytest.fixture
def log(tmp_path):
    """Everything that anybody logs, at the lowest level, in a file."""
    handler = logging.FileHandler(tmp_path / "everything.log")
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(1)
    yield tmp_path / "everything.log"
    root.removeHandler(handler)
    root.setLevel(level)
    handler.close()


def uri_of(service):
    return (
        f"{service.uri}{'&' if '?' in service.uri else '?'}size=16&price_usd=0.002&back_off_s=0.01"
    )


@pytest.mark.parametrize("name", SERVICES)
def test_a_fit_leaves_the_key_nowhere(tmp_path, log, name):
    model = RehearsalBox(classes=4, size=16, pixels="uint8")
    with Rehearsal(name, model, record=True) as service:
        fitted = Reprogrammer(
            uri_of(service), budget=60, journal=tmp_path / "j.sqlite", random_state=0
        ).fit(X, Y)
        assert any(SECRET in str(r.headers) for r in service.requests)  # it was sent, though
        fitted.save(tmp_path / "m.rebox")
        (tmp_path / "m.pickle").write_bytes(pickle.dumps(fitted))
        (tmp_path / "box.pickle").write_bytes(pickle.dumps(copy.deepcopy(fitted.box_)))
        said = f"{fitted!r} {fitted.box_!r} {vars(fitted.box_)} {fitted.meter_!r} {fitted.spent_}"
        fitted.box_.close()
    assert SECRET not in said
    assert log.stat().st_size > 0
    assert files_with_key(tmp_path) == []


class Quoting(BaseHTTPRequestHandler):
    """A service that takes its key in the body; it quotes a body that it does not like."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append(body)
        self.server.headers.append(str(self.headers))
        good = b"wrong" not in body
        said = (
            b'{"a": 0.25, "b": 0.75}'
            if good
            else b'{"error": ' + json.dumps(body.decode()[:150]).encode() + b"}"
        )
        self.send_response(200 if good else 400)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_):
        pass


@pytest.fixture
def quoting():
    with ThreadingHTTPServer(("127.0.0.1", 0), Quoting) as server:
        server.bodies, server.headers = [], []
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_key_in_a_body_comes_from_the_environment_and_stays_nowhere(
    tmp_path, log, quoting, monkeypatch
):
    """A server of our own, by real sockets; the URI has a place for the key, and not the key."""
    monkeypatch.setenv("REBOX_TEST_KEY", SECRET)
    uri = (
        f"http:http://127.0.0.1:{quoting.server_address[1]}/p?classes=a,b&size=16&price_usd=0.002"
        '&key_env=REBOX_TEST_KEY&body={"key":"{key}","image":"{image}","note":"%s"}'
    )
    fitted = Reprogrammer(
        uri % "right", "map", budget=24, journal=tmp_path / "j.sqlite", random_state=0
    ).fit(X, Y)
    assert len(quoting.bodies) == 24
    assert all(json.loads(body)["key"] == SECRET for body in quoting.bodies)
    assert not any(SECRET in headers for headers in quoting.headers)
    fitted.save(tmp_path / "m.rebox")
    (tmp_path / "m.pickle").write_bytes(pickle.dumps(fitted))
    with open_box(uri % "wrong") as box, pytest.raises(Error) as caught:
        box.ask(X[:1])
    told = "".join(traceback.format_exception(caught.value))
    (tmp_path / "said.txt").write_text(f"{told} {fitted!r} {vars(fitted.box_)}")
    assert SECRET not in told
    assert files_with_key(tmp_path) == []
    fitted.box_.close()


def test_a_key_in_a_body_is_written_as_json_wants_it(quoting, monkeypatch):
    key = 'quite/a "hushed"\\key'
    monkeypatch.setenv("REBOX_TEST_KEY", key)
    uri = f"http:http://127.0.0.1:{quoting.server_address[1]}/p?classes=a,b&size=16"
    with open_box(f'{uri}&key_env=REBOX_TEST_KEY&body={{"k":["{{key}}"],"i":"{{image}}"}}') as box:
        box.ask(X[:1])
    assert json.loads(quoting.bodies[0])["k"] == [key]


@pytest.mark.parametrize(
    "fault",
    [
        RefusedFault("expired_key"),
        Status(400, body=f'{{"message": "no such key {SECRET}"}}'.encode()),
        Status(500, body=SECRET.encode()),
        Status(307, headers={"Location": f"https://elsewhere.invalid/{SECRET}"}),
    ],
    ids=["expired", "quoted", "in a page", "in an address"],
)
def test_an_error_does_not_tell_the_key(tmp_path, fault):
    model = RehearsalBox(classes=4, size=16, pixels="uint8")
    with (
        Rehearsal("azure-custom-vision", model, faults=lambda _: fault) as service,
        open_box(uri_of(service)) as box,
        pytest.raises(Error) as caught,
    ):
        box.ask(X[:2])
    told = "".join(traceback.format_exception(caught.value))
    (tmp_path / "traceback.txt").write_text(told)
    assert SECRET not in told
    assert files_with_key(tmp_path) == []


KEYS = {
    "hex": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "uuid": "3c5ea0d2-7b1f-4e0a-9a55-0d2b6f1e7c33",
    "letters": "hf_abcdefghijklmnopqrstuvwxyzABCDEF",
    "words": "correct-horse-battery-staple-again",
    "short": "s3cr3tPw",
    "a JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFU",
    "odd": 'a"b\\c/d+e=f g<h>&i',
}
WRITTEN = {
    "as it is": lambda key: key,
    "in capitals": str.upper,
    "in small letters": str.lower,
    "in JSON": json.dumps,
    "in an address": lambda key: quote(key, safe=""),
    "in an address in an address": lambda key: quote(quote(key, safe=""), safe=""),
    "in base64": lambda key: base64.b64encode(key.encode()).decode(),
    "behind a name": lambda key: base64.b64encode(b"u:" + key.encode()).decode(),
    "behind no name": lambda key: base64.b64encode(b":" + key.encode()).decode(),
    "in base64 for addresses": lambda key: base64.urlsafe_b64encode(key.encode()).decode(),
    "in hex": lambda key: key.encode().hex(),
    "cut": lambda key: key[: max(8, len(key) - 3)],
    "its ends": lambda key: f"{key[:9]}...{key[-9:]}",
    "in escapes": lambda key: "".join(f"\\u{ord(c):04x}" for c in key),
    "in entities": lambda key: "".join(f"&#{ord(c)};" for c in key),
    "letter by letter": " ".join,
    "in fours": lambda key: " ".join(key[i : i + 4] for i in range(0, len(key), 4)),
    "in lines": lambda key: "\n".join(key[i : i + 7] for i in range(0, len(key), 7)),
    "in bytes": lambda key: repr(key.encode()),
}


@pytest.mark.parametrize("way", WRITTEN)
@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("before", [0, 40, 150, 158], ids=lambda n: f"{n} before")
def test_however_a_key_is_quoted_none_of_it_is_shown(kind, way, before):
    written = WRITTEN[way](KEYS[kind])
    shown = quoted(f"{('word ' * 40)[:before]}{written} tail", Secret(KEYS[kind]))
    assert not [i for i in range(len(written) - 7) if written[i : i + 8] in shown]


def test_what_is_no_key_is_quoted_as_it_is():
    said = "image too small: 320 px at least, 50%20off &amp; more \\u00e9: see docs.example/limits"
    assert quoted(said, Secret(KEYS["words"])) == said
