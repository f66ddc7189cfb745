"""The emulator, its faults and a client on one clock, which runs while something is awaited."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any, TypeVar

import aiohttp
import attrs
import pytest
import pytest_asyncio

from tests.idle import Timed
from tests.proxy import Proxy
from tests.recorder import Recorder
from tests.settlement.disk import journal_at
from voucher_async import Charge, ManualClock, Settings, VoucherClient
from voucher_async.testing import VoucherEmulator, VoucherRecord, faults

__all__ = ["journal_at"]

T = TypeVar("T")


@attrs.define
class Shop(Timed):
    """What a test needs: a client, the emulator it talks to, and their clock."""

    client: VoucherClient
    emulator: VoucherEmulator
    clock: ManualClock
    told: Recorder

    def voucher(self, amount: str = "25.00") -> VoucherRecord:
        return self.emulator.add_voucher(amount=amount)

    def script(self, operation: str, *kinds: faults.Fault | None) -> None:
        self.emulator.faults.script(operation, *kinds)

    def count(self, operation: str) -> int:
        return self.emulator.requests.count(operation)

    def charged(self, order_number: str = "A-1") -> list[str]:
        """The ids of what was charged."""
        return [charge.id for charge in self.emulator.charges(order_number, type="charge")]

    def refunded(self, order_number: str = "A-1") -> list[str]:
        """The ids of what was refunded."""
        return [charge.id for charge in self.emulator.charges(order_number, type="refund")]

    def another(
        self,
        hooks: Sequence[object] = (),
        session: aiohttp.ClientSession | None = None,
        **changes: Any,
    ) -> VoucherClient:
        """A client in another process, as far as it knows."""
        changed = settings(self.emulator, **changes)
        return VoucherClient(settings=changed, clock=self.clock, hooks=hooks, session=session)


def pay(client: VoucherClient, voucher: VoucherRecord, **changes: Any) -> Coroutine[Any, Any, Charge]:
    """Pay 4.00 with a voucher; nobody lets time pass."""
    payment = {"code": voucher.code, "amount": "4.00", "currency": "EUR", "order_number": "A-1"}
    return client.redeem(**{**payment, **changes})


async def redeem(
    shop: Shop, voucher: VoucherRecord, amount: str = "4.00", timeout: float | None = None
) -> Charge:
    """Pay with a voucher while time passes."""
    return await shop.during(pay(shop.client, voucher, amount=amount, timeout=timeout))


def settings(emulator: VoucherEmulator, **changes: Any) -> Settings:
    # short windows, so that tests need not wait a minute of the clock
    windows = {"settle_window": 10.0, "settle_for": 60.0}
    return attrs.evolve(Settings.make(**emulator.settings()), **{**windows, **changes})


@pytest.fixture
def emulator(voucher_emulator: VoucherEmulator) -> VoucherEmulator:
    """One on the system's clock, beside no shop."""
    return voucher_emulator


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def allow_double_charge() -> bool:
    return False


@pytest.fixture
def max_per_page() -> int:
    return 100


@pytest_asyncio.fixture
async def shop(
    clock: ManualClock,
    allow_double_charge: bool,  # noqa: FBT001
    max_per_page: int,
) -> AsyncIterator[Shop]:
    told = Recorder()
    async with VoucherEmulator(
        clock=clock,
        token_lifetime=86_400,
        allow_double_charge=allow_double_charge,
        max_per_page=max_per_page,
    ) as emulator:
        client = VoucherClient(settings=settings(emulator), clock=clock, hooks=[told])
        yield Shop(client, emulator, clock, told)
        await client.aclose(wait=0)


@pytest_asyncio.fixture
async def mesh(shop: Shop) -> AsyncIterator[Proxy]:
    async with Proxy(shop.emulator) as mesh:
        yield mesh


@pytest_asyncio.fixture
async def meshed(shop: Shop, mesh: Proxy) -> AsyncIterator[Shop]:
    """The same shop, with a client whose requests go through the mesh."""
    told = Recorder()
    async with shop.another([told], base_url=mesh.base_url) as client:
        yield Shop(client, shop.emulator, shop.clock, told)
        await client.aclose(wait=0)
