"""Who works on a batch that has not left yet: a process, by a name that no other has.

A process that was killed has left its name behind; who comes after takes over what it was about.
"""

import os
import secrets
import socket
import time

LEASE_S = 900.0  # after which a process on another machine is taken for gone, if it says nothing
_names: dict[int, str] = {}


def my_name() -> str:
    """Return the name of this process: a forked child has another."""
    pid = os.getpid()
    if pid not in _names:
        _names.clear()
        _names[pid] = f"{socket.gethostname()}:{pid}:{secrets.token_hex(4)}"
    return _names[pid]


def is_gone(name: str, heard_s: float) -> bool:
    """Return whether a process that gave its ``name`` at ``heard_s`` is there no more.

    Of this machine that is known, of others supposed once their lease has run out.
    """
    host, _, rest = name.rpartition(":")[0].rpartition(":")
    known = host == socket.gethostname() and rest.isdigit()
    if not known or os.name == "nt":  # there, to ask after a process may end it
        return name != my_name() and time.time() - heard_s > LEASE_S
    pid = int(rest)
    if pid == os.getpid():  # a number that is given again, as the first of a container is
        return name != my_name()
    return not _is_running(pid)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True
