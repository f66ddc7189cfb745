"""Every method of a journal, asked with what is in its tables."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, Final

import attrs

from tests.growth.mix import DAYS, WHOLE, Mix
from tests.journals.records import begun
from voucher_async.journals.rows import Row
from voucher_async.journals.sql import SqlJournal
from voucher_async.payments.call import CallRecord, CallState, new_id
from voucher_async.payments.stored import from_json

__all__ = ["Asking"]

_DAY: Final = dt.timedelta(days=1)
_LEASE: Final = 15.0


@attrs.define
class Asking:
    """One who asks a journal all there is, each time for other records.

    Attributes:
        journal: the journal.
        mix: what is in it.
        told: is called with the name of each method before it is asked.
        day: the days by which the latest purge was behind; see `purge`.
    """

    journal: SqlJournal
    mix: Mix
    told: Callable[[str], None]
    day: float = 0.0
    _taken: dict[str, Iterator[Row]] = attrs.field(factory=dict[str, "Iterator[Row]"])

    async def all(self, rounds: int = 1) -> None:
        """Ask everything, some times."""
        for _ in range(rounds):
            await self.reads()
            await self.histories()
            await self.writes()
            await self.leases()
            self.day += 1
            await self.purge(self.day)

    def row(self, kind: str, *, live: bool = False) -> Row:
        """Another sampled row of orders of a kind."""
        if kind not in self._taken:
            self._taken[kind] = itertools.cycle(self.mix.samples[kind])
        return next(row for row in self._taken[kind] if not live or row["owner"] in self.mix.alive)

    async def reads(self) -> None:
        journal, paid, open_ = self.journal, self.row("paid"), self.row("open")
        scope = str(paid["scope"])
        assert await self.say("get", journal.get(scope, str(paid["id"])))
        assert await self.say("find", journal.find(scope, str(paid["key"])))
        assert await self.say("find, unknown key", journal.find(scope, "nobody's")) is None
        parent = self.row("paid by two vouchers")
        while parent["key"] is None:
            parent = self.row("paid by two vouchers")
        children = journal.children(str(parent["scope"]), str(parent["id"]))
        assert len(await self.say("children", children)) == 2
        await self.say("alike", journal.alike(_record(open_)))
        unknown = attrs.evolve(_record(open_), voucher_id=None, pending=None)
        await self.say("alike, voucher not known", journal.alike(unknown))
        assert await self.say("owner_of", journal.owner_of(scope, str(paid["charge_id"])))
        assert await self.say("left", journal.left("shop-de"))

    async def histories(self) -> None:
        paid = self.row("paid")
        scope, order, key = str(paid["scope"]), str(paid["order_number"]), str(paid["key"])
        history = self.journal.history
        await self.some("history", history(scope))
        assert await self.some("history of a small scope", history("sandbox"))
        assert await self.some("history of an order", history(scope, order_number=order))
        assert await self.some("history of a key", history(scope, key=key))
        assert await self.some("history, told", history(scope, told=True))
        assert await self.some("history, untold", history("shop-de", told=False))
        assert await self.some("history, ended", history(scope, ended=True))
        assert await self.some("history, not ended", history("shop-de", ended=False))
        await self.some("history of an order, untold", history(scope, order_number=order, told=False))

    async def writes(self) -> None:
        journal, paid, refused = self.journal, self.row("paid"), self.row("refused")
        owner = self.mix.alive[0]
        record = begun(f"new-{new_id()}", scope=str(paid["scope"]), owner=owner)
        assert (await self.say("claim", journal.claim(record))).won
        await self.say("save", journal.save(record.step(CallState.SENT, at=self.mix.now, by=owner)))
        used = begun(str(paid["key"]), scope=str(paid["scope"]), owner=owner)
        assert not (await self.say("claim of a used key", journal.claim(used))).won
        free = begun(str(refused["key"]), scope=str(refused["scope"]), owner=owner)
        await self.say("claim of a freed key", journal.claim(free))
        untold = self.row("paid, and nobody was told")
        await self.say("acknowledge", journal.acknowledge(str(untold["scope"]), str(untold["id"])))
        await self.say("erase", journal.erase(str(self.row("refunded")["order_number"])))

    async def leases(self) -> None:
        journal, owner = self.journal, self.mix.alive[0]
        assert await self.say("beat", journal.beat(owner, 86_400.0))
        assert await self.say("is_alive", journal.is_alive(owner))
        assert not await self.say("bury", journal.bury(owner))
        ticket = new_id()
        await self.say("line_up", journal.line_up("v-1", ticket, owner, _LEASE))
        await self.say("leave_line", journal.leave_line("v-1", ticket))

    async def purge(self, days: float) -> None:
        """Shrink and drop what is due so many days later."""
        shrink, drop = (dt.timedelta(days=each + days) for each in (DAYS - WHOLE, 0))
        await self.say("purge", self.journal.purge(self.mix.begins + shrink, self.mix.begins + drop))

    async def say(self, name: str, asked: Awaitable[Any]) -> Any:
        """Await what a method of some name gives."""
        self.told(name)
        return await asked

    async def some(self, name: str, records: AsyncIterator[CallRecord]) -> list[CallRecord]:
        """The records of a history's first two pages."""
        self.told(name)
        found: list[CallRecord] = []
        async for each in records:
            found.append(each)
            if len(found) == 120:
                break
        await records.aclose()  # type: ignore[attr-defined]
        return found


def _record(row: Row) -> CallRecord:
    return from_json(str(row["record"]))
