"""A reconciliation holds what a day is compared by, not the years that a list goes back."""

from __future__ import annotations

import datetime as dt

from tests.watching.world import START, World
from voucher_async.clock import ServerClock
from voucher_async.reconciliation.days import day_of
from voucher_async.reconciliation.lists import Lists
from voucher_async.watching.dates import Dates


async def test_of_a_long_list_what_matters_for_the_day_is_kept() -> None:
    world = World(max_per_page=2)
    voucher = world.emulator.add_voucher(amount="50.00")
    for order in ("OLD", "A-1", "OLD", "KNOWN"):
        world.move(voucher.id, order=order)
    _, refunded, _, known = world.made
    world.clock._start += dt.timedelta(days=9)
    world._token = world._log_in()
    near = [world.move(voucher.id, "recharge"), world.move(voucher.id, "refund", order="A-1")]
    day = day_of((START + dt.timedelta(days=9)).date(), "UTC")
    dates = Dates(world.clock, ServerClock(world.clock))
    lists = Lists(world.core.vouchers, dates, None, day=day, known={known})
    await lists.read_all()
    read = lists.read[voucher.id]
    assert read.is_whole
    assert sorted(each.id for each in read.charges) == sorted([refunded, known, *near])
