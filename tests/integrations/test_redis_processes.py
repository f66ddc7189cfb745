"""Four processes and one token: fetched once, renewed once, and fetched by another when its fetcher dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from tests.integrations.valkey_servers import Valkey, served
from tests.processes import plain_environment
from voucher_async.integrations.redis import PREFIX
from voucher_async.testing import VoucherEmulator, faults


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    with served(tmp_path / "valkey") as valkey:
        yield valkey


class Worker:
    """A process that pays."""

    def __init__(self, process: Process, code: str) -> None:
        self.process = process
        self._code = code
        self._orders = 0

    async def hears(self) -> str:
        assert self.process.stdout is not None
        return (await self.process.stdout.readline()).decode().strip()

    def tell(self, *words: str | float) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(map(str, words)).encode() + b"\n")

    async def which(self) -> str:
        self.tell("which")
        return await self.hears()

    async def shift(self, seconds: float) -> None:
        self.tell("shift", seconds)
        assert await self.hears() == "shifted"

    def begin_to_pay(self) -> None:
        self._orders += 1
        self.tell("pay", self._code, f"{self._code}-{self._orders}")

    async def pay(self) -> None:
        self.begin_to_pay()
        assert await self.hears() == "paid"


@contextlib.asynccontextmanager
async def working(emulator: VoucherEmulator, url: str, count: int) -> AsyncIterator[list[Worker]]:
    command = [sys.executable, "-m", "tests.integrations.token_worker", json.dumps(emulator.settings()), url]
    workers: list[Worker] = []
    try:
        for _ in range(count):
            process = await asyncio.create_subprocess_exec(
                *command, stdin=PIPE, stdout=PIPE, env=plain_environment()
            )
            workers.append(Worker(process, emulator.add_voucher(amount="50.00").code))
        for worker in workers:
            assert await worker.hears() == "ready"
        yield workers
    finally:
        for worker in workers:
            assert worker.process.stdin is not None
            worker.process.stdin.close()
            await worker.process.wait()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)


def all_pay(workers: list[Worker]) -> asyncio.Future[list[None]]:
    return asyncio.gather(*(worker.pay() for worker in workers))


async def renewed(emulator: VoucherEmulator, workers: list[Worker]) -> None:
    """All of them pay through a whole life of a token, and with the next one."""
    await all_pay(workers)
    assert emulator.requests.count("requestToken") == 1
    first = {await worker.which() for worker in workers}
    assert len(first) == 1
    for worker in workers:
        await worker.shift(3100)  # the token is renewed early, while all go on with it
    await all_pay(workers)
    while (tokens := {await worker.which() for worker in workers}) & first or len(tokens) > 1:
        await asyncio.sleep(0.01)
    assert emulator.requests.count("requestToken") == 2
    for worker in workers:
        await worker.shift(600)  # the first token would be over, and the second one is not
    await all_pay(workers)
    assert emulator.requests.count("requestToken") == 2


async def one_is_killed(emulator: VoucherEmulator, workers: list[Worker], valkey: Valkey) -> None:
    """One of them dies with the lease, before it has a token: one of the others asks once that ends."""
    killed, *others = workers
    emulator.revoke_tokens()
    emulator.faults.script("requestToken", faults.SlowHeaders(seconds=30))
    killed.begin_to_pay()
    await until(lambda: bool(emulator.faults.injected))
    killed.process.kill()
    await killed.process.wait()
    (lease,) = valkey.run("KEYS", f"{PREFIX}*:lease")
    asked = emulator.requests.count("requestToken")
    valkey.run("CONFIG", "RESETSTAT")
    paying = all_pay(others)
    await until(lambda: valkey.calls().get("eval", 0) >= 3 * len(others))  # a discard, and a first look
    assert emulator.requests.count("requestToken") == asked
    assert 0 < valkey.run("PTTL", lease) <= 10_000
    valkey.run("PEXPIRE", lease, 1)  # ten seconds later
    await paying
    assert emulator.requests.count("requestToken") == asked + 1


async def test_four_processes_fetch_once_and_once_for_each_renewal_and_outlive_the_fetcher(
    valkey: Valkey,
) -> None:
    async with (
        VoucherEmulator(token_lifetime=3600) as emulator,
        working(emulator, valkey.url, 4) as workers,
    ):
        await renewed(emulator, workers)
        emulator.requests.clear()
        await one_is_killed(emulator, workers, valkey)


async def test_processes_share_a_token_in_the_journals_file(tmp_path: Path) -> None:
    async with (
        VoucherEmulator(token_lifetime=3600) as emulator,
        working(emulator, f"sqlite:///{tmp_path / 'journal.db'}", 2) as workers,
    ):
        await renewed(emulator, workers)
