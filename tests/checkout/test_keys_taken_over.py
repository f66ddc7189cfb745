"""Checkouts whose worker died, or was stopped and wakes up: the next run with the key finishes them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Self

import attrs
import pytest

from tests.checkout.journals import Failing, Pausing
from tests.checkout.keyed import KEY, Shops, Vouchers, charged_in, opened
from tests.idle import idle
from voucher_async import (
    ApiError,
    CallTimeout,
    Charge,
    CheckoutFailed,
    HeldReservation,
    OutcomeUnknown,
    ReservationExpired,
    StillRunning,
    VoucherClient,
    VoucherError,
)
from voucher_async.checkout import Checkout, LocalVoucherLock

MANY = 40  # above the number of the journal's calls in one checkout


def work_of(
    shops: Shops, client: VoucherClient, vouchers: Vouchers, *, fails: bool
) -> Coroutine[Any, Any, Any]:
    return shops.pay_failing(client, vouchers) if fails else shops.pay(client, vouchers)


async def calls_of(*, fails: bool) -> int:
    """How often a checkout asks its journal."""
    async with opened() as shops:
        counting = Failing(shops.journal, 0, "before")
        client, vouchers = shops.client(counting), shops.vouchers(3)
        work = shops.during(work_of(shops, client, vouchers, fails=fails))
        await asyncio.gather(work, return_exceptions=True)
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


@attrs.frozen
class Dead:
    """A worker that stands still in the middle of its checkout, and whose lease has ended."""

    shops: Shops
    journal: Pausing
    vouchers: Vouchers
    run: asyncio.Task[Any]

    @classmethod
    async def at(cls, shops: Shops, call: int, *, after: bool, fails: bool) -> Self:
        """One that has died at a call of its journal."""
        journal, vouchers = Pausing(shops.journal, call, after=after), shops.vouchers(3)
        run = asyncio.create_task(work_of(shops, shops.client(journal), vouchers, fails=fails))
        await shops.until(lambda: journal.stopped)
        shops.lease_ends()
        shops.emulator.set_status(vouchers[-1].id, "active")
        return cls(shops, journal, vouchers, run)

    async def check_woken(self, charges: tuple[Charge, ...]) -> None:
        """Wake it up: it goes on, and changes nothing."""
        shops = self.shops
        self.journal.goes_on.set()
        await shops.until(self.run.done)
        await idle()
        told: Any = (await asyncio.gather(self.run, return_exceptions=True))[0]
        assert isinstance(told, VoucherError) or told == charges
        assert type(told) is not OutcomeUnknown  # StillRunning says what to do: ask again with the key
        if isinstance(told, CheckoutFailed):
            assert set(charged_in(told)) <= set(shops.standing())
        assert shops.standing() == [charge.id for charge in charges]
        assert shops.balances == ["1.00"] * 3


@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("fails", [False, True])
async def test_when_a_worker_dies_the_next_run_makes_one_set_of_charges(*, after: bool, fails: bool) -> None:
    for at in range(1, await calls_of(fails=fails) + 1):
        async with opened() as shops:
            dead = await Dead.at(shops, at, after=after, fails=fails)
            second = shops.client()
            charges = await shops.during(asked_until_told(shops, second, dead.vouchers))
            where = f"the worker died at call {at}"
            await shops.check_paid_once(charges, where)
            await dead.check_woken(charges)
            if not after:  # after it, a woken worker may send, and is refused
                assert shops.count("refundCharge") == len(shops.emulator.charges(type="refund")), where


@pytest.mark.parametrize("fails", [False, True])
async def test_of_many_runs_that_find_a_dead_workers_checkout_one_finishes_it(*, fails: bool) -> None:
    for at in range(1, await calls_of(fails=fails) + 1):
        async with opened() as shops:
            dead = await Dead.at(shops, at, after=True, fails=fails)
            second, third = shops.client(), shops.client()

            async def all_at_once() -> list[tuple[Charge, ...]]:
                runs = [asked_until_told(shops, each, dead.vouchers) for each in (second, third, second)]  # noqa: B023
                return list(await asyncio.gather(*runs))

            told = await shops.during(all_at_once())
            assert told == [told[0]] * 3
            await dead.check_woken(told[0])


async def charge_without_turn(
    shops: Shops, checkout: Checkout, held: HeldReservation, lock: LocalVoucherLock
) -> None:
    async with lock.hold(held.key):
        await checkout.charge(timeout=0.05)


async def charge_late(
    shops: Shops, checkout: Checkout, held: HeldReservation, lock: LocalVoucherLock
) -> None:
    shops.clock.advance(held.remaining + 1)
    await checkout.charge()


async def reserve_inactive(
    shops: Shops, checkout: Checkout, held: HeldReservation, _: LocalVoucherLock
) -> None:
    (voucher,) = [each for each in shops.emulator.vouchers() if each.id == held.voucher_id]
    shops.emulator.set_status(voucher.id, "inactive")
    await checkout.reserve(code=voucher.code, amount="4.00")


@pytest.mark.parametrize(
    ("fails", "error"),
    [
        (charge_without_turn, CallTimeout),
        (charge_late, ReservationExpired),
        (reserve_inactive, ApiError),
    ],
)
@pytest.mark.parametrize("is_taken_over", [True, False])
async def test_what_cannot_be_charged_is_called_so_only_of_its_own_checkout(
    fails: Callable[..., Awaitable[None]], error: type[VoucherError], *, is_taken_over: bool
) -> None:
    async with opened() as shops:
        lock, vouchers = LocalVoucherLock(), shops.vouchers()
        first = shops.client(lock=lock).checkout(order_number="A-1", currency="EUR", idempotency_key=KEY)
        async with first as checkout:
            held = await checkout.reserve(code=vouchers[0].code, amount="4.00")
            if is_taken_over:
                shops.lease_ends()
                charges = await shops.paid(shops.client(), vouchers)
                assert shops.standing() == [charge.id for charge in charges]
            with pytest.raises(StillRunning if is_taken_over else error):
                await fails(shops, checkout, held, lock)
