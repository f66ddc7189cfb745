"""Reading a list of charges: what is asked for, and when what it does not show is not there."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from decimal import Decimal
from email.utils import format_datetime
from typing import Any, TypeVar, cast

import attrs
import pytest

from tests.unit.lists import Long, Page, Pauses, Server, ids, looking, one, pending, read, refund
from tests.unit.samples import NOON, charge, example, raw
from voucher_async import (
    ApiError,
    BadAnswer,
    ChargeType,
    ManualClock,
    NotFound,
    ServerError,
    ValidationFailed,
    wire,
)
from voucher_async.clock import Deadline, ServerClock
from voucher_async.config import Timeout, deadline_of
from voucher_async.facts import Answer
from voucher_async.models import VoucherDetails
from voucher_async.payments.looking import Looking, find_voucher, is_what_was_asked, known_ids, read_currency
from voucher_async.sansio import Request

T = TypeVar("T")

VOUCHER = wire.decode(VoucherDetails, raw(example("VoucherDetails")))


# requests


async def test_no_filter_is_asked_for() -> None:
    server = one(charge("c"))
    await read(server, NOON)
    (query,) = server.asked
    assert set(query) == {"page", "per_page"}


async def test_no_two_of_900_looks_in_a_row_have_the_same_url() -> None:
    server = one()
    looks = looking(server)
    deadline = server.deadline()
    server.page = lambda number: Page([])
    for _ in range(900):
        await looks.read("V", deadline)
    seen = {str(query) for query in server.asked}
    assert len(seen) == len(server.asked) == 900


async def test_another_client_begins_elsewhere() -> None:
    server = one()
    for seed in range(20):
        await read(server, seed=seed)
    assert len(set(server.sizes)) > 15


async def test_a_client_without_a_seed_begins_anywhere() -> None:
    server = one()
    for _ in range(20):
        await Looking(server, ServerClock(server.clock)).read("V", server.deadline())
    assert len(set(server.sizes)) > 15


@pytest.mark.parametrize(
    ("most", "low", "high"), [(1000, 101, 1000), (100, 51, 100), (99, 11, 99), (25, 11, 25)]
)
async def test_a_server_that_refuses_a_size_is_asked_for_a_smaller_one_and_remembered(
    most: int, low: int, high: int
) -> None:
    server = one(charge("c"))
    server.most = most
    looks = looking(server)
    for _ in range(30):
        assert ids(await looks.read("V", server.deadline())) == ["c"]
    taken = [int(size or 0) for size in server.sizes if int(size or 0) <= most]
    assert len(taken) == 30
    assert low <= min(taken) <= max(taken) <= high
    assert len(server.asked) <= 32  # a refused page size is not tried again


async def test_a_server_that_takes_no_size_is_asked_without() -> None:
    server = one(charge("c"))
    server.most = 0
    assert ids(await read(server)) == ["c"]
    assert server.sizes[-1] is None
    assert len(server.asked) == 4


@attrs.frozen
class Refusing:
    """A sender that answers nothing well."""

    deadline: Callable[..., Deadline]
    send: Any


@pytest.mark.parametrize(
    "error", [ValidationFailed("HTTP 422", status=422), ServerError("HTTP 500", status=500)]
)
async def test_a_server_that_refuses_even_that_and_another_error_are_believed(error: ApiError) -> None:
    async def refuse(request: Request[T], deadline: Deadline) -> Answer[T]:
        raise error

    server = one()
    looks = Looking(Refusing(server.deadline, refuse), ServerClock(server.clock), random.Random(0))
    with pytest.raises(type(error)):
        await looks.read("V", server.deadline())


# completeness


async def test_a_list_is_whole_when_it_has_as_many_entries_as_it_says() -> None:
    for total, whole in ((2, True), (1, False), (3, False)):
        look = await read(one(charge("a"), charge("b"), total=total))
        assert (look.whole, look.all, ids(look)) == (whole, whole, ["a", "b"])
    empty = await read(one())
    assert (empty.whole, empty.all, empty.charges) == (True, True, ())


async def test_an_entry_that_comes_twice_is_one_entry_and_hides_another() -> None:
    look = await read(one(charge("a"), charge("a"), total=2))
    assert (look.whole, look.all, ids(look)) == (False, False, ["a"])


async def test_a_list_that_moves_while_it_is_paged_is_not_whole() -> None:
    pages = {1: [charge("a"), charge("b")], 2: [charge("b"), charge("c")]}
    look = await read(Server(lambda number: Page(pages[number], last=2, total=4)))
    assert (look.whole, ids(look)) == (False, ["a", "b", "c"])


async def test_every_page_is_read() -> None:
    long = Long(4)
    look = await read(long.server)
    assert (long.server.numbers, len(look.charges)) == ([1, 2, 3, 4], 40)
    assert (look.whole, look.all) == (True, True)


async def test_pages_that_are_added_meanwhile_are_read_and_the_list_is_not_whole() -> None:
    def page(number: int) -> Page:
        count = min(number + 1, 3)
        return Page([charge(f"c-{number}")], last=count, total=count)

    server = Server(page)
    look = await read(server)
    assert (server.numbers, len(look.charges)) == ([1, 2, 3], 3)
    assert (look.whole, look.all) == (False, False)


@pytest.mark.parametrize("older", [1, 2])
async def test_pages_of_two_moments_are_no_whole_list(older: int) -> None:
    shown = {  # the newest first, as of now and as of a moment ago
        1: (["e", "d"], ["c", "b"]),
        2: (["c", "b"], ["a"]),
        3: (["a"], []),
    }

    def page(number: int) -> Page:
        is_older = number == older
        last, total = (2, 3) if is_older else (3, 5)
        return Page([charge(each) for each in shown[number][is_older]], last=last, total=total)

    look = await read(Server(page))
    assert (look.whole, look.all) == (False, False)


async def test_an_empty_page_is_the_last_whatever_the_list_says() -> None:
    server = Server(lambda number: Page([charge("c")] if number == 1 else [], last=150, total=1))
    look = await read(server)
    assert (server.numbers, ids(look)) == ([1, 2], ["c"])
    assert not look.all


@pytest.mark.parametrize("since", [None, NOON])
async def test_a_list_that_does_not_end_has_not_been_read(since: dt.datetime | None) -> None:
    server = Server(lambda number: Page([charge(f"c-{number}")], last=9999, total=9999))
    with pytest.raises(BadAnswer, match="does not end") as caught:
        await read(server, since)
    assert caught.value.problem == "a list that does not end"
    assert len(server.asked) == 200


async def test_a_last_page_of_none_is_one_page() -> None:
    look = await read(one(last=0))
    assert (look.whole, look.all) == (True, True)


# copies


@pytest.mark.parametrize("copied", [1, 2])
async def test_one_copied_page_makes_a_list_a_copy(copied: int) -> None:
    server = Server(lambda number: Page([charge(f"c-{number}")], last=2, total=2, is_copy=number == copied))
    look = await read(server)
    assert (look.whole, ids(look)) == (False, ["c-1", "c-2"])


# other reads


@pytest.mark.parametrize(
    ("operation", "expected"),
    [("refundCharge", ("refund", "more", "new")), ("rechargeVoucher", ("recharge", "new"))],
)
async def test_known_are_the_ids_of_what_may_be_taken_for_the_effect(
    operation: str, expected: tuple[str, ...]
) -> None:
    entries = [
        refund("refund"),
        charge("charge", type=ChargeType.CHARGE),
        charge("recharge", type=ChargeType.RECHARGE),
        refund("more", amount=Decimal("5.01")),  # servers may show amounts in other forms
        charge("new", type=ChargeType("transfer")),
    ]
    server = one(*entries)
    found = await known_ids(looking(server), pending(operation), server.deadline(), Pauses())
    assert found == (expected, True)


@pytest.mark.parametrize("changes", [{"total": 9}, {"is_copy": True}])
async def test_known_ids_count_only_when_they_were_read_fresh_and_whole(changes: dict[str, Any]) -> None:
    server = one(refund("refund"), **changes)
    assert await known_ids(looking(server), pending(), server.deadline(), Pauses()) == (("refund",), False)


async def test_known_ids_are_read_from_the_whole_list() -> None:
    long = Long(9)
    known, is_whole = await known_ids(looking(long.server), pending(), long.server.deadline(), Pauses())
    assert (len(known), is_whole) == (90, True)


@attrs.define
class OneVoucher:
    """Has one voucher, or none."""

    voucher: VoucherDetails | None
    paths: list[str] = attrs.Factory(list[str])

    def deadline(self, timeout: float | Timeout | None = None) -> Deadline:
        return deadline_of(ManualClock(), timeout)

    async def send(self, request: Request[T], deadline: Deadline) -> Answer[T]:
        self.paths.append(request.path)
        if self.voucher is None:
            missing = NotFound("HTTP 404", status=404)
            missing.has_envelope = True
            raise missing
        return Answer(value=cast("T", self.voucher), date=None, sent=0.0)


async def test_a_voucher_is_found_or_not() -> None:
    server = OneVoucher(VOUCHER)
    found = await find_voucher(server, pending(), server.deadline())
    assert found is not None
    assert found.value == VOUCHER
    assert server.paths == ["/vouchers/V"]
    assert await find_voucher(OneVoucher(None), pending(), server.deadline()) is None


def missing(server_time: float, sent: float, *, is_copy: bool = False) -> NotFound:
    error = NotFound("HTTP 404", status=404)
    date = NOON + dt.timedelta(seconds=server_time)
    error.answer = Answer(value=None, date=date, sent=sent, received=sent, is_copy=is_copy)
    return error


def test_absence_counts_by_the_date_of_the_server_and_not_out_of_a_copy() -> None:
    clock = ManualClock(NOON)
    server_clock = ServerClock(clock)
    looking = Looking(OneVoucher(None), server_clock)
    server_clock.observe(format_datetime(NOON, usegmt=True), 0.0, original=True)
    clock.advance(10.0)
    assert not looking.is_absent_now("/vouchers/V", missing(0, 10.0))
    assert not looking.is_absent_now("/vouchers/V", missing(10, 10.0, is_copy=True))
    assert looking.is_absent_now("/vouchers/V", missing(10, 10.0))
    assert looking.is_absent_now("/vouchers/V", NotFound("HTTP 404", status=404))


def test_absence_counts_by_two_dates_where_nothing_tells_that_of_the_server() -> None:
    looking = Looking(OneVoucher(None), ServerClock(ManualClock(NOON)))
    assert not looking.is_absent_now("/vouchers/V", missing(0, 0.0))
    assert not looking.is_absent_now("/vouchers/V/complete", missing(2, 2.0))
    assert looking.is_absent_now("/vouchers/V", missing(4, 4.0))
    assert not looking.is_absent_now("/vouchers/V", missing(4, 8.0))  # a copy's date stands still


async def test_a_currency_is_read_when_it_is_not_known() -> None:
    server = OneVoucher(VOUCHER)
    assert await read_currency(server, pending(currency="CHF"), server.deadline()) == "CHF"
    assert server.paths == []
    assert await read_currency(server, pending(), server.deadline()) == VOUCHER.currency
    assert await read_currency(OneVoucher(None), pending(), server.deadline()) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"amount": Decimal("0.01")}, False),
        ({"currency": "CHF"}, False),
        ({"currency": VOUCHER.currency.lower()}, True),
        ({"order_number": "clearly another"}, False),
        ({"order_number": None}, True),
    ],
)
def test_a_voucher_is_what_was_asked_for_in_amount_currency_and_order(
    changes: dict[str, Any], *, expected: bool
) -> None:
    voucher = attrs.evolve(VOUCHER, order_number="A-1")
    asked = pending("createVoucher", amount=VOUCHER.amount, currency=VOUCHER.currency)
    assert is_what_was_asked(attrs.evolve(voucher, **changes), asked) is expected
