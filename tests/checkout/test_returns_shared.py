"""Two workers with one journal in SQLite give orders back over real sockets, and answers get lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path

import pytest
import pytest_asyncio

from tests.seeds import drawing
from voucher_async import OrderRefund, VoucherClient, VoucherError
from voucher_async.testing import VoucherEmulator, faults


@pytest.fixture
def emulator(voucher_emulator: VoucherEmulator) -> VoucherEmulator:
    """One on the system's clock."""
    return voucher_emulator


@pytest_asyncio.fixture
async def workers(emulator: VoucherEmulator, tmp_path: Path) -> AsyncIterator[list[VoucherClient]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                VoucherClient(
                    **emulator.settings(),
                    journal=f"sqlite:///{tmp_path / 'vouchers.db'}",
                    settle_window=1.0,
                    list_lag=0.1,
                )
            )
            for _ in range(2)
        ]


async def pay(client: VoucherClient, emulator: VoucherEmulator, order_number: str) -> None:
    async with client.checkout(order_number=order_number, currency="EUR") as checkout:
        for amount in ("5.00", "7.00", "3.00"):
            await checkout.reserve(code=emulator.add_voucher(amount="50.00").code, amount=amount)
        await checkout.charge()


async def test_of_two_workers_that_give_back_at_once_each_refund_is_made_by_one(
    workers: list[VoucherClient], emulator: VoucherEmulator
) -> None:
    await pay(workers[0], emulator, "A-1")
    asked = [worker.refund_order("A-1", "8.00", idempotency_key="return-77") for worker in workers * 2]
    told = await asyncio.gather(*asked)
    assert {each.amount for each in told} == {Decimal("8.00")}
    assert [each.amount for each in emulator.charges("A-1", type="refund")] == [3, 5]
    rest = await asyncio.gather(*(worker.refund_order("A-1") for worker in workers))
    assert {each.amount for each in rest} == {Decimal("7.00")} or {each.amount for each in rest} == {0, 7}
    assert {each.refunded - each.amount for each in emulator.charges("A-1", type="charge")} == {0}
    emulator.ledger.check()


KINDS = (faults.BreakAfter(), faults.BreakBefore(), faults.CutOff(), faults.BadGateway(), faults.TooMany())


@pytest.mark.parametrize("number", range(3))
async def test_with_a_third_of_the_answers_lost_nothing_is_given_back_twice(
    workers: list[VoucherClient], emulator: VoucherEmulator, number: int
) -> None:
    rng = drawing(f"shared returns/{number}")
    orders = [f"A-{each}" for each in range(4)]
    for order in orders:
        await pay(workers[0], emulator, order)
    chance = [rng.choice(KINDS) if rng.random() < 0.3 else None for _ in range(60)]
    emulator.faults.script("refundCharge", *chance)

    async def give_back(order: str) -> OrderRefund:
        for worker in (*workers, *workers, workers[0]):
            with contextlib.suppress(VoucherError):
                return await worker.refund_order(order, "9.00", idempotency_key=f"return-{order}", timeout=20)
        raise AssertionError("it stayed open")

    told = await asyncio.gather(*(give_back(order) for order in orders for _ in workers))
    assert {each.amount for each in told} == {Decimal("9.00")}
    for order in orders:
        assert sum(each.amount for each in emulator.charges(order, type="refund")) == 9
    emulator.ledger.check()
