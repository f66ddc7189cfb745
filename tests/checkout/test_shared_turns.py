"""Clients that share a journal which gives turns: nobody's reservation is replaced under him."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from tests.journals.lined import LinedJournal
from voucher_async import Charge, Settings, SystemClock, VoucherClient
from voucher_async.testing import VoucherEmulator


def client_of(emulator: VoucherEmulator, journal: LinedJournal) -> VoucherClient:
    return VoucherClient(settings=Settings.make(**emulator.settings()), journal=journal)


async def test_three_clients_pay_with_one_voucher_without_a_refusal() -> None:
    journal = LinedJournal(SystemClock())
    async with VoucherEmulator(clock=SystemClock()) as emulator:
        voucher = emulator.add_voucher(amount="100.00")
        clients = [client_of(emulator, journal) for _ in range(3)]

        async def pay(number: int) -> Charge:
            client = clients[number % 3]
            order = f"A-{number}"
            return await client.redeem(
                code=voucher.code, amount="1.00", currency="EUR", order_number=order, idempotency_key=order
            )

        charges = await asyncio.gather(*map(pay, range(60)))
        assert len({charge.id for charge in charges}) == 60
        assert emulator.balance(voucher.id) == Decimal("40.00")
        assert emulator.requests.count("createReservation") == 60
        for client in clients:
            await client.aclose()
    assert journal.tickets == 0


async def test_checkouts_take_their_turns_from_the_journal_too() -> None:
    journal = LinedJournal(SystemClock())
    async with VoucherEmulator(clock=SystemClock()) as emulator:
        vouchers = [emulator.add_voucher(amount="100.00") for _ in range(2)]
        clients = [client_of(emulator, journal) for _ in range(2)]

        async def pay(number: int) -> tuple[Charge, ...]:
            order = f"B-{number}"
            async with clients[number % 2].checkout(order_number=order, currency="EUR") as checkout:
                for voucher in vouchers[:: -1 if number % 3 else 1]:
                    await checkout.reserve(code=voucher.code, amount="1.00")
                return await checkout.charge()

        for number in range(4):
            await pay(number)
        assert [emulator.balance(voucher.id) for voucher in vouchers] == [Decimal("96.00")] * 2
        assert journal.lines
        assert journal.tickets == 0
        for client in clients:
            await client.aclose()
