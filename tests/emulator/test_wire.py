"""The emulator over a real socket: protocol, envelopes, clean starts and stops."""

from __future__ import annotations

import asyncio
import gzip
import io
import logging
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from voucher_async.testing import VoucherEmulator

if TYPE_CHECKING:
    from voucher_async.testing import ManualClock

NEW = {"amount": "25.00", "currency": "EUR"}


async def test_a_voucher_goes_all_the_way(wire: Any) -> None:
    voucher = (await wire("POST", "/vouchers", json=NEW)).body
    path = f"/vouchers/{voucher['id']}"
    assert (await wire("PATCH", f"{path}/status", json={"status": "active"})).status == 200
    amount = {"amount": "10.00", "currency": "EUR"}
    reservation = (await wire("POST", "/reservations", json={"code": voucher["code"], **amount})).body
    charge = (
        await wire("POST", f"/reservations/{reservation['id']}/charge", json={"order_number": "A-1"})
    ).body
    refund = {"amount": "4.00", "currency": "EUR"}
    assert (await wire("POST", f"/charges/{charge['id']}/refund", json=refund)).body["type"] == "refund"
    recharge = {"id": voucher["id"], "order_number": "R-1", **amount}
    assert (await wire("POST", "/vouchers/recharge", json=recharge)).body["type"] == "recharge"
    assert (await wire("GET", path)).body["remaining_amount"] == "29.00"
    listed = (await wire("GET", f"{path}/charges", params={"filter[order_number]": "A-1"})).body
    assert [entry["type"] for entry in listed["data"]] == ["charge", "refund"]
    wire.emulator.ledger.check()


async def test_every_answer_is_dated_by_the_emulators_clock(wire: Any, clock: ManualClock) -> None:
    clock.advance(7200)
    wire.emulator.shift(60)
    for method, path in [
        ("GET", "/vouchers"),
        ("GET", "/nothing"),
        ("PUT", "/vouchers"),
        ("POST", "/vouchers"),
    ]:
        answer = await wire(method, path)
        assert answer.headers.getall("Date") == ["Thu, 01 Jan 2026 14:01:00 GMT"]
        assert parsedate_to_datetime(answer.headers["Date"]) == wire.emulator.now()


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'"text"', b"\xff\xfe\x00", b"NaN", b'{"amount": Infinity}', b"[" * 100_000, b"1" * 5000],
)
async def test_a_body_that_is_no_json_object_is_a_400(wire: Any, body: bytes) -> None:
    answer = await wire("POST", "/vouchers", data=body, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.body["code"]) == (400, "MALFORMED_JSON")


