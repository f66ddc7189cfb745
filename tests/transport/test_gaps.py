"""Short gaps: what was certainly not sent is sent as soon as somebody listens again."""

from __future__ import annotations

import asyncio
import socket

import pytest

from tests.rawserver import VOUCHER, RawServer, close, reply
from tests.recorder import Recorder
from voucher_async import ConnectFailed, Fate, ManualClock, Repeating, ServerError, Timeout, VoucherClient

GAP = 0.6
CHARGES = 20


@pytest.mark.parametrize("session", ["warm", "cold"])
async def test_a_restart_costs_no_call(raw_server: RawServer, session: str) -> None:
    async with raw_server.client(timeout=Timeout(total=8.0, connect=1.0)) as client:
        await client.reservations.charge("r-0", order_number="o-0")
        client._transport.budget.level = 0.0  # a gap takes nothing from the budget
        if session == "cold":
            assert client._transport.session._own is not None
            await client._transport.session._own.close()
        await raw_server.stop()
        calls = [
            asyncio.create_task(client.reservations.charge(f"r-{number}", order_number="o-1"))
            for number in range(1, CHARGES + 1)
        ]
        await asyncio.sleep(GAP)
        await raw_server.start()
        assert [charge.id for charge in await asyncio.gather(*calls)] == [
            f"ch-{number}" for number in range(1, CHARGES + 1)
        ]
    assert len(raw_server.requests) == 1 + CHARGES


async def test_pauses_grow_and_end_with_the_deadline() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{unused.getsockname()[1]}"
        recorder = Recorder()
        client = VoucherClient(
            "c-1", "s", base_url=f"{nowhere}/v1", hooks=[recorder], clock=ManualClock(skip_sleeps=True)
        )
        async with client:
            with pytest.raises(ConnectFailed) as caught:
                await client.vouchers.get("v-1")
    assert caught.value.fate is Fate.NOT_SENT
    pauses = [event.pause for event in recorder.of(Repeating)]
    assert pauses[0] <= 0.05
    assert all(0.5 <= pause <= 1.0 for pause in pauses[5:])
    assert 29.0 < sum(pauses) < 30.0


async def test_a_hint_of_a_proxy_is_followed_within_the_deadline(raw_server: RawServer) -> None:
    busy = reply(status=503, body=b"<html>starting</html>", headers="Retry-After: 5\r\n")
    raw_server.scripts = [busy, reply(VOUCHER)]
    async with raw_server.client(timeout=Timeout(total=2.0)) as client:
        assert (await client.vouchers.get("v-1")).id == "v-1"
    assert len(raw_server.requests) == 2


async def test_a_charge_that_a_proxy_refused_is_not_repeated_here(raw_server: RawServer) -> None:
    raw_server.scripts = [reply({"code": "X", "message": "slow down"}, 429, headers="Retry-After: 0\r\n")]
    async with raw_server.client() as client:
        with pytest.raises(Exception, match="429"):
            await client.reservations.charge("r-1", order_number="o-1", timeout=1.0)
    assert len(raw_server.requests) == 1


async def test_what_was_lost_is_not_tried_for_ever(raw_server: RawServer) -> None:
    raw_server.scripts = [reply({}, 500)]
    async with raw_server.client() as client:
        with pytest.raises(ServerError):
            await client.vouchers.get("v-1")
    assert len(raw_server.requests) == client.settings.max_attempts


async def test_a_server_that_closes_after_each_answer_gets_every_charge(raw_server: RawServer) -> None:
    async def answer_and_leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reply()(reader, writer)
        await close(reader, writer)

    raw_server.scripts = [answer_and_leave]
    async with raw_server.client() as client:
        for number in range(30):
            await client.reservations.charge(f"r-{number}", order_number="o-1")
    assert len(raw_server.requests) == 30
