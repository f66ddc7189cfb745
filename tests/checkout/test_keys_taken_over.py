"""Checkouts whose worker died, or was stopped and wakes up: the next run with the key finishes them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.checkout.journals import Failing, Pausing
from tests.checkout.keyed import KEY, Shops, Vouchers, opened
from tests.idle import idle
from voucher_async import Charge, CheckoutFailed, OutcomeUnknown, VoucherClient, VoucherError
from voucher_async.payments.call import CallState

MANY = 40  # more calls of the journal than a checkout makes


async def pay_failing(shops: Shops, client: VoucherClient, vouchers: Vouchers) -> Any:
    """A checkout whose last voucher is refused."""
    order = {"order_number": "A-1", "currency": "EUR", "idempotency_key": KEY}
    async with client.checkout(**order) as checkout:
        for voucher in vouchers:
            await checkout.reserve(code=voucher.code, amount="4.00")
        shops.emulator.set_status(vouchers[-1].id, "inactive")
        return await checkout.charge()


async def calls_of(*, fails: bool) -> int:
    """How often a checkout asks its journal."""
    async with opened() as shops:
        counting = Failing(shops.journal, 0, "before")
        client, vouchers = shops.client(counting), shops.vouchers(3)
        work = pay_failing(shops, client, vouchers) if fails else shops.pay(client, vouchers)
        await asyncio.gather(shops.during(work), return_exceptions=True)
        assert 0 < counting.calls < MANY
        return counting.calls


async def asked_until_told(shops: Shops, client: VoucherClient, vouchers: Vouchers) -> tuple[Charge, ...]:
    """What a handler does that runs again as long as the outcome is not known."""
    for _ in range(4):
        try:
            return await shops.pay(client, vouchers)
        except OutcomeUnknown:
            continue
    raise AssertionError("never told")


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("fails", [False, True])
async def test_whenever_a_worker_dies_the_next_run_ends_with_one_set_of_charges(
    *, after: bool, fails: bool
) -> None:
    for at in range(1, await calls_of(fails=fails) + 1):
        async with opened() as shops:
            dying = Pausing(shops.journal, at, after=after)
            first, vouchers = shops.client(dying), shops.vouchers(3)
            work = pay_failing(shops, first, vouchers) if fails else shops.pay(first, vouchers)
            dead = asyncio.create_task(work)
            await shops.until(lambda: dying.stopped)  # noqa: B023 - it is awaited here
            shops.lease_ends()
            shops.emulator.set_status(vouchers[-1].id, "active")
            second = shops.client()
            charges = await shops.during(asked_until_told(shops, second, vouchers))
            where = f"the worker died at call {at}"
            assert shops.standing() == [charge.id for charge in charges], where
            assert shops.balances == ["1.00"] * 3, where
            assert (await shops.states())[-1] is CallState.DONE, where
            await check_woken(shops, dying, dead, charges)
            if not after:  # else it may have been about to send, and is refused
                assert shops.count("refundCharge") == len(shops.emulator.charges(type="refund")), where


async def check_woken(
    shops: Shops, dying: Pausing, dead: asyncio.Task[Any], charges: tuple[Charge, ...]
) -> None:
    """The dead worker wakes up, and goes on."""
    dying.goes_on.set()
    await shops.until(dead.done)
    await idle()
    told: Any = (await asyncio.gather(dead, return_exceptions=True))[0]
    assert isinstance(told, VoucherError) or told == charges
    if isinstance(told, CheckoutFailed):
        charged = {each.charge.id for each in told.outcomes if each.charge and each.state == "charged"}
        assert charged <= set(shops.standing())
    assert shops.standing() == [charge.id for charge in charges]
    assert shops.balances == ["1.00"] * 3


@pytest.mark.parametrize("fails", [False, True])
async def test_of_many_runs_that_find_a_dead_workers_checkout_one_finishes_it(*, fails: bool) -> None:
    for at in range(1, await calls_of(fails=fails) + 1):
        async with opened() as shops:
            dying = Pausing(shops.journal, at, after=True)
            first, vouchers = shops.client(dying), shops.vouchers(3)
            work = pay_failing(shops, first, vouchers) if fails else shops.pay(first, vouchers)
            dead = asyncio.create_task(work)
            await shops.until(lambda: dying.stopped)  # noqa: B023 - it is awaited here
            shops.lease_ends()
            shops.emulator.set_status(vouchers[-1].id, "active")
            second, third = shops.client(), shops.client()

            async def all_at_once() -> list[tuple[Charge, ...]]:
                runs = [asked_until_told(shops, each, vouchers) for each in (second, third, second)]  # noqa: B023
                return list(await asyncio.gather(*runs))

            told = await shops.during(all_at_once())
            assert told == [told[0]] * 3
            await check_woken(shops, dying, dead, told[0])
