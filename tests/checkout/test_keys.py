"""One key, one set of charges: checkouts that are run again while the first runs, or after it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from tests.checkout.keyed import KEY, Shops, opened, shown
from tests.idle import idle
from voucher_async import CheckoutFailed, CheckoutUnknown, ConfigurationError, InvalidInput
from voucher_async.errors import IdempotencyMismatch
from voucher_async.outcomes import ChargeRefunded, StillRunning
from voucher_async.payments.call import CallState
from voucher_async.payments.joined import is_joined
from voucher_async.testing import faults

DONE, NOT_DONE, OPEN, SENT = CallState.DONE, CallState.NOT_DONE, CallState.OPEN, CallState.SENT


@pytest_asyncio.fixture
async def shops() -> AsyncIterator[Shops]:
    async with opened() as shops:
        yield shops


@pytest.mark.parametrize("runs", [2, 3])
@pytest.mark.parametrize("clients", [1, 3])
async def test_runs_at_once_with_one_key_are_one_set_of_charges(
    shops: Shops, runs: int, clients: int
) -> None:
    vouchers = shops.vouchers()
    shared = [shops.client() for _ in range(clients)]

    async def all_at_once() -> list[Any]:
        runs_of = [shops.pay(shared[number % clients], vouchers) for number in range(runs)]
        return list(await asyncio.gather(*runs_of))

    first, *others = await shops.during(all_at_once())
    assert [charge.voucher_id for charge in first] == [voucher.id for voucher in vouchers]
    assert others == [first] * (runs - 1)
    assert shops.count("chargeReservation") == 2
    assert shops.balances == ["1.00", "1.00"]
    assert await shops.states() == [DONE]


async def test_without_a_key_each_run_is_an_order_of_its_own(shops: Shops) -> None:
    vouchers, client = shops.vouchers(1), shops.client()
    for _ in range(2):
        await shops.paid(client, vouchers, amount="2.00", idempotency_key=None)
    assert shops.balances == ["1.00"]
    assert await shops.states() == [DONE, DONE]


@pytest.mark.parametrize("is_same", [True, False])
async def test_a_run_after_the_end_gets_the_same_charges_and_sends_nothing(
    shops: Shops, *, is_same: bool
) -> None:
    vouchers, client = shops.vouchers(), shops.client()
    charges = await shops.paid(client, vouchers)
    requests = len(shops.emulator.requests)
    again = client if is_same else shops.client()
    async with again.checkout(order_number="A-1", currency="EUR", idempotency_key=KEY) as checkout:
        second = await checkout.reserve(code=vouchers[1].code.upper(), amount="4.00", renew=True)
        assert list(checkout.held) == [second]
        assert shown(second) == (Decimal("4.00"), True, 0.0)
        assert not second.superseded
        assert second.missing == 0
        assert repr(second)
        first = await checkout.reserve(code=vouchers[0].code, amount="4.00")
        assert await checkout.reserve(code=vouchers[0].code, amount="4.00") is first
        assert list(checkout.held) == [second, first]
        assert checkout.reserved == Decimal("8.00")
        assert await checkout.charge() == charges
        with pytest.raises(ConfigurationError, match="charged"):
            await checkout.reserve(code=vouchers[0].code, amount="4.00")
    assert all(is_joined(charge) for charge in await checkout.charge())
    assert len(shops.emulator.requests) == requests
    assert shops.balances == ["1.00", "1.00"]


async def test_who_asks_again_may_ask_for_the_charges_alone(shops: Shops) -> None:
    vouchers, client = shops.vouchers(), shops.client()
    charges = await shops.paid(client, vouchers)
    assert await shops.paid(client, ()) == charges


@pytest.mark.parametrize(
    ("changes", "differences"),
    [
        ({"order_number": "A-2"}, ("order_number",)),
        ({"currency": "USD"}, ("currency",)),
        ({"amount": "3.00"}, ("amount",)),
        ({"other": True}, ("code",)),
    ],
)
async def test_a_key_that_was_used_for_something_else_is_refused(
    shops: Shops, changes: dict[str, Any], differences: tuple[str, ...]
) -> None:
    vouchers, client = shops.vouchers(), shops.client()
    await shops.paid(client, vouchers)
    requests = len(shops.emulator.requests)
    others = shops.vouchers() if changes.pop("other", False) else vouchers
    with pytest.raises(IdempotencyMismatch) as caught:
        await shops.paid(client, others, **changes)
    assert caught.value.differences == differences
    assert len(shops.emulator.requests) == requests


async def test_a_key_of_a_redeem_is_none_for_a_checkout(shops: Shops) -> None:
    (voucher,), client = shops.vouchers(1), shops.client()
    payment: dict[str, Any] = {"code": voucher.code, "amount": "1.00", "currency": "EUR"}
    payment["order_number"] = "A-1"
    await client.redeem(**payment, idempotency_key=KEY)
    with pytest.raises(IdempotencyMismatch, match="operation"):
        await shops.paid(client, (voucher,))
    await shops.paid(client, (voucher,), idempotency_key="other", amount="2.00")
    with pytest.raises(IdempotencyMismatch, match="operation"):
        await client.redeem(**payment, idempotency_key="other")


@pytest.mark.parametrize("key", ["", "a" * 256, "a\n"])
async def test_a_bad_key_is_refused_at_once(shops: Shops, key: str) -> None:
    with pytest.raises(InvalidInput, match="idempotency_key"):
        shops.client().checkout(order_number="A-1", currency="EUR", idempotency_key=key)


async def test_a_key_is_claimed_at_the_block_so_it_is_needed(shops: Shops) -> None:
    (voucher,) = shops.vouchers(1)
    checkout = shops.client().checkout(order_number="A-1", currency="EUR", idempotency_key=KEY)
    with pytest.raises(ConfigurationError, match="async with"):
        await checkout.reserve(code=voucher.code, amount="4.00")
    with pytest.raises(ConfigurationError, match="async with"):
        await checkout.charge()
    assert len(shops.emulator.requests) == 0


@pytest.mark.parametrize("is_same", [True, False])
async def test_who_comes_while_the_first_pays_elsewhere_is_told_so_at_its_deadline(
    shops: Shops, *, is_same: bool
) -> None:
    vouchers, client = shops.vouchers(), shops.client()
    other = client if is_same else shops.client()
    other_settings = other.settings.timeout.total
    async with client.checkout(order_number="A-1", currency="EUR", idempotency_key=KEY):
        if not is_same:  # below the lease, which nothing renews in this test
            other = shops.client(timeout=type(other.settings.timeout)(total=10.0))
            other_settings = 10.0
        begun = shops.clock.monotonic()
        with pytest.raises(StillRunning, match="same key"):
            await shops.paid(other, vouchers)
        assert other_settings <= shops.clock.monotonic() - begun < other_settings + 1
    assert shops.count("createReservation") == 0


@pytest.mark.parametrize("raises", [True, False])
async def test_a_checkout_that_is_left_uncharged_leaves_its_key_to_who_waits(
    shops: Shops, *, raises: bool
) -> None:
    vouchers, client = shops.vouchers(), shops.client()
    others = shops.vouchers(1)

    async def leave() -> None:
        async with client.checkout(order_number="A-1", currency="EUR", idempotency_key=KEY) as checkout:
            await checkout.reserve(code=others[0].code, amount="4.00")
            await shops.clock.sleep(1.0)
            if raises:
                raise RuntimeError("the card was declined")

    leaving = asyncio.create_task(leave())
    await idle()
    charges = await shops.paid(client, vouchers)
    assert [charge.voucher_id for charge in charges] == [voucher.id for voucher in vouchers]
    with pytest.raises(RuntimeError) if raises else contextlib.nullcontext():
        await leaving
    assert await shops.states() == [NOT_DONE, DONE]
    first = next(each for each in await shops.records() if each.parameters.operation == "checkout")
    assert first.failure is None


async def test_a_checkout_without_vouchers_uses_no_key_up(shops: Shops) -> None:
    vouchers, client = shops.vouchers(), shops.client()
    assert await shops.paid(client, ()) == ()
    assert len(await shops.paid(client, vouchers)) == 2


async def test_a_checkout_that_failed_and_was_taken_back_is_run_anew(shops: Shops) -> None:
    vouchers, client = shops.vouchers(), shops.client()
    with pytest.raises(CheckoutFailed) as caught:
        await shops.during(shops.pay_failing(client, vouchers))
    assert not isinstance(caught.value, CheckoutUnknown)
    assert await shops.states() == [NOT_DONE]
    shops.emulator.set_status(vouchers[1].id, "active")
    charges = await shops.paid(client, vouchers)
    assert shops.standing() == [charge.id for charge in charges]
    assert await shops.paid(shops.client(), vouchers) == charges
    assert shops.balances == ["1.00", "1.00"]


async def test_within_its_block_a_checkout_that_was_taken_back_keeps_its_key(shops: Shops) -> None:
    vouchers, client = shops.vouchers(), shops.client()

    async def run() -> Any:
        async with client.checkout(order_number="A-1", currency="EUR", idempotency_key=KEY) as checkout:
            for voucher in vouchers:
                await checkout.reserve(code=voucher.code, amount="4.00")
            shops.emulator.set_status(vouchers[1].id, "inactive")
            with pytest.raises(CheckoutFailed):
                await checkout.charge()
            assert await shops.states() == [SENT]
            shops.emulator.set_status(vouchers[1].id, "active")
            for voucher in vouchers:
                await checkout.reserve(code=voucher.code, amount="4.00")
            return await checkout.charge()

    charges = await shops.during(run())
    assert await shops.states() == [DONE]
    assert await shops.paid(client, vouchers) == charges
    assert shops.standing() == [charge.id for charge in charges]


@pytest.mark.parametrize("is_same", [True, False])
@pytest.mark.parametrize("is_charged", [True, False])
async def test_a_checkout_left_open_is_settled_before_it_is_run_again(
    shops: Shops, *, is_same: bool, is_charged: bool
) -> None:
    (voucher,), client = shops.vouchers(1), shops.client()
    lost = faults.BreakAfter() if is_charged else faults.BreakBefore()
    shops.emulator.faults.script("chargeReservation", lost)
    shops.emulator.faults.chance(1.0, seed=1, operations=["listCharges"], kinds=[faults.ServerError()])
    with pytest.raises(CheckoutUnknown):
        await shops.paid(client, (voucher,))
    assert await shops.states() == [OPEN]
    shops.emulator.faults.clear()
    again = client if is_same else shops.client()
    (charge,) = await shops.paid(again, (voucher,))
    assert shops.standing() == [charge.id]
    assert len(shops.emulator.charges()) == 1
    assert await shops.states() == ([DONE] if is_charged else [NOT_DONE, DONE])


async def test_what_stays_open_is_told_again_and_nothing_is_sent(shops: Shops) -> None:
    (voucher,), client = shops.vouchers(1), shops.client()
    shops.emulator.faults.script("chargeReservation", faults.BreakAfter())
    shops.emulator.faults.chance(1.0, seed=1, operations=["listCharges"], kinds=[faults.ServerError()])
    for _ in range(2):
        with pytest.raises(CheckoutUnknown) as caught:
            await shops.paid(client, (voucher,))
        assert caught.value.pending.reservation_id is not None
        assert [outcome.state for outcome in caught.value.outcomes] == ["unknown"]
    assert shops.count("createReservation") == shops.count("chargeReservation") == 1
    assert await shops.states() == [OPEN]


async def test_a_charge_that_could_not_be_refunded_is_refunded_before_it_is_run_again(shops: Shops) -> None:
    vouchers, client = shops.vouchers(), shops.client()
    shops.emulator.faults.script("refundCharge", *[faults.TooMany(retry_after=30)] * 9)
    with pytest.raises(CheckoutFailed) as caught:
        await shops.during(shops.pay_failing(client, vouchers))
    assert caught.value.outcomes[0].state in {"charged", "unknown"}
    assert await shops.states() == [OPEN]
    shops.emulator.faults.clear()
    shops.emulator.set_status(vouchers[1].id, "active")
    charges = await shops.paid(client, vouchers)
    assert shops.standing() == [charge.id for charge in charges]
    assert shops.balances == ["1.00", "1.00"]
    assert await shops.states() == [NOT_DONE, DONE]
    assert len(shops.emulator.charges(type="refund")) == 1


@pytest.mark.parametrize("by", ["this client", "another"])
@pytest.mark.parametrize("how_many", [1, 2])
async def test_charges_that_were_taken_back_later(shops: Shops, by: str, how_many: int) -> None:
    vouchers, client = shops.vouchers(), shops.client()
    charges = await shops.paid(client, vouchers)
    refunding = client if by == "this client" else shops.client()
    if by == "another":
        refunding._lifecycle.joining.ownership.scope = "another shop's"
    for charge in charges[:how_many]:
        await shops.during(refunding.charges.refund(charge, currency="EUR"))
    if by == "another":
        assert await shops.paid(client, vouchers) == charges  # too young for a read
        shops.clock.advance(61.0)
    if how_many == 2:
        anew = await shops.paid(client, vouchers)
        assert shops.standing() == [charge.id for charge in anew]
        assert await shops.states() == [NOT_DONE, DONE]
        return
    with pytest.raises(ChargeRefunded) as caught:
        await shops.paid(client, vouchers)
    assert caught.value.charge == charges[0]
    assert shops.standing() == [charges[1].id]


async def test_a_run_that_was_cancelled_while_it_charged_is_finished_and_its_charges_handed_out(
    shops: Shops,
) -> None:
    (voucher,), client = shops.vouchers(1), shops.client()
    shops.emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=2))
    paying = asyncio.create_task(shops.pay(client, (voucher,)))
    await shops.until(lambda: shops.count("chargeReservation"))
    paying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await paying
    (charge,) = await shops.paid(client, (voucher,))
    assert shops.standing() == [charge.id]
    assert await shops.states() == [DONE]


async def test_a_run_that_was_cancelled_between_two_charges_is_taken_back_and_its_key_freed(
    shops: Shops,
) -> None:
    vouchers, client = shops.vouchers(), shops.client()
    shops.emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=2))
    paying = asyncio.create_task(shops.pay(client, vouchers))
    await shops.until(lambda: shops.count("chargeReservation"))
    paying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await paying
    charges = await shops.paid(client, vouchers)
    assert shops.standing() == [charge.id for charge in charges]
    assert shops.balances == ["1.00", "1.00"]
    assert await shops.states() == [NOT_DONE, DONE]


async def test_who_is_cancelled_while_it_waits_for_the_key_leaves_no_trace(shops: Shops) -> None:
    vouchers, client = shops.vouchers(), shops.client()
    async with client.checkout(order_number="A-1", currency="EUR", idempotency_key=KEY):
        waiting = asyncio.create_task(shops.pay(client, vouchers))
        await idle()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert len(await shops.paid(client, vouchers)) == 2


async def test_a_client_that_is_closed_lets_nobody_wait_for_a_key(shops: Shops) -> None:
    vouchers, client, other = shops.vouchers(), shops.client(), shops.client()
    async with client.checkout(order_number="A-1", currency="EUR", idempotency_key=KEY):
        waiting = asyncio.create_task(shops.pay(other, vouchers))
        await idle()
        await other.aclose(wait=0)
        with pytest.raises(ConfigurationError, match="closed"):
            await waiting


async def test_the_charges_of_a_checkout_are_records_of_their_own(shops: Shops) -> None:
    vouchers, client = shops.vouchers(), shops.client()
    charges = await shops.paid(client, vouchers)
    parent, *children = await shops.records()
    assert (parent.key, parent.told, parent.parameters.target) == (KEY, True, "")
    assert [child.id for child in children] == [planned.record for planned in parent.plan]
    assert [child.parent for child in children] == [parent.id] * 2
    assert tuple(child.charge for child in children) == charges
    assert all(child.state is DONE and child.pending and child.pending.id == child.id for child in children)
    text = repr(parent)
    assert not any(voucher.code in text for voucher in vouchers)
