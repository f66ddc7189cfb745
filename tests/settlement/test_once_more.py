"""A refused charge is followed by one new reservation and one more charge, once nothing shows the first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.proxy import Asked, Proxy, Reply, Rule, delivered, said
from tests.settlement.conftest import Shop, pay
from voucher_async import ApiError, CallState, Conflict, Proof, ReservationSuperseded, VoucherClient
from voucher_async.checkout import LocalVoucherLock
from voucher_async.testing import VoucherRecord

CHARGE, RESERVE = "chargeReservation", "createReservation"


def first(do: Callable[[], Awaitable[Any]]) -> Rule:
    """Let somebody else do something before a request is delivered."""

    async def rule(asked: Asked) -> Reply:
        await do()
        return await asked.deliver()

    return rule


def reserving(other: VoucherClient, voucher: VoucherRecord) -> Callable[[], Awaitable[Any]]:
    """Another client's reservation of the same voucher."""
    return lambda: other.reservations.create(code=voucher.code, amount="1.00", currency="EUR")


def elsewhere(shop: Shop) -> VoucherClient:
    """A client of another process: it takes no turns with this one's."""
    return VoucherClient(settings=shop.client.settings, clock=shop.clock, voucher_lock=LocalVoucherLock())


async def test_another_clients_reservation_in_between_costs_no_sale(
    shop: Shop, meshed: Shop, mesh: Proxy
) -> None:
    voucher = meshed.voucher()
    mesh.once(CHARGE, first(reserving(shop.client, voucher)))
    charge = await meshed.during(pay(meshed.client, voucher))
    assert meshed.charged() == [charge.id]
    assert (mesh.count(RESERVE), mesh.count(CHARGE)) == (2, 2)
    assert meshed.told.words == []
    assert meshed.client.pending == ()


async def test_it_is_charged_once_more_and_no_more(shop: Shop, meshed: Shop, mesh: Proxy) -> None:
    voucher = meshed.voucher()
    mesh.rules[CHARGE] = first(reserving(shop.client, voucher))
    with pytest.raises(Conflict) as caught:
        await meshed.during(pay(meshed.client, voucher))
    assert (caught.value.proof, caught.value.looked) == (Proof.REFUSED, True)
    assert (mesh.count(CHARGE), meshed.charged()) == (2, [])


async def test_a_refused_new_reservation_leaves_the_first_refusal_with_its_proof(
    shop: Shop, meshed: Shop, mesh: Proxy
) -> None:
    await meshed.during(pay(meshed.client, meshed.voucher(), order_number="C-1"))  # order numbers are echoed
    mesh.seen.clear()
    voucher = meshed.voucher("4.00")
    async with elsewhere(shop) as other:
        mesh.once(CHARGE, first(lambda: pay(other, voucher, order_number="B-1")))
        with pytest.raises(ApiError) as caught:
            await meshed.during(pay(meshed.client, voucher))
    assert caught.value.facts is not None
    assert caught.value.facts.operation == CHARGE
    assert (caught.value.proof, caught.value.looked, caught.value.pending) == (Proof.REFUSED, True, None)
    assert (mesh.count(CHARGE), mesh.count(RESERVE), meshed.charged()) == (1, 2, [])


async def test_a_new_reservation_that_was_replaced_in_turn_leaves_the_first_refusal_with_its_proof(
    shop: Shop, meshed: Shop, mesh: Proxy
) -> None:
    voucher = meshed.voucher()

    async def replace() -> None:
        if mesh.count(RESERVE) == 2:
            await reserving(meshed.client, voucher)()

    mesh.once(CHARGE, first(reserving(shop.client, voucher)))
    mesh.rules["listCharges"] = first(replace)
    with pytest.raises(Conflict) as caught:
        await meshed.during(pay(meshed.client, voucher, idempotency_key="k"))
    assert isinstance(caught.value.__cause__, ReservationSuperseded)
    assert (caught.value.proof, caught.value.looked) == (Proof.REFUSED, True)
    assert (mesh.count(CHARGE), mesh.count(RESERVE), meshed.charged()) == (1, 3, [])
    (record,) = [each async for each in meshed.client.history(key="k")]
    assert record.state is CallState.NOT_DONE


@pytest.mark.parametrize("status", [401, 403, 429])
async def test_a_refusal_that_is_not_about_the_reservation_makes_no_new_one(
    meshed: Shop, mesh: Proxy, status: int
) -> None:
    async def refused(_: Asked) -> Reply:
        return said(status)

    mesh.rules[CHARGE] = refused
    with pytest.raises(ApiError) as caught:
        await meshed.during(pay(meshed.client, meshed.voucher()))
    assert caught.value.status == status
    assert mesh.count(RESERVE) == 1


async def test_a_mesh_that_delivers_twice_gets_no_second_charge(meshed: Shop, mesh: Proxy) -> None:
    mesh.rules[CHARGE] = delivered(2)
    charge = await meshed.during(pay(meshed.client, meshed.voucher()))
    assert meshed.charged() == [charge.id]
    assert mesh.count(RESERVE) == 1


