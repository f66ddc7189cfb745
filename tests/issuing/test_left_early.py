"""A loop over a batch that is left early leaves nothing behind, and the next run finds what was made."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.issuing.batch import BATCH, check_issued, issue, specs
from voucher_async import ManualClock, MemoryJournal, VoucherClient
from voucher_async.testing import VoucherEmulator

COUNT = 4


def tasks() -> set[asyncio.Task[Any]]:
    """Tasks of the SDK."""
    return {task for task in asyncio.all_tasks() if "voucher_async" in repr(task.get_coro())}


async def test_after_break_nothing_goes_on(emulator: VoucherEmulator) -> None:
    before = tasks()
    async with VoucherClient(**emulator.settings()) as client:
        async for _ in client.vouchers.issue_many(specs(500), batch=BATCH, activate=True):
            break
        gc.collect()
    made = len(emulator.vouchers())
    assert 1 <= made <= 41
    assert tasks() == before
    async with VoucherClient(**emulator.settings()) as client:
        check_issued(emulator, await issue(client, specs(50)), 50)


async def test_an_exception_of_the_loop_s_body_is_raised_as_it_is(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    batch = client.vouchers.issue_many(specs(500), batch=BATCH)
    with pytest.raises(ZeroDivisionError):
        [card.position / 0 async for card in batch]
    assert len(emulator.vouchers()) <= 41


async def test_a_description_that_never_comes_is_given_up(client: VoucherClient) -> None:
    asked, given_up = asyncio.Event(), asyncio.Event()

    async def stuck() -> AsyncIterator[dict[str, Any]]:
        yield {"amount": "1.00", "currency": "EUR"}
        try:
            asked.set()
            await asyncio.Event().wait()
        finally:
            given_up.set()

    before = tasks()
    run: Any = aiter(client.vouchers.issue_many(stuck(), batch=BATCH))
    assert (await anext(run)).error is None
    second = asyncio.ensure_future(anext(run))
    await asked.wait()
    second.cancel()
    await asyncio.wait({second})
    assert second.cancelled()
    assert given_up.is_set()
    assert tasks() <= before


class Canceller:
    """Cancels a task at one of the client's requests."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.task: asyncio.Task[Any] | None = None

    def on_attempt_started(self, _: object) -> None:
        self.at -= 1
        if self.at == 0 and self.task is not None:
            self.task.cancel()

    def on_attempt_ended(self, event: object) -> None:
        self.on_attempt_started(event)


@pytest.mark.parametrize("machine", ["the same", "another"])
async def test_cancelled_at_any_request_and_run_again(
    emulator: VoucherEmulator, clock: ManualClock, machine: str
) -> None:
    cancelled = 0
    for at in range(1, 4 * COUNT + 4):
        journal, batch = MemoryJournal(clock), f"B-{at}"
        canceller = Canceller(at)
        async with VoucherClient(
            **emulator.settings(), clock=clock, journal=journal, hooks=[canceller]
        ) as client:
            canceller.task = asyncio.create_task(issue(client, specs(COUNT), batch=batch, concurrency=2))
            await asyncio.wait({canceller.task})
            cancelled += canceller.task.cancelled()
        emulator.advance(3600)
        kept = journal if machine == "the same" else None
        async with VoucherClient(**emulator.settings(), journal=kept, clock=clock) as client:
            cards = await issue(client, specs(COUNT), batch=batch)
        made = [record for record in emulator.vouchers() if record.batch == batch]
        assert len(made) == COUNT, at
        assert [card.error for card in cards] == [None] * COUNT, at
        assert {card.voucher.code for card in cards if card.voucher} == {record.code for record in made}
        assert {record.status for record in made} == {"active"}
    assert cancelled > 4 * COUNT - 4


async def test_cancelling_is_over_at_once(client: VoucherClient, emulator: VoucherEmulator) -> None:
    before = tasks()
    taken = asyncio.Event()

    async def loop() -> None:
        async for _ in client.vouchers.issue_many(specs(500), batch=BATCH):
            taken.set()

    task = asyncio.create_task(loop())
    await taken.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await client.aclose()
    assert tasks() <= before
    check = len(emulator.vouchers())
    await asyncio.sleep(0.01)
    assert len(emulator.vouchers()) == check
