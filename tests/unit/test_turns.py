"""Turns: one holder at a time, first come, first served, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voucher_async.checkout.turns import LocalVoucherLock, in_turn, voucher_key
from voucher_async.clock import Deadline, ManualClock, SystemClock
from voucher_async.errors import CallTimeout, Fate

CODE = "GIFT-7Q2X-99"
SECRET = "s3cr3t"


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


async def test_a_timeout_of_the_lock_itself_is_not_taken_for_somebody_elses_turn() -> None:
    with pytest.raises(TimeoutError, match="lock server") as caught:
        async with in_turn(BrokenLock(), ["a", "b"], deadline()):
            pytest.fail("there was no turn")
    assert not isinstance(caught.value, CallTimeout)


def test_a_turn_whose_event_loop_died_does_not_block_the_next_loop() -> None:
    lock = LocalVoucherLock()

    async def die_holding() -> None:
        await lock.hold("a").__aenter__()
        asyncio.ensure_future(lock.hold("a").__aenter__())  # noqa: RUF006 - it is left waiting on purpose
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
    keys = {voucher_key(code, secret) for code in (CODE, "GIFT-8") for secret in (SECRET, "other")}
    assert len(keys) == 4
    assert voucher_key(CODE, SECRET) == voucher_key(CODE, SECRET)


@pytest.mark.parametrize("spelling", [CODE.lower(), f" {CODE}", f"{CODE}\n"])
def test_two_spellings_the_server_may_take_for_one_code_wait_for_each_other(spelling: str) -> None:
    assert voucher_key(spelling, SECRET) == voucher_key(CODE, SECRET)


@given(st.text(min_size=2), st.text())
def test_a_key_never_holds_the_code_and_any_text_has_one(code: str, secret: str) -> None:
    key = voucher_key(code, secret)
    assert len(key) == 32
    assert set(key) <= set("0123456789abcdef")
    assert voucher_key(code, f"{secret}x") != key


@pytest.mark.parametrize("length", [63, 64, 65, 1000])
def test_every_character_of_a_long_secret_counts(length: int) -> None:
    assert voucher_key(CODE, "x" * length) != voucher_key(CODE, "x" * (length - 1) + "y")
    assert voucher_key(CODE, "x" * length) != voucher_key(CODE, "x" * (length + 1))


def test_a_code_that_cannot_be_encoded_has_a_key_and_is_refused_elsewhere() -> None:
    assert len(voucher_key("\ud800", SECRET)) == 32
