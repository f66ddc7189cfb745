"""FastAPI and Starlette behind a real server: one client, problem details, keys, cancelled handlers."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sys
from collections.abc import AsyncIterator
from typing import Annotated, Any

import attrs
import httpx
import pytest
from fastapi import Body, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.websockets import WebSocket

from tests.serving import served
from voucher_async import ConfigurationError, InvalidInput, VoucherClient
from voucher_async.integrations import starlette
from voucher_async.integrations.fastapi import (
    PROBLEM_RESPONSES,
    IdempotencyKey,
    PaymentKey,
    Problem,
    Vouchers,
    client_of,
    exception_handlers,
    voucher_lifespan,
)
from voucher_async.testing import VoucherEmulator, faults

Text = Annotated[str, Body()]
HTTP = {"type": "http", "method": "GET", "headers": []}


def make(emulator: VoucherEmulator, **given: Any) -> VoucherClient:
    return VoucherClient(**emulator.settings(), **given)


def shop_of(emulator: VoucherEmulator, **given: Any) -> FastAPI:
    """An application that takes a voucher for an order."""
    app = FastAPI(
        lifespan=voucher_lifespan(functools.partial(make, emulator)),
        exception_handlers=exception_handlers(**given),
    )

    @app.post("/orders/{order}", responses=PROBLEM_RESPONSES)
    async def pay(order: str, code: Text, amount: Text, vouchers: Vouchers, key: IdempotencyKey) -> str:
        charge = await vouchers.redeem(
            code=code, amount=amount, currency="EUR", order_number=order, idempotency_key=key.of(order)
        )
        return charge.id

    return app


async def test_a_handler_pays_and_a_double_click_pays_once(voucher_emulator: VoucherEmulator) -> None:
    code = voucher_emulator.add_voucher(amount="50.00").code
    body = {"code": code, "amount": "10.00"}
    async with served(shop_of(voucher_emulator)) as http:
        answers = await asyncio.gather(*(http.post("/orders/A-1", json=body) for _ in range(2)))
        assert [each.status_code for each in answers] == [200, 200]
        assert {each.json() for each in answers} == {each.id for each in voucher_emulator.charges("A-1")}
        assert len(voucher_emulator.charges("A-1")) == 1


async def test_the_key_of_a_header_names_a_payment_of_its_order(voucher_emulator: VoucherEmulator) -> None:
    body = {"code": voucher_emulator.add_voucher(amount="50.00").code, "amount": "10.00"}
    async with served(shop_of(voucher_emulator)) as http:

        async def pay(order: str, key: str) -> str:
            answer = await http.post(f"/orders/{order}", json=body, headers={"Idempotency-Key": key})
            assert answer.status_code == 200, answer.text
            return str(answer.json())

        first, again = await pay("A-1", '"k-1"'), await pay("A-1", "k-1")
        second, other = await pay("A-1", "k-2"), await pay("A-2", "k-1")
        assert first == again
        assert len({first, second, other}) == 3
        answer = await http.post(
            "/orders/A-1", json=body | {"amount": "5.00"}, headers={"Idempotency-Key": "k-1"}
        )
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:voucher-async:key-reused")
        answer = await http.post("/orders/A-1", json=body, headers={"Idempotency-Key": "k" * 200})
        assert answer.json()["fields"] == {"Idempotency-Key": "must be 1 to 128 printable ASCII characters"}


async def test_a_wrong_code_and_too_little_on_a_voucher_are_one_answer(
    voucher_emulator: VoucherEmulator,
) -> None:
    code = voucher_emulator.add_voucher(amount="5.00").code
    bodies = [{"code": "NO-SUCH-CODE", "amount": "10.00"}, {"code": code, "amount": "10.00"}]
    async with served(shop_of(voucher_emulator)) as http:
        answers = [await http.post("/orders/A-1", json=body) for body in bodies]
    for answer in answers:
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json()["charged"] is False
    assert answers[0].text == answers[1].text


async def test_an_open_outcome_says_ask_again_and_asking_again_tells(
    voucher_emulator: VoucherEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"code": voucher_emulator.add_voucher(amount="50.00").code, "amount": "10.00"}
    app = FastAPI(
        lifespan=voucher_lifespan(functools.partial(make, voucher_emulator, timeout=0.3)),
        exception_handlers=exception_handlers(),
    )

    @app.post("/pay")
    async def pay(code: Text, amount: Text, vouchers: Vouchers) -> str:
        given: dict[str, Any] = {"code": code, "amount": amount, "currency": "EUR", "order_number": "A-1"}
        return (await vouchers.redeem(**given, idempotency_key="A-1")).id

    voucher_emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=1.0))
    async with served(app) as http:
        answer = await http.post("/pay", json=body)
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:voucher-async:outcome-unknown")
        assert answer.json()["charged"] is None
        assert int(answer.headers["retry-after"]) > 0
        assert "POST is answered with 503" in caplog.text
        while (answer := await http.post("/pay", json=body)).status_code == 503:
            await asyncio.sleep(0.05)
        assert [answer.json()] == [each.id for each in voucher_emulator.charges("A-1")]


async def test_the_client_is_closed_with_the_application_and_its_own_lifespan_runs_inside(
    voucher_emulator: VoucherEmulator,
) -> None:
    made: list[VoucherClient] = []
    steps: list[str] = []

    def noted() -> VoucherClient:
        made.append(make(voucher_emulator))
        return made[0]

    @contextlib.asynccontextmanager
    async def own(_: object) -> AsyncIterator[dict[str, str]]:
        steps.append("begun")
        yield {"shop": "ours"}
        steps.append("over")

    app = FastAPI(lifespan=voucher_lifespan(noted, inner=own))

    @app.get("/shop")
    async def shop(request: Request, vouchers: Vouchers) -> list[str]:
        return [request.state.shop, type(vouchers).__name__]

    async with served(app) as http:
        assert (await http.get("/shop")).json() == ["ours", "VoucherClient"]
    assert steps == ["begun", "over"]
    with pytest.raises(ConfigurationError, match="was closed"):
        await made[0].redeem(code="X", amount="1.00", currency="EUR", order_number="A-1")


async def test_mounted_applications_reach_the_client(voucher_emulator: VoucherEmulator) -> None:
    async def balance(request: Request) -> JSONResponse:
        voucher = await client_of(request).vouchers.get(request.path_params["id"])
        return JSONResponse(str(voucher.remaining_amount))

    inner = Starlette(routes=[Route("/vouchers/{id}", balance)], exception_handlers=exception_handlers())
    app = Starlette(
        routes=[Mount("/inner", inner)],
        lifespan=voucher_lifespan(functools.partial(make, voucher_emulator)),
    )
    voucher = voucher_emulator.add_voucher(amount="7.00")
    async with served(app) as http:
        assert (await http.get(f"/inner/vouchers/{voucher.id}")).json() == "7.00"
        answer = await http.get("/inner/vouchers/unknown")
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:voucher-async:not-found")


async def test_a_handler_that_is_cancelled_as_the_server_stops_loses_nothing(
    voucher_emulator: VoucherEmulator, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"code": voucher_emulator.add_voucher(amount="50.00").code, "amount": "10.00"}
    voucher_emulator.faults.script("chargeReservation", faults.SlowHeaders(seconds=2.0))
    caplog.set_level("INFO", logger="voucher_async")
    async with httpx.AsyncClient() as customer:  # it stays while the server stops
        async with served(shop_of(voucher_emulator), grace=1) as http:
            asked = asyncio.create_task(customer.post(http.base_url.join("/orders/A-1"), json=body))
            while not voucher_emulator.charges("A-1"):
                await asyncio.sleep(0.01)
        answer = await asked
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:voucher-async:interrupted")
    assert answer.json()["charged"] is None
    assert int(answer.headers["retry-after"]) > 0
    assert "POST is answered with 503: the handler was cancelled" in caplog.text
    assert "Traceback" not in caplog.text
    async with served(shop_of(voucher_emulator)) as http:
        again = await http.post("/orders/A-2", json=body)
    assert again.status_code == 200
    assert len(voucher_emulator.charges("A-1")) == 1


async def test_without_its_lifespan_an_application_says_what_to_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = FastAPI(exception_handlers=exception_handlers())

    @app.get("/")
    async def shop(vouchers: Vouchers) -> str:
        return repr(vouchers)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as http:
        answer = await http.get("/")
    assert "give the application lifespan=voucher_lifespan()" in caplog.text
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:voucher-async:not-configured")


async def test_a_problem_can_be_translated(voucher_emulator: VoucherEmulator) -> None:
    def german(problem: Problem) -> Problem:
        return attrs.evolve(problem, title="Dieser Gutschein passt nicht", status=400)

    async with served(shop_of(voucher_emulator, translate=german)) as http:
        answer = await http.post("/orders/A-1", json={"code": "NO-SUCH-CODE", "amount": "10.00"})
    assert answer.status_code == answer.json()["status"] == 400
    assert answer.json()["title"] == "Dieser Gutschein passt nicht"


def test_the_answers_are_in_the_openapi_of_the_application(voucher_emulator: VoucherEmulator) -> None:
    responses = shop_of(voucher_emulator).openapi()["paths"]["/orders/{order}"]["post"]["responses"]
    assert {"200", "409", "422", "503"} == set(responses)
    assert "application/problem+json" in responses["503"]["content"]


async def test_an_error_of_a_websocket_is_not_answered() -> None:
    async def nothing(*_: object) -> Any:
        """Neither receives nor sends."""

    (answer,) = exception_handlers().values()
    socket = WebSocket(HTTP | {"type": "websocket"}, nothing, nothing)
    with pytest.raises(InvalidInput, match="no number"):
        await answer(socket, InvalidInput("amount", "no number", "x"))
    assert (await answer(Request(HTTP), InvalidInput("amount", "no number", "x"))).status_code == 422


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("A", "1/x"), ("A/1", "x")),
        (("A/1", None), ("A", "1")),
        (("A", None), ("A", "A")),
        (("A%2F1", "x"), ("A/1", "x")),
        (("ä" * 200, "x"), ("ä" * 200, "y")),
    ],
)
def test_no_two_payments_have_one_key(one: tuple[str, str | None], other: tuple[str, str | None]) -> None:
    keys = [PaymentKey(header).of(order) for order, header in (one, other)]
    assert len(set(keys)) == 2
    assert all(0 < len(key) <= 255 and key.isascii() and key.isprintable() for key in keys)


@pytest.mark.parametrize("header", ["", '""', "ä", "a\tb", "k" * 129])
def test_what_is_no_key_is_refused(header: str) -> None:
    with pytest.raises(InvalidInput, match="Idempotency-Key"):
        PaymentKey(header)


@pytest.mark.parametrize(("module", "needs"), [("fastapi", "fastapi"), ("starlette", "starlette")])
def test_a_missing_framework_is_named(module: str, needs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    name = f"voucher_async.integrations.{module}"
    for each in [each for each in sys.modules if each.partition(".")[0] == needs]:
        monkeypatch.delitem(sys.modules, each)
    monkeypatch.setitem(sys.modules, needs, None)
    monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "voucher-async\[fastapi\]"'):
        importlib.import_module(name)
    assert starlette.__name__  # the module that was there stays
