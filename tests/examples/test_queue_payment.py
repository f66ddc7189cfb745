"""The function that the workers share: what it asks for again, and what it does not."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from examples.queue_payment import AskAgain, pay
from voucher_async import ApiError, VoucherClient
from voucher_async.testing import VoucherEmulator

ORDERS = "CREATE TABLE orders (number TEXT, code TEXT, amount TEXT, charge_id TEXT)"
FULL = "CREATE TRIGGER full BEFORE UPDATE ON orders BEGIN SELECT RAISE(ABORT, 'no space'); END"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHOP_DATABASE", str(tmp_path / "shop.db"))
    execute(tmp_path / "shop.db", ORDERS)
    return tmp_path / "shop.db"


def execute(shop: Path, statement: str, *values: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(shop, isolation_level=None)) as db:
        return db.execute(statement, values).fetchall()


async def test_a_charge_that_could_not_be_marked_is_asked_for_again(
    shop: Path, voucher_client: VoucherClient, voucher_emulator: VoucherEmulator
) -> None:
    code = voucher_emulator.add_voucher(amount="50.00").code
    execute(shop, "INSERT INTO orders VALUES ('A-1', ?, '10.00', NULL)", code)
    execute(shop, FULL)
    with pytest.raises(AskAgain, match="charged, but not marked as paid: no space"):
        await pay(voucher_client, "A-1")
    execute(shop, "DROP TRIGGER full")
    charge = await pay(voucher_client, "A-1")
    assert execute(shop, "SELECT charge_id FROM orders") == [(charge,)]
    assert [each.id for each in voucher_emulator.charges("A-1")] == [charge]


async def test_a_refusal_is_not_asked_for_again(shop: Path, voucher_client: VoucherClient) -> None:
    execute(shop, "INSERT INTO orders VALUES ('A-1', 'NO-SUCH-CODE', '10.00', NULL)")
    with pytest.raises(ApiError):
        await pay(voucher_client, "A-1")
