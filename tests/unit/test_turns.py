"""Turns: one holder at a time, first come, first served, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voucher_async.checkout.turns import LocalVoucherLock, in_turn, lock_key, voucher_key
from voucher_async.clock import Deadline, ManualClock, SystemClock
from voucher_async.errors import CallTimeout, Fate, LockFailed

CODE = "GIFT-7Q2X-99"
SECRET = "s3cr3t"
URL = "https://api.example/v1"


def deadline(seconds: float = 30.0) -> Deadline:
    return Deadline(ManualClock(), seconds)


async def settle() -> None:
    for _ in range(6):
        await asyncio.sleep(0)


class Till:
    """Counts who is inside."""

    def __init__(self) -> None:
        self.lock = LocalVoucherLock()
        self.inside: set[str] = set()
        self.order: list[int] = []
        self.gate = asyncio.Event()

    async def use(self, number: int, *keys: str) -> None:
        async with in_turn(self.lock, keys, deadline()):
            assert not self.inside & set(keys), "two holders of one turn"
            self.inside |= set(keys)
            self.order.append(number)
            try:
                await self.gate.wait()
                await asyncio.sleep(0)
            finally:
                self.inside -= set(keys)

    def start(self, number: int, *keys: str) -> asyncio.Task[None]:
        return asyncio.create_task(self.use(number, *keys))

    @property
    def remembered(self) -> int:
        return len(self.lock._turns)


def key_of(code: str, base_url: str, secret: str) -> str:
    return voucher_key(code, base_url, lock_key(secret))


async def test_one_holder_at_a_time_in_the_order_of_asking() -> None:
    till = Till()
    tasks = [till.start(number, "a") for number in range(20)]
    await settle()
    assert till.order == [0]
    till.gate.set()
    await asyncio.gather(*tasks)
    assert till.order == list(range(20))
    assert till.remembered == 0


async def test_holders_of_different_vouchers_do_not_wait_for_each_other() -> None:
    till = Till()
    tasks = [till.start(0, "a"), till.start(1, "b")]
    await settle()
    assert till.order == [0, 1]
    till.gate.set()
    await asyncio.gather(*tasks)
    assert till.remembered == 0


async def test_vouchers_asked_for_in_opposite_orders_do_not_block_each_other_for_ever() -> None:
    till = Till()
    till.gate.set()
    orders = [("a", "b", "c"), ("c", "b", "a"), ("b", "a"), ("c", "a")] * 5
    async with asyncio.timeout(5):
        await asyncio.gather(*(till.use(number, *keys) for number, keys in enumerate(orders)))
    assert len(till.order) == 20
    assert till.remembered == 0


async def test_a_voucher_named_twice_is_waited_for_once() -> None:
    till = Till()
    till.gate.set()
    async with asyncio.timeout(5):
        await till.use(1, "a", "a")
    assert (till.order, till.remembered) == ([1], 0)


async def test_no_voucher_needs_no_turn() -> None:
    till = Till()
    till.gate.set()
    await till.use(1)
    assert till.order == [1]


async def test_a_holder_that_fails_gives_its_turn_back() -> None:
    lock = LocalVoucherLock()
    with pytest.raises(RuntimeError, match="till on fire"):
        async with in_turn(lock, ["a", "b"], deadline()):
            raise RuntimeError("till on fire")
    async with asyncio.timeout(1), in_turn(lock, ["a", "b"], deadline()):
        pass
    assert lock._turns == {}


actions = st.lists(
    st.tuples(st.sampled_from(["start", "cancel", "step", "open"]), st.integers(0, 7)),
    min_size=4,
    max_size=40,
)


@given(actions, st.lists(st.sets(st.sampled_from("abc"), min_size=1), min_size=8, max_size=8))
def test_no_interleaving_of_cancellations_leaks_a_turn(
    actions: list[tuple[str, int]], keys: list[set[str]]
) -> None:
    asyncio.run(play(actions, keys))


async def play(actions: list[tuple[str, int]], keys: list[set[str]]) -> None:
    till = Till()
    tasks: dict[int, asyncio.Task[None]] = {}
    for action, number in actions:
        if action == "start" and number not in tasks:
            tasks[number] = till.start(number, *keys[number])
        elif action == "cancel" and number in tasks:
            tasks[number].cancel()
        elif action == "open":
            till.gate.set()
        else:
            await asyncio.sleep(0)
    till.gate.set()
    async with asyncio.timeout(5):
        results = await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert all(result is None or isinstance(result, asyncio.CancelledError) for result in results)
    assert (till.remembered, till.inside) == (0, set())


async def test_a_cancelled_waiter_leaves_the_queue_to_the_next() -> None:
    till = Till()
    tasks = [till.start(number, "a") for number in range(3)]
    await settle()
    tasks[1].cancel()
    till.gate.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert till.order == [0, 2]
    assert (tasks[1].cancelled(), till.remembered) == (True, 0)


async def test_a_deadline_that_passes_while_waiting_is_a_timeout_with_nothing_sent() -> None:
    till = Till()
    holder = till.start(0, "b")
    await settle()
    with pytest.raises(
        CallTimeout, match=r"gave up after 0\.02 s: another call is using the voucher"
    ) as caught:
        async with in_turn(till.lock, ["a", "b"], Deadline(SystemClock(), 0.02)):
            pytest.fail("it was not our turn")
    assert caught.value.fate is Fate.NOT_SENT
    till.gate.set()
    await holder
    assert till.remembered == 0


async def test_a_deadline_that_passes_inside_the_block_is_not_this_ones_business() -> None:
    async with in_turn(LocalVoucherLock(), ["a"], Deadline(SystemClock(), 0.01)):
        await asyncio.sleep(0.03)


async def test_a_timeout_inside_the_block_is_passed_on_as_it_is() -> None:
    lock = LocalVoucherLock()
    with pytest.raises(TimeoutError) as caught:
        async with in_turn(lock, ["a"], deadline()):
            raise TimeoutError("of the caller")
    assert not isinstance(caught.value, CallTimeout)
    assert lock._turns == {}


class BrokenLock:
    """A shared lock whose server does not answer."""

    @contextlib.asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        if key == "b":
            raise TimeoutError("the lock server does not answer")
        yield


async def test_an_error_of_the_lock_itself_is_told_as_such_and_not_as_somebody_elses_turn() -> None:
    with pytest.raises(LockFailed, match="TimeoutError") as caught:
        async with in_turn(BrokenLock(), ["a", "b"], deadline()):
            pytest.fail("there was no turn")
    assert str(caught.value.__cause__) == "the lock server does not answer"
    assert caught.value.fate is Fate.NOT_SENT


class StickyLock:
    """A shared lock that takes nothing back: it raises, or it hangs."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs = hangs
        self.left: list[str] = []

    @contextlib.asynccontextmanager
    async def hold(self, key: str) -> AsyncIterator[None]:
        yield
        self.left.append(key)
        if self.hangs:
            await asyncio.Event().wait()
        raise ConnectionError("redis://:password@host is gone")


