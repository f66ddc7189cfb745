"""Habits of meshes, gateways and caches, over a socket."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from voucher_async.testing import ManualClock, faults, habits


@pytest.mark.parametrize(("answer", "status"), [("last", 409), ("first", 200)])
async def test_a_charge_is_delivered_twice_and_answered_once(wire: Any, answer: Any, status: int) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.deliver_twice = habits.DeliverTwice(operations="chargeReservation", answer=answer)
    assert (await wire.charge(voucher)).status == status
    assert len(wire.emulator.charges("A-1")) == 1
    assert wire.emulator.requests.count("chargeReservation") == 2
    assert wire.emulator.requests.count("createReservation") == 1


async def test_a_recharge_is_carried_out_as_often_as_it_is_delivered(wire: Any) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.deliver_twice = habits.DeliverTwice(times=4)
    told = await wire.recharge(id=voucher.id)
    made = wire.emulator.charges("R-1")
    assert (len(made), told.body["id"]) == (4, made[-1].id)


async def test_a_reservation_that_is_answered_first_and_made_twice_is_replaced_already(wire: Any) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.deliver_twice = habits.DeliverTwice(operations="createReservation", answer="first")
    assert (await wire.charge(voucher)).body["code"] == "RESERVATION.CHARGE.SUPERSEDED"


async def test_a_voucher_that_is_created_twice_is_refused_as_taken(wire: Any) -> None:
    wire.emulator.habits.deliver_twice = habits.DeliverTwice()
    answer = await wire("POST", "/vouchers", json={"id": "V-1", "amount": "5.00", "currency": "EUR"})
    assert answer.codes == {"VOUCHER.CREATE.CUSTOM_ID.UNIQUE"}
    assert wire.emulator.balance("V-1") == 5


async def test_a_share_of_the_requests_is_delivered_twice(wire: Any) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.deliver_twice = habits.DeliverTwice(share=0.5, seed=1)
    for _ in range(20):
        await wire.recharge(id=voucher.id)
    assert 20 < len(wire.emulator.charges("R-1")) < 40


@pytest.mark.parametrize("status", [403, 429])
async def test_a_mesh_says_no_after_it_has_delivered(wire: Any, status: Any) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.deliver_twice = habits.DeliverTwice(answer=status)
    told = await wire.recharge(id=voucher.id)
    assert (told.status, told.headers["Content-Type"]) == (status, "text/plain")
    assert len(wire.emulator.charges("R-1")) == 2


@pytest.mark.parametrize(
    ("habit", "body"),
    [
        (habits.ProxyAnswer(), "405 Not Allowed"),
        (habits.ProxyAnswer(413), "413 Request Entity Too Large"),
        (habits.ProxyAnswer(431, form="text"), "431 Request Header Fields Too Large"),
        (habits.ProxyAnswer(418), "418 Error"),
        (habits.ProxyAnswer(408, form="empty"), ""),
    ],
)
async def test_a_proxy_answers_in_place_of_the_server_that_did_the_work(
    wire: Any, habit: habits.ProxyAnswer, body: str
) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.proxy_answer = habit
    told = await wire.charge(voucher)
    assert (told.status, len(wire.emulator.charges("A-1"))) == (habit.status, 1)
    assert isinstance(told.body, str)
    assert body in told.body
    assert not body or habit.form != "html" or told.headers["Content-Type"].startswith("text/html")


async def test_a_gateway_may_answer_in_the_form_of_the_api(wire: Any) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.proxy_answer = habits.ProxyAnswer(
        503, operations="rechargeVoucher", form="envelope", retry_after=7
    )
    told = await wire.recharge(id=voucher.id)
    assert (told.status, told.body["status"], told.headers["Retry-After"]) == (503, 503, "7")
    assert len(wire.emulator.charges("R-1")) == 1


async def test_a_list_comes_from_a_copy_until_that_is_too_old(wire: Any, clock: ManualClock) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.cache = habits.Cache(seconds=30)
    await wire.listed(voucher)
    await wire.charge(voucher)
    clock.advance(29)
    assert await wire.listed(voucher) == []
    assert wire.emulator.requests.count("listCharges") == 1
    clock.advance(1)
    assert len(await wire.listed(voucher)) == 1


async def test_a_copy_belongs_to_the_whole_query_unless_the_cache_ignores_it(wire: Any) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    for ignore, shown in ((False, 1), (True, 0)):
        wire.emulator.habits.cache = habits.Cache(ignore_query=ignore)
        other = wire.emulator.add_voucher(amount=25)
        await wire.listed(other)
        await wire.charge(other)
        assert len(await wire.listed(other, per_page="99")) == shown
    assert await wire.listed(voucher) == []


@pytest.mark.parametrize("honour", [False, True])
async def test_a_cache_gives_a_copy_to_whom_wants_none_unless_it_honours_that(
    wire: Any, *, honour: bool
) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.cache = habits.Cache(honour_no_cache=honour)
    await wire.listed(voucher)
    await wire.charge(voucher)
    path = f"/vouchers/{voucher.id}/charges"
    fresh = await wire("GET", path, headers={"Cache-Control": "No-Cache"})
    assert len(fresh.body["data"]) == honour
    assert len(await wire.listed(voucher)) == honour


@pytest.mark.parametrize("old", [False, True])
async def test_a_copy_has_its_age_and_its_old_date_where_the_cache_tells_them(
    wire: Any, clock: ManualClock, *, old: bool
) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.cache = habits.Cache(age=old, old_date=old)
    path = f"/vouchers/{voucher.id}/charges"
    first = await wire("GET", path)
    clock.advance(7)
    copy = await wire("GET", path)
    assert "Age" not in first.headers
    assert copy.headers.get("Age") == ("7" if old else None)
    dates = [parsedate_to_datetime(answer.headers["Date"]) for answer in (first, copy)]
    assert (dates[1] - dates[0]).total_seconds() == (0 if old else 7)


@pytest.mark.parametrize("fault", [faults.ServerError(), faults.BreakBefore(), faults.Unavailable()])
async def test_a_stale_copy_is_served_while_the_server_cannot_be_asked(
    wire: Any, clock: ManualClock, fault: faults.Fault
) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.cache = habits.Cache(seconds=1, stale_if_error=60)
    await wire.listed(voucher)
    await wire.charge(voucher)
    clock.advance(5)
    wire.emulator.faults.script("listCharges", fault)
    assert await wire.listed(voucher) == []
    assert len(await wire.listed(voucher)) == 1
    assert len(wire.emulator.faults.injected) == 1


async def test_no_copy_is_too_old_to_be_stale_and_none_survives_another_cache(
    wire: Any, clock: ManualClock
) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    path = f"/vouchers/{voucher.id}/charges"
    wire.emulator.habits.cache = habits.Cache(seconds=1, stale_if_error=60)
    await wire.listed(voucher)
    clock.advance(61)
    wire.emulator.faults.script("listCharges", faults.ServerError())
    assert (await wire("GET", path)).status == 500
    wire.emulator.habits.cache = habits.Cache()
    await wire.listed(voucher)
    assert wire.emulator.requests.count("listCharges") == 3


async def test_refusals_and_other_reads_are_not_kept(wire: Any) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.cache = habits.Cache()
    for path in ("/vouchers/none/charges", f"/vouchers/{voucher.id}"):
        await wire("GET", path)
        await wire("GET", path)
    assert wire.emulator.requests.count("listCharges") == 2
    assert wire.emulator.requests.count("getVoucher") == 2
    wire.emulator.habits.cache = habits.Cache(operations="getVoucher")
    await wire("GET", f"/vouchers/{voucher.id}")
    await wire.charge(voucher)
    assert (await wire("GET", f"/vouchers/{voucher.id}")).body["remaining_amount"] == "25.00"


@pytest.mark.parametrize("missing", [0.0, 120.0])
async def test_an_answer_of_404_is_kept_where_the_cache_keeps_it(
    wire: Any, clock: ManualClock, missing: float
) -> None:
    wire.emulator.habits.cache = habits.Cache(seconds=1, operations="getVoucher", missing=missing)
    first = await wire("GET", "/vouchers/V-1")
    wire.emulator.add_voucher(id="V-1", amount=25)
    clock.advance(119)
    second = await wire("GET", "/vouchers/V-1")
    assert [first.status, second.status] == [404, 404 if missing else 200]
    if missing:
        assert (second.body, second.headers["Date"]) == (first.body, first.headers["Date"])
    clock.advance(1)
    assert (await wire("GET", "/vouchers/V-1")).status == 200


async def test_a_cache_forgets_the_oldest_of_very_many_copies(wire: Any) -> None:
    voucher = wire.emulator.add_voucher(amount=25)
    wire.emulator.habits.cache = habits.Cache()
    for size in range(1, 1026):
        await wire.listed(voucher, per_page=str(size))
    assert wire.emulator.requests.count("listCharges") == 1025
    await wire.listed(voucher, per_page="1025")
    assert wire.emulator.requests.count("listCharges") == 1025
    await wire.listed(voucher, per_page="1")
    assert wire.emulator.requests.count("listCharges") == 1026
