"""One scenario: emulator, proxy and client on loopback ports, calls, events, and the ledger at the end."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path
from typing import Final

import attrs
from yarl import URL

from tests.proxies.calls import Listener, make_all, prepare
from tests.proxies.judge import Row, judge
from tests.proxies.processes import KINDS, Proxy
from tests.proxies.scenarios import Scenario
from voucher_async import Settings, Timeout, VoucherClient
from voucher_async.testing import VoucherEmulator

WINDOW: Final = 4.0
"""Seconds within which a request is carried out, if at all: the longest stall, and a slow machine."""

SETTLING: Final = 15.0
"""Seconds that open outcomes are waited for when the calls are over."""

_LATE: Final = 2.0  # seconds that a proxy may hold a request after the calls have ended


def settings_of(emulator: VoucherEmulator, port: int) -> Settings:
    """The settings of a client that talks to the emulator through a proxy's port."""
    access = emulator.settings()
    made = Settings.make(
        client_id=access["client_id"],
        client_secret=access["client_secret"],
        base_url=str(URL(access["base_url"]).with_port(port)),
        token_url=str(URL(access["token_url"]).with_port(port)),
        timeout=Timeout(total=5.0, connect=1.0, read=1.0),
    )
    return attrs.evolve(made, settle_window=WINDOW, settle_for=SETTLING, close_wait=5.0)


async def run(scenario: Scenario, calls: int, seed: int) -> Row:
    """Run a scenario.

    Args:
        scenario: the scenario.
        calls: how many money calls are made.
        seed: of the choice of faults.
    """
    with tempfile.TemporaryDirectory(prefix="proxies-") as name:
        async with VoucherEmulator() as emulator:
            proxy = KINDS[scenario.package](Path(name), URL(emulator.url).port or 0, scenario.lines)
            await proxy.start()
            try:
                return await _run(scenario, emulator, proxy, calls, seed)
            finally:
                proxy.resume()
                await proxy.kill()


async def _run(scenario: Scenario, emulator: VoucherEmulator, proxy: Proxy, calls: int, seed: int) -> Row:
    listener = Listener()
    async with VoucherClient(**emulator.settings()) as direct:
        jobs = await prepare(emulator, direct, calls)
    emulator.faults.chance(scenario.share, seed=seed, operations=scenario.operations, kinds=scenario.kinds)
    async with VoucherClient(settings=settings_of(emulator, proxy.port), hooks=[listener]) as client:
        events = asyncio.create_task(scenario.events(proxy))
        try:
            await make_all(client, listener, jobs)
            failed = events.done() and events.exception()
        finally:
            events.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await events
        emulator.faults.clear()
        await _revive(proxy)
        await _settle(client)
    await asyncio.sleep(_LATE)
    await emulator.faults.settled()
    if failed:
        raise failed
    return judge([job.record for job in jobs], emulator.charges())


async def _revive(proxy: Proxy) -> None:
    """An event may have been cut off between a proxy's end and its new start."""
    if not proxy.running:
        await proxy.start()


async def _settle(client: VoucherClient) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(SETTLING):
            while client.pending:
                await asyncio.sleep(0.1)
