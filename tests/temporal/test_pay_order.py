"""The worker of examples/temporal_worker.py, as the other workers of examples/ are tested."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError, WorkflowAlreadyStartedError

from examples.temporal_worker import PayOrder
from tests.temporal.checkouts import Checkouts, opened
from tests.temporal.server import serving
from voucher_async.testing import faults

pytestmark = pytest.mark.timeout(300)

WORKER = "examples.temporal_worker"


@pytest.fixture
async def checkouts(tmp_path: Path) -> AsyncIterator[Checkouts]:
    async with (
        serving(tmp_path / "server", "pay") as server,
        opened(server, "pay", tmp_path / "shop") as shop,
    ):
        yield shop


async def pay(temporal: Client, number: str, workflow_id: str | None = None) -> WorkflowHandle[PayOrder, str]:
    return await temporal.start_workflow(
        PayOrder.run, number, id=workflow_id or number, task_queue="payments"
    )


async def test_an_order_whose_worker_is_killed_and_one_that_is_asked_for_twice(checkouts: Checkouts) -> None:
    shop, temporal = checkouts.shop, checkouts.temporal
    async with checkouts.worker(WORKER) as dying:
        checkouts.emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=60))
        killed = await pay(temporal, shop.order("killed"))
        await shop.charged("killed")
        with pytest.raises(WorkflowAlreadyStartedError):
            await pay(temporal, "killed")
        beside = await pay(temporal, "killed", "killed/beside")  # by mistake: an id is not a key
        await dying.kill()
    async with checkouts.worker(WORKER) as heir:
        both = await asyncio.gather(killed.result(), beside.result())
        assert [*both, shop.paid("killed")] == [shop.charge("killed")] * 3
        again = await pay(temporal, "killed")  # the first one has ended, so its id is free
        assert await again.result() == shop.charge("killed")
        assert await heir.stop() == 0


async def test_a_server_that_is_down_is_asked_again_and_a_refusal_is_not(checkouts: Checkouts) -> None:
    shop, temporal = checkouts.shop, checkouts.temporal
    async with checkouts.worker(WORKER) as worker:
        checkouts.emulator.faults.script(
            "createReservation", faults.Unavailable(retry_after=3600)
        )  # longer than a call waits
        down = await pay(temporal, shop.order("down"))
        await shop.met_a_fault()
        assert await down.result() == shop.charge("down") == shop.paid("down")
        refused = await pay(temporal, shop.order("refused", "99.00"))
        with pytest.raises(WorkflowFailureError) as failed:
            await refused.result()
        assert isinstance(failed.value.cause, ActivityError)
        cause = failed.value.cause.cause
        assert isinstance(cause, ApplicationError)
        assert (cause.type, cause.non_retryable) == ("Conflict", True)
        assert [each.status for each in checkouts.emulator.requests].count(409) == 1
        assert shop.paid("refused") is None
        assert await worker.stop() == 0
