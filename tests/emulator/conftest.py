"""Ways to talk to an emulator without the SDK: through its engine, and over a socket."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp
import attrs
import pytest
from yarl import URL

from voucher_async.testing import ManualClock, VoucherEmulator, VoucherRecord
from voucher_async.testing._engine import Call

if TYPE_CHECKING:
    from collections.abc import Callable


RESET = "a reset"  # returned by `Connection.rest` in place of bytes


@attrs.frozen
class Answer:
    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def codes(self) -> set[str]:
        return {error["code"] for error in self.body["errors"]}


class Engine:
    """Calls an emulator's engine as its server would, in the name of one client."""

    def __init__(self, emulator: VoucherEmulator) -> None:
        self.emulator = emulator
        self.engine = emulator._engine
        self.token = self.new_token()

    def new_token(self, **fields: str) -> str:
        answer = self.token_answer(**fields)
        assert answer.status == 200, answer.body
        return str(answer.body["access_token"])

    def token_answer(self, **fields: str) -> Answer:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.emulator.client_id,
            "client_secret": self.emulator.client_secret,
            **fields,
        }
        return self.send(
            Call(
                method="POST",
                raw_path="/oauth/token",
                content_type="application/x-www-form-urlencoded",
                body=urlencode(form).encode(),
            )
        )

    def send(self, call: Call) -> Answer:
        outcome = self.engine.answer(call)
        body = json.loads(json.dumps(outcome.body))
        return Answer(outcome.status, body, outcome.headers)

    def __call__(self, method: str, path: str, body: object = None, **query: str) -> Answer:
        return self.send(
            Call(
                method=method,
                raw_path=f"/v1{path}",
                query=query,
                authorization=f"Bearer {self.token}",
                content_type="application/json",
                body=b"" if body is None else json.dumps(body).encode(),
            )
        )

    def reserve(self, voucher: Any, amount: str = "10.00", **fields: object) -> Answer:
        body = {"code": voucher.code, "amount": amount, "currency": "EUR", **fields}
        return self("POST", "/reservations", body)

    def charge(self, reservation_id: str, order_number: str = "A-1") -> Answer:
        return self("POST", f"/reservations/{reservation_id}/charge", {"order_number": order_number})

    def refund(self, charge_id: str, amount: str = "1.00", **fields: object) -> Answer:
        body = {"amount": amount, "currency": "EUR", **fields}
        return self("POST", f"/charges/{charge_id}/refund", body)

    def recharge(self, amount: str, **fields: object) -> Answer:
        body = {"amount": amount, "currency": "EUR", "order_number": "R-1", **fields}
        return self("POST", "/vouchers/recharge", body)

    def charged(self, voucher: Any, amount: str = "10.00", order_number: str = "A-1") -> str:
        """The id of a new charge."""
        reservation = self.reserve(voucher, amount)
        assert reservation.status == 200, reservation.body
        charge = self.charge(reservation.body["id"], order_number)
        assert charge.status == 200, charge.body
        return str(charge.body["id"])


