"""What goes on beside an outcome that is open."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
from collections.abc import Coroutine, Sequence
from decimal import Decimal
from typing import Any

import attrs
import pytest

from tests.recorder import Recorder
from tests.settlement.conftest import Shop, pay
from voucher_async import (
    Charge,
    CheckoutUnknown,
    HeldState,
    OutcomeUnknown,
    PendingOutcome,
    Settlement,
    SettlementState,
)
from voucher_async.testing import VoucherRecord, faults

CHARGE = "chargeReservation"
LIST = "listCharges"
REFUND = "refundCharge"


@pytest.mark.parametrize("changes", [{"amount": "3"}, {"order_number": "A-2"}], ids=["amount", "order"])
async def test_a_payment_that_differs_is_neither_held_up_by_an_open_one_nor_answered_with_it(
    shop: Shop, changes: dict[str, str]
) -> None:
    voucher = shop.voucher()
    payment: dict[str, Any] = {
        "code": voucher.code,
        "amount": "4",
        "currency": "EUR",
        "order_number": "A-1",
    }
    shop.emulator.faults.list_lag = 6.0
    shop.script(CHARGE, faults.BreakAfter())
    with pytest.raises(OutcomeUnknown):
        await shop.during(shop.client.redeem(**payment, timeout=3.0))
    beside = await shop.during(shop.client.redeem(**payment | changes))
    await shop.until(lambda: not shop.client.pending)
    after = await shop.during(shop.client.redeem(**payment | changes))
    ids = {charge.id for charge in shop.emulator.charges(type="charge")}
    assert len(ids) == 3
    assert {beside.id, after.id} < ids


async def two_charges_of_another(shop: Shop) -> list[Charge]:
    """Two charges of one voucher that the journal of the shop's client does not know."""
    voucher, till = shop.voucher(), shop.another()
    charges = [
        await till.redeem(code=voucher.code, amount="3", currency="EUR", order_number=order)
        for order in ("A-1", "A-2")
    ]
    await till.aclose(wait=0)
    return charges


async def test_refunds_of_charges_of_which_the_ids_alone_are_known_do_not_wait_for_each_other(
    shop: Shop,
) -> None:
    charges = await two_charges_of_another(shop)
    shop.script(REFUND, faults.SlowHeaders(5.0))
    first = asyncio.create_task(shop.client.charges.refund(charges[0].id, "3", currency="EUR"))
    async with asyncio.timeout(5):
        while not shop.count(REFUND):
            await asyncio.sleep(0)
    second = await shop.client.charges.refund(charges[1].id, "3", currency="EUR", timeout=1.0)
    assert not first.done()
    await shop.during(asyncio.wait({first}))
    assert {first.result().id, second.id} == set(shop.refunded("A-1") + shop.refunded("A-2"))


async def test_a_refund_that_was_made_is_clear_although_one_like_it_stays_open(shop: Shop) -> None:
    charges = await two_charges_of_another(shop)
    shop.script(REFUND, faults.BreakBefore(), faults.BreakBefore())
    first = asyncio.create_task(shop.client.charges.refund(charges[0], currency="EUR"))
    await shop.until(lambda: shop.count(REFUND))
    with pytest.raises(OutcomeUnknown) as caught:
        await shop.during(shop.client.charges.refund(charges[1].id, "3", currency="EUR"))
    await shop.until(first.done)
    await shop.passes(30.0)
    assert [pending.id for pending in shop.client.pending] == [caught.value.pending.id]
    assert shop.refunded() == [first.result().id]


async def test_an_older_refund_of_the_same_amount_is_never_that_of_a_later_charge(
    shop: Shop,
) -> None:
    voucher = shop.voucher()
    blind = shop.emulator.add_client(scopes=["use"])  # it cannot read the earlier entries
    client = shop.another(client_id=blind.id, client_secret=blind.secret)
    payment: dict[str, Any] = {"code": voucher.code, "amount": "4", "currency": "EUR"}
    first = await client.redeem(order_number="A-1", **payment)
    await client.charges.refund(first, "2", currency="EUR")
    await shop.passes(10.0)
    second = await client.redeem(order_number="A-1", **payment)
    shop.script(REFUND, faults.BreakBefore())
    with pytest.raises(OutcomeUnknown) as caught:
        await shop.during(client.charges.refund(second, "2", currency="EUR"))
    await client.aclose(wait=0)
    pending = attrs.evolve(caught.value.pending, client_id=None)  # as of a client with fewer scopes
    with pytest.raises(OutcomeUnknown, match="another call"):  # only some seconds apart
        await shop.during(shop.client.settle(pending, timeout=60.0))


