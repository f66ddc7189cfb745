"""The whole check: everything fine, nothing changed, in order, in time."""

from __future__ import annotations

import asyncio

import pytest

from tests.checking.checked import checked
from tests.rawserver import RawServer, close, hang, reply
from voucher_async import ConfigurationError, Settings
from voucher_async.cli.checking import State, check
from voucher_async.config import Timeout
from voucher_async.testing import VoucherEmulator

STEPS = ["configuration", "dns", "tcp", "tls", "token", *["scope"] * 7, "clock", "round trip", "journal"]


async def test_everything_is_fine(emulator: VoucherEmulator, url: str) -> None:
    found = await checked({**emulator.environ(), "VOUCHER_JOURNAL": url}, secrets=[emulator.client_secret])
    assert [each.name for each in found] == STEPS
    assert found.bad == []
    assert found.states() == {**{name: {"ok"} for name in STEPS}, "tls": {"skipped"}}
    assert found.one("token").facts["lifetime_seconds"] == 3600
    assert found.one("round trip").facts["reads"] == 3
    assert abs(float(str(found.one("clock").facts["offset_seconds"]))) < 3


async def test_each_request_is_made_once_and_none_could_have_changed_anything(
    emulator: VoucherEmulator,
) -> None:
    before = len(emulator.requests)
    await checked(emulator.environ())
    assert [(each.operation_id, each.status) for each in list(emulator.requests)[before:]] == [
        ("requestToken", 200),
        ("listVouchers", 200),
        ("getVoucher", 404),
        ("getCompleteVoucher", 404),
        ("createReservation", 422),
        ("deleteVoucher", 404),
        ("updateVoucher", 404),
        ("rechargeVoucher", 422),
    ]


async def test_settings_that_were_made_already(emulator: VoucherEmulator, url: str) -> None:
    settings = Settings.make(**emulator.settings())
    found = await checked(settings=settings, journal=url)
    assert found.bad == []
    assert found.one("configuration").facts["base_url"] == emulator.base_url


async def test_findings_come_as_they_are_made_and_the_rest_can_be_left(emulator: VoucherEmulator) -> None:
    before = len(emulator.requests)
    findings = check(emulator.environ())
    async for finding in findings:
        if finding.name == "token":
            break
    assert len(emulator.requests) == before + 1
    await findings.aclose()
    assert len(emulator.requests) == before + 1


async def test_a_server_that_hangs_costs_the_time_of_the_check_and_no_more(raw_server: RawServer) -> None:
    raw_server.scripts = [hang]
    patient = Timeout(total=60.0, connect=60.0, read=60.0)
    found = await checked(settings=raw_server.settings(timeout=patient), deadline=2.0)
    assert found.one("scope", "read-lists").facts["problem"] == "time-out"
    assert "whole check" in found.one("scope", "recharge").seen
    assert found.one("journal").state is State.SKIPPED


async def test_a_server_that_answers_nobody_is_asked_twice(raw_server: RawServer) -> None:
    raw_server.scripts = [close]
    found = await checked(settings=raw_server.settings())
    assert "could not be tried" in found.one("scope", "read").seen
    assert found.one("scope", "use").state is State.SKIPPED
    assert found.one("clock").state is State.SKIPPED


async def test_a_check_that_is_cancelled_leaves_nothing_behind(raw_server: RawServer) -> None:
    raw_server.scripts = [hang]
    task = asyncio.create_task(checked(settings=raw_server.settings()))
    await raw_server.until_asked()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("last", ["token", "scope", "journal"])
async def test_connections_are_closed_however_far_it_is_read(raw_server: RawServer, last: str) -> None:
    raw_server.scripts = [reply({"status": 404, "code": "VOUCHER.NOT_FOUND", "message": "no"}, 404)]
    findings = check(settings=raw_server.settings(keepalive=600.0))
    async for finding in findings:
        if finding.name == last:
            break
    await findings.aclose()
    async with asyncio.timeout(60):
        while raw_server._tasks:
            await asyncio.sleep(0.01)


async def test_the_deadline_is_one(emulator: VoucherEmulator) -> None:
    with pytest.raises(ConfigurationError, match="deadline"):
        await checked(emulator.environ(), deadline=0)


async def test_what_nobody_foresaw_ends_one_step(
    emulator: VoucherEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError(emulator.client_secret)

    monkeypatch.setattr("voucher_async.cli.checking.network.log_in", broken)
    found = await checked(emulator.environ(), secrets=[emulator.client_secret])
    assert found.one("token").facts["problem"] == "unforeseen"
    assert found.one("scope", "use").state is State.SKIPPED
    assert found.one("journal").facts["kind"] == "memory"
