"""The checkout of examples/celery_checkout.py: workers are killed, the queue is lost, it delivers twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis
import redis.asyncio

from tests.examples.queues import Celery
from tests.examples.workers import Shop, until
from tests.journals.postgres import Server
from tests.valkey import valkey
from voucher_async.testing import VoucherEmulator, faults

pytestmark = pytest.mark.timeout(300)


class Checkouts(Celery):
    """The shop's side of it."""

    command = ("celery", "-A", "examples.celery_checkout", "worker", "--concurrency=2", "--loglevel=INFO")

    async def ask(self, task: str, *values: object) -> str:
        """Send a message for a task; returns its id."""
        sent: str = self.app.send_task(task, values).id
        return sent

    async def deliver_again(self) -> None:
        """Deliver again what nobody has acknowledged, as a worker does after `visibility_timeout`."""
        with redis.Redis.from_url(self.shop.queue) as server:
            for stored in server.hvals("unacked"):
                message, *_ = json.loads(stored)
                server.rpush("celery", json.dumps(message))

    async def done(self, task: str, *values: object) -> object:
        """Send one, and wait for the answer."""
        return await self.answer(str(values), await self.ask(task, *values))


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with valkey(tmp_path / "valkey") as url:
        yield url


@pytest.fixture
def environ() -> dict[str, str]:
    return {}


@pytest.fixture
async def checkouts(tmp_path: Path, url: str, environ: dict[str, str]) -> AsyncIterator[Checkouts]:
    async with redis.asyncio.Redis.from_url(url) as server:
        with VoucherEmulator() as emulator:
            queue = Checkouts(Shop(tmp_path, emulator, url, environ=environ), server)
            async with queue.opened():
                yield queue
            queue.shop.check()
    stored = b"".join(file.read_bytes() for file in (tmp_path / "valkey").rglob("*.aof"))
    assert all(number.encode() in stored for number in queue.shop.numbers())
    assert not [code for code in queue.shop.codes if code.encode() in stored]


async def test_a_card_that_is_declined_ends_the_holding_and_charges_nothing(checkouts: Checkouts) -> None:
    async with checkouts.shop.worker(checkouts.command):
        assert await checkouts.done("hold", checkouts.shop.order("A-1")) is True
        await checkouts.done("card_declined", "A-1")
        assert await checkouts.done("hold", "A-1") is False
    asked = [each.operation_id for each in checkouts.shop.emulator.requests]
    assert (asked.count("createReservation"), asked.count("chargeReservation")) == (1, 0)


async def test_a_charge_whose_worker_and_queue_are_lost_is_found(checkouts: Checkouts) -> None:
    shop = checkouts.shop
    async with shop.worker(checkouts.command) as dying:
        assert await checkouts.done("hold", shop.order("killed")) is True
        assert await checkouts.done("hold", shop.order("open")) is True
        shop.emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=60))
        await checkouts.done("card_authorized", "killed")
        await shop.charged("killed")
        await dying.kill()
    await checkouts.server.flushall()
    async with shop.worker(checkouts.command) as heir:
        await checkouts.ask("look")
        await until(lambda: shop.paid("killed"), "the charge that was made")
        assert shop.paid("killed") == shop.charge("killed")
        assert await heir.stop() == 0
    assert len(shop.emulator.charges()) == 1
    asked = [each.operation_id for each in shop.emulator.requests]
    assert asked.count("createReservation") >= 3  # the open order was held anew


async def test_a_message_that_is_delivered_again_while_it_is_worked_on_charges_once(
    checkouts: Checkouts,
) -> None:
    shop = checkouts.shop
    async with shop.worker(checkouts.command) as worker:
        await checkouts.done("hold", shop.order("A-1"))
        shop.emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=20))
        charge = await checkouts.ask("charge", "A-1")
        await shop.charged("A-1")
        await checkouts.deliver_again()
        await worker.prints(f"[{charge}] received", times=2)
        await worker.prints(f"[{charge}] succeeded", times=2)
        assert await checkouts.answer("A-1", charge) == shop.charge("A-1") == shop.paid("A-1")
        assert await worker.stop() == 0


async def test_a_charge_that_is_refused_is_not_asked_for_again(checkouts: Checkouts) -> None:
    shop = checkouts.shop
    async with shop.worker(checkouts.command):
        assert await checkouts.done("hold", shop.order("A-1", "20.00")) is True
        await shop.spend(shop.codes[0], "10.00")
        await checkouts.done("card_authorized", "A-1")
        await until(lambda: [each for each in shop.emulator.requests if each.status == 409], "the refusal")
        await until(lambda: shop.code("A-1") is None, "the end of the payment")
        await checkouts.done("look")
        assert await checkouts.done("hold", "A-1") is False
    assert [each.status for each in shop.emulator.requests].count(409) == 1
    assert not shop.emulator.charges("A-1")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


class TestPostgreSQL:
    """The journal of workers on several machines."""

    @pytest.fixture
    def environ(self, server: Server) -> dict[str, str]:
        server.run("CREATE DATABASE journal")
        return {"VOUCHER_JOURNAL": server.url("journal")}

    async def test_of_two_machines_one_dies_and_the_other_goes_on(self, checkouts: Checkouts) -> None:
        shop = checkouts.shop
        numbers = [shop.order(f"A-{number}") for number in range(6)]
        async with shop.worker(checkouts.command) as dying, shop.worker(checkouts.command) as heir:
            shop.emulator.faults.script("chargeReservation", *[faults.SlowHeaders(seconds=60)] * 4)
            sent = [await checkouts.ask("charge", number) for number in numbers * 2]
            await until(lambda: len(shop.emulator.charges()) == 4, "four charges under way")
            await dying.kill()
            await checkouts.deliver_again()
            told = await asyncio.gather(*map(checkouts.answer, numbers * 2, sent))
            assert told == [shop.charge(number) for number in numbers * 2]
            assert await heir.stop() == 0
