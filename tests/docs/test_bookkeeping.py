"""The programs of docs/bookkeeping.md: a mail for a low balance, an export that goes on from its cursor."""

from __future__ import annotations

import asyncio
import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.docs.blocks import ROOT, blocks_of
from voucher_async import VoucherClient
from voucher_async.testing import VoucherEmulator

Run = Callable[..., dict[str, Any]]

LOW_BALANCE, EXPORT, REPORT = blocks_of(ROOT / "docs" / "bookkeeping.md")


async def pay(emulator: VoucherEmulator, amount: str) -> str:
    voucher = emulator.add_voucher(amount="12.00")
    async with VoucherClient.from_env() as client:
        await client.redeem(code=voucher.code, amount=amount, currency="EUR", order_number="A-1")
    return voucher.id


def test_a_low_balance_is_mailed(
    run: Run, emulator: VoucherEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch: Any = run(LOW_BALANCE)["watch"]
    mails: list[str] = []

    async def shop() -> list[str]:
        found = asyncio.Event()

        async def send(words: str) -> None:
            mails.append(words)
            found.set()

        async with VoucherClient.from_env() as client:
            eager = client.watch_charges
            monkeypatch.setattr(client, "watch_charges", lambda: eager(interval=0.05))
            watching = asyncio.ensure_future(watch(client, send))
            while emulator.requests.count("listVouchers") < 3:  # the first round, which is a sweep, is over
                await asyncio.sleep(0.01)
            await pay(emulator, "2.00")
            low = await pay(emulator, "8.00")
            await found.wait()
        await watching  # closing the client ends it
        return [f"Voucher {low}: 4.00 EUR are left."]

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        assert runner.run(shop()) == mails


def test_the_export_goes_on_where_it_stopped(run: Run, emulator: VoucherEmulator) -> None:
    vouchers: list[str] = []
    for amount in ("1.00", "2.00"):
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            vouchers.append(runner.run(pay(emulator, amount)))
        run(EXPORT)
        with Path("charges.csv").open(newline="") as file:
            rows = list(csv.reader(file, delimiter=";"))
        assert [row[4] for row in rows] == vouchers
    assert [(row[2], row[3]) for row in rows] == [("charge", "1.00"), ("charge", "2.00")]
    assert [row[0] for row in rows] == [each.id for each in emulator.charges()]
