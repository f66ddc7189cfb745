"""Giving back what an order took: what is refunded, of which charge, and what is refused."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from tests.settlement.returns import amounts, left, pay, refund_order, refunds
from tests.settlement.town import JournalAt, Town, all_of, said
from tests.virtual import virtually
from voucher_async.errors import IdempotencyMismatch, InvalidInput
from voucher_async.order_refunds import OrderRefund


@virtually
async def test_all_of_an_order_is_given_back_the_latest_charge_first(journal_at: JournalAt) -> None:
    town = await Town.build(journal_at)
    client = town.client()
    charges = await pay(client, "5.00", "7.00", "3.00")
    refund = await refund_order(client)
    assert (refund.order_number, refund.amount, refund.currency) == ("A-1", Decimal("15.00"), "EUR")
    assert [each.charge_id for each in refund.refunds] == [each.id for each in reversed(charges)]
    assert [each.refund.amount for each in refund.refunds] == refunds(town) == amounts("3.00", "7.00", "5.00")
    assert left(town) == amounts("0.00", "0.00", "0.00")


@pytest.mark.parametrize(
    ("amount", "split"),
    [("0.01", ["0.01"]), ("3.00", ["3.00"]), ("3.01", ["3.00", "0.01"]), ("12", ["3.00", "7.00", "2.00"])],
)
@virtually
async def test_a_part_comes_from_the_latest_charge_first(amount: str, split: list[str]) -> None:
    town, client = await Town.with_client()
    await pay(client, "5.00", "7.00", "3.00")
    assert (await refund_order(client, amount, "return-77")).amount == Decimal(amount)
    assert refunds(town) == amounts(*split)


@virtually
async def test_a_key_gives_back_once_also_in_another_process(journal_at: JournalAt) -> None:
    town = await Town.build(journal_at)
    client = town.client()
    await pay(client, "5.00", "7.00")
    first = await refund_order(client, "8.00", "return-77")
    for other in (client, town.client()):
        assert await refund_order(other, "8.00", "return-77") == first
    assert (await refund_order(client, "4.00", "return-78")).amount == Decimal("4.00")
    assert left(town) == amounts("0.00", "0.00")
    with pytest.raises(IdempotencyMismatch, match="another amount"):
        await refund_order(client, "7.00", "return-77")


@pytest.mark.parametrize("key", ["return-77", None])
@virtually
async def test_two_at_once_are_one_refund_of_all(key: str | None, journal_at: JournalAt) -> None:
    town = await Town.build(journal_at)
    one, two = town.client(), town.client()
    await pay(one, "5.00", "7.00")
    told = await all_of(*(refund_order(each, None, key) for each in (one, two, one)))
    assert {each.amount for each in told if isinstance(each, OrderRefund)} == {Decimal("12.00")}, told
    assert len(refunds(town)) == 2


@virtually
async def test_without_a_key_two_parts_are_two_returns() -> None:
    town, client = await Town.with_client()
    await pay(client, "5.00", "7.00")
    told = await all_of(*(refund_order(client, "2.00") for _ in range(3)))
    assert [each.amount for each in told if isinstance(each, OrderRefund)] == amounts(*["2.00"] * 3), told
    assert sum(refunds(town)) == 6
    assert (await refund_order(client)).amount == 6
    assert (await refund_order(client)).amount == 0


@virtually
async def test_what_was_refunded_before_is_left_out() -> None:
    town, client = await Town.with_client()
    one, two = await pay(client, "5.00", "7.00")
    await client.core.charges.refund(one, "1.00")
    await town.client(scope="an Admin UI").core.charges.refund(two, "6.00", currency="EUR")
    assert (await refund_order(client)).amount == 5
    assert left(town) == amounts("0.00", "0.00")


@virtually
async def test_more_than_is_left_is_refused_before_anything_is_sent() -> None:
    town, client = await Town.with_client()
    await pay(client, "5.00", "7.00")
    await refund_order(client, "2.00")
    with pytest.raises(InvalidInput, match=r"at most what is left of the order, 10\.00 \(got"):
        await refund_order(client, "10.01", "return-1")
    assert len(refunds(town)) == 1
    assert (await refund_order(client, "10.00", "return-1")).amount == 10  # the key is free


@virtually
async def test_an_order_that_was_not_charged_has_nothing_to_give_back() -> None:
    _, client = await Town.with_client()
    await said(client.redeem(amount="90.00"))
    client.wire.sent.clear()
    assert await refund_order(client) == OrderRefund(order_number="A-1", amount=Decimal("0.00"))
    with pytest.raises(InvalidInput, match=r"what is left of the order, 0\.00"):
        await refund_order(client, "1.00")


@virtually
async def test_an_order_that_the_journal_does_not_know_is_no_empty_order() -> None:
    town, client = await Town.with_client()
    stranger = town.client(scope="a journal that is lost")
    await pay(stranger, "5.00", "7.00")
    with pytest.raises(InvalidInput, match="order_number: is of no call that the journal"):
        await refund_order(client)
    ids = [each.id for each in town.vouchers]
    assert (await refund_order(client, "8.00", "return-1", voucher_ids=ids)).amount == 8
    assert (await refund_order(client, voucher_ids=ids)).amount == 4
    assert left(town) == amounts("0.00", "0.00")


@virtually
async def test_another_order_and_a_recharge_are_left_alone() -> None:
    town, client = await Town.with_client()
    await pay(client, "5.00")
    await pay(client, "5.00", order_number="A-12")
    await client.recharge(None, id=town.vouchers[0].id)
    assert (await refund_order(client)).amount == 5
    assert left(town, "A-12") == amounts("5.00")


@virtually
async def test_refunds_by_hand_that_nobody_can_attribute_are_not_guessed_at() -> None:
    town, client = await Town.with_client()
    one = await client.redeem("K-1", amount="5.00")
    await client.redeem("K-2", amount="5.00")
    await town.client(scope="an Admin UI").core.charges.refund(one, "3.00", currency="EUR")
    error = await said(refund_order(client, None, "return-1"))
    assert "7.00 is left of the order; of 3.00 nobody can tell" in str(error)
    assert len(refunds(town)) == 1
    assert (await refund_order(client, "4.00", "return-1")).amount == 4  # that much is left for certain
    assert min(left(town)) >= 0


@virtually
async def test_an_order_paid_by_a_checkout() -> None:
    town, client = await Town.with_client()
    await client.checkout()
    await asyncio.sleep(1)
    assert (await refund_order(town.client())).amount == 8
    assert left(town) == amounts("0.00", "0.00")
