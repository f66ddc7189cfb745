"""Recovering by itself: when, how often, and until when."""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import random
import weakref
from collections.abc import Callable
from typing import Any

import attrs
import pytest

from tests.idle import idle
from tests.settlement.adversary import Lot
from tests.settlement.conftest import Shop, pay, settings
from tests.settlement.test_recovered import LOST, MADE, ask, left
from tests.settlement.town import WINDOW, Client, Town, operations
from tests.virtual import virtually
from voucher_async import ManualClock, VoucherClient
from voucher_async.clock import Clock
from voucher_async.errors import ConfigurationError, JournalFailed, Proof
from voucher_async.payments.call import CallState, Parameters
from voucher_async.payments.memory import MemoryJournal
from voucher_async.payments.recovery import Recovery
from voucher_async.payments.rounds import Rounds

EVERY = 60.0


class Lasting(MemoryJournal):
    """A journal in memory that says it outlives its process."""

    @property
    def durable(self) -> bool:
        return True


class Silent:
    """A journal of one's own that does not say whether it is durable."""

    def __init__(self, journal: MemoryJournal) -> None:
        self._journal = journal

    def __getattr__(self, name: str) -> Any:
        if name == "durable":
            raise AttributeError(name)
        return getattr(self._journal, name)


def lefts(client: Client) -> int:
    return client.journal.calls.count("left")


@operations
@pytest.mark.parametrize("lot", [LOST, MADE], ids=["lost", "made"])
@virtually
async def test_a_client_that_pays_recovers_what_another_left(operation: str, lot: Lot) -> None:
    town = await Town.build(Lasting)
    await left(town, operation, CallState.SENT, lot)
    second = town.client()
    await asyncio.sleep(10 * EVERY)
    assert second.journal.calls == []  # it has not begun
    await second.redeem("K-2", order_number="A-2")
    await asyncio.sleep(1.5 * EVERY + 3 * WINDOW)
    record = await second.record("K-1")
    assert record.state is (CallState.DONE if lot is MADE else CallState.NOT_DONE)


@pytest.mark.parametrize("journal_at", [MemoryJournal, lambda clock: Silent(MemoryJournal(clock))])
@virtually
async def test_where_the_journal_is_not_durable_nothing_is_recovered_by_itself(
    journal_at: Callable[[Clock], Any],
) -> None:
    town = await Town.build(journal_at)
    client = town.client()
    await client.redeem()
    await asyncio.sleep(10 * EVERY)
    assert lefts(client) == 0


def rounds_of(client: Client, every: float, seed: int = 1) -> Recovery:
    """The recovery of a client, as its settings would have it with these pauses."""
    recovery = client.core.recovery
    recovery._rounds.stop()
    recovery._rounds = Rounds(recovery._by_itself, every, client.town.clock, random.Random(seed))
    return recovery


@virtually
async def test_it_can_be_turned_off() -> None:
    town = await Town.build(Lasting)
    client = town.client()
    rounds_of(client, 0.0)
    await client.redeem()
    await asyncio.sleep(10 * EVERY)
    assert lefts(client) == 0


@virtually
async def test_each_round_asks_once_after_a_pause_of_its_own() -> None:
    town = await Town.build(Lasting)
    client, moments = town.client(), list[float]()
    rounds_of(client, 20.0, seed=7)

    def note(_: int, name: str) -> None:
        if name == "left":
            moments.append(town.clock.monotonic())

    client.journal.fails = note
    began = town.clock.monotonic()
    await client.redeem()
    await asyncio.sleep(210.0)
    pauses = [after - before for before, after in zip([began, *moments], moments, strict=False)]
    draws = random.Random(7)
    assert pauses == pytest.approx([20.0 * (0.5 + draws.random()) for _ in pauses], abs=0.5)
    assert 7 <= len(pauses) <= 21
    asked = client.journal.calls[client.journal.calls.index("left") :]
    assert [asked.count(name) for name in ("left", "purge")] == [len(asked) - 1, 1]


