"""A real PostgreSQL server: started for the tests, in a folder of its own, by who is not root."""

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

NOBODY = 65534  # a server refuses to be root's
PASSWORD = "rebox-secret-2f1c9d"  # noqa: S105 - `conftest.SECRET`: nothing may print it
START_S = 60


def program(name):
    """Return where one of PostgreSQL's programs is; None: it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


class PostgresServer:
    """A server whose socket trusts everybody, and whose port asks for the password."""

    def __init__(self, *settings, address="127.0.0.1"):
        self.address = address
        self._settings = settings
        self._who = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        if os.geteuid():
            self._who = {}
        self.folder = Path(tempfile.mkdtemp(prefix="rebox-pg-"))
        self._chown(self.folder)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        word = self.folder / "word"
        word.write_text(PASSWORD)
        self._chown(word)
        trust = "--auth-local=trust", "--auth-host=scram-sha-256"
        kind = "-E", "UTF8", "--locale=C", "-N"
        data = self.folder / "data"
        self._run("initdb", "-D", data, "-U", "rebox", "--pwfile", word, *kind, *trust)
        word.unlink()
        if address != "127.0.0.1":
            with (self.folder / "data" / "pg_hba.conf").open("a") as rules:
                rules.write("host all all samenet scram-sha-256\n")
        self.start()

    def _chown(self, path):
        if self._who:
            os.chown(path, NOBODY, NOBODY)

    def _run(self, name, *arguments):
        command = [program(name), *map(str, arguments)]
        done = subprocess.run(
            command, cwd="/", capture_output=True, text=True, check=False, **self._who
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self):
        """Start it, and wait until it answers; what a killed one left may need a moment to go."""
        settings = ["-c", f"port={self.port}", "-c", f"unix_socket_directories={self.folder}"]
        settings += ["-c", f"listen_addresses={self.address}", "-c", "max_connections=60"]
        settings += [part for one in self._settings for part in ("-c", one)]
        until = time.monotonic() + START_S
        while True:
            with (self.folder / "log").open("ab") as log:
                self.process = subprocess.Popen(
                    [program("postgres"), "-D", str(self.folder / "data"), *settings],
                    cwd="/", stdout=log, stderr=log, **self._who,
                )  # fmt: skip
            while self.process.poll() is None and time.monotonic() < until:
                if self._answers():
                    return
                time.sleep(0.05)
            assert time.monotonic() < until, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.2)

    def _answers(self):
        import psycopg

        try:
            psycopg.connect(self.url()).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, schema=None, *, tcp=False):
        """Return the URL of the journal in a schema of the server's database."""
        where = f"{self.address}:{self.port}" if tcp else ""
        way = f"postgresql://rebox@{where}/postgres"
        options = [] if tcp else [f"host={self.folder}", f"port={self.port}"]
        options += [f"schema={schema}"] if schema else []
        return f"{way}?{'&'.join(options)}" if options else way

    def at(self, address):
        """Return the URL of the journal, as it is reached over a network."""
        return f"postgresql://rebox@{address}:{self.port}/postgres"

    def new(self, *, tcp=False):
        """Return the URL of a journal that is not there yet."""
        return self.url(f"j{secrets.token_hex(6)}", tcp=tcp)

    def kill(self):
        """Kill it and all that it has started, at once."""
        for pid in (self.process.pid, *_children(self.process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def close(self):
        """End it, and remove what it has left."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _children(pid):
    """Return the processes that ``pid`` has started, where Linux says."""
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in tasks.read_text().split()] if tasks.exists() else []


def execute(url, statement, values=None):
    """Return the rows of a statement about a journal, written for SQLite."""
    import psycopg

    address, _, schema = url.partition("schema=")
    with psycopg.connect(address.rstrip("?&"), autocommit=True) as connection:
        connection.execute(f"SET search_path = {schema}")
        cursor = connection.execute(as_postgres(statement), values)
        return cursor.fetchall() if cursor.description else []


def as_postgres(statement):
    """Return a statement with PostgreSQL's way to write bytes."""
    statement = re.sub(r"x'([0-9a-f]*)'", r"'\\x\1'::bytea", statement)
    return statement.replace(
        "zeroblob(length(scores))", "decode(repeat('00', length(scores)), 'hex')"
    )


def why_none():
    """Return why there can be no server; None: there can be one."""
    if os.name == "nt":
        return "no server is started on this system"
    try:
        import psycopg  # noqa: F401
    except ImportError:
        return "psycopg is not installed: pip install 'rebox[postgres]'"
    if program("initdb") is None:
        return "PostgreSQL is not installed: apt-get install postgresql"
    return None


@pytest.fixture(scope="session")
def postgres():
    """A server that a test run has to itself; skipped, with a reason, where there can be none."""
    why = why_none()
    if why:
        pytest.skip(why)
    server = PostgresServer("fsync=off")  # what a process that is killed has written is not lost
    yield server
    server.close()
