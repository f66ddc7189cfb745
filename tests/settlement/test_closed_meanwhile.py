"""What goes on while a client is being closed: locks that are slow or stuck, callers that try again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.idle import cleaning_up
from tests.recorder import Recorder
from tests.settlement.conftest import Shop, pay, settings
from tests.settlement.locks import SlowToLeave, Stuck
from voucher_async import (
    CallTimeout,
    Charge,
    CheckoutFailed,
    ConfigurationError,
    Fate,
    HeldState,
    MemoryJournal,
    RateLimited,
    VoucherClient,
    VoucherError,
    VoucherLock,
)
from voucher_async.integrations.problems import problem_of
from voucher_async.testing import VoucherEmulator, VoucherRecord, faults

CHARGE = "chargeReservation"


@contextlib.asynccontextmanager
async def client_of(shop: Shop, lock: VoucherLock) -> AsyncIterator[VoucherClient]:
    """A client with a lock of its own, on the system's clock."""
    client = VoucherClient(settings=settings(shop.emulator), hooks=[shop.told], voucher_lock=lock)
    yield client
    await client.aclose(wait=0)


async def until(moment: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not moment():
            await asyncio.sleep(0)


async def test_a_charge_whose_turn_is_being_given_back_was_made(shop: Shop) -> None:
    voucher, lock = shop.voucher(), SlowToLeave(60.0)
    async with client_of(shop, lock) as client:
        paying = asyncio.create_task(pay(client, voucher))
        await until(lambda: lock.leaving)
        assert await client.aclose(wait=0) == ()
        assert [(await paying).id] == shop.charged()
    assert shop.told.words == []


async def test_a_refusal_of_a_call_whose_turn_is_being_given_back_is_a_refusal(shop: Shop) -> None:
    voucher, lock = shop.voucher(), SlowToLeave(60.0)
    shop.script(CHARGE, faults.TooMany(1000))
    async with client_of(shop, lock) as client:
        paying = asyncio.create_task(pay(client, voucher))
        await until(lambda: lock.leaving)
        assert await client.aclose(wait=0) == ()
        with pytest.raises(RateLimited):
            await paying


async def test_a_checkout_whose_turns_are_being_given_back_says_what_it_came_to(shop: Shop) -> None:
    vouchers, lock = [shop.voucher() for _ in range(5)], SlowToLeave(0.0)
    async with (
        client_of(shop, lock) as client,
        client.checkout(order_number="A-1", currency="EUR") as checkout,
    ):
        for voucher in vouchers:
            await checkout.reserve(code=voucher.code, amount="4")
        lock.pause, lock.leaving = 60.0, 0
        shop.emulator.set_status(vouchers[-1].id, "inactive")
        charging = asyncio.create_task(checkout.charge())
        await until(lambda: lock.leaving)
        async with asyncio.timeout(6):  # below two seconds per turn
            assert await client.aclose(wait=0) == ()
        with pytest.raises(CheckoutFailed) as caught:
            await charging
    states = [outcome.state for outcome in caught.value.outcomes]
    assert states == [HeldState.REFUNDED] * 4 + [HeldState.NOT_CHARGED]
    assert lock.leaving == 5


async def test_those_who_wait_for_a_turn_do_not_keep_the_client_from_being_closed(shop: Shop) -> None:
    voucher, lock = shop.voucher(), Stuck()
    async with client_of(shop, lock) as client:
        callers = [
            asyncio.create_task(pay(client, voucher, order_number=f"A-{number}", timeout=0.4 * number))
            for number in range(1, 13)
        ]
        await until(lambda: lock.waiting == len(callers))
        await client.aclose(wait=0)
        ends = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(ends[-1], ConfigurationError)
    assert {end.fate for end in ends if isinstance(end, VoucherError)} == {Fate.NOT_SENT}
    assert shop.emulator.requests.count("createReservation") == 0


def test_a_call_of_an_event_loop_that_is_gone_does_not_keep_the_client_from_being_closed() -> None:
    lock = Stuck()
    client = VoucherClient("id", "secret", base_url="http://127.0.0.1:9/v1", voucher_lock=lock)

    async def wait_for_a_turn(*timeouts: float) -> list[asyncio.Task[Charge]]:
        payment: Any = {"code": "CODE-1", "amount": "4", "currency": "EUR", "order_number": "A-1"}
        calls = [
            asyncio.create_task(client.redeem(**payment, join=False, timeout=timeout)) for timeout in timeouts
        ]
        before = lock.waiting
        await until(lambda: lock.waiting == before + len(calls))
        return calls

    async def close() -> None:
        calls = await wait_for_a_turn(0.2, 30.0)
        assert await client.aclose(wait=0) == ()
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(end) for end in ends] == [CallTimeout, ConfigurationError]

    loop = asyncio.new_event_loop()
    (gone,) = loop.run_until_complete(wait_for_a_turn(30.0))
    loop.close()
    asyncio.run(close())
    assert not gone.done()


