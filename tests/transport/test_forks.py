"""A process that forks: what was made before is made anew in the child, and the parent notices nothing."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import random
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Coroutine
from typing import Any

import aiohttp
import pytest

from tests.idle import until_injected
from voucher_async import ConfigurationError, VoucherClient
from voucher_async.auth import MemoryTokenStore
from voucher_async.checkout import LocalVoucherLock
from voucher_async.testing import VoucherEmulator, faults
from voucher_async.testing._records import VoucherRecord

PAY: dict[str, Any] = {"amount": "1.00", "currency": "EUR"}


def in_child(work: Callable[[], object]) -> Callable[[], Any]:
    """Fork; gives what waits for the child and returns what it made, as JSON says it."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 and later warn when a process with threads forks
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 1
        try:
            warnings.simplefilter("error")
            os.write(writing, json.dumps(work()).encode())
            status = 0
        except BaseException:  # noqa: BLE001 - nothing may return into the parent's tests
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writing)

    def result() -> Any:
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read()
        assert os.waitpid(child, 0)[1] == 0
        return json.loads(answer)

    return result


def running(main: Callable[[], Coroutine[Any, Any, object]]) -> Callable[[], object]:
    return lambda: asyncio.run(asyncio.wait_for(main(), 20))


async def pay(client: VoucherClient, voucher: VoucherRecord, order: str) -> str:
    charge = await client.redeem(code=voucher.code, order_number=order, timeout=5, **PAY)
    return str(charge.amount)


def test_workers_do_not_pause_or_renew_together() -> None:
    client = VoucherClient("id", "secret", environment="sandbox")
    transport, tokens = client._transport, client._tokens

    def draw() -> list[float | None]:
        pauses = [transport.backoff.pause(n, None, transport.rng) for n in (1, 2, 3)]
        return [*pauses, tokens._random()]

    workers = [in_child(draw)() for _ in range(3)]
    for drawn in zip(*workers, strict=True):
        assert len(set(drawn)) == 3


async def test_a_token_obtained_before_is_kept_and_renewed_by_each_worker_at_a_time_of_its_own() -> None:
    async with VoucherEmulator() as emulator, VoucherClient(**emulator.settings()) as client:
        await pay(client, emulator.add_voucher(amount="50.00"), "A-1")
        before = client._tokens.current()
        assert before is not None

        def read() -> list[Any]:
            token = client._tokens.current()
            assert token is not None
            return [token.soft, token.value, token.hard]

        workers = [in_child(read)() for _ in range(3)]
        assert len({soft for soft, _, _ in workers} | {before.soft}) == 4
        assert all(rest == [before.value, before.hard] for _, *rest in workers)


async def test_a_client_in_use_serves_the_child_and_goes_on_serving_the_parent() -> None:
    async with VoucherEmulator() as emulator, VoucherClient(**emulator.settings()) as client:
        voucher, other = emulator.add_voucher(amount="50.00"), emulator.add_voucher(amount="50.00")
        await pay(client, other, "A-1")
        emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=0.5))
        under_way = asyncio.create_task(pay(client, voucher, "A-2"))
        await until_injected(emulator)

        async def child() -> list[str]:
            paid = [await pay(client, voucher, "A-3"), await pay(client, other, "A-4")]
            await client.aclose()
            return paid

        result = in_child(running(child))
        assert await asyncio.to_thread(result) == ["1.00", "1.00"]
        # the child's newer reservation has superseded it, as any other process's would
        assert (await asyncio.gather(under_way, return_exceptions=True))[0] is not None
        assert await pay(client, other, "A-5") == "1.00"
        assert emulator.balance(other.id) == 47
        emulator.ledger.check()