class Wire:
    """Calls a running emulator over HTTP with a plain aiohttp session."""

    def __init__(self, emulator: VoucherEmulator, session: aiohttp.ClientSession) -> None:
        self.emulator = emulator
        self.session = session
        self.token = ""

    async def log_in(self) -> None:
        settings = self.emulator.settings()
        form = {
            "grant_type": "client_credentials",
            "client_id": settings["client_id"],
            "client_secret": settings["client_secret"],
        }
        async with self.session.post(self.emulator.token_url, data=form) as response:
            self.token = (await response.json())["access_token"]

    async def __call__(self, method: str, path: str, **options: Any) -> Answer:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        url = self.emulator.base_url + path
        async with self.session.request(method, url, headers=headers, **options) as response:
            text = await response.text()
            body = json.loads(text) if response.content_type == "application/json" and text else text
            return Answer(response.status, body, response.headers)

    async def reserve(self, code: str, amount: str = "1.00") -> Answer:
        return await self("POST", "/reservations", json={"code": code, "amount": amount, "currency": "EUR"})

    async def charge(self, voucher: VoucherRecord, order_number: str = "A-1", amount: str = "1.00") -> Answer:
        reservation = await self.reserve(voucher.code, amount)
        assert reservation.status == 200, reservation.body
        path = f"/reservations/{reservation.body['id']}/charge"
        return await self("POST", path, json={"order_number": order_number})

    async def recharge(self, order_number: str = "R-1", **whose: str) -> Answer:
        body = {"amount": "1.00", "currency": "EUR", "order_number": order_number, **whose}
        return await self("POST", "/vouchers/recharge", json=body)

    async def refund(self, charge_id: str, amount: str = "1.00") -> Answer:
        body = {"amount": amount, "currency": "EUR"}
        return await self("POST", f"/charges/{charge_id}/refund", json=body)

    async def listed(self, voucher: VoucherRecord, **query: str) -> Any:
        answer = await self("GET", f"/vouchers/{voucher.id}/charges", params=query)
        assert answer.status == 200, answer.body
        return answer.body["data"]

    async def orders(self, voucher: VoucherRecord, asked: str | None = None) -> list[str | None]:
        query = {} if asked is None else {"filter[order_number]": asked}
        return [entry["order_number"] for entry in await self.listed(voucher, **query)]


@attrs.define
class Shop:
    """Talks to an emulator over a socket, without the SDK."""

    emulator: VoucherEmulator
    session: aiohttp.ClientSession
    voucher: VoucherRecord
    token: str

    async def recharge(self, order_number: str = "A-1") -> tuple[int, Any, aiohttp.ClientResponse]:
        body = {"amount": "1.00", "currency": "EUR", "order_number": order_number, "id": self.voucher.id}
        url, headers = (
            f"{self.emulator.base_url}/vouchers/recharge",
            {"Authorization": f"Bearer {self.token}"},
        )
        async with self.session.post(url, json=body, headers=headers) as answer:
            text = await answer.text()
            return answer.status, text, answer

    def renew_token(self) -> None:
        self.token = Engine(self.emulator).token

    async def listed(self) -> int:
        url = f"{self.emulator.base_url}/vouchers/{self.voucher.id}/charges"
        async with self.session.get(url, headers={"Authorization": f"Bearer {self.token}"}) as answer:
            return len((await answer.json())["data"])

    @property
    def recharges(self) -> int:
        return len(self.emulator.charges())

    async def until(self, recharges: int) -> None:
        async with asyncio.timeout(5):
            while self.recharges < recharges:
                await asyncio.sleep(0)


@attrs.frozen
class Connection:
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
async def connected(shop: Shop) -> AsyncIterator[Connection]:
    url = URL(shop.emulator.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    try:
        yield Connection(reader, writer)
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


def broken(rules: Mapping[str, Mapping[str, Sequence[object]]]) -> pytest.MarkDecorator:
    """The cases of rules: each code with the fields that are answered with it, in all their values."""
    cases = [
        (dict(zip(fields, values, strict=True)), code)
        for code, fields in rules.items()
        for values in itertools.product(*fields.values())
    ]
    return pytest.mark.parametrize(("changed", "code"), cases)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def emulator(clock: ManualClock) -> VoucherEmulator:
    """An emulator that does not listen, on a clock that stands still."""
    return VoucherEmulator(clock=clock)


@pytest.fixture
def api(emulator: VoucherEmulator) -> Engine:
    return Engine(emulator)


@pytest.fixture
def api_of() -> Callable[[VoucherEmulator], Engine]:
    return Engine


@pytest.fixture
async def wire(emulator: VoucherEmulator) -> AsyncIterator[Wire]:
    async with emulator, aiohttp.ClientSession() as session:
        wire = Wire(emulator, session)
        await wire.log_in()
        yield wire


@pytest.fixture
async def shop(emulator: VoucherEmulator) -> AsyncIterator[Shop]:
    async with emulator, aiohttp.ClientSession() as session:
        yield Shop(emulator, session, emulator.add_voucher(amount="9.00"), Engine(emulator).token)
