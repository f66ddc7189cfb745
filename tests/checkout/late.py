"""Checkouts behind a proxy that refuses by itself, and delivers its copies later."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest

from tests.checkout.keyed import KEY, Shops, Vouchers, opened
from tests.proxy import Asked, Proxy, Reply, said
from voucher_async import Charge, CheckoutFailed, Proof, VoucherClient
from voucher_async.clock import Clock
from voucher_async.payments.journal import Journal
from voucher_async.payments.memory import MemoryJournal
from voucher_async.testing import VoucherRecord

__all__ = ["CHARGE", "LATE", "LIST", "REFUND", "RESERVE", "JournalAt", "Late", "ids", "refusing"]

CHARGE, REFUND, RESERVE, LIST = "chargeReservation", "refundCharge", "createReservation", "listCharges"
LATE = 40.0  # seconds after which a copy arrives, within the settle window

JournalAt = Callable[[Clock], Journal]


@attrs.define
class Late:
    """A proxy that refuses charges by itself, keeps them, and delivers its copies when it is told to."""

    shops: Shops
    mesh: Proxy
    kept: list[Asked] = attrs.Factory(list[Asked])

    def client(self, journal: Any = None) -> VoucherClient:
        return self.shops.client(journal, base_url=self.mesh.base_url, settle_window=60.0, settle_for=120.0)

    def refuse(self, number: int = 1, status: int = 422, *, operation: str = CHARGE) -> None:
        """Refuse the charge that comes as the so-manieth from now on."""
        count = 0

        async def rule(asked: Asked) -> Reply:
            nonlocal count
            count += 1
            if count != number:
                return await asked.deliver()
            self.kept.append(asked)
            return said(status)

        self.mesh.rules[operation] = rule

    def refuse_undoing(self, status: int = 422) -> None:
        """Refuse the second charge, for good, and the refund of the first."""
        self.refuse(2)
        self.refuse(status=status, operation=REFUND)

    def hide_lists(self) -> None:
        """Answer no list, until `show_lists`."""

        async def down(_: Asked) -> Reply:
            return said(503)

        self.mesh.rules[LIST] = down

    def show_lists(self) -> None:
        """Answer lists again."""
        del self.mesh.rules[LIST]

    def redeem(self, client: VoucherClient, voucher: VoucherRecord) -> Coroutine[Any, Any, Charge]:
        """A payment with the key that is no checkout."""
        payment: dict[str, Any] = {"amount": "4.00", "currency": "EUR", "order_number": "A-1"}
        return client.redeem(code=voucher.code, **payment, idempotency_key=KEY)

    async def deliver(self) -> None:
        """Deliver the copies."""
        await self.shops.passes(LATE)
        assert [(await asked.deliver()).status for asked in self.kept] == [200] * len(self.kept)
        self.kept.clear()

    async def fails(self, client: VoucherClient, vouchers: Vouchers, **changes: Any) -> None:
        """A run that ends with "not charged"."""
        with pytest.raises(CheckoutFailed) as caught:
            await self.shops.paid(client, vouchers, **changes)
        error = caught.value.outcomes[-1].error
        assert (getattr(error, "proof", None), getattr(error, "looked", None)) == (Proof.REFUSED, True)


@asynccontextmanager
async def refusing(journal: JournalAt | None = None) -> AsyncIterator[Late]:
    async with opened(journal or MemoryJournal) as shops, Proxy(shops.emulator) as mesh:
        yield Late(shops, mesh)


def ids(charges: tuple[Charge, ...]) -> list[str]:
    return [charge.id for charge in charges]
