"""Every question that was sent, and every answer: in a SQLite file, or on a PostgreSQL server.

Processes of one machine may share a file, those of several a server.

An intent is committed before a request leaves, its outcome after it has returned: whatever happens
in between, what may have been billed is on record. Rows are added and completed, never removed.

::

    send      one request: account, purpose, box, images, price; then what was billed, and words
    question  one image of a request, by its key
    answer    the scores of a question
    account   what all its sends have cost, kept beside them; box, the identities
    batch     sends that leave together and are answered later (`rebox.meter.flights`)
"""

import contextlib
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rebox.box.reservation import Used
from rebox.errors import extra
from rebox.idle import Held
from rebox.meter.address import check_kind, environments, is_server
from rebox.meter.budget import Amount, Kind, TokensTaken
from rebox.meter.file_store import FileStore
from rebox.meter.packing import checksum
from rebox.meter.send import Intent, end_send, enter_epoch, enter_send
from rebox.meter.store import Execute, Store, chunks, damaged_answer

_HELD = Held()  # each takes three files


def default_path() -> Path | str:
    """Return where the journal of paid questions is kept, unless the user names another place.

    The environment variable ``REBOX_JOURNAL``, or the user's own data folder. A password in its URL
    is left out, and found again when the server asks for it.
    """
    named = environments()
    if named is not None:
        return named[0] if is_server(named[0]) else Path(named[0])
    with extra("services", "a journal in the user's own folder"):
        import platformdirs  # noqa: PLC0415 - an extra
    return platformdirs.user_data_path("rebox") / "journal.sqlite"


def store_of(place: str | Path, *, writable: bool) -> Store:
    """Return what keeps the journal at ``place``: a file, or a server that a URL names."""
    check_kind(place)
    if not is_server(place):
        return FileStore(Path(place), writable=writable)
    with extra("postgres", "a journal on a server"):
        from rebox.meter.postgres_store import PostgresStore  # noqa: PLC0415 - an extra
    return PostgresStore(place, writable=writable)


