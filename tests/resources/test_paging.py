"""Lists: every item once, whatever the page size, and nothing sent before it is needed."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.proxy import BARE, Proxy
from voucher_async import BadAnswer, ManualClock, NotFound, VoucherClient, VoucherDetails
from voucher_async.testing import VoucherEmulator

MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Stock:
    """An emulator with groups of vouchers, told apart by their order number."""

    def __init__(self, emulator: VoucherEmulator) -> None:
        self.emulator = emulator
        self._groups = 0

    def group(self, size: int) -> tuple[str, list[str]]:
        """The order number of a new group and the ids of its vouchers, oldest first."""
        self._groups += 1
        name = f"G-{self._groups}"
        return name, [self.add(name) for _ in range(size)]

    def add(self, name: str) -> str:
        return self.emulator.add_voucher(amount="1.00", active=False, order_number=name).id


@pytest_asyncio.fixture(params=[False, True], ids=["oldest-first", "newest-first"])
async def stock(request: pytest.FixtureRequest, clock: ManualClock) -> AsyncIterator[Stock]:
    emulator = VoucherEmulator(clock=clock, token_lifetime=86_400, newest_first=request.param, max_per_page=7)
    async with emulator:
        yield Stock(emulator)


@pytest_asyncio.fixture
async def reader(stock: Stock, clock: ManualClock) -> AsyncIterator[VoucherClient]:
    async with VoucherClient(**stock.emulator.settings(), clock=clock) as client:
        yield client


def asked(emulator: VoucherEmulator) -> int:
    return emulator.requests.count("listVouchers")


@MANY
@given(size=st.integers(0, 30), per_page=st.none() | st.integers(1, 40))
async def test_every_voucher_comes_exactly_once(
    stock: Stock, reader: VoucherClient, size: int, per_page: int | None
) -> None:
    name, ids = stock.group(size)
    before = asked(stock.emulator)
    found = [voucher.id async for voucher in reader.vouchers.list(order_number=name, per_page=per_page)]
    assert sorted(found) == sorted(ids)
    page_size = min(per_page or 25, 7)
    assert asked(stock.emulator) - before == max(1, -(-size // page_size))


@MANY
@given(size=st.integers(1, 20), per_page=st.integers(1, 7), data=st.data())
async def test_vouchers_added_meanwhile_come_at_most_once_and_hide_none(
    stock: Stock, reader: VoucherClient, size: int, per_page: int, data: st.DataObject
) -> None:
    name, ids = stock.group(size)
    added = data.draw(st.lists(st.integers(0, size - 1), max_size=12), label="added after the n-th")
    found: list[str] = []
    async for voucher in reader.vouchers.list(order_number=name, per_page=per_page):
        for _ in range(added.count(len(found))):
            stock.add(name)
        found.append(voucher.id)
    assert len(found) == len(set(found))
    assert set(ids) <= set(found)


@MANY
@given(size=st.integers(1, 20), per_page=st.integers(1, 7), data=st.data())
async def test_vouchers_deleted_meanwhile_hide_no_more_than_as_many_others(
    stock: Stock, reader: VoucherClient, size: int, per_page: int, data: st.DataObject
) -> None:
    name, ids = stock.group(size)
    when = data.draw(st.dictionaries(st.integers(0, size - 1), st.sampled_from(ids), max_size=5))
    found: list[str] = []
    gone: set[str] = set()
    async for voucher in reader.vouchers.list(order_number=name, per_page=per_page):
        victim = when.get(len(found))
        if victim is not None and victim not in gone:
            await reader.vouchers.delete(victim, comment="c")
            gone.add(victim)
        found.append(voucher.id)
    assert len(found) == len(set(found))
    missing = set(ids) - set(found) - gone
    assert len(missing) <= len(gone)


async def test_an_item_deleted_in_the_page_being_read_hides_one_from_the_next(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    ids = [emulator.add_voucher(amount="1.00", active=False).id for _ in range(4)]
    found: list[str] = []
    async for voucher in client.vouchers.list(per_page=2):
        if not found:
            await client.vouchers.delete(ids[0], comment="c")
        found.append(voucher.id)
    assert found == [ids[0], ids[1], ids[3]]


async def test_nothing_is_sent_before_the_first_item_and_nothing_is_fetched_ahead(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    for _ in range(6):
        emulator.add_voucher(amount="1.00")
    listing = client.vouchers.list(per_page=2)
    iterator = aiter(listing)
    pages = listing.pages()
    assert emulator.requests.count() == 0
    counts = []
    for _ in range(6):
        await anext(iterator)
        counts.append(asked(emulator))
    assert counts == [1, 1, 2, 2, 3, 3]
    with pytest.raises(StopAsyncIteration):
        await anext(iterator)
    assert asked(emulator) == 3
    assert (await anext(pages)).meta.current_page == 1
    assert asked(emulator) == 4


async def test_an_empty_list_is_one_request(client: VoucherClient, emulator: VoucherEmulator) -> None:
    assert [voucher async for voucher in client.vouchers.list()] == []
    assert asked(emulator) == 1
    pages = [page async for page in client.vouchers.list().pages()]
    assert [list(page.data) for page in pages] == [[]]


async def test_a_list_starts_at_the_page_asked_for(client: VoucherClient, emulator: VoucherEmulator) -> None:
    ids = [emulator.add_voucher(amount="1.00").id for _ in range(5)]
    listing = client.vouchers.list(page=2, per_page=2)
    assert [voucher.id async for voucher in listing] == ids[2:]
    assert [[v.id for v in page.data] async for page in listing.pages()] == [ids[2:4], ids[4:]]
    first = await listing.first_page()
    assert [voucher.id for voucher in first.data] == ids[2:4]
    assert (first.meta.current_page, first.meta.last_page, first.meta.total) == (2, 3, 5)
    assert (first.meta.per_page, first.meta.from_, first.meta.to) == (2, 3, 4)


async def test_a_page_beyond_the_end_is_empty(client: VoucherClient, emulator: VoucherEmulator) -> None:
    emulator.add_voucher(amount="1.00")
    listing = client.vouchers.list(page=99)
    assert [voucher async for voucher in listing] == []
    assert not (await listing.first_page()).data
    assert asked(emulator) == 2


async def test_two_loops_over_one_listing_do_not_disturb_each_other(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    ids = [emulator.add_voucher(amount="1.00").id for _ in range(5)]
    listing = client.vouchers.list(per_page=2)
    one, two = aiter(listing), aiter(listing)
    mixed = [((await anext(one)).id, (await anext(two)).id) for _ in ids]
    assert mixed == [(id, id) for id in ids]
    assert [voucher.id async for voucher in listing] == ids


async def test_breaking_out_of_a_loop_leaves_nothing_behind(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    for _ in range(6):
        emulator.add_voucher(amount="1.00")
    await client.vouchers.list().first_page()
    tasks = asyncio.all_tasks()
    async for _ in client.vouchers.list(per_page=2):
        break
    async for page in client.vouchers.list(per_page=2).pages():
        assert page.data
        break
    assert asyncio.all_tasks() == tasks
    assert asked(emulator) == 3


async def test_the_filters_go_along_with_every_page(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, clock: ManualClock
) -> None:
    berlin = dt.timezone(dt.timedelta(hours=1))
    ids = []
    for _ in range(6):
        ids.append(emulator.add_voucher(amount="1.00", order_number="A-1 &?").id)
        emulator.add_voucher(amount="1.00", order_number="B-2")
        clock.advance(60)
    start = dt.datetime(2026, 1, 1, 12, 1, tzinfo=dt.UTC)
    listing = proxied.vouchers.list(
        created_from=start.astimezone(berlin),
        created_to=start + dt.timedelta(minutes=3),
        order_number="A-1 &?",
        per_page=2,
    )
    assert [voucher.id async for voucher in listing] == ids[1:5]
    queries = [seen.query for seen in proxy.of("GET", "/vouchers")]
    assert [query.pop("page") for query in queries] == ["1", "2"]
    assert queries[0] == queries[1]
    assert set(queries[0]) == {
        "per_page",
        "filter[created_from]",
        "filter[created_to]",
        "filter[order_number]",
    }
    assert dt.datetime.fromisoformat(queries[0]["filter[created_from]"]) == start


async def test_the_bounds_are_kept_to_the_second_with_any_offset(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    emulator.add_voucher(amount="1.00")
    odd = dt.timezone(dt.timedelta(hours=1, seconds=28))
    start = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC).astimezone(odd)
    found = [v async for v in client.vouchers.list(created_from=start, created_to=start)]
    assert len(found) == 1


async def test_the_charges_of_a_voucher_are_paged_too(
    client: VoucherClient, emulator: VoucherEmulator
) -> None:
    record = emulator.add_voucher(amount="9.00")
    ids = []
    for number in range(5):
        charge = await client.vouchers.recharge(
            amount="1", currency="EUR", order_number=f"R-{number}", id=record.id
        )
        ids.append(charge.id)
    emulator.requests.clear()
    listing = client.vouchers.list_charges(record.id, per_page=2)
    assert [charge.id async for charge in listing] == ids
    assert emulator.requests.count("listCharges") == 3
    with pytest.raises(NotFound):
        await anext(aiter(client.vouchers.list_charges("none")))


async def test_a_page_that_failed_can_be_asked_for_again(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    ids = [emulator.add_voucher(amount="1.00").id for _ in range(4)]
    iterator = aiter(proxied.vouchers.list(per_page=2))
    found = [(await anext(iterator)).id, (await anext(iterator)).id]
    proxy.refuse("GET", "/vouchers", 404, BARE)
    with pytest.raises(NotFound):
        await anext(iterator)
    found += [voucher.id async for voucher in iterator]
    assert found == ids


async def real_page(client: VoucherClient, proxy: Proxy, **meta: int) -> bytes:
    """A page as the emulator gives it, with another `meta`."""
    await client.vouchers.list().first_page()
    page = (await proxy.seen[-1].deliver()).body
    page["meta"] |= meta
    proxy.seen.clear()
    return json.dumps(page).encode()


@pytest.mark.parametrize("last_page", [0, 1])
async def test_a_last_page_that_is_too_small_ends_the_list(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator, last_page: int
) -> None:
    ids = [emulator.add_voucher(amount="1.00").id for _ in range(3)]
    page = await real_page(proxied, proxy, last_page=last_page, total=1000)
    proxy.refuse("GET", "/vouchers", 200, page, times=100)
    assert [voucher.id async for voucher in proxied.vouchers.list()] == ids
    assert len(proxy.of("GET")) == 1


async def test_an_empty_page_ends_a_list_that_claims_to_go_on(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    empty = await real_page(proxied, proxy, last_page=10**6, total=10**8)
    proxy.refuse("GET", "/vouchers", 200, empty, times=100)
    assert [voucher async for voucher in proxied.vouchers.list()] == []
    assert len(proxy.of("GET")) == 1


async def test_a_server_that_repeats_one_page_for_ever_is_found_out(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    ids = [emulator.add_voucher(amount="1.00").id for _ in range(3)]
    page = await real_page(proxied, proxy, last_page=10**6, total=10**8)
    proxy.refuse("GET", "/vouchers", 200, page, times=100)
    found: list[str] = []

    async def read() -> None:
        async for voucher in proxied.vouchers.list():
            found.append(voucher.id)  # noqa: PERF401 - the items before the error are checked

    with pytest.raises(BadAnswer):
        await read()
    assert found == ids
    assert len(proxy.of("GET")) < 10


async def test_a_listing_is_typed_by_what_it_lists(client: VoucherClient, emulator: VoucherEmulator) -> None:
    emulator.add_voucher(amount="1.00")
    async for voucher in client.vouchers.list():
        assert isinstance(voucher, VoucherDetails)
        assert voucher.remaining_amount == voucher.amount
