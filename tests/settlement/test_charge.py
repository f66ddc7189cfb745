"""A charge whose answer is lost: looked for, repeated, counted."""

from __future__ import annotations

import asyncio
import datetime as dt

import attrs
import pytest

from tests.settlement.conftest import Shop, redeem
from voucher_async import (
    Charge,
    ConfigurationError,
    Conflict,
    ConnectionBroken,
    Fate,
    OutcomeUnknown,
    Proof,
    ReservationExpired,
    SettlementState,
    VoucherError,
)
from voucher_async.testing import VoucherRecord, faults

CHARGE = "chargeReservation"
LIST = "listCharges"
DONE_AND_LOST: list[faults.Fault] = [
    faults.BreakAfter(),
    faults.ServerError(acted=True),
    faults.BadGateway(acted=True),
    faults.CutOff(),
    faults.WrongContentType(),
]
LOST: list[faults.Fault] = [faults.BreakBefore(), faults.ServerError(), faults.BadGateway()]


@pytest.mark.parametrize("fault", DONE_AND_LOST)
async def test_what_was_charged_is_found_and_not_sent_again(shop: Shop, fault: faults.Fault) -> None:
    shop.script(CHARGE, fault)
    charge = await redeem(shop, shop.voucher())
    assert [charge.id] == shop.charged()
    assert (shop.count(CHARGE), shop.count(LIST)) == (1, 1)
    assert (shop.told.words, shop.client.pending) == ([], ())


@pytest.mark.parametrize("fault", LOST)
async def test_what_was_lost_is_charged_with_the_same_reservation(shop: Shop, fault: faults.Fault) -> None:
    shop.script(CHARGE, fault)
    charge = await redeem(shop, shop.voucher())
    assert [charge.id] == shop.charged()
    assert (shop.count(CHARGE), shop.count("createReservation")) == (2, 1)
    assert shop.count(LIST) >= 2
    assert [intent.sends for intent in shop.told.intents] == [1, 2]
    assert len({intent.id for intent in shop.told.intents}) == 1


async def test_a_request_that_is_carried_out_late_is_found(shop: Shop) -> None:
    shop.script(CHARGE, faults.CommitLate(0.2))
    charge = await redeem(shop, shop.voucher())
    assert [charge.id] == shop.charged()
    assert shop.count(CHARGE) == 1


async def test_a_refusal_after_a_lost_answer_means_look_again(shop: Shop) -> None:
    # the list lags, so the charge seems missing, and the second request is refused
    shop.emulator.faults.list_lag = 4.0
    shop.script(CHARGE, faults.BreakAfter())
    charge = await redeem(shop, shop.voucher())
    assert [charge.id] == shop.charged()
    assert [entry.status for entry in shop.emulator.requests.of(CHARGE)] == [200, 409]


async def test_a_request_that_arrives_after_its_repetition_is_refused_by_the_server(shop: Shop) -> None:
    shop.script(CHARGE, faults.CommitLate(5.0))
    charge = await redeem(shop, shop.voucher())
    await shop.until(lambda: not shop.client.pending)
    assert [charge.id] == shop.charged()
    assert [entry.status for entry in shop.emulator.requests.of(CHARGE)] == [200, 409]
    assert shop.told.words == []


async def test_what_is_absent_after_the_window_was_not_charged(shop: Shop) -> None:
    shop.script(CHARGE, *[faults.BreakBefore()] * 3)
    voucher = shop.voucher()
    reservation = await shop.client.reservations.create(code=voucher.code, amount="4", currency="EUR")
    begun = shop.clock.monotonic()
    with pytest.raises(ConnectionBroken) as caught:
        await shop.during(shop.client.reservations.charge(reservation, order_number="A-1"))
    assert caught.value.fate is Fate.NOT_DONE
    assert shop.clock.monotonic() - begun >= 10.0
    assert shop.charged() == []
    assert shop.count(CHARGE) == 3
    with pytest.raises(ReservationExpired, match="got lost"):
        await shop.client.reservations.charge(reservation, order_number="A-1")


async def test_a_reservation_that_ended_meanwhile_is_not_charged_again(shop: Shop) -> None:
    voucher = shop.voucher()
    reservation = await shop.client.reservations.create(code=voucher.code, amount="4", currency="EUR")
    shop.clock.advance(1789.95)
    shop.script(CHARGE, faults.BreakBefore())
    with pytest.raises(ConnectionBroken) as caught:
        await shop.during(shop.client.reservations.charge(reservation, order_number="A-1"))
    assert caught.value.fate is Fate.NOT_DONE
    assert shop.count(CHARGE) == 1