async def test_a_money_call_begins_the_round_that_is_due_by_the_clock() -> None:
    """The timer of a loop stops while the machine sleeps."""
    clock, done = ManualClock(), list[float]()

    async def work() -> None:
        done.append(clock.monotonic())

    rounds = Rounds(work, EVERY, clock, random.Random(3))
    due = EVERY * (0.5 + random.Random(3).random())
    rounds.wake()
    clock.advance(due - 1.0)
    rounds.wake()
    await asyncio.sleep(0)
    assert done == []
    clock.advance(1.0)
    rounds.wake()
    rounds.wake()
    await asyncio.sleep(0)
    assert done == [due]
    await rounds.end()
    clock.advance(EVERY * 2)
    rounds.wake()
    await asyncio.sleep(0)
    assert done == [due]


async def test_a_round_under_way_is_ended() -> None:
    clock, begun = ManualClock(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    rounds = Rounds(work, EVERY, clock)
    rounds.wake()
    clock.advance(2 * EVERY)
    rounds.wake()
    await begun.wait()
    await rounds.end()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@virtually
async def test_a_journal_that_fails_is_told_once_and_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    town = await Town.build(Lasting)
    client = town.client()
    await client.redeem()
    for _ in range(2):
        client.journal.fails = lambda _, name: "before" if name == "left" else None
        await asyncio.sleep(5 * EVERY)
        client.journal.fails = lambda *_: None
        await asyncio.sleep(2 * EVERY)
    lines = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert (
        lines
        == [
            "what dead workers left could not be recovered: the journal failed with a OSError",
        ]
        * 2
    )


@virtually
async def test_a_redeem_that_was_sent_is_left_to_its_customer_for_the_window() -> None:
    town = await Town.build(Lasting)
    await left(town, "redeem", CallState.SENT)
    client = town.client()
    rounds_of(client, 0.5)
    client.core.recovery.wake()
    (record,) = [each for each in await client.records() if each.key == "K-1"]
    age = (town.clock.now() - record.changed_at).total_seconds()
    settler = client.core.settler
    settler.settings = attrs.evolve(settler.settings, settle_window=age + 5.0)
    await asyncio.sleep(3.0)
    assert (await client.record()).state is CallState.SENT
    await asyncio.sleep(4.0)
    assert (await client.record()).state is CallState.OPEN


@virtually
async def test_what_stays_open_is_looked_for_ever_more_rarely_however_many_clients_there_are() -> None:
    town = await Town.build(Lasting)
    await left(town, "refund", CallState.OPEN)
    town.script(rest=(Lot("failed"),) * 100_000)
    clients = [town.client() for _ in range(3)]
    for each in clients:
        rounds_of(each, 10.0)
        each.core.recovery.wake()
    begun = (await clients[0].record()).begun_at
    ages = list[float]()
    version = (await clients[0].record()).version
    for _ in range(3 * 24 * 60):
        await asyncio.sleep(60.0)
        record = await clients[0].record()
        if record.version > version:
            assert record.version == version + 1
            version = record.version
            ages.append((record.changed_at - begun).total_seconds())
    ratios = [after / before for before, after in itertools.pairwise(ages) if after < 86_400]
    assert len(ages) < 16
    assert min(ratios) >= 1.8
    assert len((await clients[0].record()).transitions) == 3  # begun, sent, open
    town.script()
    recovered = await clients[0].recover()  # who asks for it does not wait
    assert len(recovered.not_done) == 1


@virtually
async def test_a_client_that_is_dropped_is_kept_by_nothing() -> None:
    town = await Town.build(Lasting)
    client = town.client()
    await client.redeem()
    await asyncio.sleep(2 * EVERY)
    dropped = weakref.ref(client.core.recovery)
    del client
    gc.collect()
    assert dropped() is None
    await asyncio.sleep(10 * EVERY)


@virtually
async def test_closing_ends_the_round_under_way_and_begins_no_other() -> None:
    town = await Town.build(Lasting)
    await left(town, "refund", CallState.SENT)
    client, before = town.client(), asyncio.all_tasks()
    rounds_of(client, 2.0)
    await ask(client, "recharge", key="K-2")
    await asyncio.sleep(5.0)
    assert len(client.core.supervisor.pending) == 1
    await client.close()
    assert asyncio.all_tasks() == before
    asked = lefts(client)
    await asyncio.sleep(10 * EVERY)
    assert lefts(client) == asked


def test_a_loop_closes_beside_a_timer_and_the_next_one_has_its_own() -> None:
    clock, done = ManualClock(), list[int]()

    async def work() -> None:
        done.append(1)

    rounds = Rounds(work, 0.02, clock, random.Random(1))

    async def pays() -> None:
        rounds.wake()
        clock.advance(1.0)
        while not done:
            await asyncio.sleep(0.001)

    for _ in range(2):
        done.clear()
        asyncio.run(pays())
    asyncio.run(rounds.end())


def test_jobs_that_each_have_a_loop_of_their_own_have_their_rounds() -> None:
    clock, done = ManualClock(), list[float]()

    async def work() -> None:
        done.append(clock.monotonic())

    rounds = Rounds(work, EVERY, clock, random.Random(1))

    async def job() -> None:
        rounds.wake()
        await asyncio.sleep(0)
        clock.advance(EVERY / 4)

    for _ in range(20):
        asyncio.run(job())
    assert 3 <= len(done) <= 10
    asyncio.run(rounds.end())


@virtually
async def test_a_record_that_takes_long_holds_up_no_round() -> None:
    town = await Town.build(Lasting)
    await left(town, "refund", CallState.SENT)
    client = town.client()
    rounds_of(client, 2.0)
    town.script(rest=(Lot("failed"),) * 1_000)  # it cannot be looked for
    client.core.recovery.wake()
    await asyncio.sleep(5.0)
    assert (await client.record()).state is CallState.OPEN
    ownership = client.core.joining.ownership
    record = ownership.new_record(Parameters(operation="redeem", target="..."), "K-2")
    await town.journal.claim(attrs.evolve(record, owner="dead"))
    await asyncio.sleep(4.0)
    assert (await client.record("K-2")).state is CallState.NOT_DONE
    assert client.core.recovery._lane is not None
    assert [left.key for left, _ in client.core.recovery._lane.works.values()] == ["K-1"]


def test_a_child_leaves_the_timer_to_its_parent() -> None:
    clock, rounds = ManualClock(), list[Rounds]()

    async def work() -> None:
        raise JournalFailed("never asked")

    async def pays() -> None:
        rounds.append(Rounds(work, EVERY, clock))
        rounds[0].wake()
        assert rounds[0]._stop_timer is not None
        rounds[0].after_fork()
        assert rounds[0]._stop_timer is None
        rounds[0].wake()
        assert rounds[0]._stop_timer is not None
        await rounds[0].end()

    asyncio.run(pays())


async def leave(client: VoucherClient, key: str) -> None:
    """Put a record into the journal whose owner is dead, and which says that nothing was sent."""
    ownership = client._joining.ownership
    record = ownership.new_record(Parameters(operation="redeem", target="..."), key)
    await ownership.journal.claim(attrs.evolve(record, owner="dead"))


async def states(client: VoucherClient) -> dict[str | None, CallState]:
    return {record.key: record.state async for record in client.history()}


async def test_a_whole_client_recovers_by_itself_and_on_request(shop: Shop) -> None:
    journal = Lasting(shop.clock)
    changed = settings(shop.emulator, recover_every=5.0)
    async with VoucherClient(settings=changed, clock=shop.clock, journal=journal) as client:
        await leave(client, "K-1")
        await shop.during(pay(client, shop.voucher(), idempotency_key="K-2"))
        assert (await states(client))["K-1"] is CallState.BEGUN
        await shop.passes(10.0)
        await shop.during(pay(client, shop.voucher(), order_number="A-2", idempotency_key="K-3"))
        await idle()
        assert (await states(client))["K-1"] is CallState.NOT_DONE
        await leave(client, "K-4")
        (record,) = (await client.recover()).not_done
        assert (record.key, record.proof) == ("K-4", Proof.NOT_SENT)
    with pytest.raises(ConfigurationError, match="was closed"):
        await client.recover()


async def test_a_client_with_a_journal_in_memory_recovers_on_request_alone(shop: Shop) -> None:
    await leave(shop.client, "K-1")
    (record,) = (await shop.client.recover(timeout=1.0)).not_done
    assert record.key == "K-1"
    assert shop.told.words == ["not done"]
