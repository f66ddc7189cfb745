"""Checkouts whose worker died, or was stopped and wakes up: the next run with the key finishes them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.checkout.journals import Failing, Pausing
from tests.checkout.keyed import KEY, Shops, Vouchers, opened
from tests.idle import idle
from voucher_async import Charge, OutcomeUnknown, VoucherClient, VoucherError
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
            return await shops.paid(client, vouchers)
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
            charges = await asked_until_told(shops, second, vouchers)
            where = f"the worker died at call {at}"
            assert shops.standing() == [charge.id for charge in charges], where
            assert shops.balances == ["1.00"] * 3, where
            assert (await shops.states())[-1] is CallState.DONE, where
            await check_woken(shops, dying, dead, charges)


async def check_woken(
    shops: Shops, dying: Pausing, dead: asyncio.Task[Any], charges: tuple[Charge, ...]
) -> None:
    """The dead worker wakes up, and goes on."""
    dying.goes_on.set()
    await shops.until(dead.done)
    await idle()
    told: Any = (await asyncio.gather(dead, return_exceptions=True))[0]
    assert isinstance(told, VoucherError) or told == charges
    assert shops.standing() == [charge.id for charge in charges]
    assert shops.balances == ["1.00"] * 3
