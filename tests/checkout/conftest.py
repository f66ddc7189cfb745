"""The emulator and clients on one clock that is moved by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.emulated import client, emulator, proxied, proxy, recorder
from tests.settlement.disk import journal_at
from voucher_async import ManualClock, VoucherClient
from voucher_async.checkout import Checkout
from voucher_async.payments.settle import PAUSE_REFUSED
from voucher_async.testing import VoucherRecord

__all__ = ["client", "emulator", "journal_at", "proxied", "proxy", "recorder"]


@asynccontextmanager
async def holding(client: VoucherClient, *vouchers: VoucherRecord, amount: str) -> AsyncIterator[Checkout]:
    """A checkout of the order A-1 that holds an amount of each voucher."""
    async with client.checkout(order_number="A-1", currency="EUR") as checkout:
        for voucher in vouchers:
            await checkout.reserve(code=voucher.code, amount=amount)
        yield checkout


class ImpatientClock(ManualClock):
    """Lets the pause between two looks after a refusal pass by itself; all else waits for `advance`."""

    async def sleep(self, seconds: float) -> None:
        if seconds == PAUSE_REFUSED:
            self.advance(seconds)
        else:
            await super().sleep(seconds)


@pytest.fixture
def clock() -> ManualClock:
    return ImpatientClock()
