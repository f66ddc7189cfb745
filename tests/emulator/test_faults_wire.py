"""Faults as they are on the wire, byte by byte, and what is left of them when the emulator stops."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import socket
from pathlib import Path

import aiohttp
import pytest

from tests.emulator.conftest import (
    RESET,
    Connection,
    Engine,
    Shop,
    connected,
    listens,
    request,
    until_it_listens,
)
from tests.idle import until_injected
from voucher_async.testing import ManualClock, VoucherEmulator, faults
from voucher_async.testing._server import _bind

RECHARGE = "rechargeVoucher"
LOGS_OUT = "disconnectClient"


@pytest.mark.parametrize(
    "fault", [faults.Refuse(), faults.BreakBefore(), faults.BreakAfter(), faults.CommitLate()]
)
async def test_a_broken_connection_is_a_tcp_reset(shop: Shop, fault: faults.Fault) -> None:
    shop.emulator.faults.script(RECHARGE, fault)
    async with connected(shop) as wire:
        wire.writer.write(request(shop))
        assert await wire.rest() == RESET


async def test_half_of_a_body_is_cut_off(shop: Shop) -> None:
    shop.emulator.faults.script(RECHARGE, faults.CutOff())
    async with connected(shop) as wire:
        wire.writer.write(request(shop))
        status, headers = await wire.head()
        body = await wire.rest()
    assert (status, len(body)) == (200, int(headers["Content-Length"]) // 2)
    assert isinstance(body, bytes)
    assert body.startswith(b'{"id": "' + shop.emulator.charges()[0].id.encode())


async def test_a_slow_body_has_its_headers_and_first_half_at_once(shop: Shop, clock: ManualClock) -> None:
    shop.emulator.faults.script(RECHARGE, faults.SlowBody(5.0))
    async with connected(shop) as wire:
        wire.writer.write(request(shop))
        status, headers = await wire.head()
        size = int(headers["Content-Length"])
        body = await wire.some(size // 2)
        assert await wire.nothing_comes()
        clock.advance(5.0)
        body += await wire.some(size - size // 2)
    assert (status, json.loads(body)["id"]) == (200, shop.emulator.charges()[0].id)


async def test_slow_headers_let_nothing_come_before_their_time(shop: Shop, clock: ManualClock) -> None:
    shop.emulator.faults.script(RECHARGE, faults.SlowHeaders(5.0))
    async with connected(shop) as wire:
        wire.writer.write(request(shop))
        await until_injected(shop.emulator)
        assert await wire.nothing_comes()
        assert shop.recharges == 1
        clock.advance(5.0)
        assert (await wire.head())[0] == 200


async def test_an_answer_without_a_body_is_cut_off_before_it_begins(shop: Shop) -> None:
    shop.emulator.faults.script(LOGS_OUT, faults.CutOff())
    async with connected(shop) as wire:
        wire.writer.write(request(shop, "/clients/disconnect"))
        assert await wire.rest() == b""
    assert shop.emulator.requests[-1].status == 204


async def test_an_answer_without_a_body_comes_late_as_a_whole(shop: Shop, clock: ManualClock) -> None:
    shop.emulator.faults.script(LOGS_OUT, faults.SlowBody(5.0))
    async with connected(shop) as wire:
        wire.writer.write(request(shop, "/clients/disconnect"))
        await until_injected(shop.emulator)
        assert await wire.nothing_comes()
        clock.advance(5.0)
        assert (await wire.head())[0] == 204


@pytest.mark.parametrize(
    ("path", "operation", "decided"),
    [
        ("/vouchers/recharge", RECHARGE, 200),
        ("/clients/disconnect", LOGS_OUT, 204),
        ("/reservations/none/charge", "chargeReservation", 404),
    ],
)
async def test_a_page_of_html_hides_any_outcome(shop: Shop, path: str, operation: str, decided: int) -> None:
    shop.emulator.faults.script(operation, faults.WrongContentType())
    async with connected(shop) as wire:
        wire.writer.write(request(shop, path))
        status, headers = await wire.head()
        page = await wire.some(int(headers["Content-Length"]))
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert page.startswith(b"<!doctype html>")
    assert shop.emulator.requests[-1].status == decided


@pytest.mark.parametrize(
    "fault",
    [
        faults.BadGateway(),
        faults.WrongContentType(),
        faults.ServerError(),
        faults.TooMany(),
        faults.CutOff(),
        faults.SlowBody(0.0),
    ],
)
async def test_every_bad_answer_tells_the_time_of_the_emulator(shop: Shop, fault: faults.Fault) -> None:
    shop.emulator.faults.date_offset = -60.0
    shop.emulator.faults.script(RECHARGE, fault)
    async with connected(shop) as wire:
        wire.writer.write(request(shop))
        assert (await wire.head())[1]["Date"] == "Thu, 01 Jan 2026 11:59:00 GMT"


@pytest.mark.parametrize("fault", [faults.SlowBody(5.0), faults.SlowHeaders(5.0)])
async def test_a_client_that_does_not_wait_is_no_error(
    shop: Shop, clock: ManualClock, caplog: pytest.LogCaptureFixture, fault: faults.Fault
) -> None:
    shop.emulator.faults.script(RECHARGE, fault)
    async with connected(shop) as wire:
        wire.writer.write(request(shop))
        await until_injected(shop.emulator)
    for _ in range(50):
        await asyncio.sleep(0)
    clock.advance(5.0)
    assert (await shop.recharge("A-2"))[0] == 200
    await shop.emulator.stop()
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_nobody_gets_the_port_while_it_refuses(shop: Shop, clock: ManualClock) -> None:
    shop.emulator.faults.script(RECHARGE, faults.Refuse(5.0))
    with pytest.raises(aiohttp.ClientError):
        await shop.recharge()
    with socket.socket() as thief, pytest.raises(OSError, match="in use") as caught:
        thief.bind(("127.0.0.1", int(shop.emulator.url.rpartition(":")[2])))
    assert caught.value.errno == errno.EADDRINUSE
    assert not await listens(shop)
    clock.advance(5.0)
    await until_it_listens(shop)
    assert (await shop.recharge())[0] == 200


async def test_it_refuses_until_the_latest_end_and_serves_who_is_connected(
    shop: Shop, clock: ManualClock
) -> None:
    shop.emulator.faults.script(RECHARGE, faults.Refuse(2.0), faults.Refuse(5.0), faults.Refuse(1.0))
    async with contextlib.AsyncExitStack() as stack:
        *broken, served = [await stack.enter_async_context(connected(shop)) for _ in range(4)]
        for wire in broken:
            wire.writer.write(request(shop))
            assert await wire.rest() == RESET
        served.writer.write(request(shop))
        assert (await served.head())[0] == 200
    clock.advance(2.0)
    for _ in range(50):
        await asyncio.sleep(0)
    assert not await listens(shop)
    clock.advance(3.0)
    await until_it_listens(shop)


async def test_it_refuses_and_listens_again_at_an_ipv6_address(clock: ManualClock) -> None:
    async with VoucherEmulator(clock=clock, host="::1") as emulator, aiohttp.ClientSession() as session:
        shop = Shop(emulator, session, emulator.add_voucher(amount="9.00"), Engine(emulator).token)
        emulator.faults.script(RECHARGE, faults.Refuse(1.0))
        with pytest.raises(aiohttp.ClientError):
            await shop.recharge()
        assert not await listens(shop)
        clock.advance(1.0)
        await until_it_listens(shop)
        assert (await shop.recharge())[0] == 200


async def test_who_connected_just_before_it_refuses_or_stops_is_not_lost(
    shop: Shop, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    shop.emulator.faults.script(RECHARGE, faults.Refuse(1.0))
    async with connected(shop) as first:
        first.writer.write(request(shop))
        await asyncio.sleep(0)  # read in the same turn of the event loop in which the next one is accepted
        async with connected(shop) as second:
            assert await first.rest() == RESET
            second.writer.write(request(shop))
            assert (await second.head())[0] == 200
    clock.advance(1.0)
    await until_it_listens(shop)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_connections_that_the_kernel_alone_has_made_are_served_when_it_refuses(
    shop: Shop, clock: ManualClock
) -> None:
    address = ("127.0.0.1", int(shop.emulator.url.rpartition(":")[2]))
    with contextlib.ExitStack() as stack:
        # blocking calls: the event loop accepts nothing before the port closes
        made = [stack.enter_context(socket.create_connection(address)) for _ in range(3)]
        await shop.emulator._server.refuse(1.0)
        for connection in made:
            reader, writer = await asyncio.open_connection(sock=connection)
            wire = Connection(reader, writer)
            wire.writer.write(request(shop))
            assert (await wire.head())[0] == 200
            writer.close()
            await writer.wait_closed()
    assert not await listens(shop)
    clock.advance(1.0)
    await until_it_listens(shop)


async def test_connections_that_the_kernel_alone_has_made_end_when_it_stops(shop: Shop) -> None:
    address = ("127.0.0.1", int(shop.emulator.url.rpartition(":")[2]))
    with socket.create_connection(address) as made:
        refusing = asyncio.create_task(shop.emulator._server.refuse(1.0))
        await shop.emulator.stop()
        await refusing
        reader, writer = await asyncio.open_connection(sock=made)
        assert await Connection(reader, writer).rest() in (b"", RESET)
        writer.close()


def test_a_port_that_is_taken_leaves_no_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        _bind("127.0.0.1", taken.getsockname()[1])


@pytest.mark.parametrize("fault", faults.KINDS, ids=repr)
async def test_every_kind_can_befall_the_token_endpoint(
    shop: Shop, clock: ManualClock, fault: faults.Fault
) -> None:
    settings = shop.emulator.settings()
    form = {
        "grant_type": "client_credentials",
        **{name: settings[name] for name in ("client_id", "client_secret")},
    }

    async def got() -> object:
        try:
            async with shop.session.post(shop.emulator.token_url, data=form) as answer:
                return answer.status, (await answer.text())[:1]
        except aiohttp.ClientError:
            return RESET

    shop.emulator.faults.script("requestToken", fault)
    asking = asyncio.create_task(got())
    await until_injected(shop.emulator)
    while not asking.done():
        clock.advance(1.0)
        await asyncio.sleep(0)
    granted = isinstance(fault, faults.SlowHeaders | faults.SlowBody | faults.Revoked)
    assert (asking.result() == (200, "{")) is granted


def test_the_page_for_testers_tells_of_every_kind() -> None:
    rows = [
        line for line in Path("docs/testing.md").read_text(encoding="utf-8").splitlines() if line[:2] == "| "
    ]
    table = "\n".join(row.split("|")[1] for row in rows)
    assert [kind for kind in faults.KINDS if f"`{type(kind).__name__}(" not in table] == []
