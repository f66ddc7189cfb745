"""Retention: what is old is shrunk, and nothing dropped, by a client whose journal is durable."""

from __future__ import annotations

import datetime as dt

import pytest

from tests.settlement.conftest import Shop, pay, settings
from voucher_async import JournalFailed, ManualClock, MemoryJournal, VoucherClient
from voucher_async.payments.ownership import Ownership
from voucher_async.payments.retention import Retention

DAY = dt.timedelta(days=1)


class Purged(MemoryJournal):
    """A journal that counts as durable, and notes what it is asked to shrink and to drop."""

    durable = True

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.purges: list[tuple[dt.datetime, dt.datetime]] = []
        self.fails = False

    async def purge(self, shrink_before: dt.datetime, drop_before: dt.datetime) -> int:
        if self.fails:
            raise OSError("the disk is full")
        self.purges.append((shrink_before, drop_before))
        return await super().purge(shrink_before, drop_before)


async def test_it_is_done_every_six_hours() -> None:
    clock = ManualClock()
    journal = Purged(clock)
    retention = Retention(Ownership(journal, "shop", clock))
    for _ in range(25):
        await retention.tidy()
        clock.advance(3600)
    assert len(journal.purges) == 5
    shrunk, dropped = journal.purges[0]
    assert clock.now() - shrunk == 30 * DAY + dt.timedelta(hours=25)
    assert dropped.year == 1970


async def test_a_journal_that_failed_is_asked_again() -> None:
    clock = ManualClock()
    journal = Purged(clock)
    retention = Retention(Ownership(journal, "shop", clock))
    journal.fails = True
    with pytest.raises(JournalFailed):
        await retention.tidy()
    journal.fails = False
    await retention.tidy()
    await retention.tidy()
    assert len(journal.purges) == 1


async def test_a_client_with_a_durable_journal_does_it_by_itself(shop: Shop) -> None:
    journal = Purged(shop.clock)
    changed = settings(shop.emulator, recover_every=30.0)
    async with VoucherClient(settings=changed, clock=shop.clock, journal=journal) as client:
        await shop.during(pay(client, shop.voucher(), order_number="B-1"))
        assert journal.purges == []
        await shop.passes(60)
        await shop.during(pay(client, shop.voucher(), order_number="B-2"))
        await shop.until(lambda: journal.purges)