async def test_a_client_of_the_childs_own_does_not_wait_for_a_turn_of_the_parent() -> None:
    async with VoucherEmulator() as emulator, VoucherClient(**emulator.settings()) as client:
        voucher = emulator.add_voucher(amount="50.00")
        emulator.faults.script("createReservation", faults.SlowHeaders(seconds=1.0))
        under_way = asyncio.create_task(pay(client, voucher, "A-1"))
        await until_injected(emulator)

        async def child() -> str:
            async with VoucherClient(**emulator.settings()) as mine:
                return await pay(mine, voucher, "A-2")

        assert await asyncio.to_thread(in_child(running(child))) == "1.00"
        await asyncio.gather(under_way, return_exceptions=True)


async def test_a_token_being_requested_by_the_parent_is_requested_by_the_child_as_well() -> None:
    async with VoucherEmulator() as emulator:
        store = MemoryTokenStore()
        async with VoucherClient(**emulator.settings(), token_store=store) as client:
            voucher = emulator.add_voucher(amount="50.00")
            emulator.faults.script("requestToken", faults.SlowHeaders(seconds=1.0))
            under_way = asyncio.create_task(pay(client, voucher, "A-1"))
            await until_injected(emulator)
            began = time.monotonic()
            assert await asyncio.to_thread(in_child(running(lambda: pay(client, voucher, "A-2")))) == "1.00"
            assert time.monotonic() - began < 5
            assert await under_way == "1.00"


async def test_a_recharge_under_way_in_the_parent_is_open_in_the_child_and_keeps_nobody_waiting() -> None:
    async with VoucherEmulator() as emulator, VoucherClient(**emulator.settings()) as client:
        voucher = emulator.add_voucher(amount="50.00")
        recharge = functools.partial(
            client.vouchers.recharge, id=voucher.id, order_number="A-1", timeout=5, **PAY
        )
        emulator.faults.script("rechargeVoucher", faults.SlowHeaders(seconds=1.0))
        under_way = asyncio.create_task(recharge())
        await until_injected(emulator)

        async def child() -> list[str]:
            [pending] = client.pending
            charge = await recharge()
            return [pending.operation, str(charge.amount)]

        assert await asyncio.to_thread(in_child(running(child))) == ["rechargeVoucher", "1.00"]
        await under_way
        assert client.pending == ()
        assert emulator.balance(voucher.id) == 52


async def test_a_session_that_was_handed_in_is_the_parents() -> None:
    async with (
        VoucherEmulator() as emulator,
        aiohttp.ClientSession() as session,
        VoucherClient(**emulator.settings(), session=session) as client,
    ):
        voucher = emulator.add_voucher(amount="50.00")
        await pay(client, voucher, "A-1")

        async def child() -> str:
            with pytest.raises(ConfigurationError) as caught:
                await pay(client, voucher, "A-2")
            return str(caught.value)

        assert "make a session and a client in each process" in await asyncio.to_thread(
            in_child(running(child))
        )
        assert await pay(client, voucher, "A-3") == "1.00"


def test_a_lock_whose_guard_was_held_at_the_fork_does_not_block_the_child() -> None:
    lock = LocalVoucherLock()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lock._guard:
            held.set()
            done.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()

    async def child() -> str:
        async with lock.hold("key"):
            return "mine"

    try:
        assert in_child(running(child))() == "mine"
    finally:
        done.set()
        thread.join()


async def test_a_turn_of_before_the_fork_is_given_back_in_the_child_without_harm() -> None:
    lock = LocalVoucherLock()
    turn = lock.hold("key")
    await turn.__aenter__()

    async def child() -> str:
        async with lock.hold("key"):
            await turn.__aexit__(None, None, None)
            again = asyncio.create_task(lock.hold("key").__aenter__())
            await asyncio.sleep(0)
            assert not again.done()
        await again
        return "mine"

    assert await asyncio.to_thread(in_child(running(child))) == "mine"
    await turn.__aexit__(None, None, None)
    assert not lock._turns


def test_a_seeded_generator_stays_what_it_was_given_as() -> None:
    from voucher_async.auth.provider import TokenProvider
    from voucher_async.clock import ManualClock

    async def never() -> Any:
        raise AssertionError

    drawn = TokenProvider(never, clock=ManualClock(), rng=random.Random(1))._random()
    assert drawn == random.Random(1).random()
