"""The server the clients are measured against: canned answers, in a process of its own.

    python -m tests.bench.server

It prints its port, answers until its standard input is closed, and does as little as it can: one protocol,
no framework, answers made once a second. What is asked of it is counted. `/control` sets how it behaves and
`/counts` and `/log` tell what was seen; none of them is counted.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import importlib
import importlib.util
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from email.utils import format_datetime
from typing import Any

from tests.bench.bodies import PAGE

CLIENT_ID = "b2a4c1de-0f6b-4f3e-9d43-2b0a5f1f7c11"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)")
BEARER = re.compile(rb"\r\nauthorization: bearer bench-token-(\d+)")
CODE = re.compile(rb'"code": *"([^"]*)"')
CHARGE = re.compile(rb"/v1/reservations/[0-9a-f-]{24}(\d{12})/charge")
GONE = b'{"status": 409, "code": "GONE", "message": "gone"}'


class Behaviour:
    """How it answers; every attribute can be set by `/control`."""

    def __init__(self) -> None:
        self.token_delay = 0.0
        self.token_fails = False
        self.expires_in = 86_400
        self.awake = False  # True: poll, as waking a sleeping server costs its client CPU time
        self.held: list[str] = []  # operations that get no answer as long as they are listed
        self.knows_vouchers = False  # True: a reservation ends the voucher's earlier one, and all is logged


class State:
    """What happened since the last reset."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self.opened = 0
        self.peak = 0
        self.double_charges = 0
        self.charged: set[int] = set()
        self.vouchers = Vouchers()
        self.log: list[tuple[str, int, float, float]] = []  # operation, token, when it came, when answered


class Vouchers:
    """The reservations of vouchers, by their codes."""

    def __init__(self) -> None:
        self.numbers: dict[bytes, int] = {}  # by code
        self.of: dict[int, int] = {}  # by reservation
        self.latest: dict[int, int] = {}  # reservations by voucher

    def reserve(self, code: bytes, reservation: int) -> int:
        """The voucher's number; its earlier reservation is over."""
        voucher = self.of[reservation] = self.numbers.setdefault(code, len(self.numbers) + 1)
        self.latest[voucher] = reservation
        return voucher

    def is_over(self, reservation: int) -> bool:
        return self.latest[self.of[reservation]] != reservation


class Bodies:
    """The answers of the current second; numbered ids have a fixed width, so each is made by one `%`."""

    def __init__(self) -> None:
        self.second = 0
        self.reservation = self.charge = self.page = b""

    def refresh(self) -> None:
        now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        if int(now.timestamp()) == self.second:
            return
        self.second = int(now.timestamp())
        stamps = {"created_at": now.isoformat(), "updated_at": now.isoformat()}
        reservation = {
            "id": "2b1f3c9e-53d8-4a6c-9b6c-%012d",
            "voucher_id": "GIFT-2017-%012d",
            "voucher_taxable": True,
            "voucher_tax_rate": "19",
            "client_id": CLIENT_ID,
            "amount": "10.00",
            "valid_until": (now + dt.timedelta(minutes=30)).isoformat(),
        }
        charge = {
            "id": "c81d4e2e-bcf2-11e6-869b-%012d",
            "voucher_id": "GIFT-2017-%012d",
            "client_id": CLIENT_ID,
            "type": "charge",
            "amount": "10.00",
            "order_number": "A-1",
        }
        self.reservation = template(now, reservation | stamps)
        self.charge = template(now, charge | stamps)
        self.page = answer(json.dumps(PAGE).encode(), date=now)


def template(date: dt.datetime, body: dict[str, Any]) -> bytes:
    """An answer with two numbers of 12 digits left open."""
    text = json.dumps(body, separators=(",", ":")).encode()
    head, _, _ = answer(text % (0, 0), date=date).partition(b"\r\n\r\n")
    return head.replace(b"%", b"%%") + b"\r\n\r\n" + text


