"""MLflow as the tests have it: without what it warns of itself, and with its runs in a folder."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from rebox.demo.mirror import load_mirrored

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own type hints
    import mlflow
    import mlflow.pyfunc

    import rebox.mlflow

__all__ = ["digits", "mlflow", "pngs", "rebox", "tracking"]


def digits(n=40):
    """Return training digits (n, 16, 16) uint8, their labels, and 60 more digits."""
    task = load_mirrored()
    whole = np.rint(255 * task.train[:n]).astype(np.uint8)
    return whole, task.train_labels[:n], np.rint(255 * task.test[:60]).astype(np.uint8)


def pngs(pictures):
    """Return pictures as the bytes of PNG files."""
    files = []
    for picture in pictures:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG")
        files.append(file.getvalue())
    return files


@pytest.fixture
def tracking(tmp_path, monkeypatch):
    """Have MLflow keep its runs in a folder; a database takes packages that skinny has not."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"file:{tmp_path / 'runs'}")
    yield
    while mlflow.active_run() is not None:
        mlflow.end_run()
    mlflow.set_tracking_uri(before)