class Journal:
    """A journal, open; threads may share it, and processes what it is kept in.

    Parameters
    ----------
    path : str or Path
        A file, made with its folder if it is not there; or a server, as
        ``postgresql://user@host/database``: the tables are made in its schema ``rebox``, unless
        ``?schema=`` names another. A password comes from the environment: `rebox.meter.address`.
    writable : bool
        False: it is only read, and has to be there; a file or folder that may not be written is no
        hindrance.

    Raises
    ------
    JournalError
        It cannot be opened, is no journal, or was written by a newer rebox.
    """

    def __init__(self, path: str | Path, *, writable: bool = True) -> None:
        self._writable = writable
        self._store: Store = store_of(path, writable=writable)
        self._lock = threading.RLock()
        self._waiting: deque[_Job] = deque()
        self._pid = os.getpid()
        self._store.open()

    @property
    def path(self) -> Path | str:
        """Where it is."""
        return self._store.path

    @property
    def name(self) -> str:
        """What messages call it."""
        return self._store.name

    def reserve(self, intent: Intent) -> int:
        """Commit ``intent`` and the most that it may cost; return the number of its send.

        Raises
        ------
        BudgetExhausted
            It would exceed the budget; nothing was reserved.
        JournalError
            It cannot be written, or the file is not where it was; then it must not be sent.
        """
        return int(self.write(lambda run: self._enter(run, intent)))

    def _enter(self, run: Execute, intent: Intent) -> int:
        self._store.check()
        return enter_send(run, intent)

    def settle(
        self,
        send: int,
        answers: Mapping[int, bytes],
        *,
        billed: int,
        words: str = "",
        nano_usd_each: int | None = None,
        used: Used | None = None,
    ) -> None:
        """Commit what a send brought: packed scores by place, and how many images were billed.

        What each of them cost is known now; None: what was reserved for it.
        """
        self.write(lambda run: end_send(run, send, answers, billed, words, nano_usd_each, used))

    def answers(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the packed scores of those ``keys`` that were answered, the first of each.

        Raises
        ------
        JournalError
            An answer is not as it was written.
        """
        found: dict[bytes, tuple[int, bytes, bytes]] = {}
        for marks, part in chunks(list(dict.fromkeys(keys))):
            query = (
                "SELECT key, question.id, scores, checksum FROM question "  # noqa: S608 - marks
                f"JOIN answer ON question = question.id WHERE key IN ({marks})"
            )
            for key, *answer in self.rows(query, part):
                found[key] = min(found.get(key, tuple(answer)), tuple(answer))
        for key, (_, scores, written) in found.items():
            if written != checksum(key, scores):
                raise damaged_answer(self.name)
        return {key: scores for key, (_, scores, _) in found.items()}

    def tokens_taken(self, keys: Sequence[bytes], box: str) -> TokensTaken:
        """Return the tokens that the answers of a box to ``keys`` have taken."""
        taken = TokensTaken()
        for marks, part in chunks(list(dict.fromkeys(keys))):
            query = (
                "SELECT count(*), send.queries, tokens_in, tokens_out FROM question "  # noqa: S608 - marks
                "JOIN answer ON question = question.id JOIN send ON send.id = send "
                f"JOIN box ON box.id = send.box WHERE key IN ({marks}) AND identity=? "
                "AND tokens_in > 0 GROUP BY send.queries, tokens_in, tokens_out"
            )
            for row in self.rows(query, [*part, box]):
                taken = taken.beside(*row)
        return taken

    def billed(self, account: str, kind: Kind) -> Amount:
        """Return what an account has been billed for."""
        row = self.rows(
            "SELECT queries, nano_usd FROM account WHERE name=? AND kind=?", (account, kind)
        )
        return Amount(*row[0]) if row else Amount()

    def billed_to_others(self, account: str, kind: Kind, fit: str) -> Amount:
        """Return what `billed` does, but for what the sends of ``fit`` have cost."""
        (own,) = self.rows(
            """
            SELECT coalesce(sum(coalesce(billed, send.queries)), 0),
                   coalesce(sum(coalesce(billed, send.queries) * nano_usd_each), 0)
            FROM send JOIN account ON account.id = send.account
            WHERE name=? AND kind=? AND fit=?
            """,
            (account, kind, fit),
        )
        return self.billed(account, kind) - Amount(*own)

    def answered(self, kind: Kind, fit: str) -> int:
        """Return how many questions of ``fit`` have been answered, each counted once."""
        (row,) = self.rows(
            """
            SELECT count(DISTINCT key) FROM question JOIN answer ON question = question.id
            JOIN send ON send.id = send JOIN account ON account.id = send.account
            WHERE kind=? AND fit=?
            """,
            (kind, fit),
        )
        return int(row[0])

    def epoch(self, box: str) -> int:
        """Return how often a box is known to have changed under its identity."""
        row = self.rows("SELECT epoch FROM box WHERE identity=?", (box,))
        return int(row[0][0]) if row else 0

    def versions(self, box: str) -> set[str]:
        """Return the versions of its model that have answered for a box."""
        rows = self.rows(
            "SELECT DISTINCT version FROM send WHERE version IS NOT NULL "
            "AND box = (SELECT id FROM box WHERE identity=?)",
            (box,),
        )
        return {str(version) for (version,) in rows}

    def begin_epoch(self, box: str) -> None:
        """Note that a box has changed: what it answered before is recalled no more."""
        self.write(lambda run: enter_epoch(run, box))

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a reading ``query``."""
        with self._lock:
            return self._opened().read(query, values)

    def damage(self) -> list[str]:
        """Return what is wrong with what keeps it, a sentence each."""
        with self._lock:
            return list(self._opened().damage())

    def version(self) -> int:
        """Return of which version its tables are: an old one where it is only read."""
        with self._lock:
            return self._opened().version()

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read the state of one moment, whatever others write meanwhile."""
        with self._lock, self._opened().snapshot():
            yield

    def close(self) -> None:
        """Close it; the next question opens it again."""
        with self._lock:
            if self._pid == os.getpid():
                self._store.close()
            else:
                self._store.leave()

    def rest(self) -> None:
        """Close it unless it is in use; the next question opens it again."""
        if self._lock.acquire(blocking=False):  # two that wait for each other would wait for ever
            try:
                if self._pid == os.getpid():
                    self.close()
            finally:
                self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # a journal that was never opened, or a program's end
            self.close()

    # A connection is neither copied nor carried over a fork.
    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_writable": self._writable}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._writable = state["_writable"]
        self._store = store_of(state["path"], writable=self._writable)
        self._lock = threading.RLock()
        self._waiting = deque()
        self._pid = os.getpid()

    def __repr__(self) -> str:
        return f"<Journal {self.name}>"

    def _opened(self) -> Store:
        """Return the store, with a connection that is this process's own."""
        if self._pid != os.getpid():
            self._store.leave()
            self._pid = os.getpid()
        self._store.open()
        if self._writable:
            _HELD.use(self)
        return self._store

    def write(self, work: Callable[[Execute], Any]) -> Any:
        """Return what ``work`` returns, once it is committed.

        Whoever gets the lock writes what others have handed in meanwhile: one wait for the disk
        then serves all of them.
        """
        mine = _Job(work)
        self._waiting.append(mine)
        with self._lock:
            if not mine.done:
                batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
                self._commit(batch)
        if mine.error is not None:
            raise mine.error
        return mine.result

    def _commit(self, batch: Sequence["_Job"]) -> None:
        def work(run: Execute) -> None:
            for job in batch:
                job.carry_out(run)

        try:
            self._opened().write(work)
        except BaseException as error:  # noqa: BLE001 - raised where each was handed in
            for job in batch:
                job.error = job.error or error
        finally:
            for job in batch:
                job.done = True


@dataclass
class _Job:
    """A piece of a transaction: it stands or falls by itself."""

    work: Callable[[Execute], Any]
    done: bool = False
    result: Any = None
    error: BaseException | None = None

    def carry_out(self, run: Execute) -> None:
        self.error = None  # of a transaction that has to be written again
        run("SAVEPOINT job")
        try:
            self.result = self.work(run)
        except run.failures:  # of the store, which undoes the whole
            raise
        except Exception as error:  # noqa: BLE001 - raised where it was handed in; nothing is written
            run("ROLLBACK TO job")
            self.error = error
        run("RELEASE job")
