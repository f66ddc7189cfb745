"""The refund of an order that cannot give back all: it says what was given back, and goes on later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from tests.settlement.adversary import Lot
from tests.settlement.returns import amounts, left, pay, refund_order, refunds
from tests.settlement.town import Town, said
from tests.virtual import virtually
from voucher_async.errors import InvalidInput, JournalFailed, Proof
from voucher_async.order_refunds import OrderRefundFailed, OrderRefundUnknown, RefundState
from voucher_async.outcomes import OutcomeUnknown

REFUSED, LOST, HUNG = Lot("refused 409"), Lot("lost"), Lot("hung answer")
DONE, NOT, UNKNOWN = RefundState.REFUNDED, RefundState.NOT_REFUNDED, RefundState.UNKNOWN


def states(error: Any) -> Any:
    return [(each.state, each.amount) for each in error.outcomes]


def failing_at(number: int, when: str) -> Callable[[int, str], str | None]:
    return lambda call, _name: when if call == number else None


@virtually
async def test_a_refusal_in_the_middle_is_told_beside_what_was_given_back() -> None:
    town, client = await Town.with_client()
    one, two, three = await pay(client, "5.00", "7.00", "3.00")
    town.script(Lot(), REFUSED)
    error = await said(refund_order(client, None, "return-1"))
    assert type(error) is OrderRefundFailed
    assert states(error) == [(DONE, 3), (NOT, 7), (DONE, 5)]
    assert [each.charge_id for each in error.outcomes] == [three.id, two.id, one.id]
    assert error.amount == 8
    assert error.proof is None
    assert "(2 refunded, 1 not refunded)" in str(error)
    told = await refund_order(town.client(), None, "return-1")
    assert told.amount == 15
    assert refunds(town) == amounts("3.00", "5.00", "7.00")


@virtually
async def test_where_nothing_was_given_back_the_key_is_free_and_the_error_has_a_proof() -> None:
    town, client = await Town.with_client()
    await pay(client, "5.00")
    town.script(REFUSED)
    error = await said(refund_order(client, "2.00", "return-1"))
    assert isinstance(error, OrderRefundFailed)
    assert (states(error), error.proof) == ([(NOT, 2)], Proof.REFUSED)
    assert (await refund_order(client, "3.00", "return-1")).amount == 3


@pytest.mark.parametrize("given_before", [True, False])
@virtually
async def test_a_copy_of_a_refused_refund_that_comes_late_is_counted(given_before: bool) -> None:  # noqa: FBT001
    town, client = await Town.with_client()
    one, two = await pay(client, "5.00", "4.00")
    town.script(*([Lot(), REFUSED] if given_before else [REFUSED, REFUSED]))
    assert isinstance(await said(refund_order(client, "7.00", "return-1")), OrderRefundFailed)
    copied, amount = (one, "3.00") if given_before else (two, "4.00")
    await town.client(scope="a proxy's copy").core.charges.refund(copied, amount, currency="EUR")
    told = await refund_order(town.client(), "7.00", "return-1")
    assert told.amount == sum(refunds(town)) == 7
    assert sum(left(town)) == 2


@virtually
async def test_an_open_refund_is_told_with_its_pending_and_settled_by_who_asks_again() -> None:
    town, client = await Town.with_client()
    await pay(client, "5.00", "7.00")
    town.script(Lot(), HUNG)
    error = await said(refund_order(client, None, "return-1", timeout=5.0))
    assert isinstance(error, OrderRefundUnknown)
    assert isinstance(error, OutcomeUnknown)
    assert states(error) == [(DONE, 7), (UNKNOWN, 5)]
    assert error.pending.amount == 5
    told = await refund_order(town.client(), None, "return-1", timeout=90.0)
    assert told.amount == sum(refunds(town)) == 12


@virtually
async def test_an_open_refund_ends_what_comes_after_it() -> None:
    town, client = await Town.with_client()
    await pay(client, "5.00", "7.00", "3.00")
    town.script(Lot("lost", late=1e6))
    error = await said(refund_order(client, None, "return-1", timeout=3.0))
    assert isinstance(error, OrderRefundUnknown)
    assert states(error) == [(UNKNOWN, 3), (NOT, 7), (NOT, 5)]
    again = await said(refund_order(client, None, "return-1", timeout=0.5))
    assert isinstance(again, OrderRefundUnknown)
    assert states(again) == [(UNKNOWN, 3)]
    assert again.pending.id == error.pending.id
    assert refunds(town) == []
    assert (await refund_order(client, None, "return-1", timeout=90.0)).amount == 15
    assert left(town) == amounts("0.00", "0.00", "0.00")


@virtually
async def test_a_charge_in_doubt_keeps_everything_from_being_refunded_until_it_is_settled() -> None:
    town, client = await Town.with_client()
    await pay(client, "5.00")
    town.script(*[Lot("lost", late=1e6)] * 9)
    payment = client.redeem("K-2", code=town.vouchers[1].code, amount="7.00", timeout=3.0)
    assert isinstance(await said(payment), OutcomeUnknown)
    error = await said(refund_order(client, None, "return-1", timeout=0.1))
    assert type(error) is OrderRefundFailed
    assert [each.amount for each in error.open_calls] == [7]
    assert (error.outcomes, error.proof, refunds(town)) == ((), Proof.NOT_SENT, [])
    town.script()
    assert (await refund_order(client, None, "return-1", timeout=60.0)).amount == 5


@virtually
async def test_a_payment_that_is_under_way_is_waited_for() -> None:
    town, client = await Town.with_client()
    town.script(Lot(wait=2.0))
    payment = client.begin("redeem")
    await asyncio.sleep(1.0)
    assert (await refund_order(client)).amount == 4
    assert (await payment).amount == 4
    assert left(town) == amounts("0.00")


@virtually
async def test_a_refund_in_doubt_by_its_charges_id_is_settled_first() -> None:
    town, client = await Town.with_client()
    (charge,) = await pay(client, "5.00")
    town.script(HUNG)
    refunding = client.core.charges.refund(charge.id, "2.00", timeout=3.0)
    assert isinstance(await said(refunding), OutcomeUnknown)
    rest = await refund_order(client, timeout=60.0)
    assert ([rest.amount], refunds(town)) == (amounts("3.00"), amounts("2.00", "3.00"))


@virtually
async def test_two_currencies_in_one_order_are_refused() -> None:
    town, client = await Town.with_client()
    await pay(client, "5.00")
    dollars = town.adversary.emulator.add_voucher(amount="9.00", currency="USD")
    await client.redeem("K-2", code=dollars.code, currency="USD")
    with pytest.raises(InvalidInput, match="was paid in EUR and USD: refund its charges one by one"):
        await refund_order(client)
    assert refunds(town) == []


@pytest.mark.parametrize("how", ["failed", "refused 403", "garbage"])
@virtually
async def test_lists_that_cannot_be_read_let_nothing_be_refunded(how: str) -> None:
    town, client = await Town.with_client()
    await pay(client, "5.00")
    town.script(rest=(Lot(how),) * 50)
    error = await said(refund_order(client, None, "return-1"))
    assert isinstance(error, Exception)
    assert refunds(town) == []
    town.script()
    town.adversary.rest.clear()
    assert (await refund_order(client, None, "return-1")).amount == 5


@virtually
async def test_a_journal_that_fails_at_any_call_leaves_nothing_given_back_twice() -> None:
    number = 0
    is_over = False
    while not is_over:
        number += 1
        for when in ("before", "after"):
            town, client = await Town.with_client()
            await pay(client, "5.00", "7.00")
            first = len(client.journal.calls)
            client.journal.fails = failing_at(first + number, when)
            told = await said(refund_order(client, "9.00", "return-1"))
            is_over = len(client.journal.calls) < first + number
            if isinstance(told, JournalFailed):
                assert refunds(town) == [], (when, number)
            client.journal.fails = lambda _number, _name: None
            again = await refund_order(client, "9.00", "return-1", timeout=90.0)
            assert again.amount == sum(refunds(town)) == 9, (when, number, told)


@virtually
async def test_a_caller_who_leaves_has_begun_refunds_finished_and_no_other_begun() -> None:
    town, client = await Town.with_client()
    await pay(client, "5.00", "7.00")
    town.script(Lot(wait=2.0))
    call = asyncio.create_task(refund_order(client, None, "return-1"))
    while "refundCharge" not in client.wire.sent:
        await asyncio.sleep(0.1)
    call.cancel()
    await asyncio.sleep(10.0)
    assert refunds(town) == amounts("7.00")
    assert (await refund_order(client, None, "return-1")).amount == 12
    assert refunds(town) == amounts("7.00", "5.00")


@virtually
async def test_a_return_that_cannot_have_its_turn_again_keeps_what_it_gave_back() -> None:
    """Its key was freed, and the next caller gave all of it back once more."""
    town, client = await Town.with_client()
    await pay(client, "5.00", "7.00")
    town.script(Lot(), REFUSED)
    assert isinstance(await said(refund_order(client, "9.00", "return-1")), OrderRefundFailed)
    town.script(Lot(wait=4.0))
    other = asyncio.create_task(refund_order(client, "1.00", "return-2"))
    await asyncio.sleep(1.0)
    error = await said(refund_order(client, "9.00", "return-1", timeout=0.5))
    assert isinstance(error, OrderRefundFailed)
    assert (error.outcomes, error.proof) == ((), None)
    assert "what was given back before is not known now" in str(error)
    assert (await other).amount == 1
    assert (await refund_order(client, "9.00", "return-1")).amount == 9
    assert sum(refunds(town)) == 10
