"""taskiq: `taskiq worker examples.taskiq_worker:broker`, and `await pay_order.kiq("A-1")` in the shop."""

import asyncio
import os

from taskiq import Context, TaskiqDepends, TaskiqEvents
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from examples.queue_payment import AskAgain, pay
from voucher_async import VoucherClient

URL = os.environ["REDIS_URL"]
broker = RedisStreamBroker(URL, idle_timeout=60_000).with_result_backend(RedisAsyncResultBackend(URL))
broker.add_event_handler(TaskiqEvents.WORKER_STARTUP, lambda own: own.update(client=VoucherClient.from_env()))
broker.add_event_handler(TaskiqEvents.WORKER_SHUTDOWN, lambda own: own.client.aclose())


@broker.task
async def pay_order(number: str, context: Context = TaskiqDepends()) -> str:  # noqa: B008 - taskiq's way
    try:
        return await pay(context.state.client, number)
    except AskAgain:
        await asyncio.sleep(5)  # this broker delivers at once
        await context.requeue()
        raise
