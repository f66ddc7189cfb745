"""No secret in a local variable of a frame that a crash reporter could see: it sends the repr of each."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.secrets.frames import Tracer, shown_of, shown_of_stack
from tests.secrets.hostile import Hostile, broken, reply
from tests.secrets.search import CLIENT_SECRET, CODE, CONNECT_PIN, PIN, PLANTED, TOKEN, Search, forms
from tests.secrets.test_no_secret_leaks import CALLS, COMPLETE, WRONG
from voucher_async import ManualClock, Settings, StoredToken, VoucherClient, VoucherError, connect
from voucher_async.models import (
    ConnectRequest,
    CreateReservationRequest,
    CreateVoucherRequest,
    RechargeRequest,
)
from voucher_async.testing import VoucherEmulator


def leaked(variables: list[tuple[str, str]], secrets: tuple[str, ...] = PLANTED) -> list[str]:
    secret_forms = {form for secret in secrets for form in forms(secret)}
    return [place for place, text in dict.fromkeys(variables) if any(form in text for form in secret_forms)]


def reported(action: Callable[[], object]) -> list[tuple[str, str]]:
    """What a reporter would write down about the error of that."""
    try:
        action()
    except Exception as error:  # noqa: BLE001 - each way has another error
        return list(shown_of(error))
    pytest.fail("nothing was raised")


def answers(secrets: tuple[str, ...]) -> dict[str, bytes]:
    """Answers that cannot be taken for what was asked for, with what the call was given in them."""
    said = " ".join(secrets)
    return {
        "422": reply(422, json.dumps({"code": "A.B", "message": said}).encode()),
        "422 cut off": reply(422, json.dumps({"message": said}).encode()[:-4], cut=99),
        "500": reply(500, said.encode(), kind="text/html"),
        "200 that is another": reply(
            200, json.dumps({"code": CODE, "pin": PIN, "secret": CONNECT_PIN}).encode()
        ),
        "200 in another encoding": reply(200, f'{{"code": "{CODE}", "pin": "{PIN}"}}'.encode("utf-16")),
        "200 with half a character": reply(200, f'{{"code": "{CODE}\\"}}'.encode() + b"\xc3"),
        "200 with wrong types": reply(
            200, json.dumps({**COMPLETE, **WRONG["lists"], "amount": CODE}).encode()
        ),
        "200 with an unknown enum": reply(200, json.dumps({**COMPLETE, "status": 5}).encode()),
        "200 cut off": reply(200, json.dumps(COMPLETE).encode(), cut=500),
        "200 nested too deeply": reply(200, f'{{"code": "{CODE}", "x": {"[" * 5000}'.encode()),
        **broken(said),
    }


def pairs() -> list[tuple[str, str]]:
    """Calls and answers: a payment and a creation meet every answer, each other call every third."""
    calls, kinds = list(enumerate(CALLS)), list(enumerate(answers(PLANTED)))
    whole = {"redeem", "create"}
    return [(name, kind) for i, name in calls for k, kind in kinds if name in whole or i % 3 == k % 3]


# the tracer looks at every variable of every line, which takes half a second
@pytest.mark.parametrize(("name", "kind"), pairs())
async def test_no_answer_leaves_a_secret_in_a_frame(
    hostile: Hostile, search: Search, name: str, kind: str
) -> None:
    hostile.said = answers(CALLS[name][0])[kind]
    raised: list[VoucherError] = []
    with Tracer() as tracer:
        async with hostile.searched(search) as client:
            try:
                await CALLS[name][1](client)
            except VoucherError as error:
                raised.append(error)
    assert leaked(list(tracer.variables)) == []
    search.show(*raised)
    assert leaked(search.variables) == []


@pytest.mark.parametrize("answer", [b"", reply(200, f'{{"access_token": ["{TOKEN}"]}}'.encode())])
async def test_no_token_endpoint_leaves_a_secret_in_a_frame(
    hostile: Hostile, search: Search, answer: bytes
) -> None:
    for token in (answer, reply(401, CLIENT_SECRET.encode()), reply(200, TOKEN.encode(), cut=9)):
        hostile.token = token
        with Tracer() as tracer:
            async with hostile.searched(search) as client:
                with pytest.raises(VoucherError) as caught:
                    await CALLS["redeem"][1](client)
        search.show(caught.value)
        assert leaked([*tracer.variables, *search.variables]) == []


class Failing:
    """Hooks that raise, each with what it was told."""

    def on_attempt_started(self, event: object) -> None:
        raise RuntimeError(event)

    on_attempt_ended = on_repeating = on_token_refreshed = on_settled = on_intent = on_attempt_started


async def end_by_cancelling(client: VoucherClient, call: Awaitable[object]) -> None:
    task = asyncio.ensure_future(call)
    await asyncio.sleep(0.05)
    task.cancel()
    await task


async def end_by_closing(client: VoucherClient, call: Awaitable[object]) -> None:
    task = asyncio.ensure_future(call)
    await asyncio.sleep(0.05)
    await client.aclose(wait=0)
    await task


async def end_by_a_time_limit(client: VoucherClient, call: Awaitable[object]) -> None:
    async with asyncio.timeout(0.05):
        await call


async def end_in_a_group(client: VoucherClient, call: Awaitable[object]) -> None:
    async def fail() -> None:
        await asyncio.sleep(0.05)
        raise LookupError

    async def run() -> None:
        await call

    async with asyncio.TaskGroup() as group:
        group.create_task(run())
        group.create_task(fail())


ENDS = (end_by_cancelling, end_by_closing, end_by_a_time_limit, end_in_a_group)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("name", CALLS)
async def test_no_end_from_outside_leaves_a_secret_in_a_frame(
    hostile: Hostile, search: Search, name: str, end: Callable[..., Awaitable[None]]
) -> None:
    hostile.hang = True
    async with hostile.searched(search) as client:
        call: Any = CALLS[name][1](client)
        try:
            await end(client, call)
        except BaseException as error:  # noqa: BLE001 - a cancellation among them
            search.show(error)
        assert search.variables
        await client.aclose(wait=0)
        with pytest.raises(VoucherError) as refused:
            await CALLS[name][1](client)
        search.show(refused.value)
    assert leaked(search.variables) == []
    assert search.leaked(PLANTED) == []


class Broken:
    """A lock and a token store that raise whatever is asked of them."""

    def __getattr__(self, name: str) -> Any:
        def fail(*arguments: object) -> Any:
            raise RuntimeError(*arguments)

        return fail


@pytest_asyncio.fixture
async def session(search: Search) -> AsyncIterator[aiohttp.ClientSession]:
    async def fail(*arguments: object) -> None:
        raise RuntimeError

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(fail)
    async with aiohttp.ClientSession(trace_configs=[trace]) as session:
        yield session


@pytest.mark.parametrize("name", CALLS)
async def test_nothing_of_the_shops_own_that_fails_finds_a_secret_in_a_frame(
    hostile: Hostile, search: Search, session: aiohttp.ClientSession, name: str
) -> None:
    hostile.said = reply(500, b"")
    with Tracer() as tracer:
        for parts in ({"session": session}, {"voucher_lock": Broken()}, {"token_store": Broken()}):
            given: dict[str, Any] = {**parts, "hooks": [Failing(), search]}
            client = VoucherClient(
                "c-1",
                CLIENT_SECRET,
                base_url=f"{hostile.url}/v1",
                clock=ManualClock(skip_sleeps=True),
                **given,
            )
            async with client:
                with pytest.raises(VoucherError) as caught:
                    await CALLS[name][1](client)
            search.show(caught.value)
    assert leaked([*tracer.variables, *search.variables]) == []
    assert search.leaked(PLANTED) == []


ENVIRONMENT = {"VOUCHER_CLIENT_ID": "c-1", "VOUCHER_CLIENT_SECRET": CLIENT_SECRET}
URLS: dict[str, Any] = {"base_url": "http://127.0.0.1/v1", "token_url": "http://127.0.0.1/t"}
AMOUNT: dict[str, Any] = {"amount": 1.5, "currency": "EUR"}
BAD: dict[str, Callable[[], object]] = {
    "client": lambda: VoucherClient("c-1", CLIENT_SECRET),
    "client of a list": lambda: VoucherClient("c-1", [CLIENT_SECRET], **URLS),  # type: ignore[arg-type]  # the point
    "client with a blank": lambda: VoucherClient("c-1", f"{CLIENT_SECRET} ", base_url="http://127.0.0.1"),
    "client with both": lambda: VoucherClient(
        "c-1", CLIENT_SECRET, settings=Settings(client_id="c", client_secret="s", **URLS)
    ),
    "client from the environment": lambda: VoucherClient.from_env(ENVIRONMENT),
    "settings from the environment": lambda: Settings.from_env(ENVIRONMENT),
    "client from arguments and the environment": lambda: VoucherClient.from_env(
        {}, client_secret=CLIENT_SECRET, trust_env=True
    ),
    "settings from arguments and the environment": lambda: Settings.from_env({}, client_secret=CLIENT_SECRET),
    "settings from a list": lambda: Settings.make(client_id="c", client_secret=[CLIENT_SECRET], **URLS),  # type: ignore[arg-type]  # the point
    "settings": lambda: Settings(client_id="c-1", client_secret=CLIENT_SECRET, **URLS, keepalive=-1),
    "settings that are incomplete": lambda: Settings(client_id="c-1", client_secret=CLIENT_SECRET),  # type: ignore[call-arg]  # the point
    "settings made": lambda: Settings.make(client_id="c-1", client_secret=CLIENT_SECRET),
    "reservation": lambda: CreateReservationRequest(code=CODE, pin=PIN, **AMOUNT),
    "reservation with a long pin": lambda: CreateReservationRequest(
        code=CODE, pin=PIN * 99, amount=1, currency="EUR"
    ),
    "voucher": lambda: CreateVoucherRequest(code=CODE, pin=PIN, **AMOUNT),
    "recharge": lambda: RechargeRequest(code=CODE, id="x", order_number="A", amount=1, currency="EUR"),
    "connection": lambda: ConnectRequest(pin=[CONNECT_PIN]),  # type: ignore[arg-type]  # the point
    "stored token": lambda: StoredToken(
        access_token=f"{TOKEN}\n", expires_at=dt.datetime.now(dt.UTC), lifetime=1
    ),
    "stored text": lambda: StoredToken.from_json(f'{{"access_token": "{TOKEN}", "expires_at": "{TOKEN}"}}'),
    "stored bytes": lambda: StoredToken.from_json(f'{{"access_token": "{TOKEN}"'.encode()),
}


@pytest.mark.parametrize("way", BAD)
def test_what_is_refused_at_once_leaves_no_secret_in_a_frame(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOUCHER_CLIENT_SECRET", CLIENT_SECRET)
    with Tracer() as tracer:
        variables = reported(BAD[way])
    assert leaked([*variables, *tracer.variables]) == []


async def test_connecting_leaves_no_secret_in_a_frame(hostile: Hostile, search: Search) -> None:
    hostile.said = answers(PLANTED)["200 that is another"]
    bad: list[Any] = [
        {},
        {"base_url": "nowhere"},
        {"base_url": f"{hostile.url}/v1"},
        {"base_url": "http://127.0.0.1:1", "timeout": 0.5},
    ]
    for given in bad:
        with pytest.raises(VoucherError) as caught:
            await connect(CONNECT_PIN, **given)
        search.show(caught.value)
    assert leaked(search.variables) == []


async def test_no_frame_of_the_sdk_holds_a_secret_at_any_time(search: Search) -> None:
    clock = ManualClock(skip_sleeps=True)
    async with VoucherEmulator(clock=clock) as emulator:
        with Tracer(every=True) as tracer:
            async with VoucherClient(**emulator.settings(), clock=clock, hooks=[search]) as client:
                await client.clients.connect(emulator.new_connect_pin())
                made = await client.vouchers.create(
                    amount="50", currency="EUR", code=CODE, pin=PIN, type="print"
                )
                await client.vouchers.get_complete(made.id)
                await client.vouchers.activate(made.id)
                await client.redeem(code=CODE, amount="1", currency="EUR", order_number="A-2", pin=PIN)
                await client.vouchers.recharge(amount="1", currency="EUR", order_number="R", code=CODE)
                async with client.checkout(order_number="A-3", currency="EUR") as checkout:
                    await checkout.reserve(code=CODE, amount="1", pin=PIN, allow_partial=True, renew=True)
                    await checkout.charge()
                token = client._tokens.current()
    assert token is not None
    secrets = (CODE, PIN, emulator.client_secret, str(token.value))
    # urllib and json serve the emulator alone; masking handles the secrets themselves
    outside = [
        each
        for each in tracer.variables
        if not any(part in each[0] for part in ("/testing/", ".testing.", "/masking/", "/urllib/", "/json/"))
    ]
    assert len(outside) > 100
    assert leaked([*outside, *search.variables], secrets) == []


def foreign(source: str) -> Callable[[], object]:
    """A function whose frame is no test's."""
    names: dict[str, Any] = {}
    exec(compile(source, "/elsewhere/library.py", "exec"), {"CODE": CODE}, names)
    made: Callable[[], object] = names["leak"]
    return made


