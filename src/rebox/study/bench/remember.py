"""A box that keeps its answers on disk, and tells what they cost in seconds."""

import hashlib
import sqlite3
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rebox.box import BlackBox, Images, Scores, check_scores
from rebox.output import encoded

DIGEST_BYTES = 20
MOST_KEYS = 500  # in one SELECT: every SQLite takes 999 parameters


class RememberingBox(BlackBox):
    """Answers each image once, whatever asks for it again: another method, seed or process.

    The key is a digest of the image's exact bytes; there is a file for each identity of a box.
    It wraps a complete box: what hides a part of the answers stands around it, and so does the
    meter, which counts every image whether it is remembered or not.

    Parameters
    ----------
    box : BlackBox
        The box that answers; the last bits of an answer may depend on the batch that it was first
        asked in.
    folder : Path or None
        Where the answers are kept; None: nowhere, seconds are measured all the same.
    where : str
        The device that answers: another's last bits differ.

    Attributes
    ----------
    asked : int
        Images that it was asked.
    answered : int
        Images that the inner box was asked.
    keep : bool
        Whether new answers are kept.
    inside_s : float
        Seconds spent in here: in the inner box, in digests and on disk.
    """

    def __init__(self, box: BlackBox, folder: Path | None, *, where: str = "cpu") -> None:
        self.spec = box.spec
        self.uri = box.uri
        self.keep = True
        self.asked = self.answered = 0
        self.inside_s = 0.0
        self._box = box
        self._images, self._seconds = 0, 0.0
        self._store: sqlite3.Connection | None = None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            asked = box.spec.identity if where == "cpu" else f"{box.spec.identity} on {where}"
            name = hashlib.blake2b(asked.encode(), digest_size=8).hexdigest()
            self._store = _open(folder / f"{name}.sqlite", asked)
            self._images, self._seconds = self._store.execute(
                "SELECT images, seconds FROM cost"
            ).fetchone()

    @property
    def seconds_per_image(self) -> float:
        """Mean seconds that the inner box took for an image, over all that it was ever asked."""
        return self._seconds / self._images if self._images else 0.0

    def close(self) -> None:
        """Close the file; nothing can be asked afterwards."""
        if self._store is not None:
            self._store.close()

    @property
    def ids(self) -> NDArray[np.str_] | None:
        """Every id that the inner box can be asked about."""
        return self._box.ids

    def check_ids(self, ids: NDArray[np.str_]) -> None:
        """Refuse ids that the inner box has no answer to."""
        self._box.check_ids(ids)

    def answer(self, images: Images) -> Scores:
        """Return what is remembered, and ask for the rest."""
        start = time.perf_counter()
        self.asked += len(images)
        if self._store is None:
            scores: Scores = self._ask(images)
        else:
            scores = self._remembered(self._store, images)
        self.inside_s += time.perf_counter() - start
        return scores

    def _remembered(self, store: sqlite3.Connection, images: Images) -> Scores:
        keys = [image_digest(image) for image in images]
        known = _look_up(store, keys)
        new = {key: i for i, key in enumerate(keys) if key not in known}
        if new:
            # an indexed copy is no longer planar: all of a search's images are new
            some = images if len(new) == len(images) else images[list(new.values())]
            answers = self._ask(some)
            known |= dict(zip(new, answers, strict=True))
            with store:
                if self.keep:
                    rows = [(key, known[key].tobytes()) for key in new]
                    store.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?)", rows)
        return np.stack([known[key] for key in keys])

    def _ask(self, images: Images) -> Scores:
        start = time.perf_counter()
        scores = check_scores(self._box.answer(images), len(images), self.spec)
        seconds = time.perf_counter() - start
        self.answered += len(images)
        self._images, self._seconds = self._images + len(images), self._seconds + seconds
        if self._store is not None:
            with self._store as store:
                store.execute(
                    "UPDATE cost SET images = images + ?, seconds = seconds + ?",
                    (len(images), seconds),
                )
        return scores


def _open(path: Path, identity: str) -> sqlite3.Connection:
    store = sqlite3.connect(path, timeout=60)
    # Several processes may fill one file; a power cut loses the last answers, not the file.
    store.execute("PRAGMA journal_mode = WAL")
    store.execute("PRAGMA synchronous = NORMAL")
    with store:
        store.execute(
            "CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, scores BLOB) WITHOUT ROWID"
        )
        store.execute(
            "CREATE TABLE IF NOT EXISTS cost "
            "(one INTEGER PRIMARY KEY CHECK (one = 1), identity TEXT, images INT, seconds REAL)"
        )
        store.execute("INSERT OR IGNORE INTO cost VALUES (1, ?, 0, 0)", (identity,))
    return store


def image_digest(image: np.ndarray | str) -> bytes:
    """Return a digest of the exact bytes of an image or a text."""
    if isinstance(image, str):
        return hashlib.blake2b(encoded(image), digest_size=DIGEST_BYTES).digest()
    # Images are planar in memory: their bytes in that order need no copy.
    planar = np.ascontiguousarray(np.moveaxis(image, 2, 0))
    return hashlib.blake2b(planar.data, digest_size=DIGEST_BYTES).digest()


def _look_up(store: sqlite3.Connection, keys: list[bytes]) -> dict[bytes, np.ndarray]:
    known: dict[bytes, np.ndarray] = {}
    for start in range(0, len(keys), MOST_KEYS):
        part = keys[start : start + MOST_KEYS]
        marks = ",".join("?" * len(part))
        rows = store.execute(f"SELECT key, scores FROM answers WHERE key IN ({marks})", part)  # noqa: S608 - marks are question marks
        known |= {key: np.frombuffer(scores, dtype=np.float32) for key, scores in rows}
    return known