class Late:
    """A mesh that refuses a charge by itself, and delivers it just before the next reservation."""

    def __init__(self, mesh: Proxy) -> None:
        self._held: list[Asked] = []
        mesh.once(CHARGE, self._refuse)
        mesh.once(RESERVE, self._reserve)
        self._mesh = mesh

    async def _refuse(self, asked: Asked) -> Reply:
        self._held.append(asked)
        return said(409)

    async def _reserve(self, asked: Asked) -> Reply:
        self._mesh.once(RESERVE, self._deliver_first)
        return await asked.deliver()

    async def _deliver_first(self, asked: Asked) -> Reply:
        assert (await self._held[0].deliver()).status == 200
        return await asked.deliver()


@pytest.mark.parametrize("lag", [0.0, 3.0, 9.0])
async def test_a_delivery_that_was_late_is_found_behind_the_fence(
    meshed: Shop, mesh: Proxy, lag: float
) -> None:
    Late(mesh)
    meshed.emulator.faults.list_lag = lag
    charge = await meshed.during(pay(meshed.client, meshed.voucher()))
    assert meshed.charged() == [charge.id]
    assert (mesh.count(CHARGE), mesh.count(RESERVE)) == (1, 2)


async def test_where_the_balance_may_not_be_read_the_lists_lag_is_waited_out(
    meshed: Shop, mesh: Proxy
) -> None:
    async def refused(_: Asked) -> Reply:
        return said(403)

    Late(mesh)
    mesh.rules["getVoucher"] = refused
    meshed.emulator.faults.list_lag = 9.0
    charge = await meshed.during(pay(meshed.client, meshed.voucher()))
    assert meshed.charged() == [charge.id]
    assert mesh.count(CHARGE) == 1


async def test_a_late_delivery_that_emptied_the_voucher_is_found_although_reserving_is_refused(
    meshed: Shop, mesh: Proxy
) -> None:
    Late(mesh)
    charge = await meshed.during(pay(meshed.client, meshed.voucher("4.00")))
    assert meshed.charged() == [charge.id]


async def test_nothing_is_charged_when_no_look_can_be_made(shop: Shop, meshed: Shop, mesh: Proxy) -> None:
    voucher = meshed.voucher()

    async def unreadable(_: Asked) -> Reply:
        return said(500)

    async def reserve_and_hide(asked: Asked) -> Reply:
        reply = await asked.deliver()
        if mesh.count(RESERVE) > 1:
            mesh.rules["listCharges"] = unreadable
        return reply

    mesh.once(CHARGE, first(reserving(shop.client, voucher)))
    mesh.rules[RESERVE] = reserve_and_hide
    with pytest.raises(Conflict) as caught:
        await meshed.during(pay(meshed.client, voucher, timeout=8.0))
    assert caught.value.proof is Proof.REFUSED
    assert (mesh.count(CHARGE), meshed.charged()) == (1, [])


@pytest.mark.parametrize("during", [RESERVE, "listCharges", "getVoucher"])
async def test_nothing_new_is_charged_for_a_caller_that_is_gone(
    shop: Shop, meshed: Shop, mesh: Proxy, during: str
) -> None:
    voucher = meshed.voucher()
    task: asyncio.Task[Any]

    async def leave() -> None:
        if mesh.count(RESERVE) > 1:
            task.cancel()
            await asyncio.sleep(0)

    mesh.once(CHARGE, first(reserving(shop.client, voucher)))
    mesh.rules[during] = first(leave)
    task = asyncio.create_task(pay(meshed.client, voucher))
    with pytest.raises(asyncio.CancelledError):
        await meshed.during(asyncio.wait_for(task, None))
    await meshed.until(lambda: meshed.told.words)
    assert meshed.told.words == ["not done"]
    assert (mesh.count(CHARGE), meshed.charged()) == (1, [])


async def test_two_clients_that_take_no_turns_never_charge_a_payment_twice(shop: Shop) -> None:
    voucher = shop.voucher("100.00")
    async with elsewhere(shop) as other:
        for client in (shop.client, other):
            await shop.during(pay(client, shop.voucher(), order_number="C-1"))  # order numbers are echoed
        payments = [
            pay(client, voucher, amount="1.00", order_number=f"{name}-{number}")
            for number in range(6)
            for name, client in (("A", shop.client), ("B", other))
        ]
        results = await shop.during(_all(payments))
    done = [result for result in results if not isinstance(result, BaseException)]
    refused = [result for result in results if isinstance(result, BaseException)]
    assert all(isinstance(error, Conflict) and error.proof is Proof.REFUSED for error in refused)
    charged = [each for each in shop.emulator.charges(type="charge") if each.voucher_id == voucher.id]
    assert sorted(charge.id for charge in charged) == sorted(charge.id for charge in done)
    assert len({charge.order_number for charge in charged}) == len(charged)
    assert shop.emulator.balance(voucher.id) == Decimal(100 - len(done))


async def _all(payments: list[Any]) -> list[Any]:
    return await asyncio.gather(*payments, return_exceptions=True)