LEAKS = {
    "a variable": "def leak():\n    x = CODE\n    raise ValueError",
    "a list in a dict": "def leak():\n    x = {'a': [CODE]}\n    raise ValueError",
    "bytes": "def leak():\n    x = CODE.encode()\n    raise ValueError",
    "a cause": (
        "def leak():\n    try:\n        x = CODE\n        1 / 0\n"
        "    except Exception as e:\n        raise ValueError from e"
    ),
    "a context that is not shown": (
        "def leak():\n    def inner():\n        x = CODE\n        1 / 0\n"
        "    try:\n        inner()\n    except Exception:\n        raise ValueError from None"
    ),
    "an argument": "def leak():\n    (lambda code: 1 / 0)(CODE)",
    "a cell": "def leak():\n    x = CODE\n    def inner():\n        x\n        raise ValueError\n    inner()",
    "a generator": "def leak():\n    def inner(x):\n        yield 1 / 0\n    list(inner(CODE))",
}


@pytest.mark.parametrize("way", LEAKS)
def test_the_search_finds_a_secret_in_a_frame(way: str) -> None:
    assert leaked(reported(foreign(LEAKS[way])))
    assert leaked(reported(foreign(LEAKS[way].replace("CODE", "'x'")))) == []


def test_the_search_finds_a_secret_on_the_stack() -> None:
    found: list[tuple[str, str]] = []

    names: dict[str, Any] = {"call": lambda: found.extend(shown_of_stack())}
    exec(compile("def leak(x):\n    call()", "/elsewhere/library.py", "exec"), names)
    names["leak"](CODE)
    assert leaked(found)


def test_the_tracer_finds_what_is_swallowed() -> None:
    source = "def leak(code):\n    try:\n        1 / 0\n    except Exception:\n        pass"
    names: dict[str, Any] = {}
    exec(compile(source, "/elsewhere/voucher_async/x.py", "exec"), names)
    with Tracer() as tracer:
        names["leak"](CODE)
    assert leaked(list(tracer.variables))
