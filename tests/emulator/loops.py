"""Tests as users write them, on every kind of loop; `test_plugin.py` has pytest run them in a process."""

from __future__ import annotations

import asyncio
import threading
import unittest
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any

import pytest

from voucher_async import (
    Charge,
    ManualClock,
    OutcomeUnknown,
    SettlementState,
    VoucherClient,
    VoucherError,
)
from voucher_async.testing import VoucherEmulator, faults

PAY: dict[str, Any] = {"amount": "10.00", "currency": "EUR", "order_number": "A-1", "timeout": 20}


def run(work: Coroutine[Any, Any, object]) -> None:
    # `asyncio.run` takes the loop away that pytest-asyncio below 1.1 has set for its other tests
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(work)


async def pay(emulator: VoucherEmulator, client: VoucherClient) -> Charge:
    charge = await client.redeem(code=emulator.add_voucher(amount="25").code, **PAY)
    assert emulator.balance(charge.voucher_id) == Decimal("15.00")
    return charge


@pytest.mark.asyncio
async def test_on_a_loop_of_its_own(voucher_emulator: VoucherEmulator, voucher_client: VoucherClient) -> None:
    await pay(voucher_emulator, voucher_client)


@pytest.mark.asyncio(loop_scope="session")
async def test_on_the_session_s(voucher_emulator: VoucherEmulator, voucher_client: VoucherClient) -> None:
    await pay(voucher_emulator, voucher_client)


@pytest.mark.asyncio(loop_scope="module")
async def test_on_the_module_s(voucher_emulator: VoucherEmulator, voucher_client: VoucherClient) -> None:
    await pay(voucher_emulator, voucher_client)


@pytest.mark.asyncio(loop_scope="class")
class TestOnTheClassS:
    async def test_once(self, voucher_client: VoucherClient, voucher_emulator: VoucherEmulator) -> None:
        await pay(voucher_emulator, voucher_client)

    async def test_again(self, voucher_emulator: VoucherEmulator, voucher_client: VoucherClient) -> None:
        await pay(voucher_emulator, voucher_client)


@pytest.mark.anyio
async def test_on_anyio_s(voucher_emulator: VoucherEmulator, voucher_client: VoucherClient) -> None:
    await pay(voucher_emulator, voucher_client)


def test_on_several_one_after_the_other(
    voucher_emulator: VoucherEmulator, voucher_client: VoucherClient
) -> None:
    run(pay(voucher_emulator, voucher_client))
    run(pay(voucher_emulator, voucher_client))
    assert len(voucher_emulator.charges("A-1")) == 2


def test_without_using_the_client(voucher_client: VoucherClient) -> None:
    assert voucher_client.settings.base_url.startswith("http://127.0.0.1:")


def test_a_shop_that_reads_the_environment(
    voucher_emulator: VoucherEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in voucher_emulator.environ().items():
        monkeypatch.setenv(name, value)

    async def shop() -> None:
        async with VoucherClient.from_env() as client:
            await pay(voucher_emulator, client)

    run(shop())


def test_on_two_loops_at_once(voucher_emulator: VoucherEmulator) -> None:
    both = threading.Barrier(2)

    async def shop() -> None:
        async with VoucherClient(**voucher_emulator.settings()) as client:
            both.wait(30)
            for _ in range(5):
                await pay(voucher_emulator, client)

    other = threading.Thread(target=lambda: run(shop()))
    other.start()
    run(shop())
    other.join()
    assert len(voucher_emulator.charges("A-1")) == 10
    voucher_emulator.ledger.check()


@pytest.mark.asyncio
async def test_beside_another_emulator(voucher_emulator: VoucherEmulator) -> None:
    with VoucherEmulator() as other:
        async with VoucherClient(**other.settings()) as client:
            await pay(other, client)
    assert voucher_emulator.vouchers() == ()


@pytest.mark.asyncio
async def test_an_outage(voucher_emulator: VoucherEmulator, voucher_client: VoucherClient) -> None:
    code = voucher_emulator.add_voucher(amount="25.00").code
    await voucher_emulator.stop()
    with pytest.raises(VoucherError):
        await voucher_client.redeem(code=code, **{**PAY, "timeout": 0.2})
    await voucher_emulator.start()
    await voucher_client.redeem(code=code, **PAY)


@pytest.mark.asyncio
async def test_not_charged(
    voucher_emulator: VoucherEmulator, voucher_client: VoucherClient, voucher_clock: ManualClock
) -> None:
    voucher = voucher_emulator.add_voucher(amount="25.00")
    voucher_emulator.faults.chance(1, seed=1, operations=["chargeReservation"], kinds=[faults.BreakBefore()])
    with pytest.raises(OutcomeUnknown) as caught:
        await voucher_client.redeem(code=voucher.code, **PAY)
    settlement = await voucher_client.settle(caught.value.pending, timeout=90)
    assert settlement.state is SettlementState.NOT_DONE
    assert voucher_clock.monotonic() > 60
    assert voucher_emulator.balance(voucher.id) == Decimal("25.00")


@pytest.mark.asyncio
async def test_half_an_hour_later(
    voucher_clock: ManualClock, voucher_client: VoucherClient, voucher_emulator: VoucherEmulator
) -> None:
    code = voucher_emulator.add_voucher(amount="25.00").code
    async with voucher_client.checkout(order_number="A-1", currency="EUR") as checkout:
        held = await checkout.reserve(code=code, amount="10.00")
        voucher_emulator.advance(1200)
        assert 560 < held.remaining < 600
        assert voucher_clock.monotonic() == 1200


class TestOfTheStandardLibrary(unittest.IsolatedAsyncioTestCase):
    emulator: VoucherEmulator

    @pytest.fixture(autouse=True)
    def _serve(self, voucher_emulator: VoucherEmulator) -> None:
        self.emulator = voucher_emulator

    async def test_pays(self) -> None:
        async with VoucherClient(**self.emulator.settings()) as client:
            await pay(self.emulator, client)


class TestInABlock(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self) -> None:
        self.emulator = self.enterContext(VoucherEmulator())
        self.client = await self.enterAsyncContext(VoucherClient(**self.emulator.settings()))

    async def test_pays(self) -> None:
        await pay(self.emulator, self.client)
