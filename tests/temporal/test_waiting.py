"""A checkout that waits for its card: renewals, cancellations, time limits, a new version, a new server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import CancelledError

from examples.temporal_checkout import Checkout, Order
from tests.examples.workers import until
from tests.temporal.checkouts import Checkouts, opened
from tests.temporal.server import Server, serving
from voucher_async.testing import faults

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with serving(tmp_path / "server", "wait") as server:
        yield server


@pytest.fixture
async def checkouts(server: Server, tmp_path: Path) -> AsyncIterator[Checkouts]:
    async with opened(server, "wait", tmp_path / "shop") as checkouts:
        yield checkouts


async def test_a_reservation_is_renewed_until_nobody_pays(checkouts: Checkouts) -> None:
    async with checkouts.worker():
        left = await checkouts.begin(Order(checkouts.shop.order("left"), rounds=3, round_s=0.5))
        assert await left.result() is None
    assert checkouts.asked("createReservation") >= 3  # on a busy machine one is made again
    assert checkouts.emulator.charges() == ()


async def test_a_renewal_that_fails_is_left_out_and_the_charge_reserves_anew(checkouts: Checkouts) -> None:
    script = checkouts.emulator.faults.script
    async with checkouts.worker():
        handle = await checkouts.begin(Order(checkouts.shop.order("A-1"), rounds=9, round_s=1.0))
        await until(lambda: checkouts.asked("createReservation"), "the first reservation")
        script("createReservation", *[faults.Unavailable(retry_after=3600)] * 4)  # as often as it is tried
        await until(lambda: checkouts.asked("createReservation") >= 5, "the renewal")
        await handle.signal(Checkout.card_authorized)
        assert await handle.result() == checkouts.shop.charge("A-1")


async def test_a_voucher_that_somebody_else_has_used_up_ends_the_checkout(checkouts: Checkouts) -> None:
    async with checkouts.worker():
        handle = await checkouts.begin(Order(checkouts.shop.order("A-1", "20.00"), rounds=9, round_s=1.0))
        await until(lambda: checkouts.asked("createReservation"), "the first reservation")
        (code,) = checkouts.shop.codes
        await checkouts.shop.spend(code, "10.00")
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    assert not checkouts.emulator.charges("A-1")


async def test_a_cancelled_checkout_lets_go_while_it_waits(checkouts: Checkouts) -> None:
    async with checkouts.worker():
        handle = await checkouts.held("A-1")
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        assert isinstance(failed.value.cause, CancelledError)
    assert not checkouts.emulator.charges()


async def test_a_checkout_that_is_cancelled_within_its_charge_charges(checkouts: Checkouts) -> None:
    async with checkouts.worker() as worker:
        checkouts.emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=3))
        handle = await checkouts.charging("A-1")
        await handle.cancel()
        assert await handle.result() == checkouts.shop.charge("A-1") == checkouts.shop.paid("A-1")
        assert await worker.stop() == 0


async def test_the_server_of_temporal_is_killed_within_a_charge(checkouts: Checkouts, server: Server) -> None:
    async with checkouts.worker() as worker:
        waiting = await checkouts.held("waiting")
        checkouts.emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=1))
        charging = await checkouts.charging("charging")
        await server.kill()
        await until(lambda: checkouts.shop.paid("charging"), "the end of the charge")
        await server.start()
        await waiting.signal(Checkout.card_authorized)
        told = [await waiting.result(), await charging.result()]
        assert told == [checkouts.shop.charge("waiting"), checkouts.shop.charge("charging")]
        assert await worker.stop() == 0