def answer(body: bytes, status: str = "200 OK", date: dt.datetime | None = None) -> bytes:
    shown = format_datetime(date or dt.datetime.now(dt.UTC), usegmt=True)
    head = (
        f"HTTP/1.1 {status}\r\nServer: bench\r\nDate: {shown}\r\nContent-Type: application/json\r\n"
        f"Cache-Control: no-cache, private\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Server:
    """What all connections share."""

    def __init__(self) -> None:
        self.behaviour = Behaviour()
        self.state = State()
        self.bodies = Bodies()
        self.open = 0
        self.issued = 0
        self.tokens = 0
        self.waiting: list[tuple[str, Connection]] = []

    def control(self, body: bytes) -> bytes:
        """Set attributes of the behaviour; `reset` forgets the counts."""
        wanted = json.loads(body)
        if wanted.pop("reset", False):
            self.state = State()
            self.state.peak = self.open
        for name, value in wanted.items():
            if not hasattr(self.behaviour, name):
                raise AttributeError(name)
            setattr(self.behaviour, name, value)
        self.release()
        if self.behaviour.awake:
            asyncio.get_running_loop().call_soon(self.stay_awake)
        return answer(b"{}")

    def stay_awake(self) -> None:
        if self.behaviour.awake:
            asyncio.get_running_loop().call_soon(self.stay_awake)

    def release(self) -> None:
        waiting, self.waiting = self.waiting, []
        for operation, connection in waiting:
            if operation in self.behaviour.held:
                self.waiting.append((operation, connection))
            else:
                connection.reply(operation)

    def counts(self) -> bytes:
        state = self.state
        seen = {
            "requests": dict(state.requests),
            "opened": state.opened,
            "open": self.open,
            "peak": state.peak,
            "held": len(self.waiting),
            "charged": len(state.charged),
            "double_charges": state.double_charges,
        }
        return answer(json.dumps(seen).encode())

    def token(self) -> bytes:
        if self.behaviour.token_fails:
            return answer(b'{"error": "temporarily_unavailable"}', "503 Service Unavailable")
        self.tokens += 1
        grant = {
            "access_token": f"bench-token-{self.tokens}",
            "token_type": "Bearer",
            "expires_in": self.behaviour.expires_in,
        }
        return answer(json.dumps(grant).encode())

    def reserve(self, body: bytes) -> bytes:
        self.bodies.refresh()
        self.issued += 1
        voucher = self.issued
        if self.behaviour.knows_vouchers:
            found = CODE.search(body)
            assert found, body
            voucher = self.state.vouchers.reserve(found[1], self.issued)
        return self.bodies.reservation % (self.issued, voucher)

    def charge(self, path: bytes) -> bytes:
        found = CHARGE.fullmatch(path)
        number = int(found[1]) if found else 0
        if not 0 < number <= self.issued or number in self.state.charged:
            self.state.double_charges += 1
            return answer(GONE, "409 Conflict")
        voucher = number
        if self.behaviour.knows_vouchers:
            if self.state.vouchers.is_over(number):
                return answer(GONE, "409 Conflict")
            voucher = self.state.vouchers.of[number]
        self.state.charged.add(number)
        self.bodies.refresh()
        return self.bodies.charge % (number, voucher)


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.buffer = b""
        self.counted = False
        self.path = self.body = b""
        self.token = 0
        self.came = 0.0
        self.write: Callable[[bytes], None] = lambda _: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.write = transport.write  # type: ignore[attr-defined]  # uvloop's transports derive from nothing

    def connection_lost(self, exc: Exception | None) -> None:
        self.write = lambda _: None
        self.server.waiting = [held for held in self.server.waiting if held[1] is not self]
        if self.counted:
            self.server.open -= 1

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        while end >= 0:
            head = self.buffer[:end].lower()
            found = LENGTH.search(head)
            stop = end + 4 + (int(found[1]) if found else 0)
            if len(self.buffer) < stop:
                return
            target = self.buffer[: self.buffer.index(b"\r\n")].split(b" ")[1]
            body, self.buffer = self.buffer[end + 4 : stop], self.buffer[stop:]
            self.handle(target, head, body)
            end = self.buffer.find(b"\r\n\r\n")

    def handle(self, target: bytes, head: bytes, body: bytes) -> None:
        path = target.partition(b"?")[0]
        if path == b"/counts":
            self.write(self.server.counts())
        elif path == b"/log":
            self.write(answer(json.dumps(self.server.state.log).encode()))
        elif path == b"/control":
            self.write(self.server.control(body))
        else:
            self.count(path, head, body)

    def count(self, path: bytes, head: bytes, body: bytes) -> None:
        server, state = self.server, self.server.state
        if not self.counted:
            self.counted = True
            server.open += 1
            state.opened += 1
            state.peak = max(state.peak, server.open)
        operation = operation_of(path)
        state.requests[operation] += 1
        self.path, self.body, self.came = path, body, time.perf_counter()
        bearer = BEARER.search(head)
        self.token = int(bearer[1]) if bearer else 0
        if operation != "token" and not bearer:
            state.requests["unauthorized"] += 1
            self.write(answer(b"{}", "401 Unauthorized"))
        elif operation in server.behaviour.held:
            server.waiting.append((operation, self))
        elif operation == "token" and server.behaviour.token_delay:
            asyncio.get_running_loop().call_later(server.behaviour.token_delay, self.reply, operation)
        else:
            self.reply(operation)

    def reply(self, operation: str) -> None:
        if operation == "reserve":
            self.write(self.server.reserve(self.body))
        elif operation == "charge":
            self.write(self.server.charge(self.path))
        elif operation == "token":
            self.write(self.server.token())
        elif operation == "page":
            self.server.bodies.refresh()
            self.write(self.server.bodies.page)
        else:
            self.write(answer(b'{"status": 404, "code": "NOT_FOUND", "message": "no"}', "404 Not Found"))
        if self.server.behaviour.knows_vouchers:
            self.server.state.log.append((operation, self.token, self.came, time.perf_counter()))


def operation_of(path: bytes) -> str:
    if path == b"/v1/reservations":
        return "reserve"
    if path.endswith(b"/charge"):
        return "charge"
    return {b"/oauth/token": "token", b"/v1/vouchers": "page"}.get(path, "unknown")


async def serve() -> None:
    loop = asyncio.get_running_loop()
    shared = Server()
    server = await loop.create_server(lambda: Connection(shared), "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    found = importlib.util.find_spec("uvloop")
    factory = importlib.import_module("uvloop").new_event_loop if found else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(serve())


if __name__ == "__main__":
    main()
