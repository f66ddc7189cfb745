"""Hooks are told of each call once as it begins and once as it ends, and which call a request is made for."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any

import pytest

from tests.calls import Calls
from tests.settlement.conftest import Shop, pay
from tests.settlement.hearing import calls, client
from tests.settlement.test_cancelled import cancelled_when
from voucher_async import (
    AttemptStarted,
    CallEnd,
    CallEnded,
    CallStarted,
    Charge,
    CheckoutFailed,
    DoubtEnd,
    DoubtEnded,
    Hook,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    Proof,
    TurnWaited,
    VoucherClient,
    VoucherError,
)
from voucher_async.testing import faults

__all__ = ["calls", "client"]

CHARGE = "chargeReservation"


def recharge(client: VoucherClient, **changes: Any) -> Coroutine[Any, Any, Charge]:
    return client.vouchers.recharge(**{"amount": "1.00", "currency": "EUR", "order_number": "A-1", **changes})


async def test_a_redeem_is_told_of_with_the_id_of_its_record(
    shop: Shop, client: VoucherClient, calls: Calls
) -> None:
    voucher = shop.voucher()
    await pay(client, voucher, idempotency_key="A-1/payment")
    calls.check()
    (started,), (ended,) = calls.started, calls.ended
    (record,) = await client.history(order_number="A-1").to_list()
    assert started == CallStarted(
        call_id=record.id,
        name="redeem",
        order_number="A-1",
        key_digest=started.key_digest,
        amount=Decimal("4.00"),
        currency="EUR",
    )
    assert started.key_digest is not None
    assert (ended.how, ended.error_type, ended.record_id) == (CallEnd.DONE, None, None)
    assert calls.heard[0] is started
    assert calls.heard[-1] is ended
    attempts = [each for each in calls.of(AttemptStarted) if each.operation != "requestToken"]
    assert [each.operation for each in attempts] == ["createReservation", CHARGE]
    assert {(each.call_id, each.order_number, each.key_digest) for each in attempts} == {
        (record.id, "A-1", started.key_digest)
    }
    assert attempts[1].template == "/reservations/{id}/charge"
    assert f"{attempts[1].server_address}:{attempts[1].server_port}" in client.settings.base_url
    assert voucher.code not in repr(calls.heard)
    assert "A-1/payment" not in repr(calls.heard)


async def test_a_refusal_is_told_of(shop: Shop, client: VoucherClient, calls: Calls) -> None:
    with pytest.raises(NotFound):
        await client.vouchers.get("none")
    with pytest.raises(VoucherError):
        await shop.during(pay(client, shop.voucher("1.00")))
    with pytest.raises(InvalidInput):
        await client.redeem(code="c", amount="0.001", currency="EUR", order_number="A-1")
    calls.check()
    assert calls.ends == [("vouchers.get", "refused"), ("redeem", "refused"), ("redeem", "refused")]
    assert calls.ended[0].error_type == "NotFound"
    assert calls.ended[2].error_type == "InvalidInput"


async def test_a_doubt_that_ends_while_the_caller_waits_is_told_of_once(
    shop: Shop, client: VoucherClient, calls: Calls
) -> None:
    shop.script(CHARGE, faults.BreakAfter())
    await shop.during(pay(client, shop.voucher()))
    calls.check()
    (ended,), (doubt,) = calls.ended, calls.of(DoubtEnded)
    assert ended.how is CallEnd.DONE
    assert (doubt.call_id, doubt.outcome, doubt.proof) == (ended.call_id, DoubtEnd.DONE, None)
    assert doubt.told
    assert not doubt.recovered
    assert doubt.elapsed is not None
    looks = [each.call_id for each in calls.of(AttemptStarted) if each.operation == "listCharges"]
    assert looks
    assert set(looks) == {ended.call_id}


async def test_a_doubt_ends_with_its_proof(shop: Shop, client: VoucherClient, calls: Calls) -> None:
    shop.script("rechargeVoucher", *[faults.BreakBefore()] * 3)
    with pytest.raises(VoucherError) as raised:
        await shop.during(recharge(client, id=shop.voucher().id, timeout=120))
    assert raised.value.proof is not None
    calls.check()
    (doubt,) = calls.of(DoubtEnded)
    assert (doubt.outcome, doubt.proof) == (DoubtEnd.NOT_DONE, raised.value.proof)
    assert calls.ended[0].proof is raised.value.proof


async def test_an_open_outcome_is_told_of_and_its_doubt_ends_behind_the_caller(
    shop: Shop, client: VoucherClient, calls: Calls
) -> None:
    shop.script("rechargeVoucher", faults.BreakBefore())
    with pytest.raises(OutcomeUnknown) as raised:
        await shop.during(recharge(client, id=shop.voucher().id, timeout=0.5))
    assert calls.ends == [("vouchers.recharge", "open")]
    assert calls.of(DoubtEnded) == []
    assert calls.ended[0].call_id == raised.value.pending.id
    settlement = await shop.during(client.settle(raised.value.pending))
    calls.check()
    assert calls.ends == [("vouchers.recharge", "open"), ("settle", "done")]
    assert calls.ended[1].record_id == raised.value.pending.id
    (doubt,) = calls.of(DoubtEnded)
    assert (doubt.outcome, doubt.proof, doubt.told) == (DoubtEnd.NOT_DONE, settlement.proof, False)


async def test_a_cancelled_call_ends_as_that_and_its_requests_go_on_under_its_id(
    shop: Shop, client: VoucherClient, calls: Calls
) -> None:
    shop.script(CHARGE, faults.BreakAfter())
    shop.script("listCharges", faults.SlowHeaders(3.0))
    await cancelled_when(shop, pay(client, shop.voucher()), lambda: shop.count("listCharges"))
    assert calls.ends == [("redeem", "cancelled")]
    (pending,) = client.pending
    assert pending.id == calls.ended[0].call_id
    await shop.until(lambda: calls.of(DoubtEnded))
    calls.check()
    (doubt,) = calls.of(DoubtEnded)
    assert not doubt.told
    ids = {each.call_id for each in calls.of(AttemptStarted) if each.operation == "listCharges"}
    assert ids == {pending.id}


async def test_an_operators_word_ends_a_doubt(shop: Shop, client: VoucherClient, calls: Calls) -> None:
    voucher = shop.voucher()
    for order_number in ("A-1", "A-2"):
        shop.script("rechargeVoucher", faults.BreakBefore())
        with pytest.raises(OutcomeUnknown):
            await shop.during(recharge(client, code=voucher.code, order_number=order_number))
    first, second = client.pending
    await client.resolve(first, not_done=True, by="Ada", why="looked it up")
    client.forget(second)
    client.forget(second)
    calls.check()
    doubts = [(each.call_id, each.outcome, each.proof) for each in calls.of(DoubtEnded)]
    assert doubts == [
        (first.id, DoubtEnd.NOT_DONE, Proof.RESOLVED),
        (second.id, DoubtEnd.FORGOTTEN, None),
    ]


async def test_callers_of_one_payment_have_calls_of_their_own(
    shop: Shop, client: VoucherClient, calls: Calls
) -> None:
    voucher = shop.voucher()
    await asyncio.gather(*(pay(client, voucher, idempotency_key="A-1") for _ in range(3)))
    await pay(client, voucher, idempotency_key="A-1")
    calls.check()
    (record,) = await client.history(order_number="A-1").to_list()
    assert len(calls.ended) == 4
    own = [each for each in calls.ended if each.call_id == record.id]
    assert [each.record_id for each in own] == [None]
    assert {each.record_id for each in calls.ended if each not in own} == {record.id}


async def test_parents_are_right_while_checkouts_run_at_once(
    shop: Shop, client: VoucherClient, calls: Calls
) -> None:
    async def check_out(number: int) -> None:
        order = f"A-{number}"
        key = order if number % 2 else None
        async with client.checkout(order_number=order, currency="EUR", idempotency_key=key) as checkout:
            await checkout.reserve(code=shop.voucher().code, amount="1.00")
            await checkout.reserve(code=shop.voucher().code, amount="2.00")
            await client.vouchers.get(checkout.held[0].voucher_id)
            await checkout.charge()

    await asyncio.gather(*(check_out(number) for number in range(4)))
    calls.check()
    assert len(calls.started) == 4 * (1 + 2 + 1 + 1 + 2)
    parents = {
        "checkout": None,
        "checkout.reserve": "checkout",
        "checkout.charge": "checkout",
        "reservations.charge": "checkout.charge",
        "vouchers.get": None,
    }
    by_id = {each.call_id: each for each in calls.started}
    for each in calls.started:
        assert calls.parent_of(each) == parents[each.name]
        if each.parent_id is not None:
            assert by_id[each.parent_id].order_number == each.order_number
    records = {record.id async for record in client.history()}
    assert records == {
        each.call_id for each in calls.started if each.name in {"checkout", "reservations.charge"}
    }


async def test_a_refund_that_undoes_a_checkout_is_part_of_its_charge(
    shop: Shop, client: VoucherClient, calls: Calls
) -> None:
    first, second = shop.voucher(), shop.voucher()

    async def check_out() -> None:
        async with shop.another() as rival, client.checkout(order_number="A-1", currency="EUR") as checkout:
            await checkout.reserve(code=first.code, amount="1.00")
            await checkout.reserve(code=second.code, amount="2.00")
            await rival.reservations.create(code=second.code, amount="1.00", currency="EUR")
            await shop.during(checkout.charge())

    with pytest.raises(CheckoutFailed):
        await check_out()
    calls.check()
    (refund,) = [each for each in calls.ended if each.name == "charges.refund"]
    assert calls.parent_of(refund) == "checkout.charge"
    assert ("checkout", "failed") in calls.ends


async def test_a_batch_and_the_pages_of_a_list_are_calls(client: VoucherClient, calls: Calls) -> None:
    specs = [{"amount": "5.00", "currency": "EUR"}] * 3
    await client.vouchers.issue_many(specs, batch="b-1", activate=True).to_list()
    calls.check()
    names = [(each.name, calls.parent_of(each)) for each in calls.started]
    assert sorted(names[1:]) == sorted(
        [("vouchers.create", "vouchers.issue_many"), ("vouchers.set_status", "vouchers.issue_many")] * 3
    )
    calls.heard.clear()
    await client.vouchers.list(per_page=2).to_list()
    calls.check()
    assert calls.ends == [("vouchers.list", "done")] * 2


async def test_an_order_is_refunded_by_calls_of_its_own(
    shop: Shop, client: VoucherClient, calls: Calls
) -> None:
    voucher = shop.voucher()
    charge = await pay(client, voucher)
    await shop.during(client.charges.refund(charge, "1.00"))
    await shop.during(client.refund_order("A-1"))
    calls.check()
    assert [(each.name, calls.parent_of(each)) for each in calls.started] == [
        ("redeem", None),
        ("charges.refund", None),
        ("refund_order", None),
        ("charges.refund", "refund_order"),
    ]
    assert {record.id async for record in client.history()} == {each.call_id for each in calls.started}


async def test_who_waits_for_a_turn_is_told_of(shop: Shop, client: VoucherClient, calls: Calls) -> None:
    voucher = shop.voucher()
    await asyncio.gather(*(pay(client, voucher, order_number=f"A-{number}") for number in range(2)))
    (waited,) = calls.of(TurnWaited)
    assert (waited.name, waited.behind, waited.taken) == ("redeem", "voucher", True)
    assert waited.call_id in {each.call_id for each in calls.started}
    assert waited.seconds == 0  # by the client's clock, which stood still


class Raising(Hook):
    """Fails whatever it is told."""

    def on_call_started(self, event: CallStarted) -> None:
        raise ValueError(event.name)

    def on_call_ended(self, event: CallEnded) -> None:
        raise ValueError(event.name)


async def test_a_hook_that_raises_keeps_no_call_from_being_told_of(shop: Shop, calls: Calls) -> None:
    async with shop.another(hooks=[Raising(), calls]) as client:
        await pay(client, shop.voucher())
    calls.check()
    assert calls.ends == [("redeem", "done")]


async def test_two_clients_have_calls_apart(shop: Shop, client: VoucherClient, calls: Calls) -> None:
    """One that is used by the other's hook has no part of its call."""
    beside, tasks = shop.another(), list[asyncio.Task[object]]()

    class Asks(Hook):
        def on_call_started(self, event: CallStarted) -> None:
            if event.name == "vouchers.get":
                tasks.append(asyncio.create_task(pay(beside, shop.voucher(), order_number="B-1")))

    async with beside, shop.another(hooks=[Asks(), calls]) as asking:
        await asking.vouchers.get(shop.voucher().id)
        await asyncio.gather(*tasks)
        (record,) = await beside.history().to_list()
    assert record.id not in {each.call_id for each in calls.started}
    assert calls.ends == [("vouchers.get", "done")]


async def test_a_code_that_serves_as_order_number_is_not_told(
    shop: Shop, client: VoucherClient, calls: Calls
) -> None:
    voucher = shop.voucher()
    await pay(client, voucher, order_number=voucher.code)
    await recharge(client, code=voucher.code, order_number=voucher.code)
    await client.vouchers.create(
        amount="1.00", currency="EUR", code="ONE-MORE-CODE", order_number="ONE-MORE-CODE"
    )
    calls.check()
    assert len(calls.ended) == 3
    assert voucher.code not in repr(calls.heard)
    assert "ONE-MORE-CODE" not in repr(calls.heard)
