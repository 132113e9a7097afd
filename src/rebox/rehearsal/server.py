"""A loopback server of HTTP/1.1 that can also misbehave: reset, drip, hang up."""

import contextlib
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from rebox.rehearsal.message import Incoming, Outgoing

LOOPBACK = "127.0.0.1"
JOIN_S = 10.0  # longest wait for a box that is being asked while the server stops
LONGEST_BODY = 2**30
RESET = struct.pack("ii", 1, 0)  # SO_LINGER of no time: close() sends RST instead of FIN


class Line:
    """The connection of one request.

    Attributes
    ----------
    head : Incoming
        The request without its body.
    """

    def __init__(self, handler: BaseHTTPRequestHandler, stopping: threading.Event) -> None:
        self._handler, self._stopping = handler, stopping
        self.head = Incoming(
            method=handler.command,
            path=handler.path,
            headers=dict(handler.headers.items()),
            at_s=time.monotonic(),
        )

    def read(self) -> Incoming:
        """Return the request with its body, which may come in chunks.

        Raises
        ------
        ConnectionError
            The client left before its end.
        """
        head = self.head
        chunked = head.header("Transfer-Encoding").lower() == "chunked"
        body = b"".join(self._chunks()) if chunked else self._exactly(_length(head))
        return replace(head, body=body)

    def send(self, reply: Outgoing) -> None:
        """Send ``reply`` whole, by one call: split, it would wait for the client's ACK."""
        self.write(wire(reply))

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self._handler.connection.sendall(data)

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than the server lives."""
        self._stopping.wait(seconds)

    def close(self) -> None:
        """Hang up once what was sent has left."""
        self._handler.close_connection = True

    def reset(self) -> None:
        """Hang up at once, by a reset."""
        handler = self._handler
        handler.close_connection = True
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        handler.rfile.close()  # it holds the socket open
        handler.connection.close()

    def _exactly(self, n: int) -> bytes:
        body = self._handler.rfile.read(n)
        if len(body) < n:
            raise ConnectionError("the client left in the middle of its request")
        return body

    def _chunks(self) -> Iterator[bytes]:
        while True:
            text = self._handler.rfile.readline(100).partition(b";")[0]
            try:
                size = int(text, 16)
            except ValueError as error:
                raise ConnectionError("the client sent a broken chunk") from error
            chunk = self._exactly(size)
            self._handler.rfile.readline(100)
            if not size:
                return
            yield chunk


def _length(head: Incoming) -> int:
    text = head.header("Content-Length", "0")
    if not (text.isascii() and text.isdigit()) or int(text) > LONGEST_BODY:
        raise ConnectionError(f"the client announced a body of {text[:40]} bytes")
    return int(text)


def wire(reply: Outgoing) -> bytes:
    """Return ``reply`` as bytes."""
    reason = HTTPStatus(reply.status).phrase if reply.status in list(HTTPStatus) else "Unknown"
    usual = {"Server": "rebox-rehearsal", "Date": formatdate(usegmt=True)}
    headers = usual | dict(reply.headers) | {"Content-Length": str(len(reply.body))}
    lines = [f"HTTP/1.1 {reply.status} {reason}", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + reply.body


class Server(ThreadingHTTPServer):
    """Serves ``exchange`` on the loopback interface, one thread for each connection.

    Parameters
    ----------
    exchange : callable
        Is given the `Line` of each request; it reads and replies.
    port : int
        0: any that is free.
    tls : ssl.SSLContext or None
        None: plain HTTP.

    Raises
    ------
    OSError
        The port is taken.
    """

    daemon_threads = True
    request_queue_size = 512

    def __init__(
        self, exchange: Callable[[Line], None], *, port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.exchange, self._tls = exchange, tls
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._workers: list[threading.Thread] = []
        super().__init__((LOOPBACK, port), _Handler)
        self._acceptor = threading.Thread(target=self._accept, name="rebox-rehearsal", daemon=True)

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"http{'s' if self._tls else ''}://{LOOPBACK}:{self.server_address[1]}"

    def start(self) -> None:
        """Begin to serve."""
        self._acceptor.start()

    def stop(self) -> None:
        """Close all connections and wait for their threads."""
        self.stopping.set()
        # at once, by one connection more: `shutdown` is heard where `serve_forever` polls
        with contextlib.suppress(OSError):
            socket.create_connection((LOOPBACK, self.server_address[1]), JOIN_S).close()
        self._acceptor.join()
        with self._lock:
            for connection in self._open:
                _shut(connection)
        for worker in self._workers:
            worker.join(JOIN_S)
        self.server_close()

    def _accept(self) -> None:
        while not self.stopping.is_set():
            self.handle_request()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection its thread."""
        worker = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), daemon=True
        )
        self._workers = [thread for thread in self._workers if thread.is_alive()] + [worker]
        worker.start()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection until it ends."""
        with self._held(request):
            if self._tls is None:
                super().finish_request(request, client_address)
                return
            # here, so that a slow handshake holds up nobody else
            with (
                contextlib.closing(self._tls.wrap_socket(request, server_side=True)) as secure,
                self._held(secure),
            ):
                super().finish_request(secure, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that leave, and show what is wrong with the rehearsal itself."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    @contextlib.contextmanager
    def _held(self, connection: socket.socket) -> Iterator[None]:
        with self._lock:
            self._open.add(connection)
            if self.stopping.is_set():
                _shut(connection)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(connection)


def _shut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # closed already
        # not SSLSocket's own: that takes the session away from the thread that reads
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def handle(self) -> None:
        # a reset or a broken handshake ends the connection, not the server
        with contextlib.suppress(OSError):
            super().handle()

    def do_GET(self) -> None:
        self.server.exchange(Line(self, self.server.stopping))

    def do_POST(self) -> None:
        self.do_GET()

    def do_DELETE(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass
