"""An emulator that serves from a thread of its own: for callers in any thread, on any loop."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from typing import Any

import aiohttp
import pytest

from tests.emulator.conftest import Engine
from voucher_async import ManualClock, VoucherClient
from voucher_async.testing import VoucherEmulator, _thread, faults, habits

PAY: dict[str, Any] = {"amount": "1.00", "currency": "EUR", "order_number": "A-1", "timeout": 20}


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("voucher-emulator")]


async def redeem(emulator: VoucherEmulator, code: str) -> str:
    async with VoucherClient(**emulator.settings()) as client:
        return (await client.redeem(code=code, **PAY)).id


def test_a_block_serves_and_leaves_nothing_behind() -> None:
    emulator = VoucherEmulator()
    with emulator:
        assert threads() == ["voucher-emulator"]
        first = emulator.url
        asyncio.run(redeem(emulator, emulator.add_voucher(amount="5").code))
    assert threads() == []
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(first.rpartition(":")[2])))
    with emulator:  # the same port, and nothing is forgotten
        assert emulator.url == first
        asyncio.run(redeem(emulator, emulator.vouchers()[0].code))
    assert len(emulator.charges("A-1")) == 2
    gc.collect()  # an open socket or loop would complain


async def test_a_block_serves_the_loop_that_it_stands_on() -> None:
    with VoucherEmulator() as emulator:
        await redeem(emulator, emulator.add_voucher(amount="5").code)
        with pytest.raises(RuntimeError, match="is running"):
            await emulator.start()
        with pytest.raises(RuntimeError, match="is running"), emulator:
            pass
    async with emulator:
        await redeem(emulator, emulator.vouchers()[0].code)
        assert threads() == []


def test_a_port_that_is_taken_is_told_and_leaves_no_thread() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        emulator = VoucherEmulator(port=server.getsockname()[1])
        with pytest.raises(OSError, match="in use"), emulator:
            pass
    assert threads() == []
    with emulator:
        assert threads() == ["voucher-emulator"]


def test_what_ends_the_thread_early_is_raised_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    emulator = VoucherEmulator()
    stop = emulator._server.stop

    async def stop_and_fail() -> None:
        await stop()
        raise LookupError("of the server")

    monkeypatch.setattr(emulator._server, "stop", stop_and_fail)
    with pytest.raises(LookupError, match="of the server"), emulator:
        pass
    assert threads() == []


def test_a_thread_that_cannot_begin_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    emulator = VoucherEmulator()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            emulator.__enter__()
    with emulator:
        assert threads() == ["voucher-emulator"]
    gc.collect()


def test_an_interrupt_while_it_starts_ends_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(_thread, "Future", type("Interrupted", (Future,), {"result": interrupted}))
        with pytest.raises(KeyboardInterrupt):
            VoucherEmulator().__enter__()
    assert threads() == []


def test_stopping_drops_requests_that_are_under_way() -> None:
    emulator = VoucherEmulator(clock=ManualClock())  # which nobody moves
    begun = threading.Event()

    async def ask() -> None:
        async with aiohttp.ClientSession() as session:
            await session.post(emulator.token_url)

    def call() -> None:
        with pytest.raises(aiohttp.ClientError):
            asyncio.run(ask())

    emulator.faults.script("requestToken", faults.SlowHeaders(3600))
    take = emulator.faults._take

    def taken(operation: str) -> faults.Fault | None:
        begun.set()
        return take(operation)

    emulator.faults._take = taken  # type: ignore[method-assign]
    with emulator:
        caller = threading.Thread(target=call)
        caller.start()
        assert begun.wait(30)
    caller.join(30)
    assert not caller.is_alive()


def in_the_middle(emulator: VoucherEmulator, act: Callable[[], object]) -> list[str]:
    """Let a thread act while a charge is decided and not written down yet; the order of both."""
    engine, order = Engine(emulator), list[str]()
    reservation = engine.reserve(emulator.add_voucher(amount="25.00"), "10.00").body["id"]
    mint, acted = emulator._engine._mint, threading.Event()
    new_id = mint.id

    def work() -> None:
        act()
        order.append("acted")
        acted.set()

    thread = threading.Thread(target=work)

    def id() -> str:
        mint.id = new_id  # type: ignore[method-assign]
        thread.start()
        acted.wait(0.2)  # as long as it takes whoever does not wait for its turn
        order.append("decided")
        return new_id()

    mint.id = id  # type: ignore[method-assign]
    engine.charge(reservation)
    thread.join(30)
    return order


@pytest.mark.parametrize(
    "act",
    [
        lambda emulator: emulator.charges(),
        lambda emulator: emulator.vouchers(),
        lambda emulator: emulator.reservations(),
        lambda emulator: emulator.ledger.check(),
        lambda emulator: emulator.revoke_tokens(),
        lambda emulator: emulator.shift(60),
        lambda emulator: emulator.faults.script("*", faults.BreakAfter()),
        lambda emulator: emulator.faults.chance(0.5, seed=1),
        lambda emulator: emulator.faults.clear(),
        lambda emulator: emulator.faults.injected,
        lambda emulator: emulator.habits.set(tolerant_codes=True),
        lambda emulator: emulator.add_client(),
    ],
    ids=range(12),
)
def test_a_request_is_carried_out_whole_before_another_thread_has_its_turn(
    act: Callable[[VoucherEmulator], object],
) -> None:
    emulator = VoucherEmulator()
    assert in_the_middle(emulator, lambda: act(emulator)) == ["decided", "acted"]


def test_tests_change_everything_while_others_pay() -> None:
    with VoucherEmulator() as emulator:
        codes = [emulator.add_voucher(amount="5.00").code for _ in range(4)]
        over = threading.Event()

        async def pay() -> None:
            async with VoucherClient(**emulator.settings()) as client:
                orders = [{**PAY, "order_number": f"A-{number}"} for number in range(5)]
                await asyncio.gather(
                    *(client.redeem(code=code, **order) for code in codes for order in orders)
                )

        def meddle() -> None:
            while not over.is_set():
                emulator.habits.set(**habits.KINDS["pages of 2"])
                emulator.faults.script("chargeReservation", faults.BreakAfter())
                emulator.add_voucher(amount="1.00")
                emulator.ledger.check()
                assert len(emulator.charges()) <= len(emulator.reservations()) * 2
                emulator.requests.count("chargeReservation")
                emulator.faults.clear()

        meddling = threading.Thread(target=meddle)
        meddling.start()
        try:
            asyncio.run(pay())
        finally:
            over.set()
            meddling.join()
        assert len(emulator.charges(type="charge")) >= 20
        emulator.ledger.check()


def test_a_request_that_is_late_is_waited_for_on_any_loop() -> None:
    clock = ManualClock()
    with VoucherEmulator(clock=clock) as emulator:
        code = emulator.add_voucher(amount="5.00").code
        emulator.faults.script("createReservation", faults.CommitLate(30))

        async def ask() -> None:
            async with VoucherClient(**emulator.settings()) as client:
                asking = asyncio.create_task(
                    client.reservations.create(code=code, amount="1", currency="EUR")
                )
                while not clock._sleepers:
                    await asyncio.sleep(0.01)
                assert emulator.reservations() == ()
                asyncio.get_running_loop().call_soon(emulator.advance, 30)
                await emulator.faults.settled()
                await asking

        asyncio.run(ask())
        assert len(emulator.reservations()) == 2  # the late one, and the repeat of what broke


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without forks")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_the_child_of_a_fork_holds_no_socket_open_and_can_look() -> None:
    held, over = threading.Event(), threading.Event()
    reading, writing = os.pipe()

    def hold(emulator: VoucherEmulator) -> None:
        with emulator._engine.guard:
            held.set()
            over.wait(30)

    with VoucherEmulator() as emulator:
        emulator.add_voucher(amount="5.00")
        port = int(emulator.url.rpartition(":")[2])
        holding = threading.Thread(target=hold, args=(emulator,))
        holding.start()
        held.wait(30)
        child = os.fork()
        if child == 0:
            os.write(writing, str(len(emulator.vouchers())).encode())
            signal.pause()
            os._exit(1)
        over.set()
        holding.join()
    try:
        assert os.read(reading, 1) == b"1"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)
