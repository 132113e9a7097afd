"""Ctrl-C and SIGTERM: the first has a command end well, the second ends it at once.

Handlers are installed by the command line alone: a program that uses the library has its own.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it
ECHO_S = 0.5  # a launcher passes on what the terminal has sent to both
AGAIN_S = 0.01  # until a signal that was lost comes again
SENT_S = 2.0  # what was sent so long ago has been handled, or by a handler that is not ours


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
        self._withheld = False
        self._lost = False
        self._hooked = False
        self._handled = 0
        self._echoed = False
        self._senders: list[threading.Thread] = []

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hear SIGINT and SIGTERM, both as Ctrl-C, and leave them afterwards as they were."""
        before = {n: signal.signal(n, self._hear) for n in (signal.SIGINT, signal.SIGTERM)}
        try:
            with self._not_lost():
                yield
        finally:
            for number, handler in before.items():
                if handler is not None:  # None: set by no Python code
                    signal.signal(number, handler)

    @contextmanager
    def _not_lost(self) -> Iterator[None]:
        """Send a signal again whose Ctrl-C was raised where Python lets nothing through.

        Handlers run between any two steps of the main thread: in a destructor, too, or in what is
        called when something is collected, and what is raised there is printed and forgotten.
        """
        before = sys.unraisablehook

        def hook(ignored: "sys.UnraisableHookArgs") -> None:
            if self.heard is None or not issubclass(ignored.exc_type, KeyboardInterrupt):
                before(ignored)
                return
            self._lost = self._hooked = True
            try:
                sender = threading.Thread(target=self._again, args=(self.heard,), daemon=True)
                sender.start()
                self._senders.append(sender)
            finally:
                self._hooked = False

        sys.unraisablehook = hook
        try:
            yield
        finally:
            self._lost = False  # nothing comes again once nobody listens
            until_s = time.monotonic() + SENT_S
            for sender in self._senders:
                # what it sent is handled here, and not by who is next
                while sender.is_alive() and time.monotonic() < until_s:
                    sender.join(AGAIN_S)
            sys.unraisablehook = before

    def _again(self, number: int) -> None:
        """Send a signal to the main thread until it is heard where it is not lost.

        None is sent before the last is handled: it would come after the one that was heard.
        """
        while True:
            time.sleep(AGAIN_S)
            if not self._lost:
                return
            handled, self._echoed = self._handled, True
            _send_main(number)
            while self._handled == handled:
                time.sleep(AGAIN_S)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let a first signal wait until what was paid for is written; a second ends even that."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._withheld:
            self._withheld = False
            raise KeyboardInterrupt

    def code(self, code: str | int | None) -> str | int | None:
        """Return the exit code of a command that ends with ``code``, by the signal heard."""
        return 128 + self.heard if code == INTERRUPTED and self.heard else code

    def _hear(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - a handler's form
        now = time.monotonic()
        self._handled += 1
        echo, self._echoed = self._echoed, False
        if self._hooked:  # what is raised in the hook would be lost as well
            return
        if self.heard is None or self._lost:
            self.heard, self._since_s, self._lost = self.heard or number, now, False
            self._withheld = self._held
            if not self._held:
                raise KeyboardInterrupt
        elif not echo and now - self._since_s > ECHO_S:
            _end_at_once(128 + number)


def _send_main(number: int) -> None:
    """Send a signal to the main thread: whatever it waits for is left for it."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(threading.main_thread().ident or 0, number)
    else:
        signal.raise_signal(number)


def _end_at_once(code: int) -> None:
    """End without waiting for what is under way: a journal has it as sent, and may be billed."""
    cursor = "\x1b[?25h" if sys.stderr.isatty() else ""  # a progress bar hides it
    os.write(2, f"{cursor}\nrebox: ended at once; a journal keeps what was answered\n".encode())
    os._exit(code)


signals = Signals()
