"""What goes wrong on request: what a client sees, and whether the emulator acted."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from tests.emulator.conftest import Shop
from voucher_async.testing import ManualClock, VoucherEmulator, faults

RECHARGE = "rechargeVoucher"


@pytest.mark.parametrize(
    ("fault", "acted"),
    [
        (faults.Refuse(1.0), 0),
        (faults.BreakBefore(), 0),
        (faults.BreakAfter(), 1),
        (faults.CommitLate(1.0), 0),
    ],
)
async def test_a_connection_breaks(shop: Shop, fault: faults.Fault, acted: int) -> None:
    shop.emulator.faults.script(RECHARGE, fault)
    with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        await shop.recharge()
    assert shop.recharges == acted
    (injected,) = shop.emulator.faults.injected
    assert (injected.operation, injected.fault, injected.at) == (RECHARGE, fault, shop.emulator.now())
    if not isinstance(fault, faults.CommitLate):
        (entry,) = shop.emulator.requests.of(RECHARGE)
        assert entry.fault == repr(fault)
        assert entry.status == (200 if acted else 0)


@pytest.mark.parametrize(
    ("fault", "status", "acted"),
    [
        (faults.ServerError(), 500, 0),
        (faults.ServerError(503, acted=True), 503, 1),
        (faults.BadGateway(), 502, 0),
        (faults.BadGateway(acted=True), 502, 1),
        (faults.Unavailable(7), 503, 0),
        (faults.TooMany(7), 429, 0),
        (faults.WrongContentType(), 200, 1),
        (faults.Revoked(), 401, 0),
    ],
)
async def test_an_answer_is_wrong(shop: Shop, fault: faults.Fault, status: int, acted: int) -> None:
    shop.emulator.faults.script(RECHARGE, fault)
    got, text, answer = await shop.recharge()
    assert (got, shop.recharges) == (status, acted)
    is_html = isinstance(fault, (faults.BadGateway, faults.WrongContentType))
    assert answer.content_type == ("text/html" if is_html else "application/json")
    assert text.startswith("<!doctype html>" if is_html else '{"')
    waits = isinstance(fault, (faults.Unavailable, faults.TooMany))
    assert answer.headers.get("Retry-After") == ("7" if waits else None)
    if isinstance(fault, faults.Revoked):
        shop.renew_token()
    assert (await shop.recharge("A-2"))[0] == 200


async def test_a_body_is_cut_off_after_acting(shop: Shop) -> None:
    shop.emulator.faults.script(RECHARGE, faults.CutOff())
    with pytest.raises(aiohttp.ClientPayloadError):
        await shop.recharge()
    assert shop.recharges == 1


@pytest.mark.parametrize("fault", [faults.SlowHeaders(30.0), faults.SlowBody(30.0)])
async def test_an_answer_is_slow_and_the_server_has_acted(
    shop: Shop, clock: ManualClock, fault: faults.Fault
) -> None:
    shop.emulator.faults.script(RECHARGE, fault)
    call = asyncio.create_task(shop.recharge())
    await shop.until(1)
    await asyncio.sleep(0.01)
    assert not call.done()
    while not call.done():
        clock.advance(30.0)
        await asyncio.sleep(0)
    assert call.result()[0] == 200


async def test_a_request_is_carried_out_late(shop: Shop, clock: ManualClock) -> None:
    shop.emulator.faults.script(RECHARGE, faults.CommitLate(5.0))
    with pytest.raises(aiohttp.ClientError):
        await shop.recharge()
    clock.advance(4.9)
    await asyncio.sleep(0)
    assert shop.recharges == 0
    settled = asyncio.create_task(shop.emulator.faults.settled())
    await asyncio.sleep(0)
    assert not settled.done()
    clock.advance(0.1)
    await settled
    assert shop.recharges == 1
    assert shop.emulator.charges()[0].created_at == clock.now()


async def test_new_connections_are_refused_for_a_while(shop: Shop, clock: ManualClock) -> None:
    shop.emulator.faults.script("*", faults.Refuse(2.0))
    url = shop.emulator.url
    with pytest.raises(aiohttp.ClientError):
        await shop.recharge()
    with pytest.raises(aiohttp.ClientConnectorError):
        await shop.recharge()
    clock.advance(2.0)
    async with asyncio.timeout(5):
        while True:
            try:
                assert (await shop.recharge())[0] == 200
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0)
            else:
                break
    assert shop.emulator.url == url


async def test_the_token_endpoint_is_down(shop: Shop) -> None:
    shop.emulator.faults.script("requestToken", faults.Unavailable())
    form = {
        "grant_type": "client_credentials",
        "client_id": shop.emulator.client_id,
        "client_secret": shop.emulator.client_secret,
    }
    statuses = []
    for _ in range(2):
        async with shop.session.post(shop.emulator.token_url, data=form) as answer:
            statuses.append(answer.status)
    assert statuses == [503, 200]


async def test_what_is_no_operation_meets_no_fault_and_uses_none_up(shop: Shop) -> None:
    shop.emulator.faults.script("*", faults.BadGateway())
    async with shop.session.get(f"{shop.emulator.base_url}/nothing") as answer:
        assert answer.status == 404
    assert (await shop.recharge())[0] == 502


async def test_scripts_go_in_order_and_leave_alone_what_is_none(shop: Shop) -> None:
    shop.emulator.faults.script("*", faults.BadGateway())
    shop.emulator.faults.script(RECHARGE, faults.ServerError(), None, faults.TooMany())
    assert [(await shop.recharge())[0] for _ in range(5)] == [500, 200, 429, 502, 200]


async def test_a_list_lags_behind_and_the_charge_itself_does_not(shop: Shop, clock: ManualClock) -> None:
    shop.emulator.faults.list_lag = 3.0
    assert shop.emulator.faults.list_lag == 3.0
    await shop.recharge()
    clock.advance(2.0)
    assert (await shop.listed(), shop.recharges) == (0, 1)
    clock.advance(1.0)
    assert await shop.listed() == 1


async def test_the_date_of_answers_is_wrong(shop: Shop) -> None:
    shop.emulator.faults.date_offset = 7200.0
    _, _, answer = await shop.recharge()
    assert answer.headers["Date"] == "Thu, 01 Jan 2026 14:00:00 GMT"
    assert shop.emulator.charges()[0].created_at == shop.emulator.now()


async def test_the_same_seed_gives_the_same_faults(shop: Shop) -> None:
    kinds: list[faults.Fault] = [faults.ServerError(), faults.TooMany(), faults.BadGateway()]

    async def statuses(seed: int) -> list[int]:
        shop.emulator.faults.chance(0.5, seed=seed, operations=[RECHARGE], kinds=kinds)
        assert shop.emulator.faults.seed == seed
        return [(await shop.recharge())[0] for _ in range(30)]

    first = await statuses(7)
    assert first == await statuses(7) != await statuses(8)
    assert set(first) == {200, 429, 500, 502}
    assert await shop.listed() == min(shop.recharges, 25)  # the fault leaves other operations alone


async def refused_for_now(shop: Shop) -> None:
    """A request whose connection breaks, and which is carried out five seconds later."""
    shop.emulator.faults.script(RECHARGE, faults.CommitLate(5.0))
    with pytest.raises(aiohttp.ClientError):
        await shop.recharge()


async def test_what_was_to_be_carried_out_late_is_not_carried_out_after_a_stop(
    shop: Shop, clock: ManualClock
) -> None:
    await refused_for_now(shop)
    await shop.emulator.stop()
    clock.advance(10.0)
    await shop.emulator.faults.settled()
    assert shop.recharges == 0


async def test_a_late_request_is_carried_out_though_faults_were_cleared(
    shop: Shop, clock: ManualClock
) -> None:
    await refused_for_now(shop)
    shop.emulator.faults.clear()
    clock.advance(5.0)
    await shop.emulator.faults.settled()
    assert shop.recharges == 1


async def test_clear_ends_everything(shop: Shop) -> None:
    shop.emulator.faults.script(RECHARGE, faults.BadGateway())
    shop.emulator.faults.chance(1.0, seed=1, kinds=[faults.ServerError()])
    shop.emulator.faults.list_lag = shop.emulator.faults.date_offset = 9.0
    shop.emulator.faults.clear()
    assert (await shop.recharge())[0] == 200
    assert await shop.listed() == 1
    assert repr(shop.emulator.faults) == "<Faults: 0 injected>"


def test_what_cannot_work_is_refused() -> None:
    broken = VoucherEmulator().faults
    with pytest.raises(ValueError, match="no operation 'charge'; there are "):
        broken.script("charge", faults.BreakAfter())
    with pytest.raises(ValueError, match="no operation 'x'"):
        broken.chance(0.1, seed=1, operations=["x"])
    with pytest.raises(ValueError, match="share"):
        broken.chance(1.1, seed=1)
    with pytest.raises(ValueError, match="kinds"):
        broken.chance(0.1, seed=1, kinds=[])
    with pytest.raises(ValueError, match="list_lag"):
        broken.list_lag = -1.0


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (faults.Refuse, -1.0),
        (faults.CommitLate, float("nan")),
        (faults.SlowBody, float("inf")),
        (faults.SlowHeaders, -0.1),
        (faults.ServerError, 200),
        (faults.Unavailable, -1),
        (faults.TooMany, -1),
    ],
)
def test_a_fault_with_an_absurd_value_is_refused(kind: type, value: float) -> None:
    with pytest.raises(ValueError, match=r"^(seconds|status|retry_after) must be from "):
        kind(value)


def test_what_is_no_fault_is_refused_when_it_is_asked_for() -> None:
    broken = VoucherEmulator().faults
    with pytest.raises(TypeError, match=r"BreakAfter'>; faults are made like BreakAfter\(\)"):
        broken.script(RECHARGE, faults.BreakAfter)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not a fault: 'x'"):
        broken.chance(0.5, seed=1, kinds=["x"])  # type: ignore[list-item]
    broken.script(RECHARGE)
    assert not broken.active
    with pytest.raises(ValueError, match="date_offset"):
        broken.date_offset = float("inf")
    with pytest.raises(ValueError, match="list_lag"):
        broken.list_lag = 1e300