async def test_a_refund_that_a_late_server_makes_twice_is_told_and_left(shop: Shop) -> None:
    voucher = shop.voucher()
    charge = await shop.client.redeem(code=voucher.code, amount="9", currency="EUR", order_number="A-1")
    shop.script(REFUND, faults.CommitLate(15.0), faults.BreakAfter())  # carried out after the settle window
    refund = await shop.during(shop.client.charges.refund(charge, "3", currency="EUR"))
    await shop.until(lambda: not shop.client.pending)
    assert len(shop.refunded()) == shop.count(REFUND) == 2
    assert refund.id in shop.refunded()
    assert shop.told.words == ["surplus left"]


async def test_a_voucher_in_another_currency_is_not_the_one_that_was_to_be_created(shop: Shop) -> None:
    voucher = shop.voucher()
    for currency, state in (("EUR", SettlementState.DONE), ("USD", SettlementState.NOT_DONE)):
        pending = PendingOutcome(
            operation="createVoucher", voucher_id=voucher.id, amount=Decimal("25.00"), currency=currency
        )
        assert (await shop.during(shop.client.settle(pending))).state is state


async def check_refunded(
    shop: Shop, voucher: VoucherRecord, payment: Coroutine[Any, Any, Charge], *, surplus: int = 1
) -> None:
    """Make a payment: all that was charged beside it is taken back."""
    await shop.during(payment)
    await shop.until(lambda: not shop.client.pending)
    assert shop.told.words == ["surplus refunded"] * surplus
    assert shop.emulator.balance(voucher.id) == Decimal("21.00")


@pytest.mark.parametrize("allow_double_charge", [True])
async def test_a_surplus_is_refunded_when_its_currency_can_be_read_at_last(shop: Shop) -> None:
    voucher = shop.voucher()
    reservation = await shop.client.reservations.create(code=voucher.code, amount="4", currency="EUR")
    shop.script(CHARGE, faults.CommitLate(1.0))
    shop.script("getVoucher", *[faults.ServerError()] * 6)
    await check_refunded(shop, voucher, shop.client.reservations.charge(reservation, order_number="A-1"))


@pytest.mark.parametrize("allow_double_charge", [True])
async def test_a_surplus_is_refunded_when_the_server_takes_the_refund_at_last(shop: Shop) -> None:
    voucher = shop.voucher()
    shop.script(CHARGE, faults.CommitLate(1.0))
    shop.script(REFUND, *[faults.TooMany(0)] * 6)
    await check_refunded(shop, voucher, pay(shop.client, voucher))


@pytest.mark.parametrize("allow_double_charge", [True])
async def test_of_two_surplus_charges_the_one_that_was_refunded_is_not_refunded_again(shop: Shop) -> None:
    voucher = shop.voucher()
    shop.emulator.faults.list_lag = 2.0
    shop.script(CHARGE, faults.BreakAfter(), faults.BreakAfter())
    shop.script(REFUND, None, *[faults.TooMany(0)] * 6)
    await check_refunded(shop, voucher, pay(shop.client, voucher), surplus=2)
    assert 409 not in [entry.status for entry in shop.emulator.requests.of(REFUND)]


@pytest.mark.parametrize("allow_double_charge", [True])
async def test_a_watch_ends_with_the_window_and_sooner_when_nothing_is_missing(shop: Shop) -> None:
    for late, least, most in ((1.0, 0.0, 8.0), (60.0, 10.0, 18.0)):
        voucher = shop.voucher()
        shop.script(CHARGE, faults.CommitLate(late))
        begun = shop.clock.monotonic()
        payment: dict[str, Any] = {"code": voucher.code, "currency": "EUR", "order_number": "A-1"}
        await shop.during(shop.client.redeem(**payment, amount="4"))
        await shop.until(lambda: not shop.client.pending)
        assert least <= shop.clock.monotonic() - begun <= most


@pytest.mark.parametrize("allow_double_charge", [True])
async def test_a_surplus_of_another_process_is_waited_for(shop: Shop) -> None:
    killed = Recorder()
    voucher = shop.voucher()
    client = shop.another(hooks=[killed])
    shop.script(CHARGE, faults.CommitLate(8.0), faults.BreakAfter())
    shop.script(LIST, None, None, *[faults.ServerError()] * 99)
    with pytest.raises(OutcomeUnknown):
        await shop.during(
            client.redeem(code=voucher.code, amount="4", currency="EUR", order_number="A-1", timeout=1.5)
        )
    await client.aclose(wait=0)
    shop.emulator.faults.clear()
    assert killed.intents[-1].sends == 2
    settlement = await shop.during(shop.client.settle(killed.intents[-1]))
    assert settlement.state is SettlementState.DONE
    assert [charge.id for charge in (settlement.charge, *settlement.surplus) if charge] == shop.charged()
    assert len(settlement.surplus) == 1


