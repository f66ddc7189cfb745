"""An emulator, a PostgreSQL server, and workflows that run in this process."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.journals.conftest import database, server
from tests.workflows.places import ALL, PIN, read_back
from voucher_async import VoucherClient
from voucher_async.integrations.dbos import Executor, VoucherCode, VoucherWorkflows
from voucher_async.testing import VoucherEmulator

__all__ = ["Running", "database", "server"]

# each of its stories starts several workers: for `make workflows`
collect_ignore = [] if ALL else ["test_workers.py"]


@pytest.fixture
def emulator() -> Iterator[VoucherEmulator]:
    with VoucherEmulator() as emulator:
        yield emulator


@attrs.define(eq=False)
class Running:
    """A shop whose workflows run in this process.

    Attributes:
        folder: has both databases.
        emulator: the server.
        codes: those of each order.
    """

    folder: Path
    emulator: VoucherEmulator
    codes: dict[str, list[VoucherCode]] = attrs.field(factory=dict[str, list[VoucherCode]])

    @property
    def database(self) -> str:
        return f"sqlite:///{self.folder / 'workflows.db'}"

    def order(self, number: str, *amounts: str) -> str:
        """Take an order that is paid with vouchers."""
        made = [self.emulator.add_voucher(amount=amount, pin=PIN) for amount in amounts]
        self.codes[number] = [VoucherCode(each.code, PIN) for each in made]
        return number

    def workflows(self, codes_of: Any = None, **settings: Any) -> VoucherWorkflows:
        journal = f"sqlite:///{self.folder / 'vouchers.db'}"
        given = {
            **self.emulator.settings(),
            "journal": journal,
            "settle_window": 1.0,
            "list_lag": 0.2,
            **settings,
        }
        return VoucherWorkflows(codes_of or self.codes.__getitem__, make=lambda: VoucherClient(**given))

    def executor(self, vouchers: VoucherWorkflows, **settings: Any) -> Executor:
        return Executor(vouchers, database=self.database, **settings)

    def stored(self) -> bytes:
        """The content of the workflows' database, read back."""
        with contextlib.closing(sqlite3.connect(self.folder / "workflows.db")) as db:
            dumped = "\n".join(db.iterdump()).encode()
        return dumped + read_back(dumped)


@pytest.fixture
def running(tmp_path: Path, emulator: VoucherEmulator) -> Running:
    return Running(tmp_path, emulator)
