"""aiohttp.web behind its own runner: one client for an application and those added to it, problem details."""

from __future__ import annotations

import asyncio
import functools

import aiohttp
import attrs
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from voucher_async import VoucherClient
from voucher_async.integrations.aiohttp_web import client_of, setup
from voucher_async.integrations.problems import Problem
from voucher_async.testing import VoucherEmulator, faults


async def balance(request: web.Request) -> web.Response:
    voucher = await client_of(request).vouchers.get(request.match_info["id"])
    return web.json_response(str(voucher.remaining_amount))


def nested() -> web.Application:
    """An application with another one in it, which answers."""
    inner, app = web.Application(), web.Application()
    inner.router.add_get("/vouchers/{id}", balance)
    app.add_subapp("/inner", inner)
    return app


async def test_an_application_that_was_added_has_client_and_problems(
    voucher_emulator: VoucherEmulator,
) -> None:
    def german(problem: Problem) -> Problem:
        return attrs.evolve(problem, title="Gibt es nicht")

    app = nested()
    setup(app, functools.partial(VoucherClient, **voucher_emulator.settings()), translate=german)
    voucher = voucher_emulator.add_voucher(amount="7.00")
    async with TestClient(TestServer(app)) as http:
        async with http.get(f"/inner/vouchers/{voucher.id}") as answer:
            assert await answer.json() == "7.00"
        async with http.get("/inner/vouchers/unknown") as answer:
            assert (answer.status, answer.content_type) == (404, "application/problem+json")
            assert (await answer.json(content_type=None))["title"] == "Gibt es nicht"


async def test_an_application_without_setup_says_what_to_do(caplog: pytest.LogCaptureFixture) -> None:
    app = nested()
    async with TestClient(TestServer(app)) as http, http.get("/inner/vouchers/any") as answer:
        assert answer.status == 500
    assert "call setup(app)" in caplog.text


async def test_an_answer_that_has_begun_is_broken_off_and_no_other_one_is_put_into_it(
    voucher_emulator: VoucherEmulator,
) -> None:
    async def stream(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        await client_of(request).vouchers.get("unknown")
        return answer  # pragma: no cover

    async def talk(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await client_of(request).vouchers.get("unknown")
        return socket  # pragma: no cover

    app = web.Application()
    app.router.add_get("/stream", stream)
    app.router.add_get("/talk", talk)
    setup(app, functools.partial(VoucherClient, **voucher_emulator.settings()))
    async with TestClient(TestServer(app)) as http, asyncio.timeout(20):
        async with http.get("/stream") as answer:
            with pytest.raises(aiohttp.ClientPayloadError):
                await answer.read()
        async with http.ws_connect("/talk") as socket:
            assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSED


async def test_what_nobody_has_to_mend_is_logged_as_a_warning(
    voucher_emulator: VoucherEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    app = nested()
    setup(app, functools.partial(VoucherClient, **voucher_emulator.settings(), timeout=1.0))
    voucher_emulator.faults.chance(1.0, seed=1, operations=["getVoucher"], kinds=[faults.Unavailable()])
    async with TestClient(TestServer(app)) as http, http.get("/inner/vouchers/any") as answer:
        assert answer.status == 503
    (level,) = {record.levelname for record in caplog.records if "is answered with 503" in record.message}
    assert level == "WARNING"
