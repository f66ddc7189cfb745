"""Temporal: `python -m examples.temporal_worker`; the shop starts `PayOrder` with the number as its id."""

import asyncio

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from examples.temporal_payments import LIMIT, SILENCE, Payments, serve

CHARGE = workflow.ActivityConfig(start_to_close_timeout=LIMIT, heartbeat_timeout=SILENCE)


@workflow.defn
class PayOrder:
    @workflow.run
    async def run(self, number: str) -> str:
        # by default an activity is run again without end, at most every 100 s
        return await workflow.execute_activity_method(Payments.charge, number, **CHARGE)


if __name__ == "__main__":
    asyncio.run(serve("payments", PayOrder))
