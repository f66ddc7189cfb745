"""The file of a journal in SQLite: opened, checked, and written in transactions of many operations.

Forks. SQLite must not be carried over a fork: a child with a copy of an open connection takes the parent's
locks for its own, so that the parent may delete a log that the child still writes to. Therefore the
connection is closed before a fork, once the transaction that runs is over, and both processes open one anew.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import quote

import attrs

from voucher_async.errors import JournalFailed
from voucher_async.forks import close_before_forks
from voucher_async.journals.filesystems import check_is_local
from voucher_async.journals.sqlite_schema import check_tables, make_tables
from voucher_async.masking import SecretBytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["SqliteFile", "Work"]

_PAUSE: Final = 0.01  # seconds
_STATEMENTS: Final = 128  # that the driver keeps compiled
_ADVICE: Final = {
    sqlite3.SQLITE_BUSY: "another process held its lock for {timeout:g} s; end that process, or raise "
    "lock_timeout",
    sqlite3.SQLITE_FULL: "the disk is full; free space on it",
    sqlite3.SQLITE_READONLY: "it cannot be written; let this user write to the file and to its folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; its folder must exist, and this user must be allowed to "
    "write to it",
    sqlite3.SQLITE_NOTADB: "it is no SQLite database; name another file",
    sqlite3.SQLITE_CORRUPT: "it is damaged; restore it from a backup",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write it ({name}); look at the system's log",
}
# the errors of one statement; each other one is the file's, and ends the transaction
_OWN: Final = {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH}

Operation: TypeAlias = "Callable[[sqlite3.Connection], Any]"


@attrs.frozen(eq=False)
class Work:
    """An operation of a transaction.

    Attributes:
        run: does it.
        writes: it may change something.
        durable: it has to be on disk when it is done.
    """

    run: Operation
    writes: bool = False
    durable: bool = False


class SqliteFile:
    """A file with the one connection of a process to it.

    Args:
        path: the file.
        create: make file and tables where there are none.
        lock_timeout: seconds to wait for the locks of other processes.

    Attributes:
        commits: how many transactions were committed that may have changed something.
        digest_key: the journal's; empty before it was opened.
    """

    def __init__(self, path: str, *, create: bool, lock_timeout: float) -> None:
        self._path = Path(os.path.abspath(path))  # noqa: PTH100 - it must not follow links yet
        self._create = create
        self._timeout = lock_timeout
        self._lock = threading.Lock()
        self._is_forking = False
        self._opened: sqlite3.Connection | None = None
        self._place: tuple[int, int] | None = None
        self._is_full = True  # synchronous, as a connection begins
        self.commits: int = 0
        self.digest_key: bytes = b""
        close_before_forks(self)

    def before_fork(self) -> None:
        """Close the connection once nothing uses it."""
        self._lock.acquire()
        self._is_forking = True
        self._close()

    def after_fork(self) -> None:
        """Go on, in the parent and in the child."""
        if self._is_forking:
            self._is_forking = False
            self._lock.release()

    def do(self, works: Sequence[Work]) -> list[Any]:
        """Do operations in one transaction; gives the result of each, or its error.

        Raises:
            JournalFailed: none of them was done, or whether they were is not known.
        """
        with self._lock:
            try:
                return self._transaction(self._connection(), works)
            except sqlite3.Error as error:
                self._close()  # rolls back
                raise self._explained(error) from error
            except BaseException:
                self._close()
                raise

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def _connection(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = self._open()
        elif self._place != _place_of(self._path):
            raise JournalFailed(
                f"the journal {self._path} was moved, deleted or replaced while it was used: "
                "keys that were used may be free again; restart the workers with the right file"
            )
        return self._opened

    def _transaction(self, db: sqlite3.Connection, works: Sequence[Work]) -> list[Any]:
        writes, durable = any(each.writes for each in works), any(each.durable for each in works)
        if writes and durable is not self._is_full:
            db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._is_full = durable
        db.execute("BEGIN IMMEDIATE" if writes else "BEGIN")
        outcomes = [_outcome(db, each) for each in works]
        db.execute("COMMIT")
        self.commits += writes
        return outcomes

    def _open(self) -> sqlite3.Connection:
        check_is_local(self._path)
        if not self._create and not self._path.exists():
            raise JournalFailed(f"the journal {self._path} does not exist; make it, or let create be True")
        mode = "rwc" if self._create else "rw"
        db = sqlite3.connect(
            f"file:{quote(str(self._path))}?mode={mode}",
            uri=True,
            timeout=self._timeout,
            isolation_level=None,
            check_same_thread=False,  # one thread works, the one that forks closes
            cached_statements=_STATEMENTS,
        )
        try:
            self._prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        name = f"the journal {self._path}"
        check_tables(db, name)
        self._to_wal(db)
        key = SecretBytes(make_tables(db, name, create=self._create))
        place = _place_of(self._path)
        if self.digest_key not in {b"", key} or self._place not in {None, place}:
            raise JournalFailed(
                f"{name} is another one than before: keys that were used may be free in it; restart the "
                "workers with the right file"
            )
        self.digest_key, self._place, self._is_full = key, place, True
        db.execute("PRAGMA synchronous = FULL")

    def _to_wal(self, db: sqlite3.Connection) -> None:
        """Switch to the write-ahead log. Where others are about to, SQLite refuses without waiting."""
        ends = time.monotonic() + self._timeout
        while True:
            try:
                (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
            except sqlite3.OperationalError as error:
                if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > ends:
                    raise
                time.sleep(_PAUSE)
            else:
                break
        if mode != "wal":
            raise JournalFailed(
                f"the journal {self._path} cannot keep a write-ahead log here; put it on another disk"
            )

    def _explained(self, error: sqlite3.Error) -> JournalFailed:
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        advice = _ADVICE.get(_code(error), "{name}").format(timeout=self._timeout, name=name)
        return JournalFailed(f"the journal {self._path}: {advice}")


def _code(error: sqlite3.Error) -> int:
    """The primary code of an error."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _place_of(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _outcome(db: sqlite3.Connection, work: Work) -> Any:
    try:
        return work.run(db)
    except sqlite3.Error as error:
        if _code(error) not in _OWN:
            raise
        reason: Exception = error
    except Exception as error:  # noqa: BLE001 - it is this caller's, and fails no other
        reason = error
    failed = JournalFailed(f"the journal could not do this: {type(reason).__name__}")
    failed.__cause__ = reason
    return failed
