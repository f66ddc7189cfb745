"""The emulator and a client on one clock that is moved by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.checkout.proxy import Proxy
from voucher_async import Happened, ManualClock, Settled, VoucherClient
from voucher_async.payments.settle import PAUSE_REFUSED
from voucher_async.testing import VoucherEmulator


class ImpatientClock(ManualClock):
    """Lets the pause between two looks after a refusal pass by itself; all else waits for `advance`."""

    async def sleep(self, seconds: float) -> None:
        if seconds == PAUSE_REFUSED:
            self.advance(seconds)
        else:
            await super().sleep(seconds)


@pytest.fixture
def clock() -> ManualClock:
    return ImpatientClock()


@pytest_asyncio.fixture
async def emulator(clock: ManualClock) -> AsyncIterator[VoucherEmulator]:
    async with VoucherEmulator(clock=clock, token_lifetime=86_400) as emulator:
        yield emulator


class Recorder:
    """A hook that keeps what it is told about money."""

    def __init__(self) -> None:
        self.settled: list[Settled] = []  # all but doubts
        self.doubts: list[Settled] = []

    def on_settled(self, event: Settled) -> None:
        (self.doubts if event.what is Happened.IN_DOUBT else self.settled).append(event)

    @property
    def words(self) -> list[str]:
        return [event.what for event in self.settled]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest_asyncio.fixture
async def client(
    emulator: VoucherEmulator, clock: ManualClock, recorder: Recorder
) -> AsyncIterator[VoucherClient]:
    async with VoucherClient(**emulator.settings(), clock=clock, hooks=[recorder]) as client:
        yield client


@pytest_asyncio.fixture
async def proxy(emulator: VoucherEmulator) -> AsyncIterator[Proxy]:
    async with Proxy(emulator) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def proxied(
    emulator: VoucherEmulator, proxy: Proxy, clock: ManualClock, recorder: Recorder
) -> AsyncIterator[VoucherClient]:
    settings = {**emulator.settings(), "base_url": proxy.base_url}
    async with VoucherClient(**settings, clock=clock, hooks=[recorder]) as client:  # type: ignore[arg-type]
        yield client
