"""New code for workflows that are under way, and workers whose time limits are too short."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import pytest

from examples import temporal_checkout
from examples.temporal_checkout import Checkout
from tests.temporal.checkouts import opened
from tests.temporal.server import serving
from voucher_async.testing import faults

pytestmark = pytest.mark.timeout(300)

PLACE: Final = "        charging = workflow.start_activity_method("
STEP: Final = "        await self.hold(order.number)\n"
PATCHED: Final = f'        if workflow.patched("reserve before the charge"):\n    {STEP}'

HASTY: Final = """
import asyncio
from datetime import timedelta

from examples import temporal_payments

temporal_payments.LIMIT = timedelta(seconds=3)

from examples.temporal_checkout import Checkout

asyncio.run(temporal_payments.serve("checkouts", Checkout))
"""


def write_versions(folder: Path) -> dict[str, str]:
    """Two later versions of the example, with one more step: one says since when it is there."""
    source = Path(temporal_checkout.__file__).read_text(encoding="utf-8")
    assert source.count(PLACE) == 1
    (folder / "careless.py").write_text(source.replace(PLACE, STEP + PLACE), encoding="utf-8")
    (folder / "patched.py").write_text(source.replace(PLACE, PATCHED + PLACE), encoding="utf-8")
    (folder / "hasty.py").write_text(HASTY, encoding="utf-8")
    return {"PYTHONPATH": str(folder)}


async def test_a_deployment_within_a_charge_and_while_the_card_is_waited_for(tmp_path: Path) -> None:
    environ = write_versions(tmp_path)
    async with (
        serving(tmp_path / "server", "new") as server,
        opened(server, "new", tmp_path / "shop", **environ) as checkouts,
    ):
        shop = checkouts.shop
        async with checkouts.worker() as old:
            waiting = await checkouts.held("waiting")
            checkouts.emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=60))
            charging = await checkouts.charging("charging")
            await old.kill()
        async with checkouts.worker("careless") as careless:
            await careless.prints(
                "Nondeterminism"
            )  # its step is not in the history: the workflow stands still
            await careless.kill()
        assert [each.id for each in checkouts.emulator.charges()] == [shop.charge("charging")]
        reserved = checkouts.asked("createReservation")
        async with checkouts.worker("patched") as patched:
            assert await charging.result() == shop.charge("charging") == shop.paid("charging")
            assert checkouts.asked("createReservation") == reserved
            await waiting.signal(Checkout.card_authorized)
            assert await waiting.result() == shop.charge("waiting") == shop.paid("waiting")
            assert checkouts.asked("createReservation") >= reserved + 2  # that step, and the charge
            assert await patched.stop() == 0


async def test_an_activity_that_is_run_again_while_it_runs_charges_once(tmp_path: Path) -> None:
    environ = write_versions(tmp_path)
    async with (
        serving(tmp_path / "server", "hasty") as server,
        opened(server, "hasty", tmp_path / "shop", **environ) as checkouts,
    ):
        async with checkouts.worker("hasty") as worker:
            checkouts.emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=10))
            handle = await checkouts.charging("A-1")
            assert await handle.result() == checkouts.shop.charge("A-1") == checkouts.shop.paid("A-1")
            started = [
                event.activity_task_started_event_attributes async for event in handle.fetch_history_events()
            ]
            again = [each.last_failure for each in started if each.attempt > 1]
            assert any(each.HasField("timeout_failure_info") for each in again)
            assert await worker.stop() == 0
        assert checkouts.asked("chargeReservation") == 1


async def test_both_workers_of_one_task_queue_take_the_checkout_on(tmp_path: Path) -> None:
    async with (
        serving(tmp_path / "server", "two") as server,
        opened(server, "two", tmp_path / "shop") as checkouts,
        checkouts.worker() as first,
        checkouts.worker() as second,
    ):
        numbers = [f"A-{number}" for number in range(10)]
        handles = await asyncio.gather(*map(checkouts.held, numbers))
        await asyncio.gather(*(each.signal(Checkout.card_authorized) for each in handles))
        await first.kill()
        told = await asyncio.gather(*(each.result() for each in handles))
        assert told == [checkouts.shop.charge(number) for number in numbers]
        assert await second.stop() == 0
