"""The databases of journals, their disk, and the transactions that they have written."""

from __future__ import annotations

import contextlib
import functools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from tests.bench.places import answer_of, ask, start, stop

__all__ = ["Database", "Databases", "databases", "written_in"]

PAGE = 4096
SYNCS = 50
PARTING = 60.0  # seconds: a server that is killed would leave its processes behind


@dataclass(frozen=True)
class Database:
    """A database that is empty at first.

    Attributes:
        kind: its name in the tables.
        url: its URL; "" for none, so that the journal is in memory.
        written: how many transactions have changed something so far.
    """

    kind: str
    url: str
    written: Callable[[], int]


class Databases:
    """Databases in temporary folders, which are on one disk.

    Args:
        folder: that of SQLite.
        server: the process of `postgres.py`.
    """

    def __init__(self, folder: Path, server: Popen[str]) -> None:
        self._folder = folder
        self._server = server
        self.version = str(answer_of(server))

    def make(self, name: str) -> list[Database]:
        """One of each kind."""
        path = self._folder / f"{name}.db"
        return [
            Database("SQLite", f"sqlite:///{path}", functools.partial(written_in, path)),
            Database(
                "PostgreSQL",
                ask(self._server, name)["url"],
                lambda: int(ask(self._server, name)["written"]),
            ),
        ]

    def sync_ms(self) -> float:
        """Milliseconds until a page of a file is written and on disk."""
        taken: list[float] = []
        with tempfile.TemporaryFile(dir=self._folder, buffering=0) as file:
            for _ in range(SYNCS + 1):
                page = os.urandom(PAGE)
                began = time.perf_counter()
                os.pwrite(file.fileno(), page, 0)
                os.fsync(file.fileno())
                taken.append(time.perf_counter() - began)
        return statistics.median(taken[1:]) * 1e3  # the first makes the file longer


@contextlib.contextmanager
def databases() -> Generator[Databases]:
    """Databases that are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        server = start("journals", "tests.bench.postgres")
        try:
            yield Databases(Path(folder), server)
        finally:
            stop(server, PARTING)


def written_in(path: Path) -> int:
    """The number of transactions that have changed an open database of SQLite, by the index of its log.

    It is the field `iChange` of https://www.sqlite.org/walformat.html.
    """
    header = Path(f"{path}-shm").read_bytes()[:12]
    return int.from_bytes(header[8:], sys.byteorder)
