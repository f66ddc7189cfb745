"""What each thing that is seen proves, from the first request to the word that the caller gets."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest

from tests.settlement.conftest import Shop, pay, redeem
from voucher_async import (
    AuthenticationError,
    Conflict,
    ConnectFailed,
    ConnectionBroken,
    Fate,
    MissingScope,
    OutcomeUnknown,
    PendingOutcome,
    Proof,
    Reservation,
    Settlement,
    SettlementState,
    VoucherClient,
    VoucherError,
)
from voucher_async.testing import VoucherRecord, faults

CHARGE, LIST, REFUND = "chargeReservation", "listCharges", "refundCharge"


async def reserve(
    shop: Shop, voucher: VoucherRecord | None = None, client: VoucherClient | None = None
) -> Reservation:
    made = (voucher or shop.voucher()).code
    return await (client or shop.client).reservations.create(code=made, amount="4", currency="EUR")


async def failure(shop: Shop, reservation: Reservation, client: VoucherClient | None = None) -> VoucherError:
    """The error of a charge."""
    with pytest.raises(VoucherError) as caught:
        await shop.during(
            (client or shop.client).reservations.charge(reservation, order_number="A-1", timeout=60.0)
        )
    return caught.value


# nothing was done


async def test_no_connection_proves_that_nothing_was_done(shop: Shop) -> None:
    reservation = await reserve(shop)
    await shop.emulator.stop()
    error = await failure(shop, reservation)
    assert isinstance(error, ConnectFailed)
    assert (error.fate, error.proof) == (Fate.NOT_SENT, Proof.NOT_SENT)
    assert shop.client.pending == ()


async def test_a_second_401_is_looked_into(shop: Shop) -> None:
    reservation = await reserve(shop)
    shop.script(CHARGE, faults.Revoked(), faults.Revoked())
    error = await failure(shop, reservation)
    assert isinstance(error, AuthenticationError)
    assert (error.proof, error.looked) == (Proof.REFUSED, True)
    assert [entry.status for entry in shop.emulator.requests.of(LIST)].count(200) == 2


# an answer of 2xx


async def test_an_answer_of_2xx_that_cannot_be_read_is_never_sent_again_and_never_not_done(
    shop: Shop,
) -> None:
    reservation = await reserve(shop)
    shop.emulator.faults.list_lag = 500.0
    shop.script(CHARGE, faults.WrongContentType())
    error = await failure(shop, reservation)
    assert isinstance(error, OutcomeUnknown)
    assert error.pending.answered
    assert (shop.count(CHARGE), len(shop.charged())) == (1, 1)
    await shop.client.aclose(wait=0)
    stored = PendingOutcome.from_json(error.pending.to_json())
    async with shop.another() as client:
        with pytest.raises(OutcomeUnknown, match="the answer says that something was done"):
            await shop.during(client.settle(stored, timeout=30.0))
        shop.emulator.faults.list_lag = 0.0
        settlement = await shop.during(client.settle(stored))
    assert settlement.charge is not None
    assert [settlement.charge.id] == shop.charged()


# a refusal


async def test_a_refusal_is_looked_into_twice_a_second_apart(shop: Shop) -> None:
    voucher = shop.voucher()
    reservation = await reserve(shop, voucher)
    shop.emulator.set_status(voucher.id, "inactive")
    begun = shop.clock.monotonic()
    error = await failure(shop, reservation)
    assert isinstance(error, Conflict)
    assert (error.fate, error.proof, error.looked, error.pending) == (
        Fate.ANSWERED,
        Proof.REFUSED,
        True,
        None,
    )
    assert (shop.count(CHARGE), shop.count(LIST)) == (1, 2)
    assert 1.0 <= shop.clock.monotonic() - begun < 5.0


async def test_a_refusal_of_a_second_delivery_gives_the_charge_of_the_first(shop: Shop) -> None:
    reservation = await reserve(shop)
    async with shop.another() as proxy:
        made = await proxy.reservations.charge(reservation.id, order_number="A-1")
    charge = await shop.during(shop.client.reservations.charge(reservation, order_number="A-1"))
    assert charge.id == made.id
    assert shop.charged() == [made.id]
    assert [entry.status for entry in shop.emulator.requests.of(CHARGE)] == [200, 409]


async def test_a_refusal_that_cannot_be_looked_into_is_that_refusal_with_what_to_settle(shop: Shop) -> None:
    voucher = shop.voucher()
    blind = shop.emulator.add_client(scopes=["use"])
    async with shop.another(client_id=blind.id, client_secret=blind.secret) as client:
        reservation = await reserve(shop, voucher, client)
        shop.emulator.set_status(voucher.id, "inactive")
        error = await failure(shop, reservation, client)
    assert isinstance(error, Conflict)
    assert not isinstance(error, OutcomeUnknown)
    assert (error.looked, error.fate, error.proof) == (False, Fate.UNKNOWN, None)
    assert error.pending is not None
    assert error.pending.reservation_id == reservation.id


# an answer of a proxy


async def test_a_limited_rate_proves_nothing_and_a_living_reservation_is_charged_again(shop: Shop) -> None:
    shop.script(CHARGE, *[faults.TooMany(1)] * 2)
    charge = await redeem(shop, shop.voucher())
    assert [charge.id] == shop.charged()


async def test_403_proves_nothing_and_is_looked_into(shop: Shop) -> None:
    reservation = await reserve(shop)
    reader = shop.emulator.add_client(scopes=["read", "read-lists"])
    async with shop.another(client_id=reader.id, client_secret=reader.secret) as client:
        error = await failure(shop, reservation, client)
    assert isinstance(error, MissingScope)
    assert (error.looked, error.proof) == (True, Proof.REFUSED)
    assert shop.count(LIST) == 2


# absence


async def test_absence_is_proved_past_the_window(shop: Shop) -> None:
    charge = await redeem(shop, shop.voucher())
    shop.script(REFUND, *[faults.BreakBefore()] * 3)
    begun = shop.clock.monotonic()
    with pytest.raises(ConnectionBroken) as caught:
        await shop.during(shop.client.charges.refund(charge, currency="EUR", timeout=90.0))
    assert (caught.value.fate, caught.value.proof) == (Fate.NOT_DONE, Proof.ABSENT)
    assert shop.clock.monotonic() - begun >= 3 * 10.0
    assert shop.refunded() == []


async def test_absence_is_proved_past_the_end_of_the_reservation(shop: Shop) -> None:
    async with shop.another(settle_window=60.0, settle_for=90.0) as client:
        reservation = await reserve(shop, client=client)
        shop.clock.advance(1789.9)
        shop.script(CHARGE, faults.BreakBefore())
        begun = shop.clock.monotonic()
        error = await failure(shop, reservation, client)
        assert (error.fate, error.proof) == (Fate.NOT_DONE, Proof.FENCED)
        assert 20.0 <= shop.clock.monotonic() - begun < 40.0  # the reservation's end, and the lag of lists
    assert (shop.count(CHARGE), shop.charged()) == (1, [])


async def test_absence_is_proved_past_a_newer_reservation(shop: Shop) -> None:
    async with shop.another(settle_window=60.0, settle_for=90.0) as client:
        voucher = shop.voucher()
        shop.script(CHARGE, *[faults.BreakBefore()] * 9)
        with pytest.raises(OutcomeUnknown) as caught:
            await shop.during(pay(client, voucher, timeout=2.0))
        begun = shop.clock.monotonic()
        await reserve(shop, voucher, client)
        settlement = await shop.during(client.settle(caught.value.pending))
        assert (settlement.state, settlement.proof) == (SettlementState.NOT_DONE, Proof.FENCED)
        assert 10.0 <= shop.clock.monotonic() - begun < 30.0
    assert shop.charged() == []


# a refused repeat


async def test_a_refused_repeat_and_a_balance_that_adds_up_are_a_proof(shop: Shop) -> None:
    voucher = shop.voucher()
    reservation = await reserve(shop, voucher)
    shop.script(CHARGE, faults.BreakBefore())
    shop.emulator.set_status(voucher.id, "inactive")
    error = await failure(shop, reservation)
    assert isinstance(error, Conflict)
    assert (error.fate, error.proof, error.looked) == (Fate.NOT_DONE, Proof.REPEAT_REFUSED, True)
    assert shop.count("getVoucher") > 0
    assert [entry.status for entry in shop.emulator.requests.of(CHARGE)] == [0, 409]


async def test_a_refused_repeat_and_a_balance_that_does_not_add_up_stay_open(shop: Shop) -> None:
    reservation = await reserve(shop)
    shop.emulator.faults.list_lag = 500.0  # far beyond the lag of any list
    shop.script(CHARGE, faults.BreakAfter())
    error = await failure(shop, reservation)
    assert isinstance(error, OutcomeUnknown)
    assert "balance does not fit" in str(error)
    assert [entry.status for entry in shop.emulator.requests.of(CHARGE)] == [200, 409]


# vouchers


@pytest.mark.parametrize(
    ("amount", "made", "proof"),
    [("25.00", False, Proof.NO_VOUCHER), ("26.00", True, Proof.OTHER_VOUCHER)],
)
async def test_a_voucher_is_not_created_when_its_id_is_free_or_another_ones(
    shop: Shop, amount: str, proof: Proof, *, made: bool
) -> None:
    settlement = await settled(shop, amount, made=made)
    assert (settlement.state, settlement.proof) == (SettlementState.NOT_DONE, proof)


async def settled(shop: Shop, amount: str, *, made: bool) -> Settlement:
    """What became of a voucher of 25.00 that was to be created."""
    voucher_id = shop.voucher().id if made else "7f1c9f62-0000-4000-8000-000000000000"
    pending = PendingOutcome(
        operation="createVoucher", voucher_id=voucher_id, amount=Decimal(amount), currency="EUR"
    )
    return await shop.during(shop.client.settle(pending))


async def test_an_answer_of_2xx_to_a_creation_is_never_not_done(shop: Shop) -> None:
    pending = PendingOutcome(
        operation="createVoucher",
        voucher_id="7f1c9f62-0000-4000-8000-000000000000",
        amount=Decimal("25.00"),
        currency="EUR",
        answered=True,
    )
    with pytest.raises(OutcomeUnknown):
        await shop.during(shop.client.settle(pending, timeout=20.0))
    other = attrs.evolve(pending, id="other", voucher_id=shop.voucher().id, amount=Decimal("26.00"))
    with pytest.raises(OutcomeUnknown):
        await shop.during(shop.client.settle(other, timeout=20.0))
