"""When a body may be begun to be written: in time, and on a connection that can take it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator

import aiohttp
import pytest
import trustme

from tests.rawserver import CHARGE, VOUCHER, RawServer, hang, reply, send_then
from tests.transport.stopped import said_after_a_stop
from voucher_async import CallTimeout, Fate, OutcomeUnknown, Settings, Timeout, VoucherClient
from voucher_async.cancelling import Limit
from voucher_async.realtime import Real
from voucher_async.sansio import Response
from voucher_async.transport.connection import owners
from voucher_async.transport.exchange import Exchange
from voucher_async.transport.session import Session
from voucher_async.transport.watched import NotBegunError, Watched

ANSWER = json.dumps(CHARGE).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
TOKEN = json.dumps({"access_token": "t", "token_type": "Bearer", "expires_in": 3600}).encode()


@pytest.fixture(autouse=True)
def no_other_owners() -> None:
    """Connections that other tests have abandoned with their loops are not counted."""
    owners.clear()


STOPPED = """
import asyncio, os, signal, sys
from voucher_async import Hook, Settings, Timeout, VoucherClient, VoucherError

class Stop(Hook):
    def on_attempt_started(self, event):
        if event.operation == "chargeReservation" and event.path.endswith("/r-1/charge"):
            os.kill(os.getpid(), signal.SIGSTOP)

async def main(url):
    settings = Settings(
        client_id="c-1", client_secret="s", base_url=f"{url}/v1", token_url=f"{url}/oauth/token",
        timeout=Timeout(total=1.0),
    )
    async with VoucherClient(settings=settings, hooks=[Stop()]) as client:
        await client.reservations.charge("r-0", order_number="o-0", timeout=20.0)
        try:
            await client.reservations.charge("r-1", order_number="o-1")
        except VoucherError as error:
            print(type(error).__name__, error.fate)

asyncio.run(main(sys.argv[1]))
"""


async def test_a_process_that_was_stopped_writes_nothing_after_its_deadline(raw_server: RawServer) -> None:
    assert await said_after_a_stop(STOPPED, raw_server.url, 1.2) == "CallTimeout not sent"
    assert [head.split()[1] for head, _ in raw_server.requests] == ["/v1/reservations/r-0/charge"]


async def test_a_machine_that_slept_writes_nothing_after_its_deadline(
    raw_server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = [time.monotonic()]
    monkeypatch.setattr(Real, "uptime", staticmethod(lambda: moments[0]))

    async with raw_server.client() as client:
        await client.reservations.charge("r-0", order_number="o-0")

        class Sleeping(Session):
            async def send(self, exchange: Exchange, limit: Limit) -> Response:
                moments[0] += 3600.0
                return await super().send(exchange, limit)

        client._transport.session.__class__ = Sleeping
        with pytest.raises(CallTimeout, match="not sent") as caught:
            await client.reservations.charge("r-1", order_number="o-1")
    assert caught.value.fate is Fate.NOT_SENT
    assert len(raw_server.requests) == 1


class Threaded:
    """A server in a thread of its own: it acts while the client's loop stands still."""

    def __init__(self, farewell: bytes | None, context: ssl.SSLContext | None = None) -> None:
        self.farewell = farewell  # sent after each answer to a call; None: the connection is closed instead
        self.requests: list[bytes] = []
        self._context = context
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
                if self._context is not None:
                    connection = self._context.wrap_socket(connection, server_side=True)
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        received = b""
        with connection, contextlib.suppress(OSError):
            while data := connection.recv(65_536):
                received += data
                head, found, body = received.partition(b"\r\n\r\n")
                length = next((int(x.split(b":")[1]) for x in head.splitlines() if b"-Length" in x), 0)
                if not found or len(body) < length:
                    continue
                received = b""
                if b"/oauth/" in head:
                    connection.sendall(HEAD % len(TOKEN) + TOKEN)
                    continue
                self.requests.append(head.split()[1])
                answer = ANSWER.replace(b'"ch-1"', b'"ch-%d"' % (len(self.requests) - 1))
                connection.sendall(HEAD % len(answer) + answer)
                time.sleep(0.02)  # in a segment of its own, after the answer
                if self.farewell is None:
                    return
                connection.sendall(self.farewell)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join()

    def settings(self) -> Settings:
        url = f"http{'s' if self._context else ''}://127.0.0.1:{self.port}"
        return Settings(
            client_id="c-1",
            client_secret="hush-hush-secret",
            base_url=f"{url}/v1",
            token_url=f"{url}/oauth/token",
            timeout=Timeout(total=5.0, read=2.0),
        )


class Blocked(Session):
    """A session on a loop that stands still just before a request is made, while the server goes on."""

    async def send(self, exchange: Exchange, limit: Limit) -> Response:
        time.sleep(0.05)  # noqa: ASYNC251
        return await super().send(exchange, limit)


STALE = HEAD % 2 + b"{}"
TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest, authority: trustme.CA) -> ssl.SSLContext | None:
    if request.param == "plain":
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(params=[None, STALE, TIMED_OUT], ids=["closes", "answers twice", "says 408"])
def threaded(request: pytest.FixtureRequest, tls: ssl.SSLContext | None) -> Iterator[Threaded]:
    server = Threaded(request.param, tls)
    yield server
    server.close()


