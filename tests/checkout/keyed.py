"""Checkouts that are run again, by clients that share a journal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeVar

import attrs

from tests.checkout.conftest import ImpatientClock
from tests.checkout.journals import Pausing
from tests.idle import Timed
from tests.recorder import Recorder
from voucher_async import Charge, CheckoutFailed, HeldReservation, ManualClock, Settings, VoucherClient
from voucher_async.checkout import LocalVoucherLock
from voucher_async.payments.call import CallRecord, CallState
from voucher_async.payments.memory import MemoryJournal
from voucher_async.testing import VoucherEmulator, VoucherRecord

__all__ = ["KEY", "Shops", "Vouchers", "charged_in", "opened"]

T = TypeVar("T")

Vouchers = tuple[VoucherRecord, ...]

KEY = "A-1"


@attrs.define
class Shops(Timed):
    """An emulator, a journal, and any number of clients of both; time passes while something is awaited."""

    emulator: VoucherEmulator
    clock: ManualClock
    journal: Any
    told: Recorder = attrs.Factory(Recorder)
    journals: list[Any] = attrs.Factory(list[Any])
    clients: list[VoucherClient] = attrs.Factory(list[VoucherClient])

    def client(
        self, journal: Any = None, *, lock: LocalVoucherLock | None = None, **changes: Any
    ) -> VoucherClient:
        """A client in a process of its own, as far as it knows."""
        windows = {"settle_window": 10.0, "settle_for": 60.0}
        settings = attrs.evolve(Settings.make(**self.emulator.settings()), **{**windows, **changes})
        journal = self.journal if journal is None else journal
        self.journals.append(journal)
        client = VoucherClient(
            settings=settings,
            clock=self.clock,
            journal=journal,
            hooks=[self.told],
            voucher_lock=lock or LocalVoucherLock(),
        )
        self.clients.append(client)
        return client

    def vouchers(self, count: int = 2) -> Vouchers:
        return tuple(self.emulator.add_voucher(amount="5.00") for _ in range(count))

    def pay(
        self, client: VoucherClient, vouchers: Vouchers, *, amount: str = "4.00", **changes: Any
    ) -> Coroutine[Any, Any, tuple[Charge, ...]]:
        """Pay 4.00 with each voucher; nobody lets time pass."""

        async def run() -> tuple[Charge, ...]:
            order = {"order_number": "A-1", "currency": "EUR", "idempotency_key": KEY}
            async with client.checkout(**{**order, **changes}) as checkout:
                for voucher in vouchers:
                    await checkout.reserve(code=voucher.code, amount=amount)
                return await checkout.charge()

        return run()

    async def pay_failing(self, client: VoucherClient, vouchers: Vouchers) -> tuple[Charge, ...]:
        """Pay with each voucher, of which the last one is refused."""
        async with client.checkout(order_number="A-1", currency="EUR", idempotency_key=KEY) as checkout:
            for voucher in vouchers:
                await checkout.reserve(code=voucher.code, amount="4.00")
            self.emulator.set_status(vouchers[-1].id, "inactive")
            return await checkout.charge()

    async def paid(self, client: VoucherClient, vouchers: Vouchers, **changes: Any) -> tuple[Charge, ...]:
        """Pay while time passes."""
        return await self.during(self.pay(client, vouchers, **changes))

    def count(self, operation: str) -> int:
        return self.emulator.requests.count(operation)

    @property
    def balances(self) -> list[str]:
        return [str(voucher.balance) for voucher in self.emulator.vouchers()]

    def standing(self) -> list[str]:
        """The charges that were not taken back."""
        charges = self.emulator.charges(type="charge")
        return [charge.id for charge in charges if charge.refunded < charge.amount]

    async def records(self) -> list[CallRecord]:
        scope = f"{self.emulator.base_url} {self.emulator.client_id}"
        return [record async for record in self.journal.history(scope)]

    async def states(self) -> list[CallState]:
        """The states of the checkouts, the oldest first."""
        records = await self.records()
        return [record.state for record in records if record.parameters.operation == "checkout"]

    async def check_paid_once(self, charges: Sequence[Charge], where: str) -> None:
        """These charges stand and no other, of three vouchers, and the last checkout is done."""
        assert self.standing() == [charge.id for charge in charges], where
        assert self.balances == ["1.00"] * 3, where
        assert (await self.states())[-1] is CallState.DONE, where

    def lease_ends(self) -> None:
        """Let the lease of whoever is idle end, in the journal."""
        self.clock.advance(16.0)


@asynccontextmanager
async def opened(journal: Callable[[ManualClock], Any] = MemoryJournal) -> AsyncIterator[Shops]:
    """Shops with a journal of their own."""
    clock = ImpatientClock()
    async with VoucherEmulator(clock=clock, token_lifetime=86_400) as emulator:
        shops = Shops(emulator, clock, journal(clock))
        try:
            yield shops
        finally:
            for paused in [each for each in shops.journals if isinstance(each, Pausing)]:
                paused.goes_on.set()
            for client in shops.clients:
                await client.aclose(wait=0)


def charged_in(failed: CheckoutFailed) -> list[str]:
    """The charges that a checkout which failed reports as left."""
    return [each.charge.id for each in failed.outcomes if each.charge and each.state == "charged"]


def shown(held: HeldReservation) -> tuple[Decimal, bool, float]:
    """What a reservation tells of itself."""
    return held.amount, held.charged, held.remaining
