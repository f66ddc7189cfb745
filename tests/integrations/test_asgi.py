"""The ASGI wrapper: the lifespan with and without the application's own, and servers that run none."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.serving import served
from voucher_async import ConfigurationError, VoucherClient, VoucherError
from voucher_async.integrations import starlette
from voucher_async.integrations.asgi import VoucherMiddleware, client_of
from voucher_async.testing import VoucherEmulator

START = {"type": "lifespan.startup"}
STOP = {"type": "lifespan.shutdown"}


async def bare(scope: Any, _receive: Any, send: Any) -> None:
    """Answers with the number of vouchers; knows no lifespan, like Django's application."""
    if scope["type"] != "http":
        raise ValueError(scope["type"])
    count = len([each async for each in client_of(scope).vouchers.list()])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(count).encode()})


class Made:
    """Makes clients, and remembers them."""

    def __init__(self, emulator: VoucherEmulator) -> None:
        self.clients: list[VoucherClient] = []
        self._make = functools.partial(VoucherClient, **emulator.settings())

    def __call__(self) -> VoucherClient:
        self.clients.append(self._make())
        return self.clients[-1]


async def is_closed(client: VoucherClient) -> bool:
    try:
        await client.vouchers.get("any")
    except ConfigurationError as error:
        return "closed" in str(error)
    except VoucherError:
        return False
    return False


class Server:
    """A server's part of a lifespan."""

    def __init__(self, *messages: dict[str, str]) -> None:
        self._messages = list(messages)
        self.answers: list[Any] = []

    async def receive(self) -> dict[str, str]:
        return self._messages.pop(0)

    async def send(self, message: Any) -> None:
        self.answers.append(message)

    async def run(self, app: Any, **scope: Any) -> list[str]:
        await app({"type": "lifespan", **scope}, self.receive, self.send)
        return [each["type"].removeprefix("lifespan.") for each in self.answers]


async def test_an_application_that_knows_no_lifespan_has_a_client_that_is_closed(
    voucher_emulator: VoucherEmulator,
) -> None:
    voucher_emulator.add_voucher(amount="5.00")
    made = Made(voucher_emulator)
    async with served(VoucherMiddleware(bare, made)) as http:
        assert [(await http.get("/")).json() for _ in range(2)] == [1, 1]
        (client,) = made.clients
        assert not await is_closed(client)
    assert await is_closed(client)


async def test_the_lifespan_of_the_application_runs_inside_that_of_the_client(
    voucher_emulator: VoucherEmulator,
) -> None:
    made = Made(voucher_emulator)
    steps: list[tuple[str, bool]] = []

    @contextlib.asynccontextmanager
    async def own(_: object) -> AsyncIterator[dict[str, str]]:
        steps.append(("begun", await is_closed(made.clients[0])))
        yield {"shop": "ours"}
        steps.append(("over", await is_closed(made.clients[0])))

    async def shop(request: Request) -> JSONResponse:
        same = client_of(request.scope) is starlette.client_of(request) is made.clients[0]
        return JSONResponse([request.state.shop, same])

    inner = Starlette(routes=[Route("/", shop)], lifespan=own)
    async with served(VoucherMiddleware(inner, made)) as http:
        assert (await http.get("/")).json() == ["ours", True]
    assert steps == [("begun", False), ("over", False)]
    assert await is_closed(made.clients[0])


