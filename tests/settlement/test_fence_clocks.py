"""Neither the `Date` of a proxy nor the stamps of a server end a reservation: another clock wrote them."""

from __future__ import annotations

import asyncio
import datetime as dt

import pytest

from tests.proxy import Asked, Proxy, Reply, said
from tests.settlement.conftest import Shop
from tests.settlement.truth import is_true, outcome_of
from voucher_async import Proof, VoucherClient
from voucher_async.testing import faults, habits

CHARGE, RESERVE = "chargeReservation", "createReservation"
LATE = 45.0  # seconds after which a copy is carried out: within the settle window


def in_production(shop: Shop, mesh: Proxy) -> VoucherClient:
    """A client with the windows that it has by default."""
    return shop.another([shop.told], base_url=mesh.base_url, settle_window=60.0, settle_for=120.0)


@pytest.mark.parametrize("ahead", [60.0, 120.0, 290.0])
async def test_a_date_that_is_ahead_does_not_make_a_charge_not_done_that_comes_later(
    shop: Shop, mesh: Proxy, ahead: float
) -> None:
    shop.emulator.habits.clocks = habits.Clocks(date=ahead)
    code = shop.voucher().code
    async with in_production(shop, mesh) as client:
        reservation = await shop.during(client.reservations.create(code=code, amount="4", currency="EUR"))
        shop.clock.advance(1800 - ahead - 10.3)
        shop.script(CHARGE, faults.CommitLate(LATE))
        charging = client.reservations.charge(reservation, order_number="A-1", timeout=120)
        told = await shop.during(outcome_of(charging))
        await shop.during(shop.emulator.faults.settled())
        assert len(shop.charged()) == 1
        assert (told.word, [told.value.id]) == ("done", shop.charged())
        await client.aclose(wait=0)


@pytest.mark.parametrize("seconds", [-7200.0, -60.0, 0.0, 60.0, 7200.0])
async def test_a_charge_that_never_comes_is_not_left_open_whatever_the_date(
    shop: Shop, mesh: Proxy, seconds: float
) -> None:
    shop.emulator.habits.clocks = habits.Clocks(date=seconds)
    code = shop.voucher().code
    async with in_production(shop, mesh) as client:
        reservation = await shop.during(client.reservations.create(code=code, amount="4", currency="EUR"))
        shop.clock.advance(1700.0)
        shop.script(CHARGE, *[faults.BreakBefore()] * 9)
        charging = client.reservations.charge(reservation, order_number="A-1", timeout=150)
        told = await shop.during(outcome_of(charging))
        assert told.word == "not done"
        assert is_true(shop, told, len(shop.charged()))
        await client.aclose(wait=0)


@pytest.mark.parametrize("ahead", [1, 2, 60])
async def test_a_stamp_of_another_machine_does_not_make_a_charge_not_done_that_comes_later(
    shop: Shop, mesh: Proxy, ahead: int
) -> None:
    """Made first, stamped last, answered last: the charge of the other one comes late."""
    code = shop.voucher().code
    is_charging, copies = asyncio.Event(), []

    async def made_first(asked: Asked) -> Reply:
        reply = await asked.deliver()
        stamp = dt.datetime.fromisoformat(reply.body["created_at"]) + dt.timedelta(seconds=ahead)
        await is_charging.wait()
        return reply.saying({**reply.body, "created_at": stamp.isoformat()})

    async def lost(asked: Asked) -> Reply:
        async def late() -> int:
            await shop.clock.sleep(LATE)
            return (await asked.deliver()).status

        copies.append(asyncio.create_task(late()))
        is_charging.set()
        with_a_later_stamp = await first
        assert with_a_later_stamp.created_at > newest.created_at
        return said(502, b"<html></html>")

    async with in_production(shop, mesh) as client:
        mesh.once(RESERVE, made_first)
        first = asyncio.create_task(client.reservations.create(code=code, amount="4", currency="EUR"))
        await shop.until(lambda: shop.count(RESERVE) == 1)
        newest = await shop.during(client.reservations.create(code=code, amount="4", currency="EUR"))
        mesh.once(CHARGE, lost)
        charging = client.reservations.charge(newest, order_number="A-1", timeout=150)
        told = await shop.during(outcome_of(charging))
        await shop.until(copies[0].done)
        assert (copies[0].result(), len(shop.charged())) == (200, 1)
        assert (told.word, [told.value.id]) == ("done", shop.charged())
        await client.aclose(wait=0)


async def test_one_that_was_asked_for_after_the_answer_is_a_fence_whatever_the_stamps(
    shop: Shop, mesh: Proxy
) -> None:
    code = shop.voucher().code

    async def behind(asked: Asked) -> Reply:
        reply = await asked.deliver()
        stamp = dt.datetime.fromisoformat(reply.body["created_at"]) - dt.timedelta(seconds=60)
        return reply.saying({**reply.body, "created_at": stamp.isoformat()})

    async def lost(_: Asked) -> Reply:
        await client.reservations.create(code=code, amount="4", currency="EUR")
        return said(502, b"<html></html>")

    async with in_production(shop, mesh) as client:
        reservation = await shop.during(client.reservations.create(code=code, amount="4", currency="EUR"))
        mesh.once(RESERVE, behind)
        mesh.once(CHARGE, lost)
        charging = client.reservations.charge(reservation, order_number="A-1", timeout=50)
        told = await shop.during(outcome_of(charging))
        assert told.error is not None
        assert (told.word, told.error.proof, shop.charged()) == ("not done", Proof.FENCED, [])
        await client.aclose(wait=0)