@pytest.mark.parametrize("operation", [REFUND, "rechargeVoucher"])
async def test_the_last_thing_that_was_made_tells_the_time_of_the_server(shop: Shop, operation: str) -> None:
    voucher = shop.voucher()
    charge = await shop.client.redeem(code=voucher.code, amount="9", currency="EUR", order_number="A-1")
    await shop.passes(100.0)  # the reservation's date is too old by now

    async def again() -> Charge:
        if operation == REFUND:
            return await shop.client.charges.refund(charge, "1", currency="EUR")
        body: dict[str, Any] = {"amount": "1", "currency": "EUR", "order_number": "A-2"}
        return await shop.client.vouchers.recharge(id=voucher.id, **body)

    made = await again()
    assert shop.told.intents[-1].until is None
    await again()
    until = shop.told.intents[-1].until
    assert until is not None
    assert made.created_at < until < made.created_at + dt.timedelta(seconds=60)


async def test_what_may_be_somebody_elses_is_left_open_long_before_the_deadline(shop: Shop) -> None:
    voucher = shop.voucher()
    reservation = await shop.client.reservations.create(code=voucher.code, amount="4", currency="EUR")
    shop.script(CHARGE, faults.BreakAfter())
    shop.script(LIST, faults.ServerError())
    charging = asyncio.create_task(shop.client.reservations.charge(reservation, order_number="A-1"))
    async with asyncio.timeout(5):
        while not shop.count(LIST):
            await asyncio.sleep(0)
    async with shop.another() as another:
        await another.redeem(code=voucher.code, amount="4", currency="EUR", order_number="A-1")
    begun = shop.clock.monotonic()
    with pytest.raises(OutcomeUnknown, match="another call"):
        await shop.during(asyncio.wait_for(charging, None))
    assert shop.clock.monotonic() - begun < 10.0


async def test_what_was_found_for_its_caller_is_settled_without_another_look(shop: Shop) -> None:
    voucher = shop.voucher()
    shop.script(CHARGE, faults.BreakAfter())
    payment: dict[str, Any] = {"code": voucher.code, "amount": "4", "currency": "EUR", "order_number": "A-1"}
    charge = await shop.during(shop.client.redeem(**payment))
    looks = shop.count(LIST)
    settlement = await shop.during(shop.client.settle(shop.told.intents[-1]))
    assert settlement.charge == charge
    assert shop.count(LIST) == looks


async def test_a_payment_that_was_answered_holds_up_no_equal_one_while_a_surplus_is_watched_for(
    shop: Shop,
) -> None:
    voucher = shop.voucher()
    shop.script(CHARGE, faults.CommitLate(5.0))
    payment: dict[str, Any] = {"code": voucher.code, "amount": "4", "currency": "EUR", "order_number": "A-1"}
    first = await shop.during(shop.client.redeem(**payment))
    assert len(shop.client.pending) == 1
    second = await shop.during(shop.client.redeem(**payment))
    assert [first.id, second.id] == shop.charged()


@pytest.mark.parametrize("allow_double_charge", [True])
async def test_a_surplus_is_watched_for_when_the_caller_of_the_repetition_left(shop: Shop) -> None:
    voucher = shop.voucher()
    shop.script(CHARGE, faults.CommitLate(5.0), faults.SlowHeaders(1.0))
    payment: dict[str, Any] = {"code": voucher.code, "amount": "4", "currency": "EUR", "order_number": "A-1"}
    paying = asyncio.create_task(shop.client.redeem(**payment))
    await shop.until(lambda: shop.count(CHARGE))  # the first charge is not counted before it is carried out
    paying.cancel()
    await asyncio.wait({paying})
    await shop.until(lambda: shop.told.words)
    (pending,) = shop.client.pending
    settlement = await shop.during(shop.client.settle(pending))
    assert len(settlement.surplus) == len(settlement.refunds) == 1
    assert shop.emulator.balance(voucher.id) == Decimal("21.00")


