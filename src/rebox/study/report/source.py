"""Where a report's rows come from: ledgers and journals, read and never written."""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rebox.errors import InvalidData, JournalError
from rebox.meter import AccountLine, Journal, accounts, faults, is_server, questions
from rebox.study.bench import Row, read_ledger


@dataclass(frozen=True, kw_only=True)
class LedgerFile:
    """A ledger as it was read.

    Attributes
    ----------
    name : str
        The file's name, without the folders that it lies in.
    sha256 : str
        Of its bytes.
    rows : tuple of dict
        As `read_ledger` yields them.
    """

    name: str
    sha256: str
    rows: tuple[Row, ...]


def open_ledger(path: str | Path) -> LedgerFile:
    """Read a ledger.

    Raises
    ------
    InvalidData
        There is no such file, it cannot be read, or holds no rows.
    """
    path = Path(path)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows = tuple(read_ledger(path))
    except UnicodeDecodeError as error:
        raise InvalidData(
            f"{path} is not text; expected a ledger, a line of JSON for each trial: name the file "
            "that 'rebox bench run' wrote."
        ) from error
    except OSError as error:
        raise InvalidData(f"cannot read the ledger {path}: {error.strerror}.") from error
    if not rows:
        raise InvalidData(
            f"{path} holds no trial; expected a ledger, a line of JSON for each: name the file "
            "that 'rebox bench run' wrote, after a trial of it has ended."
        )
    return LedgerFile(name=path.name, sha256=digest, rows=rows)


@dataclass(frozen=True, kw_only=True)
class JournalAccounts:
    """What a journal says of the money.

    Attributes
    ----------
    name : str
        As of a `LedgerFile`.
    purposes : mapping of (account, purpose) to (questions, answered)
    first, last : str or None
        When the first and the last question were asked, in UTC; None where none was.
    faults : tuple of str
        What is wrong with the file; empty for a sound one.
    """

    name: str
    accounts: tuple[AccountLine, ...]
    purposes: Mapping[tuple[str, str], tuple[int, int]]
    first: str | None
    last: str | None
    faults: tuple[str, ...]


def open_journal(path: str | Path) -> JournalAccounts:
    """Read what a journal says of the money.

    Raises
    ------
    JournalError
        There is no such journal, or it cannot be read.
    """
    if not is_server(path) and not Path(path).is_file():
        raise JournalError(f"there is no journal {path}: name one that a fit wrote.")
    asked: Counter[tuple[str, str]] = Counter()
    answered: Counter[tuple[str, str]] = Counter()
    moments: list[str] = []
    with Journal(path, writable=False) as journal:
        for question in questions(journal):
            key = (question["account"], question["purpose"])
            asked[key] += 1
            answered[key] += question["scores"] is not None
            moments = [*moments[:1], question["asked_at"]]
        return JournalAccounts(
            name=journal.name,
            accounts=tuple(accounts(journal)),
            purposes={key: (n, answered[key]) for key, n in asked.items()},
            first=moments[0] if moments else None,
            last=moments[-1] if moments else None,
            faults=tuple(faults(journal)),
        )
