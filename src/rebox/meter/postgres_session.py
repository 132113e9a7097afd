"""A session at a PostgreSQL server: how it is begun, and what its errors say to do."""

import secrets
import time
from typing import Any

import psycopg
from psycopg import conninfo, errors, sql
from psycopg.types.numeric import IntLoader

from rebox.errors import JournalError
from rebox.meter.postgres_tables import VERSION, statements

# A large batch is entered in one transaction, of many round trips: it is waited for. Whoever stands
# still in one is put out of it, so that nobody waits for a machine that is not there any more.
LOCKED_S = 600
STALLED_S = 60
FORGOTTEN_S = 30 * 86400  # after which a writer that was not heard of will not come back
USUAL = {  # unless the URL says otherwise: a machine that has vanished is noticed
    "connect_timeout": 10,
    "keepalives_idle": 20,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 45_000,
    "application_name": "rebox",
}
SETTINGS = f"""
    SET client_min_messages = warning;
    SET default_transaction_isolation = 'read committed';
    SET lock_timeout = '{LOCKED_S}s';
    SET statement_timeout = 0;
    SET idle_in_transaction_session_timeout = '{STALLED_S}s';
    SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') = 'off'
"""
AWAY = ("08", "57P", "53300", "25P03")  # the beginnings of SQLSTATEs of a server that comes back
REFUSALS = ("password", "authentication", "does not exist", "pg_hba.conf")  # or in other tongues


def connected(address: str, password: str | None) -> psycopg.Connection[Any]:
    """Return a connection to a server.

    Raises
    ------
    JournalError
        ``address`` cannot be read.
    psycopg.Error
        It does not answer, or not to this user.
    """
    try:
        given = conninfo.conninfo_to_dict(address)
    except psycopg.Error:  # its words may show what was mistaken for something else
        raise JournalError(
            "the journal's URL cannot be read; expected postgresql://user@host:port/database, "
            "special characters written as %XX."
        ) from None
    more: dict[str, Any] = {**USUAL, **given}
    if password is not None:
        more["password"] = password
    connection: psycopg.Connection[Any] = psycopg.connect(autocommit=True, **more)
    connection.adapters.register_loader("numeric", IntLoader)  # sums of whole numbers are that here
    return connection


def begun(
    connection: psycopg.Connection[Any], schema: str, *, writable: bool, name: str
) -> tuple[int, int]:
    """Begin a session with a journal, made if it is not there; return its number and its sends.

    Raises
    ------
    JournalError
        There is none to read, it is no journal, or was written by a newer rebox.
    """
    connection.execute(SETTINGS)
    connection.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema)))
    if writable:
        _make(connection, schema, name)
        connection.execute("DELETE FROM writer WHERE heard_s < %s", (time.time() - FORGOTTEN_S,))
    else:
        connection.execute("SET default_transaction_read_only = on")
    found = _version(connection, schema, name)
    if found is None:
        raise JournalError(f"there is no journal {name}: nothing was paid for with it.")
    row = connection.execute(
        "SELECT number, (SELECT coalesce(max(id), 0) FROM send) FROM journal"
    ).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def _make(connection: psycopg.Connection[Any], schema: str, name: str) -> None:
    if _version(connection, schema, name) is not None:
        return
    with connection.transaction():
        # two that make it at once wait for each other
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"rebox {schema}",))
        if _version(connection, schema, name) is not None:
            return
        row = connection.execute("SELECT to_regnamespace(%s)", (schema,)).fetchone()
        if row is None or row[0] is None:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        for statement in statements():
            connection.execute(statement)
        number = secrets.randbelow(2**62) + 1
        connection.execute("INSERT INTO journal VALUES (%s, %s)", (number, VERSION))


def _version(connection: psycopg.Connection[Any], schema: str, name: str) -> int | None:
    """Return the version of the tables in a schema; None: there are none."""
    tables = {
        str(one)
        for (one,) in connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace(%s) "
            "AND relkind IN ('r', 'v', 'p', 'm', 'f')",
            (schema,),
        )
    }
    if not tables:
        return None
    if not {"journal", "send", "question", "answer"} <= tables:
        raise JournalError(
            f"the schema {schema} of {name} holds something else: name another by ?schema=NAME."
        )
    row = connection.execute("SELECT version FROM journal").fetchone()
    version = int(row[0]) if row else 0
    if version > VERSION:
        raise JournalError(f"{name} was written by a newer rebox: upgrade, or name another.")
    return version


def number_on(connection: psycopg.Connection[Any], schema: str, table: str) -> None:
    """Have new rows of a table numbered behind those that it has."""
    place = sql.Identifier(schema, table)
    query = sql.SQL(
        "SELECT setval(pg_get_serial_sequence(%s, 'id'), (SELECT max(id) FROM {})) "
        "WHERE EXISTS (SELECT 1 FROM {})"
    ).format(place, place)
    connection.execute(query, (f"{schema}.{table}",))


def is_lost(error: psycopg.Error, connection: psycopg.Connection[Any] | None) -> bool:
    """Return whether it is the server, or the way to it, that is away and may come back."""
    if (error.sqlstate or "").startswith(AWAY):
        return True
    if connection is None:  # it could not be connected to: libpq gives no number for why
        refusal = any(word in str(error) for word in REFUSALS)
        return isinstance(error, psycopg.OperationalError) and not refusal
    return connection.closed or connection.broken


def refused(name: str, error: psycopg.Error) -> JournalError:
    """Return what cannot be done with a journal, and what to do."""
    said = " ".join(str(error).split())
    return JournalError(
        f"the journal {name} cannot be used ({said}): {_advice(error)} and start again; what was "
        "answered is kept."
    )


def _advice(error: psycopg.Error) -> str:
    if isinstance(error, errors.InsufficientPrivilege | errors.ReadOnlySqlTransaction):
        return "have the journal's schema made writable for this user, or name another journal,"
    if isinstance(error, errors.LockNotAvailable):
        return "end the program that holds it"
    if isinstance(error, errors.DiskFull):
        return "have space made on the server"
    if isinstance(error, errors.UndefinedTable | errors.InvalidSchemaName):
        return "it was dropped or replaced while it was in use, so have it put back"
    if "password" in str(error):
        return "set PGPASSWORD or a line of ~/.pgpass, as its URL must hold none,"
    return "see that the server runs and can be reached"
