"""Faults as they are on the wire, byte by byte, and what is left of them when the emulator stops."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import attrs
import pytest

from tests.emulator.conftest import Engine, Shop
from voucher_async.testing import ManualClock, VoucherEmulator, faults

RECHARGE = "rechargeVoucher"
LOGS_OUT = "disconnectClient"
RESET = "a reset"  # what `Wire.rest` tells in place of bytes


@attrs.frozen
class Wire:
    """One connection, without any HTTP client on it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self) -> tuple[int, dict[str, str]]:
        async with asyncio.timeout(5):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split(" ")[1]), headers

    async def some(self, size: int) -> bytes:
        async with asyncio.timeout(5):
            return await self.reader.readexactly(size)

    async def rest(self) -> bytes | str:
        """Everything until the other side closes."""
        try:
            async with asyncio.timeout(5):
                return await self.reader.read()
        except ConnectionResetError:
            return RESET

    async def nothing_comes(self) -> bool:
        waiting = asyncio.create_task(self.reader.read(1))
        for _ in range(50):
            await asyncio.sleep(0)
        came = waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return not came


@contextlib.asynccontextmanager
async def connected(shop: Shop) -> AsyncIterator[Wire]:
    port = int(shop.emulator.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def request(shop: Shop, path: str = "/vouchers/recharge") -> bytes:
    body = {"amount": "1.00", "currency": "EUR", "order_number": "A-1", "id": shop.voucher.id}
    sent = json.dumps(body).encode()
    lines = (
        f"POST /v1{path} HTTP/1.1",
        "Host: emulator",
        f"Authorization: Bearer {shop.token}",
        "Content-Type: application/json",
        f"Content-Length: {len(sent)}",
    )
    return "\r\n".join((*lines, "", "")).encode() + sent


def others() -> set[asyncio.Task[object]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


async def until_injected(shop: Shop, number: int = 1) -> None:
    async with asyncio.timeout(5):
        while len(shop.emulator.faults.injected) < number:
            await asyncio.sleep(0)


async def until_it_listens(shop: Shop) -> None:
    async with asyncio.timeout(5):
        while not await listens(shop):
            await asyncio.sleep(0)


async def listens(shop: Shop) -> bool:
    try:
        async with connected(shop):
            return True
    except ConnectionRefusedError:
        return False


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
        await until_injected(shop)
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
        await until_injected(shop)
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
        await until_injected(shop)
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


async def test_it_refuses_until_the_later_of_two_ends_and_serves_who_is_connected(
    shop: Shop, clock: ManualClock
) -> None:
    shop.emulator.faults.script(RECHARGE, faults.Refuse(2.0), faults.Refuse(5.0))
    async with connected(shop) as first, connected(shop) as second, connected(shop) as third:
        for wire in (first, second):
            wire.writer.write(request(shop))
            assert await wire.rest() == RESET
        third.writer.write(request(shop))
        assert (await third.head())[0] == 200
    clock.advance(2.0)
    for _ in range(50):
        await asyncio.sleep(0)
    assert not await listens(shop)
    clock.advance(3.0)
    await until_it_listens(shop)


async def test_it_refuses_and_listens_again_at_every_address_of_its_host(clock: ManualClock) -> None:
    async with VoucherEmulator(clock=clock, host="localhost") as emulator, aiohttp.ClientSession() as session:
        shop = Shop(emulator, session, emulator.add_voucher(amount="9.00"), Engine(emulator).token)
        before = emulator._server.addresses
        emulator.faults.script(RECHARGE, faults.Refuse(1.0))
        with pytest.raises(aiohttp.ClientError):
            await shop.recharge()
        assert emulator._server.addresses == ()
        clock.advance(1.0)
        await until_it_listens(shop)
        for _ in range(50):
            await asyncio.sleep(0)
        assert sorted(emulator._server.addresses) == sorted(before)


@pytest.mark.parametrize("fault", faults.KINDS, ids=repr)
async def test_nothing_is_left_of_a_fault_after_a_stop(
    emulator: VoucherEmulator, clock: ManualClock, caplog: pytest.LogCaptureFixture, fault: faults.Fault
) -> None:
    before = others()
    async with aiohttp.ClientSession() as session:
        shop = Shop(emulator, session, emulator.add_voucher(amount="9.00"), Engine(emulator).token)
        for _ in range(2):  # a port that is kept, or a task, would be in the way of the second start
            await emulator.start()
            emulator.faults.script(RECHARGE, fault)
            async with connected(shop) as wire:
                wire.writer.write(request(shop))
                await until_injected(shop)
                await emulator.stop()
            assert others() == before
        clock.advance(60.0)
        await emulator.faults.settled()
        assert not await listens(shop)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("fault", [faults.Refuse(), faults.CommitLate(), faults.SlowBody()], ids=repr)
async def test_a_request_that_comes_at_any_moment_of_a_stop_leaves_nothing(
    emulator: VoucherEmulator, caplog: pytest.LogCaptureFixture, fault: faults.Fault
) -> None:
    before = others()
    async with aiohttp.ClientSession() as session:
        shop = Shop(emulator, session, emulator.add_voucher(amount="9.00"), Engine(emulator).token)
        await emulator.start()
        met = []
        for turns in range(12):  # of the event loop, between the request and the stop
            shop.emulator.faults.clear()
            emulator.faults.script(RECHARGE, fault)
            async with connected(shop) as wire:
                wire.writer.write(request(shop))
                for _ in range(turns):
                    await asyncio.sleep(0)
                earlier = len(emulator.faults.injected)
                await emulator.stop()
                met.append(len(emulator.faults.injected) - earlier)
            assert others() == before, turns
            await emulator.start()
        await emulator.stop()
    assert 1 in met, "no request was looked at during a stop"
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_late_request_is_carried_out_though_faults_were_cleared(
    shop: Shop, clock: ManualClock
) -> None:
    shop.emulator.faults.script(RECHARGE, faults.CommitLate(5.0))
    with pytest.raises(aiohttp.ClientError):
        await shop.recharge()
    shop.emulator.faults.clear()
    clock.advance(5.0)
    await shop.emulator.faults.settled()
    assert shop.recharges == 1


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
    await until_injected(shop)
    while not asking.done():
        clock.advance(1.0)
        await asyncio.sleep(0)
    granted = isinstance(fault, faults.SlowHeaders | faults.SlowBody | faults.Revoked)
    assert (asking.result() == (200, "{")) is granted


def test_the_readme_tells_of_every_kind() -> None:
    rows = [line for line in Path("README.md").read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    table = "\n".join(row.split("|")[1] for row in rows)
    assert [kind for kind in faults.KINDS if f"`{type(kind).__name__}(" not in table] == []


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (faults.Refuse, -1.0),
        (faults.CommitLate, float("nan")),
        (faults.SlowBody, float("inf")),
        (faults.SlowHeaders, -0.1),
        (faults.ServerError, 200),
        (faults.Unavailable, -1),
        (faults.TooMany, -1),
    ],
)
def test_a_fault_with_an_absurd_value_is_refused(kind: type, value: float) -> None:
    with pytest.raises(ValueError, match=r"^(seconds|status|retry_after) must be from "):
        kind(value)


def test_what_is_no_fault_is_refused_when_it_is_asked_for() -> None:
    broken = VoucherEmulator().faults
    with pytest.raises(TypeError, match=r"BreakAfter'>; faults are made like BreakAfter\(\)"):
        broken.script(RECHARGE, faults.BreakAfter)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not a fault: 'x'"):
        broken.chance(0.5, seed=1, kinds=["x"])  # type: ignore[list-item]
    broken.script(RECHARGE)
    assert not broken.active
    with pytest.raises(ValueError, match="date_offset"):
        broken.date_offset = float("inf")
    with pytest.raises(ValueError, match="list_lag"):
        broken.list_lag = 1e300