@pytest.mark.parametrize("seen", ["in the kernel", "by the loop"])
async def test_a_connection_that_ended_or_says_more_than_it_was_asked_takes_no_money_request(
    threaded: Threaded, trusting: aiohttp.ClientSession, seen: str
) -> None:
    async with VoucherClient(settings=threaded.settings(), session=trusting) as client:
        await client.reservations.charge("r-0", order_number="o-1")
        if seen == "in the kernel":
            client._transport.session.__class__ = Blocked
        for number in range(1, 5):
            if seen == "by the loop":
                await asyncio.sleep(0.1)
            charge = await client.reservations.charge(f"r-{number}", order_number="o-1")
            assert charge.id == f"ch-{number}"
    await asyncio.sleep(0.1)  # the TLS close messages arrive
    assert threaded.requests == [f"/v1/reservations/r-{n}/charge".encode() for n in range(5)]


class Pipe(asyncio.Transport):
    """A transport that does nothing but remember."""

    def __init__(self, extra: dict[str, object] | None = None) -> None:
        super().__init__(extra)
        self.ended: list[str] = []

    def is_closing(self) -> bool:
        return bool(self.ended)

    def close(self) -> None:
        self.ended.append("closed")

    def abort(self) -> None:
        self.ended.append("aborted")


class Writer:
    def __init__(self, transport: Pipe | None) -> None:
        self.transport = transport


async def test_a_body_of_a_call_that_is_over_is_not_begun() -> None:
    body = Watched()
    body.end(answered=False)
    with pytest.raises(NotBegunError, match="time was up"):
        await body.begin(Writer(Pipe()))
    assert body.begun == 0


async def test_a_body_is_not_begun_on_a_connection_that_is_closing() -> None:
    body, gone = Watched(), Pipe()
    gone.close()
    for writer in (Writer(gone), Writer(None)):
        with pytest.raises(NotBegunError, match="server closed the connection"):
            await body.begin(writer)
    assert body.begun == 0


async def test_a_body_goes_wherever_somebody_elses_writer_takes_it() -> None:
    body = Watched()
    await body.begin(object())
    body.end(answered=True)
    assert (body.begun, body.refused) == (1, "")


async def test_all_connections_of_a_body_but_that_of_its_answer_are_aborted() -> None:
    for answered, last in ((True, []), (False, ["aborted"])):
        body, first, second = Watched(), Pipe(), Pipe()
        await body.begin(Writer(first))
        await body.begin(Writer(second))
        body.end(answered=answered)
        assert (first.ended, second.ended) == (["aborted"], last)


@pytest.mark.parametrize("given", [False, True], ids=["its own session", "a session that was handed in"])
async def test_closing_a_connection_destroys_it_only_while_a_request_is_under_way(
    raw_server: RawServer, *, given: bool
) -> None:
    ends: list[BaseException | bytes] = []
    lingering: list[bytes] = []

    async def watch(reader: asyncio.StreamReader) -> None:
        try:
            ends.append(await reader.read())
        except ConnectionResetError as error:
            ends.append(error)

    async def answer_and_watch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lingering.extend(
            body._connections[-1][1].getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)
            for body in owners.values()
            if isinstance(body, Watched)
        )
        await reply()(reader, writer)
        await watch(reader)

    async def until(count: int) -> None:
        async with asyncio.timeout(5):
            while len(ends) < count:
                await asyncio.sleep(0.01)

    raw_server.scripts = [answer_and_watch, lambda reader, _: watch(reader)]
    for number in range(2):
        async with contextlib.AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession()) if given else None
            client = VoucherClient(settings=raw_server.settings(), session=session)
            async with client:
                with contextlib.suppress(OutcomeUnknown):
                    await client.reservations.charge(f"r-{number}", order_number="o-0", timeout=0.3)
        await until(number + 1)
    assert lingering == [struct.pack("ii", 1, 0)]  # whoever closes it, be it the system after a crash
    assert ends[0] == b""
    assert isinstance(ends[1], ConnectionResetError)
    await asyncio.sleep(0)
    assert not owners


async def test_one_that_is_done_with_a_connection_leaves_it_to_the_next() -> None:
    here, there = socket.socketpair()
    with here, there:
        pipe = Pipe({"socket": here})
        first, second = Watched(), Watched()
        await first.begin(Writer(pipe))
        await second.begin(Writer(pipe))
        first.end(answered=True)
        assert owners == {here.fileno(): second}
        second.end(answered=True)
    assert not owners


async def test_an_answer_that_is_there_before_its_request_is_none(raw_server: RawServer) -> None:
    """As it is read before the loop has begun to write."""
    raw_server.scripts = [send_then(HEAD % len(ANSWER) + ANSWER + STALE, hang), reply(VOUCHER)]
    async with raw_server.client() as client:
        await client.reservations.charge("r-0", order_number="o-1")
        voucher = await client.vouchers.update("v-1", sku="s")
    assert voucher.id == "v-1"