async def test_nobody_misses_the_error_of_a_call_whose_caller_left(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    voucher = shop.voucher()
    client = shop.another()  # without a hook, which would keep the error alive
    reservation = await client.reservations.create(code=voucher.code, amount="4", currency="EUR")
    shop.emulator.set_status(voucher.id, "inactive")
    shop.script(CHARGE, faults.SlowHeaders(1.0))
    charging = asyncio.create_task(client.reservations.charge(reservation, order_number="A-1"))
    await shop.until(lambda: shop.count(CHARGE))
    charging.cancel()
    await asyncio.wait({charging})
    await shop.passes(3.0)
    await client.aclose(wait=0)
    del charging
    gc.collect()
    assert [record for record in caplog.records if record.name == "asyncio"] == []


async def left_open(shop: Shop, late: float) -> PendingOutcome:
    """A charge whose caller gave up after two seconds, and which is carried out later."""
    voucher = shop.voucher()
    shop.script(CHARGE, faults.CommitLate(late))
    shop.script(LIST, *[faults.ServerError()] * 99)
    payment: dict[str, Any] = {"code": voucher.code, "currency": "EUR", "order_number": "A-1"}
    with pytest.raises(OutcomeUnknown) as caught:
        await shop.during(shop.client.redeem(**payment, amount="4", timeout=2.0))
    shop.emulator.faults.clear()
    return caught.value.pending


async def test_an_outcome_that_several_ask_for_is_looked_for_and_told_once(shop: Shop) -> None:
    pending = await left_open(shop, 6.0)
    ends = await shop.during(gathered(*(shop.client.settle(pending) for _ in range(3))))
    await shop.passes(10.0)
    assert [end.charge.id for end in ends if end.charge] == shop.charged() * 3
    assert shop.told.words == ["done"]


async def gathered(*calls: Coroutine[Any, Any, Settlement]) -> list[Settlement]:
    return await asyncio.gather(*calls)


async def test_closing_waits_for_what_is_looked_after_in_the_background(shop: Shop) -> None:
    await left_open(shop, 6.0)
    assert await shop.during(shop.client.aclose()) == ()
    assert shop.told.words == ["done"]


async def test_nothing_is_looked_after_any_more_when_the_client_is_closed(shop: Shop) -> None:
    pending = await left_open(shop, 30.0)
    assert [task for task in asyncio.all_tasks() if "look_after" in repr(task)]
    assert await shop.client.aclose(wait=0) == (pending,)
    assert not [task for task in asyncio.all_tasks() if "look_after" in repr(task)]


async def charge_and_refund(shop: Shop, *vouchers: VoucherRecord) -> Sequence[Charge]:
    """Charge vouchers of which the last one is deactivated meanwhile."""
    async with shop.client.checkout(order_number="A-1", currency="EUR") as checkout:
        for voucher in vouchers:
            await checkout.reserve(code=voucher.code, amount="4")
        shop.emulator.set_status(vouchers[-1].id, "inactive")
        return await checkout.charge()


async def test_a_refund_that_is_cut_short_while_it_waits_to_be_repeated_is_open(shop: Shop) -> None:
    first, second = shop.voucher(), shop.voucher()
    shop.script(REFUND, faults.TooMany(5))
    charging = asyncio.create_task(charge_and_refund(shop, first, second))
    await shop.until(lambda: shop.count(REFUND))
    (call,) = shop.client._supervisor._calls
    call.cancel()  # as asyncio cancels all tasks when a loop ends
    with pytest.raises(OutcomeUnknown):
        await charging
    assert [each.voucher_id for each in shop.client.pending if each.operation == REFUND] == [first.id]


async def test_a_refund_that_waits_to_be_repeated_when_the_client_is_closed_is_open(shop: Shop) -> None:
    first, second = shop.voucher(), shop.voucher()
    shop.script(REFUND, faults.TooMany(5))
    charging = asyncio.create_task(charge_and_refund(shop, first, second))
    await shop.until(lambda: shop.count(REFUND))
    await shop.passes(0.5)
    await shop.client.aclose(wait=0)
    with pytest.raises(CheckoutUnknown) as caught:  # a proxy may have delivered the request before its 429
        await charging
    assert [outcome.state for outcome in caught.value.outcomes] == [HeldState.UNKNOWN, HeldState.NOT_CHARGED]


async def test_closing_waits_no_longer_than_it_is_told(shop: Shop) -> None:
    voucher = shop.voucher()
    shop.script(CHARGE, faults.SlowHeaders(60.0))
    payment: dict[str, Any] = {"code": voucher.code, "amount": "4", "currency": "EUR", "order_number": "A-1"}
    paying = asyncio.create_task(shop.client.redeem(**payment))
    while not shop.count(CHARGE):
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await shop.client.aclose(wait=0.01)
    with pytest.raises(OutcomeUnknown):
        await paying
