"""The journal in memory."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import attrs
import pytest

from tests.journals.contract import JournalContract
from tests.journals.lined import LinedJournal
from tests.journals.lines import LineContract
from tests.journals.records import NOW, SCOPE, begun, done, not_done, opened, sent
from tests.transport.test_forks import in_child
from voucher_async import ManualClock, MemoryJournal
from voucher_async.payments.call import CallRecord
from voucher_async.payments.journal import Journal

DAY = 86_400.0


class TestMemory(JournalContract):
    @pytest.fixture
    def journal(self, clock: ManualClock) -> Journal:
        return MemoryJournal(clock)


def now(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of what does not wait for anything."""
    with pytest.raises(StopIteration) as ended:
        work.send(None)
    return ended.value.value


async def kept(journal: MemoryJournal) -> list[str | None]:
    return [record.key async for record in journal.history(SCOPE)]


async def test_no_call_gives_way_to_others() -> None:
    journal, record = MemoryJournal(), begun("k")
    assert now(journal.claim(record)).won
    assert now(journal.save(sent(record)))
    assert now(journal.find(SCOPE, "k")) == now(journal.get(SCOPE, record.id)) == sent(record)
    assert now(journal.alike(sent(begun()))) == [sent(record)]
    assert now(journal.beat("owner-1", 15.0)) is now(journal.is_alive("owner-1")) is True
    now(journal.aclose())


async def test_each_journal_has_a_digest_key_of_its_own() -> None:
    assert await MemoryJournal().digest_key() != await MemoryJournal().digest_key()


async def test_the_oldest_ended_calls_are_forgotten_and_others_never() -> None:
    journal = MemoryJournal(keep=3)
    records = [begun(f"k-{number}") for number in range(8)]
    for record in records:
        await journal.claim(record)
    assert await journal.save(opened(sent(records[0]))) is False
    for number in (6, 2, 3, 5, 1):
        assert await journal.save(done(records[number], f"c-{number}"))
    assert await kept(journal) == ["k-0", "k-1", "k-3", "k-4", "k-5", "k-7"]
    assert await journal.find(SCOPE, "k-2") is await journal.get(SCOPE, records[6].id) is None
    assert await journal.owner_of(SCOPE, "c-6") is None
    assert (await journal.claim(begun("k-6"))).won
    await journal.claim(done(begun("ended at once")))
    assert "k-3" not in await kept(journal)
    assert len(await journal.left(SCOPE)) == 4


async def test_a_call_that_changes_after_its_end_does_not_become_younger() -> None:
    journal = MemoryJournal(keep=2)
    records = [begun(f"k-{number}") for number in range(3)]
    for record in records:
        await journal.claim(record)
    await journal.save(done(records[0], told=False))
    await journal.save(done(records[1]))
    assert await journal.acknowledge(SCOPE, records[0].id)
    await journal.save(done(records[2]))
    assert await kept(journal) == ["k-1", "k-2"]


async def test_a_part_of_a_call_that_has_not_ended_is_not_forgotten() -> None:
    journal = MemoryJournal(keep=2)
    whole = begun("whole")
    part, *others = (done(begun(f"k-{n}")) for n in range(4))
    part = attrs.evolve(part, parent=whole.id)
    for record in (whole, part, *others):
        assert (await journal.claim(attrs.evolve(record, version=1))).won
    assert {each.id async for each in journal.history(SCOPE)} == {whole.id, part.id, others[-1].id}
    assert await journal.save(done(whole))
    assert part.id not in {each.id async for each in journal.history(SCOPE)}


async def test_a_forgotten_key_of_today_is_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    journal = MemoryJournal(ManualClock(), keep=1)
    with caplog.at_level(logging.DEBUG, logger="voucher_async"):
        for number in range(3):
            await journal.claim(done(begun(order_number=f"A-{number}")))
        assert caplog.messages == []  # no caller could ask again with these keys
        for number in range(4):
            record = begun(f"k-{number}")
            await journal.claim(record)
            await journal.save(not_done(record))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "full (1 ended calls)" in caplog.messages[0]
    assert "k-" not in caplog.messages[0]