async def test_the_server_is_told_of_the_end_when_the_client_is_closed(
    voucher_emulator: VoucherEmulator,
) -> None:
    made = Made(voucher_emulator)
    told: list[tuple[str, bool]] = []

    async def knowing(_scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == START
        await send({"type": "lifespan.startup.complete"})
        assert await receive() == STOP
        await send({"type": "lifespan.shutdown.complete"})

    class Noting(Server):
        async def send(self, message: Any) -> None:
            await super().send(message)
            told.append((message["type"], await is_closed(made.clients[0])))

    await Noting(START, STOP).run(VoucherMiddleware(knowing, made))
    assert told == [("lifespan.startup.complete", False), ("lifespan.shutdown.complete", True)]


async def test_an_application_that_ends_its_lifespan_early_is_served_until_the_server_stops(
    voucher_emulator: VoucherEmulator,
) -> None:
    async def nothing(*_: object) -> None:
        """Returns, where it should wait for the server to stop."""

    async def started(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.complete"})

    for app in (nothing, started):
        wrapped = VoucherMiddleware(app, Made(voucher_emulator))
        assert await Server(START, STOP).run(wrapped) == ["startup.complete", "shutdown.complete"]


async def test_an_application_that_cannot_start_is_told_and_the_client_closed(
    voucher_emulator: VoucherEmulator,
) -> None:
    async def broken(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    made = Made(voucher_emulator)
    server = Server(START)
    assert await server.run(VoucherMiddleware(broken, made)) == ["startup.failed"]
    assert server.answers[0]["message"] == "no database"
    assert await is_closed(made.clients[0])


async def test_a_start_that_fails_without_a_word_is_not_called_complete(
    voucher_emulator: VoucherEmulator,
) -> None:
    async def starting(_scope: Any, receive: Any, _send: Any) -> None:
        assert await receive() == START
        raise LookupError("no database")

    made = Made(voucher_emulator)
    server = Server(START)
    with pytest.raises(LookupError, match="no database"):
        await server.run(VoucherMiddleware(starting, made))
    assert server.answers == []
    assert await is_closed(made.clients[0])


async def test_an_error_after_the_start_reaches_the_server_and_the_client_is_closed(
    voucher_emulator: VoucherEmulator,
) -> None:
    async def breaking(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "lifespan.startup.complete"})
        raise LookupError("gone")

    made = Made(voucher_emulator)
    with pytest.raises(LookupError, match="gone"):
        await Server(START).run(VoucherMiddleware(breaking, made))
    assert await is_closed(made.clients[0])


async def test_a_failure_while_it_stops_is_told_to_the_server_when_the_client_is_closed(
    voucher_emulator: VoucherEmulator,
) -> None:
    words = {"type": "lifespan.shutdown.failed", "message": "the application's own"}

    async def silent(_scope: Any, receive: Any, send: Any) -> None:
        assert await receive() == START
        await send({"type": "lifespan.startup.complete"})
        assert await receive() == STOP
        raise LookupError("not flushed")

    async def speaking(scope: Any, receive: Any, send: Any) -> None:
        try:
            await silent(scope, receive, send)
        except LookupError:
            await send(words)
            raise

    for app, message in ((speaking, words["message"]), (silent, "LookupError: not flushed")):
        made = Made(voucher_emulator)
        server = Server(START, STOP)
        with pytest.raises(LookupError, match="not flushed"):
            await server.run(VoucherMiddleware(app, made))
        (*_, told) = server.answers
        assert told == {"type": "lifespan.shutdown.failed", "message": message}
        assert await is_closed(made.clients[0])


async def test_a_client_that_cannot_be_made_stops_the_start_and_says_why() -> None:
    server = Server(START)
    with pytest.raises(ConfigurationError, match="VOUCHER_CLIENT_ID"):
        await server.run(VoucherMiddleware(bare))
    (answer,) = server.answers
    assert answer["type"] == "lifespan.startup.failed"
    assert "VOUCHER_CLIENT_ID" in answer["message"]


async def test_a_server_that_passes_no_state_on_has_the_client_of_its_lifespan(
    voucher_emulator: VoucherEmulator,
) -> None:
    made = Made(voucher_emulator)
    app = VoucherMiddleware(bare, made)
    stop = asyncio.Event()

    class Waiting(Server):
        async def receive(self) -> dict[str, str]:
            if len(self._messages) == 1:
                await stop.wait()
            return await super().receive()

    server = Waiting(START, STOP)
    living = asyncio.create_task(server.run(app))
    while not server.answers:
        await asyncio.sleep(0)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as http:
        assert (await http.get("/")).json() == 0
    stop.set()
    assert await living == ["startup.complete", "shutdown.complete"]
    assert len(made.clients) == 1


def test_without_a_lifespan_the_first_request_opens_the_client_and_the_end_of_the_loop_closes_it() -> None:
    with VoucherEmulator() as emulator:
        made = Made(emulator)
        app = VoucherMiddleware(bare, made)

        async def ask() -> list[int]:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://shop") as http:
                answers = await asyncio.gather(*(http.get("/") for _ in range(5)))
            return [each.json() for each in answers]

        for count in (1, 2):  # a test suite has a loop for each test
            assert asyncio.run(ask()) == [0] * 5
            assert len(made.clients) == count
            assert asyncio.run(is_closed(made.clients[-1]))


def test_an_application_that_is_not_wrapped_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="VoucherMiddleware"):
        client_of({"type": "http"})
