"""A queue without a framework, a stream of Redis or Valkey: `python -m examples.queue_worker`."""

import asyncio
import os
import signal

from redis.asyncio import Redis

from examples.queue_payment import AskAgain, pay
from voucher_async import VoucherClient


async def main() -> None:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, (stopping := asyncio.Event()).set)
    async with Redis.from_url(os.environ["REDIS_URL"]) as redis, VoucherClient.from_env() as client:
        while not stopping.is_set():
            _, left, _ = await redis.xautoclaim("orders", "shop", "worker", 60_000, count=1)
            new = await redis.xreadgroup("shop", "worker", {"orders": ">"}, count=1, block=1_000)
            for id, order in left + (new[0][1] if new else []):
                (end,) = await asyncio.gather(pay(client, order[b"number"].decode()), return_exceptions=True)
                print(order, end, flush=True)  # what is not acknowledged is delivered again in a minute
                await (asyncio.sleep(1) if isinstance(end, AskAgain) else redis.xack("orders", "shop", id))


asyncio.run(main())
