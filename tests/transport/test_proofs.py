"""What an error answer to a money request proves, and what it does not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.rawserver import RawServer, Script, close, reply
from voucher_async import ApiError, Fate, VoucherError
from voucher_async.api_errors import AuthenticationError
from voucher_async.operations import CHARGE_RESERVATION, CREATE_RESERVATION, CREATE_VOUCHER, Operation
from voucher_async.sansio import Request

PAGE = b"<html><h1>405 Not Allowed</h1><hr>nginx</html>"
NO = {"status": 422, "code": "CHARGE.NO", "message": "no"}


async def refusal(server: RawServer, operation: Operation[Any], *, by_id: bool = True) -> ApiError:
    async with server.client(max_attempts=1) as client:
        request = Request(operation=operation, path="/x", body=b"{}", repeatable=by_id)
        with pytest.raises(ApiError) as caught:
            await client._transport.send(request, client._transport.deadline())
    return caught.value


ENVELOPES: dict[str, tuple[dict[str, object], bool]] = {
    "all of it": (NO, True),
    "a code alone": ({"code": "CHARGE.NO"}, True),
    "status and message": ({"status": 422, "message": "no"}, True),
    "a status as a text": ({"status": "422", "code": "CHARGE.NO"}, True),
    "a message alone": ({"message": "no"}, False),
    "another status": ({"status": 200, "code": "CHARGE.NO", "message": "no"}, False),
    "a code that is a number": ({"code": 1015, "message": "no"}, False),
    "an empty code": ({"code": "", "message": "no"}, False),
    "nothing": ({}, False),
    "OAuth's": ({"error": "invalid_request", "error_description": "no"}, False),
    "a gateway's": ({"timestamp": "now", "error": "Not Found", "path": "/x"}, False),
}


@pytest.mark.parametrize("name", ENVELOPES)
async def test_the_envelope_is_told_from_what_looks_like_it(raw_server: RawServer, name: str) -> None:
    body, expected = ENVELOPES[name]
    raw_server.scripts = [reply(body, 422)]
    error = await refusal(raw_server, CHARGE_RESERVATION)
    assert error.has_envelope is expected
    assert error.fate is (Fate.ANSWERED if expected else Fate.UNKNOWN)


@pytest.mark.parametrize("status", [400, 404, 405, 408, 410, 413, 429, 431, 451, 499])
@pytest.mark.parametrize("body", [PAGE, b"", b'{"message":"Forbidden"}', b"[]"])
async def test_a_page_that_a_proxy_made_up_proves_nothing_about_money(
    raw_server: RawServer, status: int, body: bytes
) -> None:
    raw_server.scripts = [reply(status=status, body=body)]
    error = await refusal(raw_server, CHARGE_RESERVATION)
    assert (error.status, error.has_envelope, error.fate) == (status, False, Fate.UNKNOWN)
    assert len(raw_server.requests) == 1


async def test_a_page_refuses_what_may_be_asked_again(raw_server: RawServer) -> None:
    raw_server.scripts = [reply(status=405, body=PAGE)]
    assert (await refusal(raw_server, CREATE_RESERVATION)).fate is Fate.ANSWERED
    assert (await refusal(raw_server, CREATE_VOUCHER)).fate is Fate.ANSWERED
    assert (await refusal(raw_server, CREATE_VOUCHER, by_id=False)).fate is Fate.UNKNOWN


@pytest.mark.parametrize(
    "script", [reply(status=401, body=PAGE), reply({"code": "NO", "message": "no"}, 401)]
)
async def test_a_401_counts_for_the_only_request_alone(raw_server: RawServer, script: Script) -> None:
    raw_server.scripts = [script, reply()]
    async with raw_server.client() as client:
        assert (await client.reservations.charge("r-1", order_number="o-1")).id == "ch-1"
    raw_server.scripts = [script]
    error = await refusal(raw_server, CHARGE_RESERVATION)
    assert isinstance(error, AuthenticationError)
    assert error.fate is Fate.UNKNOWN
    assert len(raw_server.requests) == 4


async def test_a_401_to_a_request_after_one_that_was_not_sent_is_to_the_only_one(
    raw_server: RawServer,
) -> None:
    async with raw_server.client() as client:
        request = Request(operation=CHARGE_RESERVATION, path="/x", body=b"{}")
        await client.reservations.charge("r-0", order_number="o-0")
        await raw_server.stop()
        raw_server.scripts = [reply({"code": "NO", "message": "no"}, 401), reply(NO, 422)]
        call = asyncio.create_task(client._transport.send(request, client._transport.deadline()))
        await asyncio.sleep(0.1)
        await raw_server.start()
        with pytest.raises(VoucherError) as caught:
            await call
    assert caught.value.fate is Fate.ANSWERED
    assert len(raw_server.requests) == 3


async def test_a_connection_that_is_lost_proves_nothing(raw_server: RawServer) -> None:
    raw_server.scripts = [close]
    async with raw_server.client() as client:
        request = Request(operation=CHARGE_RESERVATION, path="/x", body=b"{}")
        with pytest.raises(VoucherError) as caught:
            await client._transport.send(request, client._transport.deadline())
    assert caught.value.fate is Fate.UNKNOWN
    assert len(raw_server.requests) == 1
