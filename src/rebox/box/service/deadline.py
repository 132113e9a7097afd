"""One deadline for a whole exchange.

The timeouts of an HTTP client begin anew with every piece that arrives: a server that sends a byte
of its headers every few seconds never runs into one. So the connections of our client are watched:
whatever they do, they do it before the deadline of the thread that waits for them.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from rebox.errors import extra

with extra("services", "asking a service"):
    import h11

PIECE = 65536  # bytes handed to a connection at once: it may take them one by one
LEAST_S = 0.001  # a socket takes a timeout of 0 for none at all


class TimeUp(Exception):
    """The deadline has passed; it never leaves `rebox.box.service`."""


class Deadline:
    """The deadlines of the threads that use one HTTP client."""

    def __init__(self) -> None:
        self._local = threading.local()

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Let what this thread asks for end after that many seconds."""
        self._local.end = time.monotonic() + seconds
        self._local.heard, self._local.doubled = None, False
        try:
            yield
        finally:
            del self._local.end

    @property
    def doubled(self) -> bool:
        """Whether more than one reply came within this thread's deadline."""
        return bool(self._local.doubled)

    def left(self, timeout: float | None = None) -> float | None:
        """Return how long this thread may wait, at most ``timeout``; None: without end.

        Raises
        ------
        TimeUp
            Not at all.
        """
        end: float | None = getattr(self._local, "end", None)
        if end is None:  # a connection is being closed
            return timeout
        seconds = end - time.monotonic()
        if seconds <= 0:
            raise TimeUp
        return max(LEAST_S, seconds if timeout is None else min(timeout, seconds))

    def watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Watch a connection that is made; for the client's extension ``trace``.

        A connection may serve other threads later: it asks for the deadline of whoever uses it.
        """
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._bound(info["return_value"])
        elif event.endswith(".response_closed.started"):  # later, other threads may use it
            stream, pieces = getattr(self._local, "heard", None) or (None, [])
            if stream is not None and _holds_more(stream, pieces):
                self._local.doubled = True
                stream.close()

    def _bound(self, stream: Any) -> None:
        read, write, start_tls = stream.read, stream.write, stream.start_tls

        def bounded_read(max_bytes: int, timeout: float | None = None) -> bytes:
            content: bytes = read(max_bytes, timeout=self.left(timeout))
            heard: tuple[Any, list[bytes]] | None = getattr(self._local, "heard", None)
            if heard is None or heard[0] is not stream:  # not what a proxy has said before
                heard = self._local.heard = (stream, [])
            heard[1].append(content)
            return content

        def bounded_write(buffer: bytes, timeout: float | None = None) -> None:
            for begin in range(0, len(buffer), PIECE):
                write(buffer[begin : begin + PIECE], timeout=self.left(timeout))

        def bounded_start_tls(*args: Any, timeout: float | None = None, **more: Any) -> Any:
            return start_tls(*args, timeout=self._left_to_connect(timeout), **more)

        bounded: Mapping[str, Callable[..., Any]] = {
            "read": bounded_read,
            "write": bounded_write,
            "start_tls": bounded_start_tls,
        }
        for name, method in bounded.items():
            setattr(stream, name, method)

    def _left_to_connect(self, timeout: float | None) -> float | None:
        try:
            return self.left(timeout)
        except TimeUp:  # the client then says itself that it was not connected
            return LEAST_S


def _holds_more(stream: Any, pieces: list[bytes]) -> bool:
    """Return whether something stands behind the reply in ``pieces``, or waits behind it.

    The client would take it for the reply to the next request.
    """
    tls = stream.get_extra_info("ssl_object")
    if stream.get_extra_info("is_readable") or (tls is not None and tls.pending()):
        with contextlib.suppress(Exception):  # a server that hangs up has nothing more to say
            stream.read(1, timeout=LEAST_S)  # adds it to the pieces
    reader = h11.Connection(h11.CLIENT)
    reader.send(h11.Request(method="POST", target="/", headers=[("Host", "any")]))
    reader.send(h11.EndOfMessage())
    reader.receive_data(b"".join(pieces))
    event: Any = None
    with contextlib.suppress(h11.RemoteProtocolError):  # the client says so itself
        while event not in (h11.NEED_DATA, h11.PAUSED):  # it ends where the connection does
            event = reader.next_event()
            if isinstance(event, h11.EndOfMessage):
                return bool(reader.trailing_data[0])
    return False
