"""Decoded pictures, kept so that a fit or a prediction decodes each file once.

A fit goes over all of its pictures several times: checked, looked at, asked about under one view
after another. What comes first is therefore what is kept: giving up the oldest would give up each
picture just before it is asked for again.
"""

import os
import tempfile
import threading
import time
import weakref
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from shutil import disk_usage

import numpy as np

from rebox.sample.picture import Picture, decode

# What is kept stays until its owner goes, so that memory is used sparingly. To read a picture back
# from a temporary file takes a fifth of the time to decode it, little beside what is done with it:
# the system keeps in memory what there is room for, and gives it up where others need the room.
MEMORY_SHARE, MOST_MEMORY = 1 / 8, 256 * 2**20
DISK_SHARE, MOST_DISK = 1 / 4, 8 * 2**30  # temporary files may lie in memory
SETTLED_NS = 2 * 10**9  # the coarsest clock of a file system: FAT's

Stamp = tuple[int, ...]


@dataclass(frozen=True)
class _Kept:
    """A picture, or where it lies in the temporary file, and the file that it was decoded from."""

    stamp: Stamp | None
    shape: tuple[int, ...]
    place: int
    picture: Picture | None = None


class PictureStore:
    """Pictures by file, decoded when they are first asked for; safe to share between threads.

    They are kept in memory, beyond its bound in a temporary file without a name, and beyond the
    bound of that not at all; the bounds are an eighth of the memory that is available, 256 MiB at
    most, and a quarter of the free space for temporary files, 8 GiB at most, unless
    ``memory_bytes`` and ``disk_bytes`` are given. A pickle of it is empty: another process decodes
    for itself.
    """

    def __init__(self, memory_bytes: int | None = None, disk_bytes: int | None = None) -> None:
        self.memory_bytes, self.disk_bytes = memory_bytes, disk_bytes
        self.decoded = 0  # pictures, so far
        self.in_memory = self.on_disk = 0  # bytes
        self._kept: dict[Path, _Kept] = {}
        self._lock = threading.Lock()
        self._limits: tuple[int, int] | None = None
        self._file: FileIO | None = None
        self._process = os.getpid()

    def get(self, path: Path) -> Picture:
        """Return the picture of ``path``, decoded if it is not kept; see `picture.decode`."""
        with self._lock:
            picture = self._recalled(path)
        return self._decoded(path) if picture is None else picture

    def check(self, path: Path) -> None:
        """Have the picture of ``path`` decoded as the file is now; raises as `decode` does."""
        kept = self._kept.get(path)
        if kept is not None:
            if kept.stamp is not None and kept.stamp == _stamp(path):
                return
            with self._lock:
                self._forget(path)
        self._decoded(path)

    def _decoded(self, path: Path) -> Picture:
        stamp = _stamp(path)  # before it is read: a change in between shows at the next check
        picture = decode(path)
        with self._lock:
            self.decoded += 1
            if path not in self._kept:
                self._keep(path, stamp, picture)
        return picture

    def _recalled(self, path: Path) -> Picture | None:
        kept = self._kept.get(path)
        if kept is None or kept.picture is not None:
            return None if kept is None else kept.picture
        if self._file is None or os.getpid() != self._process:
            return None  # a fork shares the place in the file with its parent
        picture = np.empty(kept.shape, dtype=np.uint8)
        self._file.seek(kept.place)
        if self._file.readinto(picture.data) != picture.nbytes:
            return None
        picture.setflags(write=False)
        return picture

    def _keep(self, path: Path, stamp: Stamp | None, picture: Picture) -> None:
        memory, disk = self._limits = self._limits or self._bounds()
        if self.in_memory + picture.nbytes <= memory:
            self.in_memory += picture.nbytes
            self._kept[path] = _Kept(stamp, picture.shape, 0, picture)
        elif self.on_disk + picture.nbytes <= disk and self._written(picture):
            self._kept[path] = _Kept(stamp, picture.shape, self.on_disk)
            self.on_disk += picture.nbytes

    def _written(self, picture: Picture) -> bool:
        if os.getpid() != self._process:
            return False
        try:
            file = self._file = self._file or self._opened()
            file.seek(self.on_disk)
            # Not through a memory map: on a full disk that ends the process.
            written = file.write(np.ascontiguousarray(picture).data)
        except OSError:
            written = 0
        if written != picture.nbytes:  # the disk is full, or there is none
            self._limits = (self._limits or (0, 0))[0], 0
        return written == picture.nbytes

    def _opened(self) -> FileIO:
        file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open as long as the store
        weakref.finalize(self, file.close)
        return file

    def _forget(self, path: Path) -> None:
        kept = self._kept.pop(path, None)
        if kept is not None and kept.picture is not None:
            self.in_memory -= kept.picture.nbytes

    def _bounds(self) -> tuple[int, int]:
        memory, disk = self.memory_bytes, self.disk_bytes
        if memory is None:
            memory = min(MOST_MEMORY, int(MEMORY_SHARE * _available_memory()))
        if disk is None:
            disk = min(MOST_DISK, int(DISK_SHARE * _free_disk()))
        return memory, disk

    def __reduce__(self) -> tuple[type["PictureStore"], tuple[int | None, int | None]]:
        return PictureStore, (self.memory_bytes, self.disk_bytes)


def _stamp(path: Path) -> Stamp | None:
    """Return what changes with a file's content; None where a change could go unseen."""
    try:
        status = os.stat(path)  # noqa: PTH116 - a third of the time, for each file of each fit
    except OSError:
        return None
    # One that was written just now may be written again within one tick of its clock.
    settled = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > SETTLED_NS
    stamp = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
    return stamp if settled else None


def _available_memory() -> int:
    """Return bytes that can be had without taking them from others, also within a container."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        fields = dict(line.split(":") for line in lines)
        available = int(fields["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError):  # not Linux
        available = MOST_MEMORY
    container = Path("/sys/fs/cgroup")
    try:
        limit = int((container / "memory.max").read_text())
        used = int((container / "memory.current").read_text())
    except (OSError, ValueError):  # no container, or one without a limit
        return available
    return max(0, min(available, limit - used))


def _free_disk() -> int:
    try:
        return disk_usage(tempfile.gettempdir()).free
    except OSError:  # there is no folder for temporary files
        return 0
