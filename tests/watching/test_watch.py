"""Watching through a client: vouchers by name or all of them, cursors, failures, cancellation, closing."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import logging
import math
from typing import Any

import pytest

from tests.emulated import client, emulator, proxied, proxy, recorder
from tests.watching.world import START, World, run
from voucher_async import (
    ChargeCursor,
    ConfigurationError,
    InvalidInput,
    ManualClock,
    MissingScope,
    NewCharge,
    NotFound,
    RateLimited,
    ServerError,
    VoucherClient,
)
from voucher_async.testing import VoucherEmulator, faults, habits

__all__ = ["client", "emulator", "proxied", "proxy", "recorder"]

OF_LISTS = sorted(
    name
    for name, on in habits.KINDS.items()
    if {"filters", "pages", "clocks", "resolution", "cache"} & on.keys() and name != "no totals"  # unreadable
)
LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(skip_sleeps=True)


async def pay(client: VoucherClient, emulator: VoucherEmulator, amount: str = "10.00") -> str:
    voucher = emulator.add_voucher(amount="50.00")
    charge = await client.redeem(code=voucher.code, amount=amount, currency="EUR", order_number="A-1")
    return charge.id


async def test_what_is_new_is_given_out_once(client: VoucherClient, emulator: VoucherEmulator) -> None:
    first = await pay(client, emulator)
    watch = client.watch_charges(since=LONG_AGO)
    new = await anext(watch)
    assert (new.kind, new.charge.id, new.voucher_id) == ("charge", first, new.charge.voucher_id)
    refund = await client.charges.refund(new.charge, "4.00")
    recharge = await client.vouchers.recharge(
        id=new.voucher_id, amount="1.00", currency="EUR", order_number="B-1"
    )
    rest = [await anext(watch), await anext(watch)]
    assert [(each.kind, each.charge) for each in rest] == [("refund", refund), ("recharge", recharge)]
    assert NewCharge.from_json(new.to_json()) == new
    cursor = ChargeCursor.from_json(watch.cursor.to_json())
    assert set(cursor.seen) == {first, refund.id, recharge.id}
    assert await client.watch_charges(since=cursor, follow=False).to_list() == []


async def test_without_a_beginning_only_what_comes_later(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    await pay(client, emulator)
    watch = client.watch_charges(follow=False)
    assert watch.cursor == ChargeCursor()
    assert await watch.to_list() == []
    later = await pay(client, emulator)
    watch = client.watch_charges(since=watch.cursor, follow=False)
    assert [new.charge.id async for new in watch] == [later]


async def test_some_vouchers_alone(client: VoucherClient, emulator: VoucherEmulator) -> None:
    await pay(client, emulator)
    wanted = await pay(client, emulator)
    voucher_id = emulator.charges()[-1].voucher_id
    emulator.requests.clear()
    watch = client.watch_charges(voucher_ids=[voucher_id, voucher_id], since=LONG_AGO, follow=False)
    assert [new.charge.id async for new in watch] == [wanted]
    assert [each.operation_id for each in emulator.requests] == ["listCharges"]


async def test_the_requests_that_all_vouchers_cost(client: VoucherClient, emulator: VoucherEmulator) -> None:
    for number in range(5):
        emulator.add_voucher(amount="5.00", active=False, id=f"new-{number}")
    await pay(client, emulator)
    watch = client.watch_charges(since=LONG_AGO, sweep_every=86_400.0, per_page=2)
    await anext(watch)
    waiting = asyncio.ensure_future(anext(watch))
    while emulator.requests.count("listVouchers") < 3 * 2 + 3 * 3:  # two walks of a sweep, three rounds
        await asyncio.sleep(0)
    assert 1 < emulator.requests.count("listCharges") <= 3  # the sweep, and while its entry might be late
    waiting.cancel()
    await asyncio.wait([waiting])


@pytest.mark.parametrize("kind", OF_LISTS)
def test_every_habit_of_lists(kind: str) -> None:
    run(_each_comes_once(kind))


async def _each_comes_once(kind: str) -> None:
    world = World()
    world.emulator.habits.set(**habits.KINDS[kind])
    voucher = world.emulator.add_voucher(amount="50.00")
    given: list[str] = []
    cursor = ChargeCursor(since=LONG_AGO)
    for _ in range(4):
        world.move(voucher.id)
        world.move(voucher.id, "recharge")
        watch = world.watch(cursor, follow=False)
        given += [new.charge.id async for new in watch]
        cursor = ChargeCursor.from_json(watch.cursor.to_json())
        world.clock.advance(40.0)  # caches keep lists for 30 s
    given += [new.charge.id async for new in world.watch(cursor, follow=False)]
    assert sorted(given) == sorted(world.made)


async def test_a_failing_poll_is_told_and_repeated(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    voucher = world.emulator.add_voucher(amount="50.00")
    world.move(voucher.id)
    world.fails = 4
    watch = world.watch(LONG_AGO)
    with caplog.at_level(logging.WARNING, "voucher_async"):
        assert (await anext(watch)).charge.id == world.made[0]
    assert len(caplog.records) == 4
    assert "watching charges goes on in 8 s: HTTP 503" in caplog.text
    assert world.clock.monotonic() == 1 + 2 + 4 + 8


@pytest.mark.parametrize("retry_for", [0.0, 5.0])
async def test_what_fails_for_long_is_raised_and_then_gone_on_with(retry_for: float) -> None:
    world = World()
    world.move(world.emulator.add_voucher(amount="50.00").id)
    world.fails = 50
    watch = world.watch(LONG_AGO, retry_for=retry_for)
    with pytest.raises(ServerError):
        await anext(watch)
    assert world.clock.monotonic() <= retry_for * 2
    world.fails = 0
    assert (await anext(watch)).charge.id == world.made[0]


async def test_retry_after_is_respected(client: VoucherClient, emulator: VoucherEmulator) -> None:
    emulator.faults.script("listVouchers", *[faults.TooMany(retry_after=45)] * 20)
    with pytest.raises(RateLimited):
        await client.watch_charges(since=LONG_AGO, retry_for=100.0).to_list(limit=1)
    at = [each.at for each in emulator.requests if each.operation_id == "listVouchers"]
    gaps = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(at)]
    assert gaps.count(45.0) == 2  # between two calls; within one its deadline of 30 s allows less


async def test_a_missing_scope_is_raised_at_once(clock: ManualClock, emulator: VoucherEmulator) -> None:
    settings: Any = {**emulator.settings(), "scopes": ("read",)}
    async with VoucherClient(**settings, clock=clock) as client:
        with pytest.raises(MissingScope):
            await anext(client.watch_charges(retry_for=math.inf))


async def test_a_voucher_that_is_not_there_is_raised(client: VoucherClient) -> None:
    with pytest.raises(NotFound):
        await anext(client.watch_charges(voucher_ids=["typo"], since=LONG_AGO))


async def test_cancelled_it_loses_nothing(client: VoucherClient, emulator: VoucherEmulator) -> None:
    made = await pay(client, emulator)
    watch = client.watch_charges(since=LONG_AGO)
    for _ in range(3):
        waiting = asyncio.ensure_future(anext(watch))
        for _ in range(5):
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
    assert (await anext(watch)).charge.id == made


async def test_two_tasks_do_not_share_a_watch(client: VoucherClient) -> None:
    watch = client.watch_charges(since=LONG_AGO)
    waiting = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="by another task"):
        await anext(watch)
    waiting.cancel()
    await asyncio.wait([waiting])


async def test_closing_the_client_ends_the_loop(emulator: VoucherEmulator) -> None:
    clock = ManualClock()
    client = VoucherClient(**emulator.settings(), clock=clock)

    async def watch() -> list[NewCharge]:
        return [new async for new in client.watch_charges()]

    waiting = asyncio.ensure_future(watch())
    while emulator.requests.count("listVouchers") < 2:
        await asyncio.sleep(0.001)
    await client.aclose()
    assert await waiting == []


async def test_a_client_that_was_closed_before_does_not_say_that_nothing_is_new(
    emulator: VoucherEmulator,
) -> None:
    async with VoucherClient(**emulator.settings()) as client:
        watch = client.watch_charges(since=LONG_AGO, follow=False)
    with pytest.raises(ConfigurationError, match="closed"):
        await watch.to_list()


async def test_a_sweep_that_reads_less_than_is_there_keeps_its_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    voucher = world.emulator.add_voucher(amount="50.00")
    world.emulator.habits.set(**habits.KINDS["totals too high"])
    world.move(voucher.id)
    watch = world.watch(LONG_AGO, follow=False)
    assert len(await watch.to_list()) == 1
    assert "could not be read whole" in caplog.text
    assert watch.cursor.since == LONG_AGO
    assert list(watch.cursor.seen) == world.made


async def test_a_local_clock_that_is_ahead_misses_nothing() -> None:
    world = World()
    voucher = world.emulator.add_voucher(amount="50.00")
    watch = world.watch(START, follow=False)
    world.emulator.habits.set(clocks=habits.Clocks(date=-86_400.0))  # the server's clock, a day behind
    await watch.to_list()
    world.move(voucher.id)
    assert watch.cursor.since is not None
    assert watch.cursor.since <= START
    (new,) = await world.watch(watch.cursor, follow=False).to_list()
    assert new.charge.id == world.made[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"voucher_ids": []},
        {"voucher_ids": "V-1"},
        {"since": dt.datetime(2026, 1, 1)},  # noqa: DTZ001 - a naive one is the point
        {"since": "2026-01-01"},
        {"per_page": 0},
    ],
)
def test_what_cannot_be_watched(client: VoucherClient, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        client.watch_charges(**wrong)


@pytest.mark.parametrize(
    "text", ["{}", "[]", '{"version": 2, "seen": {}}', '{"version": 1, "seen": null}', '{"version": true}']
)
def test_what_is_no_cursor(text: str) -> None:
    with pytest.raises(InvalidInput):
        ChargeCursor.from_json(text)
