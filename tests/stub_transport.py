"""A service that is not there: it keeps what it is sent, and answers what it is told to."""

import io
import json
from unittest import mock

import numpy as np
import pytest
from PIL import Image

from rebox.box import open_box
from rebox.box.open_inference import open_oip
from rebox.box.service import Reply
from rebox.errors import InvalidAnswer, ServiceError
from rebox.option import read_options


class Stub:
    """A transport that keeps requests and answers what it is told to, the last again and again."""

    def __init__(self, *replies):
        self.replies, self.requests, self.keys = list(replies), [], []

    def check_ready(self, url, key):
        pass

    def send(self, request, key, terms):
        self.requests.append(request)
        self.keys.append(key)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def close(self):
        pass


def says(value, status=200, **headers):
    names = {name.replace("_", "-"): text for name, text in headers.items()}
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return Reply(
        status=status, headers={"content-type": "application/json"} | names, content=content
    )


def stubbed(uri, *replies):
    box = open_box(uri)
    box.transport = Stub(*replies)
    return box


def oip_of(options, transport, target="http://localhost:8000/m"):
    """Return a box of the Open Inference Protocol whose server is asked by ``transport``."""
    (arguments,) = read_options("box 'oip'", options, open_oip)
    with mock.patch("rebox.box.open_inference.HttpTransport", return_value=transport):
        box = open_oip(target, **arguments)
    box.transport = transport
    return box


def asked(box, n=1):
    """Return the answers to n images, and the requests."""
    with box:
        scores = box.ask(pictures(box, n))
    return scores, box.transport.requests


def pictures(box, n=1):
    levels = np.random.default_rng(5).integers(0, 256, (n, *box.spec.shape), dtype=np.uint8)
    return levels if box.spec.pixels == "uint8" else levels.astype(np.float32) / np.float32(255)


def picture_in(file):
    with Image.open(io.BytesIO(file)) as image:
        assert image.format == "PNG"
        return np.asarray(image)


def refused(uri, *replies, n=1):
    with stubbed(uri, *replies) as box, pytest.raises(ServiceError) as caught:
        box.ask(pictures(box, n))
    return caught.value


def misread(uri, *replies, n=1):
    with stubbed(uri, *replies) as box, pytest.raises(InvalidAnswer) as caught:
        box.ask(pictures(box, n))
    return str(caught.value)
