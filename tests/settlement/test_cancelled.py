"""Callers that go away while money moves, and clients that are closed under it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import pytest

from tests.settlement.conftest import Shop, pay
from voucher_async import (
    Charge,
    ConfigurationError,
    OutcomeUnknown,
    ReservationAlreadyCharged,
    SettlementState,
    Timeout,
)
from voucher_async.testing import faults

CHARGE = "chargeReservation"


async def cancelled_when(shop: Shop, work: Coroutine[Any, Any, Any], moment: Callable[[], object]) -> None:
    """Cancel a call as soon as something is the case; it must be over at once."""
    task = asyncio.create_task(work)
    async with asyncio.timeout(5):
        while not moment():
            await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task}, timeout=0.5)
    assert task.cancelled()


async def test_a_charge_under_way_is_finished_and_told(shop: Shop) -> None:
    voucher = shop.voucher()
    shop.script(CHARGE, faults.SlowHeaders(1.0))
    await cancelled_when(shop, pay(shop.client, voucher), lambda: shop.count(CHARGE))
    (pending,) = shop.client.pending
    settlement = await shop.during(shop.client.settle(pending))
    assert settlement.charge is not None
    assert [settlement.charge.id] == shop.charged()
    assert shop.told.words == ["done"]
    assert shop.told.settled[0].charge == settlement.charge
    assert shop.client.pending == ()


async def within_a_timeout(shop: Shop, work: Coroutine[Any, Any, Any]) -> None:
    """Wait for a call in a time that is up as soon as a charge is under way."""
    loop = asyncio.get_running_loop()

    async def let_it_be_up(limit: asyncio.Timeout) -> None:
        while not shop.count(CHARGE):
            await asyncio.sleep(0)
        limit.reschedule(loop.time())

    async with asyncio.timeout(None) as limit:
        watching = loop.create_task(let_it_be_up(limit))
        await work
    await watching


async def test_a_timeout_around_a_redeem_and_then_the_same_again_charge_once(shop: Shop) -> None:
    voucher = shop.voucher()
    shop.script(CHARGE, faults.SlowHeaders(3.0))
    with pytest.raises(TimeoutError):
        await within_a_timeout(shop, pay(shop.client, voucher))
    charge = await shop.during(pay(shop.client, voucher))
    assert [charge.id] == shop.charged()
    assert shop.count("createReservation") == 1


async def test_a_caller_that_leaves_before_the_charge_has_charged_nothing(shop: Shop) -> None:
    voucher = shop.voucher()
    shop.script("createReservation", faults.SlowHeaders(3.0))
    work = pay(shop.client, voucher)
    await cancelled_when(shop, work, lambda: shop.count("createReservation"))
    await shop.passes(5.0)
    assert (shop.count(CHARGE), shop.client.pending, shop.told.words) == (0, (), [])


@pytest.mark.parametrize("fault", [faults.BreakAfter(), faults.BreakBefore(), faults.CommitLate(3.0)])
async def test_a_lost_answer_after_the_caller_left_is_settled_without_sending_again(
    shop: Shop, fault: faults.Fault
) -> None:
    voucher = shop.voucher()
    shop.script(CHARGE, fault)
    await cancelled_when(shop, pay(shop.client, voucher), lambda: shop.emulator.faults.injected)
    (pending,) = shop.client.pending
    settlement = await shop.during(shop.client.settle(pending))
    assert settlement.state is (
        SettlementState.NOT_DONE if isinstance(fault, faults.BreakBefore) else SettlementState.DONE
    )
    assert len(shop.charged()) == (settlement.state is SettlementState.DONE)
    assert shop.count(CHARGE) == 1
    assert shop.told.words == [str(settlement.state)]


async def test_a_refusal_after_the_caller_left_is_told_as_not_done(shop: Shop) -> None:
    voucher = shop.voucher()
    reservation = await shop.client.reservations.create(code=voucher.code, amount="4", currency="EUR")
    shop.emulator.set_status(voucher.id, "inactive")
    work = shop.client.reservations.charge(reservation, order_number="A-1")
    await cancelled_when(shop, work, lambda: shop.count(CHARGE))
    await shop.until(lambda: shop.told.words)
    assert shop.told.words == ["not done"]
    (intent,) = shop.told.intents
    assert (await shop.client.settle(intent)).state is SettlementState.NOT_DONE


async def test_a_refusal_of_a_checkout_whose_caller_left_is_told_as_not_done(shop: Shop) -> None:
    voucher = shop.voucher()
    async with shop.client.checkout(order_number="A-1", currency="EUR") as checkout:
        await checkout.reserve(code=voucher.code, amount="4")
        shop.emulator.set_status(voucher.id, "inactive")
        await cancelled_when(shop, checkout.charge(), lambda: shop.count(CHARGE))
        await shop.until(lambda: not shop.client._supervisor._calls)
    assert shop.told.words == ["not done"]
    assert shop.client.pending == ()


async def test_a_refund_and_a_recharge_under_way_are_finished(shop: Shop) -> None:
    voucher = shop.voucher()
    charge = await pay(shop.client, voucher)
    refund = shop.client.charges.refund(charge, currency="EUR")
    await cancelled_when(shop, refund, lambda: shop.count("refundCharge"))
    recharge = shop.client.vouchers.recharge(amount="1", currency="EUR", order_number="R-1", id=voucher.id)
    await cancelled_when(shop, recharge, lambda: shop.count("rechargeVoucher"))
    await shop.until(lambda: len(shop.told.words) == 2)
    assert shop.told.words == ["done", "done"]
    assert shop.emulator.balance(voucher.id) == Decimal("26.00")


async def test_a_checkout_cancelled_between_charges_refunds_what_it_charged(shop: Shop) -> None:
    first, second = shop.voucher(), shop.voucher()
    async with shop.client.checkout(order_number="A-1", currency="EUR") as checkout:
        for voucher in (first, second):
            await checkout.reserve(code=voucher.code, amount="4")
        await cancelled_when(shop, checkout.charge(), lambda: shop.count(CHARGE))
        await shop.until(lambda: shop.told.words)
        assert shop.told.words == ["refunded"]
        with pytest.raises(ReservationAlreadyCharged):
            await checkout.charge()
    assert shop.emulator.balance(first.id) == shop.emulator.balance(second.id) == Decimal("25.00")
    assert (shop.count(CHARGE), shop.client.pending) == (1, ())


async def test_a_cancelled_checkout_whose_refund_is_open_leaves_nothing_else_open(shop: Shop) -> None:
    first, second = shop.voucher(), shop.voucher()
    shop.script("refundCharge", faults.BreakAfter())
    shop.emulator.faults.list_lag = 60.0
    client = shop.another(hooks=[shop.told], timeout=Timeout(total=2.0), settle_for=2.0)
    async with client.checkout(order_number="A-1", currency="EUR") as checkout:
        for voucher in (first, second):
            await checkout.reserve(code=voucher.code, amount="4")
        await cancelled_when(shop, checkout.charge(), lambda: shop.count(CHARGE))
        await shop.until(lambda: shop.told.words)
    assert shop.told.words == ["left open"]
    assert [pending.operation for pending in client.pending] == ["refundCharge"]
    await client.aclose(wait=0)


async def test_a_checkout_that_is_refunding_when_its_open_charge_is_settled_tells_that_once(
    shop: Shop,
) -> None:
    first, second = shop.voucher(), shop.voucher()
    shop.script(CHARGE, None, faults.BreakAfter())
    shop.script("refundCharge", faults.SlowHeaders(8.0))
    async with shop.client.checkout(order_number="A-1", currency="EUR") as checkout:
        for voucher in (first, second):
            await checkout.reserve(code=voucher.code, amount="4")
        await cancelled_when(shop, checkout.charge(), lambda: shop.count(CHARGE) == 2)
        await shop.until(lambda: len(shop.told.words) == 2)
        await shop.until(lambda: not shop.client.pending)
    assert sorted(shop.told.words) == ["done", "refunded"]
    assert len(shop.charged()) == 2
    assert len(shop.refunded()) == 1


async def test_a_checkout_that_is_refunding_says_what_became_of_the_charge_that_failed(shop: Shop) -> None:
    first, second = shop.voucher(), shop.voucher()
    shop.script(CHARGE, None, *[faults.BreakBefore()] * 3)
    shop.script("refundCharge", faults.SlowHeaders(5.0))
    async with shop.client.checkout(order_number="A-1", currency="EUR") as checkout:
        for voucher in (first, second):
            await checkout.reserve(code=voucher.code, amount="4")
        charging = asyncio.create_task(checkout.charge())
        await shop.until(lambda: shop.count("refundCharge"))
        charging.cancel()
        await shop.until(lambda: not shop.client._supervisor._calls)
    assert [(event.what, event.pending and event.pending.voucher_id) for event in shop.told.settled] == [
        ("refunded", None),
        ("not done", second.id),
    ]


async def test_a_checkout_cancelled_during_its_last_charge_keeps_them(shop: Shop) -> None:
    first, second = shop.voucher(), shop.voucher()
    async with shop.client.checkout(order_number="A-1", currency="EUR") as checkout:
        for voucher in (first, second):
            await checkout.reserve(code=voucher.code, amount="4")
        await cancelled_when(shop, checkout.charge(), lambda: shop.count(CHARGE) == 2)
        charges = await checkout.charge()
    assert [charge.id for charge in charges] == shop.charged()
    assert shop.told.words == ["done", "done"]


async def test_a_checkout_whose_body_raises_charges_nothing(shop: Shop) -> None:
    voucher = shop.voucher()

    async def checkout() -> None:
        async with shop.client.checkout(order_number="A-1", currency="EUR") as checkout:
            await checkout.reserve(code=voucher.code, amount="4")
            raise KeyError

    with pytest.raises(KeyError):
        await checkout()
    assert shop.count(CHARGE) == 0


async def test_closing_waits_for_a_charge_under_way(shop: Shop) -> None:
    voucher = shop.voucher()
    await cancelled_when(shop, pay(shop.client, voucher), lambda: shop.count(CHARGE))
    assert await shop.client.aclose() == ()
    assert shop.told.words == ["done"]


async def test_closing_hands_back_what_is_still_open_for_another_process(shop: Shop) -> None:
    voucher = shop.voucher()
    shop.script(CHARGE, faults.SlowHeaders(60.0))
    await cancelled_when(shop, pay(shop.client, voucher), lambda: shop.count(CHARGE))
    (pending,) = await shop.client.aclose(wait=0.01)
    assert shop.client.pending == (pending,)
    async with shop.another() as another:
        settlement = await shop.during(another.settle(pending))
    assert settlement.charge is not None
    assert [settlement.charge.id] == shop.charged()


async def test_a_caller_whose_client_is_closed_is_told_that_it_is_unknown(shop: Shop) -> None:
    shop.script(CHARGE, faults.SlowHeaders(60.0))
    charging = asyncio.create_task(pay(shop.client, shop.voucher()))
    while not shop.count(CHARGE):
        await asyncio.sleep(0)
    (pending,) = await shop.client.aclose(wait=0)
    with pytest.raises(OutcomeUnknown) as caught:
        await charging
    assert caught.value.pending.id == pending.id


async def test_a_caller_that_waits_for_its_turn_when_the_client_is_closed_has_charged_nothing(
    shop: Shop,
) -> None:
    voucher = shop.voucher()
    lifecycle = shop.client._lifecycle
    async with lifecycle.lock.hold(lifecycle.key(voucher.code, b"")):
        waiting = asyncio.create_task(pay(shop.client, voucher))
        await asyncio.sleep(0.01)
        await shop.client.aclose(wait=0)
        with pytest.raises(ConfigurationError, match="closed"):
            await waiting
    assert shop.count("createReservation") == 0


class Leaver:
    """A hook through which a caller goes away at one exact moment."""

    def __init__(self, moment: str) -> None:
        self.task: asyncio.Task[Any] | None = None
        setattr(self, moment, self._leave)

    def _leave(self, event: object) -> None:
        if self.task is not None and getattr(event, "operation", "") == self.operation:
            self.task.cancel()

    operation = CHARGE


@pytest.mark.parametrize("moment", ["on_intent", "on_attempt_ended"])
@pytest.mark.parametrize("word", ["done", "not done"])
async def test_a_caller_that_leaves_at_the_worst_moment_is_still_spoken_for(
    shop: Shop, moment: str, word: str
) -> None:
    voucher = shop.voucher()
    leaver = Leaver(moment)
    client = shop.another(hooks=[leaver, shop.told])
    reservation = await client.reservations.create(code=voucher.code, amount="4", currency="EUR")
    if word == "not done":
        shop.emulator.set_status(voucher.id, "inactive")
    leaver.task = asyncio.create_task(client.reservations.charge(reservation, order_number="A-1"))
    await asyncio.wait({leaver.task})
    assert leaver.task.cancelled()
    await shop.until(lambda: shop.told.words)
    assert shop.told.words == [word]
    assert await client.aclose(wait=0) == ()


class LateLeaver(Leaver):
    """A hook through which a caller goes away some turns of the event loop after its charge was answered."""

    def __init__(self, turns: int) -> None:
        super().__init__("on_attempt_ended")
        self._turns = turns

    def _leave(self, event: object) -> None:
        if getattr(event, "operation", "") == self.operation:
            self._wait(self._turns)

    def _wait(self, turns: int) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._wait, turns - 1)
        elif self.task is not None:
            self.task.cancel()


@pytest.mark.parametrize("turns", range(12))
async def test_a_checkout_with_renewal_that_is_cancelled_just_after_its_charge_is_spoken_for(
    shop: Shop, turns: int
) -> None:
    leaver = LateLeaver(turns)
    client = shop.another(hooks=[leaver, shop.told])

    async def check_out() -> tuple[Charge, ...]:
        async with client.checkout(order_number="A-1", currency="EUR") as checkout:
            await checkout.reserve(code=shop.voucher().code, amount="4", renew=True)
            charges = await checkout.charge()
            leaver.task = None
            return charges

    leaver.task = asyncio.create_task(check_out())
    await asyncio.wait({paying := leaver.task})
    if paying.cancelled():
        await shop.until(lambda: shop.told.words)
    told = [charge.id for charge in paying.result()] if not paying.cancelled() else []
    told += [event.charge.id for event in shop.told.settled if event.charge]
    assert told == shop.charged()
    await client.aclose()


async def test_what_can_never_be_settled_is_told_as_left_open(shop: Shop) -> None:
    voucher = shop.voucher()
    recharge = shop.client.vouchers.recharge(
        amount="1", currency="EUR", order_number="R-1", code=voucher.code
    )
    shop.script("rechargeVoucher", faults.BreakAfter())
    await cancelled_when(shop, recharge, lambda: shop.told.intents)
    await shop.until(lambda: shop.told.words)
    assert shop.told.words == ["left open"]
    assert len(shop.client.pending) == 1
