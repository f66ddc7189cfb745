"""A block that ends because its task was cancelled, however that was done: closing keeps its promise."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import aiohttp
import anyio
import pytest

from tests.recorder import Recorder
from voucher_async import ConfigurationError, VoucherClient, connect
from voucher_async.cancelling import to_the_end
from voucher_async.testing import VoucherEmulator, faults
from voucher_async.testing._records import VoucherRecord

SLOW = 0.4
CUT = 0.1
Way = Callable[[Callable[[], Coroutine[Any, Any, None]]], Awaitable[None]]


async def by_anyio_scope(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with anyio.move_on_after(CUT):
        await work()


async def by_anyio_group(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(work)
        await anyio.sleep(CUT)
        group.cancel_scope.cancel()


async def by_timeout(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CUT):
            await work()


async def by_wait_for(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(work(), CUT)


async def by_task_group(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    with contextlib.suppress(ExceptionGroup):
        async with asyncio.TaskGroup() as group:
            group.create_task(work())
            await asyncio.sleep(CUT)
            raise ValueError


async def by_cancelling_again_and_again(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    task = asyncio.create_task(work())
    await asyncio.sleep(CUT)
    while not task.done():
        task.cancel()
        await asyncio.sleep(0)
    assert task.cancelled()


WAYS: list[Way] = [
    *(by_anyio_scope, by_anyio_group, by_timeout, by_wait_for, by_task_group),
    by_cancelling_again_and_again,
]


@pytest.fixture
def voucher(emulator: VoucherEmulator) -> VoucherRecord:
    emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=SLOW))
    return emulator.add_voucher(amount="50.00")


async def leave(way: Way, client: VoucherClient, voucher: VoucherRecord) -> list[str]:
    """Have a block cut short while a charge is under way; gives how its call and its closing ended."""
    ends: list[str] = []

    async def work() -> None:
        try:
            async with client:
                await client.redeem(code=voucher.code, amount="10.00", currency="EUR", order_number="A-1")
        except BaseException as error:
            ends.append(type(error).__name__)
            raise

    # the first call of a process loads modules and gets a token: on a busy machine longer than the cut waits
    await client.reservations.create(code=voucher.code, amount="10.00", currency="EUR")
    await way(work)
    return ends


def told_client(emulator: VoucherEmulator) -> tuple[VoucherClient, Recorder]:
    told = Recorder()
    return VoucherClient(**emulator.settings(), hooks=[told]), told


@pytest.mark.parametrize("way", WAYS)
async def test_the_charge_is_finished_told_and_nothing_is_left(
    emulator: VoucherEmulator, voucher: VoucherRecord, way: Way
) -> None:
    client, told = told_client(emulator)
    before = asyncio.all_tasks()
    assert await leave(way, client, voucher) == ["CancelledError"]
    assert (told.words, client.pending) == (["done"], ())
    assert emulator.balance(voucher.id) == 40
    assert client._transport.session._own is None
    await asyncio.sleep(0)
    left = [task for task in asyncio.all_tasks() - before if "voucher_async" in repr(task.get_coro())]
    assert not [task for task in left if "testing" not in repr(task.get_coro())]


@pytest.mark.parametrize("way", WAYS)
async def test_what_takes_longer_than_closing_waits_is_left_open(
    emulator: VoucherEmulator, voucher: VoucherRecord, way: Way
) -> None:
    client, told = told_client(emulator)
    object.__setattr__(client._supervisor, "_close_wait", SLOW / 4)
    assert await leave(way, client, voucher) == ["CancelledError"]
    assert [event.what for event in (*told.doubts, *told.settled)] == ["in doubt", "left open"]
    assert [pending.operation for pending in client.pending] == ["chargeReservation"]


@pytest.mark.parametrize("way", WAYS)
async def test_a_renewal_is_over_when_its_block_was_left(emulator: VoucherEmulator, way: Way) -> None:
    voucher = emulator.add_voucher(amount="50.00")
    renewals: list[asyncio.Task[None]] = []

    async def work() -> None:
        async with client.checkout(order_number="A-1", currency="EUR") as checkout:
            await checkout.reserve(code=voucher.code, amount="1.00", renew=True)
            renewals.extend(checkout._renewals.values())
            await asyncio.sleep(60)

    async with VoucherClient(**emulator.settings()) as client:
        await way(work)
        assert all(task.done() for task in renewals)  # a caller that left early began no renewal


@pytest.mark.parametrize("way", WAYS)
async def test_connecting_leaves_no_connection_behind(emulator: VoucherEmulator, way: Way) -> None:
    pin = emulator.new_connect_pin()
    emulator.faults.script("connectClient", faults.SlowHeaders(seconds=SLOW))

    async def work() -> None:
        await connect(pin, base_url=emulator.base_url)

    await way(work)  # pytest fails on aiohttp's warning about a session that was not closed


@pytest.mark.parametrize("way", WAYS)
async def test_an_emulator_is_stopped_all_the_same(way: Way) -> None:
    running: list[VoucherEmulator] = []

    async def work() -> None:
        async with VoucherEmulator() as emulator:
            running.append(emulator)
            async with aiohttp.ClientSession() as session, session.get(emulator.url):
                await asyncio.sleep(60)

    await way(work)
    assert repr(running[0]) == "<VoucherEmulator not running>"
    assert not running[0]._server._tasks


async def test_a_failure_of_what_is_finished_is_the_cause_of_the_cancellation() -> None:
    async def fail() -> None:
        await asyncio.sleep(CUT)
        raise ConfigurationError("broken")

    with pytest.raises(ConfigurationError):
        await to_the_end(fail())
    task = asyncio.create_task(to_the_end(fail()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    assert isinstance(caught.value.__cause__, ConfigurationError)


async def test_work_that_was_itself_cancelled_ends_the_wait() -> None:
    inner: list[asyncio.Task[Any]] = []

    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        inner.append(task)
        await asyncio.sleep(60)

    waiting = asyncio.create_task(to_the_end(work()))
    while not inner:
        await asyncio.sleep(0)
    inner[0].cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
