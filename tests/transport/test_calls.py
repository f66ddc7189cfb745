"""Whole calls: repeats, pauses, tokens and what the hooks are told."""

from __future__ import annotations

import asyncio
import logging
import random

import pytest

from tests.rawserver import VOUCHER, RawServer, close, reply
from tests.recorder import Recorder
from voucher_async import (
    AttemptEnded,
    AuthenticationError,
    Fate,
    Hook,
    ManualClock,
    MissingScope,
    RateLimited,
    Repeating,
    ServerError,
    VoucherClient,
)
from voucher_async.hooks import Hooks
from voucher_async.testing import VoucherEmulator


def patient(server: RawServer, recorder: Recorder, **changes: object) -> VoucherClient:
    """A client whose pauses take no time."""
    client = VoucherClient(
        settings=server.settings(**changes), hooks=[recorder], clock=ManualClock(skip_sleeps=True)
    )
    client._transport.rng = random.Random(1)
    return client


async def test_a_read_is_repeated_until_it_succeeds(raw_server: RawServer, recorder: Recorder) -> None:
    raw_server.scripts = [close, close, reply({}, 500), reply(VOUCHER)]
    async with patient(raw_server, recorder) as client:
        voucher = await client.vouchers.get("v-1")
    assert voucher.id == "v-1"
    # aiohttp repeats a GET once by itself when the connection breaks
    assert len(raw_server.requests) == 4
    assert [event.fate for event in recorder.of(AttemptEnded) if event.operation == "getVoucher"] == [
        Fate.UNKNOWN,
        Fate.ANSWERED,
        Fate.ANSWERED,
    ]
    assert [event.attempt for event in recorder.of(Repeating)] == [1, 2]


async def test_a_read_gives_up_after_as_many_attempts_as_allowed(
    raw_server: RawServer, recorder: Recorder
) -> None:
    raw_server.scripts = [reply({"code": "SERVER.DOWN", "message": "sorry"}, 503)]
    async with patient(raw_server, recorder, max_attempts=3) as client:
        with pytest.raises(ServerError) as caught:
            await client.vouchers.get("v-1")
    assert len(raw_server.requests) == 3
    assert caught.value.facts is not None
    assert (caught.value.facts.attempts, caught.value.facts.in_doubt) == (3, 2)
    assert caught.value.code == "SERVER.DOWN"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3", 3.0), ("Thu, 01 Jan 2026 12:00:07 GMT", 7.0)],
)
async def test_retry_after_is_waited_for_in_both_forms(
    raw_server: RawServer, recorder: Recorder, header: str, seconds: float
) -> None:
    headers = f"Retry-After: {header}\r\nDate: Thu, 01 Jan 2026 12:00:00 GMT\r\n"
    raw_server.scripts = [reply({}, 429, headers=headers), reply(VOUCHER)]
    async with patient(raw_server, recorder, timeout=_long()) as client:
        await client.vouchers.get("v-1")
    (event,) = recorder.of(Repeating)
    assert seconds <= event.pause < seconds + 0.5
    assert len(raw_server.requests) == 2


async def test_a_rate_limit_that_lasts_too_long_is_raised_at_once(
    raw_server: RawServer, recorder: Recorder
) -> None:
    raw_server.scripts = [reply({}, 429, headers="Retry-After: 86400\r\n")]
    async with patient(raw_server, recorder, timeout=_long()) as client:
        with pytest.raises(RateLimited) as caught:
            await client.vouchers.get("v-1")
    assert caught.value.retry_after == 86_400
    assert caught.value.fate is Fate.ANSWERED
    assert len(raw_server.requests) == 1


async def test_repeats_end_when_the_budget_is_used_up(raw_server: RawServer, recorder: Recorder) -> None:
    raw_server.scripts = [reply({}, 500)]
    async with patient(raw_server, recorder) as client:
        client._transport.budget.level = 1.0
        with pytest.raises(ServerError):
            await client.vouchers.get("v-1")
        assert len(raw_server.requests) == 2
        with pytest.raises(ServerError):
            await client.vouchers.get("v-1")
    assert len(raw_server.requests) == 3


async def test_a_revoked_token_costs_each_caller_one_repeat_and_the_api_one_token_request() -> None:
    async with VoucherEmulator() as emulator, VoucherClient(**emulator.settings()) as client:
        voucher = emulator.add_voucher(amount="5.00")
        await client.vouchers.get(voucher.id)
        emulator.revoke_tokens()
        emulator.requests.clear()
        await asyncio.gather(*(client.vouchers.get(voucher.id) for _ in range(50)))
        assert emulator.requests.count("requestToken") == 1
        assert 50 < emulator.requests.count("getVoucher") <= 100


