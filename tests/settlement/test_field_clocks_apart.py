"""Clocks that disagree: stamps apart by hours, jumps, a machine that slept, seconds beside microseconds."""

from __future__ import annotations

import datetime as dt
from typing import Any

import attrs
import pytest

from tests.proxy import Asked, Proxy, Reply
from tests.recorder import Recorder
from tests.settlement.conftest import Shop, pay, settings
from tests.settlement.truth import is_true, outcome_of
from voucher_async import ManualClock, VoucherClient
from voucher_async.testing import faults

CHARGE, RECHARGE, LIST = "chargeReservation", "rechargeVoucher", "listCharges"
APART = [-12 * 3600, -3600, -60, -5, -1, 1, 5, 60, 3600, 12 * 3600]


def moved(said: Any, seconds: float, *, fraction: bool = False) -> Any:
    """A body whose charges have other stamps."""
    if isinstance(said, dict) and "data" in said:
        return {**said, "data": [moved(each, seconds) for each in said["data"]]}
    stamp = dt.datetime.fromisoformat(said["created_at"]) + dt.timedelta(seconds=seconds)
    return {**said, "created_at": (stamp.replace(microsecond=700_000) if fraction else stamp).isoformat()}


def shifted(mesh: Proxy, seconds: float) -> None:
    """Let charges be stamped by another clock than reservations."""

    async def rule(asked: Asked) -> Reply:
        reply = await asked.deliver()
        return reply.saying(moved(reply.body, seconds)) if reply.status == 200 else reply

    mesh.rules[CHARGE] = mesh.rules[LIST] = rule


@pytest.mark.parametrize("warm", [False, True], ids=["first", "later"])
@pytest.mark.parametrize("seconds", APART)
@pytest.mark.parametrize("fault", [faults.BreakAfter(), faults.BreakBefore()], ids=repr)
async def test_a_lost_charge_is_settled(
    *, meshed: Shop, mesh: Proxy, seconds: int, fault: faults.Fault, warm: bool
) -> None:
    shifted(mesh, seconds)
    if warm:
        await meshed.during(pay(meshed.client, meshed.voucher(), order_number="X-1"))

    async def lost(asked: Asked) -> Reply:
        if fault == faults.BreakAfter():
            await asked.deliver()
        return Reply(502, b"<html></html>", {})

    mesh.once(CHARGE, lost)
    told = await meshed.during(outcome_of(pay(meshed.client, meshed.voucher())))
    # before a normal answer shows the difference of the clocks, the entry may be an older call's
    assert told.word == "done" or (not warm and told.word == "open"), told
    assert told.word == "open" or [told.value.id] == meshed.charged()


@pytest.mark.parametrize("seconds", APART)
async def test_a_lost_charge_without_a_live_reservation_is_never_told_not_done(
    meshed: Shop, mesh: Proxy, seconds: int
) -> None:
    await meshed.during(pay(meshed.client, meshed.voucher(), order_number="X-1"))
    shifted(mesh, seconds)  # the server's clock jumps between the calls
    voucher = meshed.voucher()
    reserving = meshed.client.reservations.create(code=voucher.code, amount="4", currency="EUR")
    reservation = await meshed.during(reserving)
    meshed.clock.advance(1789.9)
    meshed.script(CHARGE, faults.BreakAfter())
    charging = meshed.client.reservations.charge(reservation, order_number="A-1")
    told = await meshed.during(outcome_of(charging))
    assert is_true(meshed, told, len(meshed.charged()))
    await meshed.during(meshed.client.aclose(wait=130))
    assert "not done" not in meshed.told.words


async def test_stamps_of_reservations_with_fractions_leave_nothing_open(meshed: Shop, mesh: Proxy) -> None:
    async def fine(asked: Asked) -> Reply:
        reply = await asked.deliver()
        return reply.saying(moved(reply.body, 0, fraction=True))

    mesh.rules["createReservation"] = fine
    for number in range(5):
        meshed.script(CHARGE, faults.BreakAfter())
        order = f"A-{number}"
        told = await meshed.during(outcome_of(pay(meshed.client, meshed.voucher(), order_number=order)))
        assert told.word == "done"
    assert meshed.count(CHARGE) == 5


class Sleeper(ManualClock):
    """A machine whose monotonic clock does not count that it sleeps, and its wall clock does."""

    def __init__(self, real: ManualClock) -> None:
        super().__init__()
        self.real = real
        self.slept = 0.0

    def monotonic(self) -> float:
        return self.real.monotonic() - self.slept

    def uptime(self) -> float:
        return self.real.monotonic()

    def now(self) -> dt.datetime:
        return self.real.now()

    async def sleep(self, seconds: float) -> None:
        await self.real.sleep(seconds)

    def suspend(self, seconds: float) -> None:
        self.real.advance(seconds)
        self.slept += seconds


@pytest.mark.parametrize("slept", [20.0, 600.0, 1700.0, 7200.0])
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("fault", [faults.BreakAfter(), faults.BreakBefore()], ids=repr)
async def test_a_machine_that_slept_around_a_charge_is_told_the_truth(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, *, slept: float, moment: str, fault: faults.Fault
) -> None:
    clock = Sleeper(shop.clock)
    told_hooks = Recorder()
    client = VoucherClient(settings=settings(shop.emulator), clock=clock, hooks=[told_hooks])
    await shop.during(pay(client, shop.voucher(), order_number="X-1"))
    voucher = shop.voucher()
    reserving = client.reservations.create(code=voucher.code, amount="4", currency="EUR")
    reservation = await shop.during(reserving)
    if moment == "before":
        clock.suspend(slept)
    else:
        before = client._transport.send

        async def send(request: Any, deadline: Any) -> Any:
            try:
                return await before(request, deadline)
            finally:
                if request.operation.id == CHARGE and not clock.slept:
                    clock.suspend(slept)

        sender: Any = attrs.make_class("Sender", [])()
        sender.send, sender.deadline = send, client._transport.deadline
        client._supervisor.settler.sender = sender
    shop.script(CHARGE, fault)
    told = await shop.during(outcome_of(client.reservations.charge(reservation, order_number="A-1")))
    view = attrs.evolve(shop, client=client, told=told_hooks)
    assert is_true(view, told, len(shop.charged()))
    await shop.during(client.aclose(wait=130))
    assert is_true(view, told, len(shop.charged()))
