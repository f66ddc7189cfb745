"""`look_before_charge`: after the journal has lost records, a payment that was made is found."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.settlement.conftest import Shop, pay
from voucher_async import ChargeRefunded, Conflict, OutcomeUnknown, Proof, VoucherClient
from voucher_async.testing import faults

CHARGE = "chargeReservation"
KEYED = {"idempotency_key": "A-1"}
FORMAT = "{order}~{ref}"


@pytest_asyncio.fixture
async def restored(shop: Shop) -> AsyncIterator[VoucherClient]:
    """A client whose journal has lost what the shop's own client has written."""
    async with shop.another(look_before_charge=True) as client:
        yield client


@pytest.mark.parametrize("options", [KEYED, {}])
async def test_a_payment_that_was_made_before_is_found(
    shop: Shop, restored: VoucherClient, options: dict[str, str]
) -> None:
    voucher = shop.voucher()
    charge = await shop.during(pay(shop.client, voucher, **options))
    again = await shop.during(pay(restored, voucher, **options))
    assert again.id == charge.id
    assert (shop.count(CHARGE), shop.charged()) == (1, [charge.id])
    history = [(record.state, record.charge and record.charge.id) async for record in restored.history()]
    assert history == [("done", charge.id)]


async def test_a_payment_that_was_not_made_is_made_once(shop: Shop, restored: VoucherClient) -> None:
    voucher = shop.voucher()
    other = await shop.during(pay(shop.client, voucher, order_number="A-0"))
    charge = await shop.during(pay(restored, voucher, **KEYED))
    more = await shop.during(pay(restored, voucher, order_number="A-2", idempotency_key="A-2"))
    assert len({other.id, charge.id, more.id}) == 3
    assert shop.count(CHARGE) == 3


async def test_two_payments_of_one_order_are_two(shop: Shop, restored: VoucherClient) -> None:
    voucher = shop.voucher()
    charges = [
        await shop.during(pay(restored, voucher, idempotency_key=key)) for key in ("A-1 first", "A-1 second")
    ]
    assert shop.charged() == [charge.id for charge in charges]


async def test_one_that_was_taken_back_is_not_made_again(shop: Shop, restored: VoucherClient) -> None:
    voucher = shop.voucher()
    charge = await shop.during(pay(shop.client, voucher, **KEYED))
    refund = await shop.client.charges.refund(charge, currency="EUR")
    with pytest.raises(ChargeRefunded) as caught:
        await shop.during(pay(restored, voucher, **KEYED))
    assert (caught.value.charge.id, [each.id for each in caught.value.refunds]) == (charge.id, [refund.id])
    with pytest.raises(ChargeRefunded):  # its key stays used
        await shop.during(pay(restored, voucher, **KEYED))
    assert shop.count(CHARGE) == 1


async def test_a_payment_that_carries_a_reference_is_found(shop: Shop) -> None:
    voucher = shop.voucher()
    async with shop.another(order_number_format=FORMAT) as before:
        charge = await shop.during(pay(before, voucher, **KEYED))
    async with shop.another(look_before_charge=True, order_number_format=FORMAT) as restored:
        assert (await shop.during(pay(restored, voucher, **KEYED))).id == charge.id
    assert [each.id for each in shop.emulator.charges(type="charge")] == [charge.id]


async def test_the_charge_of_another_client_is_not_handed_out(shop: Shop, restored: VoucherClient) -> None:
    voucher, other = shop.voucher(), shop.emulator.add_client()
    async with shop.another(client_id=other.id, client_secret=other.secret) as foreign:
        charge = await shop.during(pay(foreign, voucher))
    try:
        told = await shop.during(pay(restored, voucher, **KEYED))
    except OutcomeUnknown:
        return
    assert told.id != charge.id


async def test_where_nothing_can_be_seen_nothing_is_charged(shop: Shop, restored: VoucherClient) -> None:
    shop.emulator.faults.chance(1.0, seed=1, kinds=(faults.ServerError(),), operations=("listCharges",))
    with pytest.raises(OutcomeUnknown):
        await shop.during(pay(restored, shop.voucher(), **KEYED))
    assert shop.count(CHARGE) == 0


async def test_a_refused_reservation_is_that(shop: Shop, restored: VoucherClient) -> None:
    with pytest.raises(Conflict) as caught:
        await shop.during(pay(restored, shop.voucher("1.00"), **KEYED))
    assert caught.value.proof is Proof.NOT_SENT


async def test_a_payment_that_has_left_too_little_for_its_amount_is_found(
    shop: Shop, restored: VoucherClient
) -> None:
    voucher = shop.voucher("6.00")
    charge = await shop.during(pay(shop.client, voucher, **KEYED))
    assert (await shop.during(pay(restored, voucher, **KEYED))).id == charge.id
    assert shop.charged() == [charge.id]


async def test_one_that_has_emptied_the_voucher_is_refused_without_a_proof(
    shop: Shop, restored: VoucherClient
) -> None:
    """Not a cent can be reserved, so nobody knows which voucher it is."""
    voucher = shop.voucher("4.00")
    await shop.during(pay(shop.client, voucher, **KEYED))
    with pytest.raises(Conflict) as caught:
        await shop.during(pay(restored, voucher, **KEYED))
    assert caught.value.proof is None
    assert shop.count(CHARGE) == 1
