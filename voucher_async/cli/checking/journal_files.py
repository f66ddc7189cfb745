"""A journal in SQLite, as the check looks at it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from voucher_async.cancelling import to_the_end
from voucher_async.cli.checking.journal_kinds import LOCKS, NoJournalYet
from voucher_async.errors import JournalFailed
from voucher_async.journals import sqlite_statements as statements
from voucher_async.journals.filesystems import check_is_local
from voucher_async.journals.sqlite import SqliteStore
from voucher_async.journals.sqlite_file import Work
from voucher_async.journals.sqlite_schema import check_tables
from voucher_async.journals.tables import about, metadata

if TYPE_CHECKING:
    from voucher_async.cli.checking.findings import Fact
    from voucher_async.clock import Clock

__all__ = ["measure"]

_WRITES: Final = 3
_PAGE: Final = 4096  # bytes
_BEGIN: Final = "INSERT INTO voucher_owners (owner, lease_ends, buried) VALUES (?, 0, 0)"
_END: Final = "DELETE FROM voucher_owners WHERE owner = ?"
_NAMES: Final = "SELECT name FROM sqlite_master WHERE type = 'table'"


async def measure(place: str, clock: Clock, facts: dict[str, Fact]) -> float:
    """Milliseconds of a durable write; see `journaling`."""
    path = _absolute(place)
    facts["path"] = str(path)
    if not await asyncio.to_thread(_is_there, path):
        facts["durable_write_ms"] = await asyncio.to_thread(_write_beside, path)
        raise NoJournalYet(f"there is no journal at {path} yet; the first payment makes it")
    if await asyncio.to_thread(_lacks_tables, path):
        raise NoJournalYet(f"{path} has no tables of a journal yet; the first payment makes them")
    store = SqliteStore(place, clock, create=False, lock_timeout=LOCKS)
    try:
        return statistics.median([await _write(store) for _ in range(_WRITES)])
    finally:
        await to_the_end(store.aclose())


def _absolute(place: str) -> Path:
    return Path(os.path.abspath(place))  # noqa: PTH100 - links are followed later, as the journal does


def _is_there(path: Path) -> bool:
    """True for a file with something in it.

    Raises:
        JournalFailed: it is a folder, or on a network file system.
    """
    check_is_local(path)
    if path.is_dir():
        raise JournalFailed(f"the journal {path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise JournalFailed(f"the journal {path}: its folder does not exist; make it, or correct the path")
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False
    except OSError as error:
        raise JournalFailed(f"the journal {path} cannot be looked at: {error.strerror}") from None


def _write_beside(path: Path) -> float:
    """Write durably to a file in the folder, which is gone afterwards.

    Raises:
        JournalFailed: that cannot be done.
    """
    began = time.perf_counter()
    try:
        with tempfile.TemporaryFile(dir=path.parent, prefix=".voucher-check-") as file:
            file.write(bytes(_PAGE))
            file.flush()
            os.fsync(file.fileno())
        if path.exists() and not os.access(path, os.W_OK):
            raise JournalFailed(f"the journal {path} cannot be written; let this user write to it")
    except OSError as error:
        raise JournalFailed(
            f"the journal {path} cannot be made: {error.strerror}; let this user write to its folder"
        ) from None
    return _since(began)


def _lacks_tables(path: Path) -> bool:
    """True for a database in which a client would make tables; nothing is written.

    Raises:
        JournalFailed: it is another application's, or of another version.
    """
    # what is no database, or cannot be opened, is explained by the journal itself
    with contextlib.suppress(sqlite3.Error):
        db = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=LOCKS)
        try:
            names = {str(name) for (name,) in db.execute(_NAMES)}
            check_tables(db, f"the journal {path}")
            is_described = about.name in names and db.execute(statements.ABOUT).fetchone() is not None
            return not (is_described and names >= metadata.tables.keys())
        finally:
            db.close()
    return False


async def _write(store: SqliteStore) -> float:
    """Write an owner that nobody is, and take it back, in one transaction."""
    own = (f"check-{uuid.uuid4().hex}",)

    def run(db: sqlite3.Connection) -> None:
        db.execute(_BEGIN, own)
        db.execute(_END, own)

    began = time.perf_counter()
    await store.batches.ask(Work(run, writes=True, durable=True))
    return _since(began)


def _since(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 2)
