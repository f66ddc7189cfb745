"""What is left of faults when the emulator stops, at whichever moment: nothing."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket

import aiohttp
import pytest
from yarl import URL

from tests.emulator.conftest import (
    RESET,
    Engine,
    Shop,
    connected,
    listens,
    others,
    request,
    until_it_listens,
)
from tests.idle import until_injected
from voucher_async.testing import ManualClock, VoucherEmulator, faults

RECHARGE = "rechargeVoucher"


async def test_it_may_stop_at_any_moment_of_listening_again(shop: Shop, clock: ManualClock) -> None:
    before = others()
    for turns in range(12):  # turns of the event loop between the end of the refusal and the stop
        shop.emulator.faults.script(RECHARGE, faults.Refuse(1.0))
        async with connected(shop) as wire:
            wire.writer.write(request(shop))
            assert await wire.rest() == RESET
        clock.advance(1.0)
        for _ in range(turns):
            await asyncio.sleep(0)
        await shop.emulator.stop()
        assert others() == before, turns
        assert not await listens(shop), turns
        await shop.emulator.start()  # the port is free


@pytest.mark.parametrize("fault", faults.KINDS, ids=repr)
async def test_nothing_is_left_of_a_fault_after_a_stop(
    emulator: VoucherEmulator, clock: ManualClock, caplog: pytest.LogCaptureFixture, fault: faults.Fault
) -> None:
    before = others()
    async with aiohttp.ClientSession() as session:
        shop = Shop(emulator, session, emulator.add_voucher(amount="9.00"), Engine(emulator).token)
        for _ in range(2):  # a port or a task left over would fail the second start
            await emulator.start()
            emulator.faults.script(RECHARGE, fault)
            async with connected(shop) as wire:
                wire.writer.write(request(shop))
                await until_injected(shop.emulator)
                await emulator.stop()
            assert others() == before
        clock.advance(60.0)
        await emulator.faults.settled()
        assert not await listens(shop)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("fault", [faults.Refuse(), faults.CommitLate(), faults.SlowBody()], ids=repr)
async def test_a_request_that_comes_at_any_moment_of_a_stop_leaves_nothing(
    emulator: VoucherEmulator, caplog: pytest.LogCaptureFixture, fault: faults.Fault
) -> None:
    before = others()
    async with aiohttp.ClientSession() as session:
        shop = Shop(emulator, session, emulator.add_voucher(amount="9.00"), Engine(emulator).token)
        await emulator.start()
        met = []
        for turns in range(12):  # turns of the event loop between the request and the stop
            shop.emulator.faults.clear()
            emulator.faults.script(RECHARGE, fault)
            async with connected(shop) as wire:
                wire.writer.write(request(shop))
                for _ in range(turns):
                    await asyncio.sleep(0)
                earlier = len(emulator.faults.injected)
                await emulator.stop()
                met.append(len(emulator.faults.injected) - earlier)
            assert others() == before, turns
            await emulator.start()
        await emulator.stop()
    assert 1 in met, "no request was looked at during a stop"
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_nothing_waits_for_a_server_that_stopped(shop: Shop) -> None:
    await shop.emulator.stop()
    async with asyncio.timeout(5):
        assert not await shop.emulator._server.wait(1.0)


async def test_a_stop_ends_a_refusal(shop: Shop, clock: ManualClock) -> None:
    for seconds in (60.0, 1.0):
        shop.emulator.faults.script(RECHARGE, faults.Refuse(seconds))
        async with connected(shop) as wire:
            wire.writer.write(request(shop))
            assert await wire.rest() == RESET
        if seconds > 1.0:
            await shop.emulator.stop()
            await shop.emulator.start()
    clock.advance(1.0)
    await until_it_listens(shop)


async def test_who_connects_at_the_moment_of_a_stop_leaves_nothing(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    before = others()
    url = URL(shop.emulator.url)
    for turns in range(8):  # turns of the event loop between the connection and the stop
        with socket.create_connection((url.host, url.port)):  # accepted by the kernel, not yet by asyncio
            for _ in range(turns):
                await asyncio.sleep(0)
            await shop.emulator.stop()
        assert others() == before, turns
        await shop.emulator.start()
    gc.collect()  # a connection that was never closed would warn now
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
