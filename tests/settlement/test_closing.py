"""What a client that is closed leaves behind is named, whatever it was doing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from decimal import Decimal
from typing import Any

import aiohttp
import attrs
import pytest

from tests.recorder import Recorder
from tests.settlement.conftest import Shop, settings
from voucher_async import (
    Charge,
    CheckoutUnknown,
    ConfigurationError,
    HeldState,
    ManualClock,
    OutcomeUnknown,
    SettlementState,
    VoucherClient,
)
from voucher_async.testing import VoucherEmulator, VoucherRecord, faults

CHARGE = "chargeReservation"
REFUND = "refundCharge"


async def pay(client: VoucherClient, *vouchers: VoucherRecord) -> tuple[Charge, ...]:
    async with client.checkout(order_number="A-1", currency="EUR") as checkout:
        for voucher in vouchers:
            await checkout.reserve(code=voucher.code, amount="4")
        return await checkout.charge()


@pytest.mark.parametrize("kept", [False, True], ids=["own session", "session handed in"])
@pytest.mark.parametrize(
    "looks",
    [[], [faults.SlowHeaders(60.0)], [faults.Unavailable(retry_after=20)]],
    ids=["between two looks", "in the middle of a look", "before a look is repeated"],
)
async def test_a_checkout_cut_short_says_what_became_of_each_voucher(
    shop: Shop, looks: list[faults.Fault], *, kept: bool
) -> None:
    first, second = shop.voucher(), shop.voucher()
    shop.script(CHARGE, None, faults.BreakBefore())
    shop.script("listCharges", None, *looks)
    async with aiohttp.ClientSession() as session:
        client = shop.another([shop.told], session=session if kept else None)
        paying = asyncio.create_task(pay(client, first, second))
        await shop.until(lambda: shop.count("listCharges") == 1)
        await shop.until(lambda: shop.count("listCharges") == 2) if looks else await shop.passes(0.1)
        (pending,) = await client.aclose(wait=0)
        with pytest.raises(CheckoutUnknown) as caught:
            await paying
    assert [outcome.state for outcome in caught.value.outcomes] == [HeldState.CHARGED, HeldState.UNKNOWN]
    assert caught.value.pending.id == pending.id
    assert pending.voucher_id == second.id
    assert shop.told.words == ["refund failed", "left open"]
    assert shop.emulator.balance(first.id) != first.amount


async def test_a_checkout_whose_caller_is_gone_tells_the_hooks_when_the_client_is_closed(shop: Shop) -> None:
    first, second = shop.voucher(), shop.voucher()
    shop.script(CHARGE, None, faults.SlowHeaders(60.0))
    paying = asyncio.create_task(pay(shop.client, first, second))
    await shop.until(lambda: shop.count(CHARGE) == 2)
    paying.cancel()
    await asyncio.wait({paying})
    (pending,) = await shop.client.aclose(wait=0)
    assert pending.voucher_id == second.id
    assert [(event.what, event.charge and event.charge.voucher_id) for event in shop.told.settled] == [
        ("refund failed", first.id),
        ("left open", None),
    ]


async def test_a_checkout_that_is_refunding_names_the_refund_that_is_open(shop: Shop) -> None:
    first, second, third = shop.voucher(), shop.voucher(), shop.voucher()
    shop.script(REFUND, faults.SlowHeaders(60.0))
    async with shop.client.checkout(order_number="A-1", currency="EUR") as checkout:
        for voucher in (first, second, third):
            await checkout.reserve(code=voucher.code, amount="4")
        shop.emulator.set_status(third.id, "inactive")
        charging = asyncio.create_task(checkout.charge())
        await shop.until(lambda: shop.count(REFUND))
        (pending,) = await shop.client.aclose(wait=0)
        with pytest.raises(CheckoutUnknown) as caught:
            await charging
    states = [outcome.state for outcome in caught.value.outcomes]
    assert states == [HeldState.UNKNOWN, HeldState.CHARGED, HeldState.NOT_CHARGED]
    assert caught.value.pending.id == pending.id
    assert pending.operation == REFUND


async def test_closing_waits_for_what_a_call_leaves_to_be_looked_after(shop: Shop) -> None:
    voucher = shop.voucher()
    shop.emulator.faults.list_lag = 1.5
    shop.script(CHARGE, faults.BreakAfter())
    caller = asyncio.create_task(
        shop.client.redeem(code=voucher.code, amount="4", currency="EUR", order_number="A-1")
    )
    await shop.until(lambda: shop.count(CHARGE))
    caller.cancel()
    assert await shop.during(shop.client.aclose()) == ()
    assert shop.told.words == ["done"]


@pytest.mark.parametrize("lag", [0.0, 5.0])
async def test_a_call_that_is_cut_off_while_its_request_is_on_its_way_is_in_doubt(
    shop: Shop, lag: float
) -> None:
    voucher = shop.voucher()
    shop.emulator.faults.list_lag = lag
    shop.script(CHARGE, faults.SlowHeaders(60.0))
    caller = asyncio.create_task(
        shop.client.redeem(code=voucher.code, amount="4", currency="EUR", order_number="A-1")
    )
    await shop.until(lambda: shop.count(CHARGE))
    (call,) = shop.client._supervisor._calls
    call.cancel()  # as asyncio cancels all tasks when a loop ends
    with pytest.raises(OutcomeUnknown) as caught:
        await caller
    settlement = await shop.during(shop.client.settle(caught.value.pending))
    assert settlement.charge is not None
    assert [settlement.charge.id] == shop.charged()


async def test_a_closed_client_sends_nothing_over_a_session_that_was_handed_in(shop: Shop) -> None:
    voucher = shop.voucher()
    async with aiohttp.ClientSession() as session:
        client = VoucherClient(settings=settings(shop.emulator), clock=shop.clock, session=session)
        shop.script(CHARGE, faults.BreakBefore(), faults.BreakBefore(), faults.BreakBefore())
        paying = asyncio.create_task(
            client.redeem(code=voucher.code, amount="4", currency="EUR", order_number="A-1")
        )
        await shop.until(lambda: shop.count(CHARGE) == 3)
        (pending,) = await client.aclose(wait=0)
        with pytest.raises(OutcomeUnknown) as caught:
            await paying
        assert caught.value.pending.id == pending.id
        await shop.passes(1.0)  # until the request under way arrives
        sent = len(shop.emulator.requests)
        await shop.passes(5.0)
        with pytest.raises(ConfigurationError, match="closed"):
            await client.vouchers.get(voucher.id)
        assert len(shop.emulator.requests) == sent


@attrs.define
class Ending:
    """A shop whose event loop ends in the middle of things, its client unclosed, and another one begins."""

    emulator: VoucherEmulator
    client: VoucherClient
    told: Recorder
    clock: ManualClock

    def first(self, work: Callable[[], Coroutine[Any, Any, Any]], moment: Callable[[], object]) -> None:
        """Do something on a loop that ends at a certain moment."""

        async def main() -> None:
            async with self.emulator:
                caller = asyncio.create_task(work())
                while not moment():
                    await asyncio.sleep(0)
                    self.clock.advance(0.001)  # during the pause between two looks after a refusal
                caller.cancel()
                await asyncio.wait({caller})

        asyncio.run(main())

    def then(self) -> list[tuple[str, SettlementState]]:
        """What the next loop finds out: each open operation, and how it ended."""

        async def main() -> list[tuple[str, SettlementState]]:
            async with self.emulator, self.client:
                left = self.client.pending
                return [(pending.operation, (await self.client.settle(pending)).state) for pending in left]

        return asyncio.run(main())

    async def pay(self, vouchers: Sequence[VoucherRecord]) -> None:
        """Pay with some vouchers, of which the third and later ones are deactivated meanwhile."""
        async with self.client.checkout(order_number="A-1", currency="EUR") as checkout:
            for voucher in vouchers:
                await checkout.reserve(code=voucher.code, amount="4")
            for voucher in vouchers[2:]:
                self.emulator.set_status(voucher.id, "inactive")
            await checkout.charge()


@pytest.fixture
def ending() -> Ending:
    clock, told = ManualClock(), Recorder()
    emulator = VoucherEmulator(clock=clock)

    async def make() -> VoucherClient:
        async with emulator:
            return VoucherClient(settings=settings(emulator), clock=clock, hooks=[told])

    return Ending(emulator, asyncio.run(make()), told, clock)


def test_what_a_loop_that_ended_has_left_is_settled_on_the_next_one(ending: Ending) -> None:
    (voucher,) = vouchers = [ending.emulator.add_voucher(amount="25.00")]
    ending.emulator.faults.script(CHARGE, faults.SlowHeaders(60.0))
    ending.first(lambda: ending.pay(vouchers), ending.emulator.charges)
    assert ending.then() == [(CHARGE, SettlementState.DONE)]
    assert ending.emulator.balance(voucher.id) == Decimal("21.00")


def test_what_stands_when_a_loop_ends_is_told(ending: Ending) -> None:
    vouchers = [ending.emulator.add_voucher(amount="25.00") for _ in range(2)]
    ending.emulator.faults.script(CHARGE, None, faults.SlowHeaders(60.0))
    ending.first(lambda: ending.pay(vouchers), lambda: len(ending.emulator.charges()) == 2)
    told = [(event.what, event.pending and event.pending.voucher_id) for event in ending.told.settled]
    assert sorted(told) == [("done", vouchers[0].id), ("left open", vouchers[1].id)]
    assert [event.pending and event.pending.voucher_id for event in ending.told.doubts] == [vouchers[1].id]
    assert ending.then() == [(CHARGE, SettlementState.DONE)]


def test_what_cannot_be_refunded_any_more_when_a_loop_ends_is_told(ending: Ending) -> None:
    vouchers = [ending.emulator.add_voucher(amount="25.00") for _ in range(3)]
    ending.emulator.faults.script(REFUND, faults.SlowHeaders(60.0))
    ending.first(
        lambda: ending.pay(vouchers), lambda: [c for c in ending.emulator.charges() if c.type == "refund"]
    )
    opened, event = ending.told.settled
    assert opened.what == "left open"
    assert opened.pending is not None
    assert opened.pending.voucher_id == vouchers[0].id
    assert (event.what, event.charge and event.charge.voucher_id) == ("refund failed", vouchers[1].id)
    assert ending.then() == [(REFUND, SettlementState.DONE)]
