"""Who works on a batch that has not left yet: a process, by a name that no other has.

A process that was killed has left its name behind; who comes after takes over what it was about.
"""

import contextlib
import os
import secrets
import socket
import time
from pathlib import Path

LEASE_S = 7200.0  # after which a process that cannot be looked for is taken for gone
STATES = Path("/proc")  # where Linux says of each process how it is
_names: dict[int, str] = {}


def my_name() -> str:
    """Return the name of this process: a forked child has another."""
    pid = os.getpid()
    if pid not in _names:
        _names.clear()
        _names[pid] = ":".join((_machine(), str(pid), _start(pid), secrets.token_hex(4)))
    return _names[pid]


def is_gone(name: str, heard_s: float) -> bool:
    """Return whether a process that gave its ``name``, and was heard of then, is there no more.

    Of a process on this machine that is known, by its number and when it began: numbers are given
    again, and one that was killed may stand there until its parent has looked. Of others it is
    supposed once their lease has run out.
    """
    if name == my_name():
        return False
    host, number, start, _ = name.rsplit(":", 3)
    late = time.time() - heard_s > LEASE_S
    if host not in (_machine(), socket.gethostname()) or not number.isdigit():
        return late
    if int(number) == os.getpid():
        return True
    if start:
        return _start(int(number)) != start
    return late or not _is_running(int(number))


def _machine() -> str:
    """Return the name of this machine, and what tells it from others that are called the same.

    Processes that share a journal on a server may be on several, or in containers that count
    processes for themselves.
    """
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append((STATES / "sys/kernel/random/boot_id").read_text().strip()[:8])
        parts.append(str((STATES / "self/ns/pid").stat().st_ino))
    return "/".join(parts)


def _start(pid: int) -> str:
    """Return when a process began, as Linux counts; empty: it has ended, or nobody says."""
    try:
        said = (STATES / str(pid) / "stat").read_text()
    except OSError:
        return ""
    facts = said.rpartition(")")[2].split()  # its own name, before, may hold anything
    return "" if facts[0] in "ZX" else facts[19]


def _is_running(pid: int) -> bool:
    if os.name == "nt":  # there, to ask after a process may end it
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
