"""What becomes of calls, sessions and sockets when a client is closed, also in the wrong place."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.idle import cleaning_up, idle
from tests.rawserver import VOUCHER, RawServer, hang, reply
from voucher_async import ConfigurationError, ConnectionBroken, MemoryTokenStore, VoucherClient, VoucherError


async def charge(client: VoucherClient) -> None:
    await client.reservations.charge("r-1", order_number="o-1")


def test_a_client_is_closed_on_the_loop_that_it_is_open_on() -> None:
    async def use() -> tuple[RawServer, VoucherClient]:
        server = RawServer()
        await server.start()
        client = server.client()
        await charge(client)
        return server, client

    with asyncio.Runner() as first:
        server, client = first.run(use())
        with asyncio.Runner() as second, pytest.raises(ConfigurationError, match="Close it there"):
            second.run(client.aclose())
        server.scripts = [reply(VOUCHER)]
        assert first.run(client.vouchers.get("v-1")).id
        assert first.run(client.aclose()) == ()
        first.run(server.stop())


@pytest.mark.parametrize("stray", [False, True])
async def test_calls_under_way_end_with_the_client_on_a_session_that_is_handed_in(
    raw_server: RawServer, *, stray: bool
) -> None:
    raw_server.scripts = [reply(VOUCHER), hang]
    async with aiohttp.ClientSession() as session:
        client = VoucherClient(settings=raw_server.settings(), session=session)
        await client.vouchers.get("v-1")
        reading = asyncio.create_task(client.vouchers.get("v-1"))
        await raw_server.until_asked(2)
        if stray:  # a task on a foreign loop uses the client
            with pytest.raises(VoucherError):
                await asyncio.to_thread(asyncio.run, client.vouchers.get("v-2", timeout=0.1))
        await client.aclose()
        async with asyncio.timeout(5):
            with pytest.raises(ConnectionBroken, match="the client was closed"):
                await reading


async def test_a_call_made_while_its_task_is_cancelled_is_told_that_its_session_was_closed(
    raw_server: RawServer,
) -> None:
    raw_server.scripts = [hang]
    async with raw_server.with_one_connection() as (session, client):
        first = asyncio.create_task(client.vouchers.get("v-1"))
        await raw_server.until_asked()
        cleaning = await cleaning_up(lambda: client.vouchers.get("v-2"))
        await idle()
        await session.close()
        await asyncio.wait({first, cleaning})
        assert first.exception() is not None
        await client.aclose()
    assert isinstance(cleaning.exception(), ConnectionBroken)


class HungStore(MemoryTokenStore):
    """A shared store that does not answer when a token is to be forgotten."""

    async def discard(self, key: str, access_token: str) -> None:
        await asyncio.sleep(60)


async def test_a_client_whose_closing_is_cut_short_is_closed_all_the_same(raw_server: RawServer) -> None:
    client = VoucherClient(settings=raw_server.settings(), token_store=HungStore())
    await charge(client)
    token = client._tokens.current()
    assert token is not None
    client._tokens.invalidate(token)
    closing = asyncio.create_task(client.aclose())
    await idle()
    closing.cancel()
    await asyncio.wait({closing})
    assert closing.cancelled()
    own = client._transport.session._own
    assert own is None
    with pytest.raises(ConfigurationError, match="closed"):
        await client.vouchers.get("v-1")
