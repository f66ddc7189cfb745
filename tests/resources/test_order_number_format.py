"""Order numbers go out with a reference, and come back as the shop's own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from tests.recorder import Recorder
from voucher_async import Charge, ChargeType, CheckoutFailed, InvalidInput, ManualClock, VoucherClient
from voucher_async.references import format_of
from voucher_async.testing import VoucherEmulator, VoucherRecord

FORMAT = "{order}~{ref}"


@pytest.fixture
def told() -> Recorder:
    return Recorder()


@pytest_asyncio.fixture
async def shop(emulator: VoucherEmulator, clock: ManualClock, told: Recorder) -> AsyncIterator[VoucherClient]:
    async with VoucherClient(
        **emulator.settings(), clock=clock, hooks=[told], order_number_format=FORMAT
    ) as client:
        yield client


def sent(emulator: VoucherEmulator) -> list[str]:
    return [charge.order_number or "" for charge in emulator.charges()]


def references(emulator: VoucherEmulator) -> list[str]:
    parts = [format_of(FORMAT).split(number) for number in sent(emulator)]
    assert all(part is not None and part[0] == "A-1" for part in parts)
    return [part[1] for part in parts if part is not None]


async def pay(client: VoucherClient, voucher: VoucherRecord, order_number: str = "A-1") -> Charge:
    return await client.redeem(code=voucher.code, amount=2, currency="EUR", order_number=order_number)


async def test_every_call_has_a_reference_of_its_own_and_gives_the_shops_number(
    shop: VoucherClient, emulator: VoucherEmulator, told: Recorder
) -> None:
    voucher = emulator.add_voucher(amount="25.00")
    reservation = await shop.reservations.create(code=voucher.code, amount=3, currency="EUR")
    async with shop.checkout(order_number="A-1", currency="EUR") as checkout:
        charges = [
            await pay(shop, voucher),
            await pay(shop, voucher),
            await shop.vouchers.recharge(id=voucher.id, amount=1, currency="EUR", order_number="A-1"),
            await shop.vouchers.recharge(code=voucher.code, amount=1, currency="EUR", order_number="A-1"),
        ]
        reservation = await shop.reservations.create(code=voucher.code, amount=3, currency="EUR")
        charges.append(await shop.reservations.charge(reservation, order_number="A-1"))
        await checkout.reserve(code=voucher.code, amount=4)
        charges += await checkout.charge()
    assert {charge.order_number for charge in charges} == {"A-1"}
    assert len(set(references(emulator))) == len(charges) == 6
    assert {pending.order_number for pending in told.intents} == {"A-1"}
    assert [pending.sent_order_number for pending in told.intents] == sent(emulator)


async def test_a_refund_carries_the_reference_of_its_charge_and_shows_the_shops_number(
    shop: VoucherClient, emulator: VoucherEmulator
) -> None:
    charge = await pay(shop, emulator.add_voucher(amount="25.00"))
    refunds = [await shop.charges.refund(charge, 1, currency="EUR") for _ in range(2)]
    second = await pay(shop, emulator.add_voucher(amount="25.00"))
    refunds.append(await shop.charges.refund(second.id, 1, currency="EUR"))
    assert {refund.order_number for refund in refunds} == {"A-1"}
    one, two, three, other, last = references(emulator)
    assert one == two == three
    assert other == last


async def test_what_was_charged_before_the_format_was_set_is_shown_and_refunded_as_before(
    client: VoucherClient, shop: VoucherClient, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="25.00")
    charge = await pay(client, voucher)
    refund = await shop.charges.refund(charge, currency="EUR")
    assert (charge.order_number, refund.order_number) == ("A-1", "A-1")
    assert sent(emulator) == ["A-1", "A-1"]


async def test_one_charge_is_read_with_the_shops_number(
    shop: VoucherClient, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="25.00")
    charge = await pay(shop, voucher, "A-1~of the shop")
    assert await shop.vouchers.get_charge(voucher.id, charge.id) == charge
    assert charge.order_number == "A-1~of the shop"


async def listed(
    shop: VoucherClient, emulator: VoucherEmulator
) -> tuple[VoucherRecord, dict[str, list[str]]]:
    """A voucher with charges of three orders, one of them of before there were references."""
    voucher = emulator.add_voucher(amount="25.00")
    ids: dict[str, list[str]] = {"A-1": [], "B-1": [], "A-1~x": []}
    async with VoucherClient(**emulator.settings(), clock=emulator.clock) as plain:
        for number, client in enumerate([shop, plain, shop, shop, shop, plain, shop]):
            order_number = ("A-1", "B-1", "A-1~x")[number % 3]
            ids[order_number].append((await pay(client, voucher, order_number)).id)
    return voucher, ids


@pytest.mark.parametrize("per_page", [None, 1, 2, 3])
async def test_a_list_is_filtered_by_the_shops_number_across_all_pages(
    shop: VoucherClient, emulator: VoucherEmulator, per_page: int | None
) -> None:
    voucher, ids = await listed(shop, emulator)
    for order_number, expected in ids.items():
        listing = shop.vouchers.list_charges(voucher.id, order_number=order_number, per_page=per_page)
        charges = [charge async for charge in listing]
        assert sorted(charge.id for charge in charges) == sorted(expected)
        assert {charge.order_number for charge in charges} == {order_number}
        pages = [page async for page in listing.pages()]
        assert sorted(charge.id for page in pages for charge in page.data) == sorted(expected)
        assert pages[0].data == (await listing.first_page()).data
    everything = [charge async for charge in shop.vouchers.list_charges(voucher.id, per_page=per_page)]
    assert {charge.order_number for charge in everything} == set(ids)
    assert len(everything) == 7


async def test_pages_before_the_one_with_the_order_end_no_loop(
    shop: VoucherClient, emulator: VoucherEmulator
) -> None:
    voucher = emulator.add_voucher(amount="25.00")
    for _ in range(6):
        await pay(shop, voucher, "B-1")
    charge = await pay(shop, voucher)
    listing = shop.vouchers.list_charges(voucher.id, order_number="A-1", per_page=1)
    assert [each.id async for each in listing] == [charge.id]


@pytest.mark.parametrize("order_number", ["", 5])
async def test_a_filter_that_cannot_be_is_refused_as_before(shop: VoucherClient, order_number: Any) -> None:
    with pytest.raises(InvalidInput) as caught:
        shop.vouchers.list_charges("V", order_number=order_number)
    assert caught.value.field == "order_number"


@pytest.mark.parametrize("order_number", ["", " ", " A-1", "A-1 ", "\ud800", 5, None])
async def test_the_shops_own_number_obeys_the_rules_before_anything_is_sent(
    shop: VoucherClient, emulator: VoucherEmulator, order_number: Any
) -> None:
    with pytest.raises(InvalidInput) as caught:
        await shop.redeem(code="C", amount=1, currency="EUR", order_number=order_number)
    assert caught.value.field == "order_number"
    with pytest.raises(InvalidInput):
        await shop.reservations.charge("R-1", order_number=order_number)
    with pytest.raises(InvalidInput):
        await shop.vouchers.recharge(id="V", amount=1, currency="EUR", order_number=order_number)
    with pytest.raises(InvalidInput):
        shop.checkout(order_number=order_number, currency="EUR")
    assert len(emulator.requests) == 0


async def test_a_checkout_that_is_taken_back_tells_the_shops_number(
    shop: VoucherClient, emulator: VoucherEmulator, told: Recorder
) -> None:
    one, two = emulator.add_voucher(amount="5.00"), emulator.add_voucher(amount="5.00")
    async with shop.checkout(order_number="A-1", currency="EUR") as checkout:
        await checkout.reserve(code=one.code, amount=5)
        await checkout.reserve(code=two.code, amount=5)
        async with VoucherClient(**emulator.settings(), clock=emulator.clock) as other:
            await other.reservations.create(code=two.code, amount=1, currency="EUR")
        with pytest.raises(CheckoutFailed) as caught:
            await checkout.charge()
    first, _ = caught.value.outcomes
    assert first.charge is not None
    assert first.refund is not None
    assert (first.charge.order_number, first.refund.order_number) == ("A-1", "A-1")
    (event,) = [event for event in told.settled if event.charge is not None]
    assert event.charge is not None
    assert (event.order_number, event.charge.order_number) == ("A-1", "A-1")
    assert emulator.balance(one.id) == Decimal("5.00")
    assert [charge.type for charge in emulator.charges()] == [ChargeType.CHARGE, ChargeType.REFUND]


async def test_the_order_number_of_a_voucher_that_is_created_stays_as_it_is(
    shop: VoucherClient, emulator: VoucherEmulator
) -> None:
    made = await shop.vouchers.create(amount=5, currency="EUR", order_number="A-1")
    assert made.order_number == "A-1"
    assert [voucher.id async for voucher in shop.vouchers.list(order_number="A-1")] == [made.id]
