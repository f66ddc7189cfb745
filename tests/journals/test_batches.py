"""Batches gather what many ask, answer each of them, and survive whoever leaves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from tests.transport.test_forks import in_child
from voucher_async import JournalFailed
from voucher_async.journals.batches import LIMIT, Batches

FATAL = -1000


class Worker:
    """A worker that begins a batch when it may, and doubles numbers."""

    def __init__(self) -> None:
        self.done: list[list[int]] = []
        self.may = threading.Event()
        self.may.set()
        self.began = threading.Event()
        self.closed = 0
        self.batches: Batches[int, int] = Batches(self.work, self.close, name="batches-of-a-test")

    def work(self, items: Sequence[int]) -> Sequence[int | Exception]:
        self.began.set()
        assert self.may.wait(10)
        self.done.append(list(items))
        if FATAL in items:
            raise OSError("the disk is gone")
        return [ValueError(each) if each < 0 else 2 * each for each in items]

    def close(self) -> None:
        self.closed += 1

    async def hold(self) -> asyncio.Task[int]:
        """Stop the worker in the middle of a batch of one."""
        self.may.clear()
        self.began.clear()
        task = asyncio.create_task(self.batches.ask(0))
        assert await asyncio.to_thread(self.began.wait, 10)
        return task


async def turns() -> None:
    """Let what was asked be handed over."""
    for _ in range(10):
        await asyncio.sleep(0)


def threads() -> int:
    return sum(each.name == "batches-of-a-test" for each in threading.enumerate())


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker()
    yield worker
    worker.may.set()
    await worker.batches.aclose()
    assert threads() == 0


async def gathered(worker: Worker, *items: int) -> asyncio.Future[list[int | BaseException]]:
    """Ask for items while the worker is busy."""
    asked = asyncio.gather(*map(worker.batches.ask, items), return_exceptions=True)
    await turns()
    return asked


async def test_what_is_asked_while_a_batch_runs_is_the_next(worker: Worker) -> None:
    first = await worker.hold()
    others = await gathered(worker, *range(1, LIMIT + 45))
    worker.may.set()
    assert await others == [2 * each for each in range(1, LIMIT + 45)]
    assert await first == 0
    assert [len(each) for each in worker.done] == [1, LIMIT, 44]
    assert [item for batch in worker.done for item in batch] == list(range(LIMIT + 45))


async def test_what_comes_turn_by_turn_is_one_batch(worker: Worker) -> None:
    async def ask(number: int) -> int:
        for _ in range(number):
            await asyncio.sleep(0)
        return await worker.batches.ask(number)

    await asyncio.gather(*(ask(number // 2) for number in range(6)))
    assert worker.done == [[0, 0, 1, 1, 2, 2]]


async def test_an_item_that_fails_fails_alone(worker: Worker) -> None:
    await worker.hold()
    others = await gathered(worker, 1, -1, 2)
    worker.may.set()
    one, failed, two = await others
    assert (one, two) == (2, 4)
    assert isinstance(failed, ValueError)


async def test_a_batch_that_fails_fails_for_each_with_an_error_of_its_own(worker: Worker) -> None:
    await worker.hold()
    others = await gathered(worker, 1, FATAL)
    worker.may.set()
    errors = await others
    assert all(isinstance(each, JournalFailed) and "OSError" in str(each) for each in errors)
    assert errors[0] is not errors[1]
    assert await worker.batches.ask(1) == 2


async def test_a_caller_that_leaves_takes_its_item_along_and_no_other(worker: Worker) -> None:
    first = await worker.hold()
    tasks = [asyncio.create_task(worker.batches.ask(each)) for each in (1, 2)]
    await turns()
    for task in (first, tasks[0]):
        task.cancel()
    worker.may.set()
    assert await tasks[1] == 4
    assert worker.done == [[0], [2]]
    assert first.cancelled()


def test_several_loops_share_batches() -> None:
    worker = Worker()
    found: list[list[int]] = [[] for _ in range(4)]

    async def work(number: int) -> None:
        for each in range(50):
            found[number] += await asyncio.gather(*(worker.batches.ask(1000 * number + each) for _ in "ab"))

    loops = [threading.Thread(target=lambda n=n: asyncio.run(work(n))) for n in range(4)]
    for each in loops:
        each.start()
    for each in loops:
        each.join(30)
    assert found == [[2 * (1000 * n + each) for each in range(50) for _ in "ab"] for n in range(4)]
    asyncio.run(worker.batches.aclose())


def test_a_loop_that_is_gone_holds_nobody_up() -> None:
    worker = Worker()
    asyncio.run(worker.hold())  # cancels what it has asked, and closes its loop
    worker.may.set()

    async def again() -> int:
        answer = await worker.batches.ask(4)
        await worker.batches.aclose()
        return answer

    assert asyncio.run(again()) == 8


async def test_what_was_asked_is_done_before_closing_and_nothing_after(worker: Worker) -> None:
    await worker.hold()
    others = await gathered(worker, 1, 2)
    closing = [asyncio.create_task(worker.batches.aclose()) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(JournalFailed, match="closed"):
        await worker.batches.ask(3)
    worker.may.set()
    assert await others == [2, 4]
    await asyncio.gather(*closing)
    await worker.batches.aclose()
    assert (worker.closed, threads()) == (1, 0)


async def test_closing_goes_on_when_who_closes_leaves(worker: Worker) -> None:
    await worker.hold()
    closing = asyncio.create_task(worker.batches.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    worker.may.set()
    await worker.batches.aclose()
    assert worker.closed == 1


async def test_batches_that_nobody_has_asked_can_be_closed() -> None:
    worker = Worker()
    await worker.batches.aclose()
    assert worker.closed == threads() == 0


@pytest.mark.parametrize("was_closed", [True, False])
async def test_a_child_begins_with_a_thread_of_its_own(worker: Worker, *, was_closed: bool) -> None:
    first = await worker.hold()
    worker.batches._lock.acquire()  # by another thread, as it were
    worker.batches._closed = was_closed

    async def child() -> object:
        worker.may.set()
        try:
            return await worker.batches.ask(21), worker.done
        except JournalFailed as error:
            return str(error)

    told: Callable[[], object] = in_child(lambda: asyncio.run(child()))
    worker.batches._lock.release()
    expected = "the journal was closed" if was_closed else [42, [[21]]]
    assert await asyncio.to_thread(told) == expected
    worker.batches._closed = False
    worker.may.set()
    assert await first == 0
