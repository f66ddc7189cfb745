"""The queues of the workers in examples/, as a shop uses them."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from typing import Any, ClassVar, Final

import celery
import redis
import redis.asyncio
import taskiq
import taskiq_redis
from arq.connections import RedisSettings, create_pool
from arq.jobs import Job
from taskiq.kicker import AsyncKicker

from tests.examples.workers import Shop, Worker, until

__all__ = ["QUEUES", "Queue"]


class Queue(abc.ABC):
    """A queue, and the worker that serves it.

    Args:
        shop: whose orders are paid.
        server: a connection to the queue's server.

    Attributes:
        command: starts the worker.
    """

    command: ClassVar[tuple[str, ...]]

    def __init__(self, shop: Shop, server: redis.asyncio.Redis) -> None:
        self.shop = shop
        self.server = server

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Whatever has to be open while it is used."""
        yield

    @abc.abstractmethod
    async def send(self, number: str) -> str:
        """Ask for the payment of an order; returns the id of the message."""

    @abc.abstractmethod
    async def answer(self, number: str, message: str) -> object:
        """Wait for the answer to a message: what the task has returned, or the error that it has raised."""

    async def strike(self, worker: Worker, message: str) -> None:
        """Kill a worker in the middle of its work on a message."""
        await worker.kill()

    @abc.abstractmethod
    async def lapse(self) -> None:
        """Let the time pass after which what nobody has acknowledged is delivered again."""

    async def make_idle(self, stream: str, group: str, message: str | None = None) -> bool:
        """Let the time pass for what was delivered of a stream, and not acknowledged; is there any?"""
        first, last = (message, message) if message else ("-", "+")
        pending = await self.server.xpending_range(stream, group, first, last, 100)
        for each in pending:
            found = [each["message_id"]]
            await self.server.xclaim(stream, group, each["consumer"], 0, found, idle=10**9, justid=True)
        return bool(pending)


class Celery(Queue):
    command = ("celery", "-A", "examples.celery_worker", "worker", "--concurrency=2", "--loglevel=INFO")

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        self.app = celery.Celery(broker=self.shop.queue, backend=self.shop.queue, set_as_current=False)
        yield
        self.app.backend.result_consumer.stop()
        self.app.backend.client.close()
        self.app.close()

    async def send(self, number: str) -> str:
        sent: str = self.app.send_task("examples.celery_worker.pay_order", [number]).id
        return sent

    async def answer(self, number: str, message: str) -> object:
        backend = self.app.backend
        await until(lambda: backend.get_status(message) in {"SUCCESS", "FAILURE"}, f"{number} by celery")
        return backend.get_result(message)

    async def strike(self, worker: Worker, message: str) -> None:
        for child in worker.children():
            os.kill(child, signal.SIGKILL)
        await worker.prints(f"[{message}] received", times=2)  # as the process that worked on it was lost
        await worker.kill()

    async def lapse(self) -> None:
        unacknowledged = await self.server.zrange("unacked_index", 0, -1)
        await self.server.zadd("unacked_index", dict.fromkeys(unacknowledged, 1))
        await self.server.delete("unacked_mutex")  # a killed worker may have left it, for 5 minutes


class Arq(Queue):
    command = ("arq", "examples.arq_worker.Worker")

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        self.pool = await create_pool(RedisSettings.from_dsn(self.shop.queue))
        yield
        await self.pool.aclose()

    async def send(self, number: str) -> str:
        job = await self.pool.enqueue_job("pay_order", number)
        assert job is not None
        return job.job_id

    async def answer(self, number: str, message: str) -> object:
        try:
            return await Job(message, self.pool).result(timeout=60, poll_delay=0.02)
        except Exception as error:  # noqa: BLE001 - the answer
            return error

    async def lapse(self) -> None:
        async for key in self.server.scan_iter("arq:in-progress:*"):
            await self.server.delete(key)


class Taskiq(Queue):
    command = ("taskiq", "worker", "examples.taskiq_worker:broker", "--workers=1", "--shutdown-timeout=30")

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        results = taskiq_redis.RedisAsyncResultBackend[Any](self.shop.queue)
        self.broker = taskiq_redis.RedisStreamBroker(self.shop.queue).with_result_backend(results)
        await self.broker.startup()
        yield
        await self.broker.shutdown()

    async def send(self, number: str) -> str:
        kicker = AsyncKicker[Any, Any]("examples.taskiq_worker:pay_order", self.broker, {})
        return (await kicker.kiq(number)).task_id

    async def answer(self, number: str, message: str) -> object:
        task = taskiq.AsyncTaskiqTask[Any](message, self.broker.result_backend)
        result = await task.wait_result(check_interval=0.02, timeout=60)
        return result.error or result.return_value

    async def lapse(self) -> None:
        await self.make_idle("taskiq", "taskiq")
        await self.server.delete("autoclaim:taskiq:taskiq")  # a killed worker may have left it, for ever


class Plain(Queue):
    command = ("examples.queue_worker",)

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        with contextlib.suppress(redis.ResponseError):  # it is there already
            await self.server.xgroup_create("orders", "shop", id="0", mkstream=True)
        yield

    async def send(self, number: str) -> str:
        message: bytes = await self.server.xadd("orders", {"number": number})
        return message.decode()

    async def answer(self, number: str, message: str) -> object:
        while await self.make_idle("orders", "shop", message) or not self.printed(number):
            await asyncio.sleep(0.05)
        return self.printed(number)[-1]

    def printed(self, number: str) -> list[str]:
        """What the workers have printed as answers to an order's messages."""
        start = f"{{b'number': b'{number}'}} "
        logs = [log.read_text(encoding="utf-8") for log in sorted(self.shop.folder.glob("worker-*.log"))]
        lines = [line for log in logs for line in log.splitlines()]
        return [line.removeprefix(start) for line in lines if line.startswith(start)]

    async def lapse(self) -> None:
        await self.make_idle("orders", "shop")


QUEUES: Final[dict[str, Callable[[Shop, redis.asyncio.Redis], Queue]]] = {
    "celery": Celery,
    "arq": Arq,
    "taskiq": Taskiq,
    "queue": Plain,
}
