"""Reading a list of charges: what is asked for, and when what it does not show is not there."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable
from decimal import Decimal
from email.utils import format_datetime
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl

import attrs
import pytest

from tests.unit.samples import NOON, charge, example, raw
from voucher_async import (
    ApiError,
    BadAnswer,
    Charge,
    ChargeType,
    ManualClock,
    NotFound,
    PendingOutcome,
    ServerError,
    ValidationFailed,
    wire,
)
from voucher_async.clock import Deadline, ServerClock
from voucher_async.models import ChargePage, PageLinks, PageMeta, VoucherDetails
from voucher_async.payments import pauses
from voucher_async.payments.looking import (
    Look,
    Looking,
    find_voucher,
    is_what_was_asked,
    known_ids,
    read_currency,
)
from voucher_async.sansio import Answer, Request

T = TypeVar("T")

VOUCHER = wire.decode(VoucherDetails, raw(example("VoucherDetails")))


def refund(id: str, **changes: Any) -> Charge:
    return charge(id, type=ChargeType.refund, **changes)


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

    def deadline(self, timeout: float | None = None) -> Deadline:
        return Deadline(self.clock, timeout or 30.0)

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


# what is asked for


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
    assert len(server.asked) <= 32  # what was refused is not tried again


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


# whole


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


async def test_pages_that_are_added_meanwhile_are_read() -> None:
    def page(number: int) -> Page:
        return Page([charge(f"c-{number}")], last=min(number + 1, 3), total=3)

    server = Server(page)
    look = await read(server)
    assert (server.numbers, look.whole) == ([1, 2, 3], True)


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


# long lists


@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_long_list_is_read_from_its_newest_end_back_to_a_day_before(*, newest_first: bool) -> None:
    long = Long(20, newest_first=newest_first)
    look = await read(long.server, long.newest)
    first = [1, 2, 3] if newest_first else [1, 20, 19, 18]
    assert long.server.numbers == first  # a page holds ten hours
    assert (look.whole, look.all) == (True, False)
    assert "c-199" in ids(look)
    assert {f"c-{number}" for number in range(175, 200)} <= set(ids(look))


@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_list_of_a_few_pages_is_read_whole(*, newest_first: bool) -> None:
    long = Long(4, newest_first=newest_first)
    look = await read(long.server, long.newest)
    assert (long.server.numbers, look.all) == ([1, 2, 3, 4], True)


async def test_a_long_list_is_read_whole_when_no_moment_is_given() -> None:
    long = Long(9)
    look = await read(long.server)
    assert (long.server.numbers, look.all) == (list(range(1, 10)), True)


@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_long_list_is_read_to_its_other_end_when_all_of_it_is_young(*, newest_first: bool) -> None:
    long = Long(6, newest_first=newest_first)
    look = await read(long.server, NOON)
    assert sorted(long.server.numbers) == [1, 2, 3, 4, 5, 6]
    assert (look.whole, look.all) == (True, True)


async def test_a_long_list_without_an_order_that_shows_is_read_whole() -> None:
    server = Server(lambda number: Page([charge(f"a-{number}"), charge(f"b-{number}")], last=7, total=14))
    look = await read(server, NOON + dt.timedelta(days=9))
    assert (server.numbers, look.whole, look.all) == ([1, 2, 3, 4, 5, 6, 7], True, True)


async def test_a_long_list_whose_order_breaks_is_read_whole() -> None:
    long = Long(9)

    server = long.changed(8, lambda entries: entries[::-1])
    look = await read(server, long.newest)
    assert server.numbers[:3] == [1, 9, 8]
    assert set(server.numbers) == set(range(1, 10))
    assert (len(look.charges), look.all) == (90, True)


async def test_a_page_of_one_moment_does_not_break_the_order() -> None:
    long = Long(9)

    server = long.changed(9, lambda entries: [attrs.evolve(each, created_at=long.newest) for each in entries])
    look = await read(server, long.newest)
    assert server.numbers == [1, 9, 8, 7]
    assert (look.whole, look.all) == (True, False)


async def test_a_page_of_a_long_list_that_is_not_full_shows_that_the_list_moved() -> None:
    long = Long(20)
    server = long.changed(19, lambda entries: entries[1:])
    assert not (await read(server, long.newest)).whole


async def test_the_last_page_of_a_long_list_need_not_be_full() -> None:
    long = Long(20)
    server = long.changed(20, lambda entries: entries[:3])
    assert (await read(server, long.newest)).whole


async def test_an_entry_that_comes_twice_in_a_long_list_shows_that_it_moved() -> None:
    long = Long(20)
    server = long.changed(19, lambda entries: [*entries[:-1], long.page(20).entries[0]])
    assert not (await read(server, long.newest)).whole


async def test_a_long_list_that_ends_early_is_read_whole() -> None:
    long = Long(9)
    server = Server(lambda number: Page([], last=9, total=90) if number == 9 else long.page(number))
    look = await read(server, long.newest)
    assert set(server.numbers) == set(range(1, 10))
    assert not look.all


# copies


@pytest.mark.parametrize("copied", [1, 2])
async def test_one_copied_page_makes_a_list_a_copy(copied: int) -> None:
    server = Server(lambda number: Page([charge(f"c-{number}")], last=2, total=2, is_copy=number == copied))
    look = await read(server)
    assert (look.whole, ids(look)) == (False, ["c-1", "c-2"])


# what is read beside


@pytest.mark.parametrize(
    ("operation", "expected"),
    [("refundCharge", ("refund", "more", "new")), ("rechargeVoucher", ("recharge", "new"))],
)
async def test_known_are_the_ids_of_what_may_be_taken_for_the_effect(
    operation: str, expected: tuple[str, ...]
) -> None:
    entries = [
        refund("refund"),
        charge("charge", type=ChargeType.charge),
        charge("recharge", type=ChargeType.recharge),
        refund("more", amount=Decimal("5.01")),  # servers show amounts in other forms
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

    def deadline(self, timeout: float | None = None) -> Deadline:
        return Deadline(ManualClock(), timeout or 30.0)

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
    assert not looking.is_absent_now("/vouchers/V", missing(4, 8.0))  # the date of a copy stands still


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