async def test_a_body_of_another_type_is_a_415(wire: Any) -> None:
    answer = await wire("POST", "/vouchers", data={"amount": "25.00", "currency": "EUR"})
    assert (answer.status, answer.body["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_a_body_may_say_its_charset(wire: Any) -> None:
    headers = {"Content-Type": "application/JSON; charset=utf-8"}
    body = b'{"amount": "25.00", "currency": "EUR", "sku": "\xc3\xbc"}'
    assert (await wire("POST", "/vouchers", data=body, headers=headers)).body["sku"] == "ü"


async def test_a_zipped_body_is_read_and_a_broken_one_is_a_400(wire: Any) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    good = gzip.compress(b'{"amount": "25.00", "currency": "EUR"}')
    assert (await wire("POST", "/vouchers", data=good, headers=headers)).status == 201
    answer = await wire("POST", "/vouchers", data=b"no zip", headers=headers)
    assert (answer.status, answer.body["code"]) == (400, "MALFORMED_BODY")
    assert wire.emulator.requests[-1].status == 400


async def test_a_request_that_breaks_off_does_nothing_and_is_no_error(
    wire: Any, caplog: pytest.LogCaptureFixture
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", int(wire.emulator.url.rpartition(":")[2]))
    head = f"POST /v1/vouchers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {wire.token}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 99\r\n\r\n".encode())
    writer.write(b'{"amount": "25.00", "currency": "EUR"}')
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    await wire.emulator.stop()
    assert wire.emulator.requests[-1].status == 400
    assert wire.emulator.vouchers() == ()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_body_of_more_than_a_mebibyte_is_a_413(wire: Any) -> None:
    answer = await wire("POST", "/vouchers", data=io.BytesIO(b" " * (2**20 + 1)))
    assert (answer.status, answer.body["code"]) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(
    ("path", "allowed"),
    {
        "/vouchers": "GET, POST",
        "/vouchers/x": "DELETE, GET, PATCH",
        "/vouchers/recharge": "POST",
        "/reservations": "POST",
        "/charges/x/refund": "POST",
        "/clients/connect": "POST",
    }.items(),
)
async def test_a_method_that_a_path_lacks_is_a_405(wire: Any, path: str, allowed: str) -> None:
    methods = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"}
    for method in methods.difference(allowed.split(", ")):
        answer = await wire(method, path)
        assert (answer.status, answer.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize(
    "path", ["", "/", "/vouchers/", "/vouchers//charges", "/charges", "/vouchers/a/b/c/d"]
)
async def test_an_unknown_path_is_a_404(wire: Any, path: str) -> None:
    answer = await wire("GET", path)
    assert (answer.status, answer.body["code"]) == (404, "NOT_FOUND")


async def test_an_id_may_hold_anything(wire: Any) -> None:
    for id in ("a/b", "a%2Fb", "..", "?x#y", "line\nbreak", "ü 漢 \U0001f381", "\x00", "{id}"):
        assert (await wire("POST", "/vouchers", json={**NEW, "id": id})).status == 201
        path = f"/v1/vouchers/{quote(id, safe='')}".replace("/..", "/%2E%2E")
        url = URL(wire.emulator.url + path, encoded=True)
        async with wire.session.get(url, headers={"Authorization": f"Bearer {wire.token}"}) as response:
            assert (await response.json())["id"] == id


async def test_an_answer_without_content_has_none(wire: Any) -> None:
    answer = await wire("POST", "/clients/disconnect")
    assert (answer.status, answer.body) == (204, "")
    assert "Content-Type" not in answer.headers


async def test_many_requests_at_once_are_each_answered_once(wire: Any) -> None:
    wire.emulator.requests.clear()
    answers = await asyncio.gather(*(wire("POST", "/vouchers", json=NEW) for _ in range(300)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body["id"] for answer in answers}) == 300
    assert wire.emulator.requests.count("createVoucher") == 300


async def test_a_stopped_emulator_leaves_no_task_and_no_socket(
    emulator: VoucherEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    before = asyncio.all_tasks()
    caplog.set_level(logging.DEBUG)
    async with aiohttp.ClientSession() as session:
        await emulator.start()
        async with session.get(emulator.base_url + "/vouchers") as response:
            assert response.status == 401
        await emulator.stop()
        await emulator.stop()
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(emulator.base_url + "/vouchers")
    assert asyncio.all_tasks() == before
    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []


async def test_a_restart_keeps_port_and_memory() -> None:
    emulator = VoucherEmulator()
    async with emulator:
        url, voucher = emulator.url, emulator.add_voucher(amount=5)
    async with emulator:
        assert emulator.url == url
        assert emulator.voucher(voucher.id) == voucher


async def test_two_emulators_do_not_know_each_other() -> None:
    async with VoucherEmulator() as one, VoucherEmulator() as two:
        assert one.url != two.url
        assert one.client_id != two.client_id
        one.add_voucher(amount=5)
        assert two.vouchers() == ()


async def test_a_running_emulator_is_not_started_again() -> None:
    async with VoucherEmulator() as emulator:
        with pytest.raises(RuntimeError, match="running"):
            await emulator.start()


async def test_a_taken_port_is_an_os_error_and_leaves_nothing_open() -> None:
    async with VoucherEmulator() as emulator:
        port = int(emulator.url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            await VoucherEmulator(port=port).start()


def test_an_emulator_that_never_started_has_no_url() -> None:
    emulator = VoucherEmulator()
    assert repr(emulator) == "<VoucherEmulator not running>"
    with pytest.raises(RuntimeError, match="not started"):
        emulator.settings()


async def test_an_emulator_says_where_it_is_and_who_may_come_in() -> None:
    async with VoucherEmulator(host="::1") as emulator:
        assert emulator.url.startswith("http://[::1]:")
        assert repr(emulator) == f"<VoucherEmulator {emulator.url}>"
        assert emulator.settings() == {
            "client_id": emulator.client_id,
            "client_secret": emulator.client_secret,
            "base_url": f"{emulator.url}/v1",
            "token_url": f"{emulator.url}/oauth/token",
        }
        other = emulator.add_client()
        assert emulator.settings(other)["client_secret"] == other.secret
