"""arq: `arq examples.arq_worker.Worker`, and `await redis.enqueue_job("pay_order", "A-1")` in the shop."""

import os

from arq import Retry, connections

from examples.queue_payment import AskAgain, pay
from voucher_async import VoucherClient

client = VoucherClient.from_env()  # arq runs one process, and one loop


async def pay_order(ctx: dict[str, int], number: str) -> str:
    try:
        return await pay(client, number)
    except AskAgain as error:
        raise Retry(defer=min(5 * ctx["job_try"], 600)) from error


class Worker:
    functions = (pay_order,)
    redis_settings = connections.RedisSettings.from_dsn(os.environ["REDIS_URL"])
    job_timeout, job_completion_wait, max_tries = 60, 60, 1000  # seconds, seconds
    on_shutdown = staticmethod(lambda _: client.aclose())
