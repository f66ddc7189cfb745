"""Parts handed in that are empty, and so false where nobody looks twice."""

from __future__ import annotations

from typing import Any

from tests.settlement.conftest import Shop, pay, settings
from voucher_async import VoucherClient
from voucher_async.checkout import LocalVoucherLock
from voucher_async.payments.memory import MemoryJournal


class EmptyJournal(MemoryJournal):
    """A journal that tells how many records it has: none."""

    def __len__(self) -> int:
        return 0


class EmptyLock(LocalVoucherLock):
    """A lock that tells how many have a turn: nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = 0

    def __len__(self) -> int:
        return 0

    def hold(self, key: str) -> Any:
        self.turns += 1
        return super().hold(key)


async def test_a_journal_that_is_empty_is_a_journal(shop: Shop) -> None:
    journal = EmptyJournal(shop.clock)
    given = settings(shop.emulator)
    async with VoucherClient(settings=given, clock=shop.clock, journal=journal) as client:
        await shop.during(pay(client, shop.voucher(), idempotency_key="K-1"))
        scope = client._joining.ownership.scope
    assert [record.key async for record in journal.history(scope)] == ["K-1"]


async def test_a_lock_that_nobody_holds_is_a_lock(shop: Shop) -> None:
    lock = EmptyLock()
    given = settings(shop.emulator)
    async with VoucherClient(settings=given, clock=shop.clock, voucher_lock=lock) as client:
        await shop.during(pay(client, shop.voucher()))
    assert lock.turns == 1
