"""One order, several vouchers: all or none."""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal

import pytest

from tests.checkout.conftest import holding
from tests.proxy import Proxy
from tests.recorder import Recorder
from voucher_async import (
    ApiError,
    CheckoutFailed,
    CheckoutUnknown,
    ConfigurationError,
    Conflict,
    HeldState,
    InvalidInput,
    ManualClock,
    OutcomeUnknown,
    ReservationExpired,
    ReservationSuperseded,
    VoucherClient,
)
from voucher_async.testing import VoucherEmulator
from voucher_async.testing.habits import KINDS


async def test_split_payment_charges_what_was_reserved(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="25.00")
    async with client.checkout(order_number="A-1", currency="EUR") as checkout:
        held = await checkout.reserve(code=voucher.code, amount="20.00")
        assert held.amount == checkout.reserved == Decimal("20.00")
        assert held.missing == 0
        assert 1780 < held.remaining <= 1790
        assert held.valid_until.utcoffset() is not None
        (charge,) = await checkout.charge()
    assert charge.order_number == "A-1"
    assert held.charged
    assert held.remaining == 0
    assert emulator.balance(voucher.id) == Decimal("5.00")


async def test_several_vouchers_are_charged_in_the_order_they_were_reserved(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    vouchers = [emulator.add_voucher(amount=amount) for amount in ("5.00", "6.00", "7.00")]
    async with client.checkout(order_number="A-1", currency="EUR") as checkout:
        for voucher in vouchers:
            await checkout.reserve(code=voucher.code, amount=voucher.amount)
        charges = await checkout.charge()
        again = await checkout.charge()
    assert [charge.voucher_id for charge in charges] == [voucher.id for voucher in vouchers]
    assert again == charges
    assert emulator.requests.count("chargeReservation") == 3
    assert all(emulator.balance(voucher.id) == 0 for voucher in vouchers)


async def test_two_tasks_that_charge_one_checkout_charge_it_once(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    async with holding(client, voucher, amount="2.00") as checkout:
        first, second = await asyncio.gather(checkout.charge(), checkout.charge())
    assert first == second
    assert emulator.balance(voucher.id) == Decimal("3.00")


@pytest.mark.parametrize("raising", [True, False])
async def test_a_checkout_that_is_left_charges_nothing(
    client: VoucherClient, emulator: VoucherEmulator, *, raising: bool
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    checkout = client.checkout(order_number="A-1", currency="EUR")
    expected = pytest.raises(RuntimeError) if raising else contextlib.nullcontext()
    with expected:
        async with checkout:
            await checkout.reserve(code=voucher.code, amount="2.00")
            if raising:
                raise RuntimeError("the card was declined")
    assert emulator.balance(voucher.id) == Decimal("5.00")
    with pytest.raises(ConfigurationError, match="left"):
        await checkout.charge()
    with pytest.raises(ConfigurationError, match="left"):
        await checkout.reserve(code=voucher.code, amount="2.00")


async def test_a_checkout_without_vouchers_charges_nothing(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    async with client.checkout(order_number="A-1", currency="EUR") as checkout:
        assert await checkout.charge() == ()
        with pytest.raises(ConfigurationError, match="charged"):
            await checkout.reserve(code="CODE", amount=1)
    assert len(emulator.requests) == 0


async def test_a_bad_order_number_is_refused_at_once(client: VoucherClient) -> None:
    with pytest.raises(InvalidInput):
        client.checkout(order_number="", currency="EUR")


async def test_reserving_a_voucher_again_replaces_what_was_held(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    async with client.checkout(order_number="A-1", currency="EUR") as checkout:
        first = await checkout.reserve(code=voucher.code, amount="2.00", renew=True)
        second = await checkout.reserve(code=voucher.code, amount="3.00")
        assert checkout.held == (second,)
        assert first.superseded
        assert first.remaining == 0
        await checkout.charge()
    assert emulator.balance(voucher.id) == Decimal("2.00")


async def test_when_a_later_voucher_is_refused_the_earlier_ones_are_refunded(
    client: VoucherClient, emulator: VoucherEmulator, recorder: Recorder
) -> None:
    vouchers = [emulator.add_voucher(amount="5.00") for _ in range(3)]
    async with holding(client, *vouchers, amount="4.00") as checkout:
        emulator.set_status(vouchers[1].id, "inactive")
        with pytest.raises(CheckoutFailed) as caught:
            await checkout.charge()
    error = caught.value
    assert not isinstance(error, OutcomeUnknown)
    assert isinstance(error.__cause__, Conflict)
    assert [outcome.state for outcome in error.outcomes] == [
        HeldState.REFUNDED,
        HeldState.NOT_CHARGED,
        HeldState.NOT_CHARGED,
    ]
    refunded = error.outcomes[0]
    assert refunded.charge is not None
    assert refunded.refund is not None
    assert refunded.refund.amount == Decimal("4.00")
    assert error.outcomes[1].error is error.__cause__
    assert [emulator.balance(voucher.id) for voucher in vouchers] == [Decimal("5.00")] * 3
    assert recorder.words == ["refunded"]
    emulator.ledger.check()


async def test_a_charge_is_refunded_where_the_server_names_its_voucher_otherwise(
    client: VoucherClient, emulator: VoucherEmulator, recorder: Recorder
) -> None:
    emulator.habits.set(**KINDS["another voucher"])
    vouchers = [emulator.add_voucher(id=f"voucher-{number}", amount="5.00") for number in range(2)]
    async with holding(client, *vouchers, amount="4.00") as checkout:
        emulator.set_status(vouchers[1].id, "inactive")
        with pytest.raises(CheckoutFailed) as caught:
            await checkout.charge()
    assert [outcome.state for outcome in caught.value.outcomes] == [HeldState.REFUNDED, HeldState.NOT_CHARGED]
    assert [emulator.balance(voucher.id) for voucher in vouchers] == [Decimal("5.00")] * 2
    assert recorder.words == ["refunded"]
    assert {entry.status for entry in emulator.requests.of("listCharges")} == {200}


async def test_a_refund_that_is_refused_leaves_the_voucher_reported_as_charged(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, recorder: Recorder
) -> None:
    first, second = (emulator.add_voucher(amount="5.00") for _ in range(2))
    proxy.refuse("POST", "/refund", 403)
    async with holding(proxied, first, second, amount="4.00") as checkout:
        emulator.set_status(second.id, "inactive")
        with pytest.raises(CheckoutFailed) as caught:
            await checkout.charge()
    states = [outcome.state for outcome in caught.value.outcomes]
    assert states == [HeldState.CHARGED, HeldState.NOT_CHARGED]
    assert "1 charged" in str(caught.value)
    assert emulator.balance(first.id) == Decimal("1.00")
    assert recorder.words == ["refund failed"]


async def test_a_refund_whose_answer_is_lost_is_reported_open(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, recorder: Recorder
) -> None:
    first, second = (emulator.add_voucher(amount="5.00") for _ in range(2))
    proxy.lose("POST", "/refund")
    proxy.refuse("GET", "/charges", 403, times=4)
    async with holding(proxied, first, second, amount="4.00") as checkout:
        emulator.set_status(second.id, "inactive")
        with pytest.raises(CheckoutUnknown) as caught:
            await checkout.charge()
    assert caught.value.pending.operation == "refundCharge"
    refunded, refused = caught.value.outcomes
    assert (refunded.state, refused.state) == (HeldState.UNKNOWN, HeldState.UNKNOWN)
    assert isinstance(refused.error, ApiError)
    assert refused.error.looked is False
    assert emulator.requests.count("refundCharge") == 1
    with pytest.raises(OutcomeUnknown, match="read-lists"):
        await proxied.settle(caught.value.pending)
    assert recorder.words == ["left open"]


async def test_a_later_charge_whose_answer_is_lost_is_open_and_the_earlier_one_refunded(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, recorder: Recorder
) -> None:
    first, second = (emulator.add_voucher(amount="5.00") for _ in range(2))
    proxy.lose("POST", "/charge", after=1)
    proxy.refuse("GET", "/charges", 403, times=3)
    async with holding(proxied, first, amount="4.00") as checkout:
        await checkout.reserve(code=second.code, amount="3.00")
        with pytest.raises(OutcomeUnknown) as caught:
            await checkout.charge()
    error = caught.value
    assert isinstance(error, CheckoutUnknown)
    assert [outcome.state for outcome in error.outcomes] == [HeldState.REFUNDED, HeldState.UNKNOWN]
    assert error.pending.voucher_id == second.id
    assert emulator.balance(first.id) == Decimal("5.00")
    assert sorted(recorder.words) == ["left open", "refunded"]


async def test_one_expired_reservation_keeps_every_voucher_uncharged(
    client: VoucherClient, emulator: VoucherEmulator, clock: ManualClock
) -> None:
    old, new = (emulator.add_voucher(amount="5.00") for _ in range(2))
    async with holding(client, old, amount="4.00") as checkout:
        clock.advance(1000)
        await checkout.reserve(code=new.code, amount="4.00")
        clock.advance(1000)
        with pytest.raises(ReservationExpired):
            await checkout.charge()
    assert emulator.requests.count("chargeReservation") == 0


async def test_a_redeem_in_between_replaces_what_a_checkout_held(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    async with holding(client, voucher, amount="4.00") as checkout:
        await client.redeem(code=voucher.code, amount="1.00", currency="EUR", order_number="A-2")
        with pytest.raises(ReservationSuperseded):
            await checkout.charge()
    assert emulator.balance(voucher.id) == Decimal("4.00")


async def test_a_redeem_waits_for_a_checkout_that_is_charging(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    async with holding(client, voucher, amount="4.00") as checkout:
        charges, _ = await asyncio.gather(
            checkout.charge(),
            client.redeem(code=voucher.code, amount="1.00", currency="EUR", order_number="A-2"),
        )
    assert len(charges) == 1
    assert emulator.balance(voucher.id) == 0


async def test_a_checkout_whose_outcome_is_open_is_not_charged_again(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, clock: ManualClock
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    proxy.lose("POST", "/charge")
    proxy.refuse("GET", "/charges", 403)
    async with proxied.checkout(order_number="A-1", currency="EUR") as checkout:
        held = await checkout.reserve(code=voucher.code, amount="2.00", renew=True)
        with pytest.raises(CheckoutUnknown) as first:
            await checkout.charge()
        assert held.remaining == 0
        await asyncio.sleep(0)
        clock.advance(1495)  # renewed now, it could be charged again
        with pytest.raises(OutcomeUnknown) as second:
            await checkout.charge()
        assert second.value.pending == first.value.pending
        with pytest.raises(CheckoutUnknown):  # a new reservation would pay the order twice
            await checkout.reserve(code=voucher.code, amount="2.00")
    assert emulator.requests.count("createReservation") == 1
    assert emulator.requests.count("chargeReservation") == 1
    assert emulator.balance(voucher.id) == Decimal("3.00")


async def test_a_charge_whose_caller_is_cancelled_is_finished_and_not_sent_again(
    client: VoucherClient, emulator: VoucherEmulator, recorder: Recorder
) -> None:
    voucher = emulator.add_voucher(amount="5.00")
    async with client.checkout(order_number="A-1", currency="EUR") as checkout:
        held = await checkout.reserve(code=voucher.code, amount="2.00")
        task = asyncio.create_task(checkout.charge())
        async with asyncio.timeout(5):
            while not emulator.requests.count("chargeReservation"):
                await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(ConfigurationError, match="being charged"):
            await checkout.reserve(code=voucher.code, amount="2.00")
        (charge,) = await checkout.charge()
        assert held.charged
    assert emulator.requests.count("chargeReservation") == 1
    assert recorder.words == ["done"]
    assert recorder.settled[0].charge == charge


async def test_nothing_is_added_to_a_checkout_that_is_being_charged(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    first, second, third = (emulator.add_voucher(amount="5.00") for _ in range(3))
    async with holding(client, first, amount="2.00") as checkout:
        adding = asyncio.create_task(checkout.reserve(code=second.code, amount="2.00"))
        await asyncio.sleep(0)
        charging = asyncio.create_task(checkout.charge())
        await asyncio.sleep(0)
        with pytest.raises(ConfigurationError, match="being charged"):
            await checkout.reserve(code=third.code, amount="2.00")
        assert len(await charging) == 1
        with pytest.raises(ConfigurationError, match="charged"):
            await adding
    assert emulator.balance(second.id) == Decimal("5.00")


async def test_a_checkout_whose_charges_were_all_refunded_may_be_tried_again(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    first, second = (emulator.add_voucher(amount="5.00") for _ in range(2))
    async with holding(client, first, second, amount="4.00") as checkout:
        emulator.set_status(second.id, "inactive")
        with pytest.raises(CheckoutFailed):
            await checkout.charge()
        emulator.set_status(second.id, "active")
        for voucher in (first, second):
            await checkout.reserve(code=voucher.code, amount="4.00")
        assert len(await checkout.charge()) == 2
    assert emulator.balance(first.id) == emulator.balance(second.id) == Decimal("1.00")


async def test_of_two_charges_at_once_the_second_ends_as_the_first(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    first, second = (emulator.add_voucher(amount="5.00") for _ in range(2))
    proxy.refuse("POST", "/charge", 409)
    async with holding(proxied, first, amount="4.00") as checkout:
        tasks = [asyncio.create_task(checkout.charge()) for _ in range(2)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        with pytest.raises(ConfigurationError, match="being charged"):
            await checkout.reserve(code=second.code, amount="4.00")
        done = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in done] == [CheckoutFailed, tuple]
    assert emulator.balance(first.id) == Decimal("1.00")
    assert emulator.balance(second.id) == Decimal("5.00")


async def test_a_reservation_that_was_charged_behind_the_back_of_a_checkout_is_not_called_uncharged(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    first, second = (emulator.add_voucher(amount="5.00") for _ in range(2))
    async with holding(proxied, first, amount="4.00") as checkout:
        held = await checkout.reserve(code=second.code, amount="3.00")
        charging = asyncio.create_task(checkout.charge())
        while not emulator.requests.count("chargeReservation"):
            await asyncio.sleep(0)
        await asyncio.gather(
            proxied.reservations.charge(held.reservation, order_number="B-1"),
            charging,
            return_exceptions=True,
        )
    error = charging.exception()
    assert isinstance(error, CheckoutFailed)
    assert [outcome.state for outcome in error.outcomes] == [HeldState.REFUNDED, HeldState.CHARGED]
    assert emulator.balance(second.id) == Decimal("2.00")
