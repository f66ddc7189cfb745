"""Reading a list of charges: what is asked for, and what a list says that moves, or does not end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl

import pytest

from voucher_async import BadAnswer, Charge, ChargeType, ManualClock, PendingOutcome
from voucher_async.clock import Deadline
from voucher_async.models import ChargePage, PageLinks, PageMeta
from voucher_async.sansio import Answer, Request
from voucher_async.settlement.looking import known_ids, read_charges, read_currency

T = TypeVar("T")

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)


class Server:
    """Answers each page with what it is told, and keeps what it was asked."""

    def __init__(self, page: Callable[[int], list[Charge]], last: int) -> None:
        self._page = page
        self._last = last
        self.asked: list[dict[str, str]] = []

    def deadline(self, timeout: float | None = None) -> Deadline:
        return Deadline(ManualClock(), timeout or 30.0)

    async def send(self, request: Request[T], deadline: Deadline) -> Answer[T]:
        query = dict(parse_qsl(request.query))
        self.asked.append(query)
        number = int(query["page"])
        meta = PageMeta(current_page=number, per_page=100, last_page=self._last, total=1)
        page = ChargePage(data=tuple(self._page(number)), links=PageLinks(), meta=meta)
        return Answer(value=cast("T", page), date=None, sent=0.0)


def charge(id: str, **changes: Any) -> Charge:
    values = {"type": ChargeType.refund, "amount": Decimal("5.00"), **changes}
    return Charge(
        id=id, client_id="x", voucher_id="V", order_number="A-1", created_at=NOON, updated_at=NOON, **values
    )


def pending(operation: str, **changes: Any) -> PendingOutcome:
    values = {"voucher_id": "V", "amount": Decimal("5.00"), "order_number": "A-1", "since": NOON, **changes}
    return PendingOutcome(operation=operation, **values)


async def read(server: Server, pending: PendingOutcome) -> list[str]:
    return [charge.id for charge in await read_charges(server, pending, server.deadline())]


async def test_every_page_is_read() -> None:
    server = Server(lambda number: [charge(f"c-{number}")], last=3)
    assert await read(server, pending("refundCharge")) == ["c-1", "c-2", "c-3"]


async def test_a_charge_that_moves_to_the_next_page_meanwhile_is_one_charge() -> None:
    server = Server(lambda number: [charge(f"c-{number}"), charge(f"c-{number + 1}")], last=2)
    assert await read(server, pending("refundCharge")) == ["c-1", "c-2", "c-3"]


async def test_an_empty_page_is_the_last_whatever_the_list_says() -> None:
    server = Server(lambda number: [charge("c")] if number == 1 else [], last=999)
    assert await read(server, pending("refundCharge")) == ["c"]
    assert len(server.asked) == 2


async def test_a_list_that_does_not_end_has_not_been_read() -> None:
    server = Server(lambda number: [charge("c")], last=999)
    with pytest.raises(BadAnswer, match="does not end"):
        await read(server, pending("refundCharge"))


@pytest.mark.parametrize("operation", ["chargeReservation", "rechargeVoucher"])
async def test_what_has_its_order_number_for_sure_is_asked_for_by_it(operation: str) -> None:
    server = Server(lambda number: [], last=1)
    await read(server, pending(operation))
    assert server.asked == [{"page": "1", "per_page": "100", "filter[order_number]": "A-1"}]


@pytest.mark.parametrize(
    ("operation", "order_number"),
    [("refundCharge", "A-1"), ("chargeReservation", " A-1"), ("chargeReservation", "A-1 ")],
)
async def test_what_may_have_another_order_number_is_asked_for_by_time(
    operation: str, order_number: str
) -> None:
    server = Server(lambda number: [], last=1)
    await read(server, pending(operation, order_number=order_number))
    (query,) = server.asked
    assert "filter[order_number]" not in query
    # whether the bound itself is included, nobody knows
    assert dt.datetime.fromisoformat(query["filter[created_from]"]) < NOON


async def test_without_a_first_moment_everything_is_asked_for() -> None:
    server = Server(lambda number: [], last=1)
    await read(server, pending("refundCharge", since=None))
    assert server.asked == [{"page": "1", "per_page": "100"}]


async def test_known_are_the_ids_of_what_looks_like_the_effect_alone() -> None:
    charges = [charge("r"), charge("c", type=ChargeType.charge), charge("more", amount=Decimal("5.01"))]
    server = Server(lambda number: charges, last=1)
    assert await known_ids(server, pending("refundCharge"), server.deadline()) == ("r",)


async def test_a_currency_that_is_known_is_not_read() -> None:
    server = Server(lambda number: [], last=1)
    assert await read_currency(server, pending("refundCharge", currency="EUR"), server.deadline()) == "EUR"
    assert server.asked == []
