"""A worker that is killed at one step of a checkout: `python -m tests.workflows.killed POINT ORDER AMOUNT`.

It runs the workflow of examples/workflow_checkout.py, and the customer pays by card at once. Points are
counted from 1: before and after each step of DBOS, its body, and each request of the SDK, and around the wait
for the card payment. Where the point is never reached, it prints how many there are, and the workflow's end.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from dbos import DBOS

from examples.workflow_checkout import check_out, vouchers
from voucher_async import Hook, VoucherClient
from voucher_async.integrations.dbos import Executor


class Points(Hook):
    """Counts points, and kills the process at one.

    Args:
        at: the point, from 1; 0 for none.
    """

    def __init__(self, at: int) -> None:
        self._at = at
        self._guard = threading.Lock()
        self.count = 0

    def take(self) -> None:
        with self._guard:
            self.count += 1
            if self.count == self._at:
                os.kill(os.getpid(), signal.SIGKILL)

    def on_attempt_started(self, _: object) -> None:
        self.take()

    def on_attempt_ended(self, _: object) -> None:
        self.take()

    def around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Two points, before and after a coroutine function."""

        async def pointed(*args: Any, **named: Any) -> Any:
            self.take()
            result = await call(*args, **named)
            self.take()
            return result

        return pointed

    def step(self, run_step: Callable[..., Any]) -> Callable[..., Any]:
        """`DBOS.run_step_async` with a point before and after the step, and before and after its body."""

        async def pointed(options: Any, body: Callable[..., Any], *args: Any, **named: Any) -> Any:
            inner = self.around(body if asyncio.iscoroutinefunction(body) else _off_the_loop(body))
            return await self.around(run_step)(options, inner, *args, **named)

        return pointed


def _off_the_loop(body: Callable[..., Any]) -> Callable[..., Any]:
    async def run(*args: Any) -> Any:
        return await asyncio.to_thread(body, *args)

    return run


async def main(at: int, order: str, amount: str) -> None:
    points = Points(at)
    vouchers.steps._make = lambda: VoucherClient.from_env(hooks=[points])
    names: Any = DBOS
    names.run_step_async = points.step(DBOS.run_step_async)
    names.recv_async = points.around(DBOS.recv_async)
    slot, database = os.environ["EXECUTOR_ID"], os.environ["VOUCHER_WORKFLOWS"]
    lease = float(os.environ["LEASE"])
    async with Executor(vouchers, executor_id=slot, database=database, lease=lease):
        handle = await vouchers.start(check_out, order, order, amount)
        await DBOS.send_async(order, "paid", topic="card", idempotency_key="event-1")
        state = await handle.get_result(polling_interval_sec=0.1)
    print(points.count, state)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