async def test_a_caller_that_tries_again_and_again_does_not_keep_the_client_from_being_closed(
    shop: Shop,
) -> None:
    voucher = shop.voucher()
    errors: list[VoucherError] = []
    async with aiohttp.ClientSession() as session:
        client = VoucherClient(settings=settings(shop.emulator), session=session)

        async def insist() -> None:
            while len(errors) < 100_000:
                try:
                    await pay(client, voucher)
                except VoucherError as error:
                    errors.append(error)

        insisting = asyncio.create_task(insist())
        await until(shop.charged)
        async with asyncio.timeout(5):
            await client.aclose(wait=0)
        insisting.cancel()
        await asyncio.wait({insisting})
    assert len(errors) < 100_000
    assert insisting.cancelled()


async def test_a_call_made_while_its_task_is_cancelled_is_told_that_the_client_was_closed(shop: Shop) -> None:
    voucher, lock = shop.voucher(), Stuck()
    async with client_of(shop, lock) as client:
        cleaning = await cleaning_up(lambda: pay(client, voucher))
        await until(lambda: lock.waiting)
        await client.aclose(wait=0)
        await asyncio.wait({cleaning})
    assert isinstance(cleaning.exception(), ConfigurationError)


async def test_a_checkout_of_a_client_that_was_closed_is_not_being_charged(shop: Shop) -> None:
    voucher = shop.voucher()
    client = shop.another()
    async with client.checkout(order_number="A-1", currency="EUR") as checkout:
        await checkout.reserve(code=voucher.code, amount="4")
        await client.aclose()
        with pytest.raises(ConfigurationError, match="the client was closed; nothing was sent"):
            await checkout.charge()
        with pytest.raises(ConfigurationError, match="the client is closed"):
            await checkout.reserve(code=voucher.code, amount="4")
    assert shop.charged() == []


async def test_a_client_that_is_closed_twice_at_once_is_closed_once(shop: Shop) -> None:
    client = shop.another()
    await pay(client, shop.voucher())
    assert {*await asyncio.gather(client.aclose(), client.aclose(), client.aclose(wait=0))} == {()}
    with pytest.raises(ConfigurationError, match="closed"):
        await pay(client, shop.voucher())


@hypothesis_settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    turns=st.integers(0, 60),
    own=st.booleans(),
    fault=st.sampled_from([None, faults.BreakAfter(), faults.BreakBefore(), faults.SlowHeaders(60.0)]),
    leaves=st.booleans(),
)
def test_whenever_a_client_is_closed_its_caller_and_its_closer_know_the_truth(
    turns: int, fault: faults.Fault | None, *, own: bool, leaves: bool
) -> None:
    asyncio.run(_close_at(turns, own=own, fault=fault, leaves=leaves))


async def _close_at(turns: int, *, own: bool, fault: faults.Fault | None, leaves: bool) -> None:
    told = Recorder()
    async with VoucherEmulator() as emulator, aiohttp.ClientSession() as session:
        voucher = emulator.add_voucher(amount="25.00")
        client = VoucherClient(settings=settings(emulator), session=None if own else session, hooks=[told])
        emulator.faults.script(CHARGE, fault)
        paying = asyncio.create_task(pay(client, voucher))
        for _ in range(turns):
            await asyncio.sleep(0)
        if leaves:
            paying.cancel()
        left = await client.aclose(wait=0)
        await asyncio.wait({paying})
        assert {
            each for each in asyncio.all_tasks() if "Desk" in repr(each) or "Engine" in repr(each)
        } == set()
        _judge(emulator, voucher, told, _end_of(paying), {each.operation for each in left})


def _end_of(paying: asyncio.Task[Charge]) -> Charge | BaseException:
    if paying.cancelled():
        return asyncio.CancelledError()
    return paying.exception() or paying.result()


def _judge(
    emulator: VoucherEmulator,
    voucher: VoucherRecord,
    told: Recorder,
    end: Charge | BaseException,
    left: set[str],
) -> None:
    charged = emulator.balance(voucher.id) != voucher.amount
    if isinstance(end, Charge) or "done" in told.words:
        assert charged
    elif not left:
        assert not charged
        assert isinstance(end, (VoucherError, asyncio.CancelledError))
    assert left <= {CHARGE}


async def test_a_closed_client_does_not_say_of_a_key_that_it_never_read_that_nothing_was_charged(
    shop: Shop,
) -> None:
    voucher, journal = shop.voucher(), MemoryJournal()
    payment: Any = {"code": voucher.code, "amount": "10.00", "currency": "EUR", "order_number": "A-1"}
    first, second = (VoucherClient(settings=settings(shop.emulator), journal=journal) for _ in range(2))
    async with first:
        await first.redeem(**payment, idempotency_key="A-1")
        await second.aclose()
        for key, charged in (("A-1", None), (None, False)):
            with pytest.raises(ConfigurationError) as caught:
                await second.redeem(**payment, idempotency_key=key)
            assert caught.value.fate is Fate.NOT_SENT
            assert problem_of(caught.value).charged is charged
        with pytest.raises(ConfigurationError) as refused:
            async with second.checkout(order_number="A-1", currency="EUR", idempotency_key="A-1"):
                pytest.fail("the block was entered")
        assert refused.value.proof is None
