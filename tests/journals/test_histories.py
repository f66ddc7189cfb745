"""The client's history by whether calls have ended, with a journal that cannot tell, too."""

from __future__ import annotations

from collections.abc import AsyncIterator

import attrs
import pytest

from tests.journals.records import begun, done
from voucher_async import VoucherClient
from voucher_async.payments.call import CallRecord
from voucher_async.payments.memory import MemoryJournal


class Earlier(MemoryJournal):
    """A journal that was written before `ended` was there."""

    async def history(  # type: ignore[override]
        self, scope: str, *, order_number: str | None = None, key: str | None = None, told: bool | None = None
    ) -> AsyncIterator[CallRecord]:
        async for record in super().history(scope, order_number=order_number, key=key, told=told):
            yield record


@pytest.mark.parametrize("journal", [MemoryJournal(), Earlier()], ids=["of today", "of earlier"])
async def test_a_client_lists_what_has_not_ended(journal: MemoryJournal) -> None:
    scope = "a shop"
    async with VoucherClient(
        "id", "secret", environment="sandbox", journal=journal, journal_scope=scope
    ) as c:
        left, ended = begun("left", scope=scope), done(begun("ended", scope=scope))
        for record in (left, attrs.evolve(ended, version=1), begun(scope="another shop")):
            assert (await journal.claim(record)).won
        assert [each.id async for each in c.history(ended=False)] == [left.id]
        assert [each.id async for each in c.history(ended=True)] == [ended.id]
        assert [each.id async for each in c.history(ended=False, key="ended")] == []
        assert len(await c.history().to_list()) == 2
