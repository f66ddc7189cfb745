"""Calls with a key that charged before, and a client that fails before it has read the key's record."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, TypeAlias

import pytest

from tests.settlement.conftest import settings
from tests.settlement.locks import Stuck
from voucher_async import (
    Charge,
    MemoryJournal,
    Reservation,
    Timeout,
    VoucherClient,
    VoucherError,
    VoucherLock,
)
from voucher_async.integrations.problems import problem_of
from voucher_async.testing import VoucherEmulator, faults

KEY: Final = "A-1"
SHORT: Final = 0.5  # seconds: some troubles last until the call's time is up
Call: TypeAlias = Callable[[VoucherClient], Awaitable[Any]]
READS: Final = ("digest_key", "claim", "find", "get")


class Failing:
    """A journal one of whose methods fails, before or after it has done what it is for, or never ends."""

    def __init__(self, journal: MemoryJournal, method: str, how: str) -> None:
        self._journal = journal
        self._method = method
        self._how = how

    def __getattr__(self, name: str) -> Any:
        return self._fail if name == self._method else getattr(self._journal, name)

    async def _fail(self, *arguments: Any, **named: Any) -> Any:
        if self._how == "never ends":
            await asyncio.get_running_loop().create_future()
        if self._how == "answer lost":
            await getattr(self._journal, self._method)(*arguments, **named)
        raise OSError("no space left on device")


class Broken(VoucherLock):
    def hold(self, key: str) -> contextlib.AbstractAsyncContextManager[Any]:
        raise RuntimeError("no lock")


def redeem(code: str) -> Call:
    return lambda client: client.redeem(
        code=code, amount="10", currency="EUR", order_number="A-1", idempotency_key=KEY
    )


def charge(reservation: Reservation) -> Call:
    return lambda client: client.reservations.charge(reservation, order_number="A-1", idempotency_key=KEY)


def refund(charged: Charge) -> Call:
    return lambda client: client.charges.refund(charged, idempotency_key=KEY)


def recharge(code: str) -> Call:
    return lambda client: client.vouchers.recharge(
        code=code, amount="10", currency="EUR", order_number="A-1", idempotency_key=KEY
    )


def check_out(code: str) -> Call:
    async def call(client: VoucherClient) -> Any:
        async with client.checkout(order_number="A-1", currency="EUR", idempotency_key=KEY) as checkout:
            await checkout.reserve(code=code, amount="10")
            return await checkout.charge()

    return call


async def _call(operation: str, client: VoucherClient, code: str) -> Call:
    if operation == "charge":
        return charge(await client.reservations.create(code=code, amount="10", currency="EUR"))
    if operation == "refund":
        return refund(await client.redeem(code=code, amount="10", currency="EUR", order_number="A-1"))
    return {"redeem": redeem, "recharge": recharge, "checkout": check_out}[operation](code)


@contextlib.asynccontextmanager
async def troubled(
    trouble: str, emulator: VoucherEmulator, journal: MemoryJournal
) -> AsyncIterator[VoucherClient]:
    method, _, how = trouble.partition(": ")
    locks: dict[str, VoucherLock] = {"stuck lock": Stuck(), "broken lock": Broken()}
    client = VoucherClient(
        settings=settings(emulator, timeout=Timeout(total=1e-6 if trouble == "no time" else SHORT)),
        journal=Failing(journal, method, how) if how else journal,
        voucher_lock=locks.get(trouble),
    )
    if trouble == "closed":
        await client.aclose()
    if trouble == "no token":
        emulator.faults.script("requestToken", *[faults.BreakBefore()] * 20)
    yield client
    await client.aclose(wait=0)


TROUBLES: Final = (
    *("closed", "no token", "no time", "stuck lock", "broken lock"),
    *(f"{method}: {how}" for method in READS for how in ("raises", "never ends", "answer lost")),
)


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("operation", ["redeem", "charge", "checkout", "recharge", "refund"])
async def test_nobody_is_told_that_a_key_has_moved_nothing(
    operation: str, trouble: str, emulator: VoucherEmulator
) -> None:
    voucher, journal = emulator.add_voucher(amount="50"), MemoryJournal()
    async with VoucherClient(settings=settings(emulator), journal=journal) as first:
        call = await _call(operation, first, voucher.code)
        done, balance = await call(first), emulator.balance(voucher.id)
    async with troubled(trouble, emulator, journal) as second:
        (told,) = await asyncio.gather(call(second), return_exceptions=True)
    if isinstance(told, VoucherError):
        assert told.proof is None
        assert problem_of(told).charged is not False
    else:
        assert told == done
    assert emulator.balance(voucher.id) == balance
