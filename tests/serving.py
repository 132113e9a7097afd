"""A model that is served, by uvicorn in a thread of this process, and asked over real HTTP."""

import contextlib
import io
import threading
import time

import httpx2
import numpy as np
import uvicorn
from PIL import Image

import rebox
from rebox.serve import ModelService, ServeLimits

SIDE = 8
START_S = 30


class CountingBox:
    """A function that looks at the mean grey of pictures, and counts them."""

    def __init__(self):
        self.asked = 0
        self.most = 0  # in one call
        self.until = threading.Event()  # it waits for that
        self.until.set()
        self.entered = threading.Event()
        self.error = None
        self.flipped = False
        self._lock = threading.Lock()

    def __call__(self, images):
        with self._lock:
            self.asked += len(images)
            self.most = max(self.most, len(images))
        self.entered.set()
        self.until.wait(START_S)
        if self.error is not None:
            raise self.error
        mean = images.mean(axis=(1, 2, 3), dtype=np.float64)
        scores = np.stack([mean, 1 - mean], axis=1)
        return scores[:, ::-1] if self.flipped else scores


def pictures(n, seed=0, low=0, high=256):
    """Return n grey pictures (n, SIDE, SIDE) uint8."""
    rng = np.random.default_rng(seed)
    return rng.integers(low, high, (n, SIDE, SIDE), dtype=np.uint8)


def labelled(n=24, seed=0):
    """Return dark and light pictures, and which they are."""
    dark, light = pictures(n // 2, seed, high=120), pictures(n // 2, seed + 1, low=130)
    return np.concatenate([dark, light]), np.repeat(["dark", "light"], n // 2)


def fitted(box=None, *, price_usd=0.01, **options):
    """Return a model of grey pictures, and the box that counts."""
    box = CountingBox() if box is None else box
    own = rebox.FunctionBox(box, size=(SIDE, SIDE), classes=2, channels=1, price_usd=price_usd)
    model = rebox.Reprogrammer(own, "map", budget=40, random_state=0, **options)
    model.fit(*labelled())
    box.asked = box.most = 0
    return model, box


def png(picture):
    """Return a picture as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


@contextlib.contextmanager
def served(model, name="grey", *, time_s=20.0, **options):
    """Serve ``model`` and yield a client of its server."""
    limits = options.pop("limits", None) or ServeLimits(time_s=time_s)
    service = ModelService(model, name, limits=limits, **options)
    config = uvicorn.Config(
        service.asgi, port=0, log_config=None, log_level="warning", timeout_graceful_shutdown=20
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + START_S
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < until
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}"
        with httpx2.Client(base_url=url, timeout=60, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(START_S)
        assert not thread.is_alive()


def metrics_of(client):
    """Return the metrics' samples, by their name with its labels."""
    lines = [line for line in client.get("/metrics").text.splitlines() if not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}
