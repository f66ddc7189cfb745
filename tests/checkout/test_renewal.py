"""Keeping a reservation while the customer is paying elsewhere."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal

import attrs
import pytest

from tests.checkout.conftest import holding
from tests.idle import idle
from tests.proxy import Proxy
from tests.recorder import Recorder
from voucher_async import (
    ConfigurationError,
    ManualClock,
    ReservationExpired,
    ReservationSuperseded,
    VoucherClient,
)
from voucher_async.testing import VoucherEmulator


async def settle(recorder: Recorder, count: int) -> None:
    """Let the loop run until that many events were told."""
    async with asyncio.timeout(5):
        while len(recorder.settled) < count:
            await asyncio.sleep(0)


async def test_a_renewed_reservation_is_charged_long_after_the_first_one_ended(
    client: VoucherClient, emulator: VoucherEmulator, clock: ManualClock, recorder: Recorder
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    async with client.checkout(order_number="A-1", currency="EUR") as checkout:
        held = await checkout.reserve(code=voucher.code, amount="2.00", renew=True)
        first = held.reservation
        for round_ in range(1, 4):
            await idle()
            clock.advance(1495)
            await settle(recorder, round_)
        assert held.reservation.id != first.id
        assert held.remaining > 1700
        await checkout.charge()
    assert recorder.words == ["renewed"] * 3
    assert emulator.requests.count("createReservation") == 4
    assert emulator.balance(voucher.id) == Decimal("3.00")


async def test_without_renewal_it_ends(
    client: VoucherClient, emulator: VoucherEmulator, clock: ManualClock
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    async with holding(client, voucher, amount="2.00") as checkout:
        await idle()
        clock.advance(1800)
        with pytest.raises(ReservationExpired):
            await checkout.charge()


async def test_leaving_the_checkout_ends_the_renewal(
    client: VoucherClient, emulator: VoucherEmulator, clock: ManualClock
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    before = len(asyncio.all_tasks())
    async with client.checkout(order_number="A-1", currency="EUR") as checkout:
        await checkout.reserve(code=voucher.code, amount="2.00", renew=True)
        assert len(asyncio.all_tasks()) > before
    clock.advance(1495)
    await idle()
    assert emulator.requests.count("createReservation") == 1
    assert not [task for task in asyncio.all_tasks() if "keep_alive" in repr(task)]


async def test_a_renewal_does_not_take_the_voucher_back_from_a_newer_reservation(
    client: VoucherClient, emulator: VoucherEmulator, clock: ManualClock
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    async with client.checkout(order_number="A-1", currency="EUR") as checkout:
        await checkout.reserve(code=voucher.code, amount="2.00", renew=True)
        newer = await client.reservations.create(code=voucher.code, amount="3.00", currency="EUR")
        await idle()
        clock.advance(1495)
        await idle()
        assert emulator.requests.count("createReservation") == 2
        await client.reservations.charge(newer, order_number="A-2")
        with pytest.raises(ReservationSuperseded):
            await checkout.charge()


async def test_a_refused_renewal_is_told_and_not_repeated(
    client: VoucherClient, emulator: VoucherEmulator, clock: ManualClock, recorder: Recorder
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    async with client.checkout(order_number="A-1", currency="EUR") as checkout:
        await checkout.reserve(code=voucher.code, amount="2.00", renew=True)
        emulator.set_status(voucher.id, "inactive")
        await idle()
        clock.advance(1495)
        await settle(recorder, 1)
        clock.advance(60)
        await idle()
    assert recorder.words == ["renewal failed"]
    assert emulator.requests.count("createReservation") == 2


async def test_a_renewal_that_met_a_rate_limit_is_tried_again(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, clock: ManualClock, recorder: Recorder
) -> None:
    proxied._transport.settings = attrs.evolve(proxied.settings, max_attempts=1)
    voucher = emulator.add_voucher(amount="5.00")
    async with proxied.checkout(order_number="A-1", currency="EUR") as checkout:
        held = await checkout.reserve(code=voucher.code, amount="2.00", renew=True)
        proxy.refuse("POST", "/reservations", 429)
        await idle()
        clock.advance(1495)
        await settle(recorder, 1)
        await idle()
        clock.advance(30)
        await settle(recorder, 2)
        assert held.remaining > 1700
    assert recorder.words == ["renewal failed", "renewed"]


class FlakyLock:
    """A shared lock whose server is gone at the second and third try."""

    def __init__(self) -> None:
        self.tries = 0

    @contextlib.asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        self.tries += 1
        if self.tries in {2, 3}:
            raise ConnectionError("redis is gone")
        yield


async def test_a_renewal_whose_lock_fails_is_told_and_tried_again(
    emulator: VoucherEmulator, clock: ManualClock, recorder: Recorder
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    async with (
        VoucherClient(
            **emulator.settings(), clock=clock, hooks=[recorder], voucher_lock=FlakyLock()
        ) as client,
        client.checkout(order_number="A-1", currency="EUR") as checkout,
    ):
        held = await checkout.reserve(code=voucher.code, amount="2.00", renew=True)
        for number, seconds in enumerate((1495, 30, 30), start=1):
            await idle()
            clock.advance(seconds)
            await settle(recorder, number)
        assert held.remaining > 1700
    assert recorder.words == ["renewal failed", "renewal failed", "renewed"]


async def test_nothing_is_renewed_any_more_once_the_reservation_was_replaced_while_it_waited(
    client: VoucherClient, emulator: VoucherEmulator, clock: ManualClock, recorder: Recorder
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    lifecycle = client._lifecycle
    async with client.checkout(order_number="A-1", currency="EUR") as checkout:
        await checkout.reserve(code=voucher.code, amount="2.00", renew=True)
        await idle()
        async with lifecycle.lock.hold(lifecycle.key(voucher.code, b"")):
            clock.advance(1495)
            await idle()
            await client.reservations.create(code=voucher.code, amount="3.00", currency="EUR")
        await idle()
    assert recorder.words == []
    assert emulator.requests.count("createReservation") == 2


async def test_a_renewal_ends_with_its_client(
    emulator: VoucherEmulator, clock: ManualClock, recorder: Recorder
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    client = VoucherClient(**emulator.settings(), clock=clock, hooks=[recorder])
    async with client.checkout(order_number="A-1", currency="EUR") as checkout:
        await checkout.reserve(code=voucher.code, amount="2.00", renew=True)
        await idle()
        await client.aclose()
        await idle()
        assert recorder.words == ["renewal failed"]
        assert not [task for task in asyncio.all_tasks() if "keep_alive" in repr(task)]


async def test_a_checkout_that_nobody_would_leave_renews_nothing(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    checkout = client.checkout(order_number="A-1", currency="EUR")
    with pytest.raises(ConfigurationError, match="async with"):
        await checkout.reserve(code=voucher.code, amount="2.00", renew=True)
    assert emulator.requests.count("createReservation") == 0


@pytest.mark.parametrize("key", [None, "A-1"])
async def test_a_caller_that_is_cancelled_once_all_is_charged_leaves_the_block_with_its_charges(
    client: VoucherClient, emulator: VoucherEmulator, key: str | None
) -> None:
    """Leaving the block waits for nothing then: who was cancelled there would lose the charges."""
    voucher = emulator.add_voucher(amount="5.00")
    got: list[str] = []

    async def buy() -> None:
        async with client.checkout(order_number="A-1", currency="EUR", idempotency_key=key) as checkout:
            await checkout.reserve(code=voucher.code, amount="2.00", renew=True)
            charges = await checkout.charge()
            buying.cancel()
        got.extend(charge.id for charge in charges)

    buying = asyncio.create_task(buy())
    await asyncio.wait({buying})
    assert got == [charge.id for charge in emulator.charges("A-1")] != []