async def test_a_lock_that_cannot_be_given_back_does_not_undo_what_was_done(
    caplog: pytest.LogCaptureFixture,
) -> None:
    lock = StickyLock()
    async with in_turn(lock, ["a", "b"], deadline()):
        done = True
    assert done
    assert sorted(lock.left) == ["a", "b"]
    assert [record.getMessage() for record in caplog.records] == [
        "a voucher's turn could not be given back (ConnectionError)"
    ] * 2


async def test_a_lock_that_hangs_when_it_is_given_back_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("voucher_async.checkout.turns._PATIENCE", 0.01)
    lock = StickyLock(hangs=True)
    async with asyncio.timeout(2), in_turn(lock, ["a", "b"], deadline()):
        pass
    assert sorted(lock.left) == ["a", "b"]


async def test_a_cancellation_while_turns_are_given_back_gives_all_of_them_back() -> None:
    lock = StickyLock(hangs=True)

    async def work() -> None:
        async with in_turn(lock, ["a", "b"], deadline()):
            pass

    task = asyncio.create_task(work())
    await settle()
    assert lock.left == ["b"]
    task.cancel()
    await settle()
    assert lock.left == ["b", "a"]
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_threads_with_loops_of_their_own_take_turns_too() -> None:
    lock = LocalVoucherLock()
    inside: list[int] = []
    most: list[int] = []

    async def use(number: int) -> None:
        for _ in range(20):
            async with in_turn(lock, ["a"], Deadline(SystemClock(), 20)):
                inside.append(number)
                most.append(len(inside))
                await asyncio.sleep(0.0005)
                inside.remove(number)

    threads = [threading.Thread(target=lambda number=n: asyncio.run(use(number))) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (80, 1)
    assert lock._turns == {}


def test_a_turn_whose_event_loop_died_does_not_block_the_next_loop() -> None:
    lock = LocalVoucherLock()

    async def die_holding() -> None:
        await lock.hold("a").__aenter__()
        asyncio.ensure_future(lock.hold("a").__aenter__())  # noqa: RUF006 - left waiting on purpose
        await asyncio.sleep(0)

    async def use() -> None:
        async with asyncio.timeout(1), lock.hold("a"):
            assert len(lock._turns) == 1

    asyncio.run(die_holding())
    asyncio.run(use())
    assert lock._turns == {}


async def test_a_turn_that_was_not_taken_is_not_given_back() -> None:
    lock = LocalVoucherLock()
    await lock.hold("a").__aexit__(None, None, None)
    assert lock._turns == {}


def test_a_key_is_the_same_for_the_same_code_and_secret_only() -> None:
    keys = {
        key_of(code, url, secret)
        for code in (CODE, "GIFT-8")
        for url in (URL, "https://sandbox.example/v1")
        for secret in (SECRET, "other")
    }
    assert len(keys) == 8
    assert key_of(CODE, URL, SECRET) == key_of(CODE, URL, SECRET)


@pytest.mark.parametrize("spelling", [CODE.lower(), f" {CODE}", f"{CODE}\n"])
def test_two_spellings_the_server_may_take_for_one_code_wait_for_each_other(spelling: str) -> None:
    assert key_of(spelling, URL, SECRET) == key_of(CODE, URL, SECRET)


@given(st.text(min_size=2), st.text())
def test_a_key_never_holds_the_code_and_any_text_has_one(code: str, secret: str) -> None:
    key = key_of(code, URL, secret)
    assert len(key) == 32
    assert set(key) <= set("0123456789abcdef")
    assert key_of(code, URL, f"{secret}x") != key


@pytest.mark.parametrize("length", [63, 64, 65, 1000])
def test_every_character_of_a_long_secret_counts(length: int) -> None:
    assert key_of(CODE, URL, "x" * length) != key_of(CODE, URL, "x" * (length - 1) + "y")
    assert key_of(CODE, URL, "x" * length) != key_of(CODE, URL, "x" * (length + 1))


def test_a_code_that_cannot_be_encoded_has_a_key_and_is_refused_elsewhere() -> None:
    assert len(key_of("\ud800", URL, SECRET)) == 32