async def test_a_key_of_yesterday_is_forgotten_silently(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    journal = MemoryJournal(clock, keep=1)
    for number in range(3):
        await journal.claim(done(begun(f"k-{number}")))
        clock.advance(DAY)
    assert caplog.messages == []
    assert await kept(journal) == ["k-2"]


async def test_a_key_is_as_old_as_its_end(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    journal, record = MemoryJournal(clock, keep=1), begun("k")
    await claim_all(journal, record)
    await journal.save(done(record, told=False))
    clock.advance(DAY)
    await journal.acknowledge(SCOPE, record.id)
    await claim_all(journal, done(begun()))
    assert await journal.get(SCOPE, record.id) is None
    assert caplog.messages == []


async def test_a_broken_log_loses_no_record(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            raise RuntimeError("disk full")

    handler = Broken()
    logging.getLogger("voucher_async").addHandler(handler)
    try:
        journal = MemoryJournal(keep=0)
        assert (await journal.claim(done(begun("k")))).won
    finally:
        logging.getLogger("voucher_async").removeHandler(handler)


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def in_threads(work: Callable[[int], Coroutine[Any, Any, object]], count: int = 4) -> list[Any]:
    """Run it on an event loop in each of some threads at once."""
    results: list[Any] = [None] * count
    ready = threading.Barrier(count)

    def run(number: int) -> None:
        ready.wait(10)
        results[number] = asyncio.run(work(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_clients_on_several_loops_share_a_journal(hasty: None) -> None:
    journal = MemoryJournal(keep=50)
    asyncio.run(claim_all(journal, begun("counted")))

    async def work(number: int) -> tuple[list[str | None], int]:
        won: list[str | None] = []
        for each in range(300):
            record = begun(f"k-{each}", owner=f"owner-{number}")
            claim = await journal.claim(record)
            if claim.won:
                won.append(record.key)
                assert await journal.save(sent(record))
                assert record.id not in {other.id for other in await journal.alike(sent(record))}
            counted = await journal.find(SCOPE, "counted")
            assert counted is not None
            await journal.save(counted.step(counted.state, at=NOW, by=record.owner))
        return won, 0

    results = in_threads(work)
    won = Counter(key for keys, _ in results for key in keys)
    assert won == Counter(f"k-{each}" for each in range(300))
    assert journal._indexes.live.keys() == journal._records.keys()


def test_a_charge_is_given_to_one_of_several_threads(hasty: None) -> None:
    journal = MemoryJournal(keep=1000)

    async def work(number: int) -> list[int]:
        taken: list[int] = []
        for each in range(200):
            record = begun()
            await journal.claim(record)
            if await journal.save(done(record, f"c-{each}")):
                taken.append(each)
        return taken

    assert Counter(each for taken in in_threads(work) for each in taken) == Counter(range(200))


async def claim_all(journal: MemoryJournal, *records: CallRecord) -> None:
    for record in records:
        assert (await journal.claim(record)).won


async def test_a_child_keeps_what_has_ended_and_leaves_the_rest_to_the_parent() -> None:
    clock = ManualClock()
    journal = MemoryJournal(clock)
    ended, live = begun("ended"), begun("live", owner="parent")
    await claim_all(journal, ended, live)
    await journal.save(done(ended, "c-1"))
    await journal.beat("parent", 15.0)
    await journal.beat("late", 1.0)
    clock.advance(2)
    journal._lock.acquire()  # held by another thread, as it were

    async def child() -> list[object]:
        clock.advance(DAY)  # nothing renews the parent's lease here
        replayed = await journal.claim(begun("ended"))
        met = await journal.claim(begun("live"))
        return [
            (replayed.won, replayed.record.id == ended.id),
            (met.won, met.record.owner, await journal.is_alive("parent"), await journal.bury("parent")),
            len(await journal.left(SCOPE)),
            (await journal.is_alive("late"), await journal.bury("late")),
            (await journal.claim(begun("new"))).won,
            await journal.owner_of(SCOPE, "c-1") == ended.id,
        ]

    told = in_child(lambda: asyncio.run(child()))
    journal._lock.release()
    answers = await asyncio.to_thread(told)
    assert answers == [[False, True], [False, "parent", True, False], 0, [False, True], True, True]
    assert (await journal.claim(begun("new"))).won  # won: the child's journal is a copy
    assert await journal.save(sent(live))


async def test_what_a_parent_has_left_that_is_gone_can_be_taken_over() -> None:
    journal, record = MemoryJournal(ManualClock()), begun("k", owner="parent")
    await claim_all(journal, record)
    await journal.beat("parent", 15.0)
    gone = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    await gone.wait()
    journal._leases._process = gone.pid
    journal.after_fork()
    assert not await journal.is_alive("parent")
    assert await journal.left(SCOPE) == [record]
    assert await journal.bury("parent")
    assert not await journal.beat("parent", 15.0)


async def test_an_owner_that_goes_on_in_the_child_has_a_lease_there() -> None:
    clock = ManualClock()
    journal = MemoryJournal(clock)
    await journal.beat("owner-1", 15.0)
    journal.after_fork()
    assert journal._leases._process == os.getpid()
    clock.advance(20)
    assert await journal.is_alive("owner-1")
    assert await journal.beat("owner-1", 15.0)
    clock.advance(20)
    assert not await journal.is_alive("owner-1")


async def test_a_fork_in_the_middle_of_a_write_leaves_a_whole_journal() -> None:
    journal = MemoryJournal(keep=2)
    records = [begun(f"k-{number}") for number in range(3)]
    await claim_all(journal, *records)
    await journal.save(sent(records[0]))
    torn = done(records[1], "c-1")
    journal._records[torn.id] = torn  # stored, but not indexed yet
    journal._indexes.live.clear()
    journal.after_fork()
    assert await journal.owner_of(SCOPE, "c-1") == torn.id
    assert await journal.left(SCOPE) == [sent(records[0]), records[2]]
    assert await journal.alike(sent(begun())) == [sent(records[0])]
    assert not (await journal.claim(begun("k-2"))).won
    for number in (0, 2):
        record = await journal.get(SCOPE, records[number].id)
        assert record is not None
        assert await journal.save(done(record))
    assert await kept(journal) == ["k-0", "k-2"]


def test_a_new_interpreter_needs_no_client_for_a_journal() -> None:
    program = "import asyncio, voucher_async as v; print(len(asyncio.run(v.MemoryJournal().digest_key())))"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout == "32\n"


class TestLines(LineContract):
    """The journal that stands in for a database in tests of turns."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def journal(self, clock: ManualClock) -> LinedJournal:
        return LinedJournal(clock)
