"""An emulator whose books are compared at the end of each test, a server that breaks, and a journal."""

from __future__ import annotations

import functools
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.rawserver import RawServer
from voucher_async import VoucherClient
from voucher_async.journals.sql import SqlJournal
from voucher_async.testing import VoucherEmulator


@pytest.fixture(autouse=True)
def _any_disk_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voucher_async.cli.checking.journaling._SLOW", 60_000.0)


_made_once = functools.cache(ssl.create_default_context)


@pytest.fixture(autouse=True)
def _authorities_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # a check makes a context of its own, whether or not any server speaks TLS
    monkeypatch.setattr("voucher_async.cli.checking.network.create_default_context", _made_once)


@pytest_asyncio.fixture
async def emulator() -> AsyncIterator[VoucherEmulator]:
    """An emulator with vouchers that are new, in use and reserved; a check changes none of it."""
    async with VoucherEmulator() as emulator:
        emulator.add_voucher(amount="25.00", active=False)
        used = emulator.add_voucher(amount="25.00")
        async with VoucherClient(**emulator.settings()) as client:
            await client.redeem(code=used.code, amount="10.00", currency="EUR", order_number="A-1")
            await client.reservations.create(code=used.code, amount="5.00", currency="EUR")
        before = books(emulator)
        yield emulator
        assert books(emulator) == before


def books(emulator: VoucherEmulator) -> list[object]:
    """All that a check could have changed."""
    return [
        emulator.vouchers(),
        emulator.charges(),
        emulator.reservations(),
        list(emulator.ledger),
    ]


@pytest_asyncio.fixture
async def raw_server() -> AsyncIterator[RawServer]:
    server = RawServer()
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def journal(tmp_path: Path) -> Path:
    """The file of a journal that has been used."""
    path = tmp_path / "vouchers.db"
    journal = SqlJournal(f"sqlite:///{path}")
    await journal.digest_key()
    await journal.aclose()
    return path


@pytest.fixture
def url(journal: Path) -> str:
    return f"sqlite:///{journal}"
