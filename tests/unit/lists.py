"""Servers that show lists of charges, and looks at them."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl

import attrs

from tests.unit.samples import NOON, charge
from voucher_async import Charge, ChargeType, ManualClock, PendingOutcome, ValidationFailed
from voucher_async.clock import Deadline, ServerClock
from voucher_async.config import Timeout, deadline_of
from voucher_async.facts import Answer
from voucher_async.models import ChargePage, PageLinks, PageMeta
from voucher_async.payments import pauses
from voucher_async.payments.looking import Look, Looking
from voucher_async.sansio import Request

__all__ = ["Long", "Page", "Pauses", "Server", "ids", "looking", "one", "pending", "read", "refund"]

T = TypeVar("T")


def refund(id: str, **changes: Any) -> Charge:
    return charge(id, type=ChargeType.REFUND, **changes)


def pending(operation: str = "refundCharge", **changes: Any) -> PendingOutcome:
    values = {"voucher_id": "V", "amount": Decimal("5.00"), "order_number": "A-1", "since": NOON, **changes}
    return PendingOutcome(operation=operation, **values)


@attrs.define
class Page:
    """What the server says about one page."""

    entries: list[Charge]
    last: int = 1
    total: int | None = None
    is_copy: bool = False


@attrs.define
class Server:
    """Answers each page with what it is told, and keeps what it was asked."""

    page: Callable[[int], Page]
    most: int = 1000  # entries a page may have; 422 beyond
    clock: ManualClock = attrs.Factory(lambda: ManualClock(NOON))
    date: dt.datetime | None = None
    asked: list[dict[str, str]] = attrs.Factory(list[dict[str, str]])

    @property
    def numbers(self) -> list[int]:
        return [int(query["page"]) for query in self.asked]

    @property
    def sizes(self) -> list[str | None]:
        return [query.get("per_page") for query in self.asked]

    def deadline(self, timeout: float | Timeout | None = None) -> Deadline:
        return deadline_of(self.clock, timeout)

    async def send(self, request: Request[T], deadline: Deadline) -> Answer[T]:
        query = dict(parse_qsl(request.query))
        self.asked.append(query)
        if int(query.get("per_page", "0")) > self.most:
            raise ValidationFailed("HTTP 422", status=422)
        number = int(query["page"])
        page = self.page(number)
        total = len(page.entries) if page.total is None else page.total
        meta = PageMeta(current_page=number, per_page=100, last_page=page.last, total=total)
        value = ChargePage(data=tuple(page.entries), links=PageLinks(), meta=meta)
        return Answer(
            value=cast("T", value), date=self.date, sent=self.clock.monotonic(), is_copy=page.is_copy
        )


def one(*entries: Charge, **changes: Any) -> Server:
    """A server with one page."""
    return Server(lambda number: Page(list(entries), **changes))


def looking(server: Server, seed: int = 0, server_clock: ServerClock | None = None) -> Looking:
    return Looking(server, server_clock or ServerClock(server.clock), random.Random(seed))


async def read(server: Server, since: dt.datetime | None = None, **changes: Any) -> Look:
    return await looking(server, **changes).read("V", server.deadline(), since)


def ids(look: Look) -> list[str]:
    return [each.id for each in look.charges]


class Pauses(pauses.Pauses):
    """Pauses that are over at once."""

    def __init__(self) -> None:
        super().__init__(ManualClock(NOON))
        self.waited: list[float] = []

    async def wait(self, seconds: float) -> None:
        self.waited.append(seconds)


class Long:
    """A list of many pages, ten entries each, an hour apart; the one of the lowest number is the oldest."""

    def __init__(self, pages: int, *, newest_first: bool = False, size: int = 10) -> None:
        entries = [
            refund(f"c-{number}", created_at=NOON + dt.timedelta(hours=number))
            for number in range(pages * size)
        ]
        self.newest = entries[-1].created_at
        self._entries = entries[::-1] if newest_first else entries
        self._pages, self._size = pages, size
        self.server = Server(self.page)

    def page(self, number: int) -> Page:
        begin = (number - 1) * self._size
        return Page(self._entries[begin : begin + self._size], last=self._pages, total=len(self._entries))

    def changed(self, number: int, change: Callable[[list[Charge]], list[Charge]]) -> Server:
        """A server that shows other entries on one page."""

        def page(asked: int) -> Page:
            told = self.page(asked)
            return attrs.evolve(told, entries=change(told.entries)) if asked == number else told

        return Server(page)
