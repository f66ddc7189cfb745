"""A server that says "too many": the batch waits as a whole, slows down, and loses no voucher."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.issuing.batch import check_issued, issue, specs
from voucher_async import ManualClock, VoucherClient
from voucher_async.testing import VoucherEmulator, faults

CREATE = "createVoucher"


class UnderWay:
    """Counts the requests that are under way, and how many were at each beginning."""

    def __init__(self) -> None:
        self.now = 0
        self.seen: list[int] = []

    def on_attempt_started(self, _: object) -> None:
        self.now += 1
        self.seen.append(self.now)

    def on_attempt_ended(self, _: object) -> None:
        self.now -= 1

    async def quiet(self) -> None:
        """Wait until nothing is under way, and nothing is about to begin."""
        turns = 0
        while turns < 50:
            await asyncio.sleep(0)
            turns = 0 if self.now else turns + 1


async def test_while_the_server_asks_to_wait_no_voucher_begins() -> None:
    clock, under_way = ManualClock(), UnderWay()
    async with (
        VoucherEmulator() as emulator,
        VoucherClient(**emulator.settings(), clock=clock, hooks=[under_way]) as client,
    ):
        emulator.faults.script(CREATE, *[None] * 8, *[faults.TooMany(retry_after=10)] * 4)
        run = asyncio.create_task(issue(client, specs(60), concurrency=8))
        while not refused(emulator):
            await asyncio.sleep(0)
        await under_way.quiet()
        sent = emulator.requests.count()
        assert not run.done()
        clock.advance(9.9)
        await under_way.quiet()
        assert emulator.requests.count() == sent
        clock.advance(0.5)
        while not run.done():
            await under_way.quiet()
            clock.advance(10.5)
        check_issued(emulator, await run, 60)
        assert emulator.requests.count(CREATE) == 64


def refused(emulator: VoucherEmulator) -> list[int]:
    """The places in the request log of what was refused."""
    return [place for place, entry in enumerate(emulator.requests) if "TooMany" in (entry.fault or "")]


@pytest.mark.parametrize("retry_after", [0, 30])
async def test_a_storm_of_refusals_costs_a_few_requests_each_and_fails_no_voucher(
    client: VoucherClient, emulator: VoucherEmulator, retry_after: int
) -> None:
    storm = 60
    emulator.faults.script(CREATE, None, *[faults.TooMany(retry_after)] * storm)
    cards = await issue(client, specs(40), concurrency=20)
    failed = [card for card in cards if card.error]
    assert emulator.requests.count(CREATE) <= 40 + storm
    emulator.faults.clear()
    again = await issue(client, specs(40))
    check_issued(emulator, again, 40)
    assert len(failed) <= 20


async def test_after_a_refusal_fewer_are_under_way_and_more_again_later(emulator: VoucherEmulator) -> None:
    clock, under_way = ManualClock(skip_sleeps=True), UnderWay()
    async with VoucherClient(**emulator.settings(), clock=clock, hooks=[under_way]) as client:
        emulator.faults.script(CREATE, *[None] * 30, *[faults.TooMany(5)] * 8)
        cards = await issue(client, specs(150), concurrency=8)
    check_issued(emulator, cards, 150)
    last, seen = refused(emulator)[-1], under_way.seen
    assert max(seen[:last]) == 8
    assert max(seen[last + 10 : last + 25]) < 8
    assert max(seen[last + 25 :]) == 8


async def test_hooks_of_the_client_are_told_as_before_and_the_batch_s_own_is_gone(
    client: VoucherClient, recorder: Any, emulator: VoucherEmulator
) -> None:
    await issue(client, specs(2))
    heard = len(recorder.heard)
    assert heard
    await client.vouchers.create(amount="1.00", currency="EUR")
    assert len(recorder.heard) == heard + 2
