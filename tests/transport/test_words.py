"""What an error of the transport says: the call, the request that failed and what is known, once."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging

import attrs
import pytest

from tests.rawserver import CHARGE, VOUCHER, RawServer, Script, close, hang, reply, send_then
from voucher_async import (
    AttemptEnded,
    CallTimeout,
    ConnectionBroken,
    Fate,
    Hook,
    OutcomeUnknown,
    VoucherClient,
    VoucherError,
)
from voucher_async.clock import ServerClock
from voucher_async.operations import CHARGE_RESERVATION
from voucher_async.sansio import build

LINE = b"HTTP/1.1 200 OK\r\n"
BROKEN: dict[str, tuple[Script, str]] = {
    "a header too long": (send_then(LINE + b"X: " + b"y" * 20_000 + b"\r\n\r\n", close), "8190"),
    "two lengths": (
        send_then(LINE + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", close),
        "(?i)content-length",
    ),
    "another encoding": (
        send_then(LINE + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", close),
        "(?i)gzip",
    ),
    "no length": (send_then(LINE + b"Content-Length: x\r\n\r\n", close), "(?i)content-length"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_the_reason_why_an_answer_is_broken_is_told(raw_server: RawServer, name: str) -> None:
    script, words = BROKEN[name]
    raw_server.scripts = [script]
    async with raw_server.client(max_attempts=1) as client:
        with pytest.raises(ConnectionBroken, match=words) as caught:
            await client.vouchers.get("v-1")
    assert "cannot be read" in str(caught.value)
    assert "connection was lost" not in str(caught.value)
    assert len(str(caught.value)) < 500


async def test_what_a_reason_quotes_is_masked_and_harmless(raw_server: RawServer) -> None:
    async def hostile(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = b"hush \x1b[31m Authorization: Bearer t-1 CODE-12345678"
        await send_then(LINE + b"Bad Header \x01" + said + b"\r\n\r\n", close)(reader, writer)

    raw_server.scripts = [hostile]
    async with raw_server.client(max_attempts=1) as client:
        with pytest.raises(ConnectionBroken) as caught:
            await client.reservations.create(code="CODE-12345678", amount=1, currency="EUR")
    text = str(caught.value)
    assert "CODE-12345678" not in text
    assert "t-1" not in text
    assert text.isprintable()


async def test_a_refused_token_names_the_token_and_the_call(raw_server: RawServer) -> None:
    refusing = RawServer()
    await refusing.start()
    refusing.scripts = [reply({"error": "invalid_client", "error_description": "no"}, 401)]
    async with raw_server.client(token_url=f"{refusing.url}/token") as client:
        for _ in range(2):  # twice, as a failure is remembered for the next caller
            with pytest.raises(VoucherError) as caught:
                await client.vouchers.get("v-1")
            text = str(caught.value)
            assert text.count("requestToken (POST /oauth/token)") == 1
            assert text.count("getVoucher (GET /vouchers/v-1)") == 1
    await refusing.stop()


async def test_a_token_that_never_comes_is_named_as_what_was_waited_for(raw_server: RawServer) -> None:
    silent = RawServer()
    await silent.start()
    silent.scripts = [hang]
    async with raw_server.client(token_url=f"{silent.url}/token") as client:
        with pytest.raises(CallTimeout, match=r"nothing was sent: requestToken .* gave no token") as caught:
            await client.vouchers.get("v-1", timeout=0.2)
    await silent.stop()
    assert caught.value.fate is Fate.NOT_SENT


async def test_a_read_that_got_no_answer_carried_nothing_out(raw_server: RawServer) -> None:
    raw_server.scripts = [hang]
    async with raw_server.client() as client:
        with pytest.raises(CallTimeout, match="no answer came") as caught:
            await client.vouchers.get("v-1", timeout=0.2)
        assert "carried out" not in str(caught.value)
        with pytest.raises(CallTimeout, match="may have been carried out"):
            await client.reservations.create(code="C", amount=1, currency="EUR", timeout=0.2)


async def test_one_that_gave_up_says_what_went_before(raw_server: RawServer) -> None:
    raw_server.scripts = [reply({"code": "DOWN", "message": "sorry"}, 503), hang]
    async with raw_server.client() as client:
        with pytest.raises(CallTimeout, match="no answer came; before that: HTTP 503: DOWN: sorry"):
            await client.vouchers.get("v-1", timeout=1.0)


class Broken(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        raise KeyError("cannot redact")


class Loud(logging.Handler):
    def handle(self, record: logging.LogRecord) -> bool:
        raise asyncio.CancelledError


@pytest.mark.parametrize("kind", ["filter", "handler"])
async def test_a_log_that_breaks_breaks_no_call(raw_server: RawServer, kind: str) -> None:
    logger, broken, loud = logging.getLogger("voucher_async"), Broken(), Loud()
    raw_server.scripts = [reply({}, 503), reply(VOUCHER), reply(CHARGE)]
    before = logger.level
    logger.setLevel(logging.DEBUG)
    if kind == "filter":
        logger.addFilter(broken)
    else:
        logger.addHandler(loud)
    try:
        async with raw_server.client() as client:
            assert (await client.vouchers.get("v-1")).id == "v-1"
            assert (await client.reservations.charge("r-1", order_number="o-1")).id == "ch-1"
    finally:
        logger.setLevel(before)
        logger.removeFilter(broken)
        logger.removeHandler(loud)


class Interrupting(Hook):
    """A signal handler that raises while a hook runs."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def on_attempt_ended(self, event: AttemptEnded) -> None:
        if event.operation == "chargeReservation":
            raise self.error


REQUEST = attrs.evolve(build(CHARGE_RESERVATION, ids={"id": "r-1"}), body=b'{"order_number": "o-1"}')


class Leaving(BaseException):
    pass


async def test_whatever_ends_a_request_knows_its_fate(raw_server: RawServer) -> None:
    async with VoucherClient(settings=raw_server.settings(), hooks=[Interrupting(Leaving())]) as client:
        transport = client._transport
        with pytest.raises(Leaving) as caught:
            await transport.send(REQUEST, transport.deadline())
    assert caught.value.__dict__["fate"] is Fate.UNKNOWN


async def test_a_request_that_was_cancelled_knows_its_fate(raw_server: RawServer) -> None:
    raw_server.scripts = [hang]
    fates: list[object] = []
    async with raw_server.client() as client:
        transport = client._transport

        async def send() -> None:
            try:
                await transport.send(REQUEST, transport.deadline())
            except asyncio.CancelledError as error:
                fates.append(error.__dict__["fate"])
                raise

        for begun in (False, True):
            task = asyncio.create_task(send())
            while begun and not raw_server.requests:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    assert fates == [Fate.NOT_SENT, Fate.UNKNOWN]


class BrokenClock(ServerClock):
    def observe(self, text: str | None, sent: float, *, original: bool = False) -> dt.datetime | None:
        raise RuntimeError("a mistake")


async def test_what_nobody_foresaw_is_an_error_of_ours_with_a_fate(raw_server: RawServer) -> None:
    async with raw_server.client() as client:
        await client.reservations.charge("r-0", order_number="o-0")

        client._transport.server_clock = BrokenClock(client._transport.clock)
        with pytest.raises(OutcomeUnknown, match="unforeseen RuntimeError") as caught:
            await client.reservations.charge("r-1", order_number="o-1")
    assert isinstance(caught.value.__cause__, ConnectionBroken)
    assert caught.value.__cause__.fate is Fate.UNKNOWN
