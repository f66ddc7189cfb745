"""The journal's database stops and starts under load, or its disk is full: nothing is sent unrecorded."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.journals.postgres import Server
from voucher_async import Charge, JournalFailed, VoucherClient, VoucherError
from voucher_async.journals.sql import SqlJournal
from voucher_async.journals.sqlite_file import Work
from voucher_async.testing import VoucherEmulator

LANES = 20


def pay(client: VoucherClient, code: str, order: str) -> Any:
    payment: dict[str, Any] = {"amount": "0.01", "currency": "EUR", "order_number": order}
    return client.redeem(code=code, idempotency_key=order, **payment)


@attrs.define
class Load:
    """Callers that pay one order after the other, and ask again for one that failed.

    Attributes:
        emulator: the server.
        journal: the client's.
        failed: what they were told when the journal failed.
        charges: what they were told in the end, by order.
    """

    emulator: VoucherEmulator
    journal: SqlJournal
    failed: list[str] = attrs.Factory(list[str])
    charges: dict[str, str] = attrs.Factory(dict[str, str])
    is_over: bool = False

    async def during(self, failing: Callable[[], Any]) -> None:
        """Pay while something happens to the journal, and a little longer."""
        async with VoucherClient(**self.emulator.settings(), journal=self.journal) as client:
            lanes = [asyncio.create_task(self._lane(client, number)) for number in range(LANES)]
            while len(self.charges) < LANES:
                await asyncio.sleep(0.01)
            await failing()
            self.is_over = True
            await asyncio.gather(*lanes)

    async def _lane(self, client: VoucherClient, lane: int) -> None:
        code, numbers = self.emulator.add_voucher(amount="100.00").code, itertools.count()
        while not self.is_over:
            order = f"A-{lane}-{next(numbers)}"
            self.charges[order] = (await self._told(client, code, order)).id

    async def _told(self, client: VoucherClient, code: str, order: str) -> Charge:
        while True:
            try:
                charge: Charge = await pay(client, code, order)
            except VoucherError as error:  # of a slow disk also that its time was up
                if isinstance(error, JournalFailed):
                    self.failed.append(str(error))
                await asyncio.sleep(0.05)
            else:
                return charge

    async def until_told(self, part: str) -> None:
        """Wait until a caller was told of a failure, in a text with this part, and a little longer."""
        before = len(self.failed)
        while not any(part in text for text in self.failed[before:]):
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)

    async def check(self) -> None:
        """Each payment was made once; and of each charge that was sent there is a record."""
        made = {order: [each.id for each in self.emulator.charges(order)] for order in self.charges}
        assert made == {order: [charge] for order, charge in self.charges.items()}
        scope = f"{self.emulator.base_url} {self.emulator.client_id}"
        records = {record.id async for record in self.journal.history(scope)}
        assert {each.request_id for each in self.emulator.requests.of("chargeReservation")} <= records
        await self.journal.aclose()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("mode", ["fast", "immediate"])
async def test_a_database_that_stops_and_starts(
    voucher_emulator: VoucherEmulator, server: Server, database: str, mode: str
) -> None:
    async def fail() -> None:
        await asyncio.to_thread(server.stop, mode)
        await load.until_told("")
        await asyncio.to_thread(server.start)

    load = Load(voucher_emulator, SqlJournal(server.url(database)))
    await load.during(fail)
    assert load.failed
    await load.check()


@pytest.mark.timeout(180)
async def test_a_disk_that_is_full_for_a_while(voucher_emulator: VoucherEmulator, tmp_path: Path) -> None:
    journal = SqlJournal(f"sqlite:///{tmp_path / 'journal.db'}")
    store: Any = journal._store

    async def limit(pages: str) -> None:
        work = Work(lambda db: db.execute(f"PRAGMA max_page_count = {pages}").fetchall())
        while True:
            try:
                await store.batches.ask(work)
            except JournalFailed:
                continue  # payments of the same batch have found the disk full
            return

    async def fail() -> None:
        await limit("1")  # no more than there are
        await load.until_told("the disk is full")
        await limit("1000000")

    load = Load(voucher_emulator, journal)
    await load.during(fail)
    assert any("the disk is full" in text for text in load.failed)
    await load.check()


async def test_nothing_is_sent_while_nothing_can_be_recorded(
    voucher_emulator: VoucherEmulator, tmp_path: Path
) -> None:
    journal = SqlJournal(f"sqlite:///{tmp_path / 'nowhere' / 'journal.db'}")
    code = voucher_emulator.add_voucher(amount="5.00").code
    async with VoucherClient(**voucher_emulator.settings(), journal=journal) as client:
        with pytest.raises(VoucherError) as caught:
            await pay(client, code, "A-1")
    assert isinstance(caught.value, JournalFailed)
    assert len(voucher_emulator.requests) == 0
    await journal.aclose()
