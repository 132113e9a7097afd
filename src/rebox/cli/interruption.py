"""Ctrl-C and SIGTERM: the first has a command end well, the second ends it at once.

Handlers are installed by the command line alone: a program that uses the library has its own.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it
ECHO_S = 0.5  # a launcher passes on what the terminal has sent to both


class Signals:
    """What was heard from outside.

    Attributes
    ----------
    heard : int or None
        Number of the first signal.
    """

    def __init__(self) -> None:
        self.heard: int | None = None
        self._since_s = 0.0
        self._held = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear SIGINT and SIGTERM, both as Ctrl-C, and leave them afterwards as they were."""
        before = {n: signal.signal(n, self._hear) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                if handler is not None:  # None: set by no Python code
                    signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let a first signal pass while what was paid for is written; a second ends even that."""
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def code(self, code: str | int | None) -> str | int | None:
        """Return the exit code of a command that ends with ``code``, by the signal heard."""
        return 128 + self.heard if code == INTERRUPTED and self.heard else code

    def _hear(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler's form
        now = time.monotonic()
        if self.heard is None:
            self.heard, self._since_s = number, now
            if not self._held:
                raise KeyboardInterrupt
        elif now - self._since_s > ECHO_S:
            _end_at_once(128 + number)


def _end_at_once(code: int) -> None:
    """End without waiting for what is under way: a journal has it as sent, and may be billed."""
    cursor = "\x1b[?25h" if sys.stderr.isatty() else ""  # a progress bar hides it
    os.write(2, f"{cursor}\nrebox: ended at once; a journal keeps what was answered\n".encode())
    os._exit(code)


signals = Signals()