async def test_a_charge_is_repeated_once_after_a_401_because_nothing_was_done() -> None:
    async with VoucherEmulator() as emulator, VoucherClient(**emulator.settings()) as client:
        voucher = emulator.add_voucher(amount="5.00")
        reservation = await client.reservations.create(code=voucher.code, amount=2, currency="EUR")
        emulator.revoke_tokens()
        await client.reservations.charge(reservation, order_number="o-1")
        assert emulator.balance(voucher.id) == 3
        assert emulator.requests.count("chargeReservation") == 2


async def test_a_token_that_is_always_refused_is_not_asked_for_for_ever(
    raw_server: RawServer, recorder: Recorder
) -> None:
    raw_server.scripts = [reply({"code": "UNAUTHENTICATED", "message": "no"}, 401)]
    async with patient(raw_server, recorder) as client:
        with pytest.raises(AuthenticationError) as caught:
            await client.vouchers.get("v-1")
    assert caught.value.fate is Fate.ANSWERED
    assert len(raw_server.requests) == 2
    assert raw_server.tokens == 2


async def test_many_cold_callers_make_one_token_request() -> None:
    async with VoucherEmulator() as emulator, VoucherClient(**emulator.settings()) as client:
        voucher = emulator.add_voucher(amount="5.00")
        await asyncio.gather(*(client.vouchers.get(voucher.id) for _ in range(300)))
        assert emulator.requests.count("requestToken") == 1
        assert emulator.requests.count("getVoucher") == 300


async def test_cancelling_the_caller_that_asked_for_the_token_harms_no_other() -> None:
    async with VoucherEmulator() as emulator, VoucherClient(**emulator.settings()) as client:
        voucher = emulator.add_voucher(amount="5.00")
        tasks = [asyncio.create_task(client.vouchers.get(voucher.id)) for _ in range(20)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError)
        assert all(not isinstance(result, BaseException) for result in results[1:])


async def test_refused_credentials_are_an_authentication_error_and_nothing_else_is_sent() -> None:
    async with VoucherEmulator() as emulator:
        settings = {**emulator.settings(), "client_secret": "wrong-secret"}
        async with VoucherClient(**settings) as client:  # type: ignore[arg-type]
            for _ in range(3):
                with pytest.raises(AuthenticationError) as caught:
                    await client.vouchers.get("v-1")
                assert caught.value.fate is Fate.NOT_SENT
                assert "wrong-secret" not in str(caught.value)
        assert emulator.requests.count("requestToken") == 1
        assert emulator.requests.count("getVoucher") == 0


async def test_a_delete_resent_silently_stays_in_doubt_through_a_401(
    raw_server: RawServer, recorder: Recorder
) -> None:
    gone = {"code": "VOUCHER.NOT_FOUND", "message": "no"}
    raw_server.scripts = [close, reply({"code": "UNAUTHENTICATED", "message": "no"}, 401), reply(gone, 404)]
    async with patient(raw_server, recorder) as client:
        await client.vouchers.delete("v-1", comment="printed twice")
    assert len(raw_server.requests) == 3


async def test_a_disconnect_in_doubt_is_done_when_the_credentials_are_refused(
    raw_server: RawServer, recorder: Recorder
) -> None:
    refusing = RawServer()
    await refusing.start()
    refusing.scripts = [reply({"error": "invalid_client"}, 401)]
    raw_server.scripts = [close]
    async with patient(raw_server, recorder) as client:

        class ForgetTheToken(Hook):
            def on_repeating(self, event: Repeating) -> None:
                token = client._tokens.current()
                assert token is not None
                client._tokens.invalidate(token)
                client._transport.settings = raw_server.settings(token_url=f"{refusing.url}/token")

        client._transport.hooks = Hooks([ForgetTheToken()])
        await client.clients.disconnect()
    await refusing.stop()
    assert len(raw_server.requests) == 1


async def test_scopes_and_client_type_are_asked_for() -> None:
    async with (
        VoucherEmulator() as emulator,
        VoucherClient(**emulator.settings(), scopes=["read"], client_type="shop") as client,
    ):
        voucher = emulator.add_voucher(amount="5.00")
        await client.vouchers.get(voucher.id)
        with pytest.raises(MissingScope, match="'manage'"):
            await client.vouchers.create(amount=1, currency="EUR")


async def test_attempts_are_logged_at_debug_level(
    raw_server: RawServer, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    raw_server.scripts = [reply({}, 500), reply(VOUCHER)]
    with caplog.at_level(logging.DEBUG, logger="voucher_async"):
        async with patient(raw_server, recorder) as client:
            client._transport.hooks.active = False
            await client.vouchers.get("v-1")
    assert "getVoucher" in caplog.text
    assert "Repeating" in caplog.text


def _long() -> object:
    from voucher_async import Timeout

    return Timeout(total=30.0)
