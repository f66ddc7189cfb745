"""The stream: everything that happens, nothing secret, nothing twice; no task or memory is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import aiohttp
import pytest

from tests.emulator.conftest import Engine, others
from tests.emulator.consoles import Page, Stream, page_of
from voucher_async import ManualClock, VoucherClient
from voucher_async.testing import VoucherEmulator, faults
from voucher_async.testing.console.books import MOST, Books
from voucher_async.testing.console.feed import Feed


@pytest.fixture
async def page(clock: ManualClock) -> AsyncIterator[Page]:
    async with page_of(VoucherEmulator(clock=clock, console=True)) as page:
        yield page


def feed_of(page: Page) -> Feed:
    console = page.emulator._server.console
    assert console is not None
    return console.feed


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_what_happens_is_told(page: Page, clock: ManualClock) -> None:
    emulator = page.emulator
    async with page.listening() as stream, VoucherClient(**emulator.settings(), clock=clock) as client:
        first = await stream.event()
        assert first["reset"]
        assert first["counts"] == {"vouchers": 0, "reservations": 0, "ledger": 0, "requests": 0, "clients": 1}
        voucher = emulator.add_voucher(amount="25.00", code="GIFT")
        (row,) = await stream.rows("vouchers")
        assert (row["code"], row["balance"], row["status"]) == ("GIFT", "25.00", "active")
        emulator.faults.script("chargeReservation", faults.BreakAfter())
        await client.redeem(code="GIFT", amount="10.00", currency="EUR", order_number="A-1")
    state = await page.state()
    assert [row["balance"] for row in state["vouchers"]] == ["15.00"]
    (reservation,) = state["reservations"]
    assert (reservation["voucher_id"], reservation["amount"]) == (voucher.id, "10.00")
    assert (reservation["charged"], reservation["newest"]) == (True, True)
    lines = [(row["kind"], row["amount"], row["balance"], row["order_number"]) for row in state["ledger"]]
    assert lines == [("issue", "25.00", "25.00", None), ("charge", "10.00", "15.00", "A-1")]
    asked = {row["operation"]: row for row in state["requests"]}
    assert [row["number"] for row in state["requests"]] == list(range(1, len(state["requests"]) + 1))
    assert asked["chargeReservation"]["fault"] == "BreakAfter()"
    assert asked["createReservation"]["status"] == 200


async def test_no_token_and_no_secret_is_told(page: Page) -> None:
    emulator = page.emulator
    engine = Engine(emulator)
    engine("GET", f"/vouchers/{engine.token}")
    engine("GET", f"/{emulator.client_secret}")
    emulator.new_connect_pin()
    text = json.dumps(await page.state())
    assert "getVoucher" in text
    for secret in (engine.token, emulator.client_secret, emulator._engine.state.pins.popitem()[0]):
        assert secret not in text


async def test_a_page_that_comes_back_gets_what_it_missed_and_nothing_else(page: Page) -> None:
    engine = Engine(page.emulator)
    async with page.listening() as stream:
        assert len((await stream.event())["requests"]) == 1
    engine("GET", "/vouchers")
    for resumed in ({"Last-Event-ID": stream.last}, {"Last-Event-ID": "", "X-After": stream.last}):
        async with page.session.get(
            f"{page.emulator.console_url}/events?after={resumed.pop('X-After', '')}", headers=resumed
        ) as response:
            event = await Stream(response).event()
        assert not event["reset"]
        assert [row["operation"] for row in event["requests"]] == ["listVouchers"]
        assert not event.keys() & {"vouchers", "clients", "switches"}


@pytest.mark.parametrize(
    "last", ["", "x", "0000-1", "{run}-", "{run}-x", "{run}-99", "{run}-" + "9" * 5000, "{run}-²"]
)
async def test_a_page_of_other_books_gets_everything(page: Page, last: str) -> None:
    run = (feed_of(page)._books).run
    url = f"{page.emulator.console_url}/events"
    async with page.session.get(url, params={"after": last.format(run=run)}) as response:
        event = await Stream(response).event()
    assert event["reset"]
    assert event["clients"]


async def test_the_stream_goes_on_after_the_emulator_was_stopped(page: Page) -> None:
    async with page.listening() as stream:
        await stream.event()
        await page.emulator.stop()
        await stream.ends()
    Engine(page.emulator)
    await page.emulator.start()
    async with page.listening(**{"Last-Event-ID": stream.last}) as stream:
        event = await stream.event()
    assert not event["reset"]
    assert [row["operation"] for row in event["requests"]] == ["requestToken"]


async def test_pages_that_left_leave_nothing_behind(page: Page) -> None:
    feed = feed_of(page)
    before = others()
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(20):
            stream = await stack.enter_async_context(page.listening())
            await stream.event()
        assert feed.listeners == 20
        page.emulator.add_voucher(amount="5.00")
        await stream.rows("vouchers")
    await until(lambda: feed.listeners == 0)
    await until(lambda: feed._looking is None)
    await until(lambda: others() <= before)


async def test_a_stop_waits_for_no_page_and_leaves_no_task() -> None:
    emulator = VoucherEmulator(console=True)
    before = others()
    async with page_of(emulator) as page, page.listening() as first, page.listening() as second:
        await first.event()
        await second.event()
        async with asyncio.timeout(5):
            await emulator.stop()
        assert feed_of(page).listeners == 0
        assert feed_of(page)._looking is None
    await until(lambda: others() <= before)


def test_a_thread_serves_it_too_and_ends_with_a_page_open() -> None:
    async def look(emulator: VoucherEmulator) -> None:
        async with aiohttp.ClientSession() as session, Page(emulator, session).listening() as stream:
            await stream.event()
            await asyncio.to_thread(emulator.add_voucher, amount="5.00", code="GIFT")
            assert [row["code"] for row in await stream.rows("vouchers")] == ["GIFT"]
            await emulator.stop()
            await stream.ends()

    with VoucherEmulator(console=True) as emulator:
        asyncio.run(look(emulator))


async def test_a_stream_on_which_nothing_happens_says_that_it_lives(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voucher_async.testing.console.feed._GLANCE", 0.01)
    monkeypatch.setattr("voucher_async.testing.console.feed._HEARTBEAT", 0.02)
    async with page.listening() as stream:
        await stream.event()
        async with asyncio.timeout(20):
            assert await stream.response.content.readline() == b":\n"


async def test_a_child_leaves_the_stream_to_its_parent(page: Page) -> None:
    feed = feed_of(page)
    async with page.listening() as stream:
        await stream.event()
        looking, listeners = feed._looking, feed._listeners
        feed.after_fork()
        assert (feed.listeners, feed._looking, feed._is_open) == (0, None, False)
        feed._looking, feed._listeners, feed._is_open = looking, listeners, True


async def test_too_many_pages_are_refused(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voucher_async.testing.console.feed._MOST", 1)
    async with page.listening() as stream:
        await stream.event()
        assert (await page.get("/events"))[0] == 503


def changed(books: Books, name: str) -> list[dict[str, Any]]:
    """The rows of one kind that changed after the first look."""
    return cast("list[dict[str, Any]]", books.after(1)[name])


def test_memory_has_a_bound() -> None:
    emulator = VoucherEmulator(keep_requests=50)
    engine, books = Engine(emulator), Books(emulator, emulator._engine)
    vouchers = [emulator.add_voucher(amount="5.00") for _ in range(MOST + 20)]
    for voucher in vouchers[:60]:
        engine.charged(voucher, "1.00")
    assert books.refresh()
    assert not books.refresh()
    event = books.after(0)
    shown = {name: len(rows) for name, rows in event.items() if isinstance(rows, list)}
    assert shown == {"vouchers": MOST, "reservations": 60, "ledger": MOST, "requests": 50, "clients": 1}
    all_of_them = {"vouchers": MOST + 20, "reservations": 60, "ledger": MOST + 80, "requests": 121}
    assert event["counts"] == {**all_of_them, "clients": 1}
    engine.charged(vouchers[0], "1.00")  # one that was forgotten comes back
    assert books.refresh()
    assert [row["balance"] for row in changed(books, "vouchers")] == ["3.00"]


def test_a_voucher_that_was_deleted_is_told_with_what_it_was() -> None:
    emulator = VoucherEmulator()
    engine, books = Engine(emulator), Books(emulator, emulator._engine)
    voucher = emulator.add_voucher(amount="5.00", code="GIFT", currency="CHF", active=False)
    books.refresh()
    assert engine("DELETE", f"/vouchers/{voucher.id}", {"comment": "by mistake"}).status == 204
    assert books.refresh()
    (row,), (line,) = changed(books, "vouchers"), changed(books, "ledger")
    assert (row["status"], row["code"], row["balance"]) == ("deleted", "GIFT", "0.00")
    assert (line["kind"], line["code"], line["currency"]) == ("delete", "GIFT", "CHF")


def test_a_reservation_that_another_one_replaced_is_told_so() -> None:
    emulator = VoucherEmulator()
    engine, books = Engine(emulator), Books(emulator, emulator._engine)
    voucher = emulator.add_voucher(amount="5.00")
    engine.reserve(voucher, "1.00")
    books.refresh()
    engine.reserve(voucher, "2.00")
    books.refresh()
    rows = {row["amount"]: row["newest"] for row in changed(books, "reservations")}
    assert rows == {"1.00": False, "2.00": True}
