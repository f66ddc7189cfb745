"""Facts of calls: recorded for results, carried by errors, and free where nobody asks."""

from __future__ import annotations

import asyncio
import contextvars
import datetime as dt
import pickle

import pytest

from tests.emulated import client, emulator, proxied, proxy
from tests.proxy import Proxy
from tests.rawserver import CHARGE, VOUCHER, RawServer, close, reply
from voucher_async import CallFacts, ManualClock, NotFound, TransportError, VoucherClient, record_facts
from voucher_async.facts import _Record, _recording
from voucher_async.testing import VoucherEmulator
from voucher_async.transport.call import Call

__all__ = ["client", "emulator", "proxied", "proxy"]

DATE = "Fri, 02 Jan 2026 10:00:00 GMT"
HEADERS = f"Date: {DATE}\r\nX-Request-Id: req-77\r\n"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(skip_sleeps=True)


def operations(recorded: list[CallFacts]) -> list[tuple[str, int | None]]:
    return [(each.operation, each.status) for each in recorded]


async def redeem(client: VoucherClient, emulator: VoucherEmulator) -> None:
    code = emulator.add_voucher(amount="25.00").code
    await client.redeem(code=code, amount=10, currency="EUR", order_number="A-1")


async def test_a_redeem_is_two_calls(client: VoucherClient, emulator: VoucherEmulator) -> None:
    with record_facts() as recorded:
        await redeem(client, emulator)
    reserved, charged = recorded
    assert operations(recorded) == [("createReservation", 200), ("chargeReservation", 200)]
    assert [each.attempts for each in recorded] == [1, 1]
    assert (reserved.request_id, charged.request_id) == (None, (await anext(client.history())).id)
    assert charged.date is not None
    assert charged.date.tzinfo is not None
    assert charged.path.startswith("/reservations/")


async def test_a_lost_answer_shows_how_it_was_found(
    proxied: VoucherClient, proxy: Proxy, emulator: VoucherEmulator
) -> None:
    proxy.lose("POST", "/charge")
    with record_facts() as recorded:
        await redeem(proxied, emulator)
    assert operations(recorded)[:3] == [
        ("createReservation", 200),
        ("chargeReservation", None),
        ("listCharges", 200),
    ]


async def test_each_page_of_a_list_is_a_call(client: VoucherClient, emulator: VoucherEmulator) -> None:
    for _ in range(5):
        emulator.add_voucher(amount="1.00")
    with record_facts() as recorded:
        await client.vouchers.list(per_page=2).to_list()
    assert operations(recorded) == [("listVouchers", 200)] * 3


async def test_what_the_answer_says_is_kept(raw_server: RawServer) -> None:
    busy = reply({"status": 503, "code": "X", "message": "busy"}, 503)
    raw_server.scripts = [busy, reply(VOUCHER, headers=HEADERS)]
    async with raw_server.client() as client:
        with record_facts() as recorded:
            voucher = await client.vouchers.get("v-1")
    (facts,) = recorded
    assert (facts.attempts, facts.status, facts.server_request_id) == (2, 200, "req-77")
    assert facts.date == dt.datetime(2026, 1, 2, 10, tzinfo=dt.UTC)
    assert 0 < facts.duration <= facts.elapsed
    assert pickle.loads(pickle.dumps(voucher)) == voucher


async def test_an_error_carries_what_is_recorded(raw_server: RawServer) -> None:
    missing = reply({"status": 404, "code": "VOUCHER.NOT_FOUND", "message": "no"}, 404, headers=HEADERS)
    raw_server.scripts = [missing, reply(VOUCHER), close]
    async with raw_server.client(max_attempts=1) as client:
        with record_facts() as recorded:
            with pytest.raises(NotFound) as refused:
                await client.vouchers.get("v-1")
            await client.vouchers.get("v-1")
            with pytest.raises(TransportError) as broken:
                await client.vouchers.get("v-1")
    assert recorded[0] is refused.value.facts
    assert (recorded[0].status, recorded[0].server_request_id) == (404, "req-77")
    assert recorded[2] is broken.value.facts
    assert [each.status for each in recorded] == [404, 200, None]


async def test_an_id_of_the_server_shows_no_secret_and_is_cut(raw_server: RawServer) -> None:
    raw_server.scripts = [reply(status=422, headers=f"X-Request-Id: CODE-4711 {'x' * 500}\r\n")]
    async with raw_server.client() as client:
        with record_facts() as recorded, pytest.raises(Exception, match="422"):
            await client.reservations.create(code="CODE-4711", amount=1, currency="EUR")
    shown = recorded[0].server_request_id
    assert shown is not None
    assert "CODE-4711" not in shown
    assert len(shown) <= len("...") + 200


async def test_blocks_may_nest_and_tasks_are_recorded_until_the_block_ends(raw_server: RawServer) -> None:
    raw_server.scripts = [reply(VOUCHER)]

    async with raw_server.client() as client:
        with record_facts() as recorded:
            each = await asyncio.gather(*(_one(client, number) for number in range(3)))
            begin = asyncio.Event()
            late = asyncio.create_task(_after(begin, client))
        begin.set()
        await late
        await client.vouchers.get("v-9")
    assert each == [[f"/vouchers/v-{number}"] for number in range(3)]
    assert sorted(facts.path for facts in recorded) == ["/vouchers/v-0", "/vouchers/v-1", "/vouchers/v-2"]


async def _one(client: VoucherClient, number: int) -> list[str]:
    with record_facts() as mine:
        await client.vouchers.get(f"v-{number}")
    return [each.path for each in mine]


async def _after(event: asyncio.Event, client: VoucherClient) -> None:
    await event.wait()
    await client.vouchers.get("v-8")


async def test_a_block_that_is_over_keeps_no_other_one() -> None:
    async def overlapping(left: int) -> _Record | None:
        begun = asyncio.Event()

        async def follow() -> _Record | None:
            begun.set()
            return await overlapping(left - 1)

        with record_facts():
            if not left:
                return _recording.get()
            task = asyncio.create_task(follow())
            await begun.wait()
        return await task

    last = await overlapping(20)
    assert last is not None
    assert last.outer is not None
    assert last.outer.outer is None


def test_a_block_may_be_left_in_another_context() -> None:
    block = record_facts()
    contextvars.copy_context().run(block.__enter__)
    contextvars.copy_context().run(block.__exit__, None, None, None)


async def test_facts_are_not_made_where_nobody_asks(
    raw_server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []
    monkeypatch.setattr(Call, "_facts", made.append)
    raw_server.scripts = [reply(VOUCHER), reply(CHARGE)]
    async with raw_server.client() as client:
        await client.vouchers.get("v-1")
        await client.reservations.charge("r-1", order_number="o-1")
    assert made == []