async def test_the_refusal_of_the_repetition_is_what_the_caller_is_told(shop: Shop) -> None:
    voucher = shop.voucher()
    reservation = await shop.client.reservations.create(code=voucher.code, amount="4", currency="EUR")
    shop.script(CHARGE, faults.BreakBefore())
    shop.script("listCharges", None)
    charging = asyncio.create_task(shop.client.reservations.charge(reservation, order_number="A-1"))
    while not shop.count(LIST):
        await asyncio.sleep(0)
    shop.emulator.set_status(voucher.id, "inactive")
    with pytest.raises(Conflict) as caught:
        await shop.during(wait(charging))
    assert caught.value.fate is Fate.NOT_DONE
    assert [entry.status for entry in shop.emulator.requests.of(CHARGE)] == [0, 409]


async def wait(task: asyncio.Task[Charge]) -> Charge:
    return await task


async def test_an_earlier_charge_of_the_same_order_and_amount_is_not_taken_for_this_one(shop: Shop) -> None:
    voucher = shop.voucher()
    earlier = await redeem(shop, voucher)
    shop.clock.advance(5.0)
    shop.script(CHARGE, faults.BreakBefore())
    later = await redeem(shop, voucher)
    assert [earlier.id, later.id] == shop.charged()
    assert shop.count(CHARGE) == 3


async def test_a_charge_of_the_same_second_that_this_client_made_is_not_taken_for_this_one(
    shop: Shop,
) -> None:
    voucher = shop.voucher()
    earlier = await shop.client.redeem(code=voucher.code, amount="4", currency="EUR", order_number="A-1")
    shop.script(CHARGE, faults.BreakBefore())
    later = await redeem(shop, voucher)
    assert [earlier.id, later.id] == shop.charged()


@pytest.mark.parametrize(("amount", "order_number"), [("3.00", "A-1"), ("4.00", "A-2")])
async def test_charges_of_another_amount_or_order_are_not_taken_for_this_one(
    shop: Shop, amount: str, order_number: str
) -> None:
    voucher = shop.voucher()
    await redeem(shop, shop.voucher())  # an answer shows that order numbers come back
    reservation = await shop.client.reservations.create(code=voucher.code, amount="4", currency="EUR")
    async with shop.another() as another:
        await another.redeem(code=voucher.code, amount=amount, currency="EUR", order_number=order_number)
    shop.script(CHARGE, faults.BreakBefore())
    with pytest.raises(VoucherError) as caught:
        await shop.during(shop.client.reservations.charge(reservation, order_number="A-1"))
    assert (caught.value.fate, caught.value.proof) == (Fate.NOT_DONE, Proof.REPEAT_REFUSED)


async def test_more_charges_than_were_sent_stay_open(shop: Shop) -> None:
    voucher = shop.voucher()
    shop.script(CHARGE, faults.CommitLate(0.1))
    reservation = await shop.client.reservations.create(code=voucher.code, amount="4", currency="EUR")
    charging = asyncio.create_task(shop.client.reservations.charge(reservation, order_number="A-1"))
    while not shop.count(LIST):
        await asyncio.sleep(0)
    await shop.until(shop.charged)
    async with shop.another() as another:
        await another.redeem(code=voucher.code, amount="4", currency="EUR", order_number="A-1")
    with pytest.raises(OutcomeUnknown, match="another call"):
        await shop.during(wait(charging))


async def unknown(shop: Shop, voucher: VoucherRecord) -> OutcomeUnknown:
    """The error of a payment whose answer is lost, and which no list shows before its deadline."""
    shop.emulator.faults.list_lag = 6.0
    shop.script(CHARGE, faults.BreakAfter())
    with pytest.raises(OutcomeUnknown) as caught:
        await redeem(shop, voucher, timeout=3.0)
    return caught.value


async def test_a_deadline_that_passes_leaves_it_open_and_the_background_settles_it(shop: Shop) -> None:
    error = await unknown(shop, shop.voucher())
    pending = error.pending
    assert shop.client.pending == (pending,)
    assert isinstance(error.__cause__, ConnectionBroken)
    sent = shop.count(CHARGE)
    settlement = await shop.during(shop.client.settle(pending))
    assert settlement.state is SettlementState.DONE
    assert settlement.charge is not None
    assert [settlement.charge.id] == shop.charged()
    assert await shop.client.settle(pending) == settlement
    assert shop.told.words == ["done"]
    assert len(shop.client.pending) == 0
    assert shop.count(CHARGE) == sent


