"""Workflows that nobody runs are taken over, however long ago their executor was seen."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading

from dbos import DBOS, WorkflowHandleAsync

from tests.workflows.conftest import Running

waiting = threading.Event()


@DBOS.workflow()
async def wait_for_word() -> str:
    waiting.set()
    return str(await DBOS.recv_async("word", timeout_seconds=3600))


async def test_a_shop_that_was_closed_for_a_weekend_goes_on(running: Running) -> None:
    vouchers = running.workflows()
    async with running.executor(vouchers):
        await vouchers.start(wait_for_word, "W-1")
        # one that is closed between DBOS's claim of a workflow and its first line never awaits its coroutine
        assert await asyncio.to_thread(waiting.wait, 30)
    with contextlib.closing(sqlite3.connect(running.folder / "workflows.db")) as db, db:
        db.execute("UPDATE voucher_executors SET lease_until = lease_until - 2 * 24 * 3600")
    async with running.executor(running.workflows()):
        await DBOS.send_async("W-1", "on", topic="word")
        workflow: WorkflowHandleAsync[str] = await DBOS.retrieve_workflow_async("W-1")
        async with asyncio.timeout(30):
            assert await workflow.get_result(polling_interval_sec=0.05) == "on"
