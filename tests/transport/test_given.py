"""What the environment and a session that was handed in may add to a request, and what they may not."""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from tests.rawserver import VOUCHER, RawServer, Script, reply
from tests.recorder import Recorder
from voucher_async import ConfigurationError, Fate, NotFound, VoucherClient

NETRC = {
    "another machine": "machine other.example login me password x",
    "this machine": "machine 127.0.0.1 login me password x",
    "every machine": "default login me password x",
}


@pytest.fixture(params=NETRC)
def netrc(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "netrc"
    file.write_text(NETRC[request.param], encoding="ascii")
    monkeypatch.setenv("NETRC", str(file))
    monkeypatch.delenv("http_proxy", raising=False)


@pytest.fixture
async def heads(raw_server: RawServer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The heads of all requests, those for tokens included."""
    seen: list[str] = []
    one = raw_server._one

    async def watched(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        read = reader.readuntil

        async def readuntil(separator: bytes = b"\n") -> bytes:
            head = await read(separator)
            seen.append(head.decode())
            return head

        with monkeypatch.context() as patch:
            patch.setattr(reader, "readuntil", readuntil)
            await one(reader, writer)

    monkeypatch.setattr(raw_server, "_one", watched)
    return seen


@pytest.mark.usefixtures("netrc")
@pytest.mark.parametrize("given", [False, True])
async def test_the_login_of_a_netrc_file_is_never_sent(
    raw_server: RawServer, heads: list[str], *, given: bool
) -> None:
    async with aiohttp.ClientSession(trust_env=True) as session:
        settings = raw_server.settings(trust_env=not given)
        async with VoucherClient(settings=settings, session=session if given else None) as client:
            await client.reservations.charge("r-1", order_number="o-1")
    token, charge = heads
    assert "authorization:" not in token.lower()
    assert charge.count("Authorization:") == 1
    assert "Authorization: Bearer t-1\r\n" in charge


@pytest.mark.parametrize("given", [False, True])
async def test_a_money_call_says_its_id_in_a_header_and_nothing_else_does(
    raw_server: RawServer, heads: list[str], *, given: bool
) -> None:
    listener = Recorder()
    async with aiohttp.ClientSession(headers={"X-Request-Id": "of the shop"} if given else {}) as session:
        settings = raw_server.settings()
        async with VoucherClient(settings=settings, session=session, hooks=[listener]) as client:
            await client.reservations.charge("r-1", order_number="o-1")
    token, charge = (
        [line for line in head.split("\r\n") if line.lower().startswith("x-request-id:")] for head in heads
    )
    assert charge == [f"X-Request-Id: {listener.intents[0].id}"]
    assert token == (["X-Request-Id: of the shop"] if given else [])


@pytest.mark.parametrize("given", [False, True])
async def test_the_proxy_of_the_environment_is_used(
    raw_server: RawServer, monkeypatch: pytest.MonkeyPatch, *, given: bool
) -> None:
    monkeypatch.setenv("http_proxy", raw_server.url)
    monkeypatch.delenv("no_proxy", raising=False)
    async with aiohttp.ClientSession(trust_env=True) as session:
        settings = raw_server.settings(
            base_url="http://127.0.0.1:1/v1", token_url="http://127.0.0.1:1/oauth/token", trust_env=not given
        )
        async with VoucherClient(settings=settings, session=session if given else None) as client:
            await client.reservations.charge("r-1", order_number="o-1")
    ((head, _),) = raw_server.requests
    assert head.startswith("POST http://127.0.0.1:1/v1/reservations/r-1/charge HTTP/1.1\r\n")


async def test_the_middlewares_of_a_session_that_trusts_the_environment_still_run(
    raw_server: RawServer,
) -> None:
    async def sign(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        request.headers["X-Signed"] = "yes"
        return await handler(request)

    async with (
        aiohttp.ClientSession(trust_env=True, middlewares=(sign,)) as session,
        VoucherClient(settings=raw_server.settings(), session=session) as client,
    ):
        await client.reservations.charge("r-1", order_number="o-1")
    assert "X-Signed: yes" in raw_server.requests[0][0]


async def test_an_argument_of_the_client_asks_for_the_proxy(raw_server: RawServer) -> None:
    environ = {
        "VOUCHER_CLIENT_ID": "c",
        "VOUCHER_CLIENT_SECRET": "s",
        "VOUCHER_BASE_URL": f"{raw_server.url}/v1",
    }
    made: dict[str, Callable[[], VoucherClient]] = {
        "argument": lambda: VoucherClient("c", "s", base_url=f"{raw_server.url}/v1", trust_env=True),
        "from_env": lambda: VoucherClient.from_env(environ, trust_env=True),
        "variable": lambda: VoucherClient.from_env({**environ, "VOUCHER_TRUST_ENV": "yes"}),
    }
    for make in made.values():
        async with make() as client:
            assert client.settings.trust_env
    async with VoucherClient.from_env({**environ, "VOUCHER_TRUST_ENV": "1"}, trust_env=False) as client:
        assert not client.settings.trust_env


async def test_a_default_content_type_of_a_session_does_not_change_ours(
    raw_server: RawServer, heads: list[str]
) -> None:
    async with (
        aiohttp.ClientSession(headers={"Content-Type": "text/plain"}) as session,
        VoucherClient(settings=raw_server.settings(), session=session) as client,
    ):
        await client.reservations.charge("r-1", order_number="o-1")
    token, charge = heads
    assert "Content-Type: application/x-www-form-urlencoded\r\n" in token
    assert "Content-Type: application/json\r\n" in charge
    assert token.count("Content-Type") == charge.count("Content-Type") == 1


async def test_reads_ask_caches_to_stand_aside(raw_server: RawServer) -> None:
    raw_server.scripts = [reply(VOUCHER)]
    async with raw_server.client() as client:
        await client.vouchers.get("v-1")
        raw_server.scripts = [reply()]
        await client.reservations.charge("r-1", order_number="o-1")
    assert ["Cache-Control: no-cache" in head for head, _ in raw_server.requests] == [True, False]


def unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize("how", ["off", "a context"])
async def test_a_session_that_trusts_anybody_is_warned_of_once_a_client(
    tls_server: RawServer, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    verifies = False if how == "off" else unverified()
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=verifies)) as session,
        VoucherClient(settings=tls_server.settings(), session=session) as client,
    ):
        for number in range(3):
            await client.reservations.charge(f"r-{number}", order_number="o-1")
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "verifies no TLS certificate" in record.getMessage()


async def test_a_session_that_verifies_is_not_warned_of(
    tls_server: RawServer, trusting: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    async with VoucherClient(settings=tls_server.settings(), session=trusting) as client:
        await client.reservations.charge("r-1", order_number="o-1")
    assert not caplog.records


def test_a_session_of_another_loop_is_one_clear_error() -> None:
    async def open_session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession()

    async def use(session: aiohttp.ClientSession) -> None:
        server = RawServer()
        await server.start()
        async with VoucherClient(settings=server.settings(), session=session) as client:
            with pytest.raises(ConfigurationError, match="another event loop") as caught:
                await client.vouchers.get("v-1")
        assert caught.value.fate is Fate.NOT_SENT
        assert server.connections == 0
        await server.stop()

    with asyncio.Runner() as first:
        session = first.run(open_session())
        asyncio.run(use(session))
        first.run(session.close())


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
async def test_answers_in_other_encodings_are_read(raw_server: RawServer, encoding: str) -> None:
    name = "iso-8859-1" if encoding == "latin-1" else encoding.removesuffix("-sig")

    def encoded(text: str, status: int = 200) -> Script:
        async def script(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            body = text.encode(encoding)
            head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json; charset={name}\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)

        return script

    voucher = json.dumps({**VOUCHER, "sku": "Gru\u00df"}, ensure_ascii=False)
    error = json.dumps(
        {"status": 404, "code": "VOUCHER.NOT_FOUND", "message": "f\u00fcr nichts"}, ensure_ascii=False
    )
    raw_server.scripts = [encoded(voucher), encoded(error, 404)]
    async with raw_server.client() as client:
        assert (await client.vouchers.get("v-1")).sku == "Gru\u00df"
        with pytest.raises(NotFound) as caught:
            await client.vouchers.get("v-1")
    assert (caught.value.code, caught.value.message) == ("VOUCHER.NOT_FOUND", "f\u00fcr nichts")