async def test_nothing_is_sent_again_after_the_caller_was_told_that_it_is_unknown(shop: Shop) -> None:
    voucher = shop.voucher()
    shop.script(CHARGE, *[faults.BreakBefore()] * 9)
    with pytest.raises(OutcomeUnknown) as caught:
        await redeem(shop, voucher, timeout=2.0)
    sent = shop.count(CHARGE)
    assert sent == caught.value.pending.sends
    settlement = await shop.during(shop.client.settle(caught.value.pending))
    assert settlement.state is SettlementState.NOT_DONE
    assert settlement.charge is None
    assert shop.count(CHARGE) == sent
    assert shop.told.words == ["not done"]


async def test_redeeming_again_gives_the_charge_that_nobody_was_told_of(shop: Shop) -> None:
    voucher = shop.voucher()
    error = await unknown(shop, voucher)
    with pytest.raises(OutcomeUnknown, match="earlier payment") as second:
        await redeem(shop, voucher)
    assert second.value.pending == error.pending
    await shop.until(lambda: not shop.client.pending)
    charge = await redeem(shop, voucher)
    assert [charge.id] == shop.charged()
    again = await redeem(shop, voucher)  # the charge was delivered once, so this is a new payment
    assert [charge.id, again.id] == shop.charged()


async def test_what_settle_has_delivered_is_not_delivered_again(shop: Shop) -> None:
    voucher = shop.voucher()
    error = await unknown(shop, voucher)
    settlement = await shop.during(shop.client.settle(error.pending))
    another = await redeem(shop, voucher)
    assert settlement.charge is not None
    assert [settlement.charge.id, another.id] == shop.charged()


@pytest.mark.parametrize("fault", [faults.TooMany(0), faults.ServerError(), faults.BreakBefore()])
async def test_a_list_that_cannot_be_read_for_long_leaves_it_open(shop: Shop, fault: faults.Fault) -> None:
    voucher = shop.voucher()
    shop.script(CHARGE, faults.BreakAfter())
    shop.emulator.faults.chance(1.0, seed=1, operations=[LIST], kinds=[fault])
    with pytest.raises(OutcomeUnknown, match="looking for it failed") as caught:
        await redeem(shop, voucher, timeout=8.0)
    shop.emulator.faults.clear()
    settlement = await shop.during(shop.client.settle(caught.value.pending))
    assert settlement.charge is not None
    assert [settlement.charge.id] == shop.charged()


async def test_without_the_scope_for_reading_it_is_open_and_says_so(shop: Shop) -> None:
    blind = shop.emulator.add_client(scopes=["use"])
    client = shop.another(client_id=blind.id, client_secret=blind.secret)
    shop.script(CHARGE, faults.BreakAfter())
    with pytest.raises(OutcomeUnknown, match="read-lists") as caught:
        await shop.during(
            client.redeem(code=shop.voucher().code, amount="1", currency="EUR", order_number="A-1")
        )
    with pytest.raises(OutcomeUnknown, match="read-lists"):
        await shop.during(client.settle(caught.value.pending))
    assert await client.aclose(wait=0) == client.pending == (caught.value.pending,)
    async with shop.another() as another:
        with pytest.raises(ConfigurationError, match="belongs to the client"):
            await another.settle(caught.value.pending)
        pending = attrs.evolve(caught.value.pending, client_id=None)
        settlement = await shop.during(another.settle(pending))
    assert settlement.state is SettlementState.DONE
    assert shop.count(CHARGE) == 1


async def test_a_charge_by_the_reservations_id_alone_is_open(shop: Shop) -> None:
    async with shop.another() as another:
        reservation = await another.reservations.create(code=shop.voucher().code, amount="4", currency="EUR")
    shop.script(CHARGE, faults.BreakAfter())
    with pytest.raises(OutcomeUnknown, match="voucher's id is not known") as caught:
        await shop.during(shop.client.reservations.charge(reservation.id, order_number="A-1"))
    with pytest.raises(OutcomeUnknown, match="voucher's id is not known"):
        await shop.client.settle(caught.value.pending)
    assert shop.count(CHARGE) == 1


async def test_a_date_that_is_hours_off_changes_nothing(shop: Shop) -> None:
    for offset, fault in ((-7200.0, faults.BreakAfter()), (7200.0, faults.BreakBefore())):
        shop.emulator.faults.date_offset = offset
        shop.script(CHARGE, fault)
        await redeem(shop, shop.voucher())
    assert len(shop.charged()) == 2
    assert shop.count(CHARGE) == 3


async def test_the_bounds_in_time_are_those_of_the_servers_stamps(shop: Shop) -> None:
    shop.emulator.faults.date_offset = -7200.0
    await redeem(shop, shop.voucher())
    (intent,) = shop.told.intents
    assert intent.since == shop.emulator.reservations()[0].created_at
    assert intent.until is not None
    assert intent.since + dt.timedelta(seconds=30) < intent.until < intent.since + dt.timedelta(seconds=60)
